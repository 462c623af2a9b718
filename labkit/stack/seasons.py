"""Sort pairs into seasons and windows of time, so that landslides that move only at times can be stacked apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError

#: Month numbers, or the first and last day of a window.
Period = Collection[int] | tuple[str | pd.Timestamp, str | pd.Timestamp]

#: What ``by`` may be.
Periods = str | Mapping[str, Period]

SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}

_WORDS = ("year", "season", "month")


def split_pairs(ifgs: xr.Dataset, by: Periods) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Give the pairs of each period, still lazy, and the names of periods that no pair lies in.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    by : str or mapping
        "year": calendar years, "2018", …; "season": DJF, MAM, JJA, SON of all years together; "month": "01" … "12" of
        all years together. A mapping names its own: {"wet": [4, 5, 6, 7, 8]} months of all years together, or
        {"before": ("2017-09-01", "2018-10-31")} from the first to the last day, both included. They may overlap.

    Raises
    ------
    LabkitError
        ``by`` is none of these, or no pair lies in any period.

    Notes
    -----
    A pair belongs to a period when all of it does: both dates and every month between them. One that crosses a border
    belongs to neither side, for nobody can tell on which its motion happened.

    Examples
    --------
    >>> import labkit as lk
    >>> track = lk.simulate.scene("tiny", seed=0).interferograms["ascending"]
    >>> parts, empty = split_pairs(track, {"spring": [3, 4, 5], "1999": ("1999-01-01", "1999-12-31")})
    >>> sorted(parts), empty
    (['spring'], ['1999'])
    """
    reference, secondary = (pd.DatetimeIndex(ifgs[end].values) for end in ("reference", "secondary"))
    if not len(reference):
        raise LabkitError("interferograms must hold at least one pair, instead got 0 pairs")
    members = {name: _within(name, period, reference, secondary) for name, period in _named(by, reference, secondary)}
    if not any(inside.any() for inside in members.values()):
        raise LabkitError(
            f"by must leave pairs in some period, instead none of {len(reference)} pairs lies wholly in one of "
            f"{list(members)}. A pair that crosses a border belongs to neither side: "
            "widen the periods or take shorter pairs"
        )
    parts = {name: ifgs.isel(pair=np.flatnonzero(inside)) for name, inside in members.items() if inside.any()}
    return parts, [name for name, inside in members.items() if not inside.any()]


def _named(by: Periods, reference: pd.DatetimeIndex, secondary: pd.DatetimeIndex) -> Iterable[tuple[str, Period]]:
    if by == "year":
        years = range(int(reference.year.min()), int(secondary.year.max()) + 1)
        return [(str(year), (f"{year}-01-01", f"{year}-12-31")) for year in years]
    if by == "season":
        return list(SEASONS.items())
    if by == "month":
        return [(f"{month:02d}", (month,)) for month in range(1, 13)]
    if not isinstance(by, Mapping) or not by:
        raise LabkitError(
            f"by must be one of {_WORDS}, or name periods as {{'wet': [4, 5, 6]}} or "
            f"{{'before': ('2018-01-01', '2018-10-31')}}, instead got by={by!r}"
        )
    return [(str(name), period) for name, period in by.items()]


def _within(
    name: str, period: Period, reference: pd.DatetimeIndex, secondary: pd.DatetimeIndex
) -> npt.NDArray[np.bool_]:
    entries = [period] if isinstance(period, str) or not isinstance(period, Iterable) else list(period)
    months = [int(m) for m in entries if isinstance(m, int | np.integer) and not isinstance(m, bool)]
    if entries and len(months) == len(entries):
        if not set(months) <= set(range(1, 13)):
            raise LabkitError(f"by[{name!r}] must hold months among 1..12, instead got {entries}")
        return all_in_months(set(months), reference, secondary)
    if len(entries) != 2 or months:
        raise LabkitError(
            f"by[{name!r}] must be months (1..12) or the first and last day of a window, instead got {period!r}"
        )
    try:
        first, last = (pd.Timestamp(day) for day in entries)
    except (ValueError, TypeError) as error:
        raise LabkitError(f"by[{name!r}] must hold two dates like '2018-03-01', instead got {period!r}") from error
    if not first < last:
        raise LabkitError(f"by[{name!r}] must end after it begins, instead got {period!r}")
    return np.asarray((reference >= first) & (secondary <= last))


def all_in_months(
    months: Collection[int], reference: pd.DatetimeIndex, secondary: pd.DatetimeIndex
) -> npt.NDArray[np.bool_]:
    """Whether every month (1–12) from the reference to the secondary date is among these, (pair,)."""
    first = np.asarray(reference.year * 12 + reference.month - 1)
    last = np.asarray(secondary.year * 12 + secondary.month - 1)
    outside = np.array([m + 1 not in months for m in range(12)])
    # Months outside the group, counted from the first of all: none may lie between the two dates.
    calendar = np.arange(first.min(), last.max() + 1)
    passed = np.concatenate([[0], np.cumsum(outside[calendar % 12])])
    return np.asarray(passed[last - first.min() + 1] == passed[first - first.min()])
