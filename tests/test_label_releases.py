"""Releases: frozen, citable, verified whenever they are opened, and named by what was trained on them."""

from __future__ import annotations

import json
import shutil

import pytest
from geopandas.testing import assert_geodataframe_equal
from label_tasks import SOURCE, annotation, region, tables, task

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import LabelStore, load_release, open_store

A, B = region("a", 10, 20, 30, 40), region("b", 5, 5, 9, 9, label="unsure")


def put(store: LabelStore, *regions: dict) -> None:
    other = task(annotation(2, who=2), number=2, chip="empty")
    store.replace(tables(task(annotation(1, *regions)), other), SOURCE.project, by="t@x", source="a pull")


@pytest.fixture
def store(tmp_path) -> LabelStore:
    made = open_store(tmp_path / "labels")
    put(made, A, B)
    return made


def test_a_release_stays_as_it_is_while_labels_go_on(store):
    before = store.labels()
    first = store.release("v1", note="the first week")
    put(store, A)
    assert len(store.labels()) == 1
    again = store.released("v1")
    assert_geodataframe_equal(again, before, check_dtype=False)
    assert again.attrs == first.attrs
    assert again.attrs["release"] == "v1"
    assert again.attrs["annotated_chips"] == ["c", "empty"]
    assert again.attrs["boxes_sha256"] == schema.boxes_hash(before)
    assert again.attrs["release_hash"] in again.attrs["citation"]
    assert "2 boxes on 1 scene by 1 person" in again.attrs["citation"]
    listed = store.releases()
    assert listed[["name", "labels", "revision", "note"]].to_numpy().tolist() == [["v1", 2, 1, "the first week"]]


def test_a_release_is_never_made_twice(store):
    store.release("v1")
    with pytest.raises(LabkitError, match="release 'v1' is there already and never changes"):
        store.release("v1")


def test_a_chosen_set_can_be_released(store):
    only = store.labels().query("label == 'landslide'")
    assert list(store.release("v1-landslides", labels=only)["region_id"]) == ["a"]
    bare = schema.boxes_table(
        {"scene": ["s"], "direction": ["rate"], "xmin": [1], "ymin": [2], "xmax": [5], "ymax": [9]}
    )
    assert schema.boxes_hash(store.release("consensus", labels=bare)) == schema.boxes_hash(bare)


@pytest.mark.parametrize("name", ["labels.parquet", "looks.parquet", "release.json"])
def test_a_release_that_was_touched_is_refused(store, tmp_path, name):
    store.release("v1")
    copy = shutil.copytree(store.folder / "releases/v1", tmp_path / "copy")
    assert len(load_release(copy)) == 2
    path = copy / name
    path.chmod(0o644)
    if name == "release.json":
        path.write_text(json.dumps(json.loads(path.read_text()) | {"note": "better than it was"}))
    elif name == "looks.parquet":
        store.looks().iloc[:1].to_parquet(path)
    else:
        labels = load_release(store.folder / "releases/v1")
        labels.assign(xmin=labels["xmin"] + 1e-9).to_parquet(path)
    with pytest.raises(FileError, match="contents do not give its hash"):
        load_release(copy)
    path.write_bytes(b"cut")
    with pytest.raises(FileError, match=name):
        load_release(copy)


def test_the_hash_that_a_paper_names_can_be_asked_for(store):
    made = store.release("v1")
    folder = store.folder / "releases/v1"
    assert len(load_release(folder, expect=made.attrs["release_hash"])) == 2
    with pytest.raises(LabkitError, match="release 'v1' must have hash='abc'"):
        load_release(folder, expect="abc")


@pytest.mark.parametrize("name", ["", "../v1", "v 1", ".v1", "é"])
def test_a_name_that_is_no_folder_is_refused(store, name):
    with pytest.raises(LabkitError, match="name must be a word"):
        store.release(name)
    assert len(store.releases()) == 0


def test_nothing_cannot_be_released_and_what_is_not_there_is_named(store):
    with pytest.raises(LabkitError, match="labels must hold at least one row to be released"):
        store.release("v1", labels=store.labels().iloc[:0])
    with pytest.raises(FileError, match=r"v9.release\.json must describe a release"):
        store.released("v9")
