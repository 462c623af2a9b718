"""The landslide density map: how many landslides per km², smoothed over a neighbourhood."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS
from shapely.geometry import box

from labkit import geo, ground
from labkit.errors import LabkitError
from labkit.maps.observing import Observed, observed_share
from labkit.maps.points import landslide_points
from labkit.maps.smoothing import spread

#: The grid that comes without an extent reaches this many bandwidths beyond the outermost landslides.
MARGIN_BANDWIDTHS = 3.0

#: A grid of more cells than this is taken for a mistake of the cell size.
MAX_CELLS = 100_000_000

#: Edges of an extent get a corner at least so often, degrees.
_EDGE_DEG = 0.25

Array = npt.NDArray[np.float64]


def density(
    detections: gpd.GeoDataFrame,
    cell_m: float = 1000.0,
    bandwidth_m: float = 5000.0,
    *,
    extent: tuple[float, float, float, float] | gpd.GeoDataFrame | gpd.GeoSeries | None = None,
    like: xr.DataArray | None = None,
    observed: Observed | None = None,
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
    observed : geopandas.GeoDataFrame, GeoSeries, DataArray or list of DataArrays, optional
        Ground that was looked at: polygons, or the known pixels of scenes (bool (y, x), True = observed, with lon/lat
        or a CRS), such as ``gradients.gradient.notnull().any("direction") & ~snow``. Without it all ground counts.

    Returns
    -------
    xarray.DataArray
        (y, x) float64, landslides per km² of observed ground, NaN where nothing was observed. ``y`` (descending) and
        ``x`` are the centres of the cells in metres of attribute ``crs``, a UTM zone, or an equal-area projection where
        the map is wide or near a pole (:func:`labkit.ground.metric_system`); the edges of the cells lie on multiples
        of ``cell_m``. Attributes: ``units``, ``crs``, ``cell_m``, ``bandwidth_m``, ``n_landslides``
        (counted), ``n_outside`` (left out: not on the grid), ``n_unobserved`` (left out: on cells of which nothing was
        observed) and ``observed_km2``. The coordinate ``observed`` (y, x) is the share of each cell that was observed.

    Raises
    ------
    LabkitError
        A size is out of its range, a landslide has no place, the map would reach farther than 5,000 km from its middle,
        or there are neither landslides nor an extent.

    Notes
    -----
    For landslides k the density of cell (i, j) of area A is

        d[i, j] = Σₖ K[k, i, j] / (A Σᵢ'ⱼ' K[k, i', j'] o[i', j'])

    where K is the integral of the Gaussian about the landslide over the cell, and o the share of the cell that was
    observed. The division gives back to the observed ground what a kernel loses beyond its edges: the density times
    the observed area of each cell sums to exactly ``n_landslides``, whatever the bandwidth and the extent, and empty
    means looked at and nothing found. At a straight edge landslides that are strewn evenly come out at ln 2 = 0.69 of
    their density; without the division it were half. Landslides outside the grid do not count at all.

    From a bandwidth of two cells on, kernels are summed on a grid of nodes by FFT
    (:func:`labkit.maps.smoothing.spread`), which takes no longer for a million landslides than to place them. Lengths
    are those of the map's system (in a UTM zone within 0.1 % up to 400 km from its central meridian).

    References
    ----------
    Fu et al. (2022), Section 5.2 and Figure 9. The division: Jones (1993), Statistics and Computing 3, 135–146.

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
    share = observed_share(observed, crs, y_edges, x_edges)
    rows, cols = (y_edges[0] - ys) / cell_m, (xs - x_edges[0]) / cell_m
    inside = (rows >= 0) & (rows <= share.shape[0]) & (cols >= 0) & (cols <= share.shape[1])
    rows, cols = rows[inside], cols[inside]
    # landslides on the outermost edges belong to the outermost cells
    own = share[np.minimum(rows.astype(int), share.shape[0] - 1), np.minimum(cols.astype(int), share.shape[1] - 1)]
    counts = spread(rows[own > 0], cols[own > 0], share, bandwidth_m / cell_m)
    area_km2 = (cell_m / 1000.0) ** 2
    return xr.DataArray(
        np.where(share > 0, counts / area_km2, np.nan),
        dims=("y", "x"),
        coords={
            "y": ("y", (y_edges[:-1] + y_edges[1:]) / 2, {"units": "m", "long_name": "northing"}),
            "x": ("x", (x_edges[:-1] + x_edges[1:]) / 2, {"units": "m", "long_name": "easting"}),
            "observed": (("y", "x"), share, {"long_name": "share of the cell that was observed"}),
        },
        name="density",
        attrs={
            "long_name": "landslide density",
            "units": "landslides per km²",
            "crs": crs.to_string(),
            "cell_m": cell_m,
            "bandwidth_m": float(bandwidth_m),
            "n_landslides": int((own > 0).sum()),
            "n_outside": int((~inside).sum()),
            "n_unobserved": int((own <= 0).sum()),
            "observed_km2": float(share.sum() * area_km2),
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
        crs = ground.metric_system("extent", area)
        # a parallel is bent on the map: corners alone would leave ground out
        west, south, east, north = area.segmentize(_EDGE_DEG).to_crs(crs).total_bounds
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
        shapes = extent.geometry
        return ground.placed("extent", shapes[~(shapes.isna() | shapes.is_empty)])
    bounds = np.asarray(extent, float)
    ordered = bounds.shape == (4,) and np.isfinite(bounds).all() and bounds[0] < bounds[2] and bounds[1] < bounds[3]
    if not ordered or np.abs(bounds[[1, 3]]).max() > 90 or bounds[2] - bounds[0] > 360:
        raise LabkitError(
            f"extent must be (west, south, east, north) in degrees, instead got extent={extent}. Across the date line "
            "east exceeds 180"
        )
    return gpd.GeoSeries([box(*bounds)], crs=geo.WGS84)
