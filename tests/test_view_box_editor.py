"""The box editor in the kernel: its panels hold what stands, its widgets do what they say."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from couplet_scene import couplet_boxes, couplet_gradients

from labkit import LabkitError
from labkit.label import open_store
from labkit.view.box_editor import BoxEditor, box_editor

GRADIENTS = couplet_gradients(120, 160)
BOX = {"key": ["a" * 32], "x0": [10.0], "y0": [20.0], "x1": [30.0], "y1": [50.0]}


@pytest.fixture
def editor(tmp_path) -> BoxEditor:
    """An editor of a scene with one box on the range panel, saved by bo, and two proposals for azimuth."""
    first = box_editor(GRADIENTS, tmp_path / "labels", "bo")
    first.edits.take("range", BOX, "unsure")
    first.edits.save()
    detections = couplet_boxes(GRADIENTS).assign(model="m1").iloc[:2]
    return box_editor(GRADIENTS, tmp_path / "labels", "ann", detections=detections)


def sources(editor: BoxEditor) -> dict[str, Any]:
    """What the page holds of each panel's boxes; it changes as the editor does."""
    root = editor.panel().get_root()
    found = {way: root.select_one({"name": f"labkit-boxes-{way}"}) for way in editor.edits.directions}
    # a page keeps what was drawn for it alive
    editor.kept = root
    return found


