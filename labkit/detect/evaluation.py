"""Measure detections against labels: match, count, draw blocks of ground again, and put the measures together."""

from __future__ import annotations

import math
from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.detect import measures, places
from labkit.detect import observed as looked_at
from labkit.detect.matching import Boxes, Mask, Matcher, Matches
from labkit.detect.measures import Drawn
from labkit.detect.overlaps import Array
from labkit.detect.report import Evaluation, Interval
from labkit.errors import LabkitError


def evaluate(
    detections: gpd.GeoDataFrame,
    labels: gpd.GeoDataFrame,
    *,
    iou: float = 0.5,
    score: float = 0.5,
    ignore: gpd.GeoDataFrame | None = None,
    chips: gpd.GeoDataFrame | None = None,
    observed: xr.Dataset | Iterable[xr.Dataset] | None = None,
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
        looks at all of them, precision and recall at those of at least ``score``. Labels whose column ``visible`` is
        False, as the truth of simulated scenes says of landslides too faint for their pairs, need not be found; nor
        those whose column ``crowd`` is True, regions that hold any number of landslides.
    iou : float
        Least IoU of a detection with its label for precision and recall, in (0, 1].
    score : float
        Least score for precision and recall, in [0, 1].
    ignore : geopandas.GeoDataFrame, optional
        Further boxes that need not be found: ``scene.unseen``, or what people labelled "unsure".
    chips : geopandas.GeoDataFrame, optional
        Only here: labels, and detections without a label, count where their centre lies on one of these chips. Give
        the held-out ones.
    observed : xarray.Dataset or several, optional
        The gradients or rates that were searched, for false boxes per 1000 km²: valid pixels × ground spacing², with
        ``chips`` those on them. Without it the chips' own ``valid_fraction`` and ground are taken, if not ``ground``.
    ground : bool
        Match on the ground instead, north-up envelopes in metres, over all scenes and directions: for merged
        detections against merged labels.
    bootstrap : int
        How often blocks are drawn again for the intervals; 0 gives none.
    block_px : float
        Edge of the blocks, px (with ``ground`` 40 m each): what lies together is drawn together, because
        neighbouring landslides are not independent, nor are azimuth and range of one.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Evaluation

    Raises
    ------
    LabkitError
        A table breaks the schema, a score is not finite, an argument is out of its bounds, or a box lies on a scene
        that is not among the observed ones.

    Notes
    -----
    As COCO: detections, best score first, each take the free label of the same scene and direction with the highest
    IoU, if that reaches the threshold; labels to be found come before the others. Detections of one score come in the
    order of scene, direction and corners. A detection that takes a label that need not be found is neither right nor
    wrong; with a crowd the share of the detection that lies in it counts instead of the IoU. AP is the mean over the
    recalls 0, 0.01, …, 1 of the best precision at that recall or beyond; unlike COCO's, it looks at all detections of
    an image, not at the best 100. An image is a chip and direction (the first chip that holds the centre), without
    chips a scene and direction, on the ground everything. An interval goes from the 2.5th to the 97.5th percentile of
    the draws in which its measure is defined. ``docs/measures.md`` tells more.

    References
    ----------
    Lin et al. (2014), COCO; Fu et al. (2022), Table 2; Zhang et al. (2025), section 3.5 and Table 3.

    Examples
    --------
    >>> labels = schema.boxes_table({"scene": "a", "direction": "range", "xmin": [0, 40], "ymin": [0, 40],
    ...                              "xmax": [10, 60], "ymax": [10, 60]})
    >>> print(evaluate(labels.iloc[:1], labels))
    precision 1.00, recall 0.50, F1 0.67 at score ≥ 0.5 and IoU ≥ 0.5; AP50 0.50, AP50:95 0.50; 1 right, 0 false, ...

    The F1 that the second paper gives for its best network, 0.936, does not follow from the precision and recall beside
    it, by its own Equation 10:

    >>> precision, recall = 0.9356, 0.9715
    >>> round(2 * precision * recall / (precision + recall), 4)
    0.9532
    """
    _check(iou, score, bootstrap, block_px)
    tables = _checked(detections, labels, ignore)
    where = places.on_ground(tables) if ground else places.in_pixels(tables)
    count = len(detections)
    chip = None if chips is None else np.concatenate([places.chip_of(t, schema.check_chips(chips)) for t in tables])
    inside = np.ones(len(where.corners), bool) if chip is None else chip >= 0
    edge = block_px * where.unit
    scenes = np.concatenate([table["scene"].astype(str).to_numpy(object) for table in tables])
    area = _observed(observed, chips, where, edge, set(scenes[inside]))
    blocks = places.share_out(where, inside, edge, area)
    found, true = (Boxes(where.corners[s], where.groups[s], inside[s]) for s in (slice(count), slice(count, None)))
    ignored, crowd = _need_not_be_found(tables[1:])
    scores = detections["score"].to_numpy(float)
    matcher = Matcher(found, scores, true, ignored, crowd, min(iou, measures.IOUS[0]))
    images = where.groups if chip is None else (chip + 1) * (where.groups.max(initial=0) + 1) + where.groups
    drawn = Drawn(
        matcher,
        scores[matcher.order],
        images[:count][matcher.order],
        blocks.of_box[:count][matcher.order],
        blocks.of_box[count:],
        blocks.draws(bootstrap, seed),
    )
    return _evaluation(drawn, blocks, where.unit, (iou, score), inside, ignored | crowd)


def _evaluation(
    drawn: Drawn, blocks: places.Blocks, unit: float, thresholds: tuple[float, float], inside: Mask, ignored: Mask
) -> Evaluation:
    """Put the measures of all draws together; the first draw has each block once."""
    iou, score = thresholds
    matches = drawn.matcher.match(iou)
    strong = drawn.scores >= score
    curves = measures.froc(drawn, matches, blocks.area_km2, measures.CURVE_RATES)
    wrong = drawn.wrong(matches, strong)
    drawn_measures = {
        **measures.overall(drawn, matches, score),
        **measures.coco(drawn, unit),
        "false_per_1000_km2": measures.share(1000 * wrong, drawn.weights @ blocks.area_km2),
    }
    many = len(blocks.area_km2) > 1
    right, false = int(drawn.right(matches, strong)[0]), int(wrong[0])
    boxes = len(drawn.scores)
    return Evaluation(
        **{name: _number(values[0]) for name, values in drawn_measures.items()},
        true_positives=right,
        false_positives=false,
        false_negatives=int(matches.wanted.sum()) - right,
        detections=int(inside[:boxes].sum()),
        labels=int(matches.wanted.sum()),
        ignored=int((ignored & inside[boxes:]).sum()),
        ignored_found=_ignored_found(matches, strong, ignored & inside[boxes:]),
        score=score,
        iou=iou,
        area_km2=_number(blocks.area_km2.sum() if len(blocks.area_km2) else math.nan),
        blocks=len(blocks.area_km2),
        intervals={name: _interval(values, many) for name, values in drawn_measures.items()}
        if len(drawn.weights) > 1
        else {},
        by_score=_by_score(drawn, matches, many),
        precision_recall=_curve("recall", measures.RECALLS, "precision", drawn.precisions(matches), many),
        froc=_curve("false_per_1000_km2", measures.CURVE_RATES, "recall", curves, many),
    )


def _ignored_found(matches: Matches, strong: Mask, ignored: Mask) -> int:
    taken = np.unique(matches.label[strong & (matches.label >= 0)])
    return int(ignored[taken].sum())


def _by_score(drawn: Drawn, matches: Matches, many: bool) -> pd.DataFrame:
    rows = []
    for score in measures.SCORES:
        row = {"score": score}
        for name, values in measures.at_score(drawn, matches, score).items():
            row[name] = values[0]
            row[f"{name}_low"], row[f"{name}_high"] = _interval(values, many)
        rows.append(row)
    return pd.DataFrame(rows)


def _curve(along: str, at: Array, name: str, curves: Array, many: bool) -> pd.DataFrame:
    ends = np.array([_interval(curves[:, i], many) for i in range(len(at))])
    return pd.DataFrame({along: at, name: curves[0], "low": ends[:, 0], "high": ends[:, 1]})


def _interval(values: Array, many: bool) -> Interval:
    """Give the 95 % interval of a measure over the draws, without the first; NaN from one block or nothing."""
    drawn = values[1:]
    drawn = drawn[np.isfinite(drawn)]
    if not many or not len(drawn):
        return math.nan, math.nan
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _number(value: float) -> float:
    """Give a plain float; always the same NaN, so that equal evaluations are equal."""
    return float(value) if math.isfinite(value) else math.nan


def _checked(
    detections: gpd.GeoDataFrame, labels: gpd.GeoDataFrame, ignore: gpd.GeoDataFrame | None
) -> list[gpd.GeoDataFrame]:
    schema.check_boxes(detections)
    schema.check_boxes(labels, "labels")
    scores = detections["score"].to_numpy(float)
    if not np.isfinite(scores).all():
        row = int(np.argmin(np.isfinite(scores)))
        raise LabkitError(
            f"detections must have finite scores, instead got score={scores[row]} in row {row}. Detections without "
            "a score cannot be put in order: give all of them 1.0, or leave those out"
        )
    return [detections, labels] if ignore is None else [detections, labels, schema.check_boxes(ignore, "ignore")]


def _need_not_be_found(tables: list[gpd.GeoDataFrame]) -> tuple[Mask, Mask]:
    """Tell which rows of the labels, and of further boxes after them, are ignored, and which are crowds."""
    ignored = [np.full(len(table), place > 0) for place, table in enumerate(tables)]
    crowd = [np.zeros(len(table), bool) for table in tables]
    for table, hidden, many in zip(tables, ignored, crowd, strict=True):
        if "visible" in table:
            hidden |= table["visible"].isin([False]).to_numpy()
        if "crowd" in table:
            many |= table["crowd"].isin([True]).to_numpy()
    return np.concatenate(ignored), np.concatenate(crowd)


def _observed(
    data: xr.Dataset | Iterable[xr.Dataset] | None,
    chips: gpd.GeoDataFrame | None,
    where: places.Places,
    edge: float,
    scenes: set[str],
) -> pd.DataFrame | None:
    """Give the area observed by block, or None where nobody told."""
    if data is None:
        return None if chips is None or where.unit != 1 else looked_at.of_chips(chips, edge)
    known = looked_at.known_pixels(data, chips)
    names = {str(scene.attrs.get("scene", "")) for scene, _ in known}
    unknown = scenes - names
    if unknown:
        raise LabkitError(
            f"observed must hold every scene that the boxes lie on, instead {sorted(unknown)[:3]} are missing. Give "
            "their gradients or rates too, or only the boxes of the observed ones"
        )
    return looked_at.in_pixels(known, edge) if where.unit == 1 else looked_at.on_ground(known, edge, where.crs)


def _check(iou: float, score: float, bootstrap: int, block_px: float) -> None:
    if not 0 < iou <= 1:
        raise LabkitError(f"iou must be in (0, 1], instead got iou={iou}")
    if not 0 <= score <= 1:
        raise LabkitError(f"score must be in [0, 1], instead got score={score}")
    if bootstrap < 0:
        raise LabkitError(f"bootstrap must be at least 0 draws, instead got bootstrap={bootstrap}")
    if not block_px > 0:
        raise LabkitError(f"block_px must be positive, instead got block_px={block_px}")
