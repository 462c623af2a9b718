"""What the compiled kernels of stacking share: how they are compiled, exact arithmetic, and a tile's way to its scene.

What makes them fast: the sums of a tile stay in a scratch array that fits the cache while all pairs of a call go by;
every inner loop stands in a function of its own, runs along contiguous memory with unsigned indices, and is told that
its arrays do not overlap, so that the compiler turns it into vector code. Every pixel's sums are added in the same
order, pair by pair, whatever the tile, the strip, the batch or the number of threads, so results are identical to the
bit.

Compiled code is cached on disk for each module, and renewed when that module or one of :data:`_SHARED` changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
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

#: Numbers in a line of the cache.
_LINE = np.uint64(16)

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

#: Modules with compiled functions that those of other modules are made of.
_SHARED = ("compiled.py", "phasors.py", "products.py", "filtered.py")


class _KernelCache(FunctionCache):
    """Compiled code on disk: numba's own would not notice a change in another module that was compiled in."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        files = [(Path(__file__).with_name(name)).stat() for name in _SHARED]
        stamp = self._impl.locator.get_source_stamp(), *((file.st_mtime_ns, file.st_size) for file in files)
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)


_njit: Any = numba.njit
_intrinsic: Any = intrinsic


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel at its first call, or take it from the cache; it runs without Python's lock."""
    return _kept(_njit(nogil=True, error_model="numpy")(function), function)


def compiled_within(function: Callable[..., Any]) -> Any:
    """Compile a part of a kernel, which makes no array: it need not count who holds those it is given.

    To count costs a tenth of the whole: each count waits for all that was stored before.
    """
    return _kept(_njit(nogil=True, error_model="numpy", _nrt=False)(function), function)


def _kept(kernel: Any, function: Callable[..., Any]) -> Any:
    kernel._cache = _KernelCache(function)
    return kernel


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
def _fetch(typing_context: Any, array: Any, i: Any, j: Any, k: Any) -> Any:
    """Have ``array[i, j, k]`` brought into the cache; one that is not there does no harm."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        _, rows, cols = (builder.extract_value(held.shape, axis) for axis in range(3))
        place = builder.add(builder.mul(arguments[1], rows), arguments[2])
        pointer = builder.gep(held.data, [builder.add(builder.mul(place, cols), arguments[3])])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # To be read, and kept close.
        builder.call(prefetch, [builder.bitcast(pointer, byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint64, types.uint64), generate


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


@compiled_within
def wrapped_difference(ahead: np.float32, here: np.float32) -> np.float32:  # pragma: no cover
    """Difference of two angles, wrapped into [−π, π)."""
    delta = ahead - here
    return fma(-np.floor(fma(delta, INVERSE_TWO_PI, HALF)), TWO_PI, delta)


@compiled_within
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


@compiled_within
def fetch_ahead(phase: F4, coherence: F4, pair: int, line: int, left: int, n: int) -> None:  # pragma: no cover
    """Have part of a row brought into the cache from contiguous arrays, while others are worked on.

    The rows of a tile are short pieces far apart, which the processor does not foresee.
    """
    stay_apart()
    k, y, begin = np.uint64(pair), np.uint64(line), np.uint64(left)
    for x in range(np.uint64(0), np.uint64(n), _LINE):
        _fetch(phase, k, y, begin + x)
        _fetch(coherence, k, y, begin + x)


@compiled_within
def _fetch_row(source: Any, fresh: bool, row: int, col: int, n: int, scratch: F4, at: int) -> None:  # pragma: no cover
    """Copy part of a row of sums or counts into the scratch array, or the zeros that ``fresh`` ones are."""
    stay_apart()
    if fresh:
        scratch[at : at + n] = ZERO
        return
    line, left, to = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        scratch[to + x] = np.float32(source[line, left + x])


@compiled_within
def _store_sums(scratch: F4, at: int, target: F4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back what :func:`_fetch_row` fetched."""
    stay_apart()
    line, left, source = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        target[line, left + x] = scratch[source + x]


@compiled_within
def _store_counts(scratch: F4, at: int, more: int, target: I4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back counts, which are exact in float32 up to 16 million pairs, and ``more`` that are the row's alike."""
    stay_apart()
    line, left, source, extra = np.uint64(row), np.uint64(col), np.uint64(at), np.int32(more)
    for x in range(np.uint64(n)):
        target[line, left + x] = np.int32(scratch[source + x]) + extra


@compiled_within
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
        for direction in range(2):
            place = at + DIRECTION_PLANES * direction * plane
            for i in range(sums[0].shape[0]):
                _fetch_row(sums[direction][i], fresh, row, left, n, scratch, place + i * plane)
            _fetch_row(counts[direction], fresh, row, left, n, scratch, place + 5 * plane)
        place = at + COHERENCE_PLANE * plane
        _fetch_row(coherence_sum, fresh, row, left, n, scratch, place)
        _fetch_row(coherence_count, fresh, row, left, n, scratch, place + plane)


@compiled_within
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


@compiled_within
def weight_of(c: np.float32, floor: np.float32, power: np.float32) -> np.float32:  # pragma: no cover
    """Coherence ** power: NaN below the floor, and 0 where there is no coherence at all."""
    weight = c if power == ONE else ONE if power == ZERO else c**power
    weight = weight if c > ZERO else c
    return weight if c >= floor else NAN


@compiled_within
def weigh_row(
    coherence: F4, k: int, row: int, col: int, n: int, floor: np.float32, power: np.float32, weights: F4
) -> None:  # pragma: no cover
    """Weights of part of a row at ``weights[0, 0, :]`` (:func:`weight_of`)."""
    stay_apart()
    pair, line, left = np.uint64(k), np.uint64(row), np.uint64(col)
    for x in range(np.uint64(n)):
        weights[0, 0, x] = weight_of(coherence[pair, line, left + x], floor, power)
