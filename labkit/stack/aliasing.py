"""Find the slides that are too fast for the longest pairs of a stack, by what its shortest pairs show."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import convolve

from labkit.errors import LabkitError
from labkit.schema import check_interferograms
from labkit.stack.gradients import stack_gradients

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Pairs up to this factor longer than the tenth shortest one count as short, and likewise at the other end.
_ALIKE, _AT_LEAST = 1.25, 10

#: Share of π that a longest pair's gradient may reach.
_WRAP_SHARE = 0.9

#: A difference between short and long pairs that matters, rad in one long pair.
_DIFFERENCE_RAD = 1.0

#: What is flagged stands this many standard errors above nothing.
_SIGNIFICANCE = 3.0

#: The angle of a mean product is believed up to this error, rad: that of pure noise lies anywhere, with about 0.7.
_LARGEST_ERROR_RAD = 0.3

#: Flagged pixels in a place of 3 × 3, the flagged one counted, below which they are taken for noise.
_COMPANY = 3


def flag_aliasing(
    ifgs: xr.Dataset, *, window: int = 3, threads: int | None = None, progress: bool = True
) -> xr.Dataset:
    """Flag slides so fast that the long pairs of a stack do not show their whole motion.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The interferograms that are stacked for rates. At least two pairs.
    window : int
        Edge of the moving window of the stack, px, odd: it too loses steep gradients (Notes). Give the stack's own.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.
    progress : bool
        Show progress bars.

    Returns
    -------
    xarray.Dataset
        bool images (y, x), False where there is no data. ``wraps``: the gradient of the longest pairs passes π between
        neighbours, or nearly. ``falls_short``: the filtered long pairs show a gradient that differs by more than 1 rad
        from what the short ones foretell without a filter; rates from all pairs are then too small, although nothing
        wraps yet. Where all pairs are about equally long it is the window alone that takes away. Attributes
        ``short_days`` and ``long_days``, the mean temporal baselines that were compared.

    Raises
    ------
    LabkitError
        There is one pair only, the window is out of range, or the interferograms are.

    Notes
    -----
    One pair shows less than ±π between neighbours, λ/4 of LOS displacement: 13.9 mm at C-band, which within 36 days is
    141 mm/yr per pixel, but within 12 days 422 mm/yr. With g the gradient of one pair, N · arg ΣP over N alike pairs
    divided by N and by the response (:mod:`labkit.stack.response`), each pixel and direction is flagged where

    - ``wraps``: g_short · T_longest / T_short > 0.9 π. The short pairs are taken without a window, which would hide
      gradients beyond 2 rad.
    - ``falls_short``: |g_long − g_short · T_long / T_short| > 1 rad, the long pairs filtered by ``window``. Wrapped
      noise pulls the gradient of a long pair toward 0 the more, the steeper it is.

    A window of n pixels takes a steady gradient of 2π/n per pixel away altogether, before it folds: 2.1 rad or 94 mm/yr
    per pixel in 36 days with 3 px, 1.3 rad or 56 mm/yr with 5 (:func:`labkit.studies.aliasing_limits`).

    Both only where they exceed three standard errors and arg ΣP is known to 0.3 rad (ground without coherence is not
    flagged, whatever moves there), and in places of 3 × 3 pixels with at least three such. Short are pairs up to 1.25 ×
    the tenth shortest temporal baseline, long those beyond the tenth longest / 1.25. Where the shortest pairs wrap too
    (beyond 422 mm/yr per pixel at 12 days), rings around such places are flagged.

    On simulated slides of up to 2.4 times the limit in 80 dates, ``wraps`` found at least 99.7 % of the pixels beyond π
    at a 12-day coherence of 0.3 and more and none below 0.6 π; at 0.2 it was 98 % and one in 40,000.

    A flagged slide's rate is a lower bound. Stack shorter pairs for it: ``lk.select_pairs(ifgs, max_days=12)``.

    References
    ----------
    Fu et al. (2022), section 4.1, wraps the differences of neighbours, which holds below ±π.

    Examples
    --------
    >>> import labkit as lk
    >>> track = lk.simulate.scene("tiny", seed=0).interferograms["ascending"]
    >>> flags = lk.stack.flag_aliasing(track, progress=False)
    >>> rates = lk.integrate_rate(lk.stack_gradients(track, window=3, progress=False), aliased=flags["wraps"])
    """
    check_interferograms(ifgs)
    days = ifgs["temporal_baseline"].values
    if len(days) < 2:
        raise LabkitError(f"ifgs must hold at least 2 pairs to compare short with long ones, instead got {len(days)}")
    ordered = np.sort(days)
    place = min(_AT_LEAST, len(days)) - 1
    short = days <= _ALIKE * ordered[place]
    long = days >= max(ordered[-1 - place] / _ALIKE, ordered[0])
    short_g, short_error = _one_pair(ifgs, short, 1, threads, progress)
    long_g, long_error = _one_pair(ifgs, long, window, threads, progress)
    short_days, long_days = float(days[short].mean()), float(days[long].mean())
    steepest = float(ordered[-1]) / short_days
    foretold = long_days / short_days
    # comparisons with NaN are false
    wraps = (steepest * np.abs(short_g) > _WRAP_SHARE * math.pi) & (np.abs(short_g) > _SIGNIFICANCE * short_error)
    difference = np.abs(long_g - foretold * short_g)
    spread = np.hypot(long_error, foretold * short_error)
    falls_short = (difference > _DIFFERENCE_RAD) & (difference > _SIGNIFICANCE * spread)
    images = {
        "wraps": (("y", "x"), _in_company(wraps), {"long_name": "gradient of the longest pairs wraps"}),
        "falls_short": (
            ("y", "x"),
            _in_company(falls_short),
            {"long_name": "long pairs show less than short ones"},
        ),
    }
    coords = {name: c for name, c in ifgs.coords.items() if set(c.dims) <= {"y", "x"}}
    return xr.Dataset(images, coords, {**ifgs.attrs, "short_days": short_days, "long_days": long_days})


def _one_pair(ifgs: xr.Dataset, chosen: Mask, window: int, threads: int | None, progress: bool) -> tuple[Image, Image]:
    """Gradient of one of the chosen pairs and its standard error in their mean, rad, (2, y, x); NaN where unknown."""
    stacked = stack_gradients(
        ifgs.isel(pair=np.flatnonzero(chosen)), "circular", window, threads=threads, progress=progress
    )
    pairs, shown = np.float32(stacked.attrs["n_pairs"]), stacked["response"].values
    angle, error = stacked["gradient"].values / pairs, stacked["standard_error"].values / pairs
    known = error < _LARGEST_ERROR_RAD
    return np.where(known, angle / shown, np.float32(np.nan)), error / shown


def _in_company(flags: Mask) -> Mask:
    """Where any direction (direction, y, x) is flagged, less what stands alone or by two."""
    flagged = np.asarray(flags.any(0))
    neighbours = convolve(flagged.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    return np.asarray(flagged & (neighbours >= _COMPANY))
