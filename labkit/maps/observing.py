"""Which ground of a map was observed at all: no data and snow are not the same as no landslide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS, Transformer
from rasterio import Affine
from rasterio.features import rasterize

from labkit import geo
from labkit.errors import LabkitError

Array = npt.NDArray[np.float64]

#: What was observed: polygons, or one or more scenes of bool (y, x) with a place on the Earth.
Observed: TypeAlias = gpd.GeoDataFrame | gpd.GeoSeries | xr.DataArray | Iterable[xr.DataArray]

#: Polygons are laid on this many parts of a cell's edge; on fewer where a map has very many cells.
_PARTS = 8
_MOST_PARTS = 60_000_000


def observed_share(observed: Observed | None, crs: CRS, y_edges: Array, x_edges: Array) -> Array:
    """Give the share of each cell (y, x) that was observed, in [0, 1].

    Parameters
    ----------
    observed : geopandas.GeoDataFrame, GeoSeries, DataArray or DataArrays; optional
        Polygons, or the known pixels of scenes, True = observed, with lon/lat or a CRS. None: everything.
    crs : pyproj.CRS
        Of the map.
    y_edges, x_edges : numpy.ndarray
        Edges of its cells, y from north to south.

    Notes
    -----
    Of polygons the share is measured on 8 × 8 points of a cell. Of a scene it is the share of those of its pixels that
    lie in the cell; of several scenes the largest share counts.

    Raises
    ------
    LabkitError
        It says no coordinate system, a scene has no place, or the cells are smaller than its pixels.
    """
    shape = (len(y_edges) - 1, len(x_edges) - 1)
    if observed is None:
        return np.ones(shape)
    if isinstance(observed, gpd.GeoDataFrame | gpd.GeoSeries):
        if observed.crs is None:
            raise LabkitError("observed must say its coordinate system, instead got crs=None. Set observed.crs")
        return _of_polygons(observed.geometry.to_crs(crs), y_edges, x_edges)
    share = np.zeros(shape)
    # of several scenes one is held at a time
    for scene in [observed] if isinstance(observed, xr.DataArray) else observed:
        np.maximum(share, _of_scene(scene, crs, y_edges, x_edges), out=share)
    return share


def _of_polygons(areas: gpd.GeoSeries, y_edges: Array, x_edges: Array) -> Array:
    rows, cols = len(y_edges) - 1, len(x_edges) - 1
    parts = int(np.clip(np.sqrt(_MOST_PARTS / (rows * cols)), 1, _PARTS))
    step = (x_edges[1] - x_edges[0]) / parts
    known = areas[~(areas.isna() | areas.is_empty)]
    if not len(known):
        return np.zeros((rows, cols))
    fine = rasterize(
        known.to_list(),
        out_shape=(rows * parts, cols * parts),
        transform=Affine(step, 0.0, x_edges[0], 0.0, -step, y_edges[0]),
        dtype="uint8",
    )
    return np.asarray(fine.reshape(rows, parts, cols, parts).mean(axis=(1, 3)))


def _of_scene(scene: xr.DataArray, crs: CRS, y_edges: Array, x_edges: Array) -> Array:
    if not isinstance(scene, xr.DataArray) or scene.dims != ("y", "x") or scene.dtype != bool:
        raise LabkitError(
            "observed must be polygons or bool images (y, x), True = observed, instead got "
            f"{scene.dtype if isinstance(scene, xr.DataArray) else type(scene).__name__}"
        )
    rows, cols = len(y_edges) - 1, len(x_edges) - 1
    y, x = np.indices(scene.shape)
    lon, lat = geo.pixel_to_lonlat(scene, y.ravel() + 0.5, x.ravel() + 0.5)
    east, north = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform(lon, lat)
    cell = x_edges[1] - x_edges[0]
    row, col = np.floor((y_edges[0] - north) / cell), np.floor((east - x_edges[0]) / cell)
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    at = (row[inside] * cols + col[inside]).astype(np.int64)
    pixels = np.bincount(at, minlength=rows * cols).reshape(rows, cols)
    seen = np.bincount(at, scene.values.ravel()[inside], rows * cols).reshape(rows, cols)
    # with hardly more pixels than cells that hold one, holes between them would pass for unobserved ground
    if inside.sum() < 2 * np.count_nonzero(pixels):
        raise LabkitError(f"cell_m must be larger than the pixels of observed, instead got cell_m={cell:g}")
    return np.divide(seen, pixels, out=np.zeros((rows, cols)), where=pixels > 0)
