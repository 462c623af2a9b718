"""The measures of matched detections, each for all draws of blocks at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.detect.matching import ANY_AREA, Mask, Matcher, Matches
from labkit.detect.matching_compiled import precision_at_recalls, recall_at_false
from labkit.detect.overlaps import Array, Indices

#: Thresholds of the mean average precision "AP50:95" (COCO).
IOUS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())

#: Recalls at which the precision is averaged (COCO): exact hundredths, so that a recall of 35 % reaches 0.35.
RECALLS = np.arange(101) / 100

#: The ten confidences of the first paper's MAP.
CONFIDENCES = tuple(np.round(np.arange(0.1, 1.05, 0.1), 1).tolist())

#: Scores at which precision, recall and F1 are given.
SCORES = tuple(np.round(np.arange(0.05, 1.025, 0.05), 2).tolist())

#: Edges of "small", "medium" and "large", px (COCO: areas of 32² and 96² px², ends included on both sides).
_SMALL_PX, _LARGE_PX = 32.0, 96.0

#: Most detections of an image for the average recalls (COCO).
MOST_BOXES = (1, 10, 100)

#: False boxes per 1000 km² at which a recall is measured, and those of the curve.
FALSE_RATES = (0.5, 1.0, 2.0, 5.0, 10.0)
CURVE_RATES = np.unique([*FALSE_RATES, *np.round(np.geomspace(0.1, 100, 46), 3)])


@dataclass(frozen=True)
class Drawn:
    """Matched boxes and how often each of their blocks was drawn; along detections best score first.

    Attributes
    ----------
    matcher : Matcher
        The detections and labels.
    scores : numpy.ndarray (detection,)
        Of the detections.
    images : numpy.ndarray (detection,)
        The image of each detection, of which the best few are asked for the average recalls.
    found_block, true_block : numpy.ndarray (detection,), (label,)
        Their blocks.
    weights : numpy.ndarray (draw, block)
        How often a block was drawn; the first row is one for all.
    """

    matcher: Matcher
    scores: Array
    images: Indices
    found_block: Indices
    true_block: Indices
    weights: Array

    def sums(self, blocks: Indices, values: Array | None = None) -> Array:
        """Sum values, or ones, over rows that each lie in a block, (draw,)."""
        total = np.bincount(blocks, values, minlength=self.weights.shape[1])
        return np.asarray(self.weights @ total)

    def labels(self, matches: Matches) -> Array:
        """Count the labels to be found, (draw,)."""
        return self.sums(self.true_block[matches.wanted])

    def right(self, matches: Matches, among: Mask | None = None, values: Array | None = None) -> Array:
        """Count the right detections, or sum values of theirs, (draw,); each counts where its label does."""
        chosen = matches.right if among is None else matches.right & among
        return self.sums(self.true_block[matches.label[chosen]], None if values is None else values[chosen])

    def wrong(self, matches: Matches, among: Mask | None = None, values: Array | None = None) -> Array:
        """Count the wrong detections, or sum values of theirs, (draw,)."""
        chosen = matches.wrong if among is None else matches.wrong & among
        return self.sums(self.found_block[chosen], None if values is None else values[chosen])

    def counted(self, matches: Matches) -> tuple[Indices, Mask, Mask]:
        """Give block, rightness and place of the detections that are right or wrong."""
        kept = matches.right | matches.wrong
        blocks = self.found_block.copy()
        blocks[matches.right] = self.true_block[matches.label[matches.right]]
        return blocks[kept], matches.right[kept], kept

    def precisions(self, matches: Matches) -> Array:
        """Give the best precision at each of the 101 recalls or beyond, (draw, recall); NaN without labels."""
        blocks, right, _ = self.counted(matches)
        labels = self.labels(matches)
        curves = precision_at_recalls(blocks, right, self.weights, labels, RECALLS)
        return np.where(labels[:, None] > 0, curves, np.nan)


def share(part: Array, whole: Array) -> Array:
    """Divide, with NaN for a share of nothing."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def at_score(drawn: Drawn, matches: Matches, score: float) -> dict[str, Array]:
    """Give precision, recall and F1 of the detections of at least a score, (draw,) each."""
    strong = drawn.scores >= score
    right, wrong = drawn.right(matches, strong), drawn.wrong(matches, strong)
    labels = drawn.labels(matches)
    return {
        "precision": share(right, right + wrong),
        "recall": share(right, labels),
        "f1": share(2 * right, right + wrong + labels),
    }


