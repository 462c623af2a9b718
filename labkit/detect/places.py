"""Where boxes lie for being measured: in pixels of their scenes or on the ground, on which chip, in which block."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import CRS

from labkit import geo, ground, schema
from labkit.detect.overlaps import Array, Indices
from labkit.errors import LabkitError
from labkit.schema import CORNERS


@dataclass(frozen=True)
class Places:
    """Where the boxes of several tables lie, one table after the other.

    Attributes
    ----------
    corners : numpy.ndarray, shape (n, 4)
        In pixels of the scene, or in metres.
    groups : numpy.ndarray, shape (n,)
        Scene and direction, in the order of their names; on the ground 0.
    sites : list of str
        What has coordinates of its own: the scene of each box; on the ground "".
    unit : float
        Length of a pixel in these coordinates: 1, or 40 m on the ground.
    crs : pyproj.CRS or None
        Of the coordinates on the ground; None in pixels, and where no box tells.
    """

    corners: Array
    groups: Indices
    sites: list[str]
    unit: float
    crs: CRS | None


def in_pixels(tables: list[gpd.GeoDataFrame]) -> Places:
    """Give places in the pixels of each scene."""
    corners = np.concatenate([table[CORNERS].to_numpy(float) for table in tables])
    scenes = np.concatenate([table["scene"].astype(str).to_numpy(object) for table in tables])
    directions = np.concatenate([table["direction"].astype(str).to_numpy(object) for table in tables])
    keys = pd.MultiIndex.from_arrays([scenes, directions])
    groups = keys.unique().sort_values().get_indexer(keys)
    return Places(corners, groups.astype(np.int64), scenes.tolist(), 1.0, None)


def on_ground(tables: list[gpd.GeoDataFrame]) -> Places:
    """Give north-up envelopes on the ground, in metres, whatever the scene and direction.

    Raises
    ------
    LabkitError
        A box has no geometry or no place, or they reach farther than 5,000 km from their middle.
    """
    unit = schema.REFERENCE_SPACING_M
    total = sum(map(len, tables))
    if not total:
        return Places(np.zeros((0, 4)), np.zeros(0, np.int64), [], unit, None)
    places = gpd.GeoSeries(np.concatenate([table.geometry.to_numpy() for table in tables]), crs=geo.WGS84)
    if places.isna().any() or places.is_empty.any():
        raise LabkitError("detections and labels must have a geometry to be matched on the ground. Leave ground=False")
    places = ground.placed("detections and labels", places)
    crs = ground.metric_system("detections and labels", places)
    return Places(places.to_crs(crs).bounds.to_numpy(float), np.zeros(total, np.int64), [""] * total, unit, crs)


def chip_of(table: gpd.GeoDataFrame, chips: gpd.GeoDataFrame) -> Indices:
    """Give the row of the first chip that the centre of each box lies on, or −1; pixel i of an edge spans [i, i + 1).

    Examples
    --------
    >>> box = schema.boxes_table({"scene": "a", "direction": "range", "xmin": [60, 200], "ymin": [0, 0],
    ...                           "xmax": [68, 208], "ymax": [8, 8]})
    >>> chip_of(box, gpd.GeoDataFrame({"scene": ["a", "a"], "row": [0, 0], "col": [0, 64], "size": [64, 64]}))
    array([ 1, -1])
    """
    chip = np.full(len(table), len(chips), np.int64)
    x = ((table["xmin"] + table["xmax"]) / 2).to_numpy(float)
    y = ((table["ymin"] + table["ymax"]) / 2).to_numpy(float)
    left, top, size = (chips[name].to_numpy(float) for name in ("col", "row", "size"))
    tree = shapely.STRtree(shapely.box(left, top, left + size, top + size))
    box, near = tree.query(shapely.points(x, y))
    holds = (x[box] < (left + size)[near]) & (y[box] < (top + size)[near])
    holds &= table["scene"].astype(str).to_numpy(object)[box] == chips["scene"].astype(str).to_numpy(object)[near]
    np.minimum.at(chip, box[holds], near[holds])
    return np.where(chip < len(chips), chip, -1)


@dataclass(frozen=True)
class Blocks:
    """Squares of ground that are drawn together.

    Attributes
    ----------
    of_box : numpy.ndarray, shape (n,)
        The block of each box, or −1 where no block was asked for.
    area_km2 : numpy.ndarray, shape (block,)
        The area observed in each; NaN where nobody told.
    """

    of_box: Indices
    area_km2: Array

    def draws(self, times: int, seed: int) -> Array:
        """Give how often each block counts, (1 + times, block): once each, then as often as chance draws it again."""
        count = len(self.area_km2)
        once = np.ones((1, count))
        if not times or not count:
            return np.repeat(once, 1 + times, axis=0)
        chance = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=times)
        return np.concatenate([once, chance.astype(float)])


def share_out(places: Places, counted: npt.NDArray[np.bool_], edge: float, observed: pd.DataFrame | None) -> Blocks:
    """Share boxes and observed ground out to square blocks, boxes by their centres.

    Parameters
    ----------
    places : Places
        The boxes. Those of all directions of a scene share its blocks: they show the same ground.
    counted : numpy.ndarray, shape (n,)
        Boxes that may count; the others make no block.
    edge : float
        Of a block, in the coordinates of the places.
    observed : pandas.DataFrame, optional
        ``site``, ``row``, ``col`` and ``km2`` of each block with data (:mod:`labkit.detect.observed`); those without a
        box are drawn as well.
    """
    centres = (places.corners[:, :2] + places.corners[:, 2:]) / 2
    cells = np.floor(centres / edge).astype(np.int64)
    boxes = pd.DataFrame({"site": places.sites, "row": cells[:, 1], "col": cells[:, 0]})
    keys = [boxes[counted]] if observed is None else [boxes[counted], observed[["site", "row", "col"]]]
    known = pd.MultiIndex.from_frame(pd.concat(keys).astype({"site": object})).unique().sort_values()
    area = np.full(len(known), np.nan)
    if observed is not None:
        area = np.zeros(len(known))
        np.add.at(area, known.get_indexer(pd.MultiIndex.from_frame(observed[["site", "row", "col"]])), observed["km2"])
    return Blocks(known.get_indexer(pd.MultiIndex.from_frame(boxes)).astype(np.int64), area)
