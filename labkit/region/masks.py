"""Ground that no detection of a region may come from: snow, drawn polygons, layover and shadow, on each burst."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rasterio
import xarray as xr
from pyproj import Transformer
from rasterio.errors import RasterioError

from labkit import geo, lookup
from labkit.detect.masking import mask_on
from labkit.errors import FileError
from labkit.region.plan import Plan

#: Masks that are images on a map; all others are polygons.
IMAGES = (".tif", ".tiff")


def mask_files(plan: Plan) -> dict[str, Path]:
    """Give the file of each mask of a plan."""
    return {name: plan.folder / path for name, path in plan.masks.items()}


def read_masks(plan: Plan, stack: xr.Dataset) -> dict[str, xr.DataArray]:
    """Lay the masks of a plan on the pixels of a burst.

    Parameters
    ----------
    plan : Plan
        Its ``masks``: polygons in any coordinate system, or GeoTIFFs on a map, masked where the first band is neither 0
        nor no data, as :func:`labkit.write_map` writes a snow mask or a processor its layover and shadow.
    stack : xarray.Dataset
        The burst.

    Returns
    -------
    dict
        Name → bool (y, x), True = masked: polygons that hold a pixel's centre, and the cell of an image that it lies
        in. Ground beyond an image is not masked.

    Raises
    ------
    FileError
        A file is no image with a coordinate system, or cannot be read as polygons.
    """
    found = {}
    for name, path in mask_files(plan).items():
        covered = _of_image(path, stack) if path.suffix.lower() in IMAGES else _of_polygons(name, path, stack)
        found[name] = xr.DataArray(covered, dims=("y", "x"), attrs={"scene": stack.attrs["scene"]})
    return found


def observed_pixels(stack: xr.Dataset, masks: Mapping[str, xr.DataArray]) -> xr.DataArray:
    """Give the pixels of a burst that a landslide could be seen in: a gradient in some direction, and no mask.

    Returns
    -------
    xarray.DataArray
        Bool (y, x), with the place of the burst.
    """
    seen = stack["gradient"].notnull().any("direction")
    for mask in masks.values():
        seen = seen & ~mask.values
    return seen.assign_attrs(stack.attrs)


def read_polygons(path: Path) -> gpd.GeoDataFrame:
    """Read polygons from any file that GDAL opens, or GeoParquet.

    Raises
    ------
    FileError
        It is neither.
    """
    try:
        return gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        raise FileError(f"{path} must be polygons that GDAL can read, instead got: {error}") from error


def _of_polygons(name: str, path: Path, stack: xr.Dataset) -> npt.NDArray[np.bool_]:
    shape = (stack.sizes["y"], stack.sizes["x"])
    everywhere = np.array([[0.0, 0.0, shape[1], shape[0]]])
    covered = mask_on(name, read_polygons(path), stack, everywhere)
    return np.zeros(shape, bool) if covered is None else covered


def _of_image(path: Path, stack: xr.Dataset) -> npt.NDArray[np.bool_]:
    try:
        with rasterio.open(path) as file:
            image, grid, crs = file.read(1, masked=True), ~file.transform, file.crs
    except RasterioError as error:
        raise FileError(f"{path} must be an image that GDAL can read, instead got: {error}") from error
    if crs is None:
        raise FileError(f"{path} must say its coordinate system, instead it has none. Geocode it: lk.geocoding")
    values = np.ma.filled(image.astype(np.float32), np.nan)
    masked = np.isfinite(values) & (values != 0)
    y, x = np.indices((stack.sizes["y"], stack.sizes["x"])) + 0.5
    lon, lat = geo.pixel_to_lonlat(stack, y, x)
    east, north = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform(lon, lat)
    if crs.is_geographic:
        east = lookup.towards(np.asarray(east), float((~grid * (masked.shape[1] / 2, 0))[0]))
    col, row = (np.floor(at) for at in grid * (np.asarray(east), np.asarray(north)))
    inside = (row >= 0) & (row < masked.shape[0]) & (col >= 0) & (col < masked.shape[1])
    at = (np.where(inside, row, 0).astype(int), np.where(inside, col, 0).astype(int))
    return inside & masked[at]