def in_a_loop(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test as a kernel runs a cell: in an event loop, in which what the page echoes is heard before the end."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        async def cell() -> None:
            test(*args, **named)
            await asyncio.sleep(0.1)

        asyncio.run(cell())

    return run


def say(source: Any, boxes: dict[str, list], drawing: int | None = None) -> None:
    """Change a panel's boxes as the page does: new ones with 0 where others have what the kernel gave them."""
    old = dict(source.data)
    before = list(old["key"])
    edges = dict(zip(("left", "bottom", "right", "top"), ("x0", "y0", "x1", "y1"), strict=True))
    data = {edge: list(boxes[name]) for edge, name in edges.items()} | {"key": list(boxes["key"])}
    for name in set(old) - set(data):
        data[name] = [list(old[name])[before.index(key)] if key in before else 0 for key in boxes["key"]]
    if drawing is not None:
        data["drawing"] = [drawing if key in before else 0 for key in boxes["key"]]
    source.data = data


def press(editor: BoxEditor, name: str) -> None:
    editor.buttons[name].clicks += 1


@in_a_loop
def test_the_panels_hold_the_labels_of_the_store_and_the_proposals(editor):
    page = sources(editor)
    proposals = couplet_boxes(GRADIENTS).iloc[:2]
    np.testing.assert_allclose(page["azimuth"].data["left"], proposals["xmin"])
    np.testing.assert_allclose(page["azimuth"].data["top"], proposals["ymax"])
    assert list(page["range"].data["key"]) == BOX["key"]
    assert [list(page["range"].data[name]) for name in ("left", "bottom", "right", "top")] == [[10], [20], [30], [50]]
    assert list(page["range"].data["annotator"]) == ["bo"]
    assert page["azimuth"].data["colour"][0] != page["range"].data["colour"][0]
    assert "2 proposals" in editor.said.value and "All is saved: 1 label." in editor.said.value


@in_a_loop
def test_what_is_drawn_on_one_panel_appears_on_both_and_is_said(editor):
    page = sources(editor)
    new = {"key": "b" * 32, "x0": 60.0, "y0": 70.0, "x1": 90.0, "y1": 95.0}
    shown = {name: [*BOX[name], value] for name, value in new.items()}
    say(page["range"], shown)
    editor.panels._drawn()
    assert page["azimuth"].data["left"][-1] == page["range"].data["left"][-1] == 60.0
    assert list(page["range"].data["key"]) == [*BOX["key"], "b" * 32]
    assert "2 new, 0 changed, 0 deleted" in editor.said.value
    editor.both.value = []
    shown["x1"] = [30.0, 91.0]
    say(page["range"], shown)
    editor.panels._drawn()
    assert page["azimuth"].data["right"][-1] == 90.0 and page["range"].data["right"][-1] == 91.0


@in_a_loop
def test_a_page_that_is_behind_neither_deletes_nor_moves_back(editor):
    editor.both.value = []
    source = sources(editor)["range"]
    first = editor.panels.drawing("range")
    two = {name: [*BOX[name], value] for name, value in zip(BOX, ("b" * 32, 60.0, 70.0, 90.0, 95.0), strict=True)}
    say(source, two | {"x0": [12.0, 60.0]})  # one is moved, one is drawn
    # the kernel has drawn anew, but the page still shows the first drawing, without either, as somebody draws a third
    editor.panels._drawn()
    third = {name: [*BOX[name], value] for name, value in zip(BOX, ("c" * 32, 1.0, 2.0, 9.0, 8.0), strict=True)}
    say(source, third, drawing=first)
    assert editor.edits.on("range").index.tolist() == ["a" * 32, "b" * 32, "c" * 32]
    assert editor.edits.on("range")["xmin"].tolist() == [12.0, 60.0, 1.0]


@in_a_loop
def test_the_chosen_box_fills_the_widgets_and_follows_them(editor):
    page = sources(editor)
    assert editor.widgets.box.value == ""
    editor._chose("range", [0])
    assert editor.widgets.box.value == BOX["key"][0]
    assert [widget.value for widget in editor.corners] == [10, 20, 30, 50]
    assert not editor.edits.unsaved
    editor.corners[2].value = 33.0
    assert list(page["range"].data["right"]) == [33.0]
    editor.label.value = "snow or ice"
    assert list(page["range"].data["label"]) == ["unsure"]
    press(editor, "Set class")
    assert list(page["range"].data["label"]) == ["snow or ice"]
    editor.corners[2].value = 9.0
    assert list(page["range"].data["left"]) == [9.0], "corners are put in their order"
    editor.corners[1].value = 50.0
    assert "role='alert'" in editor.said.value and "corners must enclose" in editor.said.value
    assert editor.corners[1].value == 20.0
    editor._chose("range", [])
    assert editor.widgets.box.value == ""
    press(editor, "Undo")
    press(editor, "Undo")
    press(editor, "Undo")
    assert not editor.edits.unsaved and "All is saved" in editor.said.value
    assert list(page["range"].data["right"]) == [30.0]


@in_a_loop
def test_the_buttons_do_what_they_say(editor):
    page = sources(editor)
    editor._chose("azimuth", [1])
    press(editor, "Accept")
    press(editor, "Save")
    assert "Saved 1 new, 0 changed, 0 deleted as revision 2" in editor.said.value
    store = open_store(editor.edits.store.folder)
    assert store.labels()["origin"].tolist() == ["manual", "accepted"]
    press(editor, "Accept all")
    editor._chose("range", [0])
    press(editor, "Delete")
    assert len(page["range"].data["left"]) == 0
    assert "1 new, 0 changed, 1 deleted" in editor.said.value
    press(editor, "Read anew")
    assert len(page["range"].data["left"]) == 1 and "All is saved: 2 labels" in editor.said.value


@in_a_loop
def test_a_refused_save_says_why_and_keeps_what_is_not_saved(editor):
    other = box_editor(GRADIENTS, editor.edits.store, "cy")
    other.edits.set_corners(BOX["key"][0], (1, 2, 30, 50))
    other.save()
    editor.edits.set_corners(BOX["key"][0], (3, 4, 30, 50))
    press(editor, "Save")
    assert "role='alert'" in editor.said.value and "the last by cy" in editor.said.value
    assert editor.edits.unsaved.changed == 1
    press(editor, "Save")
    assert open_store(editor.edits.store.folder).labels()["xmin"].tolist() == [3.0]


def test_words_from_the_store_are_not_taken_for_markup(editor):
    editor._say("<script>alert(1)</script>")
    assert "<script>" not in editor.said.value


@in_a_loop
def test_rates_have_one_panel_and_no_twin(tmp_path):
    rate = GRADIENTS["gradient"].sel(direction="range", drop=True).rename("rate").to_dataset()
    rate.attrs = dict(GRADIENTS.attrs)
    editor = box_editor(rate, tmp_path / "labels", "ann")
    page = sources(editor)
    say(page["rate"], BOX)
    editor.panels._drawn()
    assert list(page) == ["rate"] and list(page["rate"].data["left"]) == [10.0]
    editor.save()
    assert open_store(tmp_path / "labels").labels()["direction"].tolist() == ["rate"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"annotator": ""}, "annotator must be the name"),
        ({"classes": ()}, "classes must be one or more different words"),
        ({"classes": "landslide"}, "classes must be one or more different words"),
        ({"limit": 0.0}, "limit must be a number > 0"),
    ],
)
def test_arguments_are_checked(tmp_path, wrong, words):
    with pytest.raises(LabkitError, match=words):
        box_editor(GRADIENTS, tmp_path / "labels", **({"annotator": "ann"} | wrong))
