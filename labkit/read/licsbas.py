"""LiCSBAS: velocities of a frame, as GeoTIFF or in its own binary ``results/``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.flat_binary import FlatBand
from labkit.read.gamma_map import read_map_grid
from labkit.read.licsar_frame import frame_attributes
from labkit.read.looking import SENTINEL1_WAVELENGTH, SPEED_OF_LIGHT, orbit_direction
from labkit.read.raster import Grid, read_band, read_grid
from labkit.read.rate_map import rate_dataset
from labkit.read.text_header import header_number, read_text_header

_DEM_PAR = "EQA.dem_par"
_MLI_PAR = "slc.mli.par"
_DATA_TYPE = "<f4"

Read = Callable[[Path, tuple[int, int]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class _Velocity:
    """A velocity, what stands beside it, its grid, and how such files are read."""

    rate: Path
    error: Path | None
    mask: Path | None
    grid: Grid
    read: Read


def recognise(path: Path) -> bool:
    """Whether this is a folder of LiCSBAS with a velocity: ``vel.geo.tif``, or ``results/vel`` with ``EQA.dem_par``."""
    return path.is_dir() and (_geotiff(path) is not None or _binary(path) is not None)


def open_velocity(folder: Path) -> xr.Dataset:
    """Open a velocity of LiCSBAS as rates (:func:`labkit.open_rates` says what it may hold)."""
    attrs = frame_attributes(folder)
    tiff, binary = _geotiff(folder), _binary(folder)
    if tiff is not None:
        velocity = _open_geotiff(tiff)
        attrs["wavelength"] = SENTINEL1_WAVELENGTH
    elif binary is not None:
        velocity, stated = _open_binary(*binary)
        attrs = stated | attrs
    else:
        raise FileError(
            f"{folder} must hold vel.geo.tif, or results/vel with {_DEM_PAR} beside it, in info/ or in the GEOC… "
            "folder, found none. Point to the TS_GEOC… folder"
        )
    spacing = velocity.grid.spacing_m
    attrs |= {
        "geometry": "map",
        "crs": velocity.grid.crs,
        "y_spacing": spacing[0],
        "x_spacing": spacing[1],
        "ground_spacing": ground_spacing(*spacing),
        "processor": "LiCSBAS",
    }
    load = functools.partial(_read_masked, velocity)
    error = None if velocity.error is None else functools.partial(load, velocity.error)
    rate = functools.partial(load, velocity.rate)
    return rate_dataset(velocity.grid.shape, rate, error, velocity.grid.coords, attrs)


def _read_masked(velocity: _Velocity, path: Path) -> npt.NDArray[np.float32]:
    """Read mm/yr as stored (LiCSBAS counts motion toward the satellite positive), NaN where the mask is not 1."""
    values = velocity.read(path, velocity.grid.shape)
    if velocity.mask is not None:
        values = np.where(velocity.read(velocity.mask, velocity.grid.shape) == 1, values, np.float32(np.nan))
    return values


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _geotiff(folder: Path) -> Path | None:
    return next((p for place in (folder, folder / "results") if (p := _there(place / "vel.geo.tif"))), None)


def _open_geotiff(rate: Path) -> _Velocity:
    error, mask = (_there(rate.with_name(f"{name}.geo.tif")) for name in ("vstd", "mask"))
    return _Velocity(rate, error, mask, read_grid(rate), read_band)


def _binary(folder: Path) -> tuple[Path, Path] | None:
    """The binary velocity and its ``dem_par``."""
    rate = next((p for place in (folder, folder / "results") if (p := _there(place / "vel"))), None)
    if rate is None:
        return None
    series = rate.absolute().parent.parent
    places = (rate.parent, series / "info", series, series.parent / series.name.removeprefix("TS_"))
    header = next((p for place in places if (p := _there(place / _DEM_PAR))), None)
    return None if header is None else (rate, header)


def _open_binary(rate: Path, header: Path) -> tuple[_Velocity, dict[str, object]]:
    grid = read_map_grid(header)
    error, mask = (_there(rate.with_name(name)) for name in ("vstd", "mask"))
    for path in (rate, error, mask):
        if path is not None:
            FlatBand(path, grid.shape, _DATA_TYPE).check()
    attrs: dict[str, object] = {"wavelength": SENTINEL1_WAVELENGTH}
    image = _there(header.with_name(_MLI_PAR))
    if image is not None:
        attrs |= _from_image_parameters(image)
    return _Velocity(rate, error, mask, grid, _read_flat), attrs


def _from_image_parameters(path: Path) -> dict[str, object]:
    header = {name: value.split()[0] for name, value in read_text_header(path, ":").items() if value}
    attrs: dict[str, object] = {}
    frequency = header_number(header, "radar_frequency", path)
    if frequency <= 0:
        raise FileError(f"{path} must hold a positive number at 'radar_frequency', instead got {frequency}")
    if math.isfinite(frequency):
        attrs["wavelength"] = SPEED_OF_LIGHT / frequency
    heading = header_number(header, "heading", path)
    if math.isfinite(heading):
        attrs |= {"heading": heading % 360.0, "orbit_direction": orbit_direction(heading)}
    return attrs


def _read_flat(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    return FlatBand(path, shape, _DATA_TYPE).read().astype(np.float32)
