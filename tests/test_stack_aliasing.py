"""Slides below and above the limit of the pairs, whose true gradients are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from noise_scenes import bump, stack
from stack_scenes import interferograms, ramp

import labkit as lk
from labkit.simulate.interferometry import phase_per_mm

SHAPE = (108, 150)
CENTRES = list(itertools.product((28, 80), (28, 75, 122)))
#: Steepest gradient of each slide in 36 days, in units of π.
STEEPNESS = (0.3, 0.55, 0.85, 1.2, 1.6, 2.4)
RADIUS = 10
DAYS = 36


def fast_and_slow_slides() -> np.ndarray:
    """The profile (1 − ρ²)² is steepest at ρ = 1/√3: 16 / (6 √3) = 1.54 of peak over radius."""
    per_mm_a_year = phase_per_mm() * DAYS / 365.25 / np.pi
    peak = RADIUS / 1.54 / per_mm_a_year
    signs = (1, -1, 1, -1, 1, -1)
    return sum(
        bump(SHAPE, centre, RADIUS, sign * steepness * peak)
        for centre, steepness, sign in zip(CENTRES, STEEPNESS, signs, strict=True)
    )


def steepest(rate: np.ndarray) -> np.ndarray:
    """The larger gradient of both directions in 36 days, in units of π."""
    gradient = np.zeros((2, *rate.shape))
    gradient[0, :-1], gradient[1, :, :-1] = np.diff(rate, axis=0), np.diff(rate, axis=1)
    return np.abs(gradient).max(0) * phase_per_mm() * DAYS / 365.25 / np.pi


@pytest.mark.parametrize(("coherence", "hit"), [(0.6, 0.99), (0.3, 0.97)])
def test_what_wraps_is_flagged_and_hardly_anything_else(coherence: float, hit: float) -> None:
    rate = fast_and_slow_slides()
    flags = lk.stack.flag_aliasing(stack(rate, 60, coherence_12=coherence, air_mm=1.0), progress=False)
    assert (flags.attrs["short_days"], flags.attrs["long_days"]) == (12, 36)
    wraps, true = flags["wraps"].values, steepest(rate)
    assert wraps[true > 1].mean() > hit
    assert not wraps[true < 0.6].any()
    # slide by slide: none below the limit by a third, every one above it
    for (y, x), steepness in zip(CENTRES, STEEPNESS, strict=True):
        found = int(wraps[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1].sum())
        assert found == 0 if steepness < 0.6 else found > 10 or steepness < 1


def test_long_pairs_that_show_too_little_are_flagged_before_they_wrap() -> None:
    rate = fast_and_slow_slides()
    ifgs = stack(rate, 60, coherence_12=0.3, air_mm=1.0)
    falls_short = lk.stack.flag_aliasing(ifgs, progress=False)["falls_short"].values
    true = steepest(rate)
    assert falls_short[true > 0.8].mean() > 0.9
    assert falls_short[true < 0.2].mean() < 0.001
    # and rightly: there the stack of all pairs shows less than four fifths of the velocity
    stacked = lk.stack_gradients(ifgs, window=3, progress=False)
    shown = np.abs(stacked["gradient"] / stacked["response"]).max("direction").values
    shown = shown / stacked.attrs["sum_temporal_baseline"] * DAYS / 365.25 / np.pi
    moderate = falls_short & (true > 0.3) & (true < 0.8)
    assert moderate.sum() > 50
    assert np.median(shown[moderate] / true[moderate]) < 0.8


def test_ground_without_coherence_is_not_flagged() -> None:
    # the lower half of a scene that lies still is noise
    coherence = np.full(SHAPE, 0.6)
    coherence[SHAPE[0] // 2 :] = 0.05
    flags = lk.stack.flag_aliasing(stack(np.zeros(SHAPE), 24, coherence_12=coherence), progress=False)
    for name in ("wraps", "falls_short"):
        assert flags[name].values.mean() < 0.001


def test_rates_carry_the_flags() -> None:
    rate = fast_and_slow_slides()
    ifgs = stack(rate, 30, coherence_12=0.6, air_mm=0.0)
    wraps = lk.stack.flag_aliasing(ifgs, progress=False)["wraps"]
    gradients = lk.stack_gradients(ifgs, window=3, progress=False)
    alone, told = lk.integrate_rate(gradients)["aliased"], lk.integrate_rate(gradients, aliased=wraps)["aliased"]
    np.testing.assert_array_equal(told, alone | wraps)
    assert told.sum() > alone.sum()
    for wrong in (wraps.astype(float), wraps[1:], wraps.T):
        with pytest.raises(lk.LabkitError, match="aliased must be bool"):
            lk.integrate_rate(gradients, aliased=wrong)


def test_a_ramp_in_pairs_of_one_length_is_flagged_beyond_what_they_and_the_window_can_show() -> None:
    """Beyond 0.9 π it wraps; between 2π/3 and there only the window of 3 px takes it away; below nothing is lost."""
    for steepness, wraps in ((2.95, True), (2.5, False), (1.7, False)):
        flags = lk.stack.flag_aliasing(
            interferograms(ramp(12, (40, 50), steepness, 0.1), np.full((40, 50), 0.8)), progress=False
        )
        assert flags["wraps"].values[:-1].all() == flags["wraps"].values.any() == wraps
        assert flags["falls_short"].values.any() == (steepness > 2 * np.pi / 3)


def test_no_data_is_not_flagged_and_coordinates_stay() -> None:
    phase = ramp(12, (40, 50), 2.95, 0.1)
    phase[:, 10:20, 10:20] = np.nan
    ifgs = interferograms(phase, np.full((40, 50), 0.8)).assign_coords(lon=(("y", "x"), np.zeros((40, 50))))
    flags = lk.stack.flag_aliasing(ifgs, progress=False)
    assert not flags["wraps"].values[10:20, 10:20].any()
    assert "lon" in flags.coords
    assert isinstance(flags, xr.Dataset)


def test_one_pair_cannot_be_compared() -> None:
    with pytest.raises(lk.LabkitError, match="at least 2 pairs"):
        lk.stack.flag_aliasing(interferograms(ramp(1, (40, 50), 0.1, 0.1), np.full((40, 50), 0.8)), progress=False)


@pytest.mark.parametrize(("window", "lost"), [(3, 0.7), (5, 0.5)])
def test_what_the_window_takes_away_is_flagged_where_all_pairs_are_alike(window: int, lost: float) -> None:
    """Beyond 2π/n per pixel the window shows a slide less than it moves, long before its pairs wrap."""
    shape, per_pair = (90, 160), np.pi / phase_per_mm() / (12 / 365.25)
    slow, fast = (bump(shape, (45, x), 9.0, 1.0) for x in (40, 120))
    steepness = float(np.abs(np.diff(slow, axis=0)).max())
    rate = (0.2 * slow + lost * fast) * per_pair / steepness
    alike = stack(rate, 40, coherence_12=0.5, air_mm=1.0, max_days=12)
    flags = lk.stack.flag_aliasing(alike, window=window, progress=False)
    assert not flags["wraps"].any()
    assert flags["falls_short"].values[:, 110:130].sum() > 10
    assert not flags["falls_short"].values[:, :80].any()
    rates = lk.integrate_rate(lk.stack_gradients(alike, window=window, progress=False))["rate"].values
    assert rates[:, :80].max() > 0.95 * rate[:, :80].max()
    assert rates[:, 80:].max() < 0.8 * rate[:, 80:].max()
