"""Checking by eye: the lot, the file that a kill does not harm, several reviewers, odd inputs."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sqlite3
import time
from multiprocessing.connection import Connection
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPolygon, Polygon, box

import labkit as lk
from labkit import FileError, LabkitError
from labkit.detect import ANSWERS, gather_answers, open_review, sample_detections

#: A process that begins where this one is, without importing anything anew.
FORK = multiprocessing.get_context("fork")


def detections(count: int = 30, scene: str = "a") -> gpd.GeoDataFrame:
    x = np.arange(count) * 10.0
    columns = {
        "scene": [scene] * count, "direction": ["range"] * count, "xmin": x, "ymin": x / 2, "xmax": x + 8,
        "ymax": x / 2 + 9, "score": np.linspace(0.99, 0.5, count), "ascending": x > 100, "members": [["a"]] * count,
        "geometry": [box(100 + v / 1000, 30, 100.005 + v / 1000, 30.01) for v in x],
    }  # fmt: skip
    return lk.schema.boxes_table(columns)


SLIDE = Polygon([(100, 30), (100.01, 30), (100.01, 30.02), (100, 30.01)])


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), order=st.randoms(use_true_random=False), n=st.integers(1, 40))
def test_the_lot_depends_on_the_seed_and_not_on_the_order_of_the_rows(seed, order, n):
    rows = list(range(30))
    order.shuffle(rows)
    drawn = sample_detections(detections(), n, seed)
    again = sample_detections(detections().iloc[rows], n, seed)
    assert list(drawn["detection_id"]) == list(again["detection_id"])
    assert len(drawn) == min(n, 30) == drawn["detection_id"].nunique()
    assert list(drawn["place"]) == list(range(len(drawn)))
    more = sample_detections(detections(), n + 5, seed)
    assert list(more["detection_id"])[: len(drawn)] == list(drawn["detection_id"])


def test_every_detection_is_drawn_as_often_as_any_other():
    drawn = pd.concat([sample_detections(detections(), 10, seed) for seed in range(60)])
    counts = drawn["xmin"].value_counts()
    # of 60 lots each is in a third: 20, with a standard deviation of √(60 · 1/3 · 2/3) = 3.7
    assert len(counts) == 30 and counts.between(20 - 4 * 3.7, 20 + 4 * 3.7).all()


def test_a_selection_keeps_its_order_and_rows_that_say_the_same_are_one():
    table = detections(5)
    twice = pd.concat([table, table.iloc[[3]].assign(score=0.999)])
    whole = sample_detections(twice, None)
    assert whole["xmin"].tolist() == [0, 10, 20, 40, 30], "the better of the two stays where it was"
    assert whole["score"].max() == 0.999


def test_answers_are_taken_up_and_the_sample_has_to_be_the_same(tmp_path):
    path = tmp_path / "review.gpkg"
    first = open_review(path, detections(), n=10, seed=3)
    names = list(first.sample["detection_id"])
    first.answer(names[0], "landslide", reviewer=" ann ", note="Wülste, 滑坡", outline=SLIDE)
    first.answer(names[1], "unsure", reviewer="ann")
    first.answer(names[1], "human activity", reviewer="ann", note="a quarry")
    for again in (open_review(path), open_review(path, detections(), n=10, seed=3)):
        assert list(again.sample["detection_id"]) == names
        stands = again.answers("ann").set_index("detection_id")
        assert stands["answer"].to_dict() == {names[0]: "landslide", names[1]: "human activity"}
        assert stands.loc[names[0], "note"] == "Wülste, 滑坡"
        assert stands.geometry[names[0]].equals(MultiPolygon([SLIDE])) and stands.geometry[names[1]] is None
        assert again.history()["answer"].tolist() == ["landslide", "unsure", "human activity"]
        assert again.about["seed"] == "3" and again.about["detections"] == "30"
    for other in ({"n": 11}, {"seed": 4}):
        with pytest.raises(LabkitError, match="detections must give the sample that .* holds, 10 of 30 with n=10 and "):
            open_review(path, detections(), **{"n": 10, "seed": 3} | other)


def test_the_file_opens_in_other_programs_with_all_that_it_holds(tmp_path):
    path = tmp_path / "review.gpkg"
    review = open_review(path, detections(), n=None)
    review.answer(review.sample["detection_id"][2], "landslide", reviewer="ann", outline=SLIDE)
    review.answer(review.sample["detection_id"][4], "not a landslide", reviewer="ann", note="air")
    layers = dict(pyogrio.list_layers(path).tolist())
    assert layers == {"sample": "Unknown", "answers": "MultiPolygon", "history": None, "about": None}
    answers = gpd.read_file(path, layer="answers")
    assert answers["answer"].tolist() == ["landslide", "not a landslide"]
    assert answers.crs.to_epsg() == 4326 and answers.geometry[0].equals(MultiPolygon([SLIDE]))
    assert answers.geometry[1] is None
    sample = gpd.read_file(path, layer="sample")
    assert sample.geometry.geom_equals(detections().geometry).all()
    np.testing.assert_array_equal(sample["score"], detections()["score"])
    # and as labkit reads it
    assert review.sample["ascending"].dtype == bool and review.sample["xmin"].dtype == float
    assert review.sample.geometry.geom_equals(detections().geometry).all() and review.sample.crs == sample.crs
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def answer_without_end(path: Path, words: Connection) -> None:
    review = open_review(path)
    names = list(review.sample["detection_id"])
    for number in range(10_000):
        answer = ANSWERS[number % 4]
        review.answer(names[number % len(names)], answer, reviewer=f"person {number // len(names)}", note="x" * 20_000)
        words.send(number)


def test_a_kill_at_any_moment_loses_no_answer_that_was_given(tmp_path):
    path = tmp_path / "review.gpkg"
    open_review(path, detections(), n=None)
    before = 0
    for times in range(1, 4):
        hears, says = FORK.Pipe(duplex=False)
        writer = FORK.Process(target=answer_without_end, args=(path, says))
        writer.start()
        says.close()
        said = [hears.recv() for _ in range(7 * times)]
        time.sleep(0.0013 * times)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        with contextlib.suppress(EOFError):
            while True:
                said.append(hears.recv())
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        history = open_review(path).history()
        here = len(history) - before
        assert len(said) <= here <= len(said) + 1, "all that it said it wrote is there, and at most the one under way"
        before = len(history)
        stands, last = open_review(path).answers(), history.drop_duplicates(["detection_id", "reviewer"], keep="last")
        columns = ["detection_id", "reviewer", "answer"]
        assert set(stands[columns].itertuples(index=False)) == set(last[columns].itertuples(index=False))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def answer_all(path: Path, reviewer: str) -> None:
    review = open_review(path)
    for name in review.sample["detection_id"][:12]:
        review.answer(name, "landslide", reviewer=reviewer)


def test_reviewers_in_several_processes_share_a_file(tmp_path):
    path = tmp_path / "review.gpkg"
    open_review(path, detections(), n=None)
    people = [FORK.Process(target=answer_all, args=(path, who)) for who in ("ann", "ben", "cho")]
    for process in people:
        process.start()
    for process in people:
        process.join(120)
    assert [process.exitcode for process in people] == [0, 0, 0]
    answers = open_review(path).answers()
    assert answers.groupby("reviewer").size().to_dict() == {"ann": 12, "ben": 12, "cho": 12}


def test_files_of_several_reviewers_are_put_together(tmp_path):
    names = list(sample_detections(detections(), 5)["detection_id"])
    for who, answer in (("ann", "landslide"), ("ben", "unsure")):
        review = open_review(tmp_path / f"{who}.gpkg", detections(), n=5)
        for name in names:
            review.answer(name, answer, reviewer=who)
    late = open_review(tmp_path / "late.gpkg", detections(), n=5)
    late.answer(names[0], "not a landslide", reviewer="ben")
    together = gather_answers([late, tmp_path / "ann.gpkg", tmp_path / "ben.gpkg"])
    assert len(together) == 10
    assert together.set_index(["reviewer", "detection_id"])["answer"][("ben", names[0])] == "not a landslide"
    other = open_review(tmp_path / "other.gpkg", detections(), n=4)
    with pytest.raises(LabkitError, match="reviews must be of one sample"):
        gather_answers([late, other])
    with pytest.raises(LabkitError, match="reviews must hold at least one"):
        gather_answers([])


def test_the_inventory_holds_the_outlines_of_landslides_and_the_table_all_of_the_sample(tmp_path):
    review = open_review(tmp_path / "review.gpkg", detections(), n=3)
    first, second, third = review.sample["detection_id"]
    two = MultiPolygon([SLIDE, shapely.affinity.translate(SLIDE, 1, 0)])
    review.answer(first, "landslide", reviewer="ann", outline=two, note="two")
    review.answer(first, "landslide", reviewer="ben", outline=SLIDE)
    review.answer(second, "human activity", reviewer="ann", outline=SLIDE)
    review.answer(third, "landslide", reviewer="ann")
    inventory = review.inventory()
    assert inventory["reviewer"].tolist() == ["ann", "ann", "ben"]
    assert (inventory["detection_id"] == first).all() and (inventory["label"] == "landslide").all()
    assert inventory.geometry[2].equals(SLIDE) and inventory.crs.to_epsg() == 4326
    back = gpd.read_file(lk.write_detections(inventory, tmp_path / "inventory.geojson"))
    assert back.geometry.geom_equals(inventory.geometry).all()
    table = pd.read_csv(review.write_csv(tmp_path / "review.csv"))
    assert table[["detection_id", "reviewer", "answer", "outlined"]].fillna("").values.tolist() == [
        [first, "ann", "landslide", True],
        [first, "ben", "landslide", True],
        [second, "ann", "human activity", True],
        [third, "ann", "landslide", False],
    ]
    middle = review.sample.geometry[0].centroid
    assert table["lon"][0] == pytest.approx(middle.x) and table["lat"][0] == pytest.approx(middle.y)


def test_detections_without_a_place_are_reviewed_as_well(tmp_path):
    table = detections(4)
    table["geometry"] = [None] * 4
    review = open_review(tmp_path / "review.gpkg", table.set_crs(None, allow_override=True))
    review.answer(review.sample["detection_id"][0], "landslide", reviewer="ann")
    assert review.sample.geometry.isna().all() and len(review.inventory()) == 0
    assert pd.read_csv(review.write_csv(tmp_path / "r.csv"))["lon"].isna().all()


def test_an_outline_that_crosses_itself_is_mended():
    bow = Polygon([(100, 30), (101, 31), (101, 30), (100, 31)])
    mended = lk.detect.reviewing.check_outline(bow)
    assert mended.is_valid and len(mended.geoms) == 2 and mended.area == pytest.approx(0.5)
    for nothing in (LineString([(0, 0), (1, 1)]), Polygon([(0, 0), (1, 1), (2, 2)]), Polygon()):
        with pytest.raises(LabkitError, match="outline must be a polygon that encloses ground"):
            lk.detect.reviewing.check_outline(nothing)
    with pytest.raises(LabkitError, match="outline must be in degrees"):
        lk.detect.reviewing.check_outline(box(500_000, 3_000_000, 501_000, 3_001_000))


def test_odd_inputs_are_named(tmp_path):
    with pytest.raises(LabkitError, match="at least one detection to review, instead got none"):
        open_review(tmp_path / "a.gpkg", lk.schema.boxes_table())
    with pytest.raises(LabkitError, match="n must be at least 1, or None for all, instead got n=0"):
        open_review(tmp_path / "a.gpkg", detections(), n=0)
    with pytest.raises(LabkitError, match="path must end with .gpkg, instead got path='a.csv'"):
        open_review(tmp_path / "a.csv", detections())
    with pytest.raises(LabkitError, match="detections must be given to begin a review"):
        open_review(tmp_path / "a.gpkg")
    assert list(tmp_path.iterdir()) == []
    review = open_review(tmp_path / "a.gpkg", detections())
    name = review.sample["detection_id"][0]
    with pytest.raises(LabkitError, match="answer must be one of .*, instead got answer='yes'"):
        review.answer(name, "yes", reviewer="ann")
    with pytest.raises(LabkitError, match="detection_id must be one of the sample"):
        review.answer("elsewhere", "unsure", reviewer="ann")
    for nobody in ("", "  ", "together", None):
        with pytest.raises(LabkitError, match="reviewer must be a name"):
            review.answer(name, "unsure", reviewer=nobody)
    assert len(review.history()) == 0


def test_a_file_that_is_no_review_is_named_and_left_as_it_is(tmp_path):
    words = tmp_path / "words.gpkg"
    words.write_text("no database")
    with pytest.raises(FileError, match="words.gpkg must be a review file"):
        open_review(words)
    assert words.read_text() == "no database"
    other = tmp_path / "other.gpkg"
    detections().drop(columns="members").to_file(other)
    before = other.read_bytes()
    with pytest.raises(FileError, match="other.gpkg must be a review file .* no such table: about"):
        open_review(other)
    assert other.read_bytes() == before


def test_json_survives_a_note_with_anything_in_it(tmp_path):
    review = open_review(tmp_path / "a.gpkg", detections(), n=1)
    note = json.dumps({"a": "'; DROP TABLE answers; --", "b": "\n\t\u2028\U0001f30b"})
    review.answer(review.sample["detection_id"][0], "unsure", reviewer="Robert'); --", note=note)
    assert review.answers()[["reviewer", "note"]].values.tolist() == [["Robert'); --", note]]


def test_a_review_from_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="must be writable"):
        open_review(Path(tmp_path / "file" / "a.gpkg"), detections())
