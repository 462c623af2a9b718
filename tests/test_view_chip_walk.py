"""A walk over chips in the box editor: each is finished on purpose, and agreement counts who walked as anybody else."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from couplet_scene import couplet_boxes, couplet_gradients
from label_studio_fixture import chips_of, images_of
from real_kernel import real_kernel

from labkit import LabkitError, schema
from labkit.label import agreement, connect, guidance_text, open_store
from labkit.label.guidance import guidance_version
from labkit.view.box_editor import BoxEditor, box_editor

GRADIENTS = couplet_gradients(120, 160)

#: Of 60 px: at columns 0, 60 and 100 of rows 0 and 60.
CHIPS = chips_of(GRADIENTS, 60)
NAMES = list(CHIPS["chip_id"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def walking(folder: Path, who: str, **more) -> BoxEditor:
    return box_editor(GRADIENTS, folder, who, **({"chips": CHIPS} | more))


def draw(editor: BoxEditor, *box: float, way: str = "range") -> None:
    """Draw a box, in px of the chip that is open."""
    assert editor.walk is not None
    chip = editor.walk.chips[editor.walk.position]
    editor.edits.add([way], np.add(box, [chip.col, chip.row] * 2), "landslide")


def test_what_is_drawn_on_a_chip_says_which_and_that_somebody_looked_and_how_long(folder):
    editor = walking(folder, "ann")
    began = time.monotonic()
    draw(editor, 10, 10, 70, 30)
    time.sleep(0.05)
    editor.step(1)
    took = time.monotonic() - began
    store = open_store(folder)
    (label,) = store.labels().to_dict("records")
    assert [label[edge] for edge in ("xmin", "ymin", "xmax", "ymax")] == [10, 10, 60, 30], "it ends at the chip's edge"
    version = guidance_version(guidance_text(["landslide", "deformation, not a landslide", "snow or ice", "unsure"],
                                             keys=False))  # fmt: skip
    (look,) = store.looks().to_dict("records")
    for row in (label, look):
        assert (row["chip_id"], row["annotator"], row["guidance"]) == (NAMES[0], "ann", version)
        assert 0.05 <= row["lead_time"] <= took
    assert look["labels"] == 1
    # a second visit adds its time to the first, and the look stays one
    editor.step(-1)
    draw(editor, 1, 1, 9, 9)
    editor.save()
    (again,) = open_store(folder).looks().to_dict("records")
    assert (again["look_id"], again["created"], again["labels"]) == (look["look_id"], look["created"], 2)
    assert again["lead_time"] > look["lead_time"] and again["updated"] > look["updated"]


def test_agreement_counts_two_people_in_two_editors(folder):
    # both draw, with an IoU of a half; only ann; only bo; neither
    for who, boxes in (("ann", [(0, 0, 20, 20), (5, 5, 25, 25), None, None]),
                       ("bo", [(0, 0, 20, 10), None, (5, 5, 25, 25), None])):  # fmt: skip
        editor = walking(folder, who)
        for box in boxes:
            if box is None:
                editor.nothing_here()
            else:
                assert len(editor.edits.boxes) == 0, "nobody sees what the other drew"
                draw(editor, *box)
                editor.step(1)
    store = open_store(folder)
    (row,) = agreement(store.labels(), store.looks(), resamples=10).to_dict("records")
    assert (row["first"], row["second"], row["chips"]) == ("ann", "bo", 4)
    assert [row[name] for name in ("both", "only_first", "only_second", "neither")] == [1, 1, 1, 1]
    assert (row["kappa"], row["matched"], row["found"], row["iou"]) == (0.0, 1, 0.5, 0.5)


@pytest.mark.server
def test_agreement_counts_one_in_the_editor_and_one_in_label_studio(label_studio, folder, tmp_path, request):
    project = request.node.name[-50:]
    studio, chips = connect(), CHIPS.iloc[:4]
    studio.push(chips, images_of(chips, GRADIENTS, tmp_path / "images"), project)
    rows = {"scene": ["formula"] * 2, "direction": ["range"] * 2, "xmin": [10.0, 70.0], "ymin": [10.0, 10.0]}
    studio.annotate(
        project, schema.boxes_table(rows | {"xmax": [30.0, 90.0], "ymax": [30.0, 30.0]}), include_empty=True
    )
    studio.pull(project, store=folder)
    # the same project's name in both: a pull leaves alone what the editor wrote
    editor = walking(folder, "ann", chips=chips, project=project)
    draw(editor, 10, 10, 30, 20)
    editor.step(1)
    editor.nothing_here()
    draw(editor, 5, 5, 20, 20)
    editor.step(1)
    editor.nothing_here()
    before = open_store(folder).revision
    studio.pull(project, store=folder)
    store = open_store(folder)
    assert store.revision == before
    (row,) = agreement(store.labels(), store.looks(), resamples=10).to_dict("records")
    assert {row["first"], row["second"]} == {"ann", label_studio.user}
    assert (row["both"], row["only_first"] + row["only_second"], row["neither"], row["chips"]) == (1, 2, 1, 4)
    assert (row["matched"], row["iou"]) == (1, 0.5)


def test_a_chip_left_without_a_word_is_not_counted_and_a_new_kernel_begins_there(folder):
    editor = walking(folder, "ann")
    editor.nothing_here()
    editor.step(1)
    assert f"Left {NAMES[1]} unfinished" in editor.said.value
    draw(editor, 5, 5, 20, 20)
    editor.go(5)
    assert "Chip 6 of 6, not finished. 2 finished in all." in editor.widgets.where.value
    editor.step(1)
    assert "no chip beyond this one" in editor.said.value and editor.walk.position == 5
    assert sorted(open_store(folder).looks()["chip_id"]) == sorted([NAMES[0], NAMES[2]])
    assert walking(folder, "ann").walk.position == 1
    assert walking(folder, "bo").walk.position == 0


def test_proposals_have_to_be_decided_on_before_a_chip_is_finished(folder):
    detections = couplet_boxes(GRADIENTS).assign(model="m1")
    editor = walking(folder, "ann", detections=detections)
    offered = []
    while editor.walk.position < 5:
        offered.append(len(editor.edits.boxes))
        editor.step(1)
    # two bumps on two directions: the second has 30 and 34 of its 44 columns on each of two overlapping chips
    assert offered == [2, 0, 0, 0, 2] and len(editor.edits.boxes) == 2
    editor.edits.accept(editor.edits.on("range").index)
    for press in (editor.save, lambda: editor.step(-1), lambda: editor.go(0)):
        press()
        assert "Accept or delete the proposals first: 1 wait" in editor.said.value
    assert editor.walk.position == 5 and open_store(folder).revision == 0
    editor.nothing_here()
    assert "must have no box, instead it has 1" in editor.said.value
    editor.edits.delete(editor.edits.on("azimuth").index)
    editor.save()
    (label,) = open_store(folder).labels().to_dict("records")
    assert (label["origin"], label["proposed_by"], label["chip_id"]) == ("accepted", "m1", NAMES[5])
    # decided once, they are not offered again; what Nothing here turned down neither
    editor.go(0)
    editor.nothing_here()
    editor.go(0)
    assert len(editor.edits.boxes) == 0
    editor.go(5)
    assert editor.edits.boxes["pending"].tolist() == [False]


def test_saving_a_chip_without_a_box_asks_for_a_word(folder):
    editor = walking(folder, "ann")
    editor.save()
    assert "If that is right, press Nothing here" in editor.said.value and open_store(folder).revision == 0
    draw(editor, 5, 5, 20, 20)
    editor.save()
    editor.edits.delete(editor.edits.boxes.index)
    editor.step(1)
    store = open_store(folder)
    assert store.labels().empty and store.looks()["labels"].tolist() == [0]


def test_the_same_person_in_two_windows_does_not_write_over_himself_unseen(folder):
    one, other = walking(folder, "ann"), walking(folder, "ann")
    draw(one, 5, 5, 20, 20)
    one.save()
    draw(other, 5, 5, 25, 25)
    other.step(1)
    assert "looks must be as they were" in other.said.value and other.walk.position == 0
    assert len(other.edits.boxes) == 1, "what was drawn stays"
    other.step(1)
    assert len(open_store(folder).labels()) == 2 and len(open_store(folder).looks()) == 1


@pytest.mark.parametrize(
    ("chips", "words"),
    [
        (CHIPS.assign(scene="elsewhere"), "chips must hold chips of the scene 'formula'"),
        (pd.concat([CHIPS, CHIPS]), "chip_id must name one chip each"),
        (CHIPS.assign(row=500), "chips must begin on the scene of 160 × 120 px"),
    ],
)
def test_chips_that_cannot_be_walked_are_refused(folder, chips, words):
    with pytest.raises(LabkitError, match=words):
        walking(folder, "ann", chips=chips)


WALK = """
import os, sys
sys.path.insert(0, {tests!r})
from couplet_scene import couplet_gradients
from label_studio_fixture import chips_of
from labkit.view.box_editor import box_editor
gradients = couplet_gradients(120, 160)
chips = chips_of(gradients, 30)
editor = box_editor(gradients, "labels", "ann", chips=chips)
"""

#: A box on each chip; what was acknowledged is on the disk before the next one begins.
LABEL_ALL = """
told = open("told", "a")
while not editor.walk.is_finished(chip := editor.walk.chips[editor.walk.position]):
    editor.edits.add(["range"], (chip.col + 2, chip.row + 2, chip.col + 9, chip.row + 9), "landslide")
    editor.step(1)
    if "Saved" in editor.said.value:
        print(chip.chip_id, file=told, flush=True)
"""


def test_a_kernel_killed_while_the_editor_saves_loses_no_chip_and_doubles_none(tmp_path):
    code = WALK.format(tests=str(Path(__file__).parent))
    told, store = tmp_path / "told", open_store(tmp_path / "labels")

    def acknowledged() -> list[str]:
        return told.read_text().split() if told.exists() else []

    with real_kernel(tmp_path, code) as kernel:
        kernel.kill_in(LABEL_ALL, lambda: len(acknowledged()) >= 5)
    looks, labels = store.looks(), store.labels()
    every = sorted(chips_of(GRADIENTS, 30)["chip_id"])
    assert set(acknowledged()) <= set(looks["chip_id"]) < set(every)
    # at most the one that was on its way when the kernel died is there without having been acknowledged
    assert len(looks) - len(acknowledged()) <= 1
    assert sorted(labels["chip_id"]) == sorted(looks["chip_id"]) == sorted(set(looks["chip_id"]))
    with real_kernel(tmp_path, code) as kernel:
        kernel.run(LABEL_ALL)
    looks, labels = store.looks(), store.labels()
    assert sorted(looks["chip_id"]) == sorted(labels["chip_id"]) == every
