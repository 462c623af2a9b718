"""S1-GUNW of ARIA: geocoded unwrapped Sentinel-1 pairs in NetCDF (HDF5), one file for each pair."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import h5py
import xarray as xr

from labkit.errors import FileError
from labkit.read.common_grid import shared_grid, window_in
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.hdf5 import find_dataset, mean_of, need_dataset, open_hdf5, read_plane
from labkit.read.looking import SENTINEL1_WAVELENGTH, heading_of_look
from labkit.read.map_grid import map_attributes
from labkit.read.netcdf_grid import grid_of_centres
from labkit.read.pairs import Image, PairFiles, assemble, find_files, scene_name
from labkit.read.raster import Grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

_NAME = re.compile(r"^S1-GUNW(?:_CUSTOM)?-([AD])-R-(\d{3})-tops-(\d{8})_(\d{8})-.*\.nc$")
_DATA = "science/grids/data"
_GEOMETRY = "science/grids/imagingGeometry"
_WAVELENGTH = "science/radarMetaData/wavelength"

#: The product counts from the later to the earlier date, and its positive phase is motion toward the satellite (ASF's
#: product guide of ARIA S1 GUNW, "Reference and secondary", which also says that the other products of ASF have the
#: opposite sign): turned round, as here, motion toward the satellite lowers the phase.
_PHASE_SIGN = -1

#: Perpendicular baselines (m) and angles (degrees) beyond this are fill values.
_FILL_FROM = 9000.0


def recognise(folder: Path) -> bool:
    """Whether the folder holds S1-GUNW products (``S1-GUNW-A-R-064-tops-….nc``)."""
    return folder.is_dir() and bool(_products(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of S1-GUNW products (:func:`labkit.open_interferograms` says what it may hold)."""
    products = _products(folder)
    if not products:
        raise FileError(
            f"{folder} must hold S1-GUNW products (S1-GUNW-A-R-064-tops-20210723_20210711-….nc), found none. "
            "Keep the names that the files were given"
        )
    tracks = sorted({path.name.split("-")[4] for path in products})
    if len(tracks) > 1:
        raise FileError(f"{folder} must hold pairs of one track, instead got {tracks}. Give each a folder of its own")
    whole: list[PairFiles] = []
    grids: dict[Path, list[Grid]] = {}
    for path in products:
        with skipped.pair(path.name), open_hdf5(path) as file:
            grids[path] = [_grid(file, path)]
            baseline = -mean_of(find_dataset(file, f"{_GEOMETRY}/perpendicularBaseline"), beyond=_FILL_FROM)
            whole.append(PairFiles(_pair(path), path, None, baseline))
    grid, pairs = shared_grid(skipped.settle(whole, folder), grids, skipped)
    found = _NAME.match(products[0].name)
    attrs: dict[str, object] = {
        "scene": scene_name(folder),
        "orbit_direction": "ascending" if found and found[1] == "A" else "descending",
        "track": tracks[0],
        "processor": "ARIA S1-GUNW",
        "phase_sign": _PHASE_SIGN,
    }
    attrs |= map_attributes(grid) | _looking(pairs[0].phase)
    dataset = assemble(pairs, grid.shape, functools.partial(load_pair, grid=grid), grid.coords, attrs)
    unwrapped = {p.name: functools.partial(_read_unwrapped, p.phase, grid) for p in pairs}
    return with_unwrapped(with_coherence_source(dataset, 0), unwrapped)


def load_pair(pair: PairFiles, shape: tuple[int, int], *, grid: Grid) -> tuple[Image, Image]:
    """Read one pair, turned to run from the earlier to the later date.

    Phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32; phase of exactly 0, NaN and the fill value
    are no data.

    Parameters
    ----------
    pair : PairFiles
        The product as ``phase``.
    shape : (int, int)
        Of ``grid``.
    grid : Grid
        The ground that all pairs cover.

    Raises
    ------
    FileError
        The file is damaged, or the coherence lies outside 0..1.
    """
    with open_hdf5(pair.phase) as file:
        own = _grid(file, pair.phase)
        window = window_in(own, grid)
        phase, coherence = (
            read_plane(need_dataset(file, f"{_DATA}/{name}", 2), own.shape)[window].copy()
            for name in ("unwrappedPhase", "coherence")
        )
    return finish_pair(pair.phase, phase, coherence, reverse=True)


def _read_unwrapped(path: Path, grid: Grid) -> Image:
    """Unwrapped phase from the earlier to the later date, rad."""
    with open_hdf5(path) as file:
        own = _grid(file, path)
        return -read_plane(need_dataset(file, f"{_DATA}/unwrappedPhase", 2), own.shape)[window_in(own, grid)]


def _products(folder: Path) -> list[Path]:
    return [path for path in find_files(folder, r"^S1-GUNW.*\.nc$") if _NAME.match(path.name)]


def _pair(path: Path) -> str:
    found = _NAME.match(path.name)
    if found is None:
        raise FileError(f"{path} must have the name that ARIA gives, instead it names no two dates. Give it back")
    # The later date stands first.
    return stated_pair(found[4], found[3], path)


def _grid(file: h5py.File, path: Path) -> Grid:
    return grid_of_centres(
        path,
        need_dataset(file, f"{_DATA}/latitude", 1),
        need_dataset(file, f"{_DATA}/longitude", 1),
        "EPSG:4326",
        [need_dataset(file, f"{_DATA}/{name}", 2) for name in ("unwrappedPhase", "coherence")],
    )


def _looking(path: Path) -> dict[str, object]:
    """Wavelength, mean incidence angle, and the heading from the mean azimuth of the look vector.

    The azimuth is that of the vector from the ground to the satellite, counter-clockwise from east.
    """
    with open_hdf5(path) as file:
        wavelength = mean_of(find_dataset(file, _WAVELENGTH))
        incidence = mean_of(find_dataset(file, f"{_GEOMETRY}/incidenceAngle"), beyond=180.0)
        azimuth = mean_of(find_dataset(file, f"{_GEOMETRY}/azimuthAngle"), beyond=_FILL_FROM)
    if wavelength <= 0:
        raise FileError(f"{path} must hold a positive number at '{_WAVELENGTH}', instead got {wavelength}")
    heading = heading_of_look(math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)))
    return {
        "wavelength": wavelength if math.isfinite(wavelength) else SENTINEL1_WAVELENGTH,
        "incidence_angle": incidence,
        "heading": heading,
    }
