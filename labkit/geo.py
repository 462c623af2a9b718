"""Pixel ↔ lon/lat, windows and spacing: the only place that converts coordinates.

Pixel coordinates are edges, as everywhere in labkit: pixel i spans [i, i + 1) and its centre is i + 0.5. Points are
(y, x) in pixels and (lon, lat) in degrees on WGS 84; boxes are xmin, ymin, xmax, ymax.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from pyproj import CRS, Transformer
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry

from labkit import lookup
from labkit.errors import LabkitError

WGS84 = "EPSG:4326"

Array = npt.NDArray[np.float64]

#: Greatest distance of two corners of a footprint, px.
_FOOTPRINT_STEP_PX = 32.0


def has_lonlat(data: xr.Dataset | xr.DataArray) -> bool:
    """Whether the pixels of ``data`` can be placed on the Earth: 2-D ``lon``/``lat``, or 1-D ``y``/``x`` with a CRS.

    Examples
    --------
    >>> grid = xr.DataArray(np.zeros((2, 3)), {"y": [31.1, 31.0], "x": [102.0, 102.1, 102.2]}, ("y", "x"))
    >>> has_lonlat(grid), has_lonlat(grid.assign_attrs(crs="EPSG:4326"))
    (False, True)
    """
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
        Degrees, of the shape of ``y``; of a scene that crosses the date line some are beyond 180. Where the lookup
        table has a hole, the nearest known pixel is carried on along the scene's mean plane.

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
        lon, lat = lookup.filled(data)
        return lookup.at(lon, y, x), lookup.at(lat, y, x)
    (x0, dx), (y0, dy) = _axis(data, "x"), _axis(data, "y")
    east, north = x0 + dx * (x - 0.5), y0 + dy * (y - 0.5)
    to_lonlat = Transformer.from_crs(data.attrs["crs"], WGS84, always_xy=True)
    lon, lat = to_lonlat.transform(east, north)
    # a projection gives longitudes up to 180: those of one scene lie around its middle
    middle, _ = to_lonlat.transform(x0 + dx * (data.sizes["x"] - 1) / 2, y0 + dy * (data.sizes["y"] - 1) / 2)
    return lookup.towards(np.asarray(lon, float), float(middle)), np.asarray(lat, float)


def lonlat_to_pixel(data: xr.Dataset | xr.DataArray, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Array, Array]:
    """Find the pixel positions (y, x; edge coordinates) of points on the Earth; the inverse of pixel_to_lonlat.

    In radar geometry the nearest known pixel is refined by Newton steps on the lookup table until they are shorter than
    1e-9 px, so that the way there and back is exact (to 1e-6 px) wherever the table does not fold; in layover the
    nearest place that the steps met is given. Points outside are extrapolated.

    Examples
    --------
    >>> coords = {"y": [31.15, 31.05], "x": [102.05, 102.15, 102.25]}
    >>> grid = xr.DataArray(np.zeros((2, 3)), coords, ("y", "x"), attrs={"crs": "EPSG:4326"})
    >>> y, x = lonlat_to_pixel(grid, [102.2, 102.05], [31.1, 31.15])
    >>> y.round(3), x.round(3)
    (array([1. , 0.5]), array([2. , 0.5]))
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
    _require_lonlat(data)
    if "lon" in data.coords and data["lon"].ndim == 2:
        return lookup.inverted(*lookup.filled(data), lon, lat)
    east, north = Transformer.from_crs(WGS84, data.attrs["crs"], always_xy=True).transform(lon, lat)
    (x0, dx), (y0, dy) = _axis(data, "x"), _axis(data, "y")
    east, north = np.asarray(east, float), np.asarray(north, float)
    if CRS.from_user_input(data.attrs["crs"]).is_geographic:
        east = lookup.towards(east, x0 + dx * (data.sizes["x"] - 1) / 2)
    return (north - y0) / dy + 0.5, (east - x0) / dx + 0.5


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

    Examples
    --------
    >>> coords = {"y": [31.15, 31.05], "x": [102.05, 102.15, 102.25]}
    >>> grid = xr.DataArray(np.zeros((2, 3)), coords, ("y", "x"), attrs={"crs": "EPSG:4326"})
    >>> [tuple(round(edge, 2) for edge in shape.bounds) for shape in box_polygons(grid, [[0, 0, 2, 1]])]
    [(102.0, 31.1, 102.2, 31.2)]
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

    Examples
    --------
    >>> coords = {"y": [31.15, 31.05], "x": [102.05, 102.15, 102.25]}
    >>> grid = xr.DataArray(np.zeros((2, 3)), coords, ("y", "x"), attrs={"crs": "EPSG:4326"})
    >>> [round(float(edge), 2) for edge in footprint(grid, np.ones((2, 3), bool)).bounds]
    [102.0, 31.0, 102.3, 31.2]
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
    """Give the table of boxes with its ``geometry`` filled from the pixel corners on ``data``.

    Examples
    --------
    >>> from labkit import schema
    >>> coords = {"y": [31.15, 31.05], "x": [102.05, 102.15, 102.25]}
    >>> grid = xr.Dataset({"rate": (("y", "x"), np.zeros((2, 3)))}, coords, attrs={"crs": "EPSG:4326"})
    >>> columns = {"scene": "a", "direction": "rate", "xmin": [0], "ymin": [0], "xmax": [2], "ymax": [1]}
    >>> with_geometry(schema.boxes_table(columns), grid).total_bounds.round(2).tolist()
    [102.0, 31.1, 102.2, 31.2]
    """
    polygons = box_polygons(data, boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float))
    return boxes.set_geometry(gpd.GeoSeries(polygons, index=boxes.index, crs=WGS84))


