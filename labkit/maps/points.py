"""One point for each landslide: where it counts in a density map or a county."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from pyproj import CRS

from labkit import geo
from labkit.errors import LabkitError


def landslide_points(detections: gpd.GeoDataFrame, crs: CRS | str | None = None) -> gpd.GeoSeries:
    """Give the centroid of each detection on a metric map.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        Anything with one geometry for each landslide: detections, labels, an inventory.
    crs : pyproj.CRS or str, optional
        The metric system to use; without it the UTM zone of the detections.

    Returns
    -------
    geopandas.GeoSeries
        Points in metres, with the index of ``detections``.

    Raises
    ------
    LabkitError
        The table has no geometry or no coordinate system, or a row has no place.

    Examples
    --------
    >>> from shapely.geometry import box
    >>> one = gpd.GeoDataFrame(geometry=[box(100.99, 30.99, 101.01, 31.01)], crs="EPSG:4326")
    >>> point = landslide_points(one)
    >>> point.crs.to_string(), round(point.x.iloc[0]), round(point.y.iloc[0])
    ('EPSG:32647', 690950, 3431319)
    """
    if not isinstance(detections, gpd.GeoDataFrame) or detections.active_geometry_name is None:
        raise LabkitError(
            f"detections must be a GeoDataFrame with a geometry, instead got {type(detections).__name__}. "
            "Give the scene its lon/lat with labkit.geo.with_geometry"
        )
    if detections.crs is None:
        raise LabkitError("detections must say their coordinate system, instead got crs=None. Set detections.crs")
    geometry = detections.geometry
    nowhere = (geometry.isna() | geometry.is_empty).to_numpy()
    if nowhere.any():
        raise LabkitError(
            f"detections must all have a place on the Earth, instead {int(nowhere.sum())} of {len(detections)} have "
            f"none (first: row {int(np.argmax(nowhere))}). Open the interferograms with their lookup table, or drop "
            "these rows"
        )
    if crs is None:
        crs = geo.metric_crs(detections.to_crs(geo.WGS84))
    return geometry.to_crs(crs).centroid
