"""What becomes of slides so fast that the gradient of one pair passes π: in the stack, in the rate and in the flags."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.geometry import WAVELENGTH_M
from labkit.simulate.interferometry import PHASE_SIGN, phase_per_mm
from labkit.stack import flag_aliasing, integrate_rate, stack_gradients
from labkit.studies.planted import SPACING_M, Conditions, PlantedSlide, draw_noise, observe

Image = npt.NDArray[np.float32]

_SIDE = 64
_STEEP = 0.8


def aliasing_limits(
    days: Sequence[float] = (12, 24, 36), windows: Sequence[int] = (1, 3, 5), wavelength_m: float = WAVELENGTH_M
) -> pd.DataFrame:
    """Give the LOS motion from pixel to pixel that one pair still tells, without noise.

    Parameters
    ----------
    days : sequence of float
        Temporal baselines, above 0.
    windows : sequence of int
        Edges of the filter, px, odd.
    wavelength_m : float
        Of the radar, m.

    Returns
    -------
    pandas.DataFrame
        ``days``, ``window``, ``limit_rad`` per pixel, ``mm_per_pair`` and ``mm_per_year`` (from one pixel to the next).

    Raises
    ------
    LabkitError
        A number of days or an edge is out of range.

    Notes
    -----
    Neighbours are told apart by less than π, λ/4 of LOS displacement. A mean over n pixels of a ramp of g rad per pixel
    keeps sin(n g / 2) / (n sin(g / 2)) of its size and nothing at g = 2π/n: there the window takes the gradient away
    before it folds, and noise decides. The limit is min(π, 2π/n).

    Examples
    --------
    >>> aliasing_limits((12, 36), (1,)).round(1)[["days", "mm_per_pair", "mm_per_year"]].values.tolist()
    [[12.0, 13.9, 422.1], [36.0, 13.9, 140.7]]
    """
    if any(d <= 0 for d in days):
        raise LabkitError(f"days must be above 0, instead got days={tuple(days)}")
    if any(w < 1 or w % 2 == 0 for w in windows):
        raise LabkitError(f"windows must be odd and at least 1 px, instead got windows={tuple(windows)}")
    rows = []
    for window in windows:
        limit = min(math.pi, 2 * math.pi / window)
        mm = limit * wavelength_m * 1000 / (4 * math.pi)
        for d in days:
            rows.append(
                {
                    "days": d,
                    "window": window,
                    "limit_rad": limit,
                    "mm_per_pair": mm,
                    "mm_per_year": mm * DAYS_PER_YEAR / d,
                }
            )
    return pd.DataFrame(rows)


def fast_slides(
    shares: Sequence[float] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 2.5),
    max_days: Sequence[int] = (12, 24, 36),
    windows: Sequence[int] = (3, 5),
    *,
    estimator: str = "lsq",
    coherence_12: float = 0.5,
    radius_px: float = 9.0,
    dates: int = 41,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Let one slide move faster and faster, and see what stack, rate and flags make of it.

    Parameters
    ----------
    shares : sequence of float
        Steepest true gradient of the longest pair over π, above 0.
    max_days : sequence of int
        Longest temporal baseline of the pairs that are stacked.
    windows : sequence of int
        Of the stacks, px.
    estimator : str
        Of the stacks; not "rewrapped".
    coherence_12 : float
        Of 12-day pairs (:class:`labkit.studies.planted.Conditions`); air of 1 mm at 1 km.
    radius_px : float
        Of the slide, whose rate is peak · (1 − ρ²)².
    dates : int
        Acquisitions, 12 days apart.
    seed : int
        Of the noise.
    progress : bool
        Show a bar.

    Returns
    -------
    pandas.DataFrame
        One row for each: ``max_days``, ``window``, ``share``; ``mm_per_pair`` and ``mm_per_year``, the steepest true
        gradient from pixel to pixel in the longest pair and in a year; ``peak`` of the slide, mm/yr; ``gradient_shown``
        and ``rate_shown``, over the true ones: the mean gradient where the true one exceeds 0.8 of its steepest, and
        the peak of the rate; ``wraps`` and ``falls_short``, the shares of those pixels that
        :func:`labkit.stack.flag_aliasing` flags; ``aliased``, by :func:`labkit.integrate_rate` alone.

    Raises
    ------
    LabkitError
        A share is not above 0.

    Notes
    -----
    ``gradient_shown`` is divided by the stack's response, as the rate is: what is missing beyond it was lost by
    folding, or within the window.

    Examples
    --------
    >>> from labkit.studies import fast_slides
    >>> table = fast_slides([0.5, 2.0], [12], [3], dates=8, progress=False)
    >>> table[["share", "mm_per_pair", "gradient_shown", "rate_shown", "wraps"]].round(1)
       share  mm_per_pair  gradient_shown  rate_shown  wraps
    0    0.5          6.9             1.0         1.0    0.0
    1    2.0         27.7            -0.1         0.1    0.0
    """
    if min(shares) <= 0:
        raise LabkitError(f"shares must be above 0, instead got shares={tuple(shares)}")
    y, x = np.indices((_SIDE, _SIDE)) - (_SIDE - 1) / 2
    bump = np.clip(1 - (y**2 + x**2) / radius_px**2, 0, None) ** 2
    steepest = float(np.abs(np.diff(bump, axis=0)).max())
    rows = []
    with tqdm(total=len(max_days) * len(shares), desc="slides", unit="slide", disable=not progress) as bar:
        for longest in max_days:
            conditions = Conditions(coherence_12, dates=dates, max_days=longest)
            noise = draw_noise(conditions, (_SIDE, _SIDE), seed)
            for share in shares:
                years = longest / DAYS_PER_YEAR
                per_pair = share * math.pi / phase_per_mm()
                peak = per_pair / years / steepest
                slide = PlantedSlide("fast", 2 * radius_px * SPACING_M, (peak * bump).astype(np.float32))
                ifgs = observe(noise, slide.rate)
                for window in windows:
                    flags = flag_aliasing(ifgs, window=window, progress=False)
                    stacked = stack_gradients(ifgs, estimator, window, progress=False)
                    row = {"max_days": longest, "window": window, "share": share, "mm_per_pair": per_pair}
                    row |= {"mm_per_year": per_pair / years, "peak": peak}
                    rows.append(row | _shown(slide, stacked, flags))
                bar.update()
    return pd.DataFrame(rows)


