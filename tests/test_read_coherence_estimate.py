"""Coherence from the phase alone: its exact values on constants, noise and ramps."""

from __future__ import annotations

import numpy as np
import pytest

import labkit as lk
from labkit.read.coherence_estimate import estimate_coherence


def test_equal_phases_agree_wholly() -> None:
    np.testing.assert_array_equal(estimate_coherence(np.full((6, 8), -2.5)), 1.0)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_noise_has_the_documented_bias(window: int) -> None:
    phase = np.random.default_rng(4).uniform(-np.pi, np.pi, (400, 400))
    inner = estimate_coherence(phase, window=window)[10:-10, 10:-10]
    # Rayleigh: the mean of |sum of N unit vectors| / N, exact for many, within 3 % for nine.
    assert inner.mean() == pytest.approx(np.sqrt(np.pi / 4) / window, rel=0.03)


@pytest.mark.parametrize("slope", [0.2, 0.6, 1.5])
def test_a_ramp_loses_what_the_docstring_says(slope: float) -> None:
    phase = np.broadcast_to(slope * np.arange(40.0), (20, 40))
    expected = abs(np.sin(5 * slope / 2) / (5 * np.sin(slope / 2)))
    np.testing.assert_allclose(estimate_coherence(phase)[:, 4:-4], expected, rtol=1e-6)


def test_no_data_stays_no_data_and_never_counts_as_phase_zero() -> None:
    phase = np.full((9, 9), 2.0)
    phase[:, 5:] = np.nan
    estimate = estimate_coherence(phase)
    assert np.isnan(estimate[:, 5:]).all()
    np.testing.assert_allclose(estimate[:, :5], 1.0, rtol=1e-6)


@pytest.mark.parametrize("window", [1, 4, 0])
def test_an_even_or_tiny_window_is_refused(window: int) -> None:
    with pytest.raises(lk.LabkitError, match=f"window must be odd.*window={window}"):
        estimate_coherence(np.zeros((5, 5)), window=window)
