"""How true integrated rates are, by number of pairs and coherence, and whether their standard errors are honest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.ndimage import binary_dilation
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.stack import integrate_rate, stack_gradients
from labkit.studies.estimators import spread_of
from labkit.studies.planted import Conditions, PlantedSlide, draw_noise, observe, plant_slides, total_rate

Image = npt.NDArray[np.floating]

#: A slide is where its rate exceeds this share of its peak; ground is quiet so many pixels away from any.
_INSIDE, _AWAY_PX = 0.02, 8

#: Peaks are told by this percentile of the pixels inside, which one noisy pixel does not move.
_PEAK_PERCENTILE = 95

TOLERANCE = 0.10


def rate_errors(
    dates: Sequence[int] = (5, 10, 20, 40, 80, 121),
    coherences: Sequence[float] = (0.2, 0.3, 0.4, 0.6),
    estimators: Sequence[str] = ("lsq", "circular"),
    *,
    conditions: Conditions | None = None,
    window: int = 3,
    shape: tuple[int, int] = (200, 200),
    rates: tuple[float, float] = (15.0, 100.0),
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool = True,
) -> pd.DataFrame:
    """Hold integrated rates against planted ones, for more and more acquisitions at several coherences.

    Parameters
    ----------
    dates : sequence of int
        Acquisitions from the first on, 12 days apart, at least 3 each; all pairs of up to ``conditions.max_days``.
    coherences : sequence of float
        Of 12-day pairs.
    estimators : sequence of str
        "lsq", "circular" or "sum".
    conditions : Conditions, optional
        Everything else under which the scenes are observed.
    window : int
        Of the stacks, px.
    shape : (int, int)
        Of each scene, px of 40 m.
    rates : (float, float)
        Least and greatest |LOS rate| of the slides' peaks, mm/yr.
    seeds : sequence of int
        Scenes for each row of the table.
    progress : bool
        Show a bar.

    Returns
    -------
    pandas.DataFrame
        One row for each coherence, number of dates and estimator: ``n_pairs``, ``years`` from first to last date,
        ``slides``; ``peak_bias``: found over true peak − 1 in the median, with its quartiles ``peak_low``,
        ``peak_high``; ``within``: share of the peaks within 10 %; ``correlation`` with the true rate around a slide, in
        the median; ``rmse`` around slides and ``rmse_quiet`` away from them, mm/yr; ``error_ratio`` on quiet ground and
        ``error_ratio_slides`` on the slides.

    Raises
    ------
    LabkitError
        A number of dates is below 3, or there are none.

    Notes
    -----
    Peaks are 95th percentiles of the pixels of a slide, in the direction in which it moves. Around a slide: its box,
    half as wide again on each side. Error ratio: the robust spread of (rate − true rate) / standard error of the map
    before denoising; 1 is honest, above 1 the errors stated are too small.

    Examples
    --------
    >>> from labkit.studies import rate_errors
    >>> table = rate_errors([5, 10], [0.4], ["lsq"], shape=(80, 80), seeds=[0], progress=False)
    >>> table[["dates", "n_pairs", "slides", "peak_bias", "rmse", "rmse_quiet"]].round(1)
       dates  n_pairs  slides  peak_bias  rmse  rmse_quiet
    0      5        9       1        0.1   5.8         4.0
    1     10       24       1        0.1   4.4         1.9
    """
    if not dates or min(dates) < 3:
        raise LabkitError(f"dates must be at least 3 acquisitions each, instead got dates={tuple(dates)}")
    base = replace(conditions or Conditions(), dates=max(dates))
    rows: list[dict[str, object]] = []
    with tqdm(total=len(coherences) * len(seeds), desc="scenes", unit="scene", disable=not progress) as bar:
        for coherence in coherences:
            seen: dict[tuple[int, str], list[dict]] = {(n, e): [] for n in dates for e in estimators}
            for seed in seeds:
                slides = plant_slides(shape, seed, rates=rates)
                ifgs = observe(draw_noise(replace(base, coherence_12=coherence), shape, seed), total_rate(slides))
                for n, estimator in seen:
                    first = ifgs.isel(pair=np.flatnonzero(ifgs["secondary"].values <= base.days[n - 1]))
                    seen[n, estimator].append(_look(first, estimator, window, slides))
                bar.update()
            for (n, estimator), looks in seen.items():
                named = asdict(replace(base, coherence_12=coherence, dates=n)) | {"estimator": estimator}
                years = float((base.days[n - 1] - base.days[0]) / np.timedelta64(1, "D")) / 365.25
                rows.append({**named, "window": window, "years": years, **_pooled(looks)})
    return pd.DataFrame(rows)


def _look(ifgs: xr.Dataset, estimator: str, window: int, slides: list[PlantedSlide]) -> dict:
    """What the rates of one scene are worth."""
    gradients = stack_gradients(ifgs, estimator, window, progress=False)
    rates = integrate_rate(gradients)
    plain = integrate_rate(gradients, denoised=False)
    true = total_rate(slides)
    found = rates["rate"].values
    deviation = (plain["rate"].values - true) / plain["standard_error"].values
    inside = np.any([_inside(slide) for slide in slides], axis=0)
    quiet = ~binary_dilation(inside, iterations=_AWAY_PX)
    around = [_around(slide) for slide in slides]
    return {
        "n_pairs": ifgs.sizes["pair"],
        "ratio": [_peak(found, slide) / _peak(slide.rate, slide) for slide in slides],
        "correlation": [float(np.corrcoef(found[part].ravel(), true[part].ravel())[0, 1]) for part in around],
        "square": [float(np.mean((found[part] - true[part]) ** 2)) for part in around],
        "square_quiet": float(np.mean((found - true)[quiet] ** 2)),
        "error_ratio": spread_of(deviation[quiet]),
        "error_ratio_slides": spread_of(deviation[inside]),
    }


def _pooled(looks: list[dict]) -> dict[str, float]:
    ratios, correlations, squares = (
        np.concatenate([look[name] for look in looks]) for name in ("ratio", "correlation", "square")
    )
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return {
        "n_pairs": looks[0]["n_pairs"],
        "slides": len(ratios),
        "peak_bias": float(middle - 1),
        "peak_low": float(low - 1),
        "peak_high": float(high - 1),
        "within": float(np.mean(np.abs(ratios - 1) <= TOLERANCE)),
        "correlation": float(np.median(correlations)),
        "rmse": float(np.sqrt(squares.mean())),
        "rmse_quiet": float(np.sqrt(np.mean([look["square_quiet"] for look in looks]))),
        "error_ratio": float(np.mean([look["error_ratio"] for look in looks])),
        "error_ratio_slides": float(np.mean([look["error_ratio_slides"] for look in looks])),
    }


def _inside(slide: PlantedSlide) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(slide.rate) > _INSIDE * abs(slide.peak))


def _peak(image: Image, slide: PlantedSlide) -> float:
    return float(np.percentile(np.sign(slide.peak) * image[_inside(slide)], _PEAK_PERCENTILE))


def _around(slide: PlantedSlide) -> tuple[slice, slice]:
    """The box of a slide, half as wide again on each side."""
    parts = []
    for places in np.nonzero(_inside(slide)):
        reach = (int(np.ptp(places)) + 1) // 2
        parts.append(slice(max(int(places.min()) - reach, 0), int(places.max()) + reach + 1))
    return parts[0], parts[1]
