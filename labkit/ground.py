"""Places on the ground: shapes that must lie somewhere, the date line and the poles, and in which metres to measure."""

from __future__ import annotations

import functools

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS
from shapely.affinity import translate
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from labkit import geo
from labkit.errors import LabkitError

#: Up to so far from its middle an area is measured in its UTM zone, km; then by an equal-area projection, up to here.
UTM_KM, MOST_KM = 400.0, 5000.0

#: Where UTM zones are drawn, degrees of latitude.
_UTM_SOUTH, _UTM_NORTH = -80.0, 84.0

_EARTH_KM = 6371.0
_POINTS_AND_LINES = ("Point", "MultiPoint", "LineString", "LinearRing", "MultiLineString")


def placed(name: str, table: gpd.GeoDataFrame | gpd.GeoSeries) -> gpd.GeoSeries:
    """Give the geometry of a table in longitude and latitude, each shape in one piece.

    Parameters
    ----------
    name : str
        What an error calls the table.
    table : geopandas.GeoDataFrame or GeoSeries
        In any coordinate system.

    Returns
    -------
    geopandas.GeoSeries
        EPSG:4326, with the index of the table. A shape that crosses the date line has longitudes beyond 180
        (:func:`in_one_piece`).

    Raises
    ------
    LabkitError
        There is no geometry or coordinate system, or a row has no place on the Earth: no geometry, an empty one, a
        coordinate that is not a finite number, or a latitude beyond a pole.

    Examples
    --------
    >>> from shapely.geometry import Point
    >>> placed("towns", gpd.GeoSeries([Point(102, 31), Point(102, 131)], crs=4326))
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: towns must all have a place on the Earth, instead 1 of 2 have none (first: row 1). ...
    """
    has_geometry = isinstance(table, gpd.GeoSeries) or (
        isinstance(table, gpd.GeoDataFrame) and table.active_geometry_name is not None
    )
    if not has_geometry:
        raise LabkitError(
            f"{name} must be a GeoDataFrame with a geometry, instead got {type(table).__name__}. Boxes of a scene with "
            "lon/lat get theirs by labkit.geo.with_geometry"
        )
    if table.crs is None:
        raise LabkitError(f"{name} must say their coordinate system, instead got crs=None. Set {name}.crs")
    shapes = table.geometry
    nowhere = (shapes.isna() | shapes.is_empty).to_numpy().copy()
    lonlat = shapes.to_crs(geo.WGS84)
    nowhere[_off_the_earth(lonlat.to_numpy())] = True
    if nowhere.any():
        raise LabkitError(
            f"{name} must all have a place on the Earth, instead {int(nowhere.sum())} of {len(table)} have none "
            f"(first: row {table.index[int(np.argmax(nowhere))]!r}). Drop these rows, or open the scene with lon/lat"
        )
    return in_one_piece(lonlat)


