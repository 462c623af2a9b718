"""Lesson 4: noise and its estimators, how sure a phase, a velocity and a stack are."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.course.answers import Choice, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.visible import phase_variance
from labkit.stack import stack_gradients

Array = npt.NDArray[np.float64]

#: Coherence and looks of the first exercise.
COHERENCE, LOOKS = 0.5, 24

#: Temporal baselines, days, and gradients, rad, of six pairs at one pixel.
DAYS = (12, 12, 24, 24, 36, 36)
DIFFERENCES = (0.31, -0.12, 0.16, 0.24, 0.27, 0.36)

#: Gradients of six pairs at a pixel where they are close to ±π, rad.
NEAR_PI = (2.9, -3.0, 3.1, -2.8, 2.7, 3.0)

#: The estimators that the lesson compares.
ESTIMATORS = ("lsq", "circular", "sum")

#: Pixels around a known landslide that do not count as quiet.
_MARGIN_PX = 5


def quiet_ratios(stack: xr.Dataset, boxes: gpd.GeoDataFrame) -> Array:
    """Give gradient / standard error along azimuth of each pixel outside the boxes, with 5 px around them left out.

    Parameters
    ----------
    stack : xarray.Dataset
        gradients.
    boxes : geopandas.GeoDataFrame
        Of known landslides on this stack; those of other scenes and directions do no harm where they are given too.

    Returns
    -------
    numpy.ndarray
        One dimension, without NaN.
    """
    azimuth = stack.sel(direction="azimuth")
    ratios = (azimuth["gradient"] / azimuth["standard_error"]).values.astype(float)
    for box in boxes[boxes["scene"] == stack.attrs["scene"]].itertuples():
        ratios[_around(box.ymin, box.ymax), _around(box.xmin, box.xmax)] = np.nan
    return ratios[np.isfinite(ratios)]


def contrasts(pairs: xr.Dataset, boxes: gpd.GeoDataFrame) -> dict[str, float]:
    """Give the contrast of each estimator: how far couplets stand out of the ground around them.

    Parameters
    ----------
    pairs : xarray.Dataset
        interferograms.
    boxes : geopandas.GeoDataFrame
        Of known landslides, in their pixels.

    Returns
    -------
    dict
        Estimator → median over the azimuth boxes of the 95th percentile of |gradient| in a box, over the spread
        (1.4826 median absolute deviations) of the ground outside all boxes.
    """
    found = {}
    for estimator in ESTIMATORS:
        values = stack_gradients(pairs, estimator, progress=False)["gradient"].sel(direction="azimuth").values
        quiet, signals = values.astype(float), []
        for box in boxes[boxes["direction"] == "azimuth"].itertuples():
            rows, cols = slice(int(box.ymin), int(box.ymax)), slice(int(box.xmin), int(box.xmax))
            signals.append(np.nanpercentile(np.abs(values[rows, cols]), 95))
        for box in boxes.itertuples():
            quiet[_around(box.ymin, box.ymax), _around(box.xmin, box.xmax)] = np.nan
        spread = 1.4826 * np.nanmedian(np.abs(quiet - np.nanmedian(quiet)))
        found[estimator] = float(np.median(signals) / spread)
    return found


def _around(low: float, high: float) -> slice:
    return slice(max(0, int(low) - _MARGIN_PX), int(high) + _MARGIN_PX)


def _velocity() -> float:
    years, delta = np.array(DAYS) / DAYS_PER_YEAR, np.array(DIFFERENCES)
    return float(years @ delta / (years @ years))


def _mean_velocity() -> float:
    return float((np.array(DIFFERENCES) / (np.array(DAYS) / DAYS_PER_YEAR)).mean())


def _share_beyond(material: Material, least: float, *, one_sided: bool = False) -> float:
    ratios = quiet_ratios(material.gradients("ascending"), material.table("truth"))
    return float(((ratios if one_sided else np.abs(ratios)) > least).mean())


def _best(material: Material) -> str:
    found = contrasts(material.pairs(), material.part_truth())
    return max(found, key=lambda name: found[name])


PLAN = Plan(
    "c4_noise",
    "4 · Noise and its estimators",
    {
        "phase_noise": Exercise(
            Number("rad"),
            lambda material: float(np.sqrt(phase_variance(np.array(COHERENCE), LOOKS))),
            "Put γ = 0.5 and L = 24 into the formula; it gives a variance.",
            "phase_noise = np.sqrt((1 - 0.5**2) / (2 * 24 * 0.5**2))",
            "phase_noise",
            {
                "that is the variance, in rad²; the spread is its root.": (
                    lambda material: float(phase_variance(np.array(COHERENCE), LOOKS))
                ),
            },
        ),
        "velocity": Exercise(
            Number("rad/yr"),
            lambda material: _velocity(),
            "Σ T Δ over Σ T², with T in years.",
            "T = days / 365.25\nvelocity = (T * delta).sum() / (T**2).sum()",
            "velocity",
            {
                "that gives every pair the same say, although a long one knows more: Σ T Δ / Σ T².": (
                    lambda material: _mean_velocity()
                ),
                "that is Σ Δ / Σ T; least squares asks for Σ T Δ / Σ T².": (
                    lambda material: float(sum(DIFFERENCES) / (sum(DAYS) / DAYS_PER_YEAR))
                ),
            },
        ),
        "circular": Exercise(
            Number("rad", relative=0.0, absolute=0.01),
            lambda material: float(np.angle(np.exp(1j * np.array(NEAR_PI)).sum())),
            "Turn each value into an arrow exp(iΔ), add the arrows, and take the angle of the sum.",
            "circular = np.angle(np.exp(1j * near_pi).sum())",
            "circular",
            {
                "that is the plain mean: values on both sides of ±π cancel, although they are neighbours.": (
                    lambda material: float(np.mean(NEAR_PI))
                ),
            },
        ),
        "beyond_two": Exercise(
            Number("share", relative=0.01),
            lambda material: _share_beyond(material, 2.0),
            "(np.abs(ratios) > 2).mean()",
            "beyond_two = (np.abs(ratios) > 2).mean()",
            "beyond_two",
            {
                "that counts one sign alone.": lambda material: _share_beyond(material, 2.0, one_sided=True),
                "that is what a normal distribution has; what does this ground have?": lambda material: 0.0455,
            },
        ),
        "best": Exercise(
            Choice(ESTIMATORS),
            _best,
            "The highest contrast is the best: signal over noise.",
            "best = max(contrast, key=contrast.get)",
            "best",
        ),
    },
)
