"""Corrections by hand: they stand until the label changes where it came from, and nobody's change is lost unseen."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from label_tasks import SOURCE, annotation, region, tables, task

from labkit import LabkitError, schema
from labkit.label import LabelStore, open_store

A, B = region("a", 10, 20, 30, 40), region("b", 5, 5, 9, 9)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    """A store into which two boxes of one annotation were pulled."""
    store = open_store(tmp_path / "labels")
    pull(store, A, B)
    return store


def pull(store: LabelStore, *regions: dict):
    return store.replace(tables(task(annotation(1, *regions))), SOURCE.project, by="teacher@x", source="a pull")


def named(store: LabelStore, region_id: str) -> pd.DataFrame:
    labels = store.labels()
    return labels[labels["region_id"] == region_id]


def drawn() -> pd.DataFrame:
    return schema.boxes_table(
        {"scene": ["s"], "direction": ["range"], "xmin": [1], "ymin": [2], "xmax": [5], "ymax": [9]}
    )


def test_a_correction_outlives_the_pulls_that_bring_nothing_new(store):
    store.amend(named(store, "a").assign(xmax=277.0), by="ann")
    assert pull(store, A, B) is None
    assert named(store, "a")["xmax"].tolist() == [277.0]
    assert store.history().iloc[-1][["change", "by", "source", "what"]].tolist() == [
        "changed", "ann", "edited by hand", "xmax",
    ]  # fmt: skip


def test_a_deletion_by_hand_outlives_the_pulls_too(store):
    store.amend(drawn().iloc[:0], named(store, "b")["label_id"], by="ann")
    assert pull(store, A, B) is None
    assert store.labels()["region_id"].tolist() == ["a"]
    assert store.labels(deleted=True)["region_id"].tolist() == ["a", "b"]


def test_a_label_that_changes_in_label_studio_afterwards_is_taken_from_there(store):
    store.amend(named(store, "a").assign(xmax=277.0), named(store, "b")["label_id"], by="ann")
    pull(store, region("a", 10, 20, 31, 40), region("b", 5, 5, 10, 9))
    assert store.labels()["xmax"].tolist() == [231, 210]
    pull(store, B)
    assert store.labels()["region_id"].tolist() == ["b"]


def test_a_label_that_is_deleted_in_label_studio_afterwards_goes(store):
    store.amend(named(store, "a").assign(xmax=277.0), by="ann")
    pull(store, B)
    assert store.labels()["region_id"].tolist() == ["b"]


def test_a_label_drawn_by_hand_stays_whatever_label_studio_holds(store):
    store.amend(drawn(), by="ann", project=SOURCE.project)
    assert pull(store, A, B) is None
    pull(store, A)
    assert store.labels()["annotator"].tolist()[-1] == "ann"
    assert len(store.labels()) == 2


def test_a_label_restored_by_hand_stays_though_label_studio_deleted_it(store):
    b = named(store, "b")
    pull(store, A)
    store.amend(b, by="ann")
    assert pull(store, A) is None
    assert store.labels()["region_id"].tolist() == ["a", "b"]
    assert store.history()["change"].tolist() == ["added", "added", "deleted", "restored"]


def test_what_others_changed_meanwhile_is_not_written_over_unseen(store):
    seen, a = store.revision, named(store, "a")
    store.amend(a.assign(xmax=250.0), by="bo")
    with pytest.raises(LabkitError, match="1 of them changed since, the last by bo"):
        store.amend(a.assign(xmax=260.0), by="ann", seen=seen)
    assert named(store, "a")["xmax"].tolist() == [250.0]
    store.amend(named(store, "b").assign(xmax=260.0), by="ann", seen=seen)
    store.amend(a.assign(xmax=260.0), by="ann", seen=store.revision)
    assert store.labels()["xmax"].tolist() == [260.0, 260.0]


def test_a_label_that_is_not_there_cannot_be_deleted(store):
    with pytest.raises(LabkitError, match="deleted must name labels of the store"):
        store.amend(drawn().iloc[:0], ["nobody"], by="ann")
    assert store.revision == 1


def test_a_label_that_somebody_else_has_deleted_already_stays_deleted_once(store):
    gone = named(store, "a")["label_id"].tolist()
    store.amend(drawn().iloc[:0], gone, by="bo")
    assert store.amend(drawn().iloc[:0], gone, by="ann") is None
    assert store.labels()["region_id"].tolist() == ["b"]


def test_nothing_to_correct_writes_nothing(store):
    assert store.amend(store.labels(), by="ann") is None
    assert store.revision == 1


def test_a_look_by_hand_stays_whatever_label_studio_holds(store):
    look = pd.DataFrame([{"chip_id": "c9", "scene": "s", "labels": 0}])
    store.amend(drawn().iloc[:0], by="ann", project=SOURCE.project, looks=look)
    assert pull(store, A) is not None
    looks = store.looks(SOURCE.project).set_index("chip_id")
    assert looks.loc["c9", ["annotator", "project", "annotation_id"]].tolist() == ["ann", SOURCE.project, -1]
    # the same look again, and nothing new
    assert store.amend(drawn().iloc[:0], by="ann", project=SOURCE.project, looks=look) is None


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        (pd.DataFrame({"scene": ["s"]}), "looks must name the chip"),
        (pd.DataFrame({"chip_id": ["c", "c"]}), "chip_id='c' comes twice"),
    ],
)
def test_looks_that_name_no_chip_or_one_twice_are_refused(store, looks, words):
    with pytest.raises(LabkitError, match=words):
        store.amend(drawn(), by="ann", looks=looks)
