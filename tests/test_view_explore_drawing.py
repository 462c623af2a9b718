"""Boxes and masks drawn on the panels of the explorer: into the store, the stack, the state, and the code."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from test_view_explore import run

import labkit as lk
from labkit import LabkitError
from labkit.view.explore import Explorer, explore
from labkit.view.explorer_settings import Mask, Settings

NUMBER = itertools.count(1)

SNOW = [(10.0, 20.0), (50.0, 20.0), (50.0, 40.0), (10.0, 40.0)]


@pytest.fixture(scope="module")
def ifgs() -> xr.Dataset:
    return lk.simulate.scene("tiny", seed=0).interferograms["ascending"].compute()


@pytest.fixture
def explorer(ifgs, tmp_path) -> Explorer:
    """One that draws boxes, as the model's boxes have scores from 0.2 up."""
    truth = lk.simulate.scene("tiny", seed=0).truth
    proposed = truth.assign(score=np.linspace(0.2, 0.9, len(truth)), model="m1")
    made = explore(ifgs, labels=tmp_path / "labels", detections=proposed, annotator="ann")
    made.panels.pane(made.settings)
    made.widgets.hand.value = "boxes"
    return made


def does(explorer: Explorer, what: str, key: str = "", box: tuple[float, ...] = (), way: str = "azimuth") -> None:
    """Do to a box what the page would tell of a hand."""
    (copy,) = explorer.panels.copies
    said = {"what": [what], "way": [way], "key": [key], "box": [list(box)], "number": [next(NUMBER)]}
    copy.box_layer.wire.data = said


def drawn(explorer: Explorer, way: str = "azimuth") -> list[tuple[float, ...]]:
    """The corners of the red boxes on a panel."""
    (copy,) = explorer.panels.copies
    data = copy.boxes[way]["labels"].data
    return list(zip(*(data[side] for side in ("left", "top", "right", "bottom")), strict=True))


def key_of(explorer: Explorer, way: str = "azimuth", kind: str = "labels", number: int = 0) -> str:
    (copy,) = explorer.panels.copies
    return copy.boxes[way][kind].data["key"][number]


