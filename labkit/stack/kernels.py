"""The compiled kernel of stacking: each pair is read once, filtered and differenced in both directions in one pass.

One call treats a strip of rows of a few pairs, tile by tile. What makes it fast: the sums of a tile stay in a scratch
array that fits the cache while all pairs of the call go by; every inner loop runs along contiguous memory with unsigned
indices, and touches few arrays, so that the compiler turns it into vector code. Everything that a pixel's sums hold is
added in the same order whatever the tile, the strip, the batch of pairs or the number of threads, so results are
identical to the bit.

All compiled functions stand in this one file: their cache on disk is renewed when the file changes, and only then.
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

#: Numbers by which the kernel knows the estimators.
LSQ, CIRCULAR, SUM = 0, 1, 2

#: Sums that each estimator keeps for each pixel and direction.
N_SUMS = {LSQ: 5, CIRCULAR: 5, SUM: 2}

#: The weight of the least squares, |P| / (LIMIT − |P|), is capped by this at 1 / (LIMIT − 1) = 50.
WEIGHT_LIMIT = np.float32(1.02)

#: A little above π, for the rounding of whoever wrapped.
WRAPPED_LIMIT_RAD = np.float32(3.15)

# The tile whose sums stay in the cache: 14 planes of 8192 float32 are 460 kB. A filter wants it tall, for the margins;
# without one, all waits for memory, which is fastest along long rows.
_FILTERED_TILE, _PLAIN_TILE = (16, 512), (4, 2048)
_PLANE_SIZE = 8192
_PLANE = np.uint64(_PLANE_SIZE)
# Pairs of the unfiltered sum are taken by four, so that its sums are fetched from the cache a quarter as often. Their
# phases stand in planes of constant size, which tells the compiler that they cannot overlap.
_GROUP, _LONGEST_PLAIN_LAG = 4, 16
_MASKED_COLS = _PLAIN_TILE[1] + _LONGEST_PLAIN_LAG
_MASKED_SIZE = (_PLAIN_TILE[0] + _LONGEST_PLAIN_LAG) * _MASKED_COLS
_MASKED_PLANE = np.uint64(_MASKED_SIZE)
# What a tile and its margins hold: pixels without data, the edge of the scene, or neither.
_GAPS, _EDGE, _WHOLE = 0, 1, 2
# Planes of the scratch array: for each direction five sums and the count; then coherence and its count.
_COHERENCE_PLANE = 12
_N_PLANES = 14

_PI, _HALF_PI, _TWO_PI = np.float32(np.pi), np.float32(np.pi / 2), np.float32(2 * np.pi)
_INVERSE_PI, _INVERSE_TWO_PI = np.float32(1 / np.pi), np.float32(0.5 / np.pi)
_ZERO, _HALF, _ONE, _NAN = np.float32(0), np.float32(0.5), np.float32(1), np.float32(np.nan)
_1, _2, _3, _4, _5 = (np.uint64(v) for v in (1, 2, 3, 4, 5))

# Taylor series on [−π/2, π/2]: the first omitted terms are below 1e-8.
_S3, _S5, _S7, _S9, _S11 = (np.float32(v) for v in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))
_C2, _C4, _C6, _C8, _C10, _C12 = (
    np.float32(v) for v in (-1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600)
)
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

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_intrinsic: Any = intrinsic


@_intrinsic
def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c rounded once, everywhere alike: the compiler must not choose where to fuse."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


@_intrinsic
def _either(typing_context: Any, flag: Any, condition: Any) -> Any:
    """Or in 32 bits: in the 64 bits of numba's own integers a loop would run at half its width."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.or_(arguments[0], builder.zext(arguments[1], ir.IntType(32)))

    return types.uint32(types.uint32, types.boolean), generate


