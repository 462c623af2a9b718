"""The compiled loops of reading against NumPy, on every kind of number that processors write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.read.decode import join_coherence, join_parts, split_complex, split_parts, swap_words, wrap_phase

ONE, NO_DATA, LIMIT = np.float32(1), np.float32(-9999), np.float32(1.01)
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e-30, 3e38, -9999.0, 0.5, -0.5]


def split(values: np.ndarray, sign: float = 1, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray, bool]:
    phase, size = np.empty(values.size, np.float32), np.empty(values.size, np.float32)
    within = split_complex(values.view(np.float32), np.float32(sign), NO_DATA, np.float32(limit), phase, size)
    return phase, size, within


def turns_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of two angles, rad."""
    return np.abs((np.asarray(a, np.float64) - b + np.pi) % (2 * np.pi) - np.pi)


@given(arrays(np.uint32, st.integers(0, 70)))
def test_words_are_turned_as_numpy_turns_them(words: np.ndarray) -> None:
    turned = words.copy()
    swap_words(turned)
    np.testing.assert_array_equal(turned, words.byteswap())


@pytest.mark.parametrize("sign", [1, -1])
def test_the_angle_is_that_of_numpy_within_a_millionth(sign: int) -> None:
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(-20, 20, 200_003))
    values = (size * np.exp(1j * rng.uniform(-np.pi, np.pi, size.size))).astype(np.complex64)
    phase, magnitude, _ = split(values, sign)
    assert turns_apart(phase, sign * np.angle(values.astype(complex))).max() < 1e-6
    np.testing.assert_allclose(magnitude, np.minimum(np.abs(values), 1), rtol=1e-6)
    assert phase.min() >= -np.float32(np.pi)
    assert phase.max() < np.float32(np.pi)


@pytest.mark.parametrize("sign", [1, -1])
def test_angles_on_the_axes_and_diagonals_are_exact_and_plus_pi_is_minus_pi(sign: int) -> None:
    values = np.array([1, 1 + 1j, 1j, -1 + 1j, -1, -1 - 1j, -1j, 1 - 1j], np.complex64)
    quarters = np.array([0, 1, 2, 3, -4, -3, -2, -1]) * np.pi / 4
    expected = np.where(np.abs(quarters) == np.pi, -np.pi, sign * quarters)
    np.testing.assert_allclose(split(values, sign)[0], expected, atol=3e-7)


def test_complex_zero_no_data_and_what_is_not_finite_are_no_data() -> None:
    real, imag = (part.ravel().astype(np.float32) for part in np.meshgrid(SPECIAL, SPECIAL))
    values = np.empty(real.size, np.complex64)
    values.real, values.imag = real, imag
    phase, size, _ = split(values)
    known = np.isfinite(real) & np.isfinite(imag) & ((real != 0) | (imag != 0)) & (real != NO_DATA)
    np.testing.assert_array_equal(np.isfinite(phase), known)
    np.testing.assert_array_equal(np.isfinite(size), known)
    assert turns_apart(phase[known], np.arctan2(imag, real, dtype=np.float64)[known]).max() < 1e-6


@pytest.mark.parametrize(("largest", "within"), [(1.0, True), (1.009, True), (1.02, False), (np.inf, False)])
def test_a_magnitude_above_the_limit_is_told(largest: float, within: bool) -> None:
    values = np.full(100, 0.3 + 0.4j, np.complex64)
    values[77] = largest
    assert split(values, limit=1.01)[2] == within


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_phase_is_wrapped_as_in_64_bits(dtype: type, sign: int) -> None:
    values = np.random.default_rng(1).normal(0, 300, 100_003).astype(dtype)
    values[:4] = np.array([np.pi, -np.pi, 3 * np.pi, np.nextafter(np.float32(np.pi), np.float32(0))])
    phase = np.empty(values.size, np.float32)
    wrap_phase(values, np.float32(sign), NO_DATA, phase)
    assert turns_apart(phase, sign * values.astype(np.float64)).max() < 3e-7
    assert phase.min() >= -np.float32(np.pi)
    assert phase.max() < np.float32(np.pi)


def test_phase_zero_no_data_and_what_is_not_finite_are_no_data() -> None:
    values = np.array(SPECIAL, np.float32)
    phase = np.empty(values.size, np.float32)
    wrap_phase(values, ONE, NO_DATA, phase)
    np.testing.assert_array_equal(np.isfinite(phase), np.isfinite(values) & (values != 0) & (values != NO_DATA))


