"""Which chips to label next: where a detector is in doubt or contradicts itself, spread out, and some by lot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from labkit import schema
from labkit.errors import LabkitError
from labkit.ground import metric_crs
from labkit.label.voices import Array
from labkit.schema import CORNERS

#: What a chip can be worth labelling for, each in boxes in doubt, with the weight that it has unless told otherwise.
WEIGHTS = {"uncertainty": 1.0, "directions": 1.0, "orbits": 1.0}

#: Why a chip was chosen: by lot, for one of the measures above, or to fill up where nothing is in doubt.
REASONS = ("random", *WEIGHTS, "spread")

#: Boxes of two directions or orbits mean one thing when they share at least this much of their union.
SAME_THING = 0.1


def next_chips(
    chips: gpd.GeoDataFrame,
    detections: gpd.GeoDataFrame,
    labelled: Iterable[str] = (),
    count: int = 20,
    *,
    random_share: float = 0.25,
    spacing: float = 1.5,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> gpd.GeoDataFrame:
    """Choose the chips from whose labels a detector learns most, and some by lot from which it can be judged.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips (:mod:`labkit.schema`) of one or several scenes, all of those that may be labelled.
    detections : geopandas.GeoDataFrame
        What the detector found on these scenes, boxes of low scores too (0.05); their centre says on which chip. Empty
        before there is a detector: then the chips are spread out. ``orbit_direction`` is used where it is there.
    labelled : iterable of str
        Ids of the chips that were labelled already (``labels.attrs["annotated_chips"]``, ``store.looks()["chip_id"]``);
        they are not chosen again.
    count : int
        How many to choose, at most as many as are left.
    random_share : float
        Share of them that is drawn by lot, in [0, 1]; rounded to whole chips.
    spacing : float
        Least distance of each other chosen chip from all chosen ones, centre to centre, in edges of a chip, ≥ 0. Where
        too few chips are left for that, it is halved until they suffice.
    weights : mapping of str to float, optional
        How much each measure counts, ≥ 0; default :data:`WEIGHTS`, 1 each.
    seed : int
        Of the lots, and of the order of chips that are worth the same.

    Returns
    -------
    geopandas.GeoDataFrame
        The chosen chips, those by lot first (who stops early has a smaller sample and no biased one), then the others,
        the most valuable first. Further columns: ``why`` (:data:`REASONS`, the measure that weighs most), ``value``
        and the measures ``uncertainty``, ``directions`` and ``orbits``; ``pool``, how many unlabelled chips there were
        to choose from; ``probability``, for those by lot the chance with which every chip of the pool was drawn,
        NaN for the others. ``attrs["spacing"]`` is the distance that was kept.

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule, or fewer chips are left than asked for.

    Notes
    -----
    *uncertainty* = Σ 4 s (1 − s) over the boxes on the chip, s their scores: how many coins are in the air.
    *directions* = Σ max(0, s − s') over the boxes of azimuth and range, s' the best score of a box of the other
    direction on the same place, 0 for none. *orbits*: the same between ascending and descending scenes, where chips of
    another scene cover the box. Many landslides show in one direction or from one orbit only, so both are reasons to
    look and no errors by themselves. The value is the weighted sum.

    The lots are drawn first and know nothing of the scores, each chip of the pool with the probability
    ``random chips / pool``. Only they may be used to judge a detector or to say how common landslides are: the others
    were chosen because they are unusual. :func:`labkit.label.estimate_total` takes them, and
    ``lk.evaluate(…, chips=chosen[chosen["why"] == "random"])``. Chips that overlap count shared ground twice.

    References
    ----------
    Settles (2009), Active learning literature survey, section 3; Brust, Käding and Denzler (2019), Active learning for
    deep object detection, for the sum over boxes. Zhang et al. (2025), section 2.3, for a first model that proposes.

    Examples
    --------
    >>> table = {"chip_id": list("abcd"), "scene": "s", "row": 0, "col": range(0, 400, 100), "size": 100}
    >>> chips = gpd.GeoDataFrame({**table, "valid_fraction": 1.0, "split": ""}, geometry=[None] * 4)
    >>> edges = {"xmin": [110, 310], "ymin": [20, 20], "xmax": [140, 350], "ymax": [60, 60]}
    >>> found = schema.boxes_table({"scene": "s", "direction": "rate", "score": [0.99, 0.5], **edges})
    >>> next_chips(chips, found, labelled=["a"], count=1, random_share=0)[["chip_id", "why", "value"]]
      chip_id          why  value
    0       d  uncertainty    1.0
    """
    schema.check_chips(chips)
    schema.check_boxes(detections)
    shares = _weights(weights)
    pool = _pool(chips, labelled, count)
    if not 0 <= random_share <= 1:
        raise LabkitError(f"random_share must be in [0, 1], instead got random_share={random_share}")
    if not (np.isfinite(spacing) and spacing >= 0):
        raise LabkitError(f"spacing must be a number ≥ 0, instead got spacing={spacing}")
    random = np.random.default_rng(seed)
    by_lot = random.permutation(len(pool))[: round(random_share * count)]
    measures = _measures(pool, detections, chips)
    weighted = np.column_stack([shares[name] * measures[name] for name in WEIGHTS])
    value = weighted.sum(axis=1)
    ranked = np.lexsort((random.permutation(len(pool)), -value))
    others, kept = _apart(_places(pool), ranked, by_lot, count - len(by_lot), spacing)
    best = np.array([*WEIGHTS, "spread"])[np.where(value > 0, weighted.argmax(axis=1), len(WEIGHTS))]
    table = pool.assign(why=best.astype(object), value=value, **measures, pool=len(pool), probability=np.nan)
    chosen = gpd.GeoDataFrame(table.iloc[[*by_lot, *others]].reset_index(drop=True))
    chosen.loc[: len(by_lot) - 1, "why"] = "random"
    chosen.loc[: len(by_lot) - 1, "probability"] = len(by_lot) / len(pool)
    chosen.attrs = {"spacing": kept}
    return chosen


def _weights(given: Mapping[str, float] | None) -> dict[str, float]:
    weights = dict(WEIGHTS if given is None else given)
    if not set(weights) <= set(WEIGHTS) or not all(np.isfinite(w) and w >= 0 for w in weights.values()):
        raise LabkitError(f"weights must be numbers ≥ 0 for some of {tuple(WEIGHTS)}, instead got weights={weights}")
    return dict.fromkeys(WEIGHTS, 0.0) | weights


def _pool(chips: gpd.GeoDataFrame, labelled: Iterable[str], count: int) -> gpd.GeoDataFrame:
    """The chips that nobody has labelled."""
    names = chips["chip_id"].astype(str)
    if names.duplicated().any():
        raise LabkitError(f"chip_id must name one chip each, instead {names[names.duplicated()].iloc[0]!r} comes twice")
    if isinstance(labelled, str):
        raise LabkitError(f"labelled must be several ids of chips, instead got labelled={labelled!r}")
    pool = gpd.GeoDataFrame(chips[~names.isin(set(map(str, labelled)))])
    if not 1 <= count <= len(pool):
        raise LabkitError(
            f"count must be from 1 to the {len(pool)} chips that are not labelled yet, instead got count={count}"
        )
    return pool


def _measures(pool: gpd.GeoDataFrame, detections: gpd.GeoDataFrame, chips: gpd.GeoDataFrame) -> dict[str, Array]:
    """What each chip of the pool is worth by each measure."""
    boxes = detections.reset_index(drop=True)
    score = boxes["score"].to_numpy(float)
    if not ((score >= 0) & (score <= 1)).all():
        raise LabkitError(f"detections must have scores in [0, 1], instead got score={score.min()} to {score.max()}")
    worth = {
        "uncertainty": 4 * score * (1 - score),
        "directions": _one_direction_only(boxes, score),
        "orbits": _one_orbit_only(boxes, score, chips),
    }
    x, y = ((boxes[low] + boxes[high]).to_numpy(float) / 2 for low, high in (("xmin", "xmax"), ("ymin", "ymax")))
    scene = boxes["scene"].to_numpy(str)
    sums = np.zeros((len(pool), len(worth)))
    for place, chip in enumerate(pool.itertuples()):
        on = (x >= chip.col) & (x < chip.col + chip.size) & (y >= chip.row) & (y < chip.row + chip.size)
        on &= scene == str(chip.scene)
        sums[place] = [values[on].sum() for values in worth.values()]
    return dict(zip(worth, sums.T, strict=True))


def _one_direction_only(boxes: gpd.GeoDataFrame, score: Array) -> Array:
    """How much surer a box is than the best of the other direction on its place."""
    excess = np.zeros(len(boxes))
    of_gradients = boxes[boxes["direction"].isin(schema.DIRECTIONS)]
    for _, part in of_gradients.groupby("scene"):
        rows = part.index.to_numpy()
        shapes = shapely.box(*part[CORNERS].to_numpy(float).T)
        other = part["direction"].to_numpy(str)
        excess[rows] = _excess(shapes, score[rows], other)
    return excess


def _one_orbit_only(boxes: gpd.GeoDataFrame, score: Array, chips: gpd.GeoDataFrame) -> Array:
    """How much surer a box is than the best of the other orbit, where chips of the other orbit cover its place."""
    excess = np.zeros(len(boxes))
    if "orbit_direction" not in boxes:
        return excess
    orbit = boxes["orbit_direction"].fillna("").astype(str)
    placed = boxes.geometry.notna() & ~boxes.geometry.is_empty & (orbit != "")
    rows = np.flatnonzero(placed)
    if not len(rows):
        return excess
    orbit_of = dict(zip(boxes["scene"][placed], orbit[placed], strict=True))
    squares = chips[chips["scene"].isin(list(orbit_of)) & chips.geometry.notna()]
    seen_by = squares["scene"].map(orbit_of).to_numpy(str)
    shapes = boxes.geometry.to_numpy()[rows]
    own = orbit.to_numpy(str)[rows]
    box, square = shapely.STRtree(squares.geometry.to_numpy()).query(shapely.centroid(shapes), predicate="within")
    covered = np.zeros(len(rows), bool)
    covered[box[own[box] != seen_by[square]]] = True
    excess[rows] = np.where(covered, _excess(shapes, score[rows], own), 0.0)
    return excess


def _excess(shapes: npt.NDArray[np.object_], score: Array, group: npt.NDArray[np.str_]) -> Array:
    """max(0, s − s'), s' the best score of a shape of another group that is the same thing; 0 for none."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    apart = group[first] != group[second]
    first, second = first[apart], second[apart]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    whole = shapely.area(shapes[first]) + shapely.area(shapes[second]) - shared
    same = shared >= SAME_THING * whole
    partner = np.zeros(len(shapes))
    np.maximum.at(partner, first[same], score[second[same]])
    return np.asarray((score - partner).clip(0))


def _places(pool: gpd.GeoDataFrame) -> list[Array]:
    """Centres of the chips in edges of a chip, (n, 2), and for each chip the number of its ground: no two grounds meet.

    On the Earth where all chips have a place; else in pixels of each scene.
    """
    if pool.geometry.notna().all() and not pool.geometry.is_empty.any():
        ground = pool.geometry.to_crs(metric_crs(pool))
        edge = np.sqrt(ground.area.to_numpy(float))
        middle = ground.centroid
        return [np.column_stack([middle.x, middle.y]) / np.median(edge), np.zeros(len(pool))]
    size = pool["size"].to_numpy(float)
    middle = np.column_stack([pool["col"], pool["row"]]) + size[:, None] / 2
    return [middle / np.median(size), np.unique(pool["scene"].astype(str), return_inverse=True)[1].astype(float)]


def _apart(
    places: list[Array], ranked: npt.NDArray[np.int64], taken: npt.NDArray[np.int64], count: int, spacing: float
) -> tuple[list[int], float]:
    """The first of the ranked that lie far enough from all taken ones and from each other, and how far that is."""
    middle, ground = places
    distance = np.full(len(middle), np.inf)

    def take(chip: int) -> None:
        away = np.where(ground == ground[chip], np.hypot(*(middle - middle[chip]).T), np.inf)
        np.minimum(distance, away, out=distance)

    for chip in taken.tolist():
        take(chip)
    free = dict.fromkeys(ranked.tolist())
    for chip in taken.tolist():
        del free[chip]
    chosen: list[int] = []
    kept = spacing
    while len(chosen) < count:
        for chip in list(free):
            # rounding of coordinates must not tell neighbours on a grid apart
            if len(chosen) < count and distance[chip] >= kept * (1 - 1e-6):
                take(chip)
                chosen.append(chip)
                del free[chip]
        if len(chosen) < count:
            kept = kept / 2 if kept > 0.01 else 0.0
    return chosen, kept
