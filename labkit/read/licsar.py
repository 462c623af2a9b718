"""LiCSAR of COMET: geocoded Sentinel-1 pairs of a frame, with 8-bit coherence."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

from labkit.errors import FileError
from labkit.read.common_grid import read_on, shared_grid
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.licsar_frame import frame_attributes, frame_files, perpendicular_baselines
from labkit.read.looking import SENTINEL1_WAVELENGTH
from labkit.read.map_grid import map_attributes
from labkit.read.pairs import Image, PairFiles, assemble
from labkit.read.raster import Grid, read_grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

_RASTER = re.compile(r"^(\d{8})_(\d{8})\.geo\.(diff_pha|diff_unfiltered_pha|unw|cc)\.tif$")

#: Which phase is taken where a pair has several.
_PREFERRED = ("diff_pha", "diff_unfiltered_pha", "unw")

#: GAMMA makes the pairs; LiCSBAS turns their phase into displacement toward the satellite with −λ/4π.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds rasters named as LiCSAR names them (``YYYYMMDD_YYYYMMDD.geo.unw.tif``)."""
    found = (_RASTER.match(path.name) for path in frame_files(folder, "*.geo.*.tif"))
    return folder.is_dir() and any(match is not None and match[3] in _PREFERRED for match in found)


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a LiCSAR frame (:func:`labkit.open_interferograms` says what it may hold)."""
    rasters = _rasters(folder, skipped)
    names = sorted({name for name, kind in rasters if kind != "cc"})
    if not names:
        raise FileError(
            f"{folder} must hold LiCSAR pairs (YYYYMMDD_YYYYMMDD.geo.diff_pha.tif or .geo.unw.tif), found none. "
            "Point to the frame's folder, or to its interferograms/ or GEOC/"
        )
    baselines = perpendicular_baselines(folder)
    found: list[PairFiles] = []
    grids: dict[Path, list[Grid]] = {}
    # The settings of GDAL are made once, not for each header.
    with rasterio.Env():
        for name in names:
            with skipped.pair(name):
                phase = next(rasters[name, kind] for kind in _PREFERRED if (name, kind) in rasters)
                coherence = rasters.get((name, "cc"))
                reference, secondary = (baselines.get(date, math.nan) for date in name.split("_"))
                grids[phase] = [read_grid(p) for p in (phase, coherence) if p]
                found.append(PairFiles(name, phase, coherence, secondary - reference))
    grid, pairs = shared_grid(skipped.settle(found, folder), grids, skipped)
    attrs: dict[str, object] = {
        "wavelength": SENTINEL1_WAVELENGTH,
        "processor": "LiCSAR",
        "phase_sign": _PHASE_SIGN,
    }
    attrs |= map_attributes(grid) | frame_attributes(folder)
    load = functools.partial(load_pair, grid=grid)
    dataset = assemble(pairs, grid.shape, load, grid.coords, attrs)
    unwrapped = {
        p.name: functools.partial(read_on, rasters[p.name, "unw"], grid) for p in pairs if (p.name, "unw") in rasters
    }
    return with_unwrapped(with_coherence_source(dataset, sum(p.coherence is None for p in pairs)), unwrapped)


def load_pair(pair: PairFiles, shape: tuple[int, int], *, grid: Grid) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase of exactly 0, NaN and the file's no-data value are no data. Coherence in 8 bit is the value over 255; 0 is no
    data.

    Parameters
    ----------
    pair : PairFiles
        The files.
    shape : (int, int)
        Of ``grid``.
    grid : Grid
        The ground that all pairs cover.

    Raises
    ------
    FileError
        A file is cut, or the coherence lies outside 0..1.
    """
    phase = read_on(pair.phase, grid)
    if pair.coherence is None:
        return finish_pair(pair.phase, phase, None)
    coherence = read_on(pair.coherence, grid)
    if _is_8_bit(pair.coherence):
        coherence = np.where(coherence == 0, np.float32(np.nan), coherence / np.float32(255))
    return finish_pair(pair.coherence, phase, coherence)


def _is_8_bit(path: Path) -> bool:
    with rasterio.open(path, driver="GTiff") as source:
        return bool(source.dtypes[0] == "uint8")


def _rasters(folder: Path, skipped: Skipped) -> dict[tuple[str, str], Path]:
    """Pair and kind of raster → file."""
    rasters: dict[tuple[str, str], Path] = {}
    for path in frame_files(folder, "*.geo.*.tif"):
        found = _RASTER.match(path.name)
        if found is None:
            continue
        with skipped.pair(path.name):
            name = stated_pair(found[1], found[2], path)
            if (name, found[3]) in rasters:
                raise FileError(
                    f"each pair must stand once, instead {name} is in {rasters[name, found[3]]} and {path}. "
                    "Point to one of the folders"
                )
            rasters[name, found[3]] = path
    return rasters
