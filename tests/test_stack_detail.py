"""Sharpening against the transfer of a moving mean, denoising against noise and planted landslides."""

from __future__ import annotations

import numpy as np
import pytest
from noise_scenes import bump
from scipy.ndimage import gaussian_filter, uniform_filter

from labkit.stack.detail import denoise, sharpen

SHAPE = (90, 100)


@pytest.mark.parametrize(("window", "wavelength"), [(3, 10), (5, 20), (7, 40)])
def test_sharpening_gives_a_wave_back_what_the_mean_took(window: int, wavelength: int) -> None:
    y = np.indices((80, 40))[0]
    wave = np.sin(2 * np.pi * y / wavelength).astype(np.float32)
    inner = np.s_[2 * window : -2 * window]
    averaged = uniform_filter(wave, window)
    share = float(np.ptp(averaged[inner]) / np.ptp(wave[inner]))
    sharpened = sharpen(averaged, window)
    assert float(np.ptp(sharpened[inner]) / np.ptp(wave[inner])) == pytest.approx(share * (2 - share), abs=0.01)


def test_sharpening_leaves_a_constant_as_it_is_around_no_data() -> None:
    values = np.full(SHAPE, 7.0, np.float32)
    values[20:30, 40:44] = np.nan
    sharpened = sharpen(values, 5)
    np.testing.assert_array_equal(np.isnan(sharpened), np.isnan(values))
    np.testing.assert_allclose(sharpened[~np.isnan(values)], 7, rtol=1e-5)


def test_noise_falls_and_a_landslide_that_stands_out_stays() -> None:
    random = np.random.default_rng(0)
    slide = bump(SHAPE, (45, 50), 8, 30.0)
    noisy = (slide + gaussian_filter(random.normal(0, 1, SHAPE), 0.6)).astype(np.float32)
    quiet = slide == 0
    cleaned = denoise(noisy, np.ones(SHAPE, np.float32))
    assert np.std(cleaned[quiet]) < 0.5 * np.std(noisy[quiet])
    assert float(cleaned[44:47, 49:52].mean()) == pytest.approx(float(noisy[44:47, 49:52].mean()), rel=0.03)
    assert np.std(cleaned - slide) < np.std(noisy - slide)


def test_what_stands_out_is_judged_by_each_pixels_error() -> None:
    random = np.random.default_rng(1)
    error = np.ones(SHAPE, np.float32)
    error[:, 50:] = 5.0
    cleaned = denoise((random.normal(0, 1, SHAPE) * error).astype(np.float32), error)
    for half in (np.s_[:, 5:45], np.s_[:, 55:95]):
        assert np.std(cleaned[half]) < 0.5 * float(error[half].mean())


def test_no_data_stays_and_a_map_without_noise_is_kept() -> None:
    slide = bump(SHAPE, (45, 50), 12, 30.0).astype(np.float32)
    slide[10:20, 10:20] = np.nan
    cleaned = denoise(slide, np.ones(SHAPE, np.float32))
    np.testing.assert_array_equal(np.isnan(cleaned), np.isnan(slide))
    np.testing.assert_allclose(cleaned, slide, atol=1e-4)


@pytest.mark.parametrize("radius", [5, 6, 8])
def test_peaks_of_eight_times_the_noise_are_not_pulled_down(radius: int) -> None:
    """Twenty landslides of 400 to 640 m: the mean of their peaks stays within 5 % of what it was with all the noise."""
    random = np.random.default_rng(2)
    shape = (200, 240)
    centres = [(y, x) for y in range(25, 190, 50) for x in range(25, 230, 48)]
    slides = sum(bump(shape, centre, radius, 20.0) for centre in centres)
    noisy = sharpen(uniform_filter(slides + random.normal(0, 5, shape), 3).astype(np.float32), 3)
    cleaned = denoise(noisy, np.ones(shape, np.float32))
    noise = np.std(noisy[slides == 0])
    assert 20 / noise == pytest.approx(8, abs=0.5)
    before, after = (np.mean([image[y, x] for y, x in centres]) for image in (noisy, cleaned))
    assert after == pytest.approx(before, rel=0.05)
    assert np.std(cleaned[slides == 0]) < 0.4 * noise


@pytest.mark.parametrize("shape", [(200, 60), (5, 90), (3, 3)])
def test_threads_change_no_bit(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    values[1, 1] = np.nan
    error = np.ones(shape, np.float32)
    one, three = (denoise(sharpen(values, 3, threads=n), error, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_the_detail_that_is_kept_adds_up_to_the_map() -> None:
    """Where all stands out, nothing is lost whatever the smoothing, edges of the map included."""
    values = np.random.default_rng(4).normal(0, 1, (64, 80)).astype(np.float32)
    values[:, 40:] = 0  # more than half without any detail: the noise is nothing
    values[:, :36] *= 100
    cleaned = denoise(values, np.ones(values.shape, np.float32))
    np.testing.assert_allclose(cleaned[:, :20], values[:, :20], atol=1e-2)
