"""Detections against an inventory of known landslides: what was found, what was missed, and what is new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, ground, schema
from labkit.detect.inventory_evidence import measure_items
from labkit.detect.inventory_matching import Links, near_pairs, pair_off
from labkit.detect.merging import SUPPORT
from labkit.errors import LabkitError
from labkit.intervals import share_interval
from labkit.wording import counted

Scenes = xr.Dataset | xr.DataArray | Iterable[xr.Dataset | xr.DataArray]

#: How detections and items are matched.
MATCHINGS = ("many", "one")

_ORBITS = ("ascending", "descending")


@dataclass(frozen=True)
class Comparison:
    """What became of an inventory (:func:`compare_inventories`).

    Attributes
    ----------
    items : geopandas.GeoDataFrame
        The inventory in its order and its system, with ``outcome`` ("detected" or "missed"), ``found_by`` (the row
        names of the detections that match it, a tuple), ``seen_…`` and what was measured there.
    detections : geopandas.GeoDataFrame
        The detections, with ``outcome`` ("correct" or "new") and ``matches`` (the row names of the items, a tuple).
    buffer_m : float
        The distance that counted as a match.

    Examples
    --------
    >>> from shapely.geometry import Point, box
    >>> found = schema.boxes_table({"scene": "s", "direction": "rate", "xmin": [0], "ymin": [0], "xmax": [4],
    ...     "ymax": [4], "geometry": [box(101, 31, 101.01, 31.01)]})
    >>> known = gpd.GeoDataFrame(geometry=[Point(101.005, 31.005), Point(101.5, 31.5)], crs="EPSG:4326")
    >>> result = compare_inventories(found, known)
    >>> result.correct, result.missed, result.new, result.items["outcome"].tolist()
    (1, 1, 0, ['detected', 'missed'])
    """

    items: gpd.GeoDataFrame
    detections: gpd.GeoDataFrame
    buffer_m: float

    @property
    def correct(self) -> int:
        """Known landslides that were detected."""
        return int((self.items["outcome"] == "detected").sum())

    @property
    def missed(self) -> int:
        """Known landslides that were not detected."""
        return len(self.items) - self.correct

    @property
    def new(self) -> int:
        """Detections that match no known landslide."""
        return int((self.detections["outcome"] == "new").sum())

    @property
    def total(self) -> int:
        """Landslides detected, known and new, as the second paper counts them: correct + new."""
        return self.correct + self.new

    @property
    def overlap_percent(self) -> float:
        """Known landslides that were detected, in percent; NaN for an empty inventory."""
        return 100 * self.correct / len(self.items) if len(self.items) else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Give Wilson's interval of the overlap, in percent."""
        low, high = share_interval(self.correct, len(self.items), confidence)
        return 100 * float(low), 100 * float(high)

    @property
    def map(self) -> gpd.GeoDataFrame:
        """The inventory and what is new on one map (EPSG:4326).

        Its ``outcome`` is "detected", "missed" or "new"; ``row`` names the row of the inventory, or of the detections
        for what is new; ``score`` is the detection's, NaN for the inventory.
        """
        fresh = self.detections[self.detections["outcome"] == "new"]
        tables = [(self.items, self.items["outcome"], np.nan), (fresh, fresh["outcome"], fresh.get("score", np.nan))]
        parts = [
            gpd.GeoDataFrame(
                {"outcome": outcome.astype(object), "row": table.index.astype(object), "score": score},
                geometry=table.geometry.to_crs(geo.WGS84),
            ).astype({"score": float})
            for table, outcome, score in tables
        ]
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=geo.WGS84)

    def __str__(self) -> str:
        if not len(self.items):
            return f"an empty inventory; {self.new} new from {counted(len(self.detections), 'detection')}"
        low, high = self.interval()
        return (
            f"{self.correct} of {counted(len(self.items), 'known landslide')} detected ({self.overlap_percent:.1f} %, "
            f"{low:.1f} to {high:.1f}), {self.missed} missed, {self.new} new, from "
            f"{counted(len(self.detections), 'detection')}"
        )

    def __repr__(self) -> str:
        return f"<Comparison: {self}>"

    def _repr_html_(self) -> str:
        low, high = self.interval()
        share = f"{self.overlap_percent:.1f} % ({low:.1f} to {high:.1f})" if len(self.items) else "–"
        cells = {
            "correctly detected": self.correct, "not detected": self.missed, "newly detected": self.new,
            "share detected (95 %)": share, "detections": len(self.detections),
        }  # fmt: skip
        more = "<p><code>.items</code>: the inventory; <code>.detections</code>; <code>.map</code>: both on one map</p>"
        return pd.DataFrame([cells]).to_html(index=False, border=0) + more


