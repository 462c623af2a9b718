"""From what a survey found to something to look at: pairs chosen, looks taken, a large scene cut, and stacked."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from labkit import detect, stack
from labkit.errors import LabkitError
from labkit.read.missing import FEW_PAIRS, SHORT_DAYS
from labkit.read.surveying import Survey
from labkit.wording import counted

#: Pixels of all pairs together that a first look takes, at most: of files some seconds of reading on a desktop.
PIXEL_PAIRS = 500_000_000


def quicklook(
    found: Survey,
    *,
    ground_m: float = 40.0,
    max_days: float = SHORT_DAYS,
    max_pixel_pairs: int = PIXEL_PAIRS,
    progress: bool = True,
) -> xr.Dataset:
    """Make what can be looked at first of a folder: its stacked gradients, or its rates where it holds rates alone.

    Parameters
    ----------
    found : Survey
        Of :func:`labkit.survey`.
    ground_m : float
        Multilook finer pixels to about this many metres, where the shipped detectors are at home.
    max_days : float
        Longest temporal baseline, days. Where fewer than 20 pairs are that short, the 20 shortest are taken.
    max_pixel_pairs : int
        Of a larger scene the most coherent part is stacked: pixels × pairs ≤ this number.
    progress : bool
        Show a bar.

    Returns
    -------
    xarray.Dataset
        gradients, or rates with a standard error (:func:`labkit.estimate_standard_error` where the map has none).
        ``attrs["first_look"]`` says in one sentence what was done.

    Raises
    ------
    FileError
        The folder cannot be opened; the message says what to do.
    LabkitError
        What is missing stops the stack, or an argument is out of its range.

    Examples
    --------
    >>> import tempfile, labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     track = lk.simulate.demo(folder + "/tiny", name="tiny", progress=False) / "ascending"
    ...     print(quicklook(lk.survey(track), progress=False).attrs["first_look"])
    21 of 21 pairs, at most 36 days apart; the whole scene; 40 m on the ground, as it comes
    """
    if found.kind == "rates":
        return _first_rates(found)
    ifgs = found.interferograms
    stopping = [lack for lack in found.missing if lack.stops]
    if stopping:
        words = " ".join(f"{lack.what}: {lack.words}. What to do: {lack.remedy}." for lack in stopping)
        raise LabkitError(f"{found.folder} must have what a stack needs, instead this is missing. {words}")
    if max_pixel_pairs < 1:
        raise LabkitError(f"max_pixel_pairs must be at least 1, instead got max_pixel_pairs={max_pixel_pairs}")
    days = np.sort(ifgs["temporal_baseline"].values)
    limit = max(float(max_days), float(days[min(FEW_PAIRS, len(days)) - 1]))
    chosen = stack.select_pairs(ifgs, max_days=limit)
    cut, part = _part(chosen, max_pixel_pairs)
    coarse = stack.multilook(cut, ground_m)
    gradients = stack.stack_gradients(coarse, progress=progress)
    words = (
        f"{chosen.sizes['pair']} of {counted(ifgs.sizes['pair'], 'pair')}, at most {limit:.0f} days apart; {part}; "
        f"{_looks(cut, coarse)}"
    )
    return gradients.assign_attrs(first_look=words)


def _first_rates(found: Survey) -> xr.Dataset:
    rates = found.rates
    stopping = [lack for lack in found.missing if lack.stops]
    if stopping:
        raise LabkitError(
            f"{found.folder} must have what a search needs, instead this is missing. "
            + " ".join(f"{lack.what}: {lack.words}. What to do: {lack.remedy}." for lack in stopping)
        )
    words = "the rates as they are, with their standard errors"
    if "standard_error" not in rates:
        words = "the rates as they are, with a standard error estimated from the map"
        rates = detect.estimate_standard_error(rates)
    return rates.assign_attrs(first_look=words)


def _part(ifgs: xr.Dataset, max_pixel_pairs: int) -> tuple[xr.Dataset, str]:
    """The whole scene, or the part of it with the most coherent ground in its shortest pair."""
    rows, cols, pairs = (int(ifgs.sizes[name]) for name in ("y", "x", "pair"))
    room = max_pixel_pairs // pairs
    if rows * cols <= room:
        return ifgs, "the whole scene"
    share = math.sqrt(room / (rows * cols))
    height, width = max(1, int(rows * share)), max(1, int(cols * share))
    shortest = int(np.argmin(ifgs["temporal_baseline"].values))
    coherence = np.nan_to_num(np.asarray(ifgs["coherence"].isel(pair=shortest).values, np.float64))
    # Sums over rectangles from sums over all above and left.
    total = np.pad(coherence.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    row, col = np.arange(0, rows - height + 1, max(1, height // 4)), np.arange(0, cols - width + 1, max(1, width // 4))
    within = (
        total[np.ix_(row + height, col + width)]
        - total[np.ix_(row, col + width)]
        - total[np.ix_(row + height, col)]
        + total[np.ix_(row, col)]
    )
    best = np.unravel_index(int(np.argmax(within)), within.shape)
    first, left = int(row[best[0]]), int(col[best[1]])
    cut = ifgs.isel(y=slice(first, first + height), x=slice(left, left + width))
    words = (
        f"of the scene of {rows} × {cols} px the most coherent part, rows {first} to {first + height}, columns {left} "
        f"to {left + width}"
    )
    return cut, words


def _looks(fine: xr.Dataset, coarse: xr.Dataset) -> str:
    looks = [round(fine.sizes[axis] / coarse.sizes[axis]) for axis in ("y", "x")]
    spacing = f"{float(coarse.attrs['ground_spacing']):.0f} m on the ground"
    return f"{looks[0]} × {looks[1]} looks, {spacing}" if max(looks) > 1 else f"{spacing}, as it comes"
