"""Which detection found which label, and what that counts for when blocks of ground are weighted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.detect import overlaps
from labkit.detect.overlaps import Array, Indices

#: Recalls at which the precision is averaged (COCO).
RECALLS = np.linspace(0, 1, 101)

Mask = npt.NDArray[np.bool_]


class Marks:
    """Detections matched with labels, once for each IoU threshold, and counted with weights for blocks of ground.

    Parameters
    ----------
    found, true : numpy.ndarray, shapes (n, 4) and (m, 4)
        Boxes of detections and labels.
    found_groups, true_groups : numpy.ndarray, shapes (n,) and (m,)
        Only boxes of one group may match.
    scores : numpy.ndarray, shape (n,)
        Of the detections.
    """

    def __init__(self, found: Array, found_groups: Indices, scores: Array, true: Array, true_groups: Indices) -> None:
        # equal scores in an order that does not depend on the order of the rows
        self._order = np.lexsort((*found.T[::-1], found_groups, -scores))
        self._found, self._scores, self._true = found, scores, true
        self._found_groups, self._true_groups = found_groups, true_groups
        self._matches: dict[float, Indices] = {}
        self.found_inside: Mask = np.ones(len(found), bool)
        self.true_inside: Mask = np.ones(len(true), bool)
        self.set_blocks(np.inf)

    def set_blocks(self, edge: float) -> None:
        """Share everything out to square blocks of this edge, by the centres of the boxes."""
        boxes = np.concatenate([self._found, self._true])
        groups = np.concatenate([self._found_groups, self._true_groups])
        cells = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / edge)
        _, number = np.unique(np.column_stack([groups, cells]), axis=0, return_inverse=True)
        number = number.reshape(-1)
        self.blocks = int(number.max()) + 1 if len(number) else 0
        self._found_block, self._true_block = number[: len(self._found)], number[len(self._found) :]

    def set_inside(self, found: Mask, true: Mask) -> None:
        """Count labels only where ``true``, detections without a label only where ``found``; others as their label."""
        self.found_inside, self.true_inside = found, true

    def taken(self, iou: float) -> Indices:
        """Give for each detection the label that it found at this IoU, or −1.

        The best detection chooses first, and takes the free label with the highest IoU.
        """
        if iou not in self._matches:
            taken = np.full(len(self._found), -1, np.int64)
            free = np.ones(len(self._true), bool)
            for i in self._order:
                candidates = np.flatnonzero(free & (self._true_groups == self._found_groups[i]))
                if len(candidates):
                    values = overlaps.iou(self._true[candidates], self._found[i])
                    best = int(values.argmax())
                    if values[best] >= iou:
                        taken[i] = candidates[best]
                        free[candidates[best]] = False
            self._matches[iou] = taken
        return self._matches[iou]

    def counts(self, weights: Array, iou: float, score: float) -> tuple[float, float, float]:
        """Give true positives, false positives and false negatives; each block counts with its weight."""
        right, wrong = self._found_weights(weights, iou)
        strong = self._scores >= score
        found = float(right[strong].sum())
        return found, float(wrong[strong].sum()), self._labels(weights) - found

    def average_precision(self, weights: Array, iou: float) -> float:
        """Give the mean over 101 recalls of the best precision at that recall or beyond; NaN without labels."""
        labels = self._labels(weights)
        if labels <= 0:
            return float("nan")
        right, wrong = (part[self._order].cumsum() for part in self._found_weights(weights, iou))
        if not len(right):
            return 0.0
        precision = right / np.maximum(right + wrong, np.finfo(float).tiny)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(right / labels, RECALLS - 1e-12, side="left")
        return float(np.append(precision, 0.0)[at].mean())

    def _labels(self, weights: Array) -> float:
        return float((weights[self._true_block] * self.true_inside).sum())

    def _found_weights(self, weights: Array, iou: float) -> tuple[Array, Array]:
        """Weight of each detection as a true and as a false positive; a true one counts where its label does."""
        taken = self.taken(iou)
        matched = taken >= 0
        right = np.zeros(len(taken))
        label = taken[matched]
        right[matched] = weights[self._true_block[label]] * self.true_inside[label]
        wrong = np.where(matched, 0.0, weights[self._found_block] * self.found_inside)
        return right, wrong
