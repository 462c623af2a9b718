"""What each view of the ground finds: azimuth and range, ascending and descending, alone and merged."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from labkit import schema
from labkit.detect import couplets, merge_detections
from labkit.errors import LabkitError
from labkit.ground import metric_crs
from labkit.simulate import Scene
from labkit.stack import select_pairs
from labkit.studies.detection import ALL, EITHER, false_boxes, overlapping, with_intervals
from labkit.studies.interferograms import stack_as_published

#: A landslide that any view finds.
MERGED = "merged"

#: Length (m) from which a landslide is "large"; the papers' smallest are some 150 m.
_LARGE_M = 600.0

_ASPECTS = ("facing north", "facing east", "facing south", "facing west")


def directions_and_tracks(
    scene: Scene,
    *,
    estimator: str = "lsq",
    classes: Mapping[str, str] | None = None,
    max_days: float | None = 36,
    false_per_1000_km2: float = 1.0,
    confidence: float = 0.95,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the share of the landslides that each direction and track detects, and all of them merged.

    Parameters
    ----------
    scene : Scene
        A scene with known truth and both tracks.
    estimator : str
        Of :func:`labkit.stack_gradients`.
    classes : mapping of str to str, optional
        ``landslide_id`` → class; by default the way that a slope faces and its size (:func:`faces_and_sizes`).
    max_days : float
        Longest temporal baseline of the pairs.
    false_per_1000_km2 : float
        Stated to the couplet filter, for each track.
    confidence : float
        Of the intervals, in (0, 1).
    progress : bool
        Show a bar over the tracks.

    Returns
    -------
    pandas.DataFrame
        One row for each ``class``, ``track`` and ``direction``: "azimuth", "range" and "either" of each track and of
        track "both", whose "either" are all views. Track "merged", direction "merged": what
        :func:`labkit.merge_detections` makes of all boxes. ``labels``: landslides of the class that any view can show,
        the same in every row of a class; ``detected``, ``recall`` and its interval; ``boxes`` and ``false`` ones as in
        :func:`labkit.studies.measure_detection` (``area_km2``: of the larger track where both are looked at).

    Raises
    ------
    LabkitError
        The scene has one track only, or an argument is out of range.

    Notes
    -----
    A view detects a landslide when one of its boxes lies on the landslide's box of that view, be it one that can be
    seen or not, by the rule of :func:`labkit.studies.detected_labels`; views together, when one of them does. A merged
    landslide lies on a true one when the centre of either's north-up envelope lies in the other's, so that merging may
    also lose: what is merged with a false box, or with a neighbour, moves its centre.

    References
    ----------
    Fu et al. (2022), section 5.1 and Figure 10: fewer landslides in descending than in ascending data.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import directions_and_tracks
    >>> table = directions_and_tracks(lk.simulate.scene("tiny"), classes={}, progress=False)
    >>> table[["track", "direction", "labels", "detected", "boxes", "false"]]
            track direction  labels  detected  boxes  false
    0   ascending   azimuth       4         4      4      0
    1   ascending     range       4         3      4      0
    2   ascending    either       4         4      4      0
    3  descending   azimuth       4         3      4      1
    4  descending     range       4         3      4      1
    5  descending    either       4         3      4      1
    6        both   azimuth       4         4      8      1
    7        both     range       4         4      8      1
    8        both    either       4         4      8      1
    9      merged    merged       4         4      5      0
    """
    tracks = sorted(scene.interferograms)
    if len(tracks) < 2:
        raise LabkitError(f"scene must have two tracks, instead got {tracks}")
    words = faces_and_sizes(scene) if classes is None else [dict(classes)]
    found: dict[str, gpd.GeoDataFrame] = {}
    areas: dict[str, float] = {}
    for track in tqdm(tracks, desc="tracks", unit="track", disable=not progress):
        stacked = stack_as_published(select_pairs(scene.interferograms[track], max_days), estimator)
        found[track] = couplets(stacked, false_per_1000_km2, progress=False)
        valid = np.isfinite(stacked["gradient"].values).any(axis=0).sum()
        areas[track] = float(valid) * (float(stacked.attrs["ground_spacing"]) / 1000) ** 2
    views, false = _views(scene, found)
    seen = sorted(set(scene.truth["landslide_id"].astype(str)))
    rows = []
    for word, members in _members(seen, words).items():
        for (track, direction), hit in views.items():
            counted = false[track, direction]
            rows.append(
                {
                    "class": word,
                    "track": track,
                    "direction": direction,
                    "labels": len(members),
                    "detected": len(members & hit),
                    "boxes": len(counted),
                    "false": int(counted.sum()),
                    "area_km2": areas.get(track, max(areas.values())),
                }
            )
    return with_intervals(pd.DataFrame(rows), confidence)


