"""Moving means over holes against SciPy, the median of a sample against the median of all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from labkit.stack.filters import box_mean, typical
from labkit.stack.rows import RowThreads


def map_with_holes(shape: tuple[int, int]) -> np.ndarray:
    random = np.random.default_rng(0)
    values = random.normal(3, 1, shape).astype(np.float32)
    values[random.random(shape) < 0.2] = np.nan
    return values


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("shape", [(150, 61), (9, 5), (4, 80)])
def test_the_mean_counts_known_pixels_only(window: int, shape: tuple[int, int]) -> None:
    values = map_with_holes(shape)
    known = np.isfinite(values)
    share = uniform_filter(known.astype(float), window, mode="constant")
    mean = uniform_filter(np.where(known, values, 0).astype(float), window, mode="constant")
    with RowThreads(2) as shared:
        got = box_mean(values, window, shared)
    np.testing.assert_array_equal(np.isnan(got), ~known)
    np.testing.assert_allclose(got[known], mean[known] / share[known], rtol=1e-4)


def test_the_typical_value_is_the_median_of_what_is_known() -> None:
    values = map_with_holes((1500, 1300))
    known = np.isfinite(values)
    assert typical(values, known) == pytest.approx(float(np.median(values[known])), abs=0.01)
    small = values[:40, :50]
    assert typical(small, known[:40, :50]) == float(np.nanmedian(small))
    assert typical(values, np.zeros_like(known)) == 0.0
