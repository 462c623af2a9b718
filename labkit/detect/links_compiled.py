"""The loops over the cells of a grid in which boxes lie: which of them are linked, and how strongly."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: What the compiled loops need of places: boxes, apart, view, scale, period, min_giou, max_distance_m.
Columns = tuple[Array, Codes, Codes, Array, float, float, float]

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

#: Cells of the finest level along one side of a plane, as a power of two; a key holds both and the plane.
FINEST = 20
LEVELS = 32

#: A strength below every link's: no link.
NONE = -2.0


@compiled
def root(parent: Codes, i: int) -> int:  # pragma: no cover
    """The root of a box in a forest of parents, with the way there made shorter."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def _strength(i: int, j: int, columns: Columns) -> float:  # pragma: no cover
    """How strongly two boxes are linked, or NONE."""
    boxes, apart, view, scale, period, min_giou, max_distance_m = columns
    if apart[i] == apart[j]:
        return NONE
    x0, x1 = boxes[j, 0], boxes[j, 2]
    if period > 0:
        turns = period * np.round((x0 + x1 - boxes[i, 0] - boxes[i, 2]) / 2 / period)
        x0, x1 = x0 - turns, x1 - turns
    y0, y1 = boxes[j, 1], boxes[j, 3]
    width = min(x1, boxes[i, 2]) - max(x0, boxes[i, 0])
    height = min(y1, boxes[i, 3]) - max(y0, boxes[i, 1])
    if width > 0 and height > 0:
        shared = width * height
        union = (x1 - x0) * (y1 - y0) + (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1]) - shared
        hull = (max(x1, boxes[i, 2]) - min(x0, boxes[i, 0])) * (max(y1, boxes[i, 3]) - min(y0, boxes[i, 1]))
        giou = shared / union - (hull - union) / hull
        if giou > min_giou:
            return giou
    if max_distance_m >= 0 and view[i] != view[j]:
        across = (x0 + x1 - boxes[i, 0] - boxes[i, 2]) / 2 * (scale[i, 0] + scale[j, 0]) / 2
        along = (y0 + y1 - boxes[i, 1] - boxes[i, 3]) / 2 * (scale[i, 1] + scale[j, 1]) / 2
        apart_m = np.hypot(across, along)
        if apart_m <= max_distance_m:
            return -apart_m / max_distance_m if max_distance_m > 0 else 0.0
    return NONE


@compiled
def _around(key: int, level: int, keys: Codes, found: Codes) -> int:  # pragma: no cover
    """Fill in the cells of one level around a cell of the same or a finer one, and count them."""
    own = (key >> 2 * FINEST) % LEVELS
    plane = (key >> 2 * FINEST) // LEVELS
    row = ((key >> FINEST) & (2**FINEST - 1)) >> (level - own)
    col = (key & (2**FINEST - 1)) >> (level - own)
    across = 1 << (FINEST - level)
    count = 0
    for y in range(max(row - 1, 0), min(row + 2, across)):
        for step in range(min(3, across)):
            x = (col + step - 1) % across
            wanted = (((plane * LEVELS + level) << FINEST | y) << FINEST) | x
            at = np.searchsorted(keys, wanted)
            if at < len(keys) and keys[at] == wanted:
                found[count] = at
                count += 1
    return count


@compiled
def _split(parent: Codes, begin: int, end: int, members: Codes) -> int:  # pragma: no cover
    """Put the boxes of the group that most of a cell belongs to first, and count them."""
    leader, votes = -1, 0
    for i in range(begin, end):
        top = root(parent, i)
        if votes == 0:
            leader = top
        votes += 1 if top == leader else -1
    inside = 0
    for i in range(begin, end):
        if root(parent, i) == leader:
            members[inside] = i
            inside += 1
    outside = inside
    for i in range(begin, end):
        if root(parent, i) != leader:
            members[outside] = i
            outside += 1
    return inside


@compiled
def _is_one_code(apart: Codes, begin: int, end: int) -> bool:  # pragma: no cover
    for i in range(begin + 1, end):  # noqa: SIM110 -- all() of a generator is not compiled
        if apart[i] != apart[begin]:
            return False
    return True


@compiled
def _join_cells(
    mine: tuple[int, int],
    theirs: tuple[int, int],
    columns: Columns,
    parent: Codes,
    links: tuple[Codes, Codes, Array, int],
    room: Codes,
) -> int:  # pragma: no cover
    """Join the boxes of two cells, each given by its beginning and end; how many links there are then."""
    first, second, strong, count = links
    apart = columns[1]
    total = theirs[1] - theirs[0]
    inside = _split(parent, theirs[0], theirs[1], room)
    fresh = 0
    for i in range(mine[0], mine[1]):
        at = inside if root(parent, i) == root(parent, room[0]) else 0
        while at < total:
            j = room[at]
            at += 1
            if apart[i] == apart[j] or root(parent, i) == root(parent, j):
                continue
            strength = _strength(i, j, columns)
            if strength > NONE:
                parent[root(parent, i)] = root(parent, j)
                first[count], second[count], strong[count] = i, j, strength
                count += 1
                fresh += 1
                # all of the first part is one: nothing more of it can be joined
                at = max(at, inside)
        # looked at anew when enough has changed, so that the looking costs no more than the joining
        if fresh > (total - inside) // 4:
            inside, fresh = _split(parent, theirs[0], theirs[1], room), 0
    return count


