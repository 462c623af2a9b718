"""How good detections are, measured against labels: precision, recall, F1, average precision, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt

from labkit import geo, schema
from labkit.detect.matching import Marks
from labkit.detect.overlaps import Array
from labkit.errors import LabkitError

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: Thresholds of the mean average precision "AP50:95" (COCO).
IOUS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())

Interval = tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    """Measures of a set of detections against labels. A measure without anything to measure is NaN.

    Attributes
    ----------
    precision, recall, f1 : float
        At score ≥ ``score`` and IoU ≥ ``iou``: the share of detections that are right, the share of labels that were
        found, and their harmonic mean.
    ap50, ap : float
        Average precision at IoU 0.5, and its mean over IoU 0.50, 0.55, …, 0.95, over all scores given.
    true_positives, false_positives, false_negatives : int
        Counts behind the first three.
    detections, labels : int
        How many there were, at any score.
    score, iou : float
        The thresholds.
    intervals : dict
        95 % intervals of ``precision``, ``recall``, ``f1`` and ``ap50`` by the bootstrap over spatial blocks; empty
        without it.
    """

    precision: float
    recall: float
    f1: float
    ap50: float
    ap: float
    true_positives: int
    false_positives: int
    false_negatives: int
    detections: int
    labels: int
    score: float
    iou: float
    intervals: dict[str, Interval]

    def __str__(self) -> str:
        def told(name: str) -> str:
            low_high = self.intervals.get(name)
            spread = f" ({low_high[0]:.2f}–{low_high[1]:.2f})" if low_high else ""
            return f"{getattr(self, name):.2f}{spread}"

        return (
            f"precision {told('precision')}, recall {told('recall')}, F1 {told('f1')} at score ≥ {self.score:g} and "
            f"IoU ≥ {self.iou:g}; AP50 {told('ap50')}, AP50:95 {told('ap')}; {self.true_positives} right, "
            f"{self.false_positives} false, {self.false_negatives} missed"
        )


def evaluate(
    detections: gpd.GeoDataFrame,
    labels: gpd.GeoDataFrame,
    *,
    iou: float = 0.5,
    score: float = 0.5,
    chips: gpd.GeoDataFrame | None = None,
    ground: bool = False,
    bootstrap: int = 0,
    block_px: float = 416.0,
    seed: int = 0,
) -> Evaluation:
    """Measure detections against labels.

    Parameters
    ----------
    detections, labels : geopandas.GeoDataFrame
        Boxes; matched within each scene and direction. Give detections of low scores too (0.05): average precision
        looks at all of them, precision and recall at those of at least ``score``.
    iou : float
        Least IoU of a detection with its label for precision and recall, in (0, 1].
    score : float
        Least score for precision and recall, in [0, 1].
    chips : geopandas.GeoDataFrame, optional
        Only here: labels, and detections without a label, count where their centre lies on one of these chips. Give
        the held-out ones.
    ground : bool
        Match on the ground instead, north-up envelopes in metres, over all scenes and directions: for merged
        detections against merged labels.
    bootstrap : int
        How often blocks are drawn again for the intervals; 0 gives none.
    block_px : float
        Edge of the blocks, px (with ``ground`` 40 m each): what lies together is drawn together, because
        neighbouring landslides are not independent.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Evaluation

    Notes
    -----
    As COCO: detections, best score first, each take the free label of the same scene and direction with the highest
    IoU, if that reaches the threshold. AP is the mean over the recalls 0, 0.01, …, 1 of the best precision at that
    recall or beyond.

    References
    ----------
    Lin et al. (2014), COCO; Fu et al. (2022), Table 2; Zhang et al. (2025), section 4.1.

    Examples
    --------
    >>> labels = schema.boxes_table({"scene": "a", "direction": "range", "xmin": [0, 40], "ymin": [0, 40],
    ...                              "xmax": [10, 60], "ymax": [10, 60]})
    >>> print(evaluate(labels.iloc[:1], labels))
    precision 1.00, recall 0.50, F1 0.67 at score ≥ 0.5 and IoU ≥ 0.5; AP50 0.50, AP50:95 0.50; 1 right, 0 false, ...
    """
    _check(iou, score, bootstrap, block_px)
    schema.check_boxes(detections)
    schema.check_boxes(labels, "labels")
    boxes, groups = _places(detections, labels, ground)
    count = len(detections)
    marks = Marks(boxes[:count], groups[:count], detections["score"].to_numpy(float), boxes[count:], groups[count:])
    marks.set_blocks(block_px * (schema.REFERENCE_SPACING_M if ground else 1.0))
    if chips is not None:
        schema.check_chips(chips)
        inside = np.concatenate([_on_chips(table, chips) for table in (detections, labels)])
        marks.set_inside(inside[:count], inside[count:])
    every = np.ones(marks.blocks)
    right, false, missed = (int(n) for n in marks.counts(every, iou, score))
    return Evaluation(
        **_measures(marks, every, iou, score),
        ap=float(np.mean([marks.average_precision(every, threshold) for threshold in IOUS])),
        true_positives=right,
        false_positives=false,
        false_negatives=missed,
        detections=int(marks.found_inside.sum()),
        labels=int(marks.true_inside.sum()),
        score=score,
        iou=iou,
        intervals=_intervals(marks, iou, score, bootstrap, seed) if bootstrap else {},
    )


def _measures(marks: Marks, weights: Array, iou: float, score: float) -> dict[str, float]:
    right, false, missed = marks.counts(weights, iou, score)
    return {
        "precision": _share(right, right + false),
        "recall": _share(right, right + missed),
        "f1": _share(2 * right, 2 * right + false + missed),
        "ap50": marks.average_precision(weights, 0.5),
    }


def _intervals(marks: Marks, iou: float, score: float, bootstrap: int, seed: int) -> dict[str, Interval]:
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(marks.blocks, np.full(marks.blocks, 1 / max(marks.blocks, 1)), size=bootstrap)
    measured = [_measures(marks, weights.astype(float), iou, score) for weights in draws]
    intervals = {}
    for name in ("precision", "recall", "f1", "ap50"):
        values = np.array([m[name] for m in measured])
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.percentile(values, [2.5, 97.5])
            intervals[name] = (float(low), float(high))
    return intervals


def _places(
    detections: gpd.GeoDataFrame, labels: gpd.GeoDataFrame, ground: bool
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Corners of detections then labels, and the group within which each may be matched."""
    if not ground:
        boxes = [table[_CORNERS].to_numpy(float) for table in (detections, labels)]
        both = [table["scene"].astype(str) + "/" + table["direction"].astype(str) for table in (detections, labels)]
        keys = np.concatenate([words.to_numpy(str) for words in both])
        return np.concatenate(boxes), np.unique(keys, return_inverse=True)[1].astype(np.int64)
    total = len(detections) + len(labels)
    if not total:
        return np.zeros((0, 4)), np.zeros(0, np.int64)
    lonlat = np.concatenate([table.geometry.to_numpy() for table in (detections, labels)])
    places = gpd.GeoSeries(lonlat, crs=geo.WGS84)
    if places.isna().any() or places.is_empty.any():
        raise LabkitError("detections and labels must have a geometry to be matched on the ground. Leave ground=False")
    return places.to_crs(geo.metric_crs(places)).bounds.to_numpy(float), np.zeros(total, np.int64)


def _on_chips(table: gpd.GeoDataFrame, chips: gpd.GeoDataFrame) -> npt.NDArray[np.bool_]:
    """Whether the centre of each box lies on a chip of its scene."""
    x = ((table["xmin"] + table["xmax"]) / 2).to_numpy(float)
    y = ((table["ymin"] + table["ymax"]) / 2).to_numpy(float)
    scene = table["scene"].to_numpy()
    inside = np.zeros(len(table), bool)
    for chip in chips.itertuples():
        across = (x >= chip.col) & (x < chip.col + chip.size)
        inside |= across & (y >= chip.row) & (y < chip.row + chip.size) & (scene == chip.scene)
    return inside


def _check(iou: float, score: float, bootstrap: int, block_px: float) -> None:
    if not 0 < iou <= 1:
        raise LabkitError(f"iou must be in (0, 1], instead got iou={iou}")
    if not 0 <= score <= 1:
        raise LabkitError(f"score must be in [0, 1], instead got score={score}")
    if bootstrap < 0:
        raise LabkitError(f"bootstrap must be at least 0 draws, instead got bootstrap={bootstrap}")
    if not block_px > 0:
        raise LabkitError(f"block_px must be positive, instead got block_px={block_px}")


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
