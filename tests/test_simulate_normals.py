"""Computed normal numbers are normal, independent, and the same whoever asks for them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labkit.simulate.normals import normal_rows, pair_key
from labkit.simulate.polynomials import polynomial, series


def rows(key: int, first: int, count: int, cols: int = 2000) -> np.ndarray:
    """Rows of both normals, (row, 2, column)."""
    words = np.empty(cols, np.uint32)
    made = np.empty((count, 2, cols), np.float32)
    for i in range(count):
        normal_rows(pair_key(key, "test"), first + i, words, words.view(np.float32), made[i, 0], made[i, 1])
    return made


def test_they_are_normal_to_the_tails() -> None:
    drawn = rows(0, 0, 500).astype(float).ravel()
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    for moment, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert np.mean(drawn**moment) == pytest.approx(expected, abs=4 * np.sqrt(spread / drawn.size))
    for beyond in (3.0, 4.0, 4.5):
        expected = drawn.size * 2 * stats.norm.sf(beyond)
        assert abs((np.abs(drawn) > beyond).sum() - expected) < 4 * np.sqrt(expected)


def test_pairs_columns_rows_keys_and_their_squares_are_independent() -> None:
    drawn = rows(0, 0, 200).astype(float)
    other = rows(1, 0, 200).astype(float)
    neighbours = (
        (drawn[:, 0], drawn[:, 1]),
        (drawn[:, :, 1:], drawn[:, :, :-1]),
        (drawn[1:], drawn[:-1]),
        (drawn[:, 0, 1:], drawn[:, 1, :-1]),
        (drawn, other),
    )
    for a, b in neighbours:
        for power in (1, 2):
            assert abs(np.corrcoef((a**power).ravel(), (b**power).ravel())[0, 1]) < 4.5 / np.sqrt(a.size)


def test_no_wave_stands_out_in_their_spectrum() -> None:
    drawn = rows(3, 0, 512, 1024)[:, 0].astype(float)
    power = np.abs(np.fft.rfft2(drawn)) ** 2 / drawn.size
    inner = power[:, 1:-1].ravel()
    assert stats.kstest(inner, "expon").pvalue > 1e-3
    # the largest of n exponential numbers is log n + a Gumbel number, hardly ever above 7
    assert inner.max() < np.log(inner.size) + 7


def test_a_row_can_be_made_alone_and_cut_short() -> None:
    whole = rows(5, 0, 40)
    np.testing.assert_array_equal(rows(5, 30, 5), whole[30:35])
    np.testing.assert_array_equal(rows(5, 30, 1, 700)[0], whole[30, :, :700])


@pytest.mark.parametrize(("function", "low", "high"), [(np.exp2, 0.0, 1.0), (np.sin, -1.0, 1.5)])
def test_a_series_follows_its_function(function: np.ufunc, low: float, high: float) -> None:
    coefficients = series(function, low, high, 8)
    x = np.linspace(low, high, 301)
    made = [float(polynomial(coefficients, np.float32(v))) for v in x]
    np.testing.assert_allclose(made, function(x), atol=2e-6)
