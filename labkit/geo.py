"""Pixel ↔ lon/lat, windows and spacing: the only place that converts coordinates.

Pixel coordinates are edges, as everywhere in labkit: pixel i spans [i, i + 1) and its centre is i + 0.5. Points are
(y, x) in pixels and (lon, lat) in degrees on WGS 84; boxes are xmin, ymin, xmax, ymax.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from pyproj import CRS, Transformer
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry

from labkit.errors import LabkitError

WGS84 = "EPSG:4326"

Array = npt.NDArray[np.float64]

#: Greatest distance of two corners of a footprint, px.
_FOOTPRINT_STEP_PX = 32.0

#: Newton steps on a lookup table end when they are shorter than this, px, or after so many.
_NEWTON_PX = 1e-9
_NEWTON_STEPS = 30


def has_lonlat(data: xr.Dataset | xr.DataArray) -> bool:
    """Whether the pixels of ``data`` can be placed on the Earth: 2-D ``lon``/``lat``, or 1-D ``y``/``x`` with a CRS."""
    if "lon" in data.coords and "lat" in data.coords:
        return True
    return bool(data.attrs.get("crs")) and "y" in data.coords and "x" in data.coords


def pixel_to_lonlat(data: xr.Dataset | xr.DataArray, y: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Array, Array]:
    """Place pixel positions on the Earth.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        Any scene object: 2-D ``lon`` and ``lat`` (radar geometry), or 1-D ``y`` and ``x`` with attribute ``crs``.
    y, x : array_like
        Pixel-edge coordinates of one shape; positions up to a few pixels outside are extrapolated linearly.

    Returns
    -------
    lon, lat : numpy.ndarray
        Degrees, of the shape of ``y``. Where the lookup table has a hole, the nearest known pixel is carried on along
        the scene's mean plane.

    Raises
    ------
    LabkitError
        ``data`` has no lon/lat and no CRS.

    Examples
    --------
    >>> grid = xr.Dataset(coords={"y": [31.0, 30.9], "x": [101.0, 101.1]}, attrs={"crs": "EPSG:4326"})
    >>> lon, lat = pixel_to_lonlat(grid, 0.5, 1.5)
    >>> round(float(lon), 6), round(float(lat), 6)
    (101.1, 31.0)
    """
    y, x = np.broadcast_arrays(np.asarray(y, float), np.asarray(x, float))
    _require_lonlat(data)
    if "lon" in data.coords and data["lon"].ndim == 2:
        lon, lat = _lookup_table(data)
        return _bilinear(lon, y, x), _bilinear(lat, y, x)
    (x0, dx), (y0, dy) = _axis(data, "x"), _axis(data, "y")
    east, north = x0 + dx * (x - 0.5), y0 + dy * (y - 0.5)
    lon, lat = Transformer.from_crs(data.attrs["crs"], WGS84, always_xy=True).transform(east, north)
    return np.asarray(lon, float), np.asarray(lat, float)


def lonlat_to_pixel(data: xr.Dataset | xr.DataArray, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Array, Array]:
    """Find the pixel positions (y, x; edge coordinates) of points on the Earth; the inverse of pixel_to_lonlat.

    In radar geometry the nearest known pixel is refined by Newton steps on the lookup table until they are shorter than
    1e-9 px, so that the way there and back is exact (to 1e-6 px) wherever the table does not fold; in layover the
    nearest place that the steps met is given. Points outside are extrapolated.
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
    _require_lonlat(data)
    if "lon" in data.coords and data["lon"].ndim == 2:
        return _invert_table(*_lookup_table(data), lon, lat)
    east, north = Transformer.from_crs(WGS84, data.attrs["crs"], always_xy=True).transform(lon, lat)
    (x0, dx), (y0, dy) = _axis(data, "x"), _axis(data, "y")
    return (np.asarray(north, float) - y0) / dy + 0.5, (np.asarray(east, float) - x0) / dx + 0.5