def compare_inventories(
    detections: gpd.GeoDataFrame,
    inventory: gpd.GeoDataFrame,
    buffer_m: float = 0.0,
    *,
    matching: str = "many",
    boxes: gpd.GeoDataFrame | None = None,
    rates: Scenes | None = None,
    coherence: Scenes | None = None,
    layover: Scenes | None = None,
) -> Comparison:
    """Compare detections with an inventory of known landslides, on the ground.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        One row for each landslide (:func:`labkit.merge_detections`); boxes of several directions and tracks count
        one by one. The active geometry counts: boxes, or outlines.
    inventory : geopandas.GeoDataFrame
        Polygons, lines or points in any coordinate system: outlines that others drew, or places of a published
        catalogue. Polygons that cross themselves are mended.
    buffer_m : float
        A detection matches an item when they are at most this far apart, m ≥ 0; at 0 they touch or overlap. Catalogues
        of points need some hundred metres.
    matching : {"many", "one"}
        "many": an item is detected when any detection matches it, and a detection is correct when it matches any item.
        "one": each detection counts for one item at most and each item for one detection, in as many pairs as there can
        be, those of the least distance between centroids; further detections of an item are new.
    boxes : geopandas.GeoDataFrame, optional
        Detections before they were merged, for which direction and orbit saw each item.
    rates, coherence, layover : Dataset, DataArray, or iterable of them, optional
        Images (y, x) with a place: ``rate`` in mm/yr, ``coherence`` in 0..1, ``layover`` true or false. NaN is no data.

    Returns
    -------
    Comparison
        Counts, intervals, both tables with their outcomes, and a map. In ``items``, after what is seen
        (``seen_azimuth_ascending``, …; of merged detections ``seen_azimuth``, ``seen_ascending``, …), stands what the
        images given show there (:func:`labkit.detect.inventory_evidence.measure_items`): ``measured_rate``,
        ``fastest_rate``, ``measured_coherence``, ``layover_share``. Columns of these names are replaced.

    Raises
    ------
    LabkitError
        A table lacks its geometry or coordinate system, a row has no place, an image has none, both tables reach
        farther than 5,000 km from their middle, or an argument breaks its rule.

    Notes
    -----
    Distances are those of the UTM zone of both tables, or of an equal-area projection where they are wide or near a
    pole (:func:`labkit.ground.metric_system`). With "many", one huge detection matches all: look at ``total``
    against the number of detections, or take "one". ``seen_…`` follows the distance alone in both.

    References
    ----------
    Zhang et al. (2025), section 4.2 and Table 4: correctly detected, not detected, newly detected, and their overlap.
    Fu et al. (2022), sections 5.3 and 5.4: landslides of published catalogues marked as points.

    Examples
    --------
    >>> from shapely.geometry import Point, box
    >>> found = schema.boxes_table({"scene": "s", "direction": "rate", "xmin": [0, 9], "ymin": [0, 0], "xmax": [4, 12],
    ...     "ymax": [4, 4], "geometry": [box(101, 31, 101.01, 31.01), box(102, 31, 102.01, 31.01)]})
    >>> known = gpd.GeoDataFrame(geometry=[Point(101.012, 31.005), Point(101.5, 31.5)], crs="EPSG:4326")
    >>> print(compare_inventories(found, known, buffer_m=300))
    1 of 2 known landslides detected (50.0 %, 9.5 to 90.5), 1 missed, 1 new, from 2 detections
    """
    if not 0 <= buffer_m < np.inf:
        raise LabkitError(f"buffer_m must be a number of metres ≥ 0, instead got buffer_m={buffer_m}")
    if matching not in MATCHINGS:
        raise LabkitError(f"matching must be one of {MATCHINGS}, instead got matching={matching!r}")
    found, known = _placed("detections", detections), _placed("inventory", inventory)
    views = found if boxes is None else _placed("boxes", boxes)
    where = [part for part in (found, known, views) if len(part)]
    crs = ground.metric_system("detections and inventory", pd.concat(where)) if where else None
    metric = [part if crs is None else part.to_crs(crs) for part in (found, known, views)]
    near = near_pairs(metric[0], metric[1], buffer_m)
    links = near if matching == "many" else pair_off(metric[0], metric[1], near)
    names = _matched(links, len(inventory), detections.index)
    items = inventory.assign(outcome=np.where([len(row) > 0 for row in names], "detected", "missed"))
    items["found_by"] = pd.Series(names, index=items.index, dtype=object)
    if boxes is None:
        _mark_views(items, detections, near)
    else:
        _mark_views(items, boxes, near_pairs(metric[2], metric[1], buffer_m))
    measured = measure_items(metric[1], buffer_m, rates=rates, coherence=coherence, layover=layover)
    for name, values in measured.items():
        items[name] = values
    matches = _matched(links[::-1], len(detections), inventory.index)
    judged = detections.assign(outcome=np.where([len(row) > 0 for row in matches], "correct", "new"))
    judged["matches"] = pd.Series(matches, index=judged.index, dtype=object)
    return Comparison(items, judged, float(buffer_m))


