"""What the compiled kernels of stacking share: how they are compiled, exact arithmetic, and a tile's way to its scene.

What makes them fast: the sums of a tile stay in a scratch array that fits the cache while all pairs of a call go by;
every inner loop stands in a function of its own, runs along contiguous memory with unsigned indices, and is told that
its arrays do not overlap, so that the compiler turns it into vector code. Every pixel's sums are added in the same
order, pair by pair, whatever the tile, the strip, the batch or the number of threads, so results are identical to the
bit.

Compiled code is cached on disk for each module, and renewed when that module changes: after a change here, remove
``labkit/stack/__pycache__/*.nb*``.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

F4 = npt.NDArray[np.float32]
I4 = npt.NDArray[np.int32]

#: Numbers by which the kernels know the estimators.
LSQ, CIRCULAR, SUM = 0, 1, 2

#: Sums that each estimator keeps for each pixel and direction.
N_SUMS = {LSQ: 5, CIRCULAR: 5, SUM: 2}

#: A little above π, for the rounding of whoever wrapped.
WRAPPED_LIMIT_RAD = np.float32(3.15)

#: What a row holds: pixels without data, phases beyond ±π.
MISSING, BEYOND = np.uint32(1), np.uint32(2)

#: Planes of a tile's scratch array: for each direction up to five sums and the count; then coherence and its count.
DIRECTION_PLANES, COHERENCE_PLANE, N_PLANES = 6, 12, 14

#: Pairs are added by four, so that a tile's sums are fetched from the cache a quarter as often.
GROUP = 4

ZERO, HALF, ONE, NAN = np.float32(0), np.float32(0.5), np.float32(1), np.float32(np.nan)
PI, HALF_PI, TWO_PI = np.float32(np.pi), np.float32(np.pi / 2), np.float32(2 * np.pi)
INVERSE_TWO_PI = np.float32(0.5 / np.pi)

# Chebyshev fit of atan(t) / t in t² on [0, 1], error 1.1e-7 rad in float32.
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8 = (
    np.float32(v)
    for v in (
        0.999999984,
        -0.333330668,
        0.199924836,
        -0.142025705,
        0.106367541,
        -0.0749544544,
        0.0425876075,
        -0.0160050305,
        0.0028340643,
    )
)

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_intrinsic: Any = intrinsic


@_intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c rounded once, everywhere alike: the compiler must not choose where to fuse."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


@_intrinsic
def flagged(typing_context: Any, flags: Any, flag: Any, condition: Any) -> Any:
    """``flags`` with ``flag`` set where the condition holds, in 32 bits: numba's own 64 would halve a loop's width."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.or_(arguments[0], builder.select(arguments[2], arguments[1], ir.Constant(ir.IntType(32), 0)))

    return types.uint32(types.uint32, types.uint32, types.boolean), generate


@_intrinsic
def stay_apart(typing_context: Any) -> Any:
    """Keep the function that calls this out of its callers, and promise that its arrays do not overlap.

    Merged into a larger function its loop is not vectorized; with arrays that might overlap, neither.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def wrapped_difference(ahead: np.float32, here: np.float32) -> np.float32:  # pragma: no cover
    """Difference of two angles, wrapped into [−π, π)."""
    delta = ahead - here
    return fma(-np.floor(fma(delta, INVERSE_TWO_PI, HALF)), TWO_PI, delta)


@compiled
def argument(real: np.float32, imag: np.float32) -> np.float32:  # pragma: no cover
    """Angle of real + i imag; 0 for 0."""
    ax, ay = abs(real), abs(imag)
    large, small = max(ax, ay), min(ax, ay)
    t = small / (large if large > ZERO else ONE)
    s = t * t
    poly = fma(s, fma(s, fma(s, fma(s, fma(s, fma(s, fma(s, fma(s, _A8, _A7), _A6), _A5), _A4), _A3), _A2), _A1), _A0)
    r = t * poly
    r = HALF_PI - r if ay > ax else r
    r = PI - r if real < ZERO else r
    return -r if imag < ZERO else r


@compiled
def _fetch_row(source: Any, row: int, col: int, n: int, scratch: F4, at: int) -> None:  # pragma: no cover
    """Copy part of a row of sums or counts into the scratch array."""
    stay_apart()
    line, left, to = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        scratch[to + x] = np.float32(source[line, left + x])


@compiled
def _store_sums(scratch: F4, at: int, target: F4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back what :func:`_fetch_row` fetched."""
    stay_apart()
    line, left, source = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        target[line, left + x] = scratch[source + x]


