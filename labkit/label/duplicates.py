"""One box for each thing that was drawn on several overlapping chips."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt

from labkit import schema
from labkit.errors import LabkitError


def drop_duplicates(labels: gpd.GeoDataFrame, *, min_overlap: float = 0.6) -> gpd.GeoDataFrame:
    """Keep one box of those that people drew for one thing on neighbouring chips that overlap.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels with ``chip_id``, as :meth:`labkit.label.Studio.pull` gives them.
    min_overlap : float
        Two boxes of one scene, direction and label on *different* chips are the same thing when they share at least
        this part of the smaller one, in (0, 1]. Boxes on the same chip are never merged: two people's boxes there are a
        matter of agreement.

    Returns
    -------
    geopandas.GeoDataFrame
        The largest box of each group, which is the one least cut by its chip's edge. Order and ``attrs`` stay.

    Raises
    ------
    LabkitError
        ``min_overlap`` is out of its range, or ``chip_id`` is missing.

    Examples
    --------
    >>> import labkit as lk
    >>> edges = {"xmin": [300, 310], "ymin": [40, 42], "xmax": [350, 349], "ymax": [90, 89]}
    >>> drawn_twice = {"scene": "a", "direction": "range", "chip_id": ["left", "right"], **edges}
    >>> lk.label.drop_duplicates(lk.schema.boxes_table(drawn_twice))[["chip_id", "xmin", "xmax"]]
      chip_id   xmin   xmax
    0    left  300.0  350.0
    """
    schema.check_boxes(labels, "labels")
    if not 0 < min_overlap <= 1:
        raise LabkitError(f"min_overlap must be in (0, 1], instead got min_overlap={min_overlap}")
    if "chip_id" not in labels.columns:
        raise LabkitError("labels must have the column 'chip_id', which says on which chip each box was drawn")
    keep = np.ones(len(labels), bool)
    positions = np.arange(len(labels))
    for group in labels.assign(_position=positions).groupby(["scene", "direction", "label"])["_position"]:
        keep[_repeated(labels, group[1].to_numpy(), min_overlap)] = False
    kept = labels[keep].reset_index(drop=True)
    kept.attrs = dict(labels.attrs)
    return kept


def _repeated(labels: gpd.GeoDataFrame, rows: npt.NDArray[np.intp], min_overlap: float) -> list[int]:
    """Rows (of one scene, direction and label) that repeat a larger box of another chip."""
    corners = labels[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)
    chips = labels["chip_id"].to_numpy()
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept: list[int] = []
    repeated: list[int] = []
    for row in rows[np.argsort(-areas[rows], kind="stable")].tolist():
        others = np.array([k for k in kept if chips[k] != chips[row]], int)
        low = np.maximum(corners[others, :2], corners[row, :2])
        high = np.minimum(corners[others, 2:], corners[row, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        if (shared >= min_overlap * areas[row]).any():
            repeated.append(row)
        else:
            kept.append(row)
    return repeated
