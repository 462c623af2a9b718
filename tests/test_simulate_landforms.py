"""Cover that follows the relief: strips run down slopes, belts along contours, and valleys keep their coherence."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.simulate.landforms import along_slope, landform_pattern, standard

SHAPE = (120, 160)


def plane(azimuth_deg: float) -> np.ndarray:
    """A plane that rises along a direction, degrees from the samples toward the lines."""
    y, x = np.indices(SHAPE, float)
    return np.asarray(np.cos(np.radians(azimuth_deg)) * x + np.sin(np.radians(azimuth_deg)) * y)


def along(field: np.ndarray, lag: tuple[int, int]) -> float:
    """Correlation of a field with itself at a lag (lines, samples)."""
    moved = np.roll(field, lag, (0, 1))[20:-20, 20:-20]
    return float(np.corrcoef(field[20:-20, 20:-20].ravel(), moved.ravel())[0, 1])


@pytest.mark.parametrize(("azimuth", "down", "level"), [(0.0, (0, 8), (8, 0)), (90.0, (8, 0), (0, 8))])
def test_strips_run_down_a_plane_and_belts_along_its_contours(
    azimuth: float, down: tuple[int, int], level: tuple[int, int]
) -> None:
    noise = np.random.default_rng(1).standard_normal(SHAPE)
    strips = along_slope(noise, plane(azimuth), 30.0, 1.0)
    belts = along_slope(noise, plane(azimuth), 30.0, 1.0, contours=True)
    assert along(strips, down) > 0.6 > 0.2 > abs(along(strips, level))
    assert along(belts, level) > 0.6 > 0.2 > abs(along(belts, down))


def test_on_a_plane_the_mean_along_the_slope_is_the_moving_mean() -> None:
    noise = np.random.default_rng(2).standard_normal(SHAPE)
    got = along_slope(noise, plane(0.0), 10.0, 1e-6)
    expected = np.mean([np.roll(noise, shift, 1) for shift in range(-5, 6)], axis=0)
    np.testing.assert_allclose(got[:, 5:-5], expected[:, 5:-5], atol=1e-9)


def test_a_cone_s_belts_are_rings_about_it() -> None:
    y, x = np.indices((121, 121)) - 60.0
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    rings = along_slope(np.random.default_rng(3).standard_normal(radius.shape), -radius, 60.0, 1.0, contours=True)
    ring = (radius > 25) & (radius < 50)
    by_radius = [rings[ring & (radius >= r) & (radius < r + 3)].mean() for r in range(25, 50, 3)]
    by_angle = [rings[ring & (angle >= a) & (angle < a + 0.7)].mean() for a in np.arange(-3.14, 2.5, 0.7)]
    assert np.std(by_radius) > 1.5 * np.std(by_angle)


def test_valleys_keep_their_coherence_in_the_mean_of_many_grounds() -> None:
    y, x = np.indices(SHAPE, float)
    height = 1500.0 + 5.0 * np.abs(x - 80.0) + 30.0 * np.sin(y / 9.0)
    rough = np.random.default_rng(4).standard_normal(SHAPE)
    made = [landform_pattern(height, 15.0, rough, np.random.default_rng(seed)) for seed in range(6)]
    for pattern in made:
        assert pattern.mean() == pytest.approx(0.0, abs=1e-9) and pattern.std() == pytest.approx(1.0)
    assert np.mean([np.corrcoef(pattern.ravel(), height.ravel())[0, 1] for pattern in made]) < -0.15


def test_level_values_have_no_spread_to_be_divided_by() -> None:
    np.testing.assert_array_equal(standard(np.full((3, 4), 7.0)), np.zeros((3, 4)))
