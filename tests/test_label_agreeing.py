"""Agreement against published examples, by hand, and against people who are known to agree as much as they do."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import agreement, agreement_of_all, cohen_kappa, fleiss_kappa, match_boxes

Row = tuple[str, str, float, float, float, float]


def drawn(rows: Iterable[Row], **more: object) -> gpd.GeoDataFrame:
    """Labels of (chip, annotator, xmin, ymin, xmax, ymax)."""
    table = pd.DataFrame(list(rows), columns=["chip_id", "annotator", "xmin", "ymin", "xmax", "ymax"])
    given = {name: table[name].tolist() for name in table} | {"scene": ["s"] * len(table), "direction": "range"}
    return schema.boxes_table(given | more)


def looked(chips: Iterable[str], *people: str) -> pd.DataFrame:
    return pd.DataFrame([(chip, who) for chip in chips for who in people], columns=["chip_id", "annotator"])


def test_cohens_kappa_of_known_tables():
    # Bland (2000), An introduction to medical statistics: 20, 5, 10, 15 gives 0.4; perfect and opposite by definition
    assert cohen_kappa(20, 5, 10, 15) == pytest.approx(0.4)
    assert cohen_kappa(7, 0, 0, 3) == 1
    assert cohen_kappa(0, 5, 5, 0) == -1
    assert np.isnan(cohen_kappa(0, 0, 0, 9))


def test_fleiss_kappa_of_a_known_table():
    # fourteen raters, ten cases, five categories: the worked example that is handed on with kappa 0.210
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.20993, abs=1e-5)


def test_fleiss_kappa_by_hand_where_the_number_of_people_differs():
    # chip 1: 2 of 3 say yes, chip 2: 0 of 2, chip 3: one looked alone. P = (1/3 + 1) / 2, p = 2/5
    assert fleiss_kappa([[2, 1], [0, 2], [1, 0]]) == pytest.approx((2 / 3 - 13 / 25) / (12 / 25))


@given(hnp.arrays(int, (6, 2), elements=st.integers(0, 4)), hnp.arrays(int, 6, elements=st.integers(0, 3)))
def test_a_case_that_counts_twice_is_a_case_that_is_there_twice(counts, times):
    weighted, repeated = fleiss_kappa(counts, times), fleiss_kappa(np.repeat(counts, times, axis=0))
    np.testing.assert_allclose(weighted, repeated, atol=1e-9)


side = st.floats(1, 40)
boxes = st.lists(st.tuples(side, side, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])), max_size=5)


@given(boxes, boxes)
def test_matches_are_one_to_one_and_neither_person_is_the_measure(one, other):
    a, b = (np.array(part, float).reshape(-1, 4) for part in (one, other))
    first, second, values = match_boxes(a, b, 0.3)
    assert len(set(first)) == len(first) and len(set(second)) == len(second)
    assert (values >= 0.3).all()
    assert match_boxes(b, a, 0.3)[2].sum() == pytest.approx(values.sum())


def test_matches_take_the_pairing_with_the_largest_sum_not_the_best_first():
    one, other = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10]]), np.array([[1.0, 0, 11, 10], [4.0, 0, 14, 10]])
    first, second, _ = match_boxes(one, other, 0.2)
    assert dict(zip(first, second, strict=True)) == {0: 0, 1: 1}


def test_two_people_on_four_chips_by_hand():
    rows = [("1", "a", 0, 0, 10, 10), ("1", "b", 0, 0, 10, 5), ("2", "a", 0, 0, 4, 4), ("3", "b", 0, 0, 4, 4)]
    (row,) = agreement(drawn(rows), looked("1234", "a", "b"), min_iou=0.4).to_dict("records")
    assert [row[n] for n in ("both", "only_first", "only_second", "neither")] == [1, 1, 1, 1]
    assert row["kappa"] == 0
    assert (row["matched"], row["found"], row["iou"]) == (1, 0.5, 0.5)
    assert row["kappa_low"] <= 0 <= row["kappa_high"]


def test_only_chips_that_both_looked_at_count():
    rows = [("1", "a", 0, 0, 4, 4), ("1", "b", 0, 0, 4, 4), ("2", "a", 0, 0, 4, 4)]
    looks = pd.concat([looked("13", "a", "b"), looked("2", "a")])
    (row,) = agreement(drawn(rows), looks).to_dict("records")
    assert (row["chips"], row["kappa"]) == (2, 1.0)


def test_boxes_of_two_directions_are_never_matched():
    rows = [("1", "a", 0, 0, 4, 4), ("1", "b", 0, 0, 4, 4), ("2", "a", 0, 0, 4, 4)]
    (row,) = agreement(drawn(rows, direction=["range", "azimuth", "range"]), looked("12", "a", "b")).to_dict("records")
    assert (row["matched"], row["both"]) == (0, 1)
    assert np.isnan(row["iou"])


def test_each_class_and_each_pair_has_a_row():
    rows = [("1", who, 0, 0, 4, 4) for who in "abc"]
    table = agreement(drawn(rows, label=["landslide", "unsure", "landslide"]), looked("12", "a", "b", "c"))
    assert len(table) == 2 * 3
    of = table.set_index(["label", "first", "second"])["kappa"]
    assert of["landslide", "a", "c"] == 1
    assert of["landslide", "a", "b"] == 0


def people(seed: int, chips: int = 60, right: float = 0.85) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Three people who each see what is there with a known chance, on chips of which half have something."""
    random = np.random.default_rng(seed)
    names = [f"{number:03d}" for number in range(chips)]
    rows: list[Row] = []
    for number, chip in enumerate(names):
        for who in "abc":
            if (random.random() < right) == (number % 2 == 0):
                rows.append((chip, who, 0, 0, 10, 10))
    return drawn(rows), looked(names, *"abc")


