"""How far boxes share ground: IoU, GIoU, and the pairs that touch at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def corners_of(boxes: npt.ArrayLike) -> Array:
    """Give boxes as an (n, 4) array of floats: xmin, ymin, xmax, ymax."""
    return np.asarray(boxes, float).reshape(-1, 4)


def area(boxes: Array) -> Array:
    """Area of each box of (…, 4)."""
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))


def intersection(a: Array, b: Array) -> Array:
    """Shared area of boxes of (…, 4), by the rules of broadcasting."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    return np.asarray(width.clip(0) * height.clip(0))


def iou(a: Array, b: Array) -> Array:
    """Intersection over union of boxes of (…, 4), by the rules of broadcasting; in [0, 1].

    Examples
    --------
    >>> iou(corners_of([[0, 0, 2, 2]]), corners_of([[1, 0, 3, 2]]))
    array([0.333])
    """
    shared = intersection(a, b)
    return np.asarray(shared / (area(a) + area(b) - shared))


def giou(a: Array, b: Array) -> Array:
    """Generalized intersection over union of boxes of (…, 4), by the rules of broadcasting; in (−1, 1].

    Notes
    -----
    GIoU = IoU − (C − U) / C, with U the area of the union and C that of the smallest box around both. It is positive
    only where boxes overlap by more than their arrangement wastes.

    References
    ----------
    Rezatofighi et al. (2019); Fu et al. (2022), section 4.3.

    Examples
    --------
    >>> giou(corners_of([[0, 0, 2, 2]]), corners_of([[1, 0, 3, 2], [1, 1, 3, 3], [4, 0, 6, 2]]))
    array([ 0.333, -0.079, -0.333])
    """
    shared = intersection(a, b)
    union = area(a) + area(b) - shared
    hull = area(np.concatenate([np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., 2:], b[..., 2:])], axis=-1))
    return np.asarray(shared / union - (hull - union) / hull)


def touching_pairs(boxes: Array) -> tuple[Indices, Indices]:
    """Give the indices i < j of all boxes that touch or overlap, found with a spatial index."""
    shapes = shapely.box(*boxes.T)
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    ordered = first < second
    return first[ordered].astype(np.int64), second[ordered].astype(np.int64)
