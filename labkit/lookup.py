"""The lookup table of a radar image: lon and lat of its pixels, read between them, and searched for a place.

Positions are pixel edges, as everywhere: the table's values stand at the centres, i + 0.5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree

from labkit.errors import LabkitError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Newton steps on a lookup table end when they are shorter than this, px, or after so many.
_NEWTON_PX = 1e-9
_NEWTON_STEPS = 30


def on_one_side(lon: Array) -> Array:
    """Give longitudes of one scene without a jump at the date line: there those of the west are continued beyond 180.

    Examples
    --------
    >>> on_one_side(np.array([179.5, -179.75, np.nan])).tolist()
    [179.5, 180.25, nan]
    """
    if not np.isfinite(lon).any() or np.nanmax(lon) - np.nanmin(lon) <= 180:
        return lon
    return np.where(lon < 0, lon + 360, lon)


def towards(lon: Array, middle: float) -> Array:
    """Turn longitudes by whole turns, so that they lie within half a turn of a middle.

    Examples
    --------
    >>> towards(np.array([-179.5, 179.5, 10.0]), middle=180.0).tolist()
    [180.5, 179.5, 10.0]
    """
    return np.asarray(lon + 360 * np.round((middle - lon) / 360))


def filled(data: xr.Dataset | xr.DataArray) -> tuple[Array, Array]:
    """Give the table of a scene with 2-D ``lon`` and ``lat``, holes bridged along its mean plane.

    Across the date line longitudes go on beyond 180 (:func:`on_one_side`).

    Raises
    ------
    LabkitError
        No pixel has a place.

    Examples
    --------
    >>> y, x = np.mgrid[:3, :4] + 0.5
    >>> table = xr.Dataset(coords={"lon": (("y", "x"), 102 + 0.1 * x), "lat": (("y", "x"), 31 - 0.1 * y)})
    >>> table["lon"][1, 1] = table["lat"][1, 1] = np.nan
    >>> lon, lat = filled(table)
    >>> round(float(lon[1, 1]), 3), round(float(lat[1, 1]), 3)
    (102.15, 30.85)
    """
    lon, lat = on_one_side(np.asarray(data["lon"].values, float)), np.asarray(data["lat"].values, float)
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
    bridged = []
    for table in (lon, lat):
        plane = np.linalg.lstsq(terms, table[known], rcond=None)[0][:2]
        bridged.append(np.where(known, table, table[nearest[0], nearest[1]] + offsets @ plane))
    return bridged[0], bridged[1]


def at(table: Array, y: Array, x: Array) -> Array:
    """Read a table given at pixel centres; beyond the outer centres the edge cell is continued linearly.

    Examples
    --------
    >>> table = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> at(table, np.array([0.5, 1.0, 0.0]), np.array([0.5, 1.0, 0.0])).tolist()
    [0.0, 1.5, -1.5]
    """
    i, j, below, right, fv, fu = _cell(table, y, x)
    top = table[i, j] * (1 - fu) + table[i, right] * fu
    bottom = table[below, j] * (1 - fu) + table[below, right] * fu
    return np.asarray(top * (1 - fv) + bottom * fv)


def inverted(lon: Array, lat: Array, at_lon: Array, at_lat: Array) -> tuple[Array, Array]:
    """Find the positions (y, x) of places one by one, by Newton steps from the pixel that lies nearest.

    For single places and corners; a whole map is laid down by :func:`labkit.geocoding`, which searches nothing.

    Examples
    --------
    >>> y, x = np.mgrid[:3, :4] + 0.5
    >>> rows, cols = inverted(102 + 0.1 * x, 31 - 0.1 * y, np.array([102.2]), np.array([30.85]))
    >>> rows.round(3).tolist(), cols.round(3).tolist()
    ([1.5], [2.0])
    """
    scale = np.cos(np.radians(np.mean(lat)))
    tree = KDTree(np.column_stack([lon.ravel() * scale, lat.ravel()]))
    flat_lon, flat_lat = towards(at_lon, float(np.mean(lon))).ravel(), at_lat.ravel()
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
    i, j, below, right, fv, fu = _cell(table, y, x)
    top_left, top_right, bottom_left, bottom_right = table[i, j], table[i, right], table[below, j], table[below, right]
    top, bottom = top_left + fu * (top_right - top_left), bottom_left + fu * (bottom_right - bottom_left)
    along_x = (1 - fv) * (top_right - top_left) + fv * (bottom_right - bottom_left)
    return wanted - (top + fv * (bottom - top)), bottom - top, along_x


def _cell(table: Array, y: Array, x: Array) -> tuple[Indices, Indices, Indices, Indices, Array, Array]:
    """The cell between four pixel centres that holds each position: rows, columns, the next ones, and where in it."""
    rows, cols = table.shape
    v, u = y - 0.5, x - 0.5
    i = np.clip(np.floor(v).astype(int), 0, max(rows - 2, 0))
    j = np.clip(np.floor(u).astype(int), 0, max(cols - 2, 0))
    return i, j, np.minimum(i + 1, rows - 1), np.minimum(j + 1, cols - 1), v - i, u - j
