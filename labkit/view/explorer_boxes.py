"""The boxes on the panels of an explorer: labels red, detections blue, with their size on the ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.label import LabelStore, open_store
from labkit.view import marks
from labkit.view.box_edits import BoxEdits
from labkit.view.review_layers import spacing_m

KINDS = ("labels", "detections")

#: What a page is given of the boxes of one kind on one panel.
COLUMNS = ("left", "right", "top", "bottom", "said", "size", "area", "key")


class ExplorerBoxes:
    """The boxes of a scene.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    labels : GeoDataFrame, LabelStore or path, optional
        Boxes of people; of a store those that stand in it.
    detections : geopandas.GeoDataFrame, optional
        Boxes of a model.

    Raises
    ------
    LabkitError
        A table breaks its rule.

    Attributes
    ----------
    edits : BoxEdits or None
        While somebody edits boxes, what stands on their panels instead of the tables.
    """

    def __init__(
        self,
        ifgs: xr.Dataset,
        labels: gpd.GeoDataFrame | LabelStore | str | Path | None = None,
        detections: gpd.GeoDataFrame | None = None,
    ) -> None:
        self._ifgs = ifgs
        self.edits: BoxEdits | None = None
        self._along, self._across = spacing_m(ifgs)
        kept = open_store(labels) if isinstance(labels, str | Path) else labels
        self.store = kept if isinstance(kept, LabelStore) else None
        self._labels = None if isinstance(kept, LabelStore) else kept
        self.detections = detections
        for name, table in (("labels", self._labels), ("detections", detections)):
            if table is not None:
                schema.check_boxes(table, name)

    @property
    def labels(self) -> gpd.GeoDataFrame | None:
        """The boxes of people, as they stand now."""
        return self._labels if self.store is None else self.store.labels()

    @property
    def any(self) -> bool:
        """Whether boxes were given."""
        return self.store is not None or self._labels is not None or self.detections is not None

    def on(self, panel: str, least_score: float) -> dict[str, dict[str, list[Any]]]:
        """Give the boxes of one panel, by kind, as columns for a page; detections from a score on.

        ``panel`` is a direction, "rate", or another, which has none. ``size`` is width × height in metres on the ground
        (in pixels where the spacing is unknown), ``area`` in km²; ``key`` names a box that can be edited,
        "" for others.
        """
        if self.edits is not None and panel in self.edits.directions:
            return self._edited(panel, least_score)
        found = {}
        for kind, table in zip(KINDS, (self.labels, self.detections), strict=True):
            rows: list[tuple[Any, ...]] = []
            if table is not None and panel in (*schema.DIRECTIONS, "rate"):
                here, _ = marks.boxes_of(table, kind, self._ifgs, panel)
                assert here is not None
                if kind == "detections":
                    here = here[here["score"] >= least_score]
                rows = [(*self._row(box, kind), "") for box in here.itertuples(index=False)]
            found[kind] = _as_columns(rows)
        return found

    def offered(self, least_score: float) -> pd.DataFrame:
        """Give the boxes that can be edited, without proposals below a score (:attr:`BoxEdits.boxes`)."""
        assert self.edits is not None
        boxes = self.edits.boxes
        score = self.edits.scores.reindex(boxes.index)
        return boxes[~boxes["pending"].astype(bool) | (score >= least_score)].assign(score=score)

    def _edited(self, panel: str, least_score: float) -> dict[str, dict[str, list[Any]]]:
        offered = self.offered(least_score)
        here = offered[offered["direction"] == panel]
        found = {}
        for kind, waits in zip(KINDS, (False, True), strict=True):
            rows = here[here["pending"].astype(bool) == waits].itertuples()
            found[kind] = _as_columns([(*self._row(box, kind), str(box.Index)) for box in rows])
        return found

    def at(self, x: float, y: float, least_score: float) -> tuple[float, float, float, float] | None:
        """Give the corners of the smallest box around a point, px; None where there is none."""
        around = []
        for panel in (*schema.DIRECTIONS, "rate"):
            for columns in self.on(panel, least_score).values():
                corners = zip(*(columns[edge] for edge in ("left", "top", "right", "bottom")), strict=True)
                around += [box for box in corners if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
        return min(around, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)

    def around(self, x: float, y: float, least_score: float, edge: int) -> tuple[float, float, float, float]:
        """Give the box that lies there, else one of this edge (px) around the point, cut at the scene's edges."""
        known = self.at(x, y, least_score)
        if known is not None:
            return known
        height, width = self._ifgs.sizes["y"], self._ifgs.sizes["x"]
        half, x, y = edge / 2, round(x), round(y)
        return (
            float(max(x - half, 0)), float(max(y - half, 0)), float(min(x + half, width)), float(min(y + half, height)),
        )  # fmt: skip

    def _row(self, box: Any, kind: str) -> tuple[Any, ...]:
        wide, high = (box.xmax - box.xmin) * self._across, (box.ymax - box.ymin) * self._along
        metres = (self._along, self._across) != (1.0, 1.0)
        size = f"{wide:.0f} × {high:.0f} {'m' if metres else 'px'}"
        area = f"{wide * high / 1e6:.2f} km²" if metres else f"{wide * high:.0f} px²"
        if kind == "detections":
            said = f"detection: {box.label}, score {box.score:.2f}"
        else:
            who = getattr(box, "annotator", "")
            said = f"label: {box.label}" + (f", by {who}" if who else "")
        return float(box.xmin), float(box.xmax), float(box.ymin), float(box.ymax), said, size, area


def _as_columns(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
