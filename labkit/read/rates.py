"""GeoTIFF maps of line-of-sight rates."""

from __future__ import annotations

import re
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.pairs import find_files, scene_name
from labkit.read.raster import read_band, read_grid
from labkit.schema import SCENE_ATTRIBUTES

_RATE = re.compile(r"(^|[._-])(vel|velocity|rate|rates)([._-]|$)", re.IGNORECASE)
_ERROR = re.compile(r"(vstd|std|stderr|standard_error)", re.IGNORECASE)


def recognise(path: Path) -> bool:
    """Whether this is a GeoTIFF, or a folder with one named as a rate or velocity."""
    if path.is_file():
        return path.suffix.lower() in (".tif", ".tiff")
    return any(_RATE.search(p.stem) for p in find_files(path, r"\.tiff?$"))


def open_rate_map(path: Path) -> xr.Dataset:
    """Open a rate map (:func:`labkit.open_rates` says what it may be); 0 exactly, NaN and no-data become NaN."""
    folder = path if path.is_dir() else path.parent
    tiffs = find_files(folder, r"\.tiff?$")
    rate = path if path.is_file() else next((p for p in tiffs if _RATE.search(p.stem)), None)
    if rate is None:
        raise FileError(f"{path} must hold a GeoTIFF named vel, velocity or rate, found {[p.name for p in tiffs][:5]}")
    grid = read_grid(rate)
    error = next((p for p in tiffs if _ERROR.search(p.stem) and p != rate), None) if path.is_dir() else None
    y_spacing, x_spacing = grid.spacing_m
    attrs: dict[str, object] = dict.fromkeys(SCENE_ATTRIBUTES, "")
    attrs |= {
        "scene": scene_name(folder) if path.is_dir() else rate.stem,
        "geometry": "map",
        "wavelength": np.nan,
        "heading": np.nan,
        "incidence_angle": np.nan,
        "y_spacing": y_spacing,
        "x_spacing": x_spacing,
        "ground_spacing": ground_spacing(y_spacing, x_spacing),
        "phase_sign": -1,
        "crs": grid.crs,
    }
    units = {"units": "mm/yr"}
    variables = {"rate": (("y", "x"), _lazy(rate, grid.shape), units | {"long_name": "LOS rate toward the satellite"})}
    if error is not None:
        variables["standard_error"] = (("y", "x"), _lazy(error, grid.shape), units)
    return xr.Dataset(variables, coords=grid.coords, attrs=attrs)


def _lazy(path: Path, shape: tuple[int, int]) -> da.Array:
    return da.from_delayed(dask.delayed(_read_known, pure=True)(path, shape), shape, np.float32)


def _read_known(path: Path, shape: tuple[int, int]) -> np.ndarray:
    values = read_band(path, shape)
    values[values == 0] = np.nan
    return values