def test_kappa_is_what_the_peoples_errors_make_it_and_the_interval_covers_it():
    # two people right with chance r on chips half of which have something: agreement r² + (1 − r)², chance ½
    expected = 2 * (0.85**2 + 0.15**2) - 1
    tables = [people(seed) for seed in range(40)]
    pairs = [agreement(*table, resamples=300).iloc[0] for table in tables]
    all_of_them = [agreement_of_all(*table, resamples=300).iloc[0] for table in tables]
    for rows in (pairs, all_of_them):
        assert np.mean([row["kappa"] for row in rows]) == pytest.approx(expected, abs=0.06)
        covered = sum(row["kappa_low"] <= expected <= row["kappa_high"] for row in rows)
        assert covered >= 33  # of 40 intervals of 95 %: fewer come once in two thousand times


def test_the_order_of_the_rows_changes_nothing_and_a_seed_gives_the_same_again():
    labels, looks = people(1)
    once = agreement(labels, looks)
    assert agreement(labels[::-1], looks.sample(frac=1, random_state=3)).equals(once)
    assert agreement_of_all(labels[::-1], looks).equals(agreement_of_all(labels, looks))


def test_what_breaks_a_rule_is_refused():
    labels, looks = people(1, chips=4)
    with pytest.raises(LabkitError, match="have none in common"):
        agreement(labels[:0], looked("1", "a"), classes=["landslide"])
    with pytest.raises(LabkitError, match="no look there"):
        agreement(labels, looked(["000"], "a", "b"))
    with pytest.raises(LabkitError, match="labels must be drawn on chips to be compared, instead 'a' has one on none"):
        agreement(drawn([("", "a", 0, 0, 4, 4)]), looked(["000"], "a", "b"))
    with pytest.raises(LabkitError, match="looks must say who looked"):
        agreement(labels, looks[:0])
    with pytest.raises(LabkitError, match="min_iou must be in"):
        agreement(labels, looks, min_iou=0)
    with pytest.raises(LabkitError, match="resamples must be at least 1"):
        agreement(labels, looks, resamples=0)
    with pytest.raises(LabkitError, match="level must be in"):
        agreement_of_all(labels, looks, level=1)
    with pytest.raises(LabkitError, match="at least one box"):
        agreement(labels[:0], looks)
    with pytest.raises(LabkitError, match="chip_id and annotator"):
        agreement(labels.drop(columns="annotator"), looks)
