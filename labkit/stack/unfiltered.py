"""The compiled kernel of the sum without a filter: wrapped differences of the phases as they are, at memory's speed."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import (
    BEYOND,
    COHERENCE_PLANE,
    DIRECTION_PLANES,
    F4,
    GROUP,
    I4,
    MISSING,
    N_PLANES,
    NAN,
    ONE,
    WRAPPED_LIMIT_RAD,
    ZERO,
    compiled,
    fetch_tile,
    flagged,
    fma,
    stay_apart,
    store_tile,
    weigh_row,
    weight_of,
    wrapped_difference,
)

# All waits for memory here, which is fastest along long rows. Rows of the scratch array are longer than a tile's by the
# longest lag, to take what is read beyond the tile.
_ROWS, _COLS = 4, 5120
LONGEST_LAG = 16
_STRIDE = _COLS + LONGEST_LAG
_PLANE_SIZE = _ROWS * _STRIDE
_PLANE, _COUNTS = np.uint64(_PLANE_SIZE), np.uint64(5 * _PLANE_SIZE)
# The phases of four pairs, with the rows that a lag reaches.
_PHASES_SIZE = (_ROWS + LONGEST_LAG) * _STRIDE
_PHASES = np.uint64(_PHASES_SIZE)


@compiled
def _add_coherence(
    phase: F4, coherence: F4, place: tuple[int, int, int], n: int, sums: F4, at: int
) -> None:  # pragma: no cover
    """Add the known coherence of part of a row to ``sums[at:]``."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    total = np.uint64(at)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        sums[total + x] += c if (c == c) and (p == p) else ZERO


@compiled
def _look_over_four(
    phase: F4, coherence: F4, place: tuple[int, int, int], n: int, sums: F4, at: int
) -> np.uint32:  # pragma: no cover
    """Add the coherence of four pairs at once: so many rows are fetched from memory side by side.

    Returns MISSING where a phase, its coherence, or wrapped phase is missing anywhere: to tell them apart here would
    cost half as much again. A coherence of 0 adds nothing, and beside phase that is not wrapped the sums mean nothing.
    """
    stay_apart()
    first, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    total = np.uint64(at)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        level = sums[total + x]
        for i in numba.literal_unroll((0, 1, 2, 3)):
            pair = first + np.uint64(i)
            p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
            good = (c > ZERO) and (abs(p) <= WRAPPED_LIMIT_RAD)
            level += c if good else ZERO
            flags = flagged(flags, MISSING, not good)
        sums[total + x] = level
    return flags


@compiled
def _count_row(
    phase: F4, coherence: F4, place: tuple[int, int, int], n: int, sums: F4, at: int
) -> np.uint32:  # pragma: no cover
    """Count where the coherence of a row was added; return BEYOND where phase is not wrapped."""
    stay_apart()
    pair, line, left, to = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2]), np.uint64(at)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        sums[to + x] += ONE if (c == c) and (p == p) else ZERO
        flags = flagged(flags, BEYOND, abs(p) > WRAPPED_LIMIT_RAD)
    return flags


@compiled
def _mask_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, phases: F4, at: int
) -> None:  # pragma: no cover
    """Phase at ``phases[at:]``, NaN without data or weight."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        p = phase[pair, line, left + x]
        phases[to + x] = p if weights[weight_pair, weight_line, weight_left + x] > ZERO else NAN


@compiled
def _add_whole(
    phase: F4, place: tuple[int, int, int], lag: tuple[int, int], n: int, sums: F4, at: int
) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² of four pairs that have data all along the row."""
    stay_apart()
    k, y, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    ahead, right, to = np.uint64(place[1] + lag[0]), np.uint64(place[2] + lag[1]), np.uint64(at)
    for x in range(np.uint64(n)):
        total, squares = sums[to + x], sums[to + _PLANE + x]
        for i in numba.literal_unroll((0, 1, 2, 3)):
            pair = k + np.uint64(i)
            delta = wrapped_difference(phase[pair, ahead, right + x], phase[pair, y, left + x])
            total += delta
            squares = fma(delta, delta, squares)
        sums[to + x] = total
        sums[to + _PLANE + x] = squares