def mean_over_confidences(drawn: Drawn, matches: Matches) -> Array:
    """Give the first paper's MAP, (draw,).

    Notes
    -----
    MAP = Σ n(c) P(c) / Σ n(c) over c = 0.1, 0.2, …, 1.0, with P(c) the precision of the n(c) detections of a confidence
    of at least c: the mean of the ten precisions, weighted by the detections that each speaks of. Where no detection
    reaches 1.0, its precision is unknown and its weight 0: nine count. NaN where none reaches 0.1. The paper says
    "weighted average precision of detections with ten confidence scores from 0.1 to 1" and no more.

    References
    ----------
    Fu et al. (2022), section 5.1 and Table 2.
    """
    times = np.searchsorted(CONFIDENCES, drawn.scores, side="right").astype(float)
    right, wrong = drawn.right(matches, None, times), drawn.wrong(matches, None, times)
    return share(right, right + wrong)


def overall(drawn: Drawn, matches: Matches, score: float) -> dict[str, Array]:
    """Give the measures at one IoU: those of a score, the mean IoU of the right ones, and the mean over confidences."""
    strong = drawn.scores >= score
    overlap = drawn.matcher.overlap_of(matches)
    return {
        **at_score(drawn, matches, score),
        "mean_iou": share(drawn.right(matches, strong, overlap), drawn.right(matches, strong)),
        "map_confidences": mean_over_confidences(drawn, matches),
    }


def coco(drawn: Drawn, unit: float) -> dict[str, Array]:
    """Give COCO's twelve measures, (draw,) each; ``unit`` is the length of a pixel."""
    small, large = (_SMALL_PX * unit) ** 2, (_LARGE_PX * unit) ** 2
    ranges = {"": ANY_AREA, "_small": (0.0, small), "_medium": (small, large), "_large": (large, np.inf)}
    answer: dict[str, Array] = {}
    first = _place_in_image(drawn.images)
    for name, areas in ranges.items():
        precisions, recalls = [], []
        for iou in IOUS:
            matches = drawn.matcher.match(iou, areas)
            precisions.append(drawn.precisions(matches).mean(axis=1))
            labels = drawn.labels(matches)
            recalls.append([share(drawn.right(matches, first < most), labels) for most in MOST_BOXES])
        answer[f"ap{name}"] = np.mean(precisions, axis=0)
        average = np.mean(recalls, axis=0)
        if name:
            answer[f"ar{name}"] = average[-1]
        else:
            answer["ap50"], answer["ap75"] = precisions[IOUS.index(0.5)], precisions[IOUS.index(0.75)]
            answer.update({f"ar{most}": row for most, row in zip(MOST_BOXES, average, strict=True)})
    return answer


def _place_in_image(images: Indices) -> Indices:
    """Count how many detections of its image come before each."""
    rows = np.argsort(images, kind="stable")
    ordered = images[rows]
    starts = np.searchsorted(ordered, ordered, side="left")
    place = np.empty(len(images), np.int64)
    place[rows] = np.arange(len(images)) - starts
    return place


def froc(drawn: Drawn, matches: Matches, area_km2: Array, rates: Array) -> Array:
    """Give the recall at each number of false boxes per 1000 km², (draw, rate); NaN without labels or area.

    Notes
    -----
    The recall at the lowest score threshold with at most that many false boxes; none parts detections of one score.

    References
    ----------
    Chakraborty and Winter (1990), Free-response methodology; Setio et al. (2017) take such points of the curve.
    """
    blocks, right, kept = drawn.counted(matches)
    scores = drawn.scores[kept]
    ends = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    labels = drawn.labels(matches)
    area = drawn.weights @ area_km2
    known = (area > 0) & (labels > 0)
    allowed = np.where(known, area, 0.0)[:, None] * rates / 1000
    curves = recall_at_false(blocks, right, ends, drawn.weights, labels, allowed)
    return np.where(known[:, None], curves, np.nan)
