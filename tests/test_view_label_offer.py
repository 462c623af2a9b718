"""The offer to label starts, sends and writes nothing before its button; then a real Label Studio has the project."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import requests
import xarray as xr
from couplet_scene import couplet_boxes, couplet_gradients

import labkit as lk
from labkit import home
from labkit.errors import LabkitError, ServerError
from labkit.label import LabelServer, find_server


@pytest.fixture
def scene() -> xr.Dataset:
    return couplet_gradients(120, 160)


def parts_of(offer: lk.view.label_offer.LabelOffer) -> tuple:
    """The title, the button, and the words below."""
    row, said = offer.panel.children
    title, button = row.children
    return title, button, said


@pytest.mark.server
def test_the_button_makes_the_project_with_its_boxes(
    label_studio: LabelServer, scene: xr.Dataset, tmp_path: Path
) -> None:
    boxes = couplet_boxes(scene)
    offer = lk.view.label_offer(scene, boxes, folder=tmp_path / "chips")
    title, button, said = parts_of(offer)
    assert f"1 chip of 160 px with {len(boxes)} proposed boxes would be sent" in said.value
    assert f"A Label Studio answers at {label_studio.url}" in said.value
    assert not (tmp_path / "chips").exists()
    title.value = f"offer {tmp_path.name}"
    button.click()
    assert "1 chip is new in the project" in said.value and not button.disabled
    address = html.unescape(re.findall(r'href="([^"]+)"', said.value)[0])
    project = int(re.findall(r"/projects/(\d+)", address)[0])
    asked = {"headers": {"Authorization": f"Token {label_studio.token}"}, "timeout": 60}
    with requests.Session() as session:
        session.trust_env = False
        about = session.get(f"{label_studio.url}/api/projects/{project}", **asked).json()
        tasks = session.get(f"{label_studio.url}/api/tasks?project={project}&fields=all", **asked).json()["tasks"]
    assert (about["title"], about["task_number"]) == (f"offer {tmp_path.name}", 1)
    (prediction,) = tasks[0]["predictions"]
    assert len(prediction["result"]) == len(boxes)
    # from code the same, and nothing twice
    again = offer.push()
    assert (again.new, again.known) == (0, 1)
    button.click()
    assert "0 chips are new in the project, 1 were there already" in said.value


def test_without_a_server_the_button_says_how_to_start_one_and_starts_none(
    scene: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    for name in ("LABKIT_LABEL_STUDIO_URL", "LABKIT_LABEL_STUDIO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    offer = lk.view.label_offer(scene, folder=tmp_path / "chips")
    _, button, said = parts_of(offer)
    assert "No Label Studio of this bench is running" in said.value and "labkit lab" in said.value
    button.click()
    assert "Nothing was made" in said.value and "lk.label.start_server()" in said.value
    assert not button.disabled
    with pytest.raises(ServerError, match=r"must be running for this bench, instead none was found\. Start it with"):
        offer.push()
    assert find_server() is None and not (home.folder() / "label-studio.json").exists()
    assert not (tmp_path / "chips").exists(), "pictures are written when there is a server to send them to"


def test_a_small_scene_is_one_chip_and_a_large_one_several(tmp_path: Path) -> None:
    assert lk.view.label_offer(couplet_gradients(30, 58)).size == 58
    large = lk.view.label_offer(couplet_gradients(500, 900))
    assert (large.size, len(large.chips)) == (416, 6)
    assert repr(large) == "LabelOffer: 6 chips of 416 px with 0 proposed boxes for the project 'formula'"


def test_titles_and_scenes_are_escaped_on_the_page(scene: xr.Dataset) -> None:
    offer = lk.view.label_offer(scene.assign_attrs(scene="<b>x</b>"))
    title, _, said = parts_of(offer)
    assert title.value == "<b>x</b>" and "<b>x" not in said.value


def test_a_scene_without_data_or_boxes_without_corners_are_refused(scene: xr.Dataset) -> None:
    with pytest.raises(LabkitError, match="data"):
        lk.view.label_offer(scene.assign(gradient=scene["gradient"] * float("nan")))
    with pytest.raises(LabkitError, match="detections must have the columns"):
        lk.view.label_offer(scene, couplet_boxes(scene).drop(columns="xmin"))


def test_a_map_shows_rates_under_their_landslides(scene: xr.Dataset) -> None:
    rates = xr.Dataset(
        {"rate": 10.0 * scene["gradient"].sel(direction="azimuth", drop=True)},
        scene.drop_dims("direction").coords,
        {"scene": "rates"},
    )
    boxes = couplet_boxes(scene).query("direction == 'azimuth'").assign(direction="rate", scene="rates")
    shown = lk.view.map(boxes, gradients=[scene, rates])
    pictures = [layer for layer in shown.layers if type(layer).__name__ == "ImageOverlay"]
    assert [layer.name for layer in pictures] == ["gradient along azimuth, formula", "line-of-sight rate, rates"]
    words = " ".join(str(getattr(c.widget, "value", "")) for c in shown.controls if hasattr(c, "widget"))
    assert "line-of-sight rate, mm/yr · red: away from the radar, blue: toward it" in words
    assert "blue: phase falls along azimuth" in words
