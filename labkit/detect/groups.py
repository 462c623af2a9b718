"""From linked boxes to groups that are no longer than a landslide: a graph whose weakest links are cut."""

from __future__ import annotations

import numpy as np

from labkit import geo
from labkit.detect.links import Places, join, strongest
from labkit.detect.links_compiled import Array, Codes, compiled, root

#: Of each box in a chain that is too long, so many of its strongest links are looked at.
LINKS_PER_BOX = 32

#: Two boxes that overlap may reach twice as far as the longer of them, and are one all the same.
TIMES_LONGEST = 2.0

#: The place of boxes in degrees, or None; then lengths in metres are unknown and nothing is too long.
Degrees = Array | None


def linked_groups(planes: list[Places], degrees: Degrees, max_extent_m: float) -> Codes:
    """Number the groups of boxes that are linked, in the order of their first boxes.

    Parameters
    ----------
    planes : list of Places
        The same boxes, seen in one way after the other; the links of all count.
    degrees : numpy.ndarray (n, 4), optional
        West, south, east, north of each box; east may be beyond 180.
    max_extent_m : float
        Longest side of a group's envelope, m.

    Notes
    -----
    The groups are the connected components of the graph. A component whose envelope is longer than ``max_extent_m``,
    and than twice its longest box, is taken apart: its links are taken up again, strongest first (of equal ones in the
    order of the boxes), and one that would make a group longer than that is left out. Of each box the
    :data:`LINKS_PER_BOX` strongest are taken up, and those that hold the component together.
    """
    count = len(planes[0].boxes)
    parent: Codes = np.arange(count)
    held = [join(places, parent) for places in planes]
    roots = _roots(parent)
    if degrees is None or not np.isfinite(max_extent_m):
        return _numbered(roots)
    first, second, strength = (np.concatenate(parts) for parts in zip(*held, strict=True))
    together = _unturned(degrees, roots)
    long = _too_long(together, roots, max_extent_m)[roots]
    if long.any():
        chosen = np.flatnonzero(long)
        links = [strongest(places.rows(chosen), LINKS_PER_BOX) for places in planes]
        holding = long[first]
        first = np.concatenate([first[holding], *(chosen[link[0]] for link in links)])
        second = np.concatenate([second[holding], *(chosen[link[1]] for link in links)])
        strength = np.concatenate([strength[holding], *(link[2] for link in links)])
        first, second = np.minimum(first, second), np.maximum(first, second)
        order = np.lexsort((second, first, -strength))
        parent = np.where(long, np.arange(count), roots)
        _take_up(first[order], second[order], together.copy(), _longest(together), max_extent_m, parent)
        roots = _roots(parent)
    return _numbered(roots)


def _numbered(roots: Codes) -> Codes:
    _, at, inverse = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(at), np.int64)
    rank[np.argsort(at, kind="stable")] = np.arange(len(at))
    return rank[inverse]


def _unturned(degrees: Array, roots: Codes) -> Array:
    """The boxes with the longitudes of each component on one side of the date line."""
    turns = 360.0 * np.round((degrees[roots, 0] - degrees[:, 0]) / 360.0)
    return degrees + turns[:, None] * np.array([1.0, 0.0, 1.0, 0.0])


def _longest(boxes: Array) -> Array:
    """Longer side of each box, m."""
    east, north = geo.metres_per_degree((boxes[:, 1] + boxes[:, 3]) / 2)
    return np.maximum((boxes[:, 2] - boxes[:, 0]) * east, (boxes[:, 3] - boxes[:, 1]) * north)


def _too_long(boxes: Array, roots: Codes, max_extent_m: float) -> Array:
    """Whether the component of each root is too long."""
    around = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(boxes), 1))
    np.minimum.at(around[:, :2], roots, boxes[:, :2])
    np.maximum.at(around[:, 2:], roots, boxes[:, 2:])
    longest = np.zeros(len(boxes))
    np.maximum.at(longest, roots, _longest(boxes))
    used = np.unique(roots)
    long = np.zeros(len(boxes), bool)
    long[used] = _longest(around[used]) > np.maximum(max_extent_m, TIMES_LONGEST * longest[used])
    return long


@compiled
def _roots(parent: Codes) -> Codes:  # pragma: no cover
    answer = np.empty_like(parent)
    for i in range(len(parent)):
        answer[i] = root(parent, i)
    return answer


@compiled
def _take_up(
    first: Codes, second: Codes, around: Array, longest: Array, max_extent_m: float, parent: Codes
) -> None:  # pragma: no cover
    """Join boxes in the order of their links, where the group that comes out is not too long."""
    for k in range(len(first)):
        a, b = root(parent, first[k]), root(parent, second[k])
        if a == b:
            continue
        west, south = min(around[a, 0], around[b, 0]), min(around[a, 1], around[b, 1])
        east, north = max(around[a, 2], around[b, 2]), max(around[a, 3], around[b, 3])
        # the longer side in metres, as geo.metres_per_degree has them
        most = max(longest[a], longest[b])
        per_lon, per_lat = _metres((south + north) / 2)
        if max((east - west) * per_lon, (north - south) * per_lat) <= max(max_extent_m, TIMES_LONGEST * most):
            parent[b] = a
            around[a, 0], around[a, 1], around[a, 2], around[a, 3] = west, south, east, north
            longest[a] = most


_metres = compiled(geo.metres_per_degree)
