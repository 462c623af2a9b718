"""From the boxes of overlapping tiles to one set of boxes: no landslide twice, none cut at a seam."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labkit.detect.overlaps import Array, Indices, area, intersection, iou

#: A box that comes this close to an inner tile edge, px, may have been cut by it.
EDGE_PX = 3.0

#: Two boxes of different tiles are one landslide above this IoU, or above this share of the smaller one.
SAME_IOU = 0.4
SAME_SHARE = 0.7

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
    one: the best stays. A cut box goes when another tile sees it whole; what is seen only in parts, because it is wider
    than the overlap, is put together from its parts.
    """
    order = np.lexsort((*found[:, :4].T[::-1], -found[:, 4]))
    found, tiles = found[order], tiles[order]
    boxes = found[:, :4]
    cut = _is_cut(boxes, windows[tiles], size, shape)
    whole = np.flatnonzero(~cut)
    whole = whole[_best_of_each(boxes[whole], tiles[whole])]
    parts = np.flatnonzero(cut)
    if len(parts) and len(whole):
        shared = intersection(boxes[parts, None], boxes[None, whole]) / area(boxes[parts])[:, None]
        elsewhere = tiles[parts, None] != tiles[None, whole]
        parts = parts[~((shared >= COVERED_SHARE) & elsewhere).any(axis=1)]
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


def _best_of_each(boxes: Array, tiles: Indices) -> Indices:
    """Suppress boxes, given best first, that another tile has seen better."""
    keep: list[int] = []
    for i in range(len(boxes)):
        others = [k for k in keep if tiles[k] != tiles[i]]
        if others:
            better = boxes[others]
            smaller = np.minimum(area(better), area(boxes[i]))
            share = intersection(better, boxes[i]) / smaller
            if (iou(better, boxes[i]) > SAME_IOU).any() or (share > SAME_SHARE).any():
                continue
        keep.append(i)
    return np.array(keep, np.int64)


def _put_together(found: Array, tiles: Indices) -> Array:
    """Give the envelope of parts of different tiles that meet along at least half of the shorter one."""
    if not len(found):
        return found
    a, b = found[:, None, :4], found[None, :, :4]
    reach = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shorter = np.minimum(a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2])
    meet = (reach >= -EDGE_PX).all(axis=2) & (reach >= 0.5 * shorter).any(axis=2)
    first, second = np.nonzero(meet & (tiles[:, None] != tiles[None, :]))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(found), len(found)))
    count, group = connected_components(graph, directed=False)
    envelopes = np.empty((count, 5))
    for k in range(count):
        members = found[group == k]
        envelopes[k] = [*members[:, :2].min(axis=0), *members[:, 2:4].max(axis=0), members[:, 4].max()]
    return envelopes
