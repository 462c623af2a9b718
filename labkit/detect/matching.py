"""Which detection found which label: each takes one, best score first; what need not be found counts for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from labkit.detect import overlaps
from labkit.detect.matching_compiled import take
from labkit.detect.overlaps import Array, Indices

Mask = npt.NDArray[np.bool_]

#: Whole areas: every box.
ANY_AREA = (0.0, np.inf)

#: An overlap as good as 1: rounding must not part equal boxes (COCO).
_WHOLE = 1 - 1e-10


@dataclass(frozen=True)
class Boxes:
    """Boxes to match, one row each.

    Attributes
    ----------
    corners : numpy.ndarray, shape (n, 4)
        xmin, ymin, xmax, ymax.
    groups : numpy.ndarray, shape (n,)
        Only boxes of one group may match.
    inside : numpy.ndarray, shape (n,)
        Whether a box lies on the ground that counts.
    """

    corners: Array
    groups: Indices
    inside: Mask


@dataclass(frozen=True)
class Matches:
    """What the detections are at one IoU; along detections, best score first.

    Attributes
    ----------
    label : numpy.ndarray (detection,)
        The label that a detection took, or −1.
    right, wrong : numpy.ndarray (detection,)
        A detection that took no label to be found is wrong, unless it took another one, or lies outside the ground or
        the range of areas: then it is neither.
    wanted : numpy.ndarray (label,)
        Labels to be found.
    """

    label: Indices
    right: Mask
    wrong: Mask
    wanted: Mask


class Matcher:
    """Detections and the labels that lie on them, found once and matched at any IoU.

    Parameters
    ----------
    found, true : Boxes
        Detections and labels.
    scores : numpy.ndarray, shape (n,)
        Of the detections.
    ignored, crowd : numpy.ndarray, shape (m,)
        Labels that need not be found; those of them that are crowds, regions on which any number of detections lie.
    least : float
        The least IoU at which anything will be matched.

    Attributes
    ----------
    order : numpy.ndarray (n,)
        The detections, best score first; equal ones by group and corners, so that the order of rows does not matter.
    overlap : numpy.ndarray (candidate,)
        IoU of detections with labels; with a crowd the share of the detection that lies in it.
    """

    def __init__(self, found: Boxes, scores: Array, true: Boxes, ignored: Mask, crowd: Mask, least: float) -> None:
        self.order = np.lexsort((*found.corners.T[::-1], found.groups, -scores))
        self._inside = found.inside[self.order]
        self._areas = overlaps.area(found.corners)[self.order]
        self._label_areas = overlaps.area(true.corners)
        self._to_find = true.inside & ~ignored & ~crowd
        self._crowd = crowd
        detection, label = _touching(found, true)
        shared = overlaps.intersection(found.corners[detection], true.corners[label])
        own = overlaps.area(found.corners)[detection]
        self.overlap = shared / np.where(crowd[label], own, own + self._label_areas[label] - shared)
        near = self.overlap >= min(least, _WHOLE)
        # labels that overlap alike are taken in the order of their corners, whatever their rows
        rank = np.empty(len(true.corners), np.int64)
        rank[np.lexsort(true.corners.T[::-1])] = np.arange(len(rank))
        place = np.empty(len(scores), np.int64)
        place[self.order] = np.arange(len(place))
        detection, label, self.overlap = place[detection[near]], label[near], self.overlap[near]
        sequence = np.lexsort((rank[label], detection))
        self._labels, self.overlap = label[sequence], self.overlap[sequence]
        self._starts = np.searchsorted(detection[sequence], np.arange(len(scores) + 1)).astype(np.int64)

    def match(self, iou: float, areas: tuple[float, float] = ANY_AREA) -> Matches:
        """Match at an IoU.

        Parameters
        ----------
        iou : float
            Least IoU, not below ``least``.
        areas : (float, float)
            Labels outside this range, ends included, need not be found, and who finds nothing and lies outside it is
            not wrong.

        Notes
        -----
        The best detection chooses first, and takes the free label with the highest IoU among those to be found, else
        among the others. As COCO does, for each range of areas anew.
        """
        low, high = areas
        wanted = self._to_find & (self._label_areas >= low) & (self._label_areas <= high)
        taken = take(self._starts, self._labels, self.overlap, min(iou, _WHOLE), wanted, self._crowd)
        hit = taken >= 0
        right = hit.copy()
        right[hit] = wanted[taken[hit]]
        wrong = ~hit & self._inside & (self._areas >= low) & (self._areas <= high)
        return Matches(taken, right, wrong, wanted)

    def overlap_of(self, matches: Matches) -> Array:
        """Give the IoU of each detection with the label that it took, (detection,); 0 where it took none."""
        detection = np.repeat(np.arange(len(self.order)), np.diff(self._starts))
        chosen = matches.label[detection] == self._labels
        values = np.zeros(len(self.order))
        values[detection[chosen]] = self.overlap[chosen]
        return values


def _touching(found: Boxes, true: Boxes) -> tuple[Indices, Indices]:
    """Detections and labels of one group that touch, found with a spatial index for each group."""
    rows, labels = np.argsort(found.groups, kind="stable"), np.argsort(true.groups, kind="stable")
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for group in np.intersect1d(found.groups, true.groups):
        here = rows[slice(*np.searchsorted(found.groups[rows], [group, group + 1]))]
        there = labels[slice(*np.searchsorted(true.groups[labels], [group, group + 1]))]
        near = shapely.STRtree(shapely.box(*true.corners[there].T)).query(shapely.box(*found.corners[here].T))
        pairs.append((here[near[0]], there[near[1]]))
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return first.astype(np.int64), second.astype(np.int64)
