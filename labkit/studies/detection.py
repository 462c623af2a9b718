"""What "detected" means in a study: the couplet filter, or a trained detector, held against known truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.detect import LandslideDetector, couplets, detect_landslides, merge_detections
from labkit.errors import LabkitError
from labkit.intervals import count_interval, share_interval
from labkit.schema import CORNERS

#: A landslide counts for "either" when any box, of azimuth or of range, lies on it.
EITHER = "either"

#: The class that holds every landslide.
ALL = "all"

_COUNTS = ["labels", "detected", "boxes", "false", "area_km2"]


def measure_detection(
    gradients: xr.Dataset,
    truth: gpd.GeoDataFrame,
    *,
    unseen: gpd.GeoDataFrame | None = None,
    classes: Mapping[str, str] | None = None,
    false_per_1000_km2: float = 1.0,
    detector: LandslideDetector | None = None,
    confidence: float = 0.95,
    progress: bool = False,
) -> pd.DataFrame:
    """Find landslides in a stack by their couplets or by a detector, and count what was found of those there are.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients; NaN = no data.
    truth : geopandas.GeoDataFrame
        Boxes of the landslides to be found, with ``landslide_id`` (``scene.truth``); those of other scenes are left
        aside.
    unseen : geopandas.GeoDataFrame, optional
        Boxes of landslides that are there and need not be found (``scene.unseen``): who finds one is not wrong.
    classes : mapping of str to str, optional
        ``landslide_id`` → class: further rows count each class by itself. A landslide of no class is in "all" alone.
    false_per_1000_km2 : float
        Stated to :func:`labkit.couplets`; a detector knows nothing of it.
    detector : object, optional
        Finds the landslides in the place of the couplet filter, with scores of at least 0.5
        (:func:`labkit.detect_landslides`).
    confidence : float
        Of the intervals, in (0, 1).
    progress : bool
        Show the bars of the couplet filter.

    Returns
    -------
    pandas.DataFrame
        Rows "azimuth", "range" and "either" in ``direction``. ``labels``: boxes of that direction, or for "either"
        landslides; ``detected`` of them; ``recall`` with ``recall_low`` and ``recall_high``; ``boxes``: what the filter
        gave; ``false`` of them; ``area_km2`` with data; ``false_per_1000_km2`` with ``false_low``, ``false_high``.
        Before them what was stacked: ``scene``, ``orbit_direction``, ``estimator``, ``n_pairs``; and ``class``, "all"
        or one of the classes, of which labels alone differ: boxes are of no class. NaN: a share of nothing.

    Raises
    ------
    LabkitError
        The truth has no ``landslide_id``, or an argument is out of range.

    Notes
    -----
    A label is detected by a box of its scene and direction when the centre of the one lies in the other: a person who
    is sent there sees the slope, and what a box's edges follow is another question (:func:`labkit.evaluate`). For
    "either" a landslide is detected by a box of any direction on any of its boxes. A box is false where it lies, by the
    same rule, on no landslide in any direction; for "either" false boxes on the same ground count once
    (:func:`labkit.merge_detections`).

    Examples
    --------
    >>> import labkit as lk
    >>> tiny = lk.simulate.scene("tiny", seed=0)
    >>> gradients = lk.stack_gradients(tiny.interferograms["ascending"], progress=False)
    >>> measure_detection(gradients, tiny.truth)[["direction", "labels", "detected", "false"]]
      direction  labels  detected  false
    0   azimuth       4         4      0
    1     range       3         3      0
    2    either       4         4      0
    """
    if detector is None:
        found = couplets(gradients, false_per_1000_km2, progress=progress)
    else:
        found = detect_landslides(gradients, detector, progress=progress)
    name = gradients.attrs["scene"]
    here = truth[truth["scene"] == name]
    others = here.iloc[:0] if unseen is None else unseen[unseen["scene"] == name]
    members = _by_class(here, classes)
    boxes, touched = _boxes(found, here, others)
    rows = []
    for word, wanted in members.items():
        labels = _labels(found, here[wanted], touched)
        rows += [{"class": word, "direction": name, **labels[name], **boxes[name]} for name in boxes]
    table = pd.DataFrame(rows)
    table["area_km2"] = _area_km2(gradients)
    about = {key: gradients.attrs.get(key, "") for key in ("scene", "orbit_direction", "estimator", "n_pairs")}
    for place, (key, value) in enumerate(about.items()):
        table.insert(place, key, value)
    return with_intervals(table, confidence)


def detected_labels(found: gpd.GeoDataFrame, labels: gpd.GeoDataFrame) -> npt.NDArray[np.bool_]:
    """Tell which labels are detected: (label,), True where a box of its scene and direction lies on it.

    Parameters
    ----------
    found, labels : geopandas.GeoDataFrame
        Boxes. The one lies on the other when the centre of either is within the edges of the other.

    Examples
    --------
    >>> edges = {"ymin": [0, 0], "ymax": [9, 9], "xmin": [0, 40], "xmax": [9, 60]}
    >>> labels = schema.boxes_table({"scene": "a", "direction": "range", **edges})
    >>> detected_labels(labels.iloc[:1], labels)
    array([ True, False])
    """
    schema.check_boxes(found)
    schema.check_boxes(labels, "labels")
    return np.asarray(overlapping(labels, found, ["scene", "direction"]).any(axis=1))


def false_boxes(found: gpd.GeoDataFrame, landslides: gpd.GeoDataFrame) -> npt.NDArray[np.bool_]:
    """Tell which boxes are false: (box,), True where a box lies on no landslide of its scene, in any direction.

    Parameters
    ----------
    found : geopandas.GeoDataFrame
        Boxes.
    landslides : geopandas.GeoDataFrame
        Boxes of all landslides that are there, whether they can be seen or not.

    Examples
    --------
    >>> from labkit.studies import false_boxes
    >>> edges = {"ymin": [0, 0], "ymax": [9, 9], "xmin": [0, 40], "xmax": [9, 60]}
    >>> found = schema.boxes_table({"scene": "a", "direction": "range", **edges})
    >>> false_boxes(found, landslides=found.iloc[:1])
    array([False,  True])
    """
    schema.check_boxes(found)
    schema.check_boxes(landslides, "landslides")
    return np.asarray(~overlapping(found, landslides, ["scene"]).any(axis=1))


def pool(tables: pd.DataFrame | Iterable[pd.DataFrame], by: Sequence[str], confidence: float = 0.95) -> pd.DataFrame:
    """Add up the counts of rows that are alike, and give their shares and intervals anew.

    Parameters
    ----------
    tables : pandas.DataFrame, or iterable of them
        Of :func:`measure_detection`, with any further columns.
    by : sequence of str
        Columns that have to be alike, as ["estimator", "n_pairs", "direction"]; the others are summed over or dropped.
        Name ``class`` or take one class, else landslides count twice.
    confidence : float
        Of the intervals, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        One row for each group. With the column ``repeat`` counts are means over the repeats of a scene: the same
        landslides seen again with other pairs are no further landslides, and the interval does not narrow.

    Raises
    ------
    LabkitError
        A column is missing.

    Examples
    --------
    >>> from labkit.studies import pool
    >>> counts = {"labels": [10, 12], "detected": [7, 9], "boxes": [9, 9], "false": [1, 0], "area_km2": [300.0, 500.0]}
    >>> two_scenes = pd.DataFrame({"direction": "either", **counts})
    >>> pooled = pool(two_scenes, by=["direction"])
    >>> pooled[["labels", "detected", "recall", "recall_low", "recall_high", "false_per_1000_km2"]].round(2)
       labels  detected  recall  recall_low  recall_high  false_per_1000_km2
    0      22        16    0.73        0.52         0.87                1.25
    """
    table = tables if isinstance(tables, pd.DataFrame) else pd.concat(list(tables), ignore_index=True)
    missing = [name for name in [*by, *_COUNTS] if name not in table]
    if missing:
        raise LabkitError(f"by must name columns of the tables, instead these are missing: {missing}")
    groups = table.groupby(list(by), sort=False)
    counts = groups[_COUNTS].sum()
    if "repeat" in table and "repeat" not in by:
        counts = counts.div(groups["repeat"].nunique(), axis=0)
    return with_intervals(counts.reset_index(), confidence)


def with_intervals(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Give a table of counts its shares: recall and false boxes per 1000 km², each with its interval."""
    counts = {name: table[name].to_numpy(float) for name in _COUNTS}
    low, high = share_interval(counts["detected"], counts["labels"], confidence)
    fewest, most = count_interval(counts["false"], confidence)
    per_area = 1000 / np.where(counts["area_km2"] > 0, counts["area_km2"], np.nan)
    return table.assign(
        recall=counts["detected"] / np.where(counts["labels"] > 0, counts["labels"], np.nan),
        recall_low=low,
        recall_high=high,
        false_per_1000_km2=counts["false"] * per_area,
        false_low=fewest * per_area,
        false_high=most * per_area,
    )