def _off_the_earth(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Which shapes have a coordinate that is no place."""
    at, owner = shapely.get_coordinates(shapes, return_index=True)
    there = np.isfinite(at).all(axis=1) & (np.abs(at[:, 1]) <= 90 + 1e-9) & (np.abs(at[:, 0]) <= 540)
    return np.unique(owner[~there])


def in_one_piece(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Put shapes that cross the date line together, with longitudes beyond 180.

    Parameters
    ----------
    shapes : geopandas.GeoSeries
        EPSG:4326.

    Notes
    -----
    A part wider than 180°, but not all of 360°, is one whose corners jump from 180 to −180; several parts that reach
    over more than 180° are one that was cut there.

    Examples
    --------
    >>> across = shapely.Polygon([(179, -17), (-179, -17), (-179, -16), (179, -16)])
    >>> in_one_piece(gpd.GeoSeries([across], crs=4326)).bounds.values.tolist()
    [[179.0, -17.0, 181.0, -16.0]]
    """
    wide = (shapes.bounds["maxx"] - shapes.bounds["minx"]).to_numpy() > 180
    if not wide.any():
        return shapes
    whole = shapes.to_numpy().copy()
    for row in np.flatnonzero(wide):
        whole[row] = _joined(whole[row])
    return gpd.GeoSeries(whole, index=shapes.index, crs=shapes.crs)


def _joined(shape: BaseGeometry) -> BaseGeometry:
    parts = []
    for part in getattr(shape, "geoms", [shape]):
        width = part.bounds[2] - part.bounds[0]
        if 180 < width < 360:
            part = shapely.transform(part, _eastward)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    if max(part.bounds[2] - part.bounds[0] for part in parts) < 180:
        parts = [translate(part, 360) if (part.bounds[0] + part.bounds[2]) < 0 else part for part in parts]
    # parts that were cut at the line share an edge there
    return shapely.union_all(parts) if shape.geom_type in ("MultiPolygon", "MultiLineString") else type(shape)(parts)


def _eastward(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.column_stack([np.where(at[:, 0] < 0, at[:, 0] + 360, at[:, 0]), at[:, 1]])


def on_one_side(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Put all shapes on one side of the date line, so that neighbours across it lie side by side.

    Parameters
    ----------
    shapes : geopandas.GeoSeries
        From :func:`placed`.

    Examples
    --------
    >>> from shapely.geometry import Point
    >>> on_one_side(gpd.GeoSeries([Point(179.9, -17), Point(-179.8, -17)], crs=4326)).x.round(1).tolist()
    [-180.1, -179.8]
    """
    bounds = shapes.bounds.to_numpy()
    if not len(bounds) or (np.ptp(bounds[:, [0, 2]]) <= 180 and np.abs(bounds[:, [0, 2]]).max() <= 180):
        return shapes
    if (bounds[:, 2] - bounds[:, 0] > 180).any():
        return shapes
    turn = geo.around_the_date_line(bounds)[:, 0] - bounds[:, 0]
    moved = [translate(s, t) if t else s for s, t in zip(shapes.to_numpy(), np.round(turn / 360) * 360, strict=True)]
    return gpd.GeoSeries(moved, index=shapes.index, crs=shapes.crs)


def cut_at_date_line(shape: BaseGeometry) -> BaseGeometry:
    """Cut a shape with longitudes beyond 180 in two, each within −180 … 180, as files for globes want it.

    Examples
    --------
    >>> [part.bounds for part in cut_at_date_line(box(179, -17, 181, -16)).geoms]
    [(179.0, -17.0, 180.0, -16.0), (-180.0, -17.0, -179.0, -16.0)]
    """
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    parts = []
    for turn in (-360, 0, 360):
        part = shape.intersection(box(-180 - turn, -90, 180 - turn, 90))
        if not part.is_empty and (part.area or shape.geom_type in _POINTS_AND_LINES):
            parts += [translate(one, turn) for one in getattr(part, "geoms", [part])]
    parts.sort(key=lambda part: -part.bounds[0])
    return parts[0] if len(parts) == 1 else _several(parts)


def _several(parts: list[BaseGeometry]) -> BaseGeometry:
    kinds = {"Polygon": shapely.MultiPolygon, "LineString": shapely.MultiLineString, "Point": shapely.MultiPoint}
    names = {part.geom_type for part in parts}
    return kinds[names.pop()](parts) if len(names) == 1 else shapely.GeometryCollection(parts)


def metric_crs(lonlat: gpd.GeoDataFrame | gpd.GeoSeries) -> CRS:
    """Give the UTM zone in which these lon/lat geometries have true lengths and areas in metres.

    Raises
    ------
    LabkitError
        There is no geometry with a place.

    Examples
    --------
    >>> from shapely import Point
    >>> metric_crs(gpd.GeoSeries([Point(102, 31), Point(102.5, 31.5)], crs="EPSG:4326")).to_epsg()
    32648
    """
    placed = lonlat.geometry[~(lonlat.geometry.isna() | lonlat.geometry.is_empty)]
    if not len(placed):
        raise LabkitError(
            "geometry must hold at least one place on the Earth, instead all are empty. "
            "Open the interferograms with their lookup table, or give the scene a CRS"
        )
    bounds = placed.bounds.to_numpy()
    if bounds[:, 0].min() < -180 or bounds[:, 2].max() > 180 or np.ptp(bounds[:, [0, 2]]) > 180:
        west, south, east, north = geo.around_the_date_line(bounds).T
    else:
        west, south, east, north = bounds.T
    return _crs(int(geo.utm_zone((west.min() + east.max()) / 2, (south.min() + north.max()) / 2)))


@functools.lru_cache(maxsize=128)
def _crs(code: int) -> CRS:
    """Build the reference system of an EPSG code once: a search for it in PROJ's database takes 80 ms."""
    return CRS.from_epsg(code)


def metric_system(name: str, shapes: gpd.GeoSeries) -> CRS:
    """Choose the coordinate system in which shapes are measured in metres.

    Parameters
    ----------
    name : str
        What an error calls them.
    shapes : geopandas.GeoSeries
        From :func:`placed`, at least one.

    Returns
    -------
    pyproj.CRS
        The UTM zone of their middle where they all lie within 400 km of it and UTM is drawn (80° S to 84° N): lengths
        hold within 0.7 %. Else :func:`equal_area_system`.

    Raises
    ------
    LabkitError
        They reach farther than 5,000 km from their middle.

    Examples
    --------
    >>> from shapely import Point
    >>> metric_system("landslides", gpd.GeoSeries([Point(102, 31), Point(102.5, 31.5)], crs="EPSG:4326")).to_epsg()
    32648
    """
    lat, lon, reach = _middle_of(name, shapes)
    south, north = shapes.bounds["miny"].min(), shapes.bounds["maxy"].max()
    if reach <= UTM_KM and south >= _UTM_SOUTH and north <= _UTM_NORTH:
        return metric_crs(gpd.GeoSeries([shapely.Point(lon, lat)], crs=geo.WGS84))
    return _lambert(lat, lon)


def equal_area_system(name: str, shapes: gpd.GeoSeries) -> CRS:
    """Give Lambert's azimuthal equal-area projection about the middle of shapes, or about the pole that they are near.

    Parameters
    ----------
    name, shapes
        As for :func:`metric_system`.

    Raises
    ------
    LabkitError
        They reach farther than 5,000 km from their middle.

    Notes
    -----
    Areas are exact everywhere. Lengths are off by 1 − cos(d / 2R) at a distance d from the middle: 0.3 % at 1,000 km,
    2 % at 2,500 km, 8 % at 5,000 km.

    References
    ----------
    Snyder (1987), Map projections: a working manual, USGS Professional Paper 1395, chapter 24.

    Examples
    --------
    >>> from shapely import Point
    >>> one = gpd.GeoSeries([Point(102, 31)], crs="EPSG:4326")
    >>> equal_area_system("landslides", one).coordinate_operation.method_name
    'Lambert Azimuthal Equal Area'
    """
    lat, lon, _ = _middle_of(name, shapes)
    return _lambert(lat, lon)


def _lambert(lat: float, lon: float) -> CRS:
    return CRS.from_dict({"proj": "laea", "lat_0": lat, "lon_0": lon, "units": "m"})


def _middle_of(name: str, shapes: gpd.GeoSeries) -> tuple[float, float, float]:
    """Latitude and longitude of the middle, and how far the shapes reach from it, km."""
    bounds = shapes.bounds.to_numpy()
    if not len(bounds):
        raise LabkitError(f"{name} must hold at least one place on the Earth, instead got none")
    all_around = (bounds[:, 2] - bounds[:, 0] >= 360).any()
    if not all_around:
        bounds = geo.around_the_date_line(bounds)
    west, south = bounds[:, :2].min(axis=0).tolist()
    east, north = bounds[:, 2:].max(axis=0).tolist()
    lat, lon = (south + north) / 2, (west + east) / 2
    if (all_around or north > _UTM_NORTH or south < _UTM_SOUTH) and south * north > 0:
        # meridians meet there: what lies around a pole has its middle there
        lat = float(np.copysign(90, north))
        lon = 0.0
    reach = max(_apart_km(lat, lon, y, x) for y in (south, north) for x in (west, lon, east))
    if reach > MOST_KM:
        raise LabkitError(
            f"{name} must lie within {MOST_KM:,.0f} km of their middle to be measured on one map, instead they reach "
            f"from {west:.1f}° to {east:.1f}° in longitude and {south:.1f}° to {north:.1f}° in latitude. Take a "
            "smaller region"
        )
    return float(lat), float((lon + 180) % 360 - 180), reach


def _apart_km(lat: float, lon: float, at_lat: float, at_lon: float) -> float:
    """Great-circle distance (haversine)."""
    a, b = np.radians([lat, at_lat])
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(at_lon - lon) / 2) ** 2
    return float(2 * _EARTH_KM * np.arcsin(np.sqrt(min(half, 1.0))))
