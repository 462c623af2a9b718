"""The network: which pairs enter a stack."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError
from labkit.schema import check_interferograms
from labkit.stack.seasons import all_in_months

#: Coherence of a pair is judged on every n-th pixel of each axis, n as large as leaves about this many.
_JUDGED_PIXELS = 10_000

#: Groups of months that :func:`pair_counts` counts in: the months, then the seasons of three.
MONTHS = {calendar.month_name[m]: (m,) for m in range(1, 13)}
SEASONS = {"Dec–Feb": (12, 1, 2), "Mar–May": (3, 4, 5), "Jun–Aug": (6, 7, 8), "Sep–Nov": (9, 10, 11)}


def select_pairs(
    ifgs: xr.Dataset,
    max_days: float | None = 36,
    max_perpendicular_m: float | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    months: Iterable[int] | None = None,
    min_coherence: float | None = None,
) -> xr.Dataset:
    """Keep the pairs that fit every criterion given; None switches a criterion off.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    max_days : float
        Longest temporal baseline, days (Fu et al. 2022: 36).
    max_perpendicular_m : float
        Largest absolute perpendicular baseline, m. A pair whose baseline is unknown does not fit.
    start, end : date
        Both dates of a pair lie within [start, end].
    months : iterable of int
        Both dates of a pair and every month between them are among these (1–12), as in
        :func:`labkit.stack_gradients` by seasons: a pair from August to next April is no summer pair.
    min_coherence : float
        Smallest mean coherence of a pair, 0..1. This alone reads pixels: of each pair a regular sample.

    Returns
    -------
    xarray.Dataset
        interferograms, still lazy, in the same order.

    Raises
    ------
    LabkitError
        A criterion is out of its range, or no pair fits; the message then tells how many each criterion left.

    References
    ----------
    Fu et al. (2022), section 3.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> ifgs.sizes["pair"], select_pairs(ifgs, max_days=24).sizes["pair"]
    (21, 15)
    >>> select_pairs(ifgs, max_days=12, months=[6, 7])["pair"].values.tolist()
    ['20180609_20180621', '20180621_20180703']
    """
    check_interferograms(ifgs)
    _check_criteria(max_days, max_perpendicular_m, months, min_coherence)
    kept: dict[str, npt.NDArray[np.bool_]] = {}
    if max_days is not None:
        kept[f"max_days={max_days}"] = ifgs["temporal_baseline"].values <= max_days
    if max_perpendicular_m is not None:
        baseline = np.abs(ifgs["perpendicular_baseline"].values)
        kept[f"max_perpendicular_m={max_perpendicular_m}"] = np.isfinite(baseline) & (baseline <= max_perpendicular_m)
    if start is not None:
        kept[f"start={start}"] = ifgs["reference"].values >= np.datetime64(pd.Timestamp(start))
    if end is not None:
        kept[f"end={end}"] = ifgs["secondary"].values <= np.datetime64(pd.Timestamp(end))
    if months is not None:
        chosen = sorted(set(months))
        kept[f"months={chosen}"] = all_in_months(chosen, *_dates(ifgs))
    fits = np.logical_and.reduce([np.ones(ifgs.sizes["pair"], bool), *kept.values()])
    if min_coherence is not None and fits.any():
        coherent = np.zeros_like(fits)
        coherent[fits] = mean_coherence(ifgs.isel(pair=np.flatnonzero(fits))) >= min_coherence
        kept[f"min_coherence={min_coherence}"] = coherent
        fits = fits & coherent
    if not fits.any():
        counts = ", ".join(f"{name} leaves {int(mask.sum())}" for name, mask in kept.items())
        raise LabkitError(
            f"pairs must fit every criterion, instead none of {ifgs.sizes['pair']} does ({counts}). Widen one of them"
        )
    return ifgs.isel(pair=np.flatnonzero(fits))


def mean_coherence(ifgs: xr.Dataset) -> npt.NDArray[np.float64]:
    """Give the mean coherence of each pair, (pair,) 0..1, from a regular sample of its pixels; NaN without data.

    Examples
    --------
    >>> import labkit as lk
    >>> mean_coherence(lk.simulate.scene("tiny").interferograms["ascending"].isel(pair=slice(3))).round(2)
    array([0.71, 0.64, 0.59])
    """
    step = max(1, int(np.sqrt(ifgs.sizes["y"] * ifgs.sizes["x"] / _JUDGED_PIXELS)))
    sampled = ifgs["coherence"].isel(y=slice(None, None, step), x=slice(None, None, step))
    return np.asarray(sampled.mean(("y", "x"), skipna=True).values, np.float64)


def pair_counts(ifgs: xr.Dataset, groups: Mapping[str, Iterable[int]] | None = None) -> pd.DataFrame:
    """Count acquisitions and pairs by month and season, to see what a stack of one season would stand on.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; only coordinates are read.
    groups : mapping of str to iterable of int, optional
        Name → months (1–12); the twelve months and the four seasons of three by default.

    Returns
    -------
    pandas.DataFrame
        One row for each group: ``acquisitions``, distinct dates in these months; ``pairs``, those that lie in them
        from the first date to the second, which are what ``select_pairs(ifgs, max_days=None, months=…)`` keeps;
        ``crossing``, those with a date in them that leave them, and belong to neither side.

    Raises
    ------
    LabkitError
        A month is not among 1..12.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["descending"]
    >>> counts = pair_counts(ifgs)
    >>> int(counts.loc["March", "acquisitions"])
    2
    """
    check_interferograms(ifgs)
    chosen = {**MONTHS, **SEASONS} if groups is None else {name: tuple(months) for name, months in groups.items()}
    first, second = _dates(ifgs)
    dates = first.union(second).unique()
    rows = []
    for months in chosen.values():
        _check_criteria(None, None, months, None)
        inside = all_in_months(months, first, second)
        touching = np.isin(first.month, months) | np.isin(second.month, months)
        rows.append((int(np.isin(dates.month, months).sum()), int(inside.sum()), int((touching & ~inside).sum())))
    return pd.DataFrame(
        rows, index=pd.Index(list(chosen), name="months"), columns=["acquisitions", "pairs", "crossing"]
    )


def _dates(ifgs: xr.Dataset) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Reference and secondary dates of the pairs."""
    return pd.DatetimeIndex(ifgs["reference"].values), pd.DatetimeIndex(ifgs["secondary"].values)


def _check_criteria(
    max_days: float | None,
    max_perpendicular_m: float | None,
    months: Iterable[int] | None,
    min_coherence: float | None,
) -> None:
    if max_days is not None and not max_days > 0:
        raise LabkitError(f"max_days must be above 0, instead got max_days={max_days}")
    if max_perpendicular_m is not None and not max_perpendicular_m >= 0:
        raise LabkitError(f"max_perpendicular_m must be at least 0, instead got {max_perpendicular_m}")
    if min_coherence is not None and not 0 <= min_coherence <= 1:
        raise LabkitError(f"min_coherence must be in 0..1, instead got min_coherence={min_coherence}")
    if months is not None and not set(months) <= set(range(1, 13)):
        raise LabkitError(f"months must be among 1..12, instead got months={sorted(set(months))}")
