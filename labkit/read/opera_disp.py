"""OPERA DISP-S1: geocoded Sentinel-1 displacement between two dates in NetCDF (HDF5), one file for each pair."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from labkit.errors import FileError
from labkit.read.common_grid import shared_grid, window_in
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair
from labkit.read.hdf5 import attribute, find_dataset, mean_of, need_dataset, open_hdf5, read_plane
from labkit.read.looking import SENTINEL1_WAVELENGTH
from labkit.read.map_grid import map_attributes
from labkit.read.netcdf_grid import grid_of_centres
from labkit.read.pairs import Image, PairFiles, assemble, find_files
from labkit.read.raster import Grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

_NAME = re.compile(r"^OPERA_L3_DISP-S1_IW_(F\d{5})_[HV]{2}_(\d{8})T\d{6}Z_(\d{8})T\d{6}Z_v.*\.nc$")
_BASELINE = "corrections/perpendicular_baseline"
_FILL_FROM = 9000.0

#: What weighs a pixel: the correlation of the pair where the version of the product has it, else of the whole stack.
_COHERENCES = ("interferometric_correlation", "temporal_coherence")

#: The phase that is made of the displacement follows the convention of most processors.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds OPERA displacements (``OPERA_L3_DISP-S1_IW_F11116_VV_….nc``)."""
    return folder.is_dir() and bool(_products(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of OPERA displacements (:func:`labkit.open_interferograms` says what it may hold)."""
    products = _products(folder)
    if not products:
        raise FileError(
            f"{folder} must hold OPERA displacements (OPERA_L3_DISP-S1_IW_F11116_VV_….nc), found none. "
            "Keep the names that the files were given"
        )
    frames = sorted({found[1] for path in products if (found := _NAME.match(path.name))})
    if len(frames) > 1:
        raise FileError(f"{folder} must hold pairs of one frame, instead got {frames}. Give each a folder of its own")
    whole: list[PairFiles] = []
    grids: dict[Path, list[Grid]] = {}
    sources = set()
    for path in products:
        with skipped.pair(path.name), open_hdf5(path) as file:
            grids[path] = [_grid(file, path)]
            baseline = mean_of(find_dataset(file, _BASELINE), beyond=_FILL_FROM)
            whole.append(PairFiles(_pair(path), path, None, baseline))
            sources.add(_coherence(file, path).name.lstrip("/"))
    grid, pairs = shared_grid(skipped.settle(whole, folder), grids, skipped)
    attrs: dict[str, object] = {
        "scene": frames[0],
        "wavelength": SENTINEL1_WAVELENGTH,
        "processor": "OPERA DISP-S1",
        "phase_sign": _PHASE_SIGN,
    }
    attrs |= map_attributes(grid)
    dataset = assemble(pairs, grid.shape, functools.partial(load_pair, grid=grid), grid.coords, attrs)
    dataset = with_unwrapped(dataset, {p.name: functools.partial(_read_phase, p.phase, grid) for p in pairs})
    return dataset.assign_attrs(coherence_source=f"files ({', '.join(sorted(sources))})")


def load_pair(pair: PairFiles, shape: tuple[int, int], *, grid: Grid) -> tuple[Image, Image]:
    """Read one pair: phase in [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase = −4π/λ · displacement; "positive values indicate apparent motion towards the platform" (the product's own
    description of ``displacement``, m). NaN, 0 and water by ``water_mask`` (1 = land) are no data.

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
        coherence = read_plane(_coherence(file, pair.phase), own.shape)[window_in(own, grid)].copy()
    return finish_pair(pair.phase, _read_phase(pair.phase, grid), coherence)


def _read_phase(path: Path, grid: Grid) -> npt.NDArray[np.float64]:
    """Unwrapped phase made of the displacement, rad; water is NaN."""
    with open_hdf5(path) as file:
        own = _grid(file, path)
        window = window_in(own, grid)
        displacement = read_plane(need_dataset(file, "displacement", 2), own.shape)[window]
        water = find_dataset(file, "water_mask")
        land = True if water is None else read_plane(water, own.shape)[window] == 1
    known = np.where(land & np.isfinite(displacement), displacement, np.float32(np.nan))
    return _PHASE_SIGN * 4 * math.pi / SENTINEL1_WAVELENGTH * known.astype(np.float64)


def _products(folder: Path) -> list[Path]:
    return [path for path in find_files(folder, r"^OPERA_L3_DISP-S1_.*\.nc$") if _NAME.match(path.name)]


def _pair(path: Path) -> str:
    found = _NAME.match(path.name)
    if found is None:
        raise FileError(f"{path} must have the name that OPERA gives, instead it names no two dates. Give it back")
    return stated_pair(found[2], found[3], path)


def _coherence(file: h5py.File, path: Path) -> h5py.Dataset:
    for name in _COHERENCES:
        found = find_dataset(file, name)
        if found is not None:
            return found
    raise FileError(f"{path} must hold one of {_COHERENCES}, instead got {sorted(file)[:12]}. Fetch it again")


def _grid(file: h5py.File, path: Path) -> Grid:
    images = [need_dataset(file, "displacement", 2), _coherence(file, path)]
    return grid_of_centres(path, need_dataset(file, "y", 1), need_dataset(file, "x", 1), _crs(file, path), images)


def _crs(file: h5py.File, path: Path) -> str:
    place = find_dataset(file, "spatial_ref")
    text = "" if place is None else attribute(place, "crs_wkt") or ""
    try:
        return str(CRS.from_wkt(text.decode() if isinstance(text, bytes) else str(text)).to_string())
    except (CRSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} must say its CRS at 'spatial_ref' (crs_wkt), instead got: {error}") from error
