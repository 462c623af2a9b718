"""GeoTIFF maps of line-of-sight rates."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.pairs import find_files, scene_name
from labkit.read.raster import read_band, read_grid
from labkit.read.rate_map import rate_dataset

_RATE = re.compile(r"(^|[._-])(vel|velocity|rate|rates)([._-]|$)", re.IGNORECASE)
#: Besides NaN and the file's own no-data value: what processors write where they know nothing.
_NO_DATA = (0.0, -9999.0)

_ERROR = re.compile(r"(vstd|std|stderr|standard_error)", re.IGNORECASE)


def recognise(path: Path) -> bool:
    """Whether this is a GeoTIFF, or a folder with one named as a rate or velocity."""
    if path.is_file():
        return path.suffix.lower() in (".tif", ".tiff")
    return any(named_as_rate(p) for p in find_files(path, r"\.tiff?$"))


def named_as_rate(path: Path) -> bool:
    """Whether a file's name says that it holds rates: any GeoTIFF that is named to the reader is taken for them."""
    return _RATE.search(path.stem) is not None


def open_rate_map(path: Path) -> xr.Dataset:
    """Open a rate map (:func:`labkit.open_rates` says what it may be); 0 exactly, −9999, NaN and no-data become NaN."""
    folder = path if path.is_dir() else path.parent
    tiffs = find_files(folder, r"\.tiff?$")
    found = [path] if path.is_file() else [p for p in tiffs if named_as_rate(p)]
    if len({p.parent for p in found}) > 1:
        raise FileError(
            f"{path} must hold the rates of one scene, instead they lie in {sorted({p.parent.name for p in found})}. "
            "Point to one of these folders"
        )
    rate = found[0] if found else None
    if rate is None:
        raise FileError(f"{path} must hold a GeoTIFF named vel, velocity or rate, found {[p.name for p in tiffs][:5]}")
    grid = read_grid(rate)
    beside = [p for p in tiffs if _ERROR.search(p.stem) and p != rate and p.parent == rate.parent]
    error = beside[0] if beside and path.is_dir() else None
    y_spacing, x_spacing = grid.spacing_m
    attrs: dict[str, object] = {
        "scene": scene_name(folder) if path.is_dir() else rate.stem,
        "geometry": "map",
        "y_spacing": y_spacing,
        "x_spacing": x_spacing,
        "ground_spacing": ground_spacing(y_spacing, x_spacing),
        "crs": grid.crs,
    }
    load = functools.partial(_read_known, rate, grid.shape)
    load_error = None if error is None else functools.partial(_read_known, error, grid.shape)
    return rate_dataset(grid.shape, load, load_error, grid.coords, attrs)


def _read_known(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    values = read_band(path, shape)
    values[np.isin(values, _NO_DATA)] = np.nan
    return values