def _placed(name: str, table: gpd.GeoDataFrame) -> gpd.GeoSeries:
    if not isinstance(table, gpd.GeoDataFrame):
        raise LabkitError(f"{name} must be a GeoDataFrame with a geometry, instead got {type(table).__name__}")
    if not table.index.is_unique:
        raise LabkitError(f"{name} must have rows of different names, instead got some twice. Call reset_index first")
    return ground.placed(name, table).make_valid()


def _matched(links: Links, count: int, names: pd.Index) -> list[tuple[object, ...]]:
    """For each of the second side's rows the names of the first side's that are linked to it."""
    answer: list[list[object]] = [[] for _ in range(count)]
    for one, other in zip(*links, strict=True):
        answer[other].append(names[one])
    return [tuple(row) for row in answer]


def _mark_views(items: gpd.GeoDataFrame, boxes: gpd.GeoDataFrame, links: Links) -> None:
    """Say in ``seen_…`` which directions and orbits have a box at each item."""
    seen = {}
    if "member_boxes" in boxes:
        seen = {f"seen_{word}": boxes[word].to_numpy(bool) for word in SUPPORT}
    elif "direction" in boxes:
        orbit = boxes["orbit_direction"].astype(str) if "orbit_direction" in boxes else pd.Series("", boxes.index)
        direction = boxes["direction"].astype(str)
        words = [word for group in (schema.DIRECTIONS, ("rate",)) if direction.isin(group).any() for word in group]
        for word in words:
            for track in _ORBITS if orbit.isin(_ORBITS).any() else ("",):
                name = "_".join(filter(None, ("seen", word, track)))
                seen[name] = ((direction == word) & ((orbit == track) | (track == ""))).to_numpy()
    for name, which in seen.items():
        marks = np.zeros(len(items), bool)
        marks[links[1][which[links[0]]]] = True
        items[name] = marks
