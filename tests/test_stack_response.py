"""The share of a velocity that a stack shows, against velocities that were planted."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from noise_scenes import stack
from stack_scenes import interferograms, ramp

import labkit as lk


@pytest.mark.parametrize("coherence", [0.3, 0.2])
@pytest.mark.parametrize("estimator", ["lsq", "circular"])
def test_rates_are_unbiased_where_long_pairs_lose_coherence(estimator: str, coherence: float) -> None:
    ramp = 6.0 * np.indices((90, 90))[0].astype(float)
    gradients = lk.stack_gradients(stack(ramp, coherence_12=coherence, air_mm=0.0), estimator, 3, progress=False)
    mm = -55.5 / (4 * np.pi)
    plain = mm * gradients["gradient"].sel(direction="azimuth") / gradients.attrs["sum_temporal_baseline"]
    corrected = plain / gradients["response"]
    inner = (slice(8, -8), slice(8, -8))
    assert float(plain[inner].mean()) < 0.85 * 6
    assert float(corrected[inner].mean()) == pytest.approx(6, rel=0.06)


@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
@pytest.mark.parametrize("window", [1, 5])
def test_without_noise_a_stack_shows_all(estimator: str, window: int) -> None:
    ifgs = interferograms(ramp(6, (60, 60), 0.2, 0.1), np.full((60, 60), 0.8))
    response = lk.stack_gradients(ifgs, estimator, window, progress=False)["response"]
    np.testing.assert_allclose(response, 1, atol=1e-3)


def test_ground_of_less_coherence_shows_less() -> None:
    coherence = np.full((90, 120), 0.6)
    coherence[:, 60:] = 0.2
    response = lk.stack_gradients(stack(np.zeros((90, 120)), coherence_12=coherence), window=3, progress=False)
    left, right = response["response"].values[:, :55], response["response"].values[:, 65:]
    assert left.mean() > 0.93
    assert right.mean() < 0.75


def test_no_data_has_no_response_and_wide_scenes_are_sampled_in_strips() -> None:
    phase = np.zeros((3, 900, 400))
    phase[:, 100:120, 50:80] = np.nan
    stacked = lk.stack_gradients(interferograms(phase, np.full((900, 400), 0.8)), window=3, progress=False)
    np.testing.assert_array_equal(np.isnan(stacked["response"]), np.isnan(phase[0]))
    np.testing.assert_allclose(stacked["response"].values[~np.isnan(phase[0])], 1, atol=1e-3)


def test_the_response_is_the_same_to_the_bit_for_any_threads() -> None:
    ifgs = stack(np.zeros((150, 80)), dates=12)
    one, three = (lk.stack_gradients(ifgs, threads=n, progress=False) for n in (1, 3))
    xr.testing.assert_identical(one, three)


def test_a_scene_too_small_to_measure_is_taken_as_it_is() -> None:
    ifgs = stack(np.zeros((12, 12)), dates=5)
    assert (lk.stack_gradients(ifgs, window=3, progress=False)["response"] == 1).all()


def test_wrapped_and_lagged_stacks_carry_none() -> None:
    ifgs = stack(np.zeros((20, 20)), dates=4)
    assert "response" not in lk.stack_gradients(ifgs, "rewrapped", 3, progress=False)
    assert "response" not in lk.stack_gradients(ifgs, "lsq", 3, lag=2, progress=False)
