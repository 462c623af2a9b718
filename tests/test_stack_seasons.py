"""Which pairs belong to which season, and stacks of seasons against stacks of the same pairs chosen by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from stack_scenes import interferograms, ramp

import labkit as lk
from labkit.stack.seasons import split_pairs

WET, DRY = (4, 5, 6, 7, 8), (10, 11, 12, 1, 2)


def two_years() -> xr.Dataset:
    """Pairs of 12 days through 2019 and 2020: the ground moves from April to August alone, 0.2 rad per pixel a pair."""
    dates = pd.date_range("2019-01-03", "2020-12-28", freq="12D")
    wet = np.isin(dates[:-1].month, WET) & np.isin(dates[1:].month, WET)
    phase = ramp(len(dates) - 1, (16, 18), 0.2, 0.0) * wet[:, None, None]
    names = dates.strftime("%Y%m%d")
    return interferograms(phase, np.full((16, 18), 0.8), list(itertools.pairwise(names)))


def names(part: xr.Dataset) -> set[str]:
    return set(map(str, part["pair"].values))


def test_motion_of_one_season_shows_in_that_season_alone() -> None:
    stacks = lk.stack_gradients(two_years(), by={"wet": WET, "dry": DRY}, progress=False)
    assert list(stacks) == ["wet", "dry"]
    inner = {name: s["gradient"].sel(direction="azimuth")[3:-3, 3:-3] for name, s in stacks.items()}
    np.testing.assert_allclose(inner["wet"], 0.2 * stacks["wet"].attrs["n_pairs"], rtol=1e-3)
    np.testing.assert_allclose(inner["dry"], 0, atol=1e-3)


def test_each_period_is_the_stack_of_its_pairs_with_its_own_attributes() -> None:
    ifgs = two_years()
    stacks = lk.stack_gradients(ifgs, "sum", 3, by={"early": ("2019-01-01", "2019-06-30")}, progress=False)
    alone = lk.stack_gradients(lk.select_pairs(ifgs, end="2019-06-30"), "sum", 3, progress=False)
    got = stacks["early"]
    lk.schema.check_gradients(got)
    assert got.attrs["period"] == "early"
    assert got.attrs["empty_periods"] == ""
    xr.testing.assert_equal(got, alone)
    for attribute in ("sum_temporal_baseline", "n_pairs", "first_date", "last_date"):
        assert got.attrs[attribute] == alone.attrs[attribute]


def test_a_pair_that_crosses_a_border_belongs_to_neither() -> None:
    ifgs = two_years()
    parts, _ = split_pairs(ifgs, "year")
    assert list(parts) == ["2019", "2020"]
    crossing = names(ifgs) - names(parts["2019"]) - names(parts["2020"])
    assert crossing == {"20191229_20200110"}
    windows, _ = split_pairs(ifgs, {"a": ("2019-01-01", "2019-02-01"), "b": ("2019-02-01", "2019-03-01")})
    assert names(windows["a"]).isdisjoint(names(windows["b"]))
    assert "20190127_20190208" not in names(windows["a"]) | names(windows["b"])


def test_a_long_pair_with_another_season_inside_belongs_to_neither() -> None:
    pairs = [("20190801", "20200401"), ("20190401", "20190413")]
    ifgs = interferograms(np.zeros((2, 9, 9)), np.full((9, 9), 0.8), pairs)
    parts, empty = split_pairs(ifgs, {"wet": WET, "dry": DRY})
    assert names(parts["wet"]) == {"20190401_20190413"}
    assert empty == ["dry"]


def test_a_winter_goes_over_the_turn_of_the_year() -> None:
    parts, _ = split_pairs(two_years(), "season")
    assert list(parts) == ["DJF", "MAM", "JJA", "SON"]
    assert "20191229_20200110" in names(parts["DJF"])
    assert set(parts["DJF"]["reference"].dt.month.values) <= {12, 1, 2}


def test_months_of_all_years_come_together() -> None:
    parts, _ = split_pairs(two_years(), "month")
    assert set(parts["05"]["reference"].dt.year.values) == {2019, 2020}
    for name, part in parts.items():
        assert set(part["reference"].dt.month.values) == {int(name)} == set(part["secondary"].dt.month.values)


def test_periods_without_pairs_are_named() -> None:
    stacks = lk.stack_gradients(
        two_years(), by={"then": ("1999-01-01", "1999-12-31"), "wet": WET}, window=3, progress=False
    )
    assert list(stacks) == ["wet"]
    assert stacks["wet"].attrs["empty_periods"] == "then"
    with pytest.raises(lk.LabkitError, match=r"none of \d+ pairs lies wholly in one of \['then'\]"):
        lk.stack_gradients(two_years(), by={"then": ("1999-01-01", "1999-12-31")}, progress=False)


@given(border=st.dates(pd.Timestamp("2019-01-04").date(), pd.Timestamp("2020-12-26").date()))
def test_two_windows_and_the_pairs_across_their_border_are_all_pairs(border: object) -> None:
    ifgs = two_years()
    day = pd.Timestamp(border)  # type: ignore[arg-type]
    parts, _ = split_pairs(ifgs, {"a": ("2018-01-01", day), "b": (day, "2022-01-01")})
    across = (ifgs["reference"].values < day.to_datetime64()) & (ifgs["secondary"].values > day.to_datetime64())
    assert sum(part.sizes["pair"] for part in parts.values()) + int(across.sum()) == ifgs.sizes["pair"]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("week", "by must be one of"),
        ({}, "by must be one of"),
        ({"wet": [4, 13]}, "months among 1..12"),
        ({"wet": ("2018-01-01",)}, "must be months"),
        ({"wet": "2018"}, "must be months"),
        ({"wet": ("2018-05-01", "2018-04-01")}, "must end after it begins"),
        ({"wet": ("spring", "autumn")}, "must hold two dates"),
        ({"wet": []}, "must be months"),
    ],
)
def test_periods_that_cannot_be_read_are_named(by: object, message: str) -> None:
    with pytest.raises(lk.LabkitError, match=message):
        split_pairs(two_years(), by)  # type: ignore[arg-type]
