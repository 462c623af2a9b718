"""Which boxes lie on the same ground: the links of merging, found on a grid of cells, each box with those around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labkit.detect.links_compiled import FINEST, LEVELS, NONE, Array, Codes, Columns, join_all, keep_strongest
from labkit.errors import LabkitError

_MOST_PLANES = 2 ** (63 - 2 * FINEST) // LEVELS


@dataclass(frozen=True)
class Places:
    """Boxes on planes, and which of them may be linked.

    Parameters
    ----------
    boxes : numpy.ndarray (n, 4)
        xmin, ymin, xmax, ymax in any unit.
    plane : numpy.ndarray (n,)
        Boxes on different planes are never linked; counted from 0.
    apart, view : numpy.ndarray (n,)
        Boxes are linked only where their ``apart`` differs; by distance only where their ``view`` differs too.
    scale : numpy.ndarray (n, 2)
        Metres in one unit along x and y, where each box lies.
    period : float
        Where x starts again (360 for degrees of longitude), or 0.
    min_giou : float
        Overlapping boxes are linked where their GIoU is above this, at least 0.
    max_distance_m : float
        So are boxes with centres at most this far apart; negative: none are.
    """

    boxes: Array
    plane: Codes
    apart: Codes
    view: Codes
    scale: Array
    period: float
    min_giou: float
    max_distance_m: float

    def rows(self, chosen: Codes) -> Places:
        """Give some of the boxes."""
        return replace(
            self,
            boxes=self.boxes[chosen],
            plane=self.plane[chosen],
            apart=self.apart[chosen],
            view=self.view[chosen],
            scale=self.scale[chosen],
        )


def join(places: Places, parent: Codes) -> tuple[Codes, Codes, Array]:
    """Join linked boxes in a forest of parents, and give the links that joined: first, second, strength.

    Parameters
    ----------
    places : Places
    parent : numpy.ndarray (n,)
        Filled in: each box's parent, itself where it is a root; may hold earlier joins.

    Notes
    -----
    The strength of a link is the GIoU where that is above ``min_giou``, else minus the distance over the greatest
    distance: any overlap is stronger than any distance. Boxes lie in cells at least as large as they reach, finer and
    coarser ones in levels, so that those in reach lie in the cells around. A box is compared with the joined ones of
    a cell only until it is one of them: many boxes at one spot cost little more than a walk over them.
    """
    order, keys, starts = _cells(places)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    moved = place[parent[order]]
    first, second = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    strength = np.zeros(len(order))
    count = join_all(keys, starts, _top(keys), _columns(places.rows(order)), moved, first, second, strength)
    parent[order] = order[moved]
    return order[first[:count]], order[second[:count]], strength[:count]


def strongest(places: Places, most: int) -> tuple[Codes, Codes, Array]:
    """Give the strongest links of each box, at most so many: first < second, strength, in one order.

    Notes
    -----
    Two boxes of the widths v and w whose centres lie d apart along x have GIoU ≤ IoU ≤ (s − d) / (s + d) with
    s = (v + w) / 2, so that a box with enough strong links need not look at those of a cell that are further along x;
    in the same way one at another y is passed by. Where many boxes lie on each other that leaves a small part of all
    pairs.
    """
    order, keys, starts = _cells(places)
    centre = places.boxes[:, [0, 2]].mean(axis=1)
    centre = centre % places.period if places.period else centre
    order = order[np.lexsort((centre[order], np.repeat(np.arange(len(keys)), np.diff(starts))))]
    widest = np.maximum.reduceat((places.boxes[:, 2] - places.boxes[:, 0])[order], starts[:-1])
    other, strength = np.full((len(order), most), -1, np.int64), np.full((len(order), most), NONE)
    columns = _columns(places.rows(order))
    keep_strongest(order, (keys, starts, _top(keys)), columns, (centre[order], widest), other, strength)
    box, slot = np.nonzero(other >= 0)
    pairs = np.sort(np.column_stack([box, other[box, slot]]), axis=1)
    _, distinct = np.unique(pairs[:, 0] * len(order) + pairs[:, 1], return_index=True)
    return pairs[distinct, 0], pairs[distinct, 1], strength[box, slot][distinct]


def _columns(places: Places) -> Columns:
    return (
        places.boxes,
        places.apart,
        places.view,
        places.scale,
        float(places.period),
        float(places.min_giou),
        float(places.max_distance_m),
    )


def _cells(places: Places) -> tuple[Codes, Codes, Codes]:
    """Boxes in the order of their cells, the cells' keys, and where each begins."""
    if places.plane.max() >= _MOST_PLANES:
        raise LabkitError(f"detections must lie on at most {_MOST_PLANES} scenes, instead got {places.plane.max() + 1}")
    boxes = places.boxes
    # half of what two boxes may be apart; a hundredth more, as the metres of a degree differ between two boxes
    reach = ((boxes[:, 2:] - boxes[:, :2]) / 2).max(axis=1)
    if places.max_distance_m > 0:
        reach = np.maximum(reach, 1.01 * (places.max_distance_m / 2 / places.scale).max(axis=1))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    if places.period:
        width, origin = float(places.period), np.array([0.0, -float(places.period) / 2])
        centres[:, 0] %= width
    else:
        origin = centres.min(axis=0)
        # twice as wide as needed: beyond the last cell lies nothing, as cells are counted round
        width = 2.0 ** np.ceil(np.log2(2 * (np.ptp(centres, axis=0).max() + 2 * reach.max() + 1)))
    level = np.ceil(np.log2(np.maximum(2 * reach * 2**FINEST / width, 1.0))).astype(np.int64)
    if (level > FINEST).any():
        raise LabkitError("detections must be smaller than the Earth, instead one reaches around it")
    size = width / 2.0 ** (FINEST - level)
    cell = np.minimum(((centres - origin) / size[:, None]).astype(np.int64), 2 ** (FINEST - level)[:, None] - 1)
    key = (((places.plane * LEVELS + level) << FINEST | cell[:, 1]) << FINEST) | cell[:, 0]
    # Of each code one, then of each the next: so that a few looks into a cell join all that can be joined.
    by_code = np.lexsort((places.apart, key))
    begins = np.r_[True, (np.diff(key[by_code]) != 0) | (np.diff(places.apart[by_code]) != 0)]
    rank = np.empty(len(key), np.int64)
    rank[by_code] = np.arange(len(key)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    order = np.lexsort((places.apart, rank, key))
    keys, starts = np.unique(key[order], return_index=True)
    return order, keys, np.r_[starts, len(order)].astype(np.int64)


def _top(keys: Codes) -> int:
    return int(((keys >> 2 * FINEST) % LEVELS).max())