def box_polygons(data: xr.Dataset | xr.DataArray, corners: npt.ArrayLike) -> list[BaseGeometry | None]:
    """Turn pixel boxes into lon/lat polygons.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        The scene that the boxes lie on.
    corners : array_like, shape (n, 4)
        xmin, ymin, xmax, ymax in pixel edges.

    Returns
    -------
    list
        One four-cornered polygon for each box, or None for each where the scene has no lon/lat.
    """
    corners = np.asarray(corners, float).reshape(-1, 4)
    if not has_lonlat(data):
        return [None] * len(corners)
    xs, ys = corners[:, [0, 2, 2, 0]], corners[:, [1, 1, 3, 3]]
    lon, lat = pixel_to_lonlat(data, ys, xs)
    return list(shapely.polygons(np.stack([lon, lat], axis=-1)))


def footprint(data: xr.Dataset | xr.DataArray, known: npt.NDArray[np.bool_]) -> Polygon:
    """Outline the ground that a scene knows, in lon/lat.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        The scene, with lon/lat.
    known : numpy.ndarray, shape (y, x)
        Which of its pixels have data.

    Returns
    -------
    shapely.Polygon
        The convex hull of those pixels, drawn on the array and laid on the Earth; empty where none has data.
    """
    rows = np.flatnonzero(known.any(axis=1))
    if not len(rows):
        return Polygon()
    first = known[rows].argmax(axis=1)
    after = known.shape[1] - known[rows, ::-1].argmax(axis=1)
    ys, xs = np.concatenate([rows, rows, rows + 1, rows + 1]), np.concatenate([first, after, first, after])
    # A straight edge of the array is a bent one on the ground: it keeps a corner every few pixels.
    hull = MultiPoint(np.column_stack([xs, ys])).convex_hull.segmentize(_FOOTPRINT_STEP_PX)
    x, y = np.asarray(hull.exterior.coords).T
    return Polygon(np.column_stack(pixel_to_lonlat(data, y, x)))


def with_geometry(boxes: gpd.GeoDataFrame, data: xr.Dataset | xr.DataArray) -> gpd.GeoDataFrame:
    """Give the table of boxes with its ``geometry`` filled from the pixel corners on ``data``."""
    polygons = box_polygons(data, boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float))
    return boxes.set_geometry(gpd.GeoSeries(polygons, index=boxes.index, crs=WGS84))


def metric_crs(lonlat: gpd.GeoDataFrame | gpd.GeoSeries) -> CRS:
    """Give the UTM zone in which these lon/lat geometries have true lengths and areas in metres.

    Raises
    ------
    LabkitError
        There is no geometry with a place.
    """
    placed = lonlat.geometry[~(lonlat.geometry.isna() | lonlat.geometry.is_empty)]
    if not len(placed):
        raise LabkitError(
            "geometry must hold at least one place on the Earth, instead all are empty. "
            "Open the interferograms with their lookup table, or give the scene a CRS"
        )
    bounds = placed.bounds.to_numpy()
    if bounds[:, 0].min() < -180 or bounds[:, 2].max() > 180 or np.ptp(bounds[:, [0, 2]]) > 180:
        west, south, east, north = around_the_date_line(bounds).T
    else:
        west, south, east, north = bounds.T
    return _crs(int(utm_zone((west.min() + east.max()) / 2, (south.min() + north.max()) / 2)))


@functools.lru_cache(maxsize=128)
def _crs(code: int) -> CRS:
    """Build the reference system of an EPSG code once: a search for it in PROJ's database takes 80 ms."""
    return CRS.from_epsg(code)


def around_the_date_line(bounds: Array) -> Array:
    """Put the longitudes of boxes on one side of the date line.

    Parameters
    ----------
    bounds : numpy.ndarray, shape (n, 4)
        West, south, east, north in degrees. A box wider than 180° is one that crosses the date line.

    Returns
    -------
    numpy.ndarray, shape (n, 4)
        Longitudes without a jump, cut where the widest gap between the boxes is; some may be beyond 180.
    """
    bounds = np.array(bounds, float)
    crossing = bounds[:, 2] - bounds[:, 0] > 180
    bounds[crossing, 0], bounds[crossing, 2] = bounds[crossing, 2], bounds[crossing, 0] + 360
    centres = np.sort((bounds[:, 0] + bounds[:, 2]) / 2 % 360)
    gaps = np.diff(np.r_[centres, centres[0] + 360])
    cut = centres[(np.argmax(gaps) + 1) % len(centres)]
    turns = np.floor(((bounds[:, 0] + bounds[:, 2]) / 2 - cut) / 360 + 1e-12)
    bounds[:, [0, 2]] -= 360 * turns[:, None]
    middle = (bounds[:, 0].min() + bounds[:, 2].max()) / 2
    bounds[:, [0, 2]] -= 360 * np.floor((middle + 180) / 360)
    return bounds


