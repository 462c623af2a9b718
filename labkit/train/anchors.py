"""Prior boxes from the labels themselves: k-means over widths and heights with the distance 1 − IoU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.train.settings import Anchors, require

Array = npt.NDArray[np.float64]

#: Fu et al. (2022), Table 1: widths and heights in px of chips of 416 × 416 px, for the strides 8, 16 and 32.
TABLE_1: Anchors = (
    ((19.0, 17.0), (14.0, 24.0), (16.0, 25.0)),
    ((21.0, 23.0), (19.0, 32.0), (28.0, 22.0)),
    ((24.0, 29.0), (33.0, 35.0), (50.0, 48.0)),
)


def shape_iou(sizes: npt.ArrayLike, others: npt.ArrayLike) -> Array:
    """Give the IoU of boxes laid on a common centre, so that only their shapes count.

    Parameters
    ----------
    sizes, others : array_like, shapes (n, 2) and (m, 2)
        Widths and heights, px.

    Returns
    -------
    numpy.ndarray
        (n, m), in (0, 1].

    Examples
    --------
    >>> shape_iou([[20, 10]], [[20, 10], [10, 20]]).round(3)
    array([[1.   , 0.333]])
    """
    a = np.asarray(sizes, float).reshape(-1, 1, 2)
    b = np.asarray(others, float).reshape(1, -1, 2)
    intersection = np.minimum(a, b).prod(axis=2)
    return np.asarray(intersection / (a.prod(axis=2) + b.prod(axis=2) - intersection))


def kmeans_anchors(sizes: npt.ArrayLike, count: int, *, seed: int = 0, max_rounds: int = 100) -> Array:
    """Cluster the widths and heights of labels, so that each label has a prior box of nearly its shape.

    Parameters
    ----------
    sizes : array_like, shape (n, 2)
        Widths and heights of the labels, px; n ≥ 1.
    count : int
        How many clusters. Fewer distinct labels than that are spread by factors of √2, so that the answer always has
        ``count`` rows.
    seed : int
        Of the choice of the first centres.
    max_rounds : int
        Rounds of assignment before giving up on convergence.

    Returns
    -------
    numpy.ndarray
        (count, 2), sorted by area.

    Notes
    -----
    The distance is 1 − IoU of shapes on a common centre, and a centre is the median of its members: large boxes do
    not outweigh small ones, as they would with Euclidean distance.

    References
    ----------
    Fu et al. (2022), section 4.3 and Table 1; Redmon and Farhadi (2017), section 2.

    Examples
    --------
    >>> kmeans_anchors([[10, 10], [11, 10], [40, 20], [42, 20]], 2).tolist()
    [[10.5, 10.0], [41.0, 20.0]]
    """
    boxes = _checked(sizes, count)
    distinct = np.unique(boxes, axis=0)
    if len(distinct) <= count:
        return _spread(distinct, count)
    centres = _first_centres(distinct, count, np.random.default_rng(seed))
    for _ in range(max_rounds):
        nearest = shape_iou(boxes, centres).argmax(axis=1)
        moved = np.array(
            [np.median(boxes[nearest == k], axis=0) if (nearest == k).any() else centres[k] for k in range(count)]
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return _by_area(centres)


def anchors_by_stride(sizes: npt.ArrayLike, strides: int, each: int = 3, *, seed: int = 0) -> Anchors:
    """Share the anchors out: the smallest go to the finest stride, ``each`` to every stride."""
    centres = kmeans_anchors(sizes, strides * each, seed=seed)
    groups = centres.reshape(strides, each, 2)
    return tuple(tuple((float(w), float(h)) for w, h in group) for group in groups)


def pyramid_anchors(sizes: npt.ArrayLike, levels: int, each: int = 3) -> Anchors:
    """Fit anchors whose scale doubles with the stride, so that one head can serve all levels of a pyramid.

    Parameters
    ----------
    sizes : array_like, shape (n, 2)
        Widths and heights of the labels, px; n ≥ 1.
    levels : int
        Of the pyramid.
    each : int
        Shapes, the same at each level.

    Returns
    -------
    tuple
        For each level, fine to coarse, ``each`` widths and heights, from flat to tall.

    Notes
    -----
    At level l the anchors have the area (s · 2ˡ)² and the ratios height / width at the quantiles (i + ½) / each of the
    labels. s lies within a factor of √2 of the 5th percentile of √(w h), so that the finest level serves the smallest
    labels, where the mean over the labels of the best IoU of shapes is greatest.

    Examples
    --------
    >>> [level[1] for level in pyramid_anchors([[10, 10], [20, 20], [40, 40]], 3)]
    [(10.0, 10.0), (20.0, 20.0), (40.0, 40.0)]
    """
    boxes = _checked(sizes, levels * each)
    ratios = np.quantile(boxes[:, 1] / boxes[:, 0], (np.arange(each) + 0.5) / each)
    shapes = np.column_stack([ratios**-0.5, ratios**0.5])
    smallest = np.quantile(np.sqrt(boxes.prod(axis=1)), 0.05)
    tried = smallest * 2 ** np.linspace(-0.5, 0.5, 65)
    steps = 2.0 ** np.arange(levels)
    fits = [shape_iou(boxes, (shapes[None] * (s * steps)[:, None, None]).reshape(-1, 2)) for s in tried]
    scale = tried[int(np.argmax([fit.max(axis=1).mean() for fit in fits]))]
    return tuple(tuple((float(w), float(h)) for w, h in shapes * scale * step) for step in steps)


def _checked(sizes: npt.ArrayLike, count: int) -> Array:
    boxes = np.asarray(sizes, float).reshape(-1, 2)
    require(len(boxes) > 0, "sizes", "the widths and heights of at least one label", len(boxes))
    require(bool((boxes > 0).all()), "sizes", "positive", boxes.min())
    require(count >= 1, "count", "at least 1", count)
    return boxes


def _first_centres(distinct: Array, count: int, rng: np.random.Generator) -> Array:
    """Pick each next centre with a chance that grows with its distance to those already picked (k-means++)."""
    chosen = [int(rng.integers(len(distinct)))]
    for _ in range(count - 1):
        distance = 1 - shape_iou(distinct, distinct[chosen]).max(axis=1)
        chosen.append(int(rng.choice(len(distinct), p=distance**2 / np.sum(distance**2))))
    return distinct[chosen]


def _spread(distinct: Array, count: int) -> Array:
    factors = [1.0]
    step = 1
    while len(factors) * len(distinct) < count:
        factors += [2 ** (step / 2), 2 ** (-step / 2)]
        step += 1
    spread = np.concatenate([distinct * factor for factor in factors])
    return _by_area(spread[:count])


def _by_area(centres: Array) -> Array:
    return centres[np.lexsort((centres[:, 0], centres.prod(axis=1)))]
