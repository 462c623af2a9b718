"""The compiled kernel of filtered pairs: moving mean of coherence · exp(i phase), neighbour products, their sums.

Each pair is read once. Filtered values are kept as angle and magnitude, so that a pixel's angle is taken once and
serves all its neighbours: Δ is a wrapped difference of two angles, |P| the product of two magnitudes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import (
    BEYOND,
    CIRCULAR,
    COHERENCE_PLANE,
    DIRECTION_PLANES,
    F4,
    GROUP,
    HALF,
    I4,
    LSQ,
    MISSING,
    N_PLANES,
    ONE,
    PI,
    WRAPPED_LIMIT_RAD,
    ZERO,
    argument,
    compiled,
    fetch_tile,
    flagged,
    fma,
    stay_apart,
    store_tile,
    weigh_row,
    wrapped_difference,
)

#: The weight of the least squares, |P| / (LIMIT − |P|), is capped by this at 1 / (LIMIT − 1) = 50.
WEIGHT_LIMIT = np.float32(1.02)

# A tile's sums are to fit the cache: 14 planes of 8192 float32 are 460 kB. It is tall for the sake of its margins.
_ROWS, _COLS = 16, 512
_LINE = 16
_PLANE_SIZE = _ROWS * _COLS
_PLANE = np.uint64(_PLANE_SIZE)
_1, _2, _3, _4, _5 = (np.uint64(v) for v in (1, 2, 3, 4, 5))
# What a tile and its margins hold: pixels without data, the edge of the scene, or neither.
_GAPS, _EDGE, _WHOLE = 0, 1, 2

_INVERSE_PI = np.float32(1 / np.pi)
# Polynomials in r² fitted at Chebyshev nodes on [−π/2, π/2]: sin r / r to 3e-8, cos r to 9e-10.
_S1, _S2, _S3, _S4 = (np.float32(v) for v in (-0.16666666, 0.00833324214, -0.000198227395, 2.63475639e-06))
_C1, _C2, _C3, _C4, _C5 = (np.float32(v) for v in (-0.5, 0.0416666594, -0.00138886516, 2.47745797e-05, -2.62975174e-07))


@compiled
def _phasor_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, z: F4, at: int, part: int
) -> np.uint32:  # pragma: no cover
    """Weight · exp(i phase) at ``z[at:]`` and ``z[at + part:]``, 0 without data; return flags."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    real, imag = np.uint64(at), np.uint64(at + part)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        known = (p == p) and (c == c)
        flags = flagged(flags, MISSING, not known)
        flags = flagged(flags, BEYOND, abs(p) > WRAPPED_LIMIT_RAD)
        p = p if known else ZERO
        c = c if known else ZERO
        turn = np.floor(fma(p, _INVERSE_PI, HALF))
        r = fma(-turn, PI, p)
        # An odd half turn changes the sign of both sine and cosine.
        c = -c if turn != ZERO else c
        s = r * r
        sine = r * fma(s, fma(s, fma(s, fma(s, _S4, _S3), _S2), _S1), ONE)
        cosine = fma(s, fma(s, fma(s, fma(s, fma(s, _C5, _C4), _C3), _C2), _C1), ONE)
        z[real + x] = c * cosine
        z[imag + x] = c * sine
    return flags


@compiled
def _bare_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, f: F4, at: int, part: int
) -> np.uint32:  # pragma: no cover
    """Angle and magnitude of a pair that is not filtered, 0 without data; return flags."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    angle, size = np.uint64(at), np.uint64(at + part)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        known = (p == p) and (c == c)
        flags = flagged(flags, MISSING, not known)
        flags = flagged(flags, BEYOND, abs(p) > WRAPPED_LIMIT_RAD)
        f[angle + x] = p if known else ZERO
        f[size + x] = c if known else ZERO
    return flags


@compiled
def _known_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, z: F4, at: int
) -> None:  # pragma: no cover
    """1 where there is data, else 0, at ``z[at:]``."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        z[to + x] = ONE if (p == p) and (c == c) else ZERO


