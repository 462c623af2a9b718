"""Compiled neighbour products of filtered pairs, and their sums over the pairs of a tile."""

from __future__ import annotations

import numpy as np

from labkit.stack.compiled import (
    CIRCULAR,
    DIRECTION_PLANES,
    F4,
    LSQ,
    ONE,
    ZERO,
    argument,
    compiled_within,
    fma,
    stay_apart,
    wrapped_difference,
)

#: The weight of the least squares, |P| / (LIMIT − |P|), is capped by this at 1 / (LIMIT − 1) = 50.
WEIGHT_LIMIT = np.float32(1.02)

#: A tile's sums are to fit the cache: 14 planes of 8192 float32 are 460 kB. It is tall for the sake of its margins.
ROWS, COLS = 16, 512
PLANE_SIZE = ROWS * COLS
_LINE = 16
_PLANE = np.uint64(PLANE_SIZE)
_2, _3, _4, _5 = (np.uint64(v) for v in (2, 3, 4, 5))


@compiled_within
def padded(n: int) -> int:  # pragma: no cover
    """Length of a row in scratch arrays: whole lines of the cache."""
    return -(-n // _LINE) * _LINE


@compiled_within
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


@compiled_within
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


@compiled_within
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


@compiled_within
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


@compiled_within
def _sample_row(
    f: F4,
    places: tuple[int, int, int, int],
    polar: bool,
    col: int,
    n: int,
    step: int,
    samples: F4,
    place: tuple[int, int, int],
) -> None:  # pragma: no cover
    """Δ and |P| at every ``step``-th column of the scene among the ``n`` columns from ``col`` on."""
    a, b, part, _ = places
    direction, k, row = place
    for i in range(-(-col // step), -(-(col + n) // step)):
        u, v = a + i * step - col, b + i * step - col
        if polar:
            samples[direction, 0, k, row, i] = wrapped_difference(f[u], f[v])
            samples[direction, 1, k, row, i] = f[u + part] * f[v + part]
        else:
            real = fma(f[u], f[v], f[u + part] * f[v + part])
            imag = fma(f[u + part], f[v], -(f[u] * f[v + part]))
            samples[direction, 0, k, row, i] = argument(real, imag)
            samples[direction, 1, k, row, i] = np.sqrt(fma(real, real, imag * imag))


@compiled_within
def add_tile(
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
    stride = padded(COLS + lag)
    times = (
        years[k],
        years[k + 1] if count > 1 else ZERO,
        years[k + 2] if count > 2 else ZERO,
        years[k + 3] if count > 3 else ZERO,
    )
    for row in range(first, last):
        here, at = (row - first) * stride, (row - first) * COLS
        for direction in range(2):
            ahead = here + lag * (stride if direction == 0 else 1)
            n = right - left if direction == 0 else max(min(right, width - lag) - left, 0)
            if direction == 0 and row + lag >= height:
                continue
            place = at + DIRECTION_PLANES * direction * PLANE_SIZE
            if kind == LSQ:
                _add_lsq(f, (ahead, here, part, 2 * part), n, times, sums, place)
            for i in range(count):
                places = (ahead + i * 2 * part, here + i * 2 * part, part, 2 * part)
                if kind == CIRCULAR:
                    _add_circular(f, places, n, sums, place)
                elif kind != LSQ:
                    _add_sum(f, places, n, sums, place)
                if row % step == 0:
                    _sample_row(f, places, kind != CIRCULAR, left, n, step, samples, (direction, k + i, row // step))
