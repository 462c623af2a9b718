"""What an evaluation says: all measures with their intervals, as text, as a table and in a notebook."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from labkit.detect import measures

Interval = tuple[float, float]

#: What each measure of a table is called.
_NAMES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "mean_iou": "mean IoU of the right ones",
    "map_confidences": "MAP over ten confidences",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap": "AP50:95",
    "ap_small": "AP small",
    "ap_medium": "AP medium",
    "ap_large": "AP large",
    "ar1": "AR1",
    "ar10": "AR10",
    "ar100": "AR100",
    "ar_small": "AR small",
    "ar_medium": "AR medium",
    "ar_large": "AR large",
    "false_per_1000_km2": "false boxes per 1000 km²",
}


@dataclass(frozen=True)
class Evaluation:
    """Measures of a set of detections against labels. A measure without anything to measure is NaN.

    Attributes
    ----------
    precision, recall, f1 : float
        At score ≥ ``score`` and IoU ≥ ``iou``: the share of detections that are right, the share of labels that were
        found, and their harmonic mean.
    mean_iou : float
        Mean IoU of the right detections among these with their labels.
    map_confidences : float
        The first paper's MAP: precision over the ten confidences 0.1 … 1.0, each weighted by its detections
        (:func:`labkit.detect.measures.mean_over_confidences`).
    ap50, ap75, ap : float
        Average precision at IoU 0.5, at 0.75, and its mean over IoU 0.50, 0.55, …, 0.95, over all scores given.
    ap_small, ap_medium, ap_large : float
        The last for labels of up to 32² px², up to 96² px² and beyond (on the ground: pixels of 40 m).
    ar1, ar10, ar100, ar_small, ar_medium, ar_large : float
        Recall by the best 1, 10 and 100 detections of each image, mean over the same IoU; by size, of the best 100.
    false_per_1000_km2 : float
        Wrong detections of at least ``score``, per 1000 km² observed.
    true_positives, false_positives, false_negatives : int
        Counts behind the first three.
    detections, labels : int
        How many detections there were on the ground that counts, at any score, and labels to be found.
    ignored, ignored_found : int
        Labels that need not be found, such as those too faint, and how many of them were, by detections that are
        neither right nor wrong.
    score, iou : float
        The thresholds.
    area_km2 : float
        The area observed; NaN where neither ``observed`` nor chips with a place on the Earth were given.
    blocks : int
        How many blocks of ground were drawn from.
    intervals : dict
        95 % intervals of all measures by the bootstrap over spatial blocks, NaN where they cannot be told (one block,
        nothing to measure); empty without it.
    by_score : pandas.DataFrame
        ``score`` 0.05, 0.10, …, 1.00 with ``precision``, ``recall`` and ``f1``, each with ``_low`` and ``_high``.
    precision_recall : pandas.DataFrame
        ``recall`` 0, 0.01, …, 1 with ``precision``, the best at this recall or beyond, ``low`` and ``high``.
    froc : pandas.DataFrame
        ``false_per_1000_km2`` with ``recall``, ``low`` and ``high``: what is found at the lowest score threshold with
        at most so many false boxes.

    Examples
    --------
    >>> from labkit import schema
    >>> from labkit.detect import evaluate
    >>> corners = {"xmin": [10, 60], "ymin": [10, 60], "xmax": [30, 90], "ymax": [30, 90]}
    >>> labels = schema.boxes_table({"scene": "a", "direction": "azimuth"} | corners)
    >>> found = labels.assign(score=[0.9, 0.8], xmin=[10, 200], xmax=[31, 240])
    >>> result = evaluate(found, labels)
    >>> result.true_positives, result.false_positives, result.false_negatives, result.ap50
    (1, 1, 1, 0.5)
    >>> result.table().round(2).head(2)
         measure  value  low  high
    0  precision    0.5  NaN   NaN
    1     recall    0.5  NaN   NaN
    """

    precision: float
    recall: float
    f1: float
    mean_iou: float
    map_confidences: float
    ap50: float
    ap75: float
    ap: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    false_per_1000_km2: float
    true_positives: int
    false_positives: int
    false_negatives: int
    detections: int
    labels: int
    ignored: int
    ignored_found: int
    score: float
    iou: float
    area_km2: float
    blocks: int
    intervals: dict[str, Interval]
    by_score: pd.DataFrame = field(compare=False, repr=False)
    precision_recall: pd.DataFrame = field(compare=False, repr=False)
    froc: pd.DataFrame = field(compare=False, repr=False)

    def __str__(self) -> str:
        def told(name: str) -> str:
            low, high = self.intervals.get(name, (math.nan, math.nan))
            spread = f" ({low:.2f}–{high:.2f})" if math.isfinite(low) else ""
            return f"{getattr(self, name):.2f}{spread}"

        words = (
            f"precision {told('precision')}, recall {told('recall')}, F1 {told('f1')} at score ≥ {self.score:g} and "
            f"IoU ≥ {self.iou:g}; AP50 {told('ap50')}, AP50:95 {told('ap')}; {self.true_positives} right, "
            f"{self.false_positives} false, {self.false_negatives} missed"
        )
        if self.ignored:
            words += f"; {self.ignored_found} found of {self.ignored} that need not be"
        if math.isfinite(self.false_per_1000_km2):
            words += f"; {told('false_per_1000_km2')} false per 1000 km² on {self.area_km2:.0f} km²"
        return words

    def table(self) -> pd.DataFrame:
        """Give all measures, one row each: ``measure``, ``value``, ``low``, ``high`` (NaN: no interval)."""
        nothing = (math.nan, math.nan)
        rows = [(words, getattr(self, name), *self.intervals.get(name, nothing)) for name, words in _NAMES.items()]
        at = self.froc.set_index("false_per_1000_km2")
        for rate in measures.FALSE_RATES:
            rows.append((f"recall at {rate:g} false per 1000 km²", *at.loc[rate, ["recall", "low", "high"]]))
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])

    def _repr_html_(self) -> str:
        table = self.table().set_index("measure").rename_axis(None)
        caption = (
            f"score ≥ {self.score:g}, IoU ≥ {self.iou:g}: {self.true_positives} right, {self.false_positives} false, "
            f"{self.false_negatives} missed; {self.ignored_found} found of {self.ignored} that need not be"
        )
        cells = table.map(lambda value: f"{value:.3f}" if math.isfinite(value) else "–")
        return f"<p>{caption}</p>{cells.to_html(border=0)}"