@compiled
def join_all(
    keys: Codes,
    starts: Codes,
    top: int,
    columns: Columns,
    parent: Codes,
    first: Codes,
    second: Codes,
    strong: Array,
) -> int:  # pragma: no cover
    """Join the boxes of all cells with those around; how many links did."""
    apart = columns[1]
    count = 0
    same = np.zeros(len(keys), np.bool_)
    most = 0
    for c in range(len(keys)):
        same[c] = _is_one_code(apart, starts[c], starts[c + 1])
        most = max(most, starts[c + 1] - starts[c])
    found, room = np.zeros(9, np.int64), np.zeros(most, np.int64)
    for c in range(len(keys)):
        own = (keys[c] >> 2 * FINEST) % LEVELS
        for level in range(own, top + 1):
            for k in range(_around(keys[c], level, keys, found)):
                d = found[k]
                if (level == own and d < c) or (same[c] and same[d] and apart[starts[c]] == apart[starts[d]]):
                    continue
                mine, theirs = (starts[c], starts[c + 1]), (starts[d], starts[d + 1])
                links = (first, second, strong, count)
                count = _join_cells(mine, theirs, columns, parent, links, room)
    return count


@compiled
def keep_strongest(
    order: Codes,
    cells: tuple[Codes, Codes, int],
    columns: Columns,
    along: tuple[Array, Array],
    other: Codes,
    strong: Array,
) -> None:  # pragma: no cover
    """Fill in each box's strongest links, strongest first; boxes by their numbers in ``order``."""
    keys, starts, top = cells
    centre, widest = along
    # their own cells first: what is strong there leaves most of the cells around unseen
    for c in range(len(keys)):
        for a in range(starts[c], starts[c + 1]):
            _look_along(a, (starts[c], starts[c + 1]), widest[c], order, columns, centre, other, strong)
    found = np.zeros(9, np.int64)
    for c in range(len(keys)):
        own = (keys[c] >> 2 * FINEST) % LEVELS
        for level in range(own, top + 1):
            for k in range(_around(keys[c], level, keys, found)):
                d = found[k]
                if level == own and d <= c:
                    continue
                mine, theirs = (starts[c], starts[c + 1]), (starts[d], starts[d + 1])
                for a in range(mine[0], mine[1]):
                    _look_along(a, theirs, widest[d], order, columns, centre, other, strong)
                for b in range(theirs[0], theirs[1]):
                    _look_along(b, mine, widest[c], order, columns, centre, other, strong)


@compiled
def _look_along(
    a: int,
    cell: tuple[int, int],
    widest: float,
    order: Codes,
    columns: Columns,
    centre: Array,
    other: Codes,
    strong: Array,
) -> None:  # pragma: no cover
    """Keep the strongest links of one box with those of a cell, which lie in order along x: outward from its own x."""
    boxes, period = columns[0], columns[4]
    begin, end = cell
    at = centre[a]
    if period > 0:
        at -= period * np.round((at - (centre[begin] + centre[end - 1]) / 2) / period)
    # around the whole Earth left and right are the same: then none are left out
    bounded = period == 0 or centre[end - 1] - centre[begin] < period / 8
    reach = (boxes[a, 2] - boxes[a, 0] + widest) / 2
    i = order[a]
    right = begin + np.searchsorted(centre[begin:end], at)
    left = right - 1
    while left >= begin or right < end:
        if left < begin or (right < end and centre[right] - at < at - centre[left]):
            b, apart = right, abs(centre[right] - at)
            right += 1
        else:
            b, apart = left, abs(at - centre[left])
            left -= 1
        # links by distance are below 0; a hair's breadth for rounding
        weakest = strong[i, -1]
        if bounded and weakest > 0 and (reach - apart) / (reach + apart) + 1e-9 < weakest:
            return
        tall = (boxes[a, 3] - boxes[a, 1] + boxes[b, 3] - boxes[b, 1]) / 2
        off = abs(boxes[a, 3] + boxes[a, 1] - boxes[b, 3] - boxes[b, 1]) / 2
        if b != a and (weakest <= 0 or (tall - off) / (tall + off) + 1e-9 >= weakest):
            # in one order of the two, so that both boxes know it by the same digits
            strength = _strength(min(a, b), max(a, b), columns)
            if strength > NONE:
                _insert(other[i], strong[i], order[b], strength)


@compiled
def _insert(others: Codes, strengths: Array, j: int, strength: float) -> None:  # pragma: no cover
    """Put a link into its place among a box's strongest; of equal ones the box that comes first is first."""
    at = len(others) - 1
    if strength < strengths[at] or (strength == strengths[at] and j > others[at]):
        return
    while at > 0 and (strength > strengths[at - 1] or (strength == strengths[at - 1] and j < others[at - 1])):
        strengths[at], others[at] = strengths[at - 1], others[at - 1]
        at -= 1
    strengths[at], others[at] = strength, j
