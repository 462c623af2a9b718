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
    F4,
    GROUP,
    I4,
    MISSING,
    N_PLANES,
    ONE,
    ZERO,
    argument,
    compiled,
    compiled_within,
    fetch_ahead,
    fetch_tile,
    fma,
    stay_apart,
    store_tile,
)
from labkit.stack.phasors import add_coherence, known_cols, row_of
from labkit.stack.products import COLS, PLANE_SIZE, ROWS, add_tile, padded

# What a tile and its margins hold: pixels without data, the edge of the scene, or neither.
_GAPS, _EDGE, _WHOLE = 0, 1, 2
#: Rows that are summed at once: they share what they load.
_AT_ONCE = 4


@compiled_within
def _add_taps(source: F4, start: int, step: int, taps: int, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """Sum of an odd number (3 or more) of rows ``source[start + step · tap:]`` into ``out[at:]``, in their order."""
    stay_apart()
    count, to = np.uint64(n), np.uint64(at)
    a, b, c = np.uint64(start), np.uint64(start + step), np.uint64(start + 2 * step)
    if taps == 3:
        for x in range(count):
            out[to + x] = (source[a + x] + source[b + x]) + source[c + x]
        return
    d, e = np.uint64(start + 3 * step), np.uint64(start + 4 * step)
    for x in range(count):
        out[to + x] = ((source[a + x] + source[b + x]) + (source[c + x] + source[d + x])) + source[e + x]
    for tap in range(5, taps, 2):
        a, b = np.uint64(start + tap * step), np.uint64(start + (tap + 1) * step)
        for x in range(count):
            out[to + x] = out[to + x] + source[a + x] + source[b + x]


@compiled_within
def _add_five_rows(source: F4, start: int, step: int, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """As :func:`_add_taps` of five rows, for four rows of ``out``, ``step`` numbers apart like those of ``source``."""
    stay_apart()
    to, apart, begin = np.uint64(at), np.uint64(step), np.uint64(start)
    for x in range(np.uint64(n)):
        i, o = begin + x, to + x
        a, b = source[i], source[i + apart]
        i += apart + apart
        c, d = source[i], source[i + apart]
        i += apart + apart
        e, f = source[i], source[i + apart]
        i += apart + apart
        g, h = source[i], source[i + apart]
        ab, bc, cd, de, ef, fg = a + b, b + c, c + d, d + e, e + f, f + g
        out[o] = (ab + cd) + e
        out[o + apart] = (bc + de) + f
        o += apart + apart
        out[o] = (cd + ef) + g
        out[o + apart] = (de + fg) + h


@compiled_within
def _multiply_row(source: F4, start: int, factor: np.float32, n: int, out: F4, at: int) -> None:  # pragma: no cover
    """``factor`` · ``source[start:]`` into ``out[at:]``."""
    stay_apart()
    begin, to = np.uint64(start), np.uint64(at)
    for x in range(np.uint64(n)):
        out[to + x] = factor * source[begin + x]


@compiled_within
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


@compiled_within
def _five(source: F4, i: np.uint64) -> np.float32:  # pragma: no cover
    """Sum of five numbers in a row, in the order of :func:`_add_taps`."""
    j, k = i + np.uint64(2), i + np.uint64(4)
    one = np.uint64(1)
    return ((source[i] + source[i + one]) + (source[j] + source[j + one])) + source[k]


@compiled_within
def _finish_five(
    v: F4, start: int, cap: int, n: int, inverse: np.float32, f: F4, at: int, part: int
) -> None:  # pragma: no cover
    """Sum five columns of the rows at ``v[start:]`` and ``v[start + cap:]``, and turn them into angle and magnitude."""
    stay_apart()
    real, imag = np.uint64(start), np.uint64(start + cap)
    first, second = np.uint64(at), np.uint64(at + part)
    for x in range(np.uint64(n)):
        a, b = _five(v, real + x), _five(v, imag + x)
        f[first + x] = argument(a, b)
        f[second + x] = np.sqrt(fma(a, a, b * b)) * inverse


@compiled_within
def _add_tile_coherence(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    row: int,
    line: int,
    flags: np.uint32,
    polar: bool,
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> None:  # pragma: no cover
    """Add the coherence of one row of a tile, as it is, whatever the filter's rule makes of it."""
    first, _, left, right = tile
    complete = flags & MISSING == 0
    at = COHERENCE_PLANE * PLANE_SIZE + (row - first) * COLS
    add_coherence(phase, coherence, (k, line, left), right - left, complete, polar, sums, at)
    if complete:
        whole[2, row - first] += 1


@compiled_within
def _lay_out(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    reach: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    polar: bool,
    buffers: tuple[F4, F4, F4, F4, F4],
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> tuple[int, np.uint32]:  # pragma: no cover
    """Lay out the phasors of a tile and its margins; add the coherence; say how complete they are."""
    top, height = scene
    window, lag = reach
    width = phase.shape[2]
    first, last, left, right = tile
    half = window // 2
    z, _, line_of, across, weights = buffers
    cap = across.size
    lo, hi = max(left - half, 0), min(right + lag + half, width)
    at, n = lo - (left - half), min(right + lag, width) - left
    inside = left >= half and right + lag + half <= width and first >= half and last + lag + half <= height
    flags = np.uint32(0)
    for row in range(first - half, last + lag + half):
        to = (row - first + half) * 3 * cap
        if not inside:
            z[to : to + 3 * cap] = ZERO
        if row < 0 or row >= height:
            continue
        line = row - top
        # Two rows further, or the first ones of the next pair.
        ahead, ends = row + 2, min(last + lag + half, height)
        if ahead < ends:
            fetch_ahead(phase, coherence, k, ahead - top, lo, hi - lo)
        else:
            fetch_ahead(phase, coherence, k + 1, max(first - half, 0) + ahead - ends - top, lo, hi - lo)
        of_row = row_of(phase, coherence, k, line, (lo, hi), rule, weights, polar, False, z, to + at, cap)
        flags |= of_row
        if first <= row < last:
            _add_tile_coherence(phase, coherence, k, tile, row, line, of_row, polar, sums, whole)
    if flags & MISSING:
        for row in range(first - half, last + lag + half):
            to = (row - first + half) * 3 * cap + 2 * cap
            z[to : to + cap] = ZERO
            if 0 <= row < height:
                known_cols(phase, coherence, k, row - top, (lo, hi), rule, weights, z, to + at)
    elif not inside:
        # The pixels within a window are those of its columns times those of its rows.
        line_of[: n + window] = ZERO
        line_of[at : at + hi - lo] = ONE
        _add_taps(line_of, 0, 1, window, n, across, 0)
    return _GAPS if flags & MISSING else _WHOLE if inside else _EDGE, flags & BEYOND


@compiled_within
def _filter_rows(
    rows: tuple[int, int],
    tile: tuple[int, int, int, int],
    height: int,
    window: int,
    n: int,
    state: int,
    angles: bool,
    buffers: tuple[F4, F4, F4, F4, F4],
    f: F4,
    at: int,
    stride: int,
    part: int,
) -> None:  # pragma: no cover
    """Filter some rows, at most as many as are summed at once, of what :func:`_lay_out` laid out."""
    z, v, line, across, _ = buffers
    cap, half, first = across.size, window // 2, tile[0]
    begin = (rows[0] - first) * 3 * cap
    parts, wide = 3 if state == _GAPS else 2, n + window - 1
    inverse = ONE / np.float32(window * window)
    for i in range(parts):
        if window == 5 and rows[1] - rows[0] == _AT_ONCE:
            _add_five_rows(z, begin + i * cap, 3 * cap, wide, v, i * cap)
        else:
            for row in range(rows[1] - rows[0]):
                _add_taps(z, begin + (3 * row + i) * cap, 3 * cap, window, wide, v, (3 * row + i) * cap)
    for row in range(rows[0], rows[1]):
        start, to = (row - rows[0]) * 3 * cap, at + (row - first) * stride
        if window == 5 and state == _WHOLE and angles:
            _finish_five(v, start, cap, n, inverse, f, to, part)
            continue
        for i in range(parts):
            _add_taps(v, start + i * cap, 1, window, n, line, i * cap)
        if state == _GAPS:
            centre = (row - first + half) * 3 * cap + 2 * cap + half
            _multiply_row(z, centre, ONE, n, line, 3 * cap)
        elif state == _EDGE:
            window_rows = min(row + half, height - 1) - max(row - half, 0) + 1
            _multiply_row(across, 0, np.float32(window_rows), n, line, 2 * cap)
            line[3 * cap : 3 * cap + n] = ONE
        _finish_row(line, cap, n, state == _WHOLE, inverse, angles, f, to, part)


@compiled_within
def _filter_tile(
    phase: F4,
    coherence: F4,
    k: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    reach: tuple[int, int],
    angles: bool,
    rule: tuple[np.float32, np.float32],
    polar: bool,
    buffers: tuple[F4, F4, F4, F4, F4],
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
    cols = (left, min(right + lag, phase.shape[2]))
    stride, stop = padded(COLS + lag), min(last + lag, height)
    if window == 1:
        beyond = np.uint32(0)
        for row in range(first, stop):
            to, line = at + (row - first) * stride, row - top
            flags = row_of(phase, coherence, k, line, cols, rule, buffers[4], True, angles, f, to, part)
            beyond |= flags & BEYOND
            if row < last:
                _add_tile_coherence(phase, coherence, k, tile, row, line, flags, True, sums, whole)
        return beyond
    state, beyond = _lay_out(phase, coherence, k, tile, scene, reach, rule, polar, buffers, sums, whole)
    for row in range(first, stop, _AT_ONCE):
        rows = (row, min(row + _AT_ONCE, stop))
        _filter_rows(rows, tile, height, window, cols[1] - left, state, angles, buffers, f, at, stride, part)
    return beyond


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
    polar: bool,
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
    polar : bool
        False: real and imaginary parts of coherence · exp(i phase) stand in place of phase and coherence; the window
        is larger than 1, the floor 0 and the power 1.
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
    cap = padded(COLS + lag + window)
    part = (ROWS + lag) * padded(COLS + lag)
    scratch = np.empty(N_PLANES * PLANE_SIZE, np.float32)
    f = np.zeros(2 * GROUP * part, np.float32)
    buffers = (
        np.empty(3 * cap * (ROWS + lag + window) if window > 1 else 0, np.float32),
        np.empty(3 * cap * _AT_ONCE, np.float32),
        np.empty(4 * cap, np.float32),
        np.zeros(cap, np.float32),
        np.empty((1, 1, cap), np.float32),
    )
    whole = np.zeros((3, ROWS), np.int64)
    beyond = np.uint32(0)
    for first in range(rows[0], rows[1], ROWS):
        for left in range(0, width, COLS):
            tile = (first, min(first + ROWS, rows[1]), left, min(left + COLS, width))
            fetch_tile(tile, fresh, COLS, PLANE_SIZE, scratch, sums, counts, coherence_sum, coherence_count)
            whole[:] = 0
            for k in range(0, pairs, GROUP):
                count = min(GROUP, pairs - k)
                for i in range(count):
                    beyond |= _filter_tile(
                        phase, coherence, k + i, tile, scene, reach, kind != CIRCULAR, rule, polar, buffers, f,
                        i * 2 * part, part, scratch, whole,
                    )  # fmt: skip
                if count < GROUP < pairs:
                    # Pairs that are not there have no magnitude.
                    f[count * 2 * part :] = ZERO
                add_tile(f, part, (k, count), years, tile, (scene[1], width), lag, kind, scratch, samples, step)
            store_tile(
                tile, width - lag, COLS, PLANE_SIZE, scratch, whole, sums, counts, coherence_sum, coherence_count
            )
    return beyond == 0