@_intrinsic
def _stay_apart(typing_context: Any) -> Any:
    """Keep the function that calls this out of its callers: merged into a larger one, its loop is not vectorized."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@_compiled
def _phasor_row(
    phase: F4, coherence: F4, k: int, row: int, col: int, n: int, z: F4, at: int, part: int
) -> bool:  # pragma: no cover
    """Coherence · exp(i phase) at ``z[at:]`` and ``z[at + part:]``, 0 without data; return whether all have data."""
    _stay_apart()
    pair, line, left, count, real, imag = (
        np.uint64(k),
        np.uint64(row),
        np.uint64(col),
        np.uint64(n),
        np.uint64(at),
        np.uint64(at + part),
    )
    missing = np.uint32(0)
    for x in range(count):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        known = (p == p) and (c == c)
        p = p if known else _ZERO
        c = c if known else _ZERO
        turn = np.floor(_fma(p, _INVERSE_PI, _HALF))
        r = _fma(-turn, _PI, p)
        # An odd half turn changes the sign of both sine and cosine.
        c = -c if turn != _ZERO else c
        s = r * r
        sine = r * _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _S11, _S9), _S7), _S5), _S3), _ONE)
        cosine = _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _C12, _C10), _C8), _C6), _C4), _C2), _ONE)
        z[real + x] = c * cosine
        z[imag + x] = c * sine
        missing = _either(missing, not known)
    return missing == 0


@_compiled
def _known_row(
    phase: F4, coherence: F4, k: int, row: int, col: int, n: int, z: F4, at: int
) -> None:  # pragma: no cover
    """1 where there is data, else 0, at ``z[at:]``."""
    _stay_apart()
    pair, line, left, to = np.uint64(k), np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        z[to + x] = _ONE if (p == p) and (c == c) else _ZERO


@_compiled
def _add_taps(source: F4, start: int, step: int, taps: int, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """Sum of an odd number of rows ``source[start + step · tap:]`` into ``out[at:]``, in the order of the taps."""
    _stay_apart()
    count, to = np.uint64(n), np.uint64(at)
    a, b, c = np.uint64(start), np.uint64(start + step), np.uint64(start + 2 * step)
    if taps == 1:
        for x in range(count):
            out[to + x] = source[a + x]
        return
    for x in range(count):
        out[to + x] = source[a + x] + source[b + x] + source[c + x]
    for tap in range(3, taps, 2):
        a, b = np.uint64(start + tap * step), np.uint64(start + (tap + 1) * step)
        for x in range(count):
            out[to + x] = out[to + x] + source[a + x] + source[b + x]


@_compiled
def _multiply_row(source: F4, start: int, factor: np.float32, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """``factor`` · ``source[start:]`` into ``out[at:]``."""
    _stay_apart()
    a, to = np.uint64(start), np.uint64(at)
    for x in range(np.uint64(n)):
        out[to + x] = factor * source[a + x]


@_compiled
def _scale_row(z: F4, at: int, part: int, n: int, whole: bool, inverse: np.float32, known: F4, centre: int) -> None:
    """Turn sums into means: by ``inverse`` where all have data, else by the count; 0 where the centre has none."""
    _stay_apart()
    count, real, imag, number, middle = (
        np.uint64(n),
        np.uint64(at),
        np.uint64(at + part),
        np.uint64(at + 2 * part),
        np.uint64(centre),
    )
    if whole:
        for x in range(count):
            z[real + x] *= inverse
            z[imag + x] *= inverse
    else:
        for x in range(count):
            scale = _ONE / z[number + x] if known[middle + x] > _ZERO else _ZERO
            z[real + x] *= scale
            z[imag + x] *= scale


@_compiled
def _argument(real: np.float32, imag: np.float32, t: np.float32) -> np.float32:  # pragma: no cover
    """Angle of real + i imag from t = smaller / larger part."""
    ax, ay = abs(real), abs(imag)
    s = t * t
    poly = _fma(
        s, _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _fma(s, _A8, _A7), _A6), _A5), _A4), _A3), _A2), _A1), _A0
    )
    r = t * poly
    r = _HALF_PI - r if ay > ax else r
    r = _PI - r if real < _ZERO else r
    return -r if imag < _ZERO else r


@_compiled
def _add_lsq(
    z: F4, ahead: int, here: int, part: int, n: int, years: np.float32, sums: F4, at: int
) -> None:  # pragma: no cover
    """Σ wTΔ, Σ wT², Σ (wTΔ)², Σ w²T³Δ, Σ w²T⁴ with w = |P| / (1.02 − |P|), Δ = arg P."""
    _stay_apart()
    a, b, c, d, to = np.uint64(ahead), np.uint64(ahead + part), np.uint64(here), np.uint64(here + part), np.uint64(at)
    for x in range(np.uint64(n)):
        real = _fma(z[a + x], z[c + x], z[b + x] * z[d + x])
        imag = _fma(z[b + x], z[c + x], -(z[a + x] * z[d + x]))
        size = np.sqrt(_fma(real, real, imag * imag))
        ax, ay = abs(real), abs(imag)
        large, small = max(ax, ay), min(ax, ay)
        room = WEIGHT_LIMIT - size
        # One division serves both the tangent and the weight.
        known = large > _ZERO
        inverse = _ONE / (large * room if known else _ONE)
        delta = _argument(real, imag, small * room * inverse)
        weighted = size * large * inverse * years
        score, information = weighted * delta, weighted * years
        sums[to + x] += score
        sums[to + _PLANE + x] += information
        sums[to + _2 * _PLANE + x] = _fma(score, score, sums[to + _2 * _PLANE + x])
        sums[to + _3 * _PLANE + x] = _fma(score, information, sums[to + _3 * _PLANE + x])
        sums[to + _4 * _PLANE + x] = _fma(information, information, sums[to + _4 * _PLANE + x])
        sums[to + _5 * _PLANE + x] += _ONE if known else _ZERO


@_compiled
def _add_circular(z: F4, ahead: int, here: int, part: int, n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Re P, Σ Im P, Σ Re²P, Σ Im²P, Σ Re P · Im P."""
    _stay_apart()
    a, b, c, d, to = np.uint64(ahead), np.uint64(ahead + part), np.uint64(here), np.uint64(here + part), np.uint64(at)
    for x in range(np.uint64(n)):
        real = _fma(z[a + x], z[c + x], z[b + x] * z[d + x])
        imag = _fma(z[b + x], z[c + x], -(z[a + x] * z[d + x]))
        sums[to + x] += real
        sums[to + _PLANE + x] += imag
        sums[to + _2 * _PLANE + x] = _fma(real, real, sums[to + _2 * _PLANE + x])
        sums[to + _3 * _PLANE + x] = _fma(imag, imag, sums[to + _3 * _PLANE + x])
        sums[to + _4 * _PLANE + x] = _fma(real, imag, sums[to + _4 * _PLANE + x])
        sums[to + _5 * _PLANE + x] += _ONE if abs(real) + abs(imag) > _ZERO else _ZERO


