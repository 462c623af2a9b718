"""Images on a map grid as files for a GIS: cloud-optimised GeoTIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio import Affine
from rasterio.io import MemoryFile

from labkit.errors import LabkitError
from labkit.files import whole

_SUFFIXES = (".tif", ".tiff")

#: Axes of a grid are regular when their steps agree to this share of one.
_REGULAR = 1e-3


def write_map(data: xr.DataArray | xr.Dataset, path: str | Path) -> Path:
    """Write images on a map grid as a cloud-optimised GeoTIFF, whole or not at all.

    Parameters
    ----------
    data : xarray.DataArray or Dataset
        (y, x), or (layer, y, x), whose layers become bands; of a Dataset every image (…, y, x). On a regular grid with
        the attribute ``crs``, as :func:`labkit.geocoding` and :func:`labkit.density` give it. NaN = no data.
    path : str or pathlib.Path
        Ends with ``.tif`` or ``.tiff``. Its folder is made; an older file is replaced once the new one is whole.

    Returns
    -------
    pathlib.Path
        The file: tiles of 512 px, overviews (averages of four), deflate with a predictor, float32 (float64 stays)
        with NaN as its no-data value, names and units of the bands, and the attributes as tags.

    Raises
    ------
    LabkitError
        There is no image, no ``crs``, or no regular grid, or the suffix is another one.
    FileError
        The disk is full or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> heights = xr.DataArray(np.eye(3), {"y": [31.2, 31.1, 31.0], "x": [101.0, 101.1, 101.2]}, ("y", "x"), "height")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with rasterio.open(write_map(heights.assign_attrs(crs="EPSG:4326"), Path(folder) / "heights.tif")) as file:
    ...         file.descriptions, [round(edge, 3) for edge in file.bounds]
    (('height',), [100.95, 30.95, 101.25, 31.25])
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise LabkitError(f"path must end with .tif or .tiff, instead got path={path.name!r}")
    crs = data.attrs.get("crs")
    if not crs:
        raise LabkitError(
            "data must say their coordinate system in the attribute crs. Use lk.geocoding for radar images"
        )
    bands = _bands(data)
    transform, flipped = _transform(data)
    dtype = np.result_type(*(values.dtype for values, _, _ in bands))
    dtype = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    profile = {
        "driver": "GTiff", "width": data.sizes["x"], "height": data.sizes["y"], "count": len(bands), "dtype": dtype,
        "crs": crs, "transform": transform, "nodata": np.nan,
    }  # fmt: skip
    with whole(path) as partial, MemoryFile() as memory:
        with memory.open(**profile) as plain:
            for number, (values, name, units) in enumerate(bands, 1):
                plain.write(values[::-1].astype(dtype) if flipped else values.astype(dtype), number)
                plain.set_band_description(number, name)
                plain.set_band_unit(number, units)
            plain.update_tags(**{str(k): str(v) for k, v in data.attrs.items() if k != "crs"})
        with memory.open() as plain:
            rasterio.shutil.copy(
                plain, partial, driver="COG", compress="deflate", predictor="3", blocksize=512, overviews="auto",
                overview_resampling="average", bigtiff="if_safer",
            )  # fmt: skip
    return path


def _bands(data: xr.DataArray | xr.Dataset) -> list[tuple[np.ndarray, str, str]]:
    """Give values, name and units of each image."""
    images = [data] if isinstance(data, xr.DataArray) else list(data.data_vars.values())
    found: list[tuple[np.ndarray, str, str]] = []
    for image in images:
        if image.dims[-2:] != ("y", "x") or image.ndim > 3:
            continue
        name, units = str(image.name or "image"), str(image.attrs.get("units", ""))
        if image.ndim == 2:
            found.append((image.values, name, units))
        else:
            words = image[image.dims[0]].values
            found += [(plane, f"{name} {word}", units) for plane, word in zip(image.values, words, strict=True)]
    if not found:
        raise LabkitError("data must hold an image (y, x), or (layer, y, x), instead there is none")
    return found


def _transform(data: xr.DataArray | xr.Dataset) -> tuple[Affine, bool]:
    """Where the north-up grid lies, and whether the rows have to be turned round for it."""
    steps = {}
    for axis in ("y", "x"):
        values = np.asarray(data[axis].values, float) if axis in data.coords else np.zeros(0)
        apart = np.diff(values) if len(values) > 1 else np.array([float(data.attrs.get(f"{axis}_spacing", np.nan))])
        step = float(apart.mean())
        if not np.isfinite(step) or step == 0 or (np.abs(apart - step) > _REGULAR * abs(step)).any():
            raise LabkitError(
                f"data must lie on a regular grid with 1-D coordinates y and x, instead {axis} is not regular. "
                "Use lk.geocoding for radar images"
            )
        steps[axis] = values, step
    (y, dy), (x, dx) = steps["y"], steps["x"]
    if dx < 0:
        raise LabkitError("data must have x from west to east, instead it falls. Sort it: data.sortby('x')")
    top = float(max(y[0], y[-1])) + abs(dy) / 2
    return Affine(dx, 0.0, float(x[0]) - dx / 2, 0.0, -abs(dy), top), len(y) > 1 and dy > 0
