"""From the sums of one pass to a stacked gradient and its standard error: the four estimators.

T is the temporal baseline in years, Δ = arg P and |P| ≤ 1 come from the neighbour product P of a filtered pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import (
    CIRCULAR,
    F4,
    HALF,
    I4,
    INVERSE_TWO_PI,
    LSQ,
    NAN,
    ONE,
    SUM,
    TWO_PI,
    ZERO,
    argument,
    compiled,
    fma,
    stay_apart,
)
from labkit.stack.filters import box_mean
from labkit.stack.kernels import Sums
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]

#: Public name → sums that the kernel keeps. "rewrapped" is "sum" wrapped at the end: wrapping is a homomorphism, so
#: wrapping after every addition, as published, gives the same number.
KERNEL_OF = {"lsq": LSQ, "circular": CIRCULAR, "sum": SUM, "rewrapped": SUM}

_TWO = np.float32(2)


@dataclass(frozen=True)
class Estimate:
    """Stacked gradient and its standard error before the network's correction, (2, y, x) rad, NaN = no data."""

    gradient: Image
    standard_error: Image


def estimate(
    sums: Sums,
    name: str,
    *,
    window: int = 1,
    error_factors: Sequence[float] = (1.0, 1.0),
    threads: int = 1,
    forget: bool = False,
) -> Estimate:
    """Evaluate an estimator from the sums of one pass; formulas in :func:`labkit.stack_gradients`.

    Parameters
    ----------
    sums : Sums
        What the pass left.
    name : str
        Estimator.
    window : int
        Edge of the filter, px.
    error_factors : two floats
        By which the standard error of each direction is multiplied.
    threads : int
        The result does not depend on it.
    forget : bool
        Take the sums of a direction out of ``sums`` once its gradient stands: the larger part of a stack's memory.

    Notes
    -----
    The weights of ``lsq`` let a few coherent pairs hold most of a pixel (12 of 79 at Danba with a window of 7), so that
    the spread of its own pairs tells its error poorly, and a gradient over such an error spreads too widely. What the
    pairs spread beyond their weights, Σ (wT r)² / Σ wT² with the residuals r, is therefore averaged over the pixels
    within two windows around; the weights stay each pixel's own.
    """
    kind = KERNEL_OF[name]
    result = Estimate(np.empty(sums.counts.shape, np.float32), np.empty(sums.counts.shape, np.float32))
    whole = np.float32(len(sums.years) if kind == CIRCULAR else sums.years.sum(dtype=np.float64))
    factors = np.array(error_factors, np.float32)
    with RowThreads(threads) as shared:
        for direction in range(2):
            of_direction, counts = sums.sums[direction], sums.counts[direction]
            gradient, error = result.gradient[direction], result.standard_error[direction]
            rule = (kind, name == "rewrapped", whole, factors[direction])
            shared.over_rows(len(error), _estimate_rows, *rule, of_direction, counts, gradient, error)
            if kind == LSQ:
                excess = box_mean(error, 2 * window + 1, shared)
                shared.over_rows(
                    len(error), _error_rows, whole, factors[direction], excess, of_direction[1], counts, error
                )
            if forget:
                sums.sums[direction] = np.empty((0, 0, 0), np.float32)
            del of_direction
    return result


def mean_coherence(sums: Sums, *, threads: int = 1) -> Image:
    """Mean coherence over the pairs with data, (y, x) float32, NaN = no data."""
    mean = np.empty(sums.coherence_sum.shape, np.float32)
    with RowThreads(threads) as shared:
        shared.over_rows(len(mean), _mean_rows, sums.coherence_sum, sums.coherence_count, mean)
    return mean


@compiled
def _estimate_rows(
    first: int,
    last: int,
    kind: int,
    wrapped: bool,
    whole: np.float32,
    factor: np.float32,
    sums: F4,
    counts: I4,
    gradient: F4,
    error: F4,
) -> None:  # pragma: no cover
    for row in range(first, last):
        of_row, number, value, spread = sums[:, row], counts[row], gradient[row], error[row]
        if kind == LSQ:
            _lsq_row(of_row, number, whole, value, spread)
        elif kind == CIRCULAR:
            _circular_row(of_row, number, whole, factor, value, spread)
        else:
            _sum_row(of_row, number, wrapped, factor, value, spread)


@compiled
def _few_pairs(count: int) -> np.float32:  # pragma: no cover
    """√(n / (n − 1)): one mean was fitted to the n pairs of a pixel; no spread is known of one pair alone."""
    n = np.float32(count)
    return np.sqrt(n / (n - ONE)) if n > ONE else NAN


@compiled
def _lsq_row(sums: F4, counts: I4, years: np.float32, gradient: F4, excess: F4) -> None:  # pragma: no cover
    """The gradient, and the spread of the pairs beyond what their weights say."""
    stay_apart()
    for x in range(np.uint64(counts.size)):
        score, information, squares = sums[0, x], sums[1, x], sums[2, x]
        mixed, information_squares = sums[3, x], sums[4, x]
        inverse = ONE / information if counts[x] > 0 else NAN
        rate = score * inverse
        residual = fma(rate, fma(rate, information_squares, -_TWO * mixed), squares)
        residual = residual if residual > ZERO else ZERO
        gradient[x] = years * rate
        excess[x] = residual * inverse if counts[x] > 1 else NAN


@compiled
def _error_rows(
    first: int, last: int, years: np.float32, factor: np.float32, excess: F4, information: F4, counts: I4, error: F4
) -> None:  # pragma: no cover
    for row in range(first, last):
        _error_row(years * factor, excess[row], information[row], counts[row], error[row])


@compiled
def _error_row(scale: np.float32, excess: F4, information: F4, counts: I4, error: F4) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(counts.size)):
        error[x] = scale * np.sqrt(excess[x] / information[x]) * _few_pairs(counts[x])


@compiled
def _circular_row(
    sums: F4, counts: I4, pairs: np.float32, factor: np.float32, gradient: F4, error: F4
) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(counts.size)):
        real, imag = sums[0, x], sums[1, x]
        size = np.sqrt(fma(real, real, imag * imag))
        inverse = ONE / size if counts[x] > 0 else NAN
        cosine, sine = real * inverse, imag * inverse
        across = fma(cosine * cosine, sums[3, x], fma(-_TWO * sine * cosine, sums[4, x], sine * sine * sums[2, x]))
        across = across if across > ZERO else ZERO
        gradient[x] = pairs * argument(real, imag) if counts[x] > 0 else NAN
        error[x] = factor * pairs * np.sqrt(across) * inverse * _few_pairs(counts[x])


@compiled
def _sum_row(
    sums: F4, counts: I4, wrapped: bool, factor: np.float32, gradient: F4, error: F4
) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(counts.size)):
        total, n = sums[0, x], np.float32(counts[x])
        spread = sums[1, x] - total * total / max(n, ONE)
        spread = spread if spread > ZERO else ZERO
        turned = fma(-np.floor(fma(total, INVERSE_TWO_PI, HALF)), TWO_PI, total)
        value = turned if wrapped else total
        gradient[x] = value if n > ZERO else NAN
        error[x] = factor * np.sqrt(spread) * _few_pairs(counts[x])


@compiled
def _mean_rows(first: int, last: int, total: F4, count: I4, mean: F4) -> None:  # pragma: no cover
    for row in range(first, last):
        _mean_row(total[row], count[row], mean[row])


@compiled
def _mean_row(total: F4, count: I4, mean: F4) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(count.size)):
        mean[x] = total[x] / np.float32(count[x]) if count[x] > 0 else NAN
