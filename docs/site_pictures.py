"""Takes pictures of the figures that only a browser draws, for the gallery of a built site."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

#: Names of the browser that draws, the first that is there.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

#: As root in a container, and without calls of its own to the network.
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--allow-file-access-from-files")

#: What is a picture on a page: an image of matplotlib, a figure of Bokeh with all that belongs to it.
_DRAWN = ".cell_output img, .cell_output [data-root-id] > *"

#: Widest and highest picture of the gallery, px.
_SIZE = (900, 640)

#: How long a page may take until its first figure stands, ms.
_PATIENCE_MS = 60_000

#: Less than this is a button or an empty frame, px.
_LEAST_PX = 120


def browser() -> str:
    """Give the Chromium of this machine; "" where there is none."""
    named = os.environ.get("LABKIT_CHROMIUM", "")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), "")


def take_pictures(pages: dict[str, Path], folder: Path) -> list[str]:
    """Save the first figure of each page that has one as ``<name>.png``; give the names of those that have.

    Parameters
    ----------
    pages : dict of str to Path
        Name → built page.
    folder : Path
        Where the pictures go.
    """
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=list(_FLAGS))
        for name, path in pages.items():
            page = chromium.new_page(viewport={"width": 1500, "height": 1000})
            page.goto(path.absolute().as_uri(), timeout=_PATIENCE_MS)
            picture = _first_figure(page)
            page.close()
            if picture is not None:
                picture.thumbnail(_SIZE, Image.Resampling.LANCZOS)
                picture.save(folder / f"{name}.png", optimize=True)
                taken.append(name)
        chromium.close()
    return taken


def _first_figure(page: Any) -> Image.Image | None:
    """The first figure on a page that is large enough and not of one colour; Bokeh draws when the page has loaded."""
    if page.locator("[data-root-id]").count():
        page.locator(".bk-Figure").first.wait_for(timeout=_PATIENCE_MS)
    found = page.locator(_DRAWN)
    for number in range(found.count()):
        one = found.nth(number)
        box = one.bounding_box()
        if box is None or not one.is_visible() or min(box["width"], box["height"]) < _LEAST_PX:
            continue
        one.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)  # what is drawn after the frame: images, then labels
        picture = Image.open(io.BytesIO(one.screenshot())).convert("RGB")
        if len(picture.getcolors(1 << 24) or ()) > 20:
            return picture
    return None
