"""A person's way through the real page: log in, see both images whole, draw a box on each, submit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from browser import CHROMIUM_FLAGS, chromium
from label_page import assert_whole_image, drag, draw, log_in, open_first_task, picture, shown_images, submit
from label_studio_fixture import chips_of, images_of
from playwright.sync_api import Page, sync_playwright

from labkit.label import LabelServer, connect, count_proposals
from labkit.schema import boxes_table

pytestmark = [pytest.mark.server, pytest.mark.browser]


@pytest.fixture
def page(label_studio: LabelServer) -> Iterator[Page]:
    """A browser window of 1500 × 950 in which the bench's owner has logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        log_in(page, label_studio.url, label_studio.user, label_studio.password)
        yield page
        browser.close()


def test_boxes_drawn_with_the_mouse_come_back_within_a_pixel_and_a_half(page, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    studio = connect()
    images = images_of(chips, couplet_scene, tmp_path / "images")
    report = studio.push(chips, images, "browser")
    open_first_task(page, report.url, 2)
    azimuth, range_ = shown_images(page)
    for image in (azimuth, range_):
        assert image["width"] == image["height"] == 416
        assert image["right"] <= 1180  # where the list of boxes begins
        assert image["bottom"] <= 900  # where the bar with the button begins
    assert azimuth["right"] < range_["left"]
    assert azimuth["y"] == range_["y"]
    empty = picture(page, "both-images.png")
    for place, path in zip((azimuth, range_), images["path"], strict=True):
        assert_whole_image(empty, place, path)

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


def test_a_rate_chip_is_whole_on_a_large_and_a_small_screen(page, couplet_scene, tmp_path):
    rates = couplet_scene["gradient"].isel(direction=0, drop=True).to_dataset(name="rate").assign_attrs(scene="rates")
    chips = chips_of(rates, 512).iloc[:1]
    images = images_of(chips, rates, tmp_path / "rates")
    report = connect().push(chips, images, "browser rates")
    open_first_task(page, report.url, 1)
    for width, height, right, bottom in ((1500, 950, 1180, 900), (1280, 720, 960, 670)):
        page.set_viewport_size({"width": width, "height": height})
        page.reload()
        page.locator(".konvajs-content").wait_for()
        seen = picture(page, f"rate-{width}.png")
        (image,) = shown_images(page)
        assert image["width"] == image["height"] == 512
        assert image["right"] <= right
        assert image["bottom"] <= bottom
        # every pixel of it is there, with nothing over it
        assert_whole_image(seen, image, images["path"].iloc[0])
