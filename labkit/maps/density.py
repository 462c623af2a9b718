"""The landslide density map: how many landslides per km², smoothed over a neighbourhood."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS
from scipy.special import ndtr
from shapely.geometry import box

from labkit import geo
from labkit.errors import LabkitError
from labkit.maps.points import landslide_points

#: The grid that comes without an extent reaches this many bandwidths beyond the outermost landslides.
MARGIN_BANDWIDTHS = 3.0

#: A grid of more cells than this is taken for a mistake of the cell size.
MAX_CELLS = 100_000_000

#: Landslides whose kernels are summed in one matrix product; bounds the memory.
_BATCH = 4096

Array = npt.NDArray[np.float64]


def density(
    detections: gpd.GeoDataFrame,
    cell_m: float = 1000.0,
    bandwidth_m: float = 5000.0,
    *,
    extent: tuple[float, float, float, float] | gpd.GeoDataFrame | gpd.GeoSeries | None = None,
    like: xr.DataArray | None = None,
) -> xr.DataArray:
    """Map the density of landslides, in landslides per km².

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        One row for each landslide, which counts at the centroid of its geometry. Merge the boxes of both directions
        and tracks first (``merge_detections``), else one landslide counts up to four times.
    cell_m : float
        Edge of a cell, m, > 0.
    bandwidth_m : float
        Standard deviation of the Gaussian kernel, m, ≥ 0. Zero gives the plain count of each cell over its area.
    extent : (west, south, east, north) or geopandas.GeoDataFrame or geopandas.GeoSeries, optional
        What the grid covers: degrees of longitude and latitude, or geometries such as counties. Without it the grid
        covers the landslides and three bandwidths around them.
    like : xarray.DataArray, optional
        Another density map whose grid is used, so that two inventories can be compared cell by cell; replaces
        ``cell_m`` and ``extent``.

    Returns
    -------
    xarray.DataArray
        (y, x) float64, landslides per km², no NaN. ``y`` (descending) and ``x`` are the centres of the cells in metres
        of attribute ``crs``, a UTM zone; the edges of the cells lie on multiples of ``cell_m``. Attributes: ``units``,
        ``crs``, ``cell_m``, ``bandwidth_m``, ``n_landslides`` (inside the grid) and ``n_outside`` (left out).

    Raises
    ------
    LabkitError
        A size is out of its range, a landslide has no place, or there are neither landslides nor an extent.

    Notes
    -----
    For landslides at (yₖ, xₖ) the density of cell (i, j) of area A is

        d[i, j] = Σₖ Ky[k, i] · Kx[k, j] / A,   Ky[k, i] = G(yₖ; cell i) / Σᵢ' G(yₖ; cell i')

    where G is the exact integral of the Gaussian over the cell's span, so that nothing depends on how the landslides
    fall into cells. The division gives back to the map what a kernel near the edge would lose outside it: the map
    sums, times the area of a cell, to exactly ``n_landslides``, whatever the bandwidth and the extent. Landslides
    outside the grid do not count at all. Lengths are those of the UTM zone (within 0.1 % up to 400 km from its
    central meridian).

    References
    ----------
    Fu et al. (2022), Section 5.2 and Figure 9.

    Examples
    --------
    >>> two = gpd.GeoDataFrame(geometry=[box(102.00, 31, 102.01, 31.01), box(102.05, 31, 102.06, 31.01)], crs=4326)
    >>> field = density(two, cell_m=500, bandwidth_m=2000)
    >>> round(float(field.sum()) * 0.5**2, 9)
    2.0
    """
    if not bandwidth_m >= 0 or not np.isfinite(bandwidth_m):
        raise LabkitError(f"bandwidth_m must be a number of metres ≥ 0, instead got bandwidth_m={bandwidth_m}")
    if like is not None:
        crs, y_edges, x_edges = _grid_of(like)
    else:
        crs, y_edges, x_edges = _grid_over(detections, cell_m, bandwidth_m, extent)
    cell_m = float(x_edges[1] - x_edges[0])

    ys, xs = _coordinates(detections, crs)
    inside = (ys >= y_edges[-1]) & (ys <= y_edges[0]) & (xs >= x_edges[0]) & (xs <= x_edges[-1])
    counts = _smoothed(ys[inside], xs[inside], y_edges, x_edges, bandwidth_m)
    return xr.DataArray(
        counts / (cell_m / 1000.0) ** 2,
        dims=("y", "x"),
        coords={
            "y": ("y", (y_edges[:-1] + y_edges[1:]) / 2, {"units": "m", "long_name": "northing"}),
            "x": ("x", (x_edges[:-1] + x_edges[1:]) / 2, {"units": "m", "long_name": "easting"}),
        },
        name="density",
        attrs={
            "long_name": "landslide density",
            "units": "landslides per km²",
            "crs": crs.to_string(),
            "cell_m": cell_m,
            "bandwidth_m": float(bandwidth_m),
            "n_landslides": int(inside.sum()),
            "n_outside": int((~inside).sum()),
        },
    )


def _coordinates(detections: gpd.GeoDataFrame, crs: CRS) -> tuple[Array, Array]:
    if not len(detections):
        return np.empty(0), np.empty(0)
    points = landslide_points(detections, crs)
    return points.y.to_numpy(), points.x.to_numpy()


def _grid_of(like: xr.DataArray) -> tuple[CRS, Array, Array]:
    if not isinstance(like, xr.DataArray) or like.dims != ("y", "x") or not like.attrs.get("crs"):
        raise LabkitError("like must be a density map (y, x) with the attribute 'crs', as density() returns")
    cell = float(like.attrs.get("cell_m", np.nan))
    if not cell > 0:
        raise LabkitError(f"like must carry the attribute cell_m > 0, instead got cell_m={cell}")
    top, left = float(like["y"].values[0]) + cell / 2, float(like["x"].values[0]) - cell / 2
    rows, cols = like.shape
    y_edges = top - cell * np.arange(rows + 1, dtype=float)
    return CRS.from_user_input(like.attrs["crs"]), y_edges, left + cell * np.arange(cols + 1, dtype=float)


def _grid_over(
    detections: gpd.GeoDataFrame,
    cell_m: float,
    bandwidth_m: float,
    extent: tuple[float, float, float, float] | gpd.GeoDataFrame | gpd.GeoSeries | None,
) -> tuple[CRS, Array, Array]:
    """Edges of the cells: y from north to south, x from west to east, on multiples of the cell size."""
    if not cell_m > 0 or not np.isfinite(cell_m):
        raise LabkitError(f"cell_m must be a number of metres > 0, instead got cell_m={cell_m}")
    if extent is not None:
        area = _area(extent)
        crs = geo.metric_crs(area)
        west, south, east, north = area.to_crs(crs).total_bounds
    elif len(detections):
        points = landslide_points(detections)
        crs = points.crs
        west, south, east, north = points.total_bounds + MARGIN_BANDWIDTHS * bandwidth_m * np.array([-1, -1, 1, 1])
    else:
        raise LabkitError(
            "detections must hold at least one landslide when no extent is given, instead got an empty table. "
            "Give extent=(west, south, east, north) or extent=counties, and the map is zero there"
        )
    left, bottom = np.floor(west / cell_m), np.floor(south / cell_m)
    cols = max(int(np.ceil(east / cell_m) - left), 1)
    rows = max(int(np.ceil(north / cell_m) - bottom), 1)
    if rows * cols > MAX_CELLS:
        raise LabkitError(
            f"cell_m must give at most {MAX_CELLS:,} cells, instead got cell_m={cell_m} and {rows} × {cols} cells. "
            "Take larger cells or a smaller extent"
        )
    y_edges = cell_m * (bottom + np.arange(rows, -1, -1, dtype=float))
    return crs, y_edges, cell_m * (left + np.arange(cols + 1, dtype=float))


def _area(extent: tuple[float, float, float, float] | gpd.GeoDataFrame | gpd.GeoSeries) -> gpd.GeoSeries:
    if isinstance(extent, gpd.GeoDataFrame | gpd.GeoSeries):
        if extent.crs is None:
            raise LabkitError("extent must say its coordinate system, instead got crs=None. Set extent.crs")
        return extent.geometry.to_crs(geo.WGS84)
    bounds = np.asarray(extent, float)
    if bounds.shape != (4,) or not np.isfinite(bounds).all() or bounds[0] >= bounds[2] or bounds[1] >= bounds[3]:
        raise LabkitError(f"extent must be (west, south, east, north) in degrees, instead got extent={extent}")
    return gpd.GeoSeries([box(*bounds)], crs=geo.WGS84)


def _smoothed(ys: Array, xs: Array, y_edges: Array, x_edges: Array, bandwidth_m: float) -> Array:
    """Landslides in each cell (rows, cols), each spread by its kernel."""
    if bandwidth_m == 0:
        # Landslides on the outermost edges belong to the outermost cells.
        row = np.floor((y_edges[0] - ys) / (y_edges[0] - y_edges[1])).astype(int)
        col = np.floor((xs - x_edges[0]) / (x_edges[1] - x_edges[0])).astype(int)
        counts = np.zeros((len(y_edges) - 1, len(x_edges) - 1))
        np.add.at(counts, (np.minimum(row, len(y_edges) - 2), np.minimum(col, len(x_edges) - 2)), 1.0)
        return counts
    out = np.zeros((len(y_edges) - 1, len(x_edges) - 1))
    for start in range(0, len(ys), _BATCH):
        part = slice(start, start + _BATCH)
        # The Gaussian is separable, so the sum over landslides is one matrix product.
        out += _shares(ys[part], y_edges, bandwidth_m).T @ _shares(xs[part], x_edges, bandwidth_m)
    return out


def _shares(at: Array, edges: Array, bandwidth_m: float) -> Array:
    """Share (n, cells) of each Gaussian that falls into each cell; each row sums to one."""
    mass = np.abs(np.diff(ndtr((edges[None, :] - at[:, None]) / bandwidth_m), axis=1))
    return np.asarray(mass / mass.sum(axis=1, keepdims=True))