@compiled
def _add_masked(phases: F4, ahead: int, here: int, n: int, sums: F4, at: int) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² and the count of four pairs, where both pixels have data."""
    stay_apart()
    a, b, to = np.uint64(ahead), np.uint64(here), np.uint64(at)
    for x in range(np.uint64(n)):
        total, squares, count = sums[to + x], sums[to + _PLANE + x], sums[to + _COUNTS + x]
        for pair in numba.literal_unroll((0, 1, 2, 3)):
            plane = np.uint64(pair) * _PHASES
            delta = wrapped_difference(phases[plane + a + x], phases[plane + b + x])
            known = delta == delta
            delta = delta if known else ZERO
            total += delta
            squares = fma(delta, delta, squares)
            count += ONE if known else ZERO
        sums[to + x] = total
        sums[to + _PLANE + x] = squares
        sums[to + _COUNTS + x] = count


@compiled
def _look_over(
    phase: F4,
    coherence: F4,
    start: int,
    row: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    lag: int,
    sums: F4,
    whole: npt.NDArray[np.int64],
) -> np.uint32:  # pragma: no cover
    """Add the coherence of a row of up to four pairs; return what the row of all four holds, the lag included."""
    first, last, left, right = tile
    pairs, _, width = phase.shape
    n, line = min(right + lag, width) - left, row - first
    # The sums of rows beyond the tile belong to the next one: what is added here is never stored.
    at = COHERENCE_PLANE * _PLANE_SIZE + line * _STRIDE if row < last else N_PLANES * _PLANE_SIZE
    y, stop, flags = row - scene[0], min(start + GROUP, pairs), MISSING
    if start + GROUP == stop:
        flags = _look_over_four(phase, coherence, (start, y, left), n, sums, at)
    else:
        for k in range(start, stop):
            _add_coherence(phase, coherence, (k, y, left), n, sums, at)
    if row < last and flags & MISSING:
        for k in range(start, stop):
            flags |= _count_row(phase, coherence, (k, y, left), n, sums, at + _PLANE_SIZE)
    elif row < last:
        whole[2, line] += GROUP
    return flags


@compiled
def _lay_out(
    phase: F4,
    coherence: F4,
    start: int,
    row: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    lag: int,
    rule: tuple[np.float32, np.float32],
    phases: F4,
    weights: F4,
) -> None:  # pragma: no cover
    """Lay out the phases of a row of four pairs, NaN without data."""
    first, _, left, right = tile
    pairs, _, width = phase.shape
    n, y = min(right + lag, width) - left, row - scene[0]
    for i in range(GROUP):
        to = i * _PHASES_SIZE + (row - first) * _STRIDE
        place = (start + i, y, left)
        if start + i >= pairs:
            phases[to : to + n] = NAN
        elif rule[0] > ZERO:
            weigh_row(coherence, start + i, y, left, n, rule[0], rule[1], weights)
            _mask_row(phase, weights, place, (0, 0, 0), n, phases, to)
        else:
            _mask_row(phase, coherence, place, place, n, phases, to)


@compiled
def _sample_row(
    phase: F4,
    coherence: F4,
    place: tuple[int, int, int],
    reach: tuple[int, int],
    n: int,
    rule: tuple[np.float32, np.float32],
    samples: F4,
    to: tuple[int, int],
    step: int,
) -> None:  # pragma: no cover
    """Δ and |P| of one pair at every ``step``-th column of the scene, in ``samples[direction, :, pair, row]``."""
    stay_apart()
    k, y, left = np.uint64(place[0]), np.uint64(place[1]), place[2]
    ahead, right = np.uint64(place[1] + reach[0]), np.uint64(reach[1])
    direction, row = np.uint64(to[0]), np.uint64(to[1])
    floor, power = rule
    for i in range(np.uint64(-(-left // step)), np.uint64(-(-(left + n) // step))):
        x = i * np.uint64(step)
        delta = wrapped_difference(phase[k, ahead, x + right], phase[k, y, x])
        size = weight_of(coherence[k, ahead, x + right], floor, power) * weight_of(coherence[k, y, x], floor, power)
        if delta == delta and size > ZERO:
            samples[direction, np.uint64(0), k, row, i] = delta
            samples[direction, np.uint64(1), k, row, i] = size


@compiled
def _add_tile(
    phase: F4,
    coherence: F4,
    start: int,
    tile: tuple[int, int, int, int],
    scene: tuple[int, int],
    lag: int,
    rule: tuple[np.float32, np.float32],
    sums: F4,
    phases: F4,
    weights: F4,
    flags: npt.NDArray[np.uint32],
    whole: npt.NDArray[np.int64],
    samples: F4,
    step: int,
) -> bool:  # pragma: no cover
    """Add the wrapped differences of up to four pairs, row by row while they are in the cache."""
    top, height = scene
    first, last, left, right = tile
    across = max(min(right, phase.shape[2] - lag) - left, 0)
    wrapped = True
    laid = first
    for row in range(first, min(last + lag, height)):
        line = row - first
        flags[line] = _look_over(phase, coherence, start, row, tile, scene, lag, sums, whole)
        wrapped &= flags[line] & BEYOND == 0
        if rule[0] > ZERO:
            flags[line] |= MISSING
        for direction in range(2):
            # Along y a row is subtracted from the one that the lag reaches, as soon as that has been looked over.
            reach = (lag, 0) if direction == 0 else (0, lag)
            here = line - reach[0]
            if here < 0 or first + here >= last:
                continue
            n = right - left if direction == 0 else across
            at = here * _STRIDE + DIRECTION_PLANES * direction * _PLANE_SIZE
            if (flags[here] | flags[line]) & MISSING:
                for missing in range(max(laid, first + here), row + 1):
                    _lay_out(phase, coherence, start, missing, tile, scene, lag, rule, phases, weights)
                laid = row + 1
                _add_masked(phases, line * _STRIDE + reach[1], here * _STRIDE, n, sums, at)
            else:
                _add_whole(phase, (start, first + here - top, left), reach, n, sums, at)
                whole[direction, here] += GROUP
            if (first + here) % step == 0:
                to = (direction, (first + here) // step)
                for k in range(start, min(start + GROUP, phase.shape[0])):
                    place = (k, first + here - top, left)
                    _sample_row(phase, coherence, place, reach, n, rule, samples, to, step)
    return wrapped


@compiled
def add_unfiltered(
    phase: F4,
    coherence: F4,
    rows: tuple[int, int],
    scene: tuple[int, int],
    lag: int,
    rule: tuple[np.float32, np.float32],
    sums: tuple[F4, F4],
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
    samples: F4,
    step: int,
    fresh: bool,
) -> bool:  # pragma: no cover
    """Add the wrapped differences of some pairs to a strip of rows, with a lag of at most :data:`LONGEST_LAG`.

    Arguments as those of :func:`labkit.stack.filtered.add_filtered`.
    """
    pairs, _, width = phase.shape
    scratch = np.empty(N_PLANES * _PLANE_SIZE + _STRIDE, np.float32)
    phases = np.empty(GROUP * _PHASES_SIZE, np.float32)
    weights = np.empty((1, 1, _STRIDE), np.float32)
    flags = np.zeros(_ROWS + LONGEST_LAG, np.uint32)
    whole = np.zeros((3, _ROWS), np.int64)
    wrapped = True
    for first in range(rows[0], rows[1], _ROWS):
        for left in range(0, width, _COLS):
            tile = (first, min(first + _ROWS, rows[1]), left, min(left + _COLS, width))
            fetch_tile(tile, fresh, _STRIDE, _PLANE_SIZE, scratch, sums, counts, coherence_sum, coherence_count)
            whole[:] = 0
            for k in range(0, pairs, GROUP):
                wrapped &= _add_tile(
                    phase, coherence, k, tile, scene, lag, rule, scratch, phases, weights, flags, whole, samples, step
                )
            store_tile(
                tile, width - lag, _STRIDE, _PLANE_SIZE, scratch, whole, sums, counts, coherence_sum, coherence_count
            )
    return wrapped
