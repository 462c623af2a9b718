"""The loops over detections in the order of their scores: who takes which label, and what that makes of a curve."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def take(
    starts: Indices, labels: Indices, overlaps: Array, least: float, wanted: Mask, crowd: Mask
) -> Indices:  # pragma: no cover
    """Give for each detection the label that it takes, or −1.

    Parameters
    ----------
    starts : numpy.ndarray (detection + 1,)
        Detection i may take ``labels[starts[i]:starts[i + 1]]``; the best score comes first.
    labels, overlaps : numpy.ndarray (candidate,)
        Labels that lie on a detection, and how far.
    least : float
        Least overlap.
    wanted, crowd : numpy.ndarray (label,)
        Whether a label is to be found: it comes before one that is not. A crowd may be taken again and again.
    """
    count = len(starts) - 1
    taken = np.full(count, -1, np.int64)
    free = np.ones(len(wanted), np.bool_)
    for i in range(count):
        best, most = -1, least
        for k in range(starts[i], starts[i + 1]):
            label = labels[k]
            if overlaps[k] < least or not (free[label] or crowd[label]):
                continue
            better = best < 0 or overlaps[k] > most
            if best >= 0 and wanted[label] != wanted[best]:
                better = wanted[label]
            if better:
                best, most = label, overlaps[k]
        if best >= 0:
            taken[i] = best
            free[best] = False
    return taken


@_compiled
def precision_at_recalls(
    blocks: Indices, right: Mask, weights: Array, labels: Array, recalls: Array
) -> Array:  # pragma: no cover
    """Give the best precision at each recall or beyond, 0 where it is not reached, for each draw: (draw, recall).

    Parameters
    ----------
    blocks, right : numpy.ndarray (detection,)
        The block with whose weight a detection counts, and whether it is right; the best score comes first.
    weights : numpy.ndarray (draw, block)
        How often a block was drawn.
    labels : numpy.ndarray (draw,)
        How many labels were drawn.
    recalls : numpy.ndarray
        Rising.
    """
    answer = np.zeros((len(weights), len(recalls)))
    found = np.empty(len(blocks))
    precision = np.empty(len(blocks))
    for draw in range(len(weights)):
        weight = weights[draw]
        hits, all_boxes = 0.0, 0.0
        for i in range(len(blocks)):
            one = weight[blocks[i]]
            all_boxes += one
            hits += one if right[i] else 0.0
            found[i] = hits / labels[draw]
            precision[i] = hits / all_boxes if all_boxes > 0 else 0.0
        step, best = len(recalls) - 1, 0.0
        for i in range(len(blocks) - 1, -1, -1):
            while step >= 0 and recalls[step] > found[i]:
                answer[draw, step] = best
                step -= 1
            best = max(best, precision[i])
        while step >= 0:
            answer[draw, step] = best
            step -= 1
    return answer


@_compiled
def recall_at_false(
    blocks: Indices, right: Mask, ends: Mask, weights: Array, labels: Array, allowed: Array
) -> Array:  # pragma: no cover
    """Give the recall at the lowest threshold with at most so many false boxes, for each draw: (draw, allowed).

    Parameters
    ----------
    blocks, right, weights, labels
        As for :func:`precision_at_recalls`.
    ends : numpy.ndarray (detection,)
        Whether a detection is the last of its score: no threshold parts those of one score.
    allowed : numpy.ndarray (draw, rate)
        False boxes, rising along the rates.
    """
    answer = np.zeros(allowed.shape)
    for draw in range(len(weights)):
        weight = weights[draw]
        hits, false, recall, step = 0.0, 0.0, 0.0, 0
        for i in range(len(blocks)):
            one = weight[blocks[i]]
            if right[i]:
                hits += one
            else:
                false += one
            if ends[i]:
                while step < allowed.shape[1] and false > allowed[draw, step]:
                    answer[draw, step] = recall
                    step += 1
                recall = hits / labels[draw]
        for rest in range(step, allowed.shape[1]):
            answer[draw, rest] = recall
    return answer
