"""A person's way through the real page: log in, see both images whole, draw a box on each, submit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from browser import CHROMIUM_FLAGS, chromium
from label_studio_fixture import chips_of, images_of
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from labkit.label import LabelServer, connect, count_proposals
from labkit.schema import boxes_table

pytestmark = [pytest.mark.server, pytest.mark.browser]

OUTPUT = Path(__file__).resolve().parents[1] / "test-output" / "label"


@pytest.fixture
def page(label_studio: LabelServer) -> Iterator[Page]:
    """A browser window of 1500 × 950 in which the bench's owner has logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.goto(f"{label_studio.url}/user/login/")
        page.fill("input[name=email]", label_studio.user)
        page.fill("input[name=password]", label_studio.password)
        page.click("button[type=submit]")
        page.wait_for_url(f"{label_studio.url}/")
        yield page
        browser.close()


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
    """Where the images of the chip stand on the page, from left to right."""
    places = page.evaluate(
        "[...document.querySelectorAll('img[src^=blob]')].map(e => e.getBoundingClientRect().toJSON())"
    )
    return sorted(places, key=lambda place: place["x"])


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


def test_boxes_drawn_with_the_mouse_come_back_within_a_pixel_and_a_half(page, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    studio = connect()
    report = studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"), "browser")
    open_first_task(page, report.url, 2)
    azimuth, range_ = shown_images(page)
    for image in (azimuth, range_):
        assert image["width"] == image["height"] == 416
        assert image["right"] <= 1180  # where the list of boxes begins
        assert image["bottom"] <= 900  # where the bar with the button begins
    assert azimuth["right"] < range_["left"]
    assert azimuth["y"] == range_["y"]
    empty = picture(page, "both-images.png")
    assert_whole_image(empty, azimuth, couplet_scene, 0)
    assert_whole_image(empty, range_, couplet_scene, 1)

    drawn = {"azimuth": (252.0, 208.0, 408.0, 380.0), "range": (230.0, 225.0, 410.0, 370.0)}
    draw(page, 0, drawn["azimuth"], 416, "landslide")
    page.keyboard.press("Escape")
    page.keyboard.press("8")
    drag(page, 1, drawn["range"], 416)
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    drag(page, 1, (10.0, 10.0, 60.0, 60.0), 416)
    page.keyboard.press("Escape")
    page.mouse.click(range_["x"] + 35, range_["y"] + 35)
    page.wait_for_timeout(500)
    page.keyboard.press("Backspace")
    picture(page, "both-boxes.png")
    page.keyboard.press("Control+Enter")
    page.get_by_text("No More Tasks Left in Queue").wait_for()

    labels = studio.pull("browser", couplet_scene)
    assert len(labels) == 2
    assert labels.attrs["set_aside"] == []
    assert dict(zip(labels["direction"], labels["label"], strict=True)) == {"azimuth": "landslide", "range": "unsure"}
    for label in labels.itertuples():
        got = np.array([label.xmin, label.ymin, label.xmax, label.ymax])
        assert np.abs(got - drawn[label.direction]).max() <= 1.5


def test_a_prediction_is_shown_and_can_be_accepted_as_it_is(page, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    found = {"scene": ["couplet"], "direction": ["azimuth"], "xmin": [250.0], "ymin": [210.0], "xmax": [400.0]}
    predictions = boxes_table({**found, "ymax": [390.0], "score": [0.87], "model": "demo"})
    studio = connect()
    images = images_of(chips, couplet_scene, tmp_path / "images")
    report = studio.push(chips, images, "accepted", predictions=predictions)
    open_first_task(page, report.url, 2)
    picture(page, "prediction.png")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.reload()
    page.locator(".konvajs-content").nth(1).wait_for()
    picture(page, "small-screen.png")
    for image in shown_images(page):
        assert image["width"] == image["height"] == 416
        assert image["right"] <= 960
        assert image["bottom"] <= 670
    submit(page)
    labels = studio.pull("accepted")
    assert list(labels["origin"]) == ["accepted"]
    got = labels[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
    np.testing.assert_allclose(got, [[250, 210, 400, 390]], atol=1e-6)
    # the model's next boxes do not wipe out what was said of these
    moved = predictions.assign(xmin=260.0)
    assert studio.push(chips, images, "accepted", predictions=moved).predictions == 1
    assert studio.push(chips, images, "accepted", predictions=moved).predictions == 0
    fates = studio.proposals("accepted")
    assert fates[["model", "fate", "xmin"]].to_dict("records") == [{"model": "demo", "fate": "accepted", "xmin": 250.0}]
    assert count_proposals(fates)["precision"].tolist() == [1.0]


def test_a_rate_chip_is_whole_on_the_screen(page, couplet_scene, tmp_path):
    rates = couplet_scene["gradient"].isel(direction=0, drop=True).to_dataset(name="rate").assign_attrs(scene="rates")
    chips = chips_of(rates, 512).iloc[:1]
    report = connect().push(chips, images_of(chips, rates, tmp_path / "rates"), "browser rates")
    open_first_task(page, report.url, 1)
    (image,) = shown_images(page)
    assert image["width"] == image["height"] == 512
    assert image["bottom"] <= 900
    picture(page, "rate.png")


def assert_whole_image(picture: Path, canvas: dict[str, float], scene: xr.Dataset, direction: int) -> None:
    """Check that the couplet's two colours stand where the whole, uncropped image has them."""
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(float)
    values = scene["gradient"].values[direction, :416, :416]
    for sign, channel in ((1, 0), (-1, 2)):
        row, col = np.unravel_index(np.argmax(sign * values), values.shape)
        scale = canvas["width"] / 416
        y, x = round(canvas["y"] + (row + 0.5) * scale), round(canvas["x"] + (col + 0.5) * scale)
        colour = shown[y - 3 : y + 4, x - 3 : x + 4].mean(axis=(0, 1))
        others = [c for c in range(3) if c != channel]
        assert colour[channel] > 200
        assert colour[others].max() < 120