@compiled
def _add_coherence(
    phase: F4, coherence: F4, place: tuple[int, int, int], n: int, whole: bool, sums: F4, at: int
) -> None:  # pragma: no cover
    """Σ coherence at ``sums[at:]``, and its count in the next plane where the row is not whole."""
    stay_apart()
    pair, line, left, to = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2]), np.uint64(at)
    if whole:
        for x in range(np.uint64(n)):
            sums[to + x] += coherence[pair, line, left + x]
    else:
        for x in range(np.uint64(n)):
            p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
            known = (p == p) and (c == c)
            sums[to + x] += c if known else ZERO
            sums[to + _PLANE + x] += ONE if known else ZERO


@compiled
def _add_taps(source: F4, start: int, step: int, taps: int, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """Sum of an odd number (3 or more) of rows ``source[start + step · tap:]`` into ``out[at:]``, in their order."""
    stay_apart()
    count, to = np.uint64(n), np.uint64(at)
    a, b, c = np.uint64(start), np.uint64(start + step), np.uint64(start + 2 * step)
    if taps == 3:
        for x in range(count):
            out[to + x] = source[a + x] + source[b + x] + source[c + x]
        return
    d, e = np.uint64(start + 3 * step), np.uint64(start + 4 * step)
    for x in range(count):
        out[to + x] = source[a + x] + source[b + x] + source[c + x] + source[d + x] + source[e + x]
    for tap in range(5, taps, 2):
        a, b = np.uint64(start + tap * step), np.uint64(start + (tap + 1) * step)
        for x in range(count):
            out[to + x] = out[to + x] + source[a + x] + source[b + x]


@compiled
def _multiply_row(source: F4, factor: np.float32, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """``factor`` · ``source`` into ``out[at:]``."""
    stay_apart()
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        out[to + x] = factor * source[x]


@compiled
def _finish_row(
    z: F4, cap: int, n: int, whole: bool, inverse: np.float32, polar: bool, f: F4, at: int, part: int
) -> None:  # pragma: no cover
    """Turn sums of phasors in ``z`` into means, as angle and magnitude or real and imaginary part.

    ``z`` holds four rows ``cap`` numbers apart: real, imaginary, how many pixels had data, whether the centre has. The
    mean is 0 where the centre has no data; ``inverse`` is used where all have.
    """
    stay_apart()
    imag, number, centre = np.uint64(cap), np.uint64(2 * cap), np.uint64(3 * cap)
    first, second, count = np.uint64(at), np.uint64(at + part), np.uint64(n)
    if polar and whole:
        for x in range(count):
            a, b = z[x], z[imag + x]
            f[first + x] = argument(a, b)
            f[second + x] = np.sqrt(fma(a, a, b * b)) * inverse
    elif polar:
        for x in range(count):
            a, b = z[x], z[imag + x]
            scale = ONE / z[number + x] if z[centre + x] > ZERO else ZERO
            f[first + x] = argument(a, b)
            f[second + x] = np.sqrt(fma(a, a, b * b)) * scale
    else:
        for x in range(count):
            scale = inverse if whole else ONE / z[number + x] if z[centre + x] > ZERO else ZERO
            f[first + x] = z[x] * scale
            f[second + x] = z[imag + x] * scale


@compiled
def _lsq_terms(
    delta: np.float32,
    size: np.float32,
    years: np.float32,
    totals: tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32],
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]:  # pragma: no cover
    score_sum, information_sum, squares, mixed, information_squares, count = totals
    weighted = size / (WEIGHT_LIMIT - size) * years
    score, information = weighted * delta, weighted * years
    return (
        score_sum + score,
        information_sum + information,
        fma(score, score, squares),
        fma(score, information, mixed),
        fma(information, information, information_squares),
        count + (ONE if size > ZERO else ZERO),
    )


@compiled
def _add_lsq(
    f: F4,
    places: tuple[int, int, int, int],
    n: int,
    years: tuple[np.float32, np.float32, np.float32, np.float32],
    sums: F4,
    at: int,
) -> None:  # pragma: no cover
    """Σ wTΔ, Σ wT², Σ (wTΔ)², Σ w²T³Δ, Σ w²T⁴ of four pairs, with w = |P| / (1.02 − |P|), Δ = arg P."""
    stay_apart()
    a, b, part, pair = np.uint64(places[0]), np.uint64(places[1]), np.uint64(places[2]), np.uint64(places[3])
    t0, t1, t2, t3 = years
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        i = to + x
        totals = (
            sums[i],
            sums[i + _PLANE],
            sums[i + _2 * _PLANE],
            sums[i + _3 * _PLANE],
            sums[i + _4 * _PLANE],
            sums[i + _5 * _PLANE],
        )
        u, v = a + x, b + x
        totals = _lsq_terms(wrapped_difference(f[u], f[v]), f[u + part] * f[v + part], t0, totals)
        u, v = u + pair, v + pair
        totals = _lsq_terms(wrapped_difference(f[u], f[v]), f[u + part] * f[v + part], t1, totals)
        u, v = u + pair, v + pair
        totals = _lsq_terms(wrapped_difference(f[u], f[v]), f[u + part] * f[v + part], t2, totals)
        u, v = u + pair, v + pair
        totals = _lsq_terms(wrapped_difference(f[u], f[v]), f[u + part] * f[v + part], t3, totals)
        sums[i] = totals[0]
        sums[i + _PLANE] = totals[1]
        sums[i + _2 * _PLANE] = totals[2]
        sums[i + _3 * _PLANE] = totals[3]
        sums[i + _4 * _PLANE] = totals[4]
        sums[i + _5 * _PLANE] = totals[5]


@compiled
def _add_circular(f: F4, places: tuple[int, int, int, int], n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Re P, Σ Im P, Σ Re²P, Σ Im²P, Σ Re P · Im P of one pair."""
    stay_apart()
    a, b, part = np.uint64(places[0]), np.uint64(places[1]), np.uint64(places[2])
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        i = to + x
        real = fma(f[a + x], f[b + x], f[a + part + x] * f[b + part + x])
        imag = fma(f[a + part + x], f[b + x], -(f[a + x] * f[b + part + x]))
        sums[i] += real
        sums[i + _PLANE] += imag
        sums[i + _2 * _PLANE] = fma(real, real, sums[i + _2 * _PLANE])
        sums[i + _3 * _PLANE] = fma(imag, imag, sums[i + _3 * _PLANE])
        sums[i + _4 * _PLANE] = fma(real, imag, sums[i + _4 * _PLANE])
        sums[i + _5 * _PLANE] += ONE if abs(real) + abs(imag) > ZERO else ZERO


@compiled
def _add_sum(f: F4, places: tuple[int, int, int, int], n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² of one pair with Δ = arg P."""
    stay_apart()
    a, b, part = np.uint64(places[0]), np.uint64(places[1]), np.uint64(places[2])
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        i = to + x
        known = f[a + part + x] * f[b + part + x] > ZERO
        delta = wrapped_difference(f[a + x], f[b + x]) if known else ZERO
        sums[i] += delta
        sums[i + _PLANE] = fma(delta, delta, sums[i + _PLANE])
        sums[i + _5 * _PLANE] += ONE if known else ZERO


@compiled
def _padded(n: int) -> int:  # pragma: no cover
    """Length of a row in scratch arrays: whole lines of the cache."""
    return -(-n // _LINE) * _LINE


@compiled
def _sample_row(
    f: F4, places: tuple[int, int, int, int], polar: bool, col: int, n: int, step: int, deltas: F4, sizes: F4
) -> None:  # pragma: no cover
    """Δ and |P| at every ``step``-th column of the scene among the ``n`` columns from ``col`` on."""
    a, b, part, _ = places
    for i in range(-(-col // step), -(-(col + n) // step)):
        u, v = a + i * step - col, b + i * step - col
        if polar:
            deltas[i] = wrapped_difference(f[u], f[v])
            sizes[i] = f[u + part] * f[v + part]
        else:
            real = fma(f[u], f[v], f[u + part] * f[v + part])
            imag = fma(f[u + part], f[v], -(f[u] * f[v + part]))
            deltas[i] = argument(real, imag)
            sizes[i] = np.sqrt(fma(real, real, imag * imag))


@compiled
def _row_of(
    phase: F4,
    coherence: F4,
    k: int,
    line: int,
    cols: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    weights: F4,
    bare: bool,
    out: F4,
    at: int,
    part: int,
) -> np.uint32:  # pragma: no cover
    """Phasors (or, ``bare``, angles and magnitudes) of part of a row, weighted by the ``rule``; return flags."""
    place, n = (k, line, cols[0]), cols[1] - cols[0]
    if rule[0] > ZERO or rule[1] != ONE:
        weigh_row(coherence, k, line, cols[0], n, rule[0], rule[1], weights)
        if bare:
            return _bare_row(phase, weights, place, (0, 0, 0), n, out, at, part)
        return _phasor_row(phase, weights, place, (0, 0, 0), n, out, at, part)
    if bare:
        return _bare_row(phase, coherence, place, place, n, out, at, part)
    return _phasor_row(phase, coherence, place, place, n, out, at, part)


@compiled
def _known_cols(
    phase: F4,
    coherence: F4,
    k: int,
    line: int,
    cols: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    weights: F4,
    z: F4,
    at: int,
) -> None:  # pragma: no cover
    """Where part of a row has data."""
    place, n = (k, line, cols[0]), cols[1] - cols[0]
    if rule[0] > ZERO or rule[1] != ONE:
        weigh_row(coherence, k, line, cols[0], n, rule[0], rule[1], weights)
        _known_row(phase, weights, place, (0, 0, 0), n, z, at)
    else:
        _known_row(phase, coherence, place, place, n, z, at)


@compiled
def _sum_rows(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    reach: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    buffers: tuple[F4, F4, F4, F4],
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> tuple[int, np.uint32]:  # pragma: no cover
    """Sum the phasors of a tile and its margins along the rows; add the coherence; say how complete they are."""
    top, height = scene
    window, lag = reach
    width = phase.shape[2]
    first, last, left, right = tile
    half = window // 2
    z, h, across, weights = buffers
    cap = across.size
    lo, hi = max(left - half, 0), min(right + lag + half, width)
    at, n = lo - (left - half), min(right + lag, width) - left
    inside = left >= half and right + lag + half <= width and first >= half and last + lag + half <= height
    flags = np.uint32(0)
    for row in range(first - half, last + lag + half):
        to = (row - first + half) * 3 * cap
        if row < 0 or row >= height:
            h[to : to + 3 * cap] = ZERO
            continue
        line = row - top
        of_row = _row_of(phase, coherence, k, line, (lo, hi), rule, weights, False, z, at, cap)
        flags |= of_row
        if first <= row < last:
            _add_tile_coherence(phase, coherence, k, tile, row, line, of_row, rule, sums, whole)
        for part in range(2):
            _add_taps(z, part * cap, 1, window, n, h, to + part * cap)
    if flags & MISSING:
        for row in range(max(first - half, 0), min(last + lag + half, height)):
            _known_cols(phase, coherence, k, row - top, (lo, hi), rule, weights, z, at)
            _add_taps(z, 0, 1, window, n, h, (row - first + half) * 3 * cap + 2 * cap)
    elif not inside:
        # The pixels within a window are those of its columns times those of its rows.
        z[at : at + hi - lo] = ONE
        _add_taps(z, 0, 1, window, n, across, 0)
    z[: 2 * cap] = ZERO
    return _GAPS if flags & MISSING else _WHOLE if inside else _EDGE, flags & BEYOND


@compiled
def _add_tile_coherence(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    row: int,
    line: int,
    flags: np.uint32,
    rule: tuple[np.float32, np.float32],
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> None:  # pragma: no cover
    """Add the coherence of one row of a tile, as it is, whatever the filter's rule makes of it."""
    first, _, left, right = tile
    complete = flags & MISSING == 0
    at = COHERENCE_PLANE * _PLANE_SIZE + (row - first) * _COLS
    _add_coherence(phase, coherence, (k, line, left), right - left, complete, sums, at)
    if complete:
        whole[2, row - first] += 1


@compiled
def _filter_tile(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    reach: tuple[int, int],
    polar: bool,
    rule: tuple[np.float32, np.float32],
    buffers: tuple[F4, F4, F4, F4],
    f: F4,
    at: int,
    part: int,
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> np.uint32:  # pragma: no cover
    """Filter one pair over a tile and the pixels that a lag reaches, into ``f[at:]``; return flags."""
    top, height = scene
    window, lag = reach
    first, last, left, right = tile
    z, h, across, weights = buffers
    cap = across.size
    cols = (left, min(right + lag, phase.shape[2]))
    n, stride, half = cols[1] - left, _padded(_COLS + lag), window // 2
    rows = range(first, min(last + lag, height))
    if window == 1:
        beyond = np.uint32(0)
        for row in rows:
            to, line = at + (row - first) * stride, row - top
            flags = _row_of(phase, coherence, k, line, cols, rule, weights, polar, f, to, part)
            beyond |= flags & BEYOND
            if row < last:
                _add_tile_coherence(phase, coherence, k, tile, row, line, flags, rule, sums, whole)
        return beyond
    state, beyond = _sum_rows(phase, coherence, k, tile, scene, reach, rule, buffers, sums, whole)
    inverse = ONE / np.float32(window * window)
    for row in rows:
        source = (row - first) * 3 * cap
        for i in range(3 if state == _GAPS else 2):
            _add_taps(h, source + i * cap, 3 * cap, window, n, z, i * cap)
        if state == _GAPS:
            _known_cols(phase, coherence, k, row - top, cols, rule, weights, z, 3 * cap)
        elif state == _EDGE:
            window_rows = min(row + half, height - 1) - max(row - half, 0) + 1
            _multiply_row(across, np.float32(window_rows), n, z, 2 * cap)
            z[3 * cap : 3 * cap + n] = ONE
        _finish_row(z, cap, n, state == _WHOLE, inverse, polar, f, at + (row - first) * stride, part)
    z[: 2 * cap] = ZERO
    return beyond


@compiled
def _add_tile(
    f: F4,
    part: int,
    pairs: tuple[int, int],
    years: F4,
    tile: tuple[int, int, int, int],
    shape: tuple[int, int],
    lag: int,
    kind: int,
    sums: F4,
    samples: F4,
    step: int,
) -> None:  # pragma: no cover
    """Add the products of up to four filtered pairs over a tile."""
    height, width = shape
    first, last, left, right = tile
    k, count = pairs
    stride = _padded(_COLS + lag)
    times = (
        years[k],
        years[k + 1] if count > 1 else ZERO,
        years[k + 2] if count > 2 else ZERO,
        years[k + 3] if count > 3 else ZERO,
    )
    for row in range(first, last):
        here, at = (row - first) * stride, (row - first) * _COLS
        for direction in range(2):
            ahead = here + lag * (stride if direction == 0 else 1)
            n = right - left if direction == 0 else max(min(right, width - lag) - left, 0)
            if direction == 0 and row + lag >= height:
                continue
            place = at + DIRECTION_PLANES * direction * _PLANE_SIZE
            if kind == LSQ:
                _add_lsq(f, (ahead, here, part, 2 * part), n, times, sums, place)
            for i in range(count):
                places = (ahead + i * 2 * part, here + i * 2 * part, part, 2 * part)
                if kind == CIRCULAR:
                    _add_circular(f, places, n, sums, place)
                elif kind != LSQ:
                    _add_sum(f, places, n, sums, place)
                if row % step == 0:
                    deltas, sizes = samples[direction, 0, k + i, row // step], samples[direction, 1, k + i, row // step]
                    _sample_row(f, places, kind != CIRCULAR, left, n, step, deltas, sizes)


@compiled
def add_filtered(
    phase: F4,
    coherence: F4,
    years: F4,
    rows: tuple[int, int],
    scene: tuple[int, int],
    reach: tuple[int, int],
    kind: int,
    rule: tuple[np.float32, np.float32],
    sums: tuple[F4, F4],
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
    samples: F4,
    step: int,
    fresh: bool,
) -> bool:  # pragma: no cover
    """Add some pairs to the sums of one strip of rows.

    Parameters
    ----------
    phase, coherence : (pairs, rows, x) float32, contiguous
        rad and 0..1; NaN = no data in either is no data in both.
    years : (pairs,) float32
        Temporal baselines.
    rows : (int, int)
        The strip, half-open, in rows of the scene.
    scene : (int, int)
        Row of the scene that the arrays begin with, and the height of the scene. They hold whatever the filter and the
        lag reach from the strip within the scene.
    reach : (int, int)
        Edge of the filter's window (odd) and the lag, px.
    kind : int
        LSQ, CIRCULAR or SUM.
    rule : (float32, float32)
        Coherence floor and power.
    sums, counts : two of (N_SUMS, y, x) float32, (2, y, x) int32
        Sums of each direction (azimuth = along y, range = along x), changed in place within the strip alone.
    coherence_sum, coherence_count : (y, x)
        Likewise.
    samples : (2, 2, pairs, y // step, x // step) float32
        Receives Δ and |P| at every ``step``-th pixel, by direction; |P| = 0 means no data.
    fresh : bool
        The sums are 0 so far.

    Returns
    -------
    bool
        Whether every phase that was looked at is wrapped; the sums mean nothing where one is not.
    """
    pairs, _, width = phase.shape
    window, lag = reach
    cap = _padded(_COLS + lag + window)
    part = (_ROWS + lag) * _padded(_COLS + lag)
    scratch = np.empty(N_PLANES * _PLANE_SIZE, np.float32)
    f = np.zeros(2 * GROUP * part, np.float32)
    buffers = (
        np.zeros(4 * cap, np.float32),
        np.empty(3 * cap * (_ROWS + lag + window) if window > 1 else 0, np.float32),
        np.zeros(cap, np.float32),
        np.empty((1, 1, cap), np.float32),
    )
    whole = np.zeros((3, _ROWS), np.int64)
    beyond = np.uint32(0)
    for first in range(rows[0], rows[1], _ROWS):
        for left in range(0, width, _COLS):
            tile = (first, min(first + _ROWS, rows[1]), left, min(left + _COLS, width))
            fetch_tile(tile, fresh, _COLS, _PLANE_SIZE, scratch, sums, counts, coherence_sum, coherence_count)
            whole[:] = 0
            for k in range(0, pairs, GROUP):
                count = min(GROUP, pairs - k)
                for i in range(count):
                    beyond |= _filter_tile(
                        phase, coherence, k + i, tile, scene, reach, kind != CIRCULAR, rule, buffers, f,
                        i * 2 * part, part, scratch, whole,
                    )  # fmt: skip
                if count < GROUP < pairs:
                    # Pairs that are not there have no magnitude.
                    f[count * 2 * part :] = ZERO
                _add_tile(f, part, (k, count), years, tile, (scene[1], width), lag, kind, scratch, samples, step)
            store_tile(
                tile, width - lag, _COLS, _PLANE_SIZE, scratch, whole, sums, counts, coherence_sum, coherence_count
            )
    return beyond == 0
