"""The high-pass against single waves, planes and landslides."""

from __future__ import annotations

import numpy as np
import pytest
from noise_scenes import bump

from labkit.stack.highpass import split_wavelengths

SHAPE = (200, 220)
ONES = np.ones(SHAPE, np.float32)


def wave(wavelength: float) -> np.ndarray:
    return np.sin(2 * np.pi * np.indices(SHAPE)[0] / wavelength).astype(np.float32)


@pytest.mark.parametrize(("wavelength", "kept"), [(60.0, 0.5), (20.0, 0.0), (400.0, 0.98)])
def test_the_background_keeps_half_of_a_wave_at_the_cutoff(wavelength: float, kept: float) -> None:
    values = wave(wavelength)
    background = split_wavelengths(values, ONES, (60.0, 60.0)).background
    inner = np.s_[60:-60, 60:-60]
    share = float((background[inner] * values[inner]).sum() / (values[inner] ** 2).sum())
    assert share == pytest.approx(kept, abs=0.08)


def test_a_plane_goes_whole_edges_and_holes_included() -> None:
    y, x = np.indices(SHAPE)
    plane = (0.05 * y - 0.03 * x + 4).astype(np.float32)
    values = plane.copy()
    values[50:80, 100:140] = np.nan
    background = split_wavelengths(values, ONES, (60.0, 60.0)).background
    assert np.abs(background - plane).max() < 0.15
    assert np.isfinite(background).all()


def test_a_landslide_is_left_out_of_the_background() -> None:
    random = np.random.default_rng(0)
    slide = bump(SHAPE, (100, 110), 14, 30.0)
    values = (slide + random.normal(0, 1, SHAPE)).astype(np.float32)
    split = split_wavelengths(values, ONES, (60.0, 60.0))
    assert np.abs(split.background).max() < 1.5
    assert np.median(split.spread) == pytest.approx(1.0, abs=0.1)


def test_the_spread_is_that_of_the_place() -> None:
    random = np.random.default_rng(1)
    scale = np.ones(SHAPE)
    scale[:, 110:] = 3.0
    split = split_wavelengths((random.normal(0, 1, SHAPE) * scale).astype(np.float32), ONES, (60.0, 60.0))
    assert np.median(split.spread[:, :60]) == pytest.approx(1.0, abs=0.15)
    assert np.median(split.spread[:, 160:]) == pytest.approx(3.0, abs=0.45)


def test_threads_change_no_bit() -> None:
    values = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    values[20:40, 30:90] = np.nan
    one, three = (split_wavelengths(values, ONES, (12.0, 12.0), threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.background, three.background)
    np.testing.assert_array_equal(one.spread, three.spread)