def of_scenes(boxes: gpd.GeoDataFrame, scenes: Iterable[xr.Dataset]) -> gpd.GeoDataFrame:
    """Keep the boxes that lie on these scenes, such as the labels that their detections can be measured against.

    Parameters
    ----------
    boxes : geopandas.GeoDataFrame
        Labels or detections.
    scenes : iterable of xarray.Dataset
        Gradients or rates, each with its attribute ``scene``.

    Returns
    -------
    geopandas.GeoDataFrame
        The rows whose ``scene`` is the name of one of them. Where a row has a place on the Earth and its scene has one,
        its pixels must lie there too: folders of one name are no reason to compare one valley with another.

    Examples
    --------
    >>> boxes = gpd.GeoDataFrame({"scene": ["danba", "demo"]}, geometry=[None, None], crs=WGS84)
    >>> of_scenes(boxes, [xr.Dataset(attrs={"scene": "danba"})])["scene"].tolist()
    ['danba']
    """
    names, keep = boxes["scene"].astype(str).to_numpy(), np.zeros(len(boxes), bool)
    shapes = boxes.geometry.to_numpy() if boxes.crs is None else boxes.to_crs(WGS84).geometry.to_numpy()
    unplaced = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    for scene in scenes:
        rows = np.flatnonzero(names == str(scene.attrs.get("scene", "")))
        if has_lonlat(scene):
            corners = boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)[rows]
            drawn, told = shapely.bounds(box_polygons(scene, corners)), shapely.bounds(shapes[rows])
            # whole turns apart is the same place
            told[:, ::2] += 360 * np.round((drawn[:, ::2] - told[:, ::2]).mean(axis=1, keepdims=True) / 360)
            rows = rows[unplaced[rows] | ((drawn[:, :2] <= told[:, 2:]) & (told[:, :2] <= drawn[:, 2:])).all(axis=1)]
        keep[rows] = True
    return boxes[keep]


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

    Examples
    --------
    >>> around_the_date_line(np.array([[179.0, 10, 179.9, 11], [-179.9, 10, -179.0, 11]])).tolist()
    [[-181.0, 10.0, -180.1, 11.0], [-179.9, 10.0, -179.0, 11.0]]
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

    Examples
    --------
    >>> from shapely import box
    >>> shapes = np.array([box(102, 31, 102.01, 31.01), box(102.02, 31, 102.03, 31.02), box(103, 31, 103.01, 31.01)])
    >>> [tuple(round(edge, 2) for edge in shape.bounds) for shape in envelopes(shapes, np.array([0, 0, 1]))]
    [(102.0, 31.0, 102.03, 31.02), (103.0, 31.0, 103.01, 31.01)]
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

    Examples
    --------
    >>> image = xr.DataArray(np.arange(6, dtype=np.float32).reshape(2, 3), dims=("y", "x"))
    >>> read_window(image, 1, 1, 3)
    array([[ 4.,  5., nan],
           [nan, nan, nan],
           [nan, nan, nan]], dtype=float32)
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
