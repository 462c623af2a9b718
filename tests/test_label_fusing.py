"""A consensus of known boxes by hand, its laws, and the queue of what people differ on."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_tasks import annotation, region, tables, task
from shapely.geometry import box

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import consensus, disagreements, drop_duplicates, open_store

Row = tuple[str, str, float, float, float, float]
CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def drawn(rows: Iterable[Row], **more: object) -> gpd.GeoDataFrame:
    """Labels of (chip, annotator, xmin, ymin, xmax, ymax)."""
    table = pd.DataFrame(list(rows), columns=["chip_id", "annotator", *CORNERS])
    given = {name: table[name].tolist() for name in table} | {"scene": ["s"] * len(table), "direction": "range"}
    return schema.boxes_table(given | more)


def looked(chips: Iterable[str], *people: str) -> pd.DataFrame:
    return pd.DataFrame([(chip, who) for chip in chips for who in people], columns=["chip_id", "annotator"])


THREE = [("1", "a", 0, 0, 10, 10), ("1", "b", 1, 0, 11, 10), ("1", "c", 2, 0, 12, 10)]


def test_three_boxes_become_their_mean_with_three_voices():
    (row,) = consensus(drawn(THREE), looked("1", *"abcd")).to_dict("records")
    assert [row[name] for name in CORNERS] == [1, 0, 11, 10]
    assert (row["voices"], row["looked"], row["score"], row["annotators"]) == (3, 4, 0.75, "a; b; c")
    # two of the four corners lie 1 px off in two of three boxes
    assert row["spread"] == pytest.approx(np.sqrt(4 / 12))


def test_weights_pull_the_corners_and_not_the_number_of_voices():
    (row,) = consensus(drawn(THREE[:2]), looked("1", *"ab"), weights={"a": 3}).to_dict("records")
    assert [row[name] for name in CORNERS] == [0.25, 0, 10.25, 10]
    assert row["voices"] == 2


def test_a_box_of_one_voice_in_three_is_left_out_unless_it_is_asked_for():
    labels = drawn([*THREE, ("1", "c", 40, 40, 50, 50)])
    assert len(consensus(labels, looked("1", *"abc"))) == 1
    every = consensus(labels, looked("1", *"abc"), min_share=0)
    assert sorted(every["voices"]) == [1, 3]


def test_a_box_between_two_goes_to_the_one_it_overlaps_most():
    rows = [("1", "a", 0, 0, 10, 10), ("1", "b", 0, 0, 10, 10), ("1", "a", 6, 0, 16, 10), ("1", "c", 2, 0, 12, 10)]
    found = consensus(drawn(rows), looked("1", *"abc"), min_iou=0.4, min_share=0)
    assert sorted(zip(found["xmin"].round(3), found["voices"], strict=True)) == [(0.667, 3), (6, 1)]


def test_nobody_has_two_voices_for_one_thing():
    rows = [("1", "a", 0, 0, 10, 10), ("1", "a", 0, 0, 10, 11), ("1", "b", 0, 0, 10, 10)]
    found = consensus(drawn(rows), looked("1", *"ab"), min_share=0)
    assert sorted(found["voices"]) == [1, 2]


def test_the_label_goes_with_the_majority_and_an_even_split_is_unsure():
    labels = drawn(THREE, label=["landslide", "not a landslide", "landslide"])
    (row,) = consensus(labels, looked("1", *"abc")).to_dict("records")
    assert (row["label"], row["voices"], row["votes"]) == ("landslide", 2, "landslide 2; not a landslide 1")
    (split,) = consensus(labels[:2], looked("1", *"ab")).to_dict("records")
    assert (split["label"], split["voices"]) == ("unsure", 2)
    doubted = labels[:2].assign(label=["landslide", "unsure"])
    (split,) = consensus(doubted, looked("1", *"ab")).to_dict("records")
    assert (split["label"], split["voices"]) == ("unsure", 2)


def test_the_adjudicator_has_the_last_word_where_he_looked():
    rows = [*THREE[:2], ("2", "a", 0, 0, 9, 9), ("2", "b", 0, 0, 9, 9), ("2", "judge", 5, 5, 8, 8)]
    looks = pd.concat([looked("12", "a", "b"), looked("2", "judge")])
    found = consensus(drawn(rows), looks, adjudicator="judge").set_index("chip_id")
    assert found.loc["2", CORNERS].tolist() == [5, 5, 8, 8]
    assert found["adjudicated"].to_dict() == {"1": False, "2": True}
    nothing = consensus(drawn(rows[:4]), looks, adjudicator="judge")
    assert list(nothing["chip_id"]) == ["1"]


def test_polygons_are_fused_as_their_pixels_are():
    labels = drawn(THREE)
    labels = labels.set_geometry([box(*row) for row in labels[CORNERS].to_numpy()], crs="EPSG:4326")
    (shape,) = consensus(labels, looked("1", *"abc")).geometry
    assert shape.equals(box(1, 0, 11, 10))


def test_what_overlapping_chips_show_twice_is_one_after_drop_duplicates():
    twice = drawn([*THREE, *(("2", *row[1:]) for row in THREE)])
    found = consensus(twice, looked("12", *"abc"))
    assert len(found) == 2
    assert len(drop_duplicates(found)) == 1


small = st.integers(0, 12)
a_row = st.tuples(
    st.sampled_from("12"), st.sampled_from("abc"), small, small, st.integers(1, 12), st.integers(1, 12),
    st.sampled_from(["landslide", "unsure"]),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(a_row, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_and_every_box_has_its_place(rows, random):
    rows = [(chip, who, x, y, x + w, y + h, label) for chip, who, x, y, w, h, label in rows]
    shuffled = random.sample(rows, len(rows))
    looks = looked("12", *"abc")
    found, again = (
        consensus(drawn([row[:6] for row in part], label=[row[6] for row in part]), looks, min_iou=0.3, min_share=0)
        for part in (rows, shuffled)
    )
    assert found.equals(again)
    assert found["annotators"].map(lambda names: len(names.split("; "))).sum() == len(rows)
    for chip, part in found.groupby("chip_id"):
        own = np.array([row[2:6] for row in rows if row[0] == chip], float)
        assert (part[CORNERS].to_numpy() >= own.min(axis=0) - 1e-9).all()
        assert (part[CORNERS].to_numpy() <= own.max(axis=0) + 1e-9).all()
    assert (found["score"] <= 1).all()


def test_nothing_drawn_is_a_consensus_too():
    empty = consensus(drawn([]), looked("1", *"ab"))
    assert len(empty) == 0
    assert {"voices", "looked", "adjudicated"} <= set(empty.columns)


def test_the_queue_begins_with_what_is_most_contested():
    rows = [
        *(("same", who, 0, 0, 10, 10) for who in "ab"),
        ("half", "a", 0, 0, 10, 10),
        *(("named", who, 0, 0, 10, 10) for who in "ab"),
        ("moved", "a", 0, 0, 10, 10), ("moved", "b", 0, 0, 10, 6),
        ("alone", "a", 0, 0, 10, 10),
    ]  # fmt: skip
    labels = drawn(rows, label=["landslide"] * 4 + ["unsure"] + ["landslide"] * 3)
    looks = pd.concat([looked(["same", "half", "named", "moved"], "a", "b"), looked(["alone"], "a")])
    queue = disagreements(labels, looks)
    assert list(zip(queue["chip_id"], queue["reason"], queue["contest"].round(9), strict=True)) == [
        ("half", "presence", 1.0),
        ("named", "label", 1.0),
        ("moved", "outline", 0.4),
    ]
    assert (queue["without"].tolist(), queue["drew"].tolist()) == (["b", "", ""], [1, 2, 2])
    assert disagreements(labels[::-1], looks[::-1]).equals(queue)
    assert len(disagreements(labels[:2], looks)) == 0


def test_labels_and_looks_of_a_store_lead_back_to_their_tasks(tmp_path):
    shown = task(
        annotation(1, region("r", 5, 5, 20, 20)), annotation(2, region("q", 6, 5, 21, 20), who=2), number=7, chip="c"
    )
    empty = task(annotation(3, region("r", 5, 5, 20, 20)), annotation(4, who=2), number=9, chip="d")
    store = open_store(tmp_path / "labels")
    store.replace(tables(shown, empty), "p", by="me", source="a pull")
    labels, looks = store.labels(), store.looks()
    (fused,) = consensus(labels, looks).to_dict("records")
    assert [fused[name] for name in CORNERS] == [205.5, 105, 220.5, 120]
    (row,) = disagreements(labels, looks, links={"p": "http://host/projects/3/data"}).to_dict("records")
    assert (row["chip_id"], row["without"]) == ("d", "bo@x")
    assert row["links"] == ("http://host/projects/3/data?task=9",)
    released = store.release("v1", labels=consensus(labels, looks), note="two people, both")
    assert released["voices"].tolist() == [2]


def test_what_breaks_a_rule_is_refused():
    labels, looks = drawn(THREE), looked("1", *"abc")
    with pytest.raises(LabkitError, match="min_share must be in"):
        consensus(labels, looks, min_share=1)
    with pytest.raises(LabkitError, match="weights must be numbers > 0"):
        consensus(labels, looks, weights={"a": 0})
    with pytest.raises(LabkitError, match="adjudicator must be one of"):
        consensus(labels, looks, adjudicator="z")
    with pytest.raises(LabkitError, match="good_iou must be in"):
        disagreements(labels, looks, good_iou=2)
    with pytest.raises(LabkitError, match="for links"):
        disagreements(labels, looks, links="http://host")
