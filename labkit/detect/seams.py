"""From the boxes of overlapping tiles to one set of boxes: no landslide twice, none cut at a seam."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labkit.detect.overlaps import Array, Indices, area, intersection, iou, touching_pairs

#: A box that comes this close to an inner tile edge, px, may have been cut by it.
EDGE_PX = 3.0

#: Two boxes of different tiles are one landslide above this IoU, or above this share of the smaller one.
SAME_IOU = 0.4
SAME_SHARE = 0.7

#: A tile has seen the very box that stays when its own has at least this IoU with it.
SEEN_IOU = 0.8

#: A cut box is dropped when a whole one of another tile holds this share of it.
COVERED_SHARE = 0.5


def join_tiles(found: Array, tiles: Indices, windows: Indices, size: int, shape: tuple[int, int]) -> Array:
    """Merge the boxes of all tiles of one image.

    Parameters
    ----------
    found : numpy.ndarray, shape (n, 5)
        xmin, ymin, xmax, ymax in px of the whole image, and the score.
    tiles : numpy.ndarray, shape (n,)
        Which tile saw each box.
    windows : numpy.ndarray, shape (tiles, 2)
        Upper left corner (row, col) of each tile.
    size : int
        Edge of the tiles, px.
    shape : (int, int)
        Rows and columns of the whole image.

    Returns
    -------
    numpy.ndarray
        (m, 5), best score first.

    Notes
    -----
    A box near an inner edge of its tile is taken as cut. Whole boxes of different tiles that lie on each other are
    one: the best stays, unless the other's tile has seen both and tells them apart. A cut box goes when another tile
    sees it whole; what is seen only in parts, because it is wider than the overlap, is put together from its parts.
    The order of boxes and tiles does not matter. :func:`labkit.detect_landslides` says what follows from this.
    """
    corners = windows[tiles].reshape(-1, 2)
    order = np.lexsort((*corners.T[::-1], *found[:, :4].T[::-1], -found[:, 4]))
    found, tiles, corners = found[order], tiles[order], corners[order]
    cut = _is_cut(found[:, :4], corners, size, shape)
    first, second = touching_pairs(found[:, :4])
    apart = tiles[first] != tiles[second]
    pairs = first[apart], second[apart]
    whole = _best_of_each(found[:, :4], tiles, ~cut, pairs)
    parts = np.flatnonzero(cut & ~_seen_whole(found[:, :4], cut, whole, pairs))
    joined = np.concatenate([found[whole], _put_together(found[parts], tiles[parts])])
    return joined[np.lexsort((*joined[:, :4].T[::-1], -joined[:, 4]))]


def _is_cut(boxes: Array, corners: Indices, size: int, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    top, left = corners.T
    bottom, right = top + size, left + size
    return np.asarray(
        ((left > 0) & (boxes[:, 0] <= left + EDGE_PX))
        | ((top > 0) & (boxes[:, 1] <= top + EDGE_PX))
        | ((right < shape[1]) & (boxes[:, 2] >= right - EDGE_PX))
        | ((bottom < shape[0]) & (boxes[:, 3] >= bottom - EDGE_PX))
    )


def _best_of_each(
    boxes: Array, tiles: Indices, whole: npt.NDArray[np.bool_], pairs: tuple[Indices, Indices]
) -> Indices:
    """Suppress whole boxes, given best first, that another tile has seen better."""
    first, second = (side[whole[pairs[0]] & whole[pairs[1]]] for side in pairs)
    overlap = iou(boxes[first], boxes[second])
    share = intersection(boxes[first], boxes[second]) / np.minimum(area(boxes[first]), area(boxes[second]))
    rivals: dict[int, list[tuple[float, int]]] = {}
    for i in np.flatnonzero((overlap > SAME_IOU) | (share > SAME_SHARE)):
        rivals.setdefault(int(second[i]), []).append((float(overlap[i]), int(first[i])))
    seen_by: dict[int, set[int]] = {}
    for i in np.flatnonzero(whole).tolist():
        tile = int(tiles[i])
        better = [(much, k) for much, k in rivals.get(i, ()) if k in seen_by and tile not in seen_by[k]]
        if not better:
            seen_by[i] = {tile}
            continue
        much, best = max(better)
        if much >= SEEN_IOU:
            seen_by[best].add(tile)
    return np.array(list(seen_by), np.int64)


def _seen_whole(
    boxes: Array, cut: npt.NDArray[np.bool_], whole: Indices, pairs: tuple[Indices, Indices]
) -> npt.NDArray[np.bool_]:
    """Which cut boxes another tile has seen whole."""
    stays = np.zeros(len(boxes), bool)
    stays[whole] = True
    part, other = np.concatenate([pairs, pairs[::-1]], axis=1)
    asked = cut[part] & stays[other]
    part, other = part[asked], other[asked]
    covered = np.zeros(len(boxes), bool)
    covered[part[intersection(boxes[part], boxes[other]) >= COVERED_SHARE * area(boxes[part])]] = True
    return covered


def _put_together(found: Array, tiles: Indices) -> Array:
    """Give the envelope of parts of different tiles that meet along at least half of the shorter one."""
    if not len(found):
        return found
    first, second = touching_pairs(found[:, :4] + EDGE_PX / 2 * np.array([-1, -1, 1, 1]))
    a, b = found[first, :4], found[second, :4]
    reach = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shorter = np.minimum(a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2])
    meet = (reach >= 0.5 * shorter).any(axis=1) & (tiles[first] != tiles[second])
    first, second = first[meet], second[meet]
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(found), len(found)))
    count, group = connected_components(graph, directed=False)
    envelopes = np.tile([np.inf, np.inf, -np.inf, -np.inf, -np.inf], (count, 1))
    for column, edge in enumerate((np.minimum, np.minimum, np.maximum, np.maximum, np.maximum)):
        edge.at(envelopes[:, column], group, found[:, column])
    return envelopes