@compiled
def _store_counts(scratch: F4, at: int, more: int, target: I4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back counts, which are exact in float32 up to 16 million pairs, and ``more`` that are the row's alike."""
    stay_apart()
    line, left, source, extra = np.uint64(row), np.uint64(col), np.uint64(at), np.int32(more)
    for x in range(np.uint64(n)):
        target[line, left + x] = np.int32(scratch[source + x]) + extra


@compiled
def fetch_tile(
    tile: tuple[int, int, int, int],
    fresh: bool,
    stride: int,
    plane: int,
    scratch: F4,
    sums: tuple[F4, F4],
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
) -> None:  # pragma: no cover
    """Fetch the sums of a tile into planes of ``plane`` numbers, its rows ``stride`` numbers apart.

    ``fresh`` sums are 0 and are not looked at: memory that is read before it is first written costs twice.
    """
    first, last, left, right = tile
    n = right - left
    for row in range(first, last):
        at = (row - first) * stride
        if fresh:
            for i in range(N_PLANES):
                scratch[at + i * plane : at + i * plane + n] = ZERO
            continue
        for direction in range(2):
            for i in range(sums[0].shape[0]):
                _fetch_row(sums[direction][i], row, left, n, scratch, at + (DIRECTION_PLANES * direction + i) * plane)
            _fetch_row(counts[direction], row, left, n, scratch, at + (DIRECTION_PLANES * direction + 5) * plane)
        _fetch_row(coherence_sum, row, left, n, scratch, at + COHERENCE_PLANE * plane)
        _fetch_row(coherence_count, row, left, n, scratch, at + (COHERENCE_PLANE + 1) * plane)


@compiled
def store_tile(
    tile: tuple[int, int, int, int],
    end: int,
    stride: int,
    plane: int,
    scratch: F4,
    whole: npt.NDArray[np.int64],
    sums: tuple[F4, F4],
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
) -> None:  # pragma: no cover
    """Store back what :func:`fetch_tile` fetched.

    ``whole`` (3, row): pairs that count all along a row of the tile, for differences along y, along x (up to column
    ``end`` of the scene, where they end), and the coherence.
    """
    first, last, left, right = tile
    n = right - left
    for row in range(first, last):
        line = row - first
        at = line * stride
        for direction in range(2):
            for i in range(sums[0].shape[0]):
                _store_sums(scratch, at + (DIRECTION_PLANES * direction + i) * plane, sums[direction][i], row, left, n)
            place = at + (DIRECTION_PLANES * direction + 5) * plane
            within = n if direction == 0 else max(min(right, end) - left, 0)
            _store_counts(scratch, place, whole[direction, line], counts[direction], row, left, within)
        _store_sums(scratch, at + COHERENCE_PLANE * plane, coherence_sum, row, left, n)
        place = at + (COHERENCE_PLANE + 1) * plane
        _store_counts(scratch, place, whole[2, line], coherence_count, row, left, n)


@compiled
def weigh_row(
    coherence: F4, k: int, row: int, col: int, n: int, floor: np.float32, power: np.float32, weights: F4
) -> None:  # pragma: no cover
    """Coherence ** power at ``weights[0, 0, :]``: NaN below the floor, and 0 where there is no coherence at all."""
    stay_apart()
    pair, line, left = np.uint64(k), np.uint64(row), np.uint64(col)
    for x in range(np.uint64(n)):
        c = coherence[pair, line, left + x]
        weight = c if power == ONE else ONE if power == ZERO else c**power
        weight = weight if c > ZERO else c
        weights[0, 0, x] = weight if c >= floor else NAN