def test_a_box_is_drawn_moved_and_deleted_on_both_panels_and_saved(explorer):
    store = explorer._boxes.store
    does(explorer, "new", box=(40.2, 60, 20, 30.5))
    assert drawn(explorer) == drawn(explorer, "range") == [(20.0, 30.5, 40.2, 60.0)]
    assert explorer.changed == ["boxes"] and store.revision == 0
    explorer.editing.editing.save()
    labels = store.labels()
    assert labels[["xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist() == [[20.0, 30.5, 40.2, 60.0]] * 2
    assert (
        set(labels["annotator"]) == {"ann"}
        and set(labels["origin"]) == {"manual"}
        and set(labels["placed"]) == {"scene"}
    )
    does(explorer, "put", key_of(explorer), (25, 30, 45, 60))
    explorer.editing.widgets.both.value = []
    does(explorer, "put", key_of(explorer, "range"), (26, 31, 46, 61), way="range")
    assert (drawn(explorer), drawn(explorer, "range")) == ([(25, 30, 45, 60)], [(26, 31, 46, 61)])
    does(explorer, "delete", key_of(explorer))
    explorer.editing.editing.save()
    assert store.labels()["xmin"].tolist() == [26.0]
    assert store.history()["change"].tolist() == ["added", "added", "changed", "deleted"]


def test_a_box_beyond_the_scene_is_cut_and_one_without_size_is_dropped_with_a_word(explorer):
    does(explorer, "new", box=(150, 100, 400, 400))
    assert drawn(explorer) == [(150, 100, 192, 160)]
    does(explorer, "new", box=(30, 30, 30.4, 80))
    assert len(drawn(explorer)) == 1 and "must enclose at least 1 px" in explorer.editing.widgets.said.value
    (copy,) = explorer.panels.copies
    assert copy.box_layer.drafts["azimuth"].tags[0] == 2, "the page hears that it was answered"


def test_proposals_above_the_score_are_accepted_and_moved_into_labels(explorer):
    (copy,) = explorer.panels.copies
    scores = explorer.editing.editing.edits.scores
    least = round(float(scores.reindex(copy.boxes["azimuth"]["detections"].data["key"]).median()), 2)
    assert 0.2 < least < 0.9
    explorer.widgets.score.value = least
    explorer.widgets.score.param.trigger("value_throttled")
    offered = explorer.editing.editing.offered
    assert len(offered) and offered["score"].min() >= least
    first = key_of(explorer, kind="detections")
    does(explorer, "choose", first)
    explorer.editing.widgets.buttons["Accept"].param.trigger("clicks")
    second = key_of(explorer, "range", "detections")
    box = tuple(explorer.editing.editing.edits.boxes.loc[second, ["xmin", "ymin", "xmax", "ymax"]].astype(float) + 2)
    explorer.editing.widgets.both.value = []
    does(explorer, "put", second, box, way="range")
    explorer.editing.editing.save()
    labels = explorer._boxes.store.labels().set_index("label_id")
    assert labels.loc[first, ["origin", "proposed_by"]].tolist() == ["accepted", "m1"]
    assert labels.loc[second, "origin"] == "moved" and labels.loc[second, "xmin"] == box[0]
    explorer.editing.widgets.buttons["Accept all"].param.trigger("clicks")
    waiting = explorer.editing.editing.edits.boxes
    assert waiting.loc[waiting["pending"].astype(bool)].index.map(explorer.editing.editing.edits.scores).max() < least


def test_undo_takes_boxes_and_settings_back_in_their_order(explorer):
    does(explorer, "new", box=(20, 30, 40, 60))
    explorer.change(window=9)
    does(explorer, "new", box=(60, 30, 90, 60))
    assert explorer.undo() and len(drawn(explorer)) == 1
    assert explorer.undo() and explorer.settings.window == 5 and len(drawn(explorer)) == 1
    does(explorer, "new", box=(60, 30, 90, 60))
    explorer.editing.editing.save()
    explorer.change(lag=2)
    assert explorer.undo() and explorer.settings.lag == 1
    assert not explorer.undo() and len(drawn(explorer)) == 2, "what was saved stays"


def test_without_a_name_or_a_store_it_says_what_is_missing(ifgs, tmp_path):
    nobody = explore(ifgs, labels=tmp_path / "labels")
    nobody.widgets.hand.value = "boxes"
    assert nobody.editing.panel().visible and "annotator must be the name" in nobody.editing.widgets.said.value
    nobody.editing.name.value = "bob"
    assert nobody.editing.editing.edits.annotator == "bob" and nobody.editing.name.disabled
    nobody.widgets.hand.value = "zoom"
    assert not nobody.editing.panel().visible
    nowhere = explore(ifgs, annotator="ann")
    nowhere.widgets.hand.value = "boxes"
    assert "labels must be a store" in nowhere.editing.widgets.said.value and nowhere.editing.editing is None


def test_an_outline_is_left_out_of_stack_rates_code_and_state(ifgs, explorer):
    (copy,) = explorer.panels.copies
    whole = explorer.stack
    explorer.outlining.reason.value = "water"
    copy.mask_layer.wire.data = {"xs": [[x for x, _ in SNOW]], "ys": [[y for _, y in SNOW]], "number": [1]}
    assert explorer.settings.masks == (Mask("water", tuple(SNOW)),)
    assert explorer.changed == ["masks: none → water with 4 corners"]
    assert "2.6% masked (water)" in explorer.widgets.said.value
    expected = whole["gradient"].values.copy()
    expected[:, 20:40, 10:50] = np.nan
    np.testing.assert_array_equal(explorer.stack["gradient"].values, expected)
    np.testing.assert_array_equal(copy.images["azimuth"].data["image"][0], expected[0])
    assert copy.mask_layer.masks.data["xs"] == [[10.0, 50.0, 50.0, 10.0]]
    explorer.change(third="rate")
    rate = copy.images["third"].data["image"][0]
    assert np.isnan(rate[20:40, 10:50]).all()
    away = np.isfinite(lk.integrate_rate(whole)["rate"].values[60:])
    np.testing.assert_array_equal(np.isfinite(rate[60:]), away)
    xr.testing.assert_identical(run(explorer, ifgs), explorer.stack)
    again = explore(ifgs, state=json.loads(json.dumps(explorer.state)))
    xr.testing.assert_identical(again.stack, explorer.stack)
    assert again.settings == explorer.settings
    explorer.undo()
    assert explorer.undo() and explorer.settings.masks == ()
    xr.testing.assert_identical(explorer.stack, whole)


def test_masks_are_typed_listed_and_deleted(ifgs):
    explorer = explore(ifgs)
    explorer.widgets.hand.value = "mask"
    assert explorer.outlining.panel().visible
    explorer.outlining.corners.value = "10, 20, 50, 20, 50"
    assert "corners must be at least three pairs" in explorer.widgets.said.value
    explorer.outlining.corners.value = "10, 20, 50, 20, 50, 40"
    explorer.outlining.reason.value = "layover"
    explorer.outlining.corners.value = "100 100 120 100 120 130"
    assert [mask.reason for mask in explorer.settings.masks] == ["snow", "layover"]
    assert explorer.outlining.corners.value == ""
    explorer.outlining.mask.value = 0
    explorer.outlining.button.param.trigger("clicks")
    assert [mask.reason for mask in explorer.settings.masks] == ["layover"]
    with pytest.raises(LabkitError, match="reason must be one of"):
        Mask("fog", tuple(SNOW))
    with pytest.raises(LabkitError, match="masks must be tables of reason and outline"):
        explorer.change(masks=[{"reason": "snow"}])


def test_the_masks_are_polygons_that_snow_mask_takes(ifgs, tmp_path: Path):
    explorer = explore(ifgs)
    outline = ((30.0, 20.0), (90.0, 35.0), (70.0, 80.0), (25.0, 60.0))
    explorer.change(masks=[Mask("snow", outline)])
    masks = explorer.masks
    assert masks["reason"].tolist() == ["snow"] and masks.crs == "EPSG:4326"
    inside = lk.stack.drawn.covered({"snow": [outline]}, (160, 192))
    by_place = lk.snow_mask(None, like=explorer.stack, polygons=masks).values
    # radar pixels fold in layover, where two of them lie on the same ground
    assert (by_place & inside).sum() / (by_place | inside).sum() > 0.97
    masks.to_file(tmp_path / "masks.gpkg")
    with pytest.raises(LabkitError, match="the scene has no lon/lat"):
        placeless = explore(ifgs.drop_vars(["lon", "lat"]))
        placeless.change(masks=[Mask("snow", outline)])
        _ = placeless.masks


def test_a_preview_leaves_the_same_ground_out(ifgs):
    explorer = explore(ifgs, live_pixel_pairs=ifgs.sizes["pair"] * 80 * 80)
    explorer.change(masks=[Mask("snow", tuple(SNOW))])
    assert explorer.picture.exact and explorer.stack.masked_fraction == pytest.approx(800 / (160 * 192))
    preview = explorer._restacker.quick(explorer.settings)
    assert preview.step > 1 and preview.stack.masked_fraction == pytest.approx(800 / (160 * 192), rel=0.3)
    explorer.change(rows=[64.0, 120.0], cols=[0.0, 64.0])
    assert explorer.stack.masked_fraction == 0
    explorer.change(rows=[10.0, 60.0], cols=[0.0, 64.0])
    assert np.isnan(explorer.stack["gradient"].values[:, 20:40, 10:50]).all()
    xr.testing.assert_identical(run(explorer, ifgs), explorer.stack)


def test_the_swipe_comes_back_with_the_state(ifgs, tmp_path):
    explorer = explore(ifgs)
    explorer.panels.pane(explorer.settings)
    explorer.change(window=9)
    explorer.swipe.keep.param.trigger("clicks")
    explorer.change(window=3)
    explorer.swipe.share.value = 30
    again = explore(ifgs, state=explorer.save(tmp_path / "explorer.json"))
    again.panels.pane(again.settings)
    assert again.state == explorer.state and again.swipe.kept == Settings(window=9)
    (one,), (other,) = explorer.panels.copies, again.panels.copies
    np.testing.assert_array_equal(one.images["range"].data["image"][0], other.images["range"].data["image"][0])
    assert other.figures["range"].title.text == "Along range: kept | now" and not again.swipe.share.disabled
    third = explore(ifgs)
    third.panels.pane(third.settings)
    third.restore(explorer.state)
    (page,) = third.panels.copies
    np.testing.assert_array_equal(one.images["range"].data["image"][0], page.images["range"].data["image"][0])
    older = {name: value for name, value in explorer.state.items() if name not in ("kept", "swipe")}
    third.restore(older)
    assert third.swipe.kept is None and third.swipe.share.disabled
    with pytest.raises(LabkitError, match="swipe must be in 0..100"):
        third.restore(explorer.state | {"swipe": 120})