def utm_zone(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Give the EPSG code of the UTM zone at each place.

    Examples
    --------
    >>> utm_zone([102.0, -179.9, 181.0], [31.0, -17.0, 65.0]).tolist()
    [32648, 32701, 32601]
    """
    zone = np.floor((np.asarray(lon, float) + 180) / 6).astype(np.int64) % 60 + 1
    return np.asarray(np.where(np.asarray(lat) < 0, 32700, 32600) + zone)


def metres_per_degree(lat: Array) -> tuple[Array, Array]:
    """Give the metres of a degree of longitude and of latitude on the ellipsoid (WGS 84), at a latitude in degrees.

    Examples
    --------
    >>> [round(float(metres), 1) for metres in metres_per_degree(np.float64(45.0))]
    [78846.8, 111131.8]
    """
    sine = np.sin(np.radians(lat))
    bulge = 1 - 0.0066943799901413165 * sine * sine
    degree = np.radians(6378137.0)
    east = degree * np.cos(np.radians(lat)) / np.sqrt(bulge)
    return east, degree * (1 - 0.0066943799901413165) / (bulge * np.sqrt(bulge))


def envelopes(shapes: npt.NDArray[np.object_], group: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Draw the box around each group of shapes, along north and east in metres.

    Parameters
    ----------
    shapes : numpy.ndarray of shapely.Geometry, shape (n,)
        In lon/lat.
    group : numpy.ndarray of int, shape (n,)
        The group of each shape, 0 … m − 1, all there.

    Returns
    -------
    numpy.ndarray of shapely.Geometry, shape (m,)
        The envelopes in the UTM zone of each group's middle, as lon/lat polygons; across the date line with longitudes
        beyond 180.
    """
    count = int(group.max()) + 1 if len(group) else 0
    at, shape = shapely.get_coordinates(shapes, return_index=True)
    at, corner = np.array(at), np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(shapes), 1))
    np.minimum.at(corner[:, 0], shape, at[:, 0])
    np.maximum.at(corner[:, 2], shape, at[:, 0])
    at[(corner[shape, 2] - corner[shape, 0] > 180) & (at[:, 0] < 0), 0] += 360
    owner = group[shape]
    first = np.full(count, -1)
    first[owner[::-1]] = np.arange(len(owner))[::-1]
    at[:, 0] += 360 * np.round((at[first, 0][owner] - at[:, 0]) / 360)
    middle = np.column_stack([np.bincount(owner, at[:, k], count) for k in (0, 1)]) / np.bincount(owner)[:, None]
    zone = utm_zone(middle[:, 0], middle[:, 1])
    rings = np.empty((count, 5, 2))
    for code in np.unique(zone):
        there = Transformer.from_crs(WGS84, int(code), always_xy=True)
        mine, members = zone == code, zone[owner] == code
        metres = np.column_stack(there.transform(at[members, 0], at[members, 1]))
        low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
        np.minimum.at(low, owner[members], metres)
        np.maximum.at(high, owner[members], metres)
        x = np.column_stack([high[mine, 0], high[mine, 0], low[mine, 0], low[mine, 0], high[mine, 0]])
        y = np.column_stack([low[mine, 1], high[mine, 1], high[mine, 1], low[mine, 1], low[mine, 1]])
        rings[mine] = np.stack(there.transform(x, y, direction="INVERSE"), axis=-1)
    rings[:, :, 0] += 360 * np.round((middle[:, :1] - rings[:, :, 0]) / 360)
    return np.asarray(shapely.polygons(rings))


