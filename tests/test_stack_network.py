"""Selection of pairs: each criterion by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from stack_scenes import interferograms

import labkit as lk
from labkit.stack import pair_counts
from labkit.stack.seasons import split_pairs

PAIRS = [
    ("20191220", "20200101"),  # 12 days over new year
    ("20200101", "20200206"),  # 36 days
    ("20200101", "20200218"),  # 48 days
    ("20200601", "20200613"),
    ("20200820", "20200901"),  # from August into September
]


@pytest.fixture
def network() -> xr.Dataset:
    coherence = np.linspace(0.1, 0.9, 5)[:, None, None] * np.ones((5, 8, 8))
    return interferograms(np.zeros((5, 8, 8)), coherence, PAIRS)


def chosen(ifgs: xr.Dataset) -> list[int]:
    return [["_".join(p) for p in PAIRS].index(str(name)) for name in ifgs["pair"].values]


def test_36_days_are_the_default_and_included(network: xr.Dataset) -> None:
    assert chosen(lk.select_pairs(network)) == [0, 1, 3, 4]
    assert chosen(lk.select_pairs(network, max_days=None)) == [0, 1, 2, 3, 4]


def test_both_dates_lie_between_start_and_end(network: xr.Dataset) -> None:
    assert chosen(lk.select_pairs(network, max_days=None, start="2020-01-01", end="2020-06-13")) == [1, 2, 3]


def test_a_pair_across_the_border_of_the_months_belongs_to_neither(network: xr.Dataset) -> None:
    assert chosen(lk.select_pairs(network, months=range(4, 9))) == [3]
    assert chosen(lk.select_pairs(network, months=[9, 10, 11, 12, 1, 2, 3])) == [0, 1]


def test_a_pair_that_leaves_the_months_between_its_dates_is_not_of_them() -> None:
    long = [("20200820", "20210405"), ("20200601", "20200613"), ("20200110", "20200310")]
    ifgs = interferograms(np.zeros((3, 8, 8)), np.ones((8, 8)), long)
    assert lk.select_pairs(ifgs, max_days=None, months=range(4, 9))["pair"].item() == "20200601_20200613"
    assert lk.select_pairs(ifgs, max_days=None, months=[1, 2, 3])["pair"].item() == "20200110_20200310"
    with pytest.raises(lk.LabkitError, match=r"months=\[1, 3\] leaves 0"):
        lk.select_pairs(ifgs, max_days=None, months=[1, 3])
    assert pair_counts(ifgs, {"summer": range(4, 9)}).loc["summer"].tolist() == [4, 1, 1]


def test_start_and_end_agree_with_the_windows_of_a_stack(network: xr.Dataset) -> None:
    first, last = "2020-01-01", "2020-06-13"
    parts, _ = split_pairs(network, {"window": (first, last)})
    kept = lk.select_pairs(network, max_days=None, start=first, end=last)
    assert chosen(kept) == chosen(parts["window"])


def test_all_criteria_together_leave_what_fits_each(network: xr.Dataset) -> None:
    everything = lk.select_pairs(
        network,
        max_days=36,
        max_perpendicular_m=50,
        start="2020-01-01",
        end="2020-12-31",
        months=[1, 2, 6],
        min_coherence=0.25,
    )
    assert chosen(everything) == [1, 3]


def test_baselines_and_coherence_are_limits(network: xr.Dataset) -> None:
    # Perpendicular baselines are −90, −45, 0, 45, 90 m; coherence 0.1, 0.3, 0.5, 0.7, 0.9.
    assert chosen(lk.select_pairs(network, max_days=None, max_perpendicular_m=45)) == [1, 2, 3]
    assert chosen(lk.select_pairs(network, max_days=None, min_coherence=0.45)) == [2, 3, 4]
    unknown = network.assign_coords(perpendicular_baseline=("pair", np.full(5, np.nan)))
    with pytest.raises(lk.LabkitError, match="max_perpendicular_m=45 leaves 0"):
        lk.select_pairs(unknown, max_perpendicular_m=45)


def test_when_nothing_fits_each_criterion_tells_what_it_left(network: xr.Dataset) -> None:
    with pytest.raises(lk.LabkitError, match=r"none of 5 does \(max_days=6 leaves 0, months=\[6\] leaves 1\)"):
        lk.select_pairs(network, max_days=6, months=[6])


@pytest.mark.parametrize(
    "wrong", [{"max_days": -1}, {"min_coherence": 1.5}, {"months": [0]}, {"max_perpendicular_m": -3}]
)
def test_criteria_out_of_range_are_named(network: xr.Dataset, wrong: dict[str, object]) -> None:
    with pytest.raises(lk.LabkitError, match=next(iter(wrong))):
        lk.select_pairs(network, **wrong)  # type: ignore[arg-type]


def test_pairs_are_counted_by_month_as_a_selection_of_that_month_keeps_them(network: xr.Dataset) -> None:
    counts = pair_counts(network)
    assert list(counts.index[:12]) == pd.date_range("2020-01-01", periods=12, freq="MS").strftime("%B").tolist()
    # January: 1 January alone; June: both ends of one pair; August and September share one.
    assert counts.loc["January"].tolist() == [1, 0, 3]
    assert counts.loc["June"].tolist() == [2, 1, 0]
    assert counts.loc["August"].tolist() == [1, 0, 1]
    assert counts.loc["Dec–Feb"].tolist() == [4, 3, 0]
    assert counts.loc["Jun–Aug"].tolist() == [3, 1, 1]
    for months in range(1, 13), (12, 1, 2), (6, 7, 8):
        kept = pair_counts(network, {"chosen": months}).loc["chosen", "pairs"]
        assert kept == lk.select_pairs(network, max_days=None, months=months).sizes["pair"]


def test_two_halves_of_a_year_share_the_pairs_that_cross(network: xr.Dataset) -> None:
    halves = pair_counts(network, {"wet": range(5, 11), "dry": [11, 12, 1, 2, 3, 4]})
    assert halves["pairs"].sum() + halves.loc["wet", "crossing"] == network.sizes["pair"]
    assert halves.loc["wet", "crossing"] == halves.loc["dry", "crossing"]
    with pytest.raises(lk.LabkitError, match="months must be among 1..12"):
        pair_counts(network, {"never": [13]})
