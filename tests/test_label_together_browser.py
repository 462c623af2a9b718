"""Two people label one chip in two browsers; their boxes are gathered, compared, fused and handed on as Pascal VOC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from browser import CHROMIUM_FLAGS, chromium
from defusedxml import ElementTree
from label_page import assert_whole_image, draw, log_in, open_first_task, picture, shown_images, submit
from label_studio_fixture import chips_of
from playwright.sync_api import Page, sync_playwright

from labkit import chip as chipping
from labkit import label
from labkit.label import LabelServer, people

pytestmark = [pytest.mark.server, pytest.mark.browser]

CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: Each window holds the page's two images whole, beside the list of boxes and above the bar with the button.
WINDOWS = {"ann": (1280, 720, 960, 670), "bo": (1500, 950, 1180, 900)}

ANNS = [("azimuth", "landslide", (252, 208, 408, 380)), ("range", "landslide", (230, 225, 410, 370))]
BOS = [
    ("azimuth", "landslide", (258, 214, 402, 372)),
    ("range", "unsure", (236, 229, 412, 364)),
    ("azimuth", "landslide", (12, 16, 92, 80)),
]


@pytest.fixture
def two_pages(label_studio: LabelServer) -> Iterator[dict[str, Page]]:
    """Two people's windows, each logged in with an account of its own, sharing no cookie."""
    accounts = label.add_people(people.Person(who, f"{who}@together.local") for who in WINDOWS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        pages = {}
        for account in accounts:
            width, height, *_ = WINDOWS[account.name]
            page = browser.new_context(viewport={"width": width, "height": height}).new_page()
            log_in(page, label_studio.url, account.email, account.password)
            pages[account.email] = page
        yield pages
        browser.close()


def relief(scene: xr.Dataset) -> xr.DataArray:
    """Slopes in grey, to look at beside the gradients."""
    steep = scene["gradient"].isel(direction=0, drop=True)
    return np.sin(steep.y / 17.0) * np.cos(steep.x / 23.0) + 0 * steep


def boxes_by_hand(labels: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    rows = labels.sort_values("annotation_id", kind="stable").to_dict("records")
    return [(row["direction"], row["label"], np.array([row[edge] for edge in CORNERS])) for row in rows]


def test_two_people_draw_on_one_chip_and_agree_on_what_is_handed_on(two_pages, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    images = pd.concat([
        chipping.write_images(chips, couplet_scene, tmp_path / "images", progress=False),
        chipping.write_pictures(chips, {"hillshade": relief(couplet_scene)}, tmp_path / "images", progress=False),
    ])  # fmt: skip
    studio = label.connect()
    shares = label.assign_chips(chips, list(two_pages), overlap=2)
    reports = label.push_apart(studio, chips, images, shares, "together")

    for (who, page), by_hand in zip(two_pages.items(), (ANNS, BOS), strict=True):
        name = who.partition("@")[0]
        open_first_task(page, reports[who].url, 3)
        azimuth, range_, below = whole_images(page, *WINDOWS[name][2:])
        assert below["y"] >= azimuth["bottom"]
        seen = picture(page, f"together-{name}.png")
        for place, path in zip((azimuth, range_), images["path"], strict=False):
            assert_whole_image(seen, place, path)
        listed = page.locator("[class*=outliner-item]").get_by_text("landslide")
        assert listed.count() == 0  # nothing of the other's
        for direction, word, box in by_hand:
            draw(page, ("azimuth", "range").index(direction), box, 416, word)
            page.keyboard.press("Escape")
        picture(page, f"together-{name}-boxes.png")
        assert listed.count() == sum(word == "landslide" for _, word, _ in by_hand)
    for page in two_pages.values():
        submit(page)

    store = label.open_store(tmp_path / "labels")
    progress = label.gather(studio, shares, "together", couplet_scene, store=store)
    assert progress["finished"].to_dict() == dict.fromkeys(two_pages, 1)
    assert progress["accounts"].to_dict() == {who: who for who in two_pages}
    labels, looks = store.labels(), store.looks()
    for who, by_hand in zip(two_pages, (ANNS, BOS), strict=True):
        got = boxes_by_hand(labels[labels["annotator"] == who])
        assert [found[:2] for found in got] == [drawn[:2] for drawn in by_hand]
        for found, drawn in zip(got, by_hand, strict=True):
            assert np.abs(found[2] - drawn[2]).max() <= 1.0

    ann, bo = two_pages
    azimuths = [shapely.box(*boxes_by_hand(labels[labels["annotator"] == who])[0][2]) for who in (ann, bo)]
    (row,) = label.agreement(labels, looks, classes=["landslide"], resamples=10).to_dict("records")
    assert (row["first"], row["second"], row["chips"], row["both"]) == (ann, bo, 1, 1)
    assert (row["boxes_first"], row["boxes_second"], row["matched"]) == (2, 2, 1)
    shared = azimuths[0].intersection(azimuths[1]).area / azimuths[0].union(azimuths[1]).area
    assert row["iou"] == pytest.approx(shared, abs=1e-9)

    agreed = label.consensus(labels, looks)
    assert dict(zip(agreed["direction"], agreed["label"], strict=True)) == {"azimuth": "landslide", "range": "unsure"}
    assert set(agreed["voices"]) == {2}
    fused = agreed.set_index("direction").loc["azimuth", CORNERS].to_numpy(float)
    np.testing.assert_allclose(fused, np.mean([shape.bounds for shape in azimuths], axis=0), atol=1e-9)
    queue = label.disagreements(labels, looks, links={name: studio.link(name) for name in set(looks["project"])})
    assert sorted(queue["reason"]) == ["label", "presence"]
    assert queue.set_index("reason").loc["presence", "without"] == ann

    gradients = images[images["direction"].isin(["azimuth", "range"])]
    folder = label.write_voc(label.pictures_of(agreed, chips, gradients), tmp_path / "voc")
    assert len(list(folder.glob("*.xml"))) == 2
    for direction, found in agreed.groupby("direction"):
        (shown,) = images.loc[images["direction"] == direction, "path"]
        written = ElementTree.parse(folder / Path(shown).with_suffix(".xml").name)
        assert written.findtext("filename") == Path(shown).name
        assert [thing.findtext("name") for thing in written.iter("object")] == list(found["label"])
        box = [float(written.findtext(f"object/bndbox/{edge}")) for edge in CORNERS]
        np.testing.assert_allclose(box, found[CORNERS].to_numpy()[0], atol=1e-9)
    back = label.labels_of(label.read_voc(folder), chips, gradients)
    np.testing.assert_allclose(
        back.sort_values("direction")[CORNERS], agreed.sort_values("direction")[CORNERS], atol=1e-9
    )


def whole_images(page: Page, right: float, bottom: float) -> list[dict[str, float]]:
    """Check that azimuth and range stand side by side, pixel for pixel, within these edges; give all images."""
    azimuth, range_, below = shown_images(page)
    for image in (azimuth, range_):
        assert image["width"] == image["height"] == 416
        assert image["right"] <= right
        assert image["bottom"] <= bottom
    assert azimuth["right"] < range_["left"]
    assert azimuth["y"] == range_["y"]
    return [azimuth, range_, below]
