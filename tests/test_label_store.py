"""The label store: every change is kept, nothing is half-written, and one writes at a time."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from geopandas.testing import assert_geodataframe_equal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_tasks import SOURCE, annotation, region, tables, task

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import LABEL_COLUMNS, LabelStore, load_labels, open_store
from labkit.label.columns import content_hash

A, B = region("a", 10, 20, 30, 40), region("b", 5, 5, 9, 9)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    return open_store(tmp_path / "labels")


def put(store: LabelStore, *tasks: dict, source=SOURCE, by: str = "teacher@x"):
    return store.replace(tables(*tasks, source=source), source.project, by=by, source="a pull")


def files(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_a_label_comes_back_with_all_that_is_known_of_it(store):
    put(store, task(annotation(3, A, who=2)))
    label = store.labels().iloc[0]
    assert list(store.labels().columns) == [*schema.BOX_COLUMNS, *LABEL_COLUMNS]
    assert (label["scene"], label["direction"], label["label"]) == ("s", "range", "landslide")
    assert label[["xmin", "ymin", "xmax", "ymax"]].tolist() == [210, 120, 230, 140]
    assert label.geometry.bounds == pytest.approx((10.4, 49.2, 11.2, 49.6))
    assert (label["annotator"], label["lead_time"], label["origin"]) == ("bo@x", 13.0, "manual")
    assert label["created"] == pd.Timestamp("2024-05-06 07:03:09.5", tz="UTC")
    assert (label["project"], label["task_id"], label["annotation_id"], label["region_id"]) == ("p", 1, 3, "a")
    assert (label["guidance"], label["server_version"], label["placed"]) == ("g1", "1.2.3", "corners")
    assert label["hash"] == content_hash(label.to_dict())


def test_the_same_again_touches_no_file(store):
    assert put(store, task(annotation(1, A, B))) is not None
    before = files(store.folder)
    assert put(store, task(annotation(1, A, B))) is None
    assert files(store.folder) == before
    assert sorted(before) == [
        "changes/000001/labels.parquet",
        "changes/000001/looks.parquet",
        "changes/000001/revision.json",
        "labels.parquet",
    ]


def test_a_deleted_label_becomes_a_tombstone_and_comes_back_when_it_is_drawn_again(store):
    put(store, task(annotation(1, A, B)))
    put(store, task(annotation(1, A)))
    assert list(store.labels()["region_id"]) == ["a"]
    stone = store.labels(deleted=True).set_index("region_id").loc["b"]
    assert abs(pd.Timestamp.now("UTC") - stone["deleted"]) < pd.Timedelta(minutes=2)
    assert stone["xmin"] == 205
    put(store, task(annotation(1, A, B)))
    assert list(store.labels()["region_id"]) == ["a", "b"]
    assert list(store.history()["change"]) == ["added", "added", "deleted", "restored"]


def test_a_deleted_annotation_takes_its_look_along(store):
    put(store, task(annotation(1, A), annotation(2, who=2)))
    assert list(store.looks()["labels"]) == [1, 0]
    put(store, task(annotation(1, A)))
    assert list(store.looks()["annotator"]) == ["ann@x"]
    assert list(store.history("looks")["change"]) == ["added", "added", "deleted"]


def test_the_history_says_who_when_and_what(store):
    put(store, task(annotation(1, A)))
    moved = region("a", 11, 20, 30, 40, label="unsure")
    put(store, task(annotation(1, moved, updated_at="2024-05-06T08:00:00Z")), by="other@x")
    history = store.history()
    assert list(history["by"]) == ["teacher@x", "other@x"]
    assert list(history["annotator"]) == ["ann@x"] * 2
    assert list(history["change"]) == ["added", "changed"]
    assert history["what"][1] == "xmin, label, geometry, updated"
    assert history["made"].is_monotonic_increasing
    assert list(history["xmin"]) == [210, 211]


def test_every_earlier_state_can_be_rebuilt_by_number_and_by_time(store):
    steps = [[A], [A, B], [B], [], [region("a", 1, 2, 3, 4)]]
    kept, moments = [store.labels()], [pd.Timestamp.now("UTC")]
    for regions in steps:
        put(store, task(annotation(1, *regions)))
        kept.append(store.labels())
        moments.append(pd.Timestamp.now("UTC"))
    assert store.revision == 5
    for number, (then, moment) in enumerate(zip(kept, moments, strict=True)):
        assert_geodataframe_equal(store.labels(at=number), then)
        assert_geodataframe_equal(store.labels(at=moment), then)
    with pytest.raises(LabkitError, match="at must be a revision from 0 to 5, instead got at=6"):
        store.labels(at=6)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), max_size=3), min_size=2, max_size=3))
def test_the_state_is_always_that_of_the_last_pull_whatever_came_before(tmp_path_factory, states):
    store = open_store(tmp_path_factory.mktemp("any") / "labels")
    for state in states:
        put(store, task(annotation(1, *(region(name, 1, 1, 1 + size, 9) for name, size in state.items()))))
        stands = store.labels()
        assert dict(zip(stands["region_id"], stands["xmax"] - 201, strict=True)) == state
        assert_geodataframe_equal(load_labels(store.folder / "labels.parquet")[stands.columns], stands)


def test_projects_do_not_touch_each_other_and_a_renamed_one_is_the_same(store):
    put(store, task(annotation(1, A)))
    other = replace(SOURCE, project="q")
    put(store, task(annotation(2, A)), source=other)
    put(store, source=SOURCE)
    assert list(store.labels()["project"]) == ["q"]
    renamed = replace(SOURCE, project="r")
    put(store, task(annotation(2, A)), source=renamed)
    assert list(store.labels()["project"]) == ["r"]
    assert len(store.labels("q")) == 0


def test_a_new_server_that_counts_from_one_again_does_not_mix_up_labels(store):
    put(store, task(annotation(1, A)))
    put(store, task(annotation(1, A, created_at="2025-01-01T00:00:00Z")))
    assert list(store.history()["change"]) == ["added", "added", "deleted"]


def test_new_guidance_does_not_reach_back_to_labels_made_before_it(store):
    put(store, task(annotation(1, A)))
    later = replace(SOURCE, guidance="g2")
    assert put(store, task(annotation(1, A)), source=later) is None
    put(store, task(annotation(1, A), annotation(2, B)), source=later)
    assert list(store.labels()["guidance"]) == ["g1", "g2"]


def test_a_better_place_is_taken_and_never_given_back(store):
    put(store, task(annotation(1, A)))
    exact = tables(task(annotation(1, A)))
    exact.labels["placed"] = pd.Series(["scene"], dtype=object)
    exact = replace(exact, labels=exact.labels.set_geometry(exact.labels.translate(0.01)))
    assert store.replace(exact, "p", by="t", source="s") is not None
    assert put(store, task(annotation(1, A))) is None
    assert_geodataframe_equal(store.labels(), exact.labels)


def test_what_is_set_aside_is_kept_whole_until_it_is_mended(store):
    askew = region("a", 10, 20, 30, 40)
    askew["value"]["rotation"] = 30
    put(store, task(annotation(1, askew, B)))
    aside = store.set_aside()
    assert list(aside["reason"]) == ["rotation must be a multiple of 90°, instead got rotation=30"]
    assert '"rotation": 30' in aside["item"][0]
    assert store.labels().attrs["set_aside"][0]["region_id"] == "a"
    put(store, task(annotation(1, A, B)))
    assert len(store.set_aside()) == 0
    assert list(store.history("set_aside")["change"]) == ["added", "deleted"]


def test_boxes_from_elsewhere_are_added_once_and_stay_when_a_project_is_pulled(store):
    boxes = schema.boxes_table(
        {"scene": "s", "direction": "rate", "xmin": [1, 1], "ymin": [2, 2], "xmax": [5, 6], "ymax": [9, 9]}
    )
    assert store.add(boxes, by="me@x", source="inventory.geojson") is not None
    assert store.add(boxes, by="me@x", source="inventory.geojson") is None
    put(store, task(annotation(1, A)))
    put(store)
    assert list(store.labels()["origin"]) == ["imported"] * 2
    assert list(store.labels()["annotator"]) == ["me@x"] * 2
    with pytest.raises(LabkitError, match="origin must be one of"):
        store.add(boxes, by="me@x", source="x", origin="guessed")


def test_a_crash_between_the_change_and_the_file_for_people_is_mended_by_the_next_pull(store):
    put(store, task(annotation(1, A)))
    older = (store.folder / "labels.parquet").read_bytes()
    put(store, task(annotation(1, A, B)))
    for left_behind in (older, b"half"):
        (store.folder / "labels.parquet").write_bytes(left_behind)
        assert len(store.labels()) == 2
        assert put(store, task(annotation(1, A, B))) is None
        assert len(gpd.read_parquet(store.folder / "labels.parquet")) == 2


def test_a_damaged_or_changed_history_is_named(store):
    put(store, task(annotation(1, A)))
    put(store, task(annotation(1, B)))
    rows, about = store.folder / "changes/000001/labels.parquet", store.folder / "changes/000001/revision.json"
    for path, damage in ((rows, b"cut"), (about, b"{}"), (about, about.read_bytes().replace(b"teacher", b"forger_"))):
        whole = path.read_bytes()
        path.write_bytes(damage)
        with pytest.raises(FileError, match=r"changes.00000"):
            store.labels()
        path.write_bytes(whole)
    assert len(store.labels()) == 1


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(FileError, match="must be the folder of a label store"):
        open_store(tmp_path / "x")


def test_the_store_is_written_for_other_programs(store, tmp_path):
    put(store, task(annotation(1, A, B)))
    assert len(gpd.read_file(store.write(tmp_path / "labels.gpkg"), layer="labels")) == 2


WRITER = """
import sys
from label_tasks import SOURCE, annotation, region, tables, task
from labkit.label import open_store
store, count = open_store(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for number in range(count):
    with store.locked():
        have = store.labels(deleted=True)
        mine = [region(name, 1, 1, 9, 9) for name in {*have["region_id"], f"{sys.argv[3]}{number}"}]
        store.replace(tables(task(annotation(1, *mine))), "p", by=sys.argv[3], source="loop")
"""


def writer(folder: Path, count: int, name: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    words = [sys.executable, "-c", WRITER, str(folder), str(count), name]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_two_processes_that_write_at_once_lose_nothing(store):
    pair = [writer(store.folder, 6, name) for name in "xy"]
    assert [process.communicate(timeout=120) and process.returncode for process in pair] == [0, 0]
    assert set(store.labels()["region_id"]) == {f"{name}{number}" for name in "xy" for number in range(6)}
    assert store.revision == 12
    assert list(store.history()["change"]) == ["added"] * 12


def test_a_process_killed_while_it_writes_leaves_a_whole_store(store):
    for lead_s in (0.05, 0.12, 0.3):
        process = writer(store.folder, 1000, f"k{int(1000 * lead_s)}-")
        time.sleep(lead_s)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        known = store.labels()
        assert len(known) == store.revision
        put(store, task(annotation(1, *(region(name, 1, 1, 9, 9) for name in [*known["region_id"], f"s{lead_s}"]))))
        assert len(store.labels()) == len(known) + 1
        assert len(load_labels(store.folder / "labels.parquet")) == len(known) + 1
    assert {path.name for path in store.folder.iterdir()} <= {"changes", "labels.parquet", ".lock"} | {
        path.name for path in store.folder.glob(".labels.parquet.*")
    }


def test_who_waits_too_long_for_another_is_told(store):
    impatient = open_store(store.folder, wait_s=0.1)
    with store.locked(), pytest.raises(FileError, match=r"labels must be free to write, instead another pull held it"):
        put(impatient, task(annotation(1, A)))
    assert store.revision == 0


FULL_DISK = """
import resource, sys
from label_tasks import annotation, region, tables, task
from labkit.errors import FileError
from labkit.label import open_store
store = open_store(sys.argv[1])
many = [region(f"r{n}", 1 + n / 100, 1, 40, 40) for n in range(400)]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
for job in (lambda: store.replace(tables(task(annotation(1, *many))), "p", by="t", source="s"),
            lambda: store.release("v1"), lambda: store.write(sys.argv[1] + "/out.gpkg"),
            lambda: store.write(sys.argv[1] + "/out.parquet")):
    try:
        job()
    except FileError as error:
        print("FileError", error)
"""


def test_a_full_disk_leaves_the_store_as_it_was(store):
    put(store, task(annotation(1, A, B)))
    before = files(store.folder)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    words = [sys.executable, "-c", FULL_DISK, str(store.folder), "1000"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("FileError") == 4, done.stdout
    assert files(store.folder) == before
    assert len(put(store, task(annotation(1, A))).files) == 2
