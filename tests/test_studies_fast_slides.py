"""The study of fast slides: limits by formula, and what stack, rate and flags make of slides beyond them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labkit import LabkitError
from labkit.studies.fast_slides import aliasing_limits, fast_slides


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return fast_slides((0.3, 0.8, 1.2, 2.5), (12, 36), (3,), dates=25, progress=False)


def test_the_limits_are_a_quarter_wavelength_and_what_the_window_leaves() -> None:
    limits = aliasing_limits((12, 24, 36), (1, 5), wavelength_m=0.0555).set_index(["window", "days"])
    assert limits.loc[1, "mm_per_pair"].to_numpy() == pytest.approx(55.5 / 4)
    assert limits.loc[(1, 36), "mm_per_year"] == pytest.approx(55.5 / 4 * 365.25 / 36)
    # a mean of exp(i g x) over 5 pixels is 0 at g = 2π/5
    limit = limits.loc[(5, 12), "limit_rad"]
    assert abs(np.exp(1j * limit * np.arange(5)).mean()) == pytest.approx(0, abs=1e-12)
    assert limits.loc[(5, 12), "mm_per_pair"] == pytest.approx(55.5 / 4 * 2 / 5)


def test_slow_slides_come_back_whole_and_without_a_flag(table: pd.DataFrame) -> None:
    slow = table[table["share"] == 0.3]
    assert slow["rate_shown"].between(0.93, 1.07).all() and slow["gradient_shown"].between(0.85, 1.05).all()
    assert (slow[["wraps", "falls_short", "aliased"]] == 0).all(axis=None)


def test_beyond_the_limit_slides_fold_away_and_are_flagged(table: pd.DataFrame) -> None:
    fast = table[table["share"] > 1]
    assert (fast["rate_shown"] < 0.8).all()
    assert (table[table["share"] == 2.5]["rate_shown"] < 0.3).all()
    # 36-day pairs have 12-day ones beside them that still tell; of 12-day pairs alone only the onset shows
    assert (fast[fast["max_days"] == 36]["wraps"] > 0.9).all()
    assert table[(table["share"] == 0.8)]["falls_short"].gt(0.3).all()


def test_what_moves_faster_than_the_window_lets_through_is_not_above_the_truth(table: pd.DataFrame) -> None:
    for _, rows in table.groupby("max_days"):
        assert (np.diff(rows["rate_shown"]) < 0).all()
    assert table["mm_per_pair"].to_numpy() == pytest.approx(table["share"].to_numpy() * 55.5 / 4, rel=0.002)
    assert (table["mm_per_year"] / table["mm_per_pair"] * table["max_days"]).to_numpy() == pytest.approx(365.25)


def test_arguments_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(LabkitError, match="shares must be above 0"):
        fast_slides((0.0, 1.0))
    with pytest.raises(LabkitError, match="days must be above 0"):
        aliasing_limits((0,))
    with pytest.raises(LabkitError, match="windows must be odd"):
        aliasing_limits((12,), (4,))