def ground_spacing(y_spacing: float, x_spacing: float, incidence_angle: float = float("nan")) -> float:
    """Give the ground spacing (m): the geometric mean of the spacings along y and x on the ground.

    Parameters
    ----------
    y_spacing, x_spacing : float
        Spacing of the array, m.
    incidence_angle : float
        Degrees, for slant range along x: ground range = slant range / sin(incidence). NaN: x is on the ground already.

    Examples
    --------
    >>> round(ground_spacing(13.98, 9.318, 37.292), 2)
    14.66
    """
    across = x_spacing if np.isnan(incidence_angle) else x_spacing / np.sin(np.radians(incidence_angle))
    return float(np.sqrt(abs(y_spacing) * abs(across)))


def windows(shape: tuple[int, int], size: int, overlap: float = 0.0) -> Iterator[tuple[int, int]]:
    """Walk over the upper left corners (row, col) of square windows that cover an array.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the array.
    size : int
        Edge of the window, px. A smaller array gives one window at (0, 0), to be padded.
    overlap : float
        Share of the window that neighbours have in common, in [0, 1). The last window of each axis is moved back so
        that it ends at the edge.

    Examples
    --------
    >>> list(windows((10, 4), 4, 0.5))
    [(0, 0), (2, 0), (4, 0), (6, 0)]
    """
    if size < 1:
        raise LabkitError(f"size must be at least 1 px, instead got size={size}")
    if not 0 <= overlap < 1:
        raise LabkitError(f"overlap must be in [0, 1), instead got overlap={overlap}")
    step = max(1, round(size * (1 - overlap)))
    for row in _starts(shape[0], size, step):
        for col in _starts(shape[1], size, step):
            yield row, col


def read_window(layer: xr.DataArray, row: int, col: int, size: int) -> npt.NDArray[np.float32]:
    """Cut a square window out of an image, padded with NaN where it reaches beyond the edge.

    Parameters
    ----------
    layer : xarray.DataArray (y, x)
        An image of a scene (:func:`labkit.schema.layers`); only the window is read.
    row, col : int
        Upper left corner, px; may lie outside.
    size : int
        Edge of the window, px.

    Returns
    -------
    numpy.ndarray
        (size, size) float32, NaN = no data.
    """
    rows, cols = layer.shape
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + size, rows), min(col + size, cols)
    out = np.full((size, size), np.nan, np.float32)
    if bottom > top and right > left:
        out[top - row : bottom - row, left - col : right - col] = layer.isel(y=slice(top, bottom), x=slice(left, right))
    return out


def _starts(length: int, size: int, step: int) -> list[int]:
    if length <= size:
        return [0]
    return [*range(0, length - size, step), length - size]


def _require_lonlat(data: xr.Dataset | xr.DataArray) -> None:
    if not has_lonlat(data):
        raise LabkitError(
            f"the scene {data.attrs.get('scene', '')!r} must have 2-D lon and lat, or y and x with a CRS, instead got "
            f"coords={sorted(map(str, data.coords))}. In radar geometry, put the lookup table beside the interferograms"
        )


def _axis(data: xr.Dataset | xr.DataArray, name: str) -> tuple[float, float]:
    """First pixel centre and step of a regular map axis."""
    values = np.asarray(data[name].values, float)
    if len(values) > 1:
        return float(values[0]), float((values[-1] - values[0]) / (len(values) - 1))
    return float(values[0]), float(data.attrs.get(f"{name}_spacing", 1.0))


def _lookup_table(data: xr.Dataset | xr.DataArray) -> tuple[Array, Array]:
    lon, lat = np.asarray(data["lon"].values, float), np.asarray(data["lat"].values, float)
    known = np.isfinite(lon) & np.isfinite(lat)
    if known.all():
        return lon, lat
    if not known.any():
        raise LabkitError(
            f"the lookup table of scene {data.attrs.get('scene', '')!r} must place some pixels, found none"
        )
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    rows, cols = np.indices(lon.shape)
    offsets = np.stack([rows - nearest[0], cols - nearest[1]], axis=-1)
    terms = np.column_stack([rows[known], cols[known], np.ones(int(known.sum()))])
    filled = []
    for table in (lon, lat):
        plane = np.linalg.lstsq(terms, table[known], rcond=None)[0][:2]
        filled.append(np.where(known, table, table[nearest[0], nearest[1]] + offsets @ plane))
    return filled[0], filled[1]


