"""Boxes in the explorer: drawn where they belong, measured on the ground, edited into the store, sent as a chip."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit import LabkitError
from labkit.view.explore import explore
from labkit.view.explorer_labelling import chip_of_view, on_scene
from labkit.view.explorer_settings import Settings


@pytest.fixture(scope="module")
def scene() -> lk.simulate.Scene:
    return lk.simulate.scene("tiny", seed=0)


@pytest.fixture(scope="module")
def ifgs(scene) -> xr.Dataset:
    return scene.interferograms["ascending"].compute()


@pytest.fixture(scope="module")
def detections(scene):
    """The truth as a model's boxes, with scores from 0.2 up."""
    return scene.truth.assign(score=np.linspace(0.2, 0.9, len(scene.truth)), model="m1")


def test_boxes_are_drawn_on_their_panel_from_a_score_on_with_size_and_area(ifgs, detections, scene):
    explorer = explore(ifgs, labels=scene.truth, detections=detections)
    explorer.panel().get_root()
    (copy,) = explorer.panels.copies
    here = detections[(detections["scene"] == ifgs.attrs["scene"]) & (detections["direction"] == "azimuth")]
    drawn = copy.boxes["azimuth"]["detections"]
    assert sorted(drawn.data["left"]) == sorted(here["xmin"]) and len(copy.boxes["azimuth"]["labels"].data["left"]) > 0
    assert copy.boxes["third"]["detections"].data["left"] == []
    first = here.iloc[0]
    across = ifgs.attrs["x_spacing"] / math.sin(math.radians(ifgs.attrs["incidence_angle"]))
    wide, high = (first["xmax"] - first["xmin"]) * across, (first["ymax"] - first["ymin"]) * ifgs.attrs["y_spacing"]
    assert drawn.data["size"][0] == f"{wide:.0f} × {high:.0f} m"
    assert drawn.data["area"][0] == f"{wide * high / 1e6:.2f} km²"
    least = float(here["score"].median())
    explorer.widgets.score.value = least
    expected = here.loc[here["score"] >= round(least, 4), "xmin"]
    assert sorted(drawn.data["left"]) == sorted(expected) and 0 < len(expected) < len(here)
    colours = [r.glyph.line_color for r in copy.figures["azimuth"].renderers if r.data_source is drawn]
    assert colours[-1] == lk.view.colours.DETECTION


def test_a_click_in_a_box_takes_that_box_for_the_place(ifgs, detections):
    explorer = explore(ifgs, detections=detections)
    box = detections[detections["scene"] == ifgs.attrs["scene"]].iloc[0]
    corners = tuple(box[["xmin", "ymin", "xmax", "ymax"]].astype(float))
    explorer._clicked(((corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2))
    x, y = (corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2
    place = explorer.settings.place
    assert place[0] <= x <= place[2] and place[1] <= y <= place[3]
    known = detections.loc[detections["scene"] == ifgs.attrs["scene"], ["xmin", "ymin", "xmax", "ymax"]]
    assert place in [tuple(row) for row in known.to_numpy(float)]


def test_boxes_are_edited_on_what_is_shown_and_come_back_red(ifgs, tmp_path):
    explorer = explore(ifgs, labels=tmp_path / "labels", live_pixel_pairs=ifgs.sizes["pair"] * 70 * 70)
    explorer.panels.pane(explorer.settings)
    explorer.change(rows=[64.0, 128.0], cols=[64.0, 128.0])
    with pytest.raises(LabkitError, match="annotator must be the name of who edits"):
        explorer.box_editor("")
    editor = explorer.box_editor("ann")
    assert editor.edits.shape == (160, 192), "boxes count the pixels of the scene"
    np.testing.assert_array_equal(
        editor.edits.data["gradient"].values[:, 64:128, 64:128], explorer.stack["gradient"].values
    )
    editor.edits.add(["azimuth"], [70, 80, 90, 100], "landslide")
    editor.save()
    (copy,) = explorer.panels.copies
    drawn = copy.boxes["azimuth"]["labels"].data
    assert (drawn["left"], drawn["bottom"]) == ([70.0], [100.0]) and drawn["said"] == ["label: landslide, by ann"]
    with pytest.raises(LabkitError, match="labels must be a store"):
        explore(ifgs).box_editor("ann")


def test_the_view_becomes_a_chip_of_the_scene(ifgs):
    explorer = explore(ifgs)
    whole = on_scene(explorer.picture, ifgs)
    (one,) = chip_of_view(whole, Settings(rows=(30.2, 80.0), cols=(150.0, 230.0))).to_dict("records")
    assert (one["row"], one["col"], one["size"]) == (30, 142, 50)
    assert one["chip_id"] == "tiny-ascending-r30-c142-s50"
    tile = lk.make_chips(whole, size=50, overlap=0)
    same = tile[(tile["row"] == 0) & (tile["col"] == 142)].iloc[0]
    (made,) = chip_of_view(whole, Settings(rows=(0.0, 50.0), cols=(142.0, 192.0))).to_dict("records")
    assert made["chip_id"] == same["chip_id"] and made["valid_fraction"] == same["valid_fraction"]
    assert made["geometry"].equals(same["geometry"])
    empty = whole.assign(gradient=whole["gradient"].where(False))
    with pytest.raises(LabkitError, match="the view must hold data"):
        chip_of_view(empty, Settings())


def test_without_a_server_sending_says_what_to_do(ifgs, monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_TOKEN", "x" * 40)
    explorer = explore(ifgs)
    explorer.labelling.button.param.trigger("clicks")
    assert "role='alert'" in explorer.labelling.said.value and "127.0.0.1:9" in explorer.labelling.said.value
