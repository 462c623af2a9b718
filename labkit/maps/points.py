"""One point for each landslide: where it counts in a density map or a county."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from pyproj import CRS

from labkit import ground


def landslide_points(detections: gpd.GeoDataFrame, crs: CRS | str | None = None) -> gpd.GeoSeries:
    """Give the centroid of each detection on a metric map.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        Anything with one geometry for each landslide: detections, labels, an inventory.
    crs : pyproj.CRS or str, optional
        The metric system to use; without it :func:`labkit.ground.metric_system` of the detections.

    Returns
    -------
    geopandas.GeoSeries
        Points in metres, with the index of ``detections``; without coordinates where ``crs`` does not reach.

    Raises
    ------
    LabkitError
        The table has no geometry or no coordinate system, a row has no place, or they lie too far apart for one map.

    Examples
    --------
    >>> from shapely.geometry import box
    >>> one = gpd.GeoDataFrame(geometry=[box(100.99, 30.99, 101.01, 31.01)], crs="EPSG:4326")
    >>> point = landslide_points(one)
    >>> point.crs.to_string(), round(point.x.iloc[0]), round(point.y.iloc[0])
    ('EPSG:32647', 690950, 3431319)
    """
    shapes = ground.placed("detections", detections)
    metres = shapes.to_crs(ground.metric_system("detections", shapes) if crs is None else crs)
    # a map that was given may not reach to the other side of the Earth: there the projection has no numbers
    with np.errstate(invalid="ignore"):
        return metres.centroid