@_compiled
def _add_sum(z: F4, ahead: int, here: int, part: int, n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² with Δ = arg P."""
    _stay_apart()
    a, b, c, d, to = np.uint64(ahead), np.uint64(ahead + part), np.uint64(here), np.uint64(here + part), np.uint64(at)
    for x in range(np.uint64(n)):
        real = _fma(z[a + x], z[c + x], z[b + x] * z[d + x])
        imag = _fma(z[b + x], z[c + x], -(z[a + x] * z[d + x]))
        ax, ay = abs(real), abs(imag)
        large, small = max(ax, ay), min(ax, ay)
        known = large > _ZERO
        delta = _argument(real, imag, small / (large if known else _ONE))
        sums[to + x] += delta
        sums[to + _PLANE + x] = _fma(delta, delta, sums[to + _PLANE + x])
        sums[to + _5 * _PLANE + x] += _ONE if known else _ZERO


@_compiled
def _mask_row(phase: F4, coherence: F4, k: int, row: int, col: int, n: int, masked: F4, at: int) -> None:
    """Phase at ``masked[at:]``, NaN where there is no data or no coherence at all."""
    _stay_apart()
    pair, line, left, to = np.uint64(k), np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        p = phase[pair, line, left + x]
        masked[to + x] = p if coherence[pair, line, left + x] > _ZERO else _NAN


@_compiled
def _wrapped_difference(ahead: np.float32, here: np.float32) -> np.float32:  # pragma: no cover
    delta = ahead - here
    return _fma(-np.floor(_fma(delta, _INVERSE_TWO_PI, _HALF)), _TWO_PI, delta)


@_compiled
def _add_wrapped(masked: F4, ahead: int, here: int, n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² of four pairs where nothing is filtered: Δ is the difference of two phases, wrapped."""
    _stay_apart()
    a, b, to = np.uint64(ahead), np.uint64(here), np.uint64(at)
    for x in range(np.uint64(n)):
        total, squares, count = sums[to + x], sums[to + _PLANE + x], sums[to + _5 * _PLANE + x]
        for pair in numba.literal_unroll((0, 1, 2, 3)):
            plane = np.uint64(pair) * _MASKED_PLANE
            delta = _wrapped_difference(masked[plane + a + x], masked[plane + b + x])
            known = delta == delta
            delta = delta if known else _ZERO
            total += delta
            squares = _fma(delta, delta, squares)
            count += _ONE if known else _ZERO
        sums[to + x] = total
        sums[to + _PLANE + x] = squares
        sums[to + _5 * _PLANE + x] = count


@_compiled
def _add_coherence(
    phase: F4, coherence: F4, k: int, row: int, col: int, n: int, sums: F4, at: int
) -> bool:  # pragma: no cover
    """Σ coherence and its count; return whether every phase is wrapped."""
    _stay_apart()
    pair, line, left, to = np.uint64(k), np.uint64(row), np.uint64(col), np.uint64(at)
    beyond = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        known = (p == p) and (c == c)
        sums[to + x] += c if known else _ZERO
        sums[to + _PLANE + x] += _ONE if known else _ZERO
        beyond = _either(beyond, abs(p) > WRAPPED_LIMIT_RAD)
    return beyond == 0


@_compiled
def _add_products(
    kind: int, z: F4, ahead: int, here: int, part: int, n: int, years: np.float32, sums: F4, at: int
) -> None:  # pragma: no cover
    if kind == LSQ:
        _add_lsq(z, ahead, here, part, n, years, sums, at)
    elif kind == CIRCULAR:
        _add_circular(z, ahead, here, part, n, sums, at)
    else:
        _add_sum(z, ahead, here, part, n, sums, at)


@_compiled
def _sample_products(
    z: F4, ahead: int, here: int, part: int, col: int, n: int, step: int, out: npt.NDArray[np.complex64]
) -> None:  # pragma: no cover
    """P at every ``step``-th column of the scene among the ``n`` columns from ``col`` on."""
    for i in range(-(-col // step), min(-(-(col + n) // step), out.size)):
        x = i * step - col
        first = complex(z[ahead + x], z[ahead + part + x])
        second = complex(z[here + x], -z[here + part + x])
        out[i] = np.complex64(first * second)


@_compiled
def _filter_tile_rows(
    phase: F4, coherence: F4, k: int, tile: tuple[int, int, int, int], window: int, lag: int, z: F4, h: F4, cap: int
) -> int:  # pragma: no cover
    """Sum the phasors of a tile and its margins along the rows into ``h``; return how complete they are."""
    _, height, width = phase.shape
    first, last, left, right = tile
    half = window // 2
    lo, hi = max(left - half, 0), min(right + lag + half, width)
    at, n = lo - (left - half), min(right + lag, width) - left
    inside = left >= half and right + lag + half <= width and first >= half and last + lag + half <= height
    gapless = True
    for row in range(first - half, last + lag + half):
        to = (row - first + half) * 3 * cap
        if row < 0 or row >= height:
            h[to : to + 3 * cap] = _ZERO
        elif window == 1:
            _phasor_row(phase, coherence, k, row, lo, hi - lo, h, to, cap)
        else:
            full = _phasor_row(phase, coherence, k, row, lo, hi - lo, z, at, cap)
            gapless = gapless and full
            for part in range(2):
                _add_taps(z, part * cap, 1, window, n, h, to + part * cap)
    if gapless and not inside:
        # The pixels within a window are those of its columns times those of its rows.
        z[at : at + hi - lo] = _ONE
        _add_taps(z, 0, 1, window, n, z, 2 * cap)
    elif not gapless:
        for row in range(max(first - half, 0), min(last + lag + half, height)):
            _known_row(phase, coherence, k, row, lo, hi - lo, z, at)
            _add_taps(z, 0, 1, window, n, h, (row - first + half) * 3 * cap + 2 * cap)
    return _GAPS if not gapless else _WHOLE if inside else _EDGE


@_compiled
def _add_filtered_tile(
    phase: F4,
    coherence: F4,
    k: int,
    years: np.float32,
    tile: tuple[int, int, int, int],
    window: int,
    lag: int,
    kind: int,
    sums: F4,
    samples: npt.NDArray[np.complex64],
    step: int,
    scratch: tuple[F4, F4, F4],
) -> None:  # pragma: no cover
    """Filter one tile of one pair and add its neighbour products."""
    _, height, width = phase.shape
    first, last, left, right = tile
    half, part = window // 2, scratch[0].size // 3
    z, h, f = scratch
    state = _filter_tile_rows(phase, coherence, k, tile, window, lag, z, h, part)
    n = min(right + lag, width) - left
    inverse = _ONE / np.float32(window * window)
    rows = f.size // (3 * part)
    for row in range(first, min(last + lag, height)):
        if window == 1:
            z_rows, here, before = h, (row - first) * 3 * part, (row - first - lag) * 3 * part
        else:
            z_rows, here, before = f, (row % rows) * 3 * part, ((row - lag) % rows) * 3 * part
            for p in range(3 if state == _GAPS else 2):
                _add_taps(h, (row - first) * 3 * part + p * part, 3 * part, window, n, f, here + p * part)
            if state == _GAPS:
                _known_row(phase, coherence, k, row, left, n, z, 2 * part)
            elif state == _EDGE:
                window_rows = min(row + half, height - 1) - max(row - half, 0) + 1
                _multiply_row(z, 2 * part, np.float32(window_rows), n, f, here + 2 * part)
            _scale_row(f, here, part, n, state == _WHOLE, inverse, z, 2 * part)
        if row < last:
            at = (row - first) * _FILTERED_TILE[1] + 6 * _PLANE_SIZE
            across = max(min(right, width - lag) - left, 0)
            _add_products(kind, z_rows, here + lag, here, part, across, years, sums, at)
            if row % step == 0:
                _sample_products(z_rows, here + lag, here, part, left, across, step, samples[1, k, row // step])
        back = row - lag
        if back >= first:
            _add_products(
                kind, z_rows, here, before, part, right - left, years, sums, (back - first) * _FILTERED_TILE[1]
            )
            if back % step == 0:
                _sample_products(z_rows, here, before, part, left, right - left, step, samples[0, k, back // step])


@_compiled
def _sample_wrapped(
    phase: F4,
    coherence: F4,
    k: int,
    row: int,
    lag: tuple[int, int],
    cols: tuple[int, int],
    step: int,
    out: npt.NDArray[np.complex64],
) -> None:  # pragma: no cover
    """As :func:`_sample_products`, from phases."""
    for i in range(-(-cols[0] // step), min(-(-cols[1] // step), out.size)):
        x = i * step
        delta = phase[k, row + lag[0], x + lag[1]] - phase[k, row, x]
        size = coherence[k, row + lag[0], x + lag[1]] * coherence[k, row, x]
        if delta == delta and size == size:
            out[i] = np.complex64(complex(size * np.cos(delta), size * np.sin(delta)))


@_compiled
def _add_wrapped_tile(
    phase: F4,
    coherence: F4,
    start: int,
    tile: tuple[int, int, int, int],
    lag: int,
    sums: F4,
    samples: npt.NDArray[np.complex64],
    step: int,
    masked: F4,
) -> None:  # pragma: no cover
    """Add the wrapped differences of one tile of up to four pairs, unfiltered."""
    pairs, height, width = phase.shape
    first, last, left, right = tile
    n, rows = min(right + lag, width) - left, min(last + lag, height)
    across = max(min(right, width - lag) - left, 0)
    for i in range(_GROUP):
        plane = i * _MASKED_SIZE
        for row in range(first, rows):
            place = plane + (row - first) * _MASKED_COLS
            if start + i < pairs:
                _mask_row(phase, coherence, start + i, row, left, n, masked, place)
            else:
                masked[place : place + n] = _NAN
    for row in range(first, last):
        at, here = (row - first) * _PLAIN_TILE[1], (row - first) * _MASKED_COLS
        _add_wrapped(masked, here + lag, here, across, sums, at + 6 * _PLANE_SIZE)
        if row + lag < height:
            _add_wrapped(masked, here + lag * _MASKED_COLS, here, right - left, sums, at)
        if row % step == 0:
            for k in range(start, min(start + _GROUP, pairs)):
                out = samples[:, k, row // step]
                _sample_wrapped(phase, coherence, k, row, (0, lag), (left, left + across), step, out[1])
                if row + lag < height:
                    _sample_wrapped(phase, coherence, k, row, (lag, 0), (left, right), step, out[0])


@_compiled
def _fetch_row(source: Any, row: int, col: int, n: int, scratch: F4, at: int) -> None:  # pragma: no cover
    """Copy part of a row of sums or counts into the scratch array."""
    line, left, to = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        scratch[to + x] = np.float32(source[line, left + x])


@_compiled
def _store_sums(scratch: F4, at: int, target: F4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back what :func:`_fetch_row` fetched."""
    line, left, source = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        target[line, left + x] = scratch[source + x]


@_compiled
def _store_counts(scratch: F4, at: int, target: I4, row: int, col: int, n: int) -> None:  # pragma: no cover
    """Copy back counts, which are exact in float32 up to 16 million pairs."""
    line, left, source = np.uint64(row), np.uint64(col), np.uint64(at)
    for x in range(np.uint64(n)):
        target[line, left + x] = np.int32(scratch[source + x])


@_compiled
def _exchange(
    tile: tuple[int, int, int, int],
    stride: int,
    scratch: F4,
    sums: F4,
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
    fetch: bool,
) -> None:  # pragma: no cover
    """Fetch the sums of a tile into the scratch array, or store them back."""
    first, last, left, right = tile
    n, plane = right - left, _PLANE_SIZE
    for row in range(first, last):
        at = (row - first) * stride
        for direction in range(2):
            for i in range(sums.shape[1]):
                place = at + (6 * direction + i) * plane
                if fetch:
                    _fetch_row(sums[direction, i], row, left, n, scratch, place)
                else:
                    _store_sums(scratch, place, sums[direction, i], row, left, n)
            place = at + (6 * direction + 5) * plane
            if fetch:
                _fetch_row(counts[direction], row, left, n, scratch, place)
            else:
                _store_counts(scratch, place, counts[direction], row, left, n)
        place = at + _COHERENCE_PLANE * plane
        if fetch:
            _fetch_row(coherence_sum, row, left, n, scratch, place)
            _fetch_row(coherence_count, row, left, n, scratch, place + plane)
        else:
            _store_sums(scratch, place, coherence_sum, row, left, n)
            _store_counts(scratch, place + plane, coherence_count, row, left, n)


@_compiled
def accumulate_strip(
    phase: F4,
    coherence: F4,
    years: F4,
    rows: tuple[int, int],
    window: int,
    lag: int,
    kind: int,
    sums: F4,
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
    samples: npt.NDArray[np.complex64],
    sample_step: int,
) -> bool:  # pragma: no cover
    """Add a few pairs to the sums of one strip of rows.

    Parameters
    ----------
    phase, coherence : (pairs, y, x) float32, contiguous
        rad and 0..1; NaN = no data in either is no data in both.
    years : (pairs,) float32
        Temporal baselines.
    rows : (int, int)
        The strip, half-open.
    window, lag : int
        Edge of the filter (odd) and distance of the neighbours, px.
    kind : int
        LSQ, CIRCULAR or SUM.
    sums, counts : (2, N_SUMS, y, x), (2, y, x)
        Sums of each direction (azimuth = along y, range = along x), changed in place within the strip alone.
    coherence_sum, coherence_count : (y, x)
        Likewise.
    samples : (2, pairs, y // step, x // step) complex64
        Receives the products P at every ``sample_step``-th pixel.

    Returns
    -------
    bool
        Whether every phase of the strip is wrapped; the sums mean nothing where it is not.
    """
    pairs, _, width = phase.shape
    plain = kind == SUM and window == 1 and lag <= _LONGEST_PLAIN_LAG
    tile_rows, stride = _PLAIN_TILE if plain else _FILTERED_TILE
    cap = stride + lag + window
    scratch = np.zeros(_N_PLANES * _PLANE_SIZE, np.float32)
    z = np.zeros(3 * cap, np.float32)
    h = np.zeros(3 * cap * (tile_rows + lag + window), np.float32)
    f = np.zeros(3 * cap * (lag + 1), np.float32)
    masked = np.empty(_GROUP * _MASKED_SIZE if plain else 0, np.float32)
    wrapped = True
    for top in range(rows[0], rows[1], tile_rows):
        for left in range(0, width, stride):
            tile = (top, min(top + tile_rows, rows[1]), left, min(left + stride, width))
            z[:] = _ZERO
            _exchange(tile, stride, scratch, sums, counts, coherence_sum, coherence_count, True)
            for k in range(pairs):
                for row in range(tile[0], tile[1]):
                    at = (row - tile[0]) * stride + _COHERENCE_PLANE * _PLANE_SIZE
                    wrapped &= _add_coherence(phase, coherence, k, row, left, tile[3] - left, scratch, at)
                if not plain:
                    _add_filtered_tile(
                        phase, coherence, k, years[k], tile, window, lag, kind, scratch, samples, sample_step, (z, h, f)
                    )
                elif k % _GROUP == 0:
                    _add_wrapped_tile(phase, coherence, k, tile, lag, scratch, samples, sample_step, masked)
            _exchange(tile, stride, scratch, sums, counts, coherence_sum, coherence_count, False)
    return wrapped
