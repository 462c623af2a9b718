"""Compiled speckle has the multilook distribution, and a row of a pair is always the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gamma as gamma_function
from scipy.special import gammaln, hyp2f1

from labkit.simulate.interferometry import multilook_noise
from labkit.simulate.speckle import add_speckle, pair_key


def drawn(coherence: float, looks: float, shape: tuple[int, int] = (300, 300), key: int = 1) -> tuple:
    phase, magnitude = np.zeros(shape, np.float32), np.full(shape, coherence, np.float32)
    add_speckle(pair_key(key, "test"), looks, phase, magnitude)
    return phase, magnitude


def phase_density(phase: np.ndarray, coherence: float, looks: float) -> np.ndarray:
    """Probability density of the multilook phase (Lee, Hoppel, Mango and Miller 1994, equation 21)."""
    beta = coherence * np.cos(phase)
    first = np.exp(gammaln(looks + 0.5) - gammaln(looks)) * (1 - coherence**2) ** looks * beta
    first = first / (2 * np.sqrt(np.pi) * (1 - beta**2) ** (looks + 0.5))
    second = (1 - coherence**2) ** looks / (2 * np.pi) * hyp2f1(looks, 1, 0.5, beta**2)
    return first + second


@pytest.mark.parametrize("looks", [2.0, 4.0, 24.0])
@pytest.mark.parametrize("coherence", [0.0, 0.2, 0.5, 0.8, 0.95])
def test_coherence_and_looks_give_the_phase_spread_of_the_density_s_integral(coherence: float, looks: float) -> None:
    phase, _ = drawn(coherence, looks)
    grid = np.linspace(-np.pi, np.pi, 8001)
    density = phase_density(grid, coherence, looks)
    assert np.trapezoid(density, grid) == pytest.approx(1.0, rel=1e-6)
    second, fourth = (float(np.trapezoid(grid**order * density, grid)) for order in (2, 4))
    # four standard errors of a standard deviation, whose size follows from the density's fourth moment (few looks have
    # heavy tails): between 0.6 and 2.8 %
    error = np.sqrt((fourth / second**2 - 1) / (4 * phase.size))
    assert phase.std(dtype=float) == pytest.approx(np.sqrt(second), rel=4 * error)
    cumulated = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    assert stats.kstest(phase.ravel(), lambda p: np.interp(p, grid, cumulated)).pvalue > 1e-3


def test_phase_and_coherence_together_are_those_of_the_other_way_of_drawing_them() -> None:
    """The same law from NumPy's own gamma and normal numbers: marginals, and how the noise goes with the coherence."""
    phase, magnitude = drawn(0.45, 6.0)
    other_phase, other = multilook_noise(np.full((300, 300), 0.45), 6.0, np.random.default_rng(0))
    assert stats.ks_2samp(phase.ravel(), other_phase.ravel()).pvalue > 1e-3
    assert stats.ks_2samp(magnitude.ravel(), other.ravel()).pvalue > 1e-3
    for low in (0.2, 0.5, 0.7):
        spread, expected = (p[(c > low) & (c < low + 0.1)].std() for p, c in ((phase, magnitude), (other_phase, other)))
        assert spread == pytest.approx(expected, rel=0.03)


def test_without_any_coherence_the_sample_coherence_keeps_its_known_bias() -> None:
    """E|γ̂| = Γ(L) Γ(3/2) / Γ(L + 1/2) for γ = 0 (Touzi and others 1999)."""
    _, magnitude = drawn(0.0, 24.0)
    assert magnitude.mean() == pytest.approx(np.exp(gammaln(24.0) - gammaln(24.5)) * gamma_function(1.5), rel=0.005)


def test_rows_pairs_and_pixels_are_independent() -> None:
    first, second = (drawn(0.3, 4.0, key=key)[0] for key in (1, 2))
    bound = 5 / np.sqrt(first.size)
    for a, b in ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1]), (first[:150], first[150:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < bound


def test_a_row_does_not_depend_on_the_other_rows() -> None:
    whole = drawn(0.5, 24.0, (50, 80))
    part = drawn(0.5, 24.0, (20, 80))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a[:20], b)


def test_the_true_phase_is_kept_and_wrapped() -> None:
    phase = np.linspace(-20, 20, 2001, dtype=np.float32)[np.newaxis]
    expected = phase.astype(float)
    coherence = np.full_like(phase, 0.7)
    made = phase.copy()
    add_speckle(pair_key(0), 0.0, made, coherence)
    assert (coherence == np.float32(0.7)).all()
    assert made.min() >= -np.float32(np.pi) and made.max() < np.float32(np.pi)
    np.testing.assert_allclose(np.exp(1j * made), np.exp(1j * expected), atol=3e-6)


def test_no_data_stays_no_data_and_full_coherence_has_no_noise() -> None:
    phase, coherence = np.full((2, 3), 0.5, np.float32), np.ones((2, 3), np.float32)
    phase[0, 1] = coherence[0, 1] = np.nan
    add_speckle(pair_key(0), 24.0, phase, coherence)
    assert np.isnan(phase[0, 1]) and np.isnan(coherence[0, 1])
    assert np.nanmax(np.abs(phase - 0.5)) < 1e-6 and np.nanmin(coherence) > 0.9999


def test_the_key_tells_seed_and_names() -> None:
    keys = {int(pair_key(seed, *names)) for seed in (0, 1) for names in (("a", "b"), ("b", "a"), ("a",), ("a", "c"))}
    assert len(keys) == 8 and pair_key(0, "a", "b") == pair_key(0, "a", "b")
