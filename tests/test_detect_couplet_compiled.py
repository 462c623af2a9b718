"""The couplet filter's loops against SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft
from scipy.ndimage import uniform_filter
from scipy.special import genlaguerre

from labkit.detect.couplet_compiled import keep_stronger, moving_mean, times_bump


@pytest.mark.parametrize("shape", [(40, 61), (9, 7), (1, 5)])
@pytest.mark.parametrize("width", [1, 2, 5, 8, 17])
def test_the_moving_mean_is_that_of_scipy_with_nothing_beyond_the_edges(shape: tuple[int, int], width: int) -> None:
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    mean = np.empty_like(image)
    moving_mean(image, width, width // 2, mean)
    np.testing.assert_allclose(mean, uniform_filter(image.astype(float), width, mode="constant"), atol=1e-6)
    moving_mean(image, width, (width - 1) // 2, mean)
    late = uniform_filter(image.astype(float), width, mode="constant", origin=-1 if width % 2 == 0 else 0)
    np.testing.assert_allclose(mean, late, atol=1e-6)


@pytest.mark.parametrize(("shape", "step"), [((50, 70), 20), ((50, 70), 70), ((41, 33), 32)])
def test_the_stronger_answer_stays_over_a_gain_that_is_linear_between_its_points(
    shape: tuple[int, int], step: int
) -> None:
    random = np.random.default_rng(1)
    answer = random.standard_normal(shape).astype(np.float32)
    down, across = (max(-(-n // step) + 1, 2) for n in shape)
    # a plane is its own bilinear interpolation
    gains = (1 + 0.3 * np.arange(down)[:, None] + 0.7 * np.arange(across)).astype(np.float32)
    best = np.abs(random.standard_normal(shape)).astype(np.float32)
    before, winner = best.copy(), np.full(shape, 9, np.uint8)
    keep_stronger(answer, gains, step, np.uint8(4), best, winner)
    y, x = (np.indices(shape) + 0.5) / step
    strength = np.abs(answer) / (1 + 0.3 * y + 0.7 * x)
    np.testing.assert_allclose(best, np.maximum(before, strength), rtol=1e-5)
    clear = np.abs(strength - before) > 1e-4
    np.testing.assert_array_equal(winner[clear], np.where(strength > before, 4, 9)[clear])


@pytest.mark.parametrize("order", [0, 3, 10])
@pytest.mark.parametrize("covariance", [0.0, 1e-15, 1.2])
def test_the_spectrum_of_a_bump_is_that_of_its_formula(order: int, covariance: float) -> None:
    random = np.random.default_rng(3)
    derivatives = random.standard_normal((2, 24, 17)) + 1j * random.standard_normal((2, 24, 17))
    ky, kx = 2 * np.pi * fft.fftfreq(24), 2 * np.pi * fft.rfftfreq(32)
    variances = tuple(np.float32(v) for v in (4.0, 2.0, covariance))
    laguerre, answer = genlaguerre(order, 1), np.empty((24, 17), np.complex64)
    frequencies = ky.astype(np.float32), kx.astype(np.float32)
    counts, coefficients = np.array([0.5, 2], np.float32), laguerre.coeffs.astype(np.float32)
    times_bump(derivatives.astype(np.complex64), counts, frequencies, variances, coefficients, answer)
    u = (4 * ky[:, None] ** 2 + 2 * kx**2) / 2 + covariance * ky[:, None] * kx
    expected = np.exp(-u) * laguerre(u) * (0.5 * derivatives[0] + 2 * derivatives[1])
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.abs(expected).max())