def test_what_phase_or_coherence_lacks_is_no_data_in_both() -> None:
    phase = np.array([1, np.nan, 2, 3, 4, 5, 6], np.float32)
    stored = np.array([0.5, 0.5, np.nan, -9999, np.inf, 0, 1.005], np.float32)
    coherence = np.empty(7, np.float32)
    assert join_coherence(stored, NO_DATA, LIMIT, phase, coherence)
    nan = np.nan
    np.testing.assert_array_equal(phase, np.array([1, nan, nan, nan, nan, 5, 6], np.float32))
    np.testing.assert_array_equal(coherence, np.array([0.5, nan, nan, nan, nan, 0, 1], np.float32))


@pytest.mark.parametrize("value", [-0.01, 1.02, 55.0, -9998.0])
@pytest.mark.parametrize("phase_there", [1.0, np.nan])
def test_a_coherence_outside_0_to_1_is_told(value: float, phase_there: float) -> None:
    stored = np.full(50, 0.4, np.float32)
    stored[31] = value
    phase = np.full(50, phase_there, np.float32)
    assert not join_coherence(stored, NO_DATA, LIMIT, phase, np.empty(50, np.float32))


EXTREMES = [
    0,
    1,
    -1,
    1j,
    -0.5j,
    1e-42,
    1e-30 + 1e-30j,
    -9999,
    np.nan,
    np.inf,
    3e38 + 3e38j,
    1.004 + 0.001j,
    1.2,
    -0.3 + 2j,
]


@pytest.mark.parametrize("limit", [1.01, np.inf])
@pytest.mark.parametrize("sign", [1, -1])
def test_parts_are_phase_and_magnitude_in_another_form(sign: int, limit: float) -> None:
    rng = np.random.default_rng(2)
    noise = rng.uniform(0, 1.005, 5000) * np.exp(1j * rng.uniform(-np.pi, np.pi, 5000))
    for values in (noise, np.array(EXTREMES), noise[:37], noise[noise.real**2 + noise.imag**2 < 1]):
        stored = values.astype(np.complex64)
        phase, size, real, imag = np.empty((4, len(stored)), np.float32)
        rules = np.float32(sign), NO_DATA, np.float32(limit)
        within = split_complex(stored.view(np.float32), *rules, phase, size)
        assert split_parts(stored.view(np.float32), *rules, real, imag) == within
        np.testing.assert_array_equal(np.isnan(real), np.isnan(phase))
        np.testing.assert_array_equal(np.isnan(imag), np.isnan(phase))
        finite = np.isfinite(phase) & (size * 1e30 < np.inf)
        expected = size[finite] * np.exp(1j * phase[finite].astype(float))
        largest = np.abs(stored[finite]) < 1e30
        np.testing.assert_allclose((real + 1j * imag)[finite][largest], expected[largest], atol=2e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_parts_take_the_coherence_that_is_given_whatever_the_magnitude(sign: int) -> None:
    rng = np.random.default_rng(3)
    size = 10 ** rng.uniform(-37, 37, 3000)
    stored = (size * np.exp(1j * rng.uniform(-np.pi, np.pi, 3000))).astype(np.complex64)
    stored[:4] = 0, np.nan, np.inf, -9999
    levels = rng.uniform(0, 1.01, 3000).astype(np.float32)
    levels[4:8] = 0, 1.005, np.nan, -9999
    phase, ignored, coherence, real, imag = np.empty((5, 3000), np.float32)
    split_complex(stored.view(np.float32), np.float32(sign), NO_DATA, np.float32(np.inf), phase, ignored)
    assert join_coherence(levels, NO_DATA, np.float32(1.01), phase, coherence)
    assert join_parts(stored.view(np.float32), levels, np.float32(sign), NO_DATA, np.float32(1.01), real, imag)
    np.testing.assert_array_equal(np.isnan(real + imag), np.isnan(phase))
    expected = coherence * np.exp(1j * phase.astype(float))
    np.testing.assert_allclose(real + 1j * imag, expected, atol=2e-6)
    levels[9] = 1.02
    assert not join_parts(stored.view(np.float32), levels, np.float32(sign), NO_DATA, np.float32(1.01), real, imag)