def _shown(slide: PlantedSlide, stacked: xr.Dataset, flags: xr.Dataset) -> dict[str, float]:
    """Shares of the true gradient and rate, and of the steep pixels that are flagged."""
    years = float(stacked.attrs["sum_temporal_baseline"])
    per_rate = PHASE_SIGN * phase_per_mm() * years
    rates = integrate_rate(stacked)
    gradient, steep_pixels = [], np.zeros(slide.rate.shape, bool)
    for axis in (0, 1):
        true = np.diff(slide.rate, axis=axis, append=np.take(slide.rate, [-1], axis=axis))
        steep = np.abs(true) > _STEEP * np.abs(true).max()
        shown = stacked["gradient"].values[axis] / stacked["response"].values / per_rate
        gradient.append(float(np.nanmean((shown / np.where(steep, true, np.nan))[steep])))
        steep_pixels |= steep
    found = np.sign(slide.peak) * rates["rate"].values
    return {
        "gradient_shown": float(np.mean(gradient)),
        "rate_shown": float(np.nanmax(found[np.abs(slide.rate) > 0]) / abs(slide.peak)),
        "wraps": float(flags["wraps"].values[steep_pixels].mean()),
        "falls_short": float(flags["falls_short"].values[steep_pixels].mean()),
        "aliased": float(rates["aliased"].values[steep_pixels].mean()),
    }