def faces_and_sizes(scene: Scene) -> list[dict[str, str]]:
    """Sort landslides by the way that their slope faces (four quarters), and by length (600 m).

    Returns
    -------
    list of dict
        Two of them, each ``landslide_id`` → word.
    """
    table = scene.landslides
    names = [str(name) for name in table["landslide_id"]]
    quarters = (((table["aspect"].to_numpy(float) + 45) % 360) // 90).astype(int)
    large = table["length_m"].to_numpy(float) >= _LARGE_M
    return [
        {name: _ASPECTS[quarter] for name, quarter in zip(names, quarters, strict=True)},
        {name: "600 m and more" if long else "below 600 m" for name, long in zip(names, large, strict=True)},
    ]


def _members(seen: list[str], words: list[dict[str, str]]) -> dict[str, set[str]]:
    """Landslides that count, in all and in each class."""
    members = {ALL: set(seen)}
    for classes in words:
        for word in sorted(set(classes.values())):
            members[word] = {name for name in seen if classes.get(name) == word}
    return members


def _views(
    scene: Scene, found: dict[str, gpd.GeoDataFrame]
) -> tuple[dict[tuple[str, str], set[str]], dict[tuple[str, str], npt.NDArray[np.bool_]]]:
    """Landslides that each view detects, and which of its boxes are false."""
    tables = [scene.truth] if scene.unseen is None else [scene.truth, scene.unseen]
    there = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True))
    names = there["landslide_id"].to_numpy(str)
    hits: dict[tuple[str, str], set[str]] = {}
    false: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}
    for track, boxes in found.items():
        wrong = false_boxes(boxes, there)
        for direction in schema.DIRECTIONS:
            own = (boxes["direction"] == direction).to_numpy()
            on = overlapping(there, boxes[own], ["scene", "direction"]).any(axis=1)
            hits[track, direction] = set(names[on])
            false[track, direction] = np.asarray(wrong[own])
        hits[track, EITHER] = set.union(*(hits[track, direction] for direction in schema.DIRECTIONS))
        false[track, EITHER] = _false_landslides(boxes, wrong)
    for direction in [*schema.DIRECTIONS, EITHER]:
        hits["both", direction] = set.union(*(hits[track, direction] for track in found))
        false["both", direction] = np.concatenate([false[track, direction] for track in found])
    merged = merge_detections(list(found.values()))
    on = _on_the_ground(scene.landslides, merged)
    hits[MERGED, MERGED] = set(scene.landslides["landslide_id"].to_numpy(str)[on.any(axis=1)])
    false[MERGED, MERGED] = np.asarray(~on.any(axis=0))
    return hits, false


def _false_landslides(boxes: gpd.GeoDataFrame, wrong: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Merge the boxes of both directions, false and right ones apart: (landslide,), True for false ones."""
    right = len(merge_detections(boxes[~wrong])) if (~wrong).any() else 0
    false = len(merge_detections(boxes[wrong])) if wrong.any() else 0
    return np.repeat([False, True], [right, false])


def _on_the_ground(landslides: gpd.GeoDataFrame, merged: gpd.GeoDataFrame) -> npt.NDArray[np.bool_]:
    """Whether the centre of one's north-up envelope lies in the other's, (landslide, merged)."""
    if not len(merged):
        return np.zeros((len(landslides), 0), bool)
    crs = metric_crs(landslides)
    columns = ["xmin", "ymin", "xmax", "ymax"]
    first, second = (
        pd.DataFrame(table.geometry.to_crs(crs).bounds.to_numpy(float), columns=columns)
        for table in (landslides, merged)
    )
    return overlapping(first, second, [])
