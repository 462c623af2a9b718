"""What a person does on Label Studio's labelling page: log in, open a chip, draw boxes with the mouse, submit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

OUTPUT = Path(__file__).resolve().parents[1] / "test-output" / "label"


def log_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{url}/")


def draw(page: Page, panel: int, box: tuple[float, float, float, float], size: int, label: str) -> None:
    """Draw a box, in pixels of the chip, on the image of one panel with the mouse."""
    page.locator(".lsf-labels").nth(panel).locator(".lsf-label").filter(has_text=label).first.click()
    drag(page, panel, box, size)


def drag(page: Page, panel: int, box: tuple[float, float, float, float], size: int) -> None:
    """Draw a box with the label that is picked."""
    canvas = shown_images(page)[panel]
    scale = canvas["width"] / size
    xmin, ymin, xmax, ymax = (edge * scale for edge in box)
    page.mouse.move(canvas["x"] + xmin, canvas["y"] + ymin)
    page.mouse.down()
    page.mouse.move(canvas["x"] + (xmin + xmax) / 2, canvas["y"] + (ymin + ymax) / 2, steps=4)
    page.mouse.move(canvas["x"] + xmax, canvas["y"] + ymax, steps=4)
    page.mouse.up()


def shown_images(page: Page) -> list[dict[str, float]]:
    """Where the images of the chip stand on the page, as one reads: those beside each other, then those below."""
    places = page.evaluate(
        "[...document.querySelectorAll('img[src^=blob]')].map(e => e.getBoundingClientRect().toJSON())"
    )
    return sorted(places, key=lambda place: (round(place["y"]), place["x"]))


def submit(page: Page) -> None:
    page.get_by_label("Submit current annotation").click()
    page.get_by_text("No More Tasks Left in Queue").wait_for()


def picture(page: Page, name: str) -> Path:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(700)
    page.screenshot(path=OUTPUT / name)
    return OUTPUT / name


def open_first_task(page: Page, url: str, panels: int) -> None:
    """Open the project's list, then its first chip, as a person clicks."""
    page.goto(url)
    page.get_by_text("Label All Tasks").click()
    page.locator(".konvajs-content").nth(panels - 1).wait_for()
    page.wait_for_timeout(1500)  # the image is laid out once more when it has loaded


def assert_whole_image(page_picture: Path, place: dict[str, float], image: Path) -> None:
    """Check that a picture of the page shows this image whole and pixel for pixel at this place."""
    sent = np.asarray(Image.open(image).convert("RGB"), float)
    left, top = round(place["x"]), round(place["y"])
    shown = np.asarray(Image.open(page_picture).convert("RGB"), float)
    shown = shown[top : top + sent.shape[0], left : left + sent.shape[1]]
    assert shown.shape == sent.shape
    assert np.abs(shown - sent).mean() < 4
