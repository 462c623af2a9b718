"""Phase that is no motion follows its formulas: layered air, DEM error times baseline, seams between bursts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from labkit.simulate.delays import (
    BURST_M,
    dem_error,
    dem_phase_per_m,
    layered_path,
    place_first_seam,
    seam_cycles,
    stratified_slopes,
)
from labkit.simulate.effects import Effects
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.terrain import Terrain, make_terrain

FRAME = Frame("descending", 192.0, 37.3, (1200, 30), 40.0)


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    return make_terrain(Place(101.95, 30.85), 9000.0, 8000.0, 40.0, 2, 0)


def test_a_dem_error_gives_the_phase_by_hand() -> None:
    """B⊥ = 100 m, δh = 10 m, R = 880 km, θ = 37.3°, λ = 55.46576 mm: 4π/λ · 100 · 10 / (880000 · 0.60599) rad."""
    expected = 226.5614 * 100.0 * 10.0 / (880_000.0 * 0.605988)
    assert float(dem_phase_per_m(100.0, 37.3)) * 10.0 == pytest.approx(expected, rel=1e-4)
    assert float(dem_phase_per_m(-100.0, 37.3)) == -float(dem_phase_per_m(100.0, 37.3))


def test_the_difference_of_two_dates_is_as_steep_as_asked() -> None:
    """4.8 mm per km over independent pairs of dates (Emardson and others 2003), season and weather together."""
    dates = np.datetime64("2010-01-01") + 12 * np.arange(20_000)
    slopes = stratified_slopes(dates, 4.8, np.random.default_rng(0))
    first, second = np.random.default_rng(1).permutation(slopes).reshape(2, -1)
    assert np.sqrt(((first - second) ** 2).mean()) == pytest.approx(4.8, rel=0.03)
    month = dates.astype("datetime64[M]").astype(int) % 12 + 1
    assert slopes[month == 7].mean() == pytest.approx(4.8 / np.sqrt(2), rel=0.05)
    assert slopes[month == 1].mean() == pytest.approx(-4.8 / np.sqrt(2), rel=0.05)


def test_layered_air_delays_low_ground_more_by_the_slope_in_the_line_of_sight() -> None:
    height = np.array([2400.0, 2500.0, 2600.0])
    path = layered_path(height, 37.3)
    # 5 mm/km over 0.2 km of height is 1 mm in the zenith; the curvature of exp adds (0.1/2)²/6 of it
    assert 5.0 * (path[0] - path[2]) == pytest.approx(1.0 / np.cos(np.radians(37.3)), rel=1e-3)
    high = layered_path(np.array([0.0, 4000.0]), 0.0)
    assert high[0] / high[1] == pytest.approx(np.e**2)


def test_the_random_dem_error_has_the_rms_that_was_asked_for(terrain: Terrain) -> None:
    error = dem_error(terrain, replace(Effects.none(), dem_error_m=5.0), seed=1)
    assert error.std() == pytest.approx(5.0) and error.mean() == pytest.approx(0.0, abs=1e-9)
    neighbour = np.corrcoef(error[:, 1:].ravel(), error[:, :-1].ravel())[0, 1]
    far = np.corrcoef(error[:, 25:].ravel(), error[:, :-25].ravel())[0, 1]
    assert neighbour > 0.8 and abs(far) < 0.3
    assert not dem_error(terrain, Effects.none(), seed=1).any()


def test_a_blurred_dem_misses_a_crest_by_the_formula(terrain: Terrain) -> None:
    """Of h = A cos(2πx/Λ) a Gaussian of σ leaves A exp(−2π²σ²/Λ²): on the crest it misses A (1 − exp(…))."""
    wave, amplitude, blur = 1000.0, 200.0, 80.0
    height = amplitude * np.cos(2 * np.pi * terrain.east / wave) * np.ones_like(terrain.height)
    missed = dem_error(replace(terrain, height=height), replace(Effects.none(), dem_blur_m=blur), seed=0)
    crest = int(np.argmin(np.abs(terrain.east)))
    expected = amplitude * (1 - np.exp(-2 * np.pi**2 * blur**2 / wave**2))
    assert missed[missed.shape[0] // 2, crest] == pytest.approx(expected, rel=0.01)


def test_ridge_artefacts_lie_on_the_ridges(terrain: Terrain) -> None:
    missed = dem_error(terrain, replace(Effects.none(), dem_blur_m=60.0), seed=0)
    curvature = ndimage.laplace(ndimage.gaussian_filter(terrain.height, 1.5))
    sharp, flat = curvature < np.quantile(curvature, 0.02), np.abs(curvature) < np.quantile(np.abs(curvature), 0.3)
    assert missed[sharp].mean() > 5 * np.abs(missed[flat]).mean()


def test_a_misregistration_makes_a_jump_between_bursts_by_hand() -> None:
    """20 mm at 6800 m/s are 2.94 µs; times 2π · 4500 Hz that is 0.0832 rad."""
    phase = 2 * np.pi * seam_cycles(FRAME, first_seam=300.0) * 20.0
    steps = np.diff(phase)
    seams = np.flatnonzero(steps < -0.01)
    # a burst is 487.5 lines: the next seam falls on the centre of line 787, which begins the next burst
    assert seams.tolist() == [299, 786] and BURST_M / FRAME.spacing_m == 487.5
    ramp = steps[0]
    assert ramp - steps[299] == pytest.approx(2 * np.pi * 4500.0 * 0.020 / 6800.0, rel=1e-6)
    assert np.ptp(np.delete(steps, seams)) < 1e-9


def test_an_image_shorter_than_a_burst_has_its_seam_in_the_middle() -> None:
    short = replace(FRAME, shape=(160, 10))
    for seed in range(20):
        assert 40 <= place_first_seam(short, np.random.default_rng(seed)) <= 120