def _bilinear(table: Array, y: Array, x: Array) -> Array:
    """Read a table given at pixel centres; beyond the outer centres the edge cell is continued linearly."""
    rows, cols = table.shape
    v, u = y - 0.5, x - 0.5
    i = np.clip(np.floor(v).astype(int), 0, max(rows - 2, 0))
    j = np.clip(np.floor(u).astype(int), 0, max(cols - 2, 0))
    below, right = np.minimum(i + 1, rows - 1), np.minimum(j + 1, cols - 1)
    fv, fu = v - i, u - j
    top = table[i, j] * (1 - fu) + table[i, right] * fu
    bottom = table[below, j] * (1 - fu) + table[below, right] * fu
    return np.asarray(top * (1 - fv) + bottom * fv)


def _invert_table(lon: Array, lat: Array, at_lon: Array, at_lat: Array) -> tuple[Array, Array]:
    scale = np.cos(np.radians(np.mean(lat)))
    tree = KDTree(np.column_stack([lon.ravel() * scale, lat.ravel()]))
    flat_lon, flat_lat = at_lon.ravel(), at_lat.ravel()
    _, nearest = tree.query(np.column_stack([flat_lon * scale, flat_lat]))
    row, col = np.unravel_index(nearest, lon.shape)
    y, x = row + 0.5, col + 0.5
    best_y, best_x, best_miss = y.copy(), x.copy(), np.full(y.shape, np.inf)
    going = np.arange(y.size)
    for _ in range(_NEWTON_STEPS):
        at_y, at_x = y[going], x[going]
        miss_lon, lon_y, lon_x = _bilinear_slopes(lon, at_y, at_x, flat_lon[going])
        miss_lat, lat_y, lat_x = _bilinear_slopes(lat, at_y, at_x, flat_lat[going])
        # where the table folds (layover) the steps may go back and forth: the nearest place that was met stays
        miss = np.hypot(miss_lon * scale, miss_lat)
        nearer = miss < best_miss[going]
        best_y[going[nearer]], best_x[going[nearer]] = at_y[nearer], at_x[nearer]
        best_miss[going[nearer]] = miss[nearer]
        determinant = lon_y * lat_x - lon_x * lat_y
        usable = np.abs(determinant) > 1e-18
        safe = np.where(usable, determinant, 1.0)
        step_y = np.where(usable, (miss_lon * lat_x - miss_lat * lon_x) / safe, 0.0)
        step_x = np.where(usable, (miss_lat * lon_y - miss_lon * lat_y) / safe, 0.0)
        y[going], x[going] = at_y + step_y, at_x + step_x
        going = going[np.hypot(step_y, step_x) > _NEWTON_PX]
        if not len(going):
            break
    return best_y.reshape(at_lon.shape), best_x.reshape(at_lon.shape)


def _bilinear_slopes(table: Array, y: Array, x: Array, wanted: Array) -> tuple[Array, Array, Array]:
    """How far the table is from the wanted values, and its slopes along y and x in the cell that is read there."""
    rows, cols = table.shape
    v, u = y - 0.5, x - 0.5
    i = np.clip(np.floor(v).astype(int), 0, max(rows - 2, 0))
    j = np.clip(np.floor(u).astype(int), 0, max(cols - 2, 0))
    below, right = np.minimum(i + 1, rows - 1), np.minimum(j + 1, cols - 1)
    fv, fu = v - i, u - j
    top_left, top_right, bottom_left, bottom_right = table[i, j], table[i, right], table[below, j], table[below, right]
    top, bottom = top_left + fu * (top_right - top_left), bottom_left + fu * (bottom_right - bottom_left)
    along_x = (1 - fv) * (top_right - top_left) + fv * (bottom_right - bottom_left)
    return wanted - (top + fv * (bottom - top)), bottom - top, along_x
