"""Coherence estimated in a window: the formula on whole images, its bias and its smoothness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.special import gamma as gamma_function
from scipy.special import gammaln

from labkit.simulate.estimated import PARTS, estimate_row, keep_row, triangle
from labkit.simulate.speckle import add_speckle, pair_key


@pytest.mark.parametrize("window", [3, 5, 7])
def test_rows_in_turn_give_the_formula_on_whole_images(window: int) -> None:
    random = np.random.default_rng(0)
    shape = 23, 31
    powers = random.gamma(3.0, size=(2, *shape)).astype(np.float32)
    size = (np.sqrt(powers.prod(axis=0)) * random.random(shape)).astype(np.float32)
    phase = random.uniform(-np.pi, np.pi, shape).astype(np.float32)
    phase[10, 12:15] = np.nan
    weights = triangle(window)
    kept = np.empty((window, PARTS, shape[1]), np.float32)
    made = np.zeros(shape, np.float32)
    half = window // 2
    for y in range(shape[0] + half):
        if y < shape[0]:
            keep_row(np.stack([powers[0, y], powers[1, y], size[y], size[y]]), phase[y], weights, kept[y % window])
        if y >= half:
            estimate_row(kept, y - half, shape[0], weights, made[y - half])
    square = np.outer(weights, weights)
    known = np.isfinite(phase)
    product = np.where(known, size * np.exp(1j * np.nan_to_num(phase)), 0)
    sums = [correlate(np.where(known, image, 0), square, mode="constant") for image in powers.astype(float)]
    total = [correlate(part, square, mode="constant") for part in (product.real, product.imag)]
    np.testing.assert_allclose(made, np.hypot(*total) / np.sqrt(sums[0] * sums[1]), atol=2e-6)


def estimated(coherence: float, window: int, phase: np.ndarray | None = None, looks: float = 4.0) -> np.ndarray:
    truth = np.zeros((240, 240), np.float32) if phase is None else phase.astype(np.float32)
    magnitude = np.full(truth.shape, coherence, np.float32)
    add_speckle(pair_key(0), looks, truth, magnitude, None, window)
    return magnitude


def test_a_window_has_the_looks_of_its_pixels_together() -> None:
    """Without coherence E|γ̂| = Γ(L) Γ(3/2) / Γ(L + 1/2) for L independent looks (Touzi and others 1999); weights w are
    worth (Σ w)² / Σ w² pixels."""
    weights = np.outer(triangle(5), triangle(5))
    looks = 4.0 * weights.sum() ** 2 / (weights**2).sum()
    expected = np.exp(gammaln(looks) - gammaln(looks + 0.5)) * gamma_function(1.5)
    assert estimated(0.0, 5)[3:-3, 3:-3].mean() == pytest.approx(expected, rel=0.03)
    assert estimated(0.0, 0).mean() > 2 * expected


@pytest.mark.parametrize("coherence", [0.5, 0.8, 0.97])
def test_where_the_ground_is_coherent_the_estimate_is_right_and_quiet(coherence: float) -> None:
    wide, own = (estimated(coherence, window) for window in (5, 0))
    assert wide.mean() == pytest.approx(coherence, abs=0.02)
    assert wide.std() < 0.5 * own.std()


def test_fringes_in_the_window_lower_it_by_the_sum_of_their_phasors() -> None:
    """A ramp of 0.8 rad per pixel: Σ w e^(0.8 i x) / Σ w of the triangle of five."""
    ramp = 0.8 * np.arange(240) * np.ones((240, 1))
    weights = triangle(5)
    left = (weights * np.cos(0.8 * np.arange(-2, 3))).sum() / weights.sum()
    assert estimated(0.999, 5, ramp).mean() == pytest.approx(left, abs=0.01)


def test_by_its_own_magnitude_an_interferogram_seems_more_coherent_by_the_law_of_its_phase() -> None:
    """|Σ w W21| / Σ w |W21| of many pixels is E[Re W21] / E|W21|, from the other way of drawing W21."""
    phase, own = np.zeros((240, 240), np.float32), np.full((240, 240), 0.5, np.float32)
    add_speckle(pair_key(0), 4.0, phase, own, None, 7, True)
    random = np.random.default_rng(0)
    first, noise = (random.standard_normal((2, 4, 200_000)) * np.sqrt(0.5) for _ in range(2))
    s1, n = first[0] + 1j * first[1], noise[0] + 1j * noise[1]
    product = ((0.5 * s1 + np.sqrt(0.75) * n) * s1.conj()).sum(axis=0)
    expected = product.real.mean() / np.abs(product).mean()
    assert expected > 0.6
    assert own.mean() == pytest.approx(expected, rel=0.02)


def test_no_data_stays_no_data_and_tells_its_neighbours_nothing() -> None:
    phase, coherence = np.zeros((20, 20), np.float32), np.full((20, 20), 0.9999, np.float32)
    coherence[10, 10] = np.nan
    add_speckle(pair_key(0), 4.0, phase, coherence, None, 5)
    assert np.isnan(phase[10, 10]) and np.isnan(coherence[10, 10])
    assert np.isnan(coherence).sum() == 1 and np.nanmin(coherence) > 0.99
