"""Lesson 3: stacking, why a sum of gradients shows what one pair does not."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit import schema
from labkit.course.answers import Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.stack import stack_gradients

#: Every so many pairs of the part make the small stack.
STEP = 10

#: How much the rate of a slide grows from one pixel to the next, mm/yr.
RATE_STEP = 4.0

#: The threshold of Fu et al. (2022), section 5.1, rad at the reference.
THRESHOLD_RAD = 1.2


def quiet_spread(stack: xr.Dataset, boxes: gpd.GeoDataFrame) -> float:
    """Give the spread of the azimuth gradient where no landslide is known, rad a year.

    Parameters
    ----------
    stack : xarray.Dataset
        gradients.
    boxes : geopandas.GeoDataFrame
        Of known landslides, in its pixels; they are left out with 5 px around them.

    Notes
    -----
    1.4826 times the median absolute deviation, which is the standard deviation of a normal distribution and hardly
    feels the few pixels that move, over the Σ temporal baseline.
    """
    values = stack["gradient"].sel(direction="azimuth").values.astype(float)
    for box in boxes.itertuples():
        rows, cols = (slice(max(0, int(a) - 5), int(b) + 5) for a, b in ((box.ymin, box.ymax), (box.xmin, box.xmax)))
        values[rows, cols] = np.nan
    middle = np.nanmedian(values)
    return float(1.4826 * np.nanmedian(np.abs(values - middle)) / stack.attrs["sum_temporal_baseline"])


def _stack(material: Material, step: int = 1) -> xr.Dataset:
    return stack_gradients(material.pairs().isel(pair=slice(None, None, step)), progress=False)


def _years(material: Material) -> float:
    return float(material.pairs()["temporal_baseline"].sum()) / schema.DAYS_PER_YEAR


def _expected(material: Material, years: float | None = None) -> float:
    """phase_sign · 4π / λ · rate step · ΣT, rad."""
    attrs = material.pairs().attrs
    per_mm = attrs["phase_sign"] * 4 * np.pi / (1000 * attrs["wavelength"])
    return float(per_mm * RATE_STEP * (_years(material) if years is None else years))


def _quieter(material: Material) -> float:
    boxes = material.part_truth()
    return quiet_spread(_stack(material, STEP), boxes) / quiet_spread(_stack(material), boxes)


def _threshold(material: Material) -> float:
    return THRESHOLD_RAD / schema.reference_factor(_stack(material))


PLAN = Plan(
    "c3_stacking",
    "3 · Stacking",
    {
        "years": Exercise(
            Number("yr", relative=0.002),
            _years,
            "Add up the temporal baselines of all pairs; a year has 365.25 days.",
            'years = float(pairs["temporal_baseline"].sum()) / 365.25',
            "years",
            {
                "that is the mean of the pairs, not their sum.": lambda material: (
                    _years(material) / material.pairs().sizes["pair"]
                ),
                "that is from the first date to the last. Pairs overlap in time: add up each pair's own baseline.": (
                    lambda material: (
                        float(
                            (material.pairs()["secondary"].max() - material.pairs()["reference"].min())
                            / np.timedelta64(1, "D")
                        )
                        / schema.DAYS_PER_YEAR
                    )
                ),
            },
        ),
        "quieter": Exercise(
            Number("", relative=0.03),
            _quieter,
            "Divide the spread of the small stack by that of the large one.",
            "quieter = quiet_spread(stacks['every tenth pair'], truth) / quiet_spread(stacks['all pairs'], truth)",
            "quieter",
            {
                "it is the other way round: how many times quieter is the large stack?": (
                    lambda material: 1 / _quieter(material)
                ),
                "that is the law √N for noise of pairs that have nothing in common. What was measured?": (
                    lambda material: float(np.sqrt(STEP))
                ),
            },
        ),
        "expected": Exercise(
            Number("rad", relative=0.02),
            _expected,
            "From mm to rad by phase_sign · 4π / λ, then times the years that the stack sums.",
            'per_mm = pairs.attrs["phase_sign"] * 4 * np.pi / (1000 * pairs.attrs["wavelength"])\n'
            "expected = per_mm * 4.0 * years",
            "expected",
            {
                "the size is right, but look at the attribute phase_sign.": lambda material: -_expected(material),
                "that is what it makes in one year; the stack sums more.": lambda material: _expected(material, 1.0),
                "that takes the years for days.": lambda material: _expected(material) * schema.DAYS_PER_YEAR,
                "one turn is half a wavelength, because the wave goes there and back.": (
                    lambda material: _expected(material) / 2
                ),
            },
        ),
        "threshold": Exercise(
            Number("rad", relative=0.005),
            _threshold,
            "lk.schema.reference_factor(stack) brings this stack to the reference. Here the way back is wanted.",
            'threshold = 1.2 / lk.schema.reference_factor(stacks["all pairs"])',
            "threshold",
            {
                "that is the wrong way round: this stack sums fewer years than the reference, so it shows less.": (
                    lambda material: THRESHOLD_RAD**2 / _threshold(material)
                ),
            },
        ),
    },
)
