"""Radar images on a map grid: which radar position each cell of the map sees, found once and used for every layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import geopandas as gpd
import numba
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS, Transformer
from shapely.geometry import MultiPoint

from labkit import geo, lookup
from labkit.errors import LabkitError
from labkit.ground import metric_crs

Array = npt.NDArray[np.float64]
Positions = npt.NDArray[np.float32]

METHODS = ("bilinear", "nearest")

#: A grid of more cells than this is taken for a mistake of the spacing.
MAX_CELLS = 400_000_000

#: Length of a degree of latitude, m, for the default spacing of a grid in degrees.
_METRES_PER_DEGREE = 111_320.0

#: Rows of a map that are projected together.
_ROWS_AT_ONCE = 256

Layer = TypeVar("Layer", xr.DataArray, xr.Dataset)


@dataclass(frozen=True)
class Grid:
    """A map grid, north up.

    Attributes
    ----------
    crs : pyproj.CRS
        Its coordinate system.
    left, top : float
        Outer edges of the first cell, in units of the CRS.
    spacing : float
        Edge of a cell, in units of the CRS.
    shape : (int, int)
        Rows, from north to south, and columns.
    """

    crs: CRS
    left: float
    top: float
    spacing: float
    shape: tuple[int, int]

    @property
    def y(self) -> Array:
        """Centres of the rows, falling."""
        return np.asarray(self.top - self.spacing * (np.arange(self.shape[0]) + 0.5))

    @property
    def x(self) -> Array:
        """Centres of the columns."""
        return np.asarray(self.left + self.spacing * (np.arange(self.shape[1]) + 0.5))


@dataclass(frozen=True)
class Geocoding:
    """The inverted lookup table of a scene: call it with a layer to have that on the map.

    Attributes
    ----------
    grid : Grid
        The map.
    shape : (int, int)
        Lines and samples of the scene.
    y, x : numpy.ndarray
        Of the grid's shape, float32: the position in the scene at the centre of each cell, in pixel edges (the centre
        of the first pixel is 0.5); NaN = outside the scene.
    """

    grid: Grid
    shape: tuple[int, int]
    y: Positions = field(repr=False)
    x: Positions = field(repr=False)

    def __call__(self, data: Layer, method: str = "bilinear") -> Layer:
        """Give an image, or every image of an object, on the map.

        Parameters
        ----------
        data : xarray.DataArray or Dataset
            (…, y, x) on the scene's array; what has other dimensions is left out of a Dataset. NaN = no data.
        method : str
            "bilinear": from the four pixels around, without those that have no data; NaN where the pixel that holds
            the position has none. "nearest": the pixel that holds the position, for classes and masks.

        Returns
        -------
        xarray.DataArray or Dataset
            (…, y, x) on the grid, float32 (float64 stays), NaN outside; ``y`` and ``x`` are the cells' centres in the
            attribute ``crs``, which :func:`labkit.write_map` writes.

        Raises
        ------
        LabkitError
            The data lie on another array, or there is no such method.
        """
        if method not in METHODS:
            raise LabkitError(f"method must be one of {METHODS}, instead got method={method!r}")
        if isinstance(data, xr.DataArray):
            return self._image(data, method)
        images = {str(n): self._image(v, method) for n, v in data.data_vars.items() if v.dims[-2:] == ("y", "x")}
        if not images:
            raise LabkitError(f"data must hold an image (…, y, x), instead got the variables {list(data.data_vars)}")
        return xr.Dataset(images, attrs=self._attributes(data))

    def _image(self, image: xr.DataArray, method: str) -> xr.DataArray:
        if image.dims[-2:] != ("y", "x") or image.shape[-2:] != self.shape:
            raise LabkitError(
                f"data must have the shape (…, y, x) of the scene, {self.shape}, instead got dims={image.dims} and "
                f"shape={image.shape}"
            )
        values = np.asarray(image.values)
        values = values if values.dtype == np.float64 else values.astype(np.float32)
        planes = values.reshape(-1, *self.shape)
        out = np.empty((len(planes), *self.grid.shape), values.dtype)
        take = _take_bilinear if method == "bilinear" else _take_nearest
        for plane, target in zip(planes, out, strict=True):
            take(np.ascontiguousarray(plane), self.y, self.x, target)
        coords = {name: c for name, c in image.coords.items() if not {"y", "x"} & set(c.dims)}
        dims = image.dims
        return xr.DataArray(
            out.reshape(*values.shape[:-2], *self.grid.shape),
            coords={**coords, "y": self.grid.y, "x": self.grid.x},
            dims=dims,
            name=image.name,
            attrs=self._attributes(image),
        )

    def _attributes(self, data: xr.Dataset | xr.DataArray) -> dict[str, object]:
        return {**data.attrs, "geometry": "map", "crs": self.grid.crs.to_string()} | {
            "y_spacing": self.grid.spacing,
            "x_spacing": self.grid.spacing,
        }


def geocoding(
    data: xr.Dataset | xr.DataArray,
    spacing: float | None = None,
    crs: str | CRS | None = None,
    *,
    like: Grid | Geocoding | None = None,
) -> Geocoding:
    """Find for each cell of a map which position of a scene it sees.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        A scene with 2-D ``lon`` and ``lat`` (radar geometry), or on a map grid of its own.
    spacing : float, optional
        Edge of a cell in units of ``crs``, > 0; by default the scene's ``ground_spacing`` (in degrees where ``crs`` is
        in degrees).
    crs : str or pyproj.CRS, optional
        Of the map; by default the UTM zone of the scene. "EPSG:4326" for degrees.
    like : Grid or Geocoding, optional
        The grid of another one, so that tracks and bursts lie on each other cell by cell; replaces ``spacing`` and
        ``crs``.

    Returns
    -------
    Geocoding
        Call it with any layer of the scene. Its grid covers the scene, edges on multiples of the spacing.

    Raises
    ------
    LabkitError
        The scene has no lon/lat, no pixel has a place, or a spacing is out of its range.

    Notes
    -----
    In radar geometry four neighbouring pixels' centres are two triangles on the map; inside a triangle line and sample
    are linear. Each triangle is drawn once, nothing is searched, so the cost is that of the pixels and the cells. The
    outermost half pixel is continued linearly. Where the lookup table folds (layover) the first place in order of lines
    is kept; where it has a hole the map has none. A scene on a map grid has no table: each cell is projected onto that
    grid.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> on_map = lk.geocoding(rates)(rates["rate"])
    >>> on_map.dims, on_map.attrs["crs"], float(on_map["x"][1] - on_map["x"][0])
    (('y', 'x'), 'EPSG:32647', 40.0)
    """
    if not geo.has_lonlat(data):
        raise LabkitError(
            f"data must have lon/lat, instead got coords={sorted(map(str, data.coords))}. In radar geometry, put the "
            "lookup table beside the interferograms"
        )
    shape = (data.sizes["y"], data.sizes["x"])
    in_radar = "lon" in data.coords and data["lon"].ndim == 2
    if like is not None:
        grid = like.grid if isinstance(like, Geocoding) else like
        if not in_radar:
            return Geocoding(grid, shape, *_seen_on_map(data, shape, grid))
        east, north = _projected(*_nodes(data, shape), grid.crs)
        if grid.crs.is_geographic:
            # the grid may lie on the other side of the date line
            east += 360 * np.round((grid.left + grid.spacing * grid.shape[1] / 2 - np.nanmean(east)) / 360)
    else:
        lon, lat = _nodes(data, shape)
        system = CRS.from_user_input(crs) if crs is not None else _zone(lon, lat)
        east, north = _projected(lon, lat, system)
        grid = _grid_over(east, north, system, _spacing(data, spacing, system))
        if not in_radar:
            return Geocoding(grid, shape, *_seen_on_map(data, shape, grid))
    y, x = np.full(grid.shape, np.nan, np.float32), np.full(grid.shape, np.nan, np.float32)
    rows, cols = (grid.top - north) / grid.spacing - 0.5, (east - grid.left) / grid.spacing - 0.5
    _draw(rows, cols, float(shape[0]), float(shape[1]), y, x)
    return Geocoding(grid, shape, y, x)


def _seen_on_map(data: xr.Dataset | xr.DataArray, shape: tuple[int, int], grid: Grid) -> tuple[Positions, Positions]:
    """Positions on a scene that lies on a map grid itself: each cell's place is projected there, nothing is drawn."""
    to_lonlat = Transformer.from_crs(grid.crs, geo.WGS84, always_xy=True)
    y, x = np.empty(grid.shape, np.float32), np.empty(grid.shape, np.float32)
    for first in range(0, grid.shape[0], _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        east, north = np.meshgrid(grid.x, grid.y[rows])
        lon, lat = to_lonlat.transform(east, north)
        at_y, at_x = geo.lonlat_to_pixel(data, lon, lat)
        inside = (at_y >= 0) & (at_y <= shape[0]) & (at_x >= 0) & (at_x <= shape[1])
        y[rows], x[rows] = np.where(inside, at_y, np.nan), np.where(inside, at_x, np.nan)
    return y, x


def _nodes(data: xr.Dataset | xr.DataArray, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Places of the pixels' centres, and of one more line and sample on each side."""
    if "lon" in data.coords and data["lon"].ndim == 2:
        lon = _one_more(lookup.on_one_side(np.asarray(data["lon"].values, float)))
        lat = _one_more(np.asarray(data["lat"].values, float))
    else:
        y, x = np.meshgrid(np.arange(-1, shape[0] + 1) + 0.5, np.arange(-1, shape[1] + 1) + 0.5, indexing="ij")
        lon, lat = geo.pixel_to_lonlat(data, y, x)
    if not (np.isfinite(lon) & np.isfinite(lat)).any():
        raise LabkitError(
            f"the lookup table of scene {data.attrs.get('scene', '')!r} must place some pixels, found none"
        )
    return lon, lat


def _one_more(table: Array) -> Array:
    """Continue a table linearly by one node on each side."""
    padded = np.pad(table, 1, mode="edge")
    for axis in (0, 1):
        if table.shape[axis] > 1:
            lines = np.moveaxis(padded, axis, 0)
            lines[0] = 2 * lines[1] - lines[2]
            lines[-1] = 2 * lines[-2] - lines[-3]
    return padded


def _zone(lon: Array, lat: Array) -> CRS:
    known = np.isfinite(lon) & np.isfinite(lat)
    corners = MultiPoint([(lon[known].min(), lat[known].min()), (lon[known].max(), lat[known].max())])
    return metric_crs(gpd.GeoSeries([corners], crs=geo.WGS84))


def _projected(lon: Array, lat: Array, crs: CRS) -> tuple[Array, Array]:
    east, north = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform(lon, lat)
    placed = np.isfinite(east) & np.isfinite(north)
    return np.where(placed, east, np.nan), np.where(placed, north, np.nan)


def _spacing(data: xr.Dataset | xr.DataArray, spacing: float | None, crs: CRS) -> float:
    if spacing is None:
        ground = float(data.attrs.get("ground_spacing", np.nan))
        spacing = ground / _METRES_PER_DEGREE if crs.is_geographic else ground
    if not (np.isfinite(spacing) and spacing > 0):
        raise LabkitError(f"spacing must be above 0 in units of crs, instead got spacing={spacing}. Name it")
    return float(spacing)


def _grid_over(east: Array, north: Array, crs: CRS, spacing: float) -> Grid:
    """The grid that holds every pixel, its edges on multiples of the spacing."""
    inner = (slice(1, -1), slice(1, -1))
    left, top = np.floor(np.nanmin(east[inner]) / spacing) - 1, np.ceil(np.nanmax(north[inner]) / spacing) + 1
    cols = int(np.ceil(np.nanmax(east[inner]) / spacing) + 1 - left)
    rows = int(top - (np.floor(np.nanmin(north[inner]) / spacing) - 1))
    if rows * cols > MAX_CELLS:
        raise LabkitError(
            f"spacing must give at most {MAX_CELLS:,} cells, instead got spacing={spacing} and {rows} × {cols} cells. "
            "Is it in units of crs?"
        )
    return Grid(crs, float(left * spacing), float(top * spacing), spacing, (rows, cols))


@numba.njit(cache=True, nogil=True)
def _draw(
    rows: Array, cols: Array, lines: float, samples: float, y: Positions, x: Positions
) -> None:  # pragma: no cover (compiled)
    """Draw the triangles between nodes; node (i, j) is the pixel position (i − 0.5, j − 0.5)."""
    for i in range(rows.shape[0] - 1):
        for j in range(rows.shape[1] - 1):
            _draw_triangle(rows, cols, i, j, i + 1, j, i, j + 1, lines, samples, y, x)
            _draw_triangle(rows, cols, i + 1, j + 1, i, j + 1, i + 1, j, lines, samples, y, x)


@numba.njit(cache=True, nogil=True)
def _draw_triangle(
    rows: Array, cols: Array,
    ia: int, ja: int, ib: int, jb: int, ic: int, jc: int,
    lines: float, samples: float, y: Positions, x: Positions,
) -> None:  # pragma: no cover (compiled)  # fmt: skip
    ra, ca, rb, cb, rc, cc = rows[ia, ja], cols[ia, ja], rows[ib, jb], cols[ib, jb], rows[ic, jc], cols[ic, jc]
    area = (cb - ca) * (rc - ra) - (cc - ca) * (rb - ra)
    if not np.isfinite(area) or area == 0.0:
        return
    top, bottom = max(np.ceil(min(ra, rb, rc)), 0.0), min(np.floor(max(ra, rb, rc)), y.shape[0] - 1.0)
    left, right = max(np.ceil(min(ca, cb, cc)), 0.0), min(np.floor(max(ca, cb, cc)), y.shape[1] - 1.0)
    for row in range(int(top), int(bottom) + 1):
        for col in range(int(left), int(right) + 1):
            if not np.isnan(y[row, col]):
                continue
            wb = ((col - ca) * (rc - ra) - (cc - ca) * (row - ra)) / area
            wc = ((cb - ca) * (row - ra) - (col - ca) * (rb - ra)) / area
            # a hair's breadth more, so that rounding leaves no cell on a shared edge to neither triangle
            if wb >= -1e-9 and wc >= -1e-9 and wb + wc <= 1.0 + 1e-9:
                at_y = ia + wb * (ib - ia) + wc * (ic - ia) - 0.5
                at_x = ja + wb * (jb - ja) + wc * (jc - ja) - 0.5
                if 0.0 <= at_y <= lines and 0.0 <= at_x <= samples:
                    y[row, col], x[row, col] = at_y, at_x


@numba.njit(cache=True, nogil=True)
def _take_nearest(
    plane: npt.NDArray[np.floating], y: Positions, x: Positions, out: npt.NDArray[np.floating]
) -> None:  # pragma: no cover (compiled)
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            if np.isnan(y[row, col]):
                out[row, col] = np.nan
            else:
                i, j = min(int(y[row, col]), plane.shape[0] - 1), min(int(x[row, col]), plane.shape[1] - 1)
                out[row, col] = plane[i, j]


@numba.njit(cache=True, nogil=True)
def _take_bilinear(
    plane: npt.NDArray[np.floating], y: Positions, x: Positions, out: npt.NDArray[np.floating]
) -> None:  # pragma: no cover (compiled)
    lines, samples = plane.shape
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            out[row, col] = np.nan
            if np.isnan(y[row, col]):
                continue
            i, j = min(int(y[row, col]), lines - 1), min(int(x[row, col]), samples - 1)
            if np.isnan(plane[i, j]):
                continue
            v = min(max(y[row, col] - 0.5, 0.0), lines - 1.0)
            u = min(max(x[row, col] - 0.5, 0.0), samples - 1.0)
            above, before = int(v), int(u)
            total, weight = 0.0, 0.0
            for di in range(2):
                for dj in range(2):
                    w = (v - above if di else 1.0 - (v - above)) * (u - before if dj else 1.0 - (u - before))
                    if w > 0.0 and not np.isnan(plane[above + di, before + dj]):
                        total += w * plane[above + di, before + dj]
                        weight += w
            out[row, col] = total / weight