def _by_class(truth: gpd.GeoDataFrame, classes: Mapping[str, str] | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Which labels belong to all, and to each class, (label,)."""
    if len(truth) and "landslide_id" not in truth:
        raise LabkitError(f"truth must have the column 'landslide_id', instead got {list(truth.columns)}")
    members: dict[str, npt.NDArray[np.bool_]] = {ALL: np.ones(len(truth), bool)}
    if classes is not None:
        words = np.array([classes.get(str(name), "") for name in truth.get("landslide_id", [])], str)
        members |= {word: np.asarray(words == word) for word in dict.fromkeys(classes.values())}
    return members


def _labels(found: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, touched: set[str]) -> dict[str, dict[str, int]]:
    """Labels and detected labels of each direction; of either landslides, and those of them with a box on them."""
    detected = detected_labels(found, truth)
    counts = {}
    for direction in schema.DIRECTIONS:
        own = (truth["direction"] == direction).to_numpy()
        counts[direction] = {"labels": int(own.sum()), "detected": int(detected[own].sum())}
    wanted = {str(name) for name in truth.get("landslide_id", [])}
    return counts | {EITHER: {"labels": len(wanted), "detected": len(wanted & touched)}}


def _boxes(
    found: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, others: gpd.GeoDataFrame
) -> tuple[dict[str, dict[str, int]], set[str]]:
    """Boxes and false boxes of each direction, and of either, where those on the same ground count once.

    Besides them, the landslides with a box of any direction on any of their boxes.
    """
    every = schema.boxes_table({name: [*truth[name], *others[name]] for name in ("scene", "direction", *CORNERS)})
    ids = np.array([*truth.get("landslide_id", []), *others.get("landslide_id", [])], str)
    touched = set(ids[np.asarray(overlapping(every, found, ["scene"]).any(axis=1))].tolist())
    false = false_boxes(found, every)
    counts = {}
    for direction in schema.DIRECTIONS:
        own = (found["direction"] == direction).to_numpy()
        counts[direction] = {"boxes": int(own.sum()), "false": int(false[own].sum())}
    either = {"boxes": len(merge_detections(found)), "false": len(merge_detections(found[false]))}
    return counts | {EITHER: either}, touched


def overlapping(first: pd.DataFrame, second: pd.DataFrame, alike: list[str]) -> npt.NDArray[np.bool_]:
    """Tell where the centre of a box of the first table lies in one of the second or the other way, (first, second).

    Parameters
    ----------
    first, second : pandas.DataFrame
        Boxes with ``xmin ymin xmax ymax``.
    alike : list of str
        Columns that have to be the same in both.
    """
    a, b = first[CORNERS].to_numpy(float)[:, None], second[CORNERS].to_numpy(float)[None]
    same = np.ones((len(first), len(second)), bool)
    for name in alike:
        same &= first[name].to_numpy(str)[:, None] == second[name].to_numpy(str)[None]
    return same & (_centre_in(a, b) | _centre_in(b, a))


def _centre_in(boxes: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    x, y = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
    across = (x >= others[..., 0]) & (x < others[..., 2])
    return np.asarray(across & (y >= others[..., 1]) & (y < others[..., 3]))


def _area_km2(gradients: xr.Dataset) -> float:
    """Ground on which any direction has data."""
    valid = np.isfinite(gradients["gradient"].values).any(axis=0).sum()
    return float(valid) * (float(gradients.attrs["ground_spacing"]) / 1000) ** 2
