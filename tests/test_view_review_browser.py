"""A review on JupyterLab's page in a real Chromium: a key pressed is an answer in the file, a line drawn an outline."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import FRAMES, run_notebook_in_browser
from couplet_scene import couplet_gradients
from shapely.geometry import Polygon

from labkit import geo
from labkit.detect import open_review

ROOT = Path(__file__).resolve().parents[1]

CELLS = (
    f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import labkit as lk
import numpy as np
import xarray as xr
from couplet_scene import couplet_gradients, couplet_boxes
gradients = couplet_gradients(240, 320)
lat, lon = np.linspace(31.01, 30.9, 150), np.linspace(101.99, 102.15, 200)
ground = xr.DataArray(np.add.outer(np.sin(400 * lat), np.cos(300 * lon)), coords={{"y": lat, "x": lon}},
                      dims=("y", "x"), attrs={{"crs": "EPSG:4326"}})
""",
    """
desk = lk.view.review(couplet_boxes(gradients), "review.gpkg", "ann", gradients=gradients, ground=ground, n=None)
desk
""",
)

pytestmark = pytest.mark.browser


def draw(page: Any, at: Callable[[float, float], tuple[float, float]], corners: list[tuple[int, int]]) -> None:
    page.keyboard.press("d")
    for corner in corners:
        page.mouse.click(*at(*corner))
        # two clicks within 300 ms are a double click
        page.wait_for_timeout(400)


def test_a_key_answers_and_goes_on_and_an_outline_that_was_drawn_is_kept(tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "review.ipynb")
    file, folder = tmp_path / "review.gpkg", ROOT / "test-output" / "review"
    corners = [(75, 50), (120, 48), (125, 95), (98, 104), (70, 92)]
    second = [(200, 140), (245, 138), (224, 175)]

    def look(page: Any) -> None:
        def reads(words: str) -> None:
            end = time.monotonic() + 60
            while words not in (said := " ".join(page.locator(".jp-OutputArea h3, p[role]").all_inner_texts())):
                if time.monotonic() > end:
                    page.screenshot(path=folder / "silent.png")
                    pytest.fail(f"the page must say {words!r}, instead it says {said!r}")
                page.wait_for_timeout(100)

        def at(x: float, y: float) -> tuple[float, float]:
            (frame,) = [one for one in page.evaluate(FRAMES) if one["title"].endswith("along azimuth")]
            (x0, x1), (y0, y1) = frame["x"], frame["y"]
            across, along = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
            return frame["left"] + across * frame["width"], frame["top"] + along * frame["height"]

        reads("Detection 1 of 4, not answered")
        page.locator(".bk-Figure").first.click(position={"x": 150, "y": 12})
        # letters in the note are no answers
        note = page.get_by_label("Note", exact=True)
        note.fill("lush, no scarp")
        page.keyboard.press("u")
        page.keyboard.press("Enter")
        reads("Note and outline are saved with the answer")
        draw(page, at, corners)
        # the halves of a double click that came too late to be one
        page.mouse.click(*at(*corners[-1]))
        page.wait_for_timeout(800)
        page.screenshot(path=folder / "drawn.png")
        page.keyboard.press("l")
        reads("Detection 2 of 4, not answered")
        # who presses twice has seen one detection
        page.keyboard.press("n")
        page.keyboard.press("n")
        reads("Detection 3 of 4, not answered")
        page.get_by_role("button", name="Human activity (H)").click()
        reads("Detection 4 of 4, not answered")
        page.keyboard.press("ArrowLeft")
        reads("Detection 3 of 4, answered: human activity")
        page.keyboard.press("4")
        reads("Detection 4 of 4, not answered")
        page.screenshot(path=folder / "answered.png")
        # an answer takes the line along that nobody has ended
        draw(page, at, second)
        page.keyboard.press("l")
        reads("All are answered")

    seen = run_notebook_in_browser(tmp_path / "review.ipynb", folder, 180, then=look)
    assert seen.errors == [] and seen.outside_requests == [] and seen.figures == 4
    review = open_review(file)
    answers = review.answers("ann").set_index("detection_id").loc[review.sample["detection_id"]]
    assert answers["answer"].tolist() == ["landslide", "not a landslide", "unsure", "landslide"]
    assert answers["note"].tolist() == ["lush, no scarpu", "", "", ""]
    given = ["landslide", "not a landslide", "human activity", "unsure", "landslide"]
    assert review.history()["answer"].tolist() == given
    gradients = couplet_gradients(240, 320)
    for kept, line in zip(review.inventory().geometry, (corners, second), strict=True):
        lon, lat = geo.pixel_to_lonlat(gradients, [y for _, y in line], [x for x, _ in line])
        drawn = Polygon(zip(lon, lat, strict=True))
        assert kept.intersection(drawn).area / kept.union(drawn).area > 0.95
