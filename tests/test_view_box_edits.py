"""Boxes while a person edits them: what is drawn, moved and deleted is what the store holds after saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from couplet_scene import couplet_boxes, couplet_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import LabkitError, geo
from labkit.errors import FileError
from labkit.label import open_store
from labkit.view.box_edits import BoxEdits

CORNERS = ["xmin", "ymin", "xmax", "ymax"]

GRADIENTS = couplet_gradients(120, 160)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def editing(folder: Path, who: str = "ann", **more) -> BoxEdits:
    return BoxEdits(GRADIENTS, open_store(folder), who, **more)


def page(edits: BoxEdits, direction: str, **drawn: tuple[float, float, float, float]) -> dict[str, list]:
    """What a panel would send: its boxes as they stand, with some put elsewhere or added."""
    boxes = {key: tuple(box) for key, *box in edits.on(direction)[CORNERS].itertuples()} | drawn
    columns = zip(*boxes.values(), strict=True) if boxes else [()] * 4
    return dict(zip(("x0", "y0", "x1", "y1"), map(list, columns), strict=True)) | {"key": list(boxes)}


def draw(
    edits: BoxEdits, direction: str, box, *, label: str = "landslide", both: bool = False, key: str = "new"
) -> None:
    edits.take(direction, page(edits, direction, **{key: box}), label, both=both)


def stored(folder: Path) -> list[tuple]:
    labels = open_store(folder).labels().sort_values(["direction", "xmin"])
    return [(row["direction"], *row[CORNERS], row["label"]) for _, row in labels.iterrows()]


def test_a_drawn_box_is_in_the_store_after_saving_and_not_before(folder):
    edits = editing(folder)
    draw(edits, "range", (40.5, 60.25, 10.0, 20.0))  # from its lower right corner
    assert stored(folder) == []
    assert str(edits.unsaved) == "1 new, 0 changed, 0 deleted"
    words = edits.save()
    assert "1 new" in words and "revision 1" in words and str(folder) in words
    assert not edits.unsaved
    label = open_store(folder).labels().iloc[0]
    assert label[CORNERS].tolist() == [10.0, 20.0, 40.5, 60.25]
    known = ("scene", "direction", "label", "annotator", "origin", "proposed_by", "project", "placed")
    assert label[list(known)].tolist() == [
        "formula", "range", "landslide", "ann", "manual", "", "notebook", "scene",
    ]  # fmt: skip
    assert abs(label["created"] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=2)
    (place,) = geo.box_polygons(GRADIENTS, [(10.0, 20.0, 40.5, 60.25)])
    assert label.geometry.equals_exact(place, 0.0)


def test_a_box_drawn_for_both_panels_moves_and_goes_on_both(folder):
    edits = editing(folder)
    draw(edits, "azimuth", (10, 20, 30, 50), both=True)
    assert edits.boxes["direction"].tolist() == ["azimuth", "range"]
    draw(edits, "azimuth", (12, 20, 32, 50), both=True)
    edits.save()
    assert stored(folder) == [(way, 12.0, 20.0, 32.0, 50.0, "landslide") for way in ("azimuth", "range")]
    (twin,) = edits.on("range").index
    edits.delete([twin], both=True)
    assert len(edits.boxes) == 0


def test_a_box_that_is_not_linked_stays_where_it_is(folder):
    edits = editing(folder)
    draw(edits, "azimuth", (10, 20, 30, 50), both=True)
    draw(edits, "azimuth", (12, 20, 32, 50), both=False)
    assert edits.on("range")[CORNERS].to_numpy().tolist() == [[10, 20, 30, 50]]
    draw(edits, "azimuth", (15, 20, 35, 50), both=True)
    assert edits.on("range")[CORNERS].to_numpy().tolist() == [[10, 20, 30, 50]], "a box of other corners is no twin"
    edits.set_label(edits.on("azimuth").index, "snow or ice", both=True)
    assert edits.boxes["label"].tolist() == ["snow or ice", "landslide"]


def test_what_is_deleted_becomes_a_tombstone(folder):
    edits = editing(folder)
    draw(edits, "range", (10, 20, 30, 50), key="a")
    draw(edits, "range", (50, 20, 70, 50), key="b")
    edits.save()
    left = page(edits, "range")
    edits.take("range", {name: values[1:] for name, values in left.items()}, "landslide")
    assert str(edits.unsaved) == "0 new, 0 changed, 1 deleted"
    edits.save()
    store = open_store(folder)
    assert store.labels()["xmin"].tolist() == [50.0]
    assert store.labels(deleted=True)["deleted"].notna().tolist() == [True, False]
    assert store.history()["change"].tolist() == ["added", "added", "deleted"]


def test_a_correction_keeps_who_drew_the_box_and_names_who_corrected_it(folder):
    first = editing(folder, "bo")
    draw(first, "range", (10, 20, 30, 50))
    first.save()
    before = open_store(folder).labels().iloc[0]
    edits = editing(folder, "ann")
    edits.set_corners(before["label_id"], (11, 20, 30, 50))
    edits.save()
    store = open_store(folder)
    after = store.labels().iloc[0]
    assert after["label_id"] == before["label_id"]
    assert (after["annotator"], after["created"], after["origin"]) == ("bo", before["created"], "manual")
    assert after["updated"] > before["updated"]
    assert store.history().iloc[-1][["by", "change"]].tolist() == ["ann", "changed"]
    assert store.history().iloc[-1]["what"].split(", ") == ["xmin", "geometry", "updated"]


def test_proposals_are_saved_only_where_somebody_decided(folder):
    detections = couplet_boxes(GRADIENTS).assign(model="m1")
    edits = editing(folder, proposals=detections)
    assert edits.unsaved.proposals == 4 and not edits.unsaved
    accepted, moved = edits.on("azimuth").index
    named, rejected = edits.on("range").index
    edits.accept([accepted])
    box = edits.boxes.loc[moved, CORNERS].to_numpy(float)
    edits.set_corners(moved, box + 1)
    edits.set_label([named], "snow or ice")
    edits.delete([rejected])
    edits.save()
    labels = open_store(folder).labels().set_index("label_id")
    assert labels.loc[[accepted, moved, named], "origin"].tolist() == ["accepted", "moved", "moved"]
    assert labels["proposed_by"].tolist() == ["m1"] * 3
    np.testing.assert_array_equal(labels.loc[accepted, CORNERS], detections.iloc[0][CORNERS])
    assert rejected not in labels.index and edits.unsaved.proposals == 0


def test_a_saved_proposal_that_is_moved_later_is_a_moved_one(folder):
    edits = editing(folder, proposals=couplet_boxes(GRADIENTS).assign(model="m1").iloc[:1])
    edits.accept(edits.boxes.index)
    edits.save()
    (key,) = edits.boxes.index
    edits.set_corners(key, (10, 10, 30, 30))
    edits.save()
    assert open_store(folder).labels()["origin"].tolist() == ["moved"]


def test_undo_takes_back_step_by_step_what_is_not_saved(folder):
    edits = editing(folder)
    draw(edits, "range", (10, 20, 30, 50), both=True)
    edits.set_label(edits.boxes.index, "unsure")
    edits.delete(edits.boxes.index)
    assert [edits.undo() and edits.boxes["label"].tolist() for _ in range(3)] == [["unsure"] * 2, ["landslide"] * 2, []]
    assert not edits.undo()


def test_slips_and_what_reaches_off_the_image_are_mended_or_refused(folder):
    edits = editing(folder)
    said = edits.take("range", page(edits, "range", a=(10, 10, 10.5, 40), b=(150, 100, 170, 130)), "landslide")
    assert "smaller than 1 px" in said
    assert edits.boxes[CORNERS].to_numpy().tolist() == [[150, 100, 160, 120]]
    with pytest.raises(LabkitError, match="corners must enclose at least 1 px"):
        edits.set_corners(edits.boxes.index[0], (200, 0, 210, 10))


def test_the_same_page_again_changes_nothing(folder):
    edits = editing(folder)
    draw(edits, "range", (10, 20, 30, 50))
    edits.take("range", page(edits, "range"), "unsure", both=True)
    assert len(edits.boxes) == 1 and edits.undo() and not edits.undo()


def test_what_another_person_changed_meanwhile_is_written_over_only_knowingly(folder):
    edits = editing(folder)
    draw(edits, "range", (10, 20, 30, 50))
    edits.save()
    other = editing(folder, "bo")
    (key,) = edits.boxes.index
    other.set_corners(key, (10, 20, 30, 60))
    draw(other, "azimuth", (1, 2, 3, 4), key="other")
    other.save()
    edits.set_corners(key, (10, 20, 30, 70))
    with pytest.raises(LabkitError, match="changed since, the last by bo"):
        edits.save()
    assert str(edits.unsaved) == "0 new, 1 changed, 0 deleted", "what is not saved stays"
    edits.save()
    assert stored(folder) == [
        ("azimuth", 1.0, 2.0, 3.0, 4.0, "landslide"),
        ("range", 10.0, 20.0, 30.0, 70.0, "landslide"),
    ]
    assert len(edits.boxes) == 2, "what others added is there after saving"


def test_a_save_that_failed_for_another_reason_does_not_let_the_next_one_write_over_others(folder):
    edits = BoxEdits(GRADIENTS, open_store(folder, wait_s=0), "ann")
    draw(edits, "range", (10, 20, 30, 50))
    edits.save()
    other = editing(folder, "bo")
    (key,) = edits.boxes.index
    other.set_corners(key, (10, 20, 30, 60))
    other.save()
    edits.set_corners(key, (10, 20, 30, 70))
    with open_store(folder).locked(), pytest.raises(FileError, match="must be free to write"):
        edits.save()
    with pytest.raises(LabkitError, match="changed since, the last by bo"):
        edits.save()


def test_reading_anew_drops_what_is_not_saved(folder):
    edits = editing(folder, proposals=couplet_boxes(GRADIENTS).iloc[:2])
    draw(edits, "range", (10, 20, 30, 50))
    edits.accept(edits.boxes.index[edits.boxes["pending"]][:1])
    edits.reload()
    assert not edits.unsaved and edits.unsaved.proposals == 2


def test_labels_of_other_scenes_are_neither_shown_nor_touched(folder):
    other = BoxEdits(couplet_gradients(120, 160, "elsewhere"), open_store(folder), "ann")
    draw(other, "range", (10, 20, 30, 50), key="other")
    other.save()
    edits = editing(folder)
    assert len(edits.boxes) == 0
    draw(edits, "range", (1, 2, 30, 50))
    edits.save()
    assert len(stored(folder)) == 2


@pytest.mark.parametrize("who", ["", "  "])
def test_nobody_edits_without_a_name(folder, who):
    with pytest.raises(LabkitError, match="annotator must be the name of who edits"):
        editing(folder, who)


steps = st.lists(
    st.tuples(
        st.sampled_from(["draw", "move", "delete", "undo", "label"]),
        st.sampled_from(["azimuth", "range"]),
        st.integers(0, 5),
        st.tuples(st.floats(0, 80), st.floats(0, 60), st.floats(2, 70), st.floats(2, 50)),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(steps)
def test_what_is_unsaved_is_the_difference_to_the_store_whatever_is_done(tmp_path_factory, done):
    folder = tmp_path_factory.mktemp("labels")
    edits = editing(folder)
    for number, (what, way, which, (x, y, width, height), both) in enumerate(done):
        keys = list(edits.on(way).index)
        box = (x, y, x + width, y + height)
        if what == "draw":
            draw(edits, way, box, both=both, key=f"k{number}")
        elif what == "undo":
            edits.undo()
        elif keys and what == "move":
            draw(edits, way, box, both=both, key=keys[which % len(keys)])
        elif keys and what == "delete":
            edits.delete([keys[which % len(keys)]], both=both)
        elif keys:
            edits.set_label([keys[which % len(keys)]], "unsure", both=both)
    assert edits.unsaved.new == len(edits.boxes) and edits.unsaved.changed == edits.unsaved.deleted == 0
    assert (edits.boxes["xmin"] < edits.boxes["xmax"]).all() and edits.boxes.index.is_unique
