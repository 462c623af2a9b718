"""GAMMA, geocoded: complex or unwrapped pairs on the map grid of a ``dem_par``."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.flat_pair import FlatPair, assemble_flat, with_coherence_source
from labkit.read.gamma_itab import switched_off
from labkit.read.gamma_map import read_map_grid
from labkit.read.gamma_parameters import ImageParameters, perpendicular_baseline, read_image_parameters
from labkit.read.map_grid import map_attributes
from labkit.read.pairs import find_files, pair_name, pair_name_of_phase, scene_name
from labkit.read.raster import Grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import UnwrappedBand, with_unwrapped

_NOT_PIXELS = r"(?!.*\.(par|ras|bmp|png|jpg|tiff?|rsc|xml|vrt|hdr|off|kml|txt|gz)$)"
_PHASE = rf"^{_NOT_PIXELS}(?!.*[._](cc|coh)$).*[._](diff|int|unw)([._]|$)"
_COHERENCE = rf"^{_NOT_PIXELS}.*[._](cc|coh)([._]|$)"
_MAP = r"dem(_seg)?[._]par$"

#: GAMMA's phase grows with the range: motion toward the satellite lowers it.
_PHASE_SIGN = -1

#: Bytes of a sample → its type: unwrapped phase, or a complex interferogram.
_BYTES_OF_FLOAT = 4
_TYPES = {_BYTES_OF_FLOAT: ">f4", 8: ">c8"}


def recognise(folder: Path) -> bool:
    """Whether the folder holds GAMMA pairs that fit a ``dem_par`` beside them, and no image in radar geometry."""
    if not folder.is_dir() or not find_files(folder, _MAP):
        return False
    files = _by_pair(folder, _PHASE)
    sizes = {p.stat().st_size for paths in files.values() for p in paths}
    images = [(p.lines, p.samples) for p in _images(folder)]
    if not files or any(lines * samples * b in sizes for lines, samples in images for b in _TYPES):
        return False
    grids = [read_map_grid(p) for p in find_files(folder, _MAP)]
    return any(g.shape[0] * g.shape[1] * b in sizes for g in grids for b in _TYPES)


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of geocoded GAMMA pairs (:func:`labkit.open_interferograms` says what it may hold)."""
    files, coherences = _by_pair(folder, _PHASE, skipped), _by_pair(folder, _COHERENCE, skipped)
    if not files and not skipped.lines:
        raise FileError(
            f"{folder} must hold geocoded GAMMA pairs (…YYYYMMDD-YYYYMMDD….unw or .diff), found none. "
            "Point to the folder that holds them"
        )
    grid = _fitting_grid(folder, [p for paths in files.values() for p in paths])
    image = next(iter(_images(folder)), None)
    look_angle = image.look_angle if image else float("nan")
    baselines = {name: p for p in find_files(folder, r"(base|bperp)\.par$") if (name := pair_name(p))}
    off = switched_off(folder)
    if files and off.issuperset(files):
        raise FileError(f"{folder} must hold a pair that its itab leaves switched on, instead all {len(off)} are off")
    found, unwrapped = [], {}
    for name in (name for name in files if name not in off):
        with skipped.pair(name):
            phase = _band(_preferred(name, files[name]), grid)
            coherence = FlatBand(coherences[name][0], grid.shape, ">f4").check() if name in coherences else None
            baseline = perpendicular_baseline(baselines[name], look_angle) if name in baselines else float("nan")
            floats = [p for p in files[name] if p.stat().st_size == grid.shape[0] * grid.shape[1] * _BYTES_OF_FLOAT]
            if floats:
                unwrapped[name] = UnwrappedBand(FlatBand(floats[0], grid.shape, ">f4"))
            found.append(
                FlatPair(
                    name,
                    phase.path,
                    coherence.path if coherence else None,
                    baseline,
                    phase_band=phase,
                    coherence_band=coherence,
                )
            )
    pairs = skipped.settle(found, folder)
    attrs = {"scene": scene_name(folder), "processor": "GAMMA", "phase_sign": _PHASE_SIGN} | map_attributes(grid)
    dataset = assemble_flat(pairs, grid.shape, grid.coords, attrs | (image.attributes if image else {}))
    return with_unwrapped(with_coherence_source(dataset, sum(p.coherence is None for p in pairs)), unwrapped)


def _by_pair(folder: Path, pattern: str, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in find_files(folder, pattern):
        # A header of another processor beside the file says that it is not GAMMA's.
        foreign = any(path.with_name(path.name + end).exists() for end in (".rsc", ".xml", ".hdr"))
        with skipped.pair(path.name):
            name = None if foreign else pair_name_of_phase(path)
            if name:
                found.setdefault(name, []).append(path)
    return found


def _preferred(name: str, files: list[Path]) -> Path:
    """The complex pair, which is twice as large, rather than the unwrapped one."""
    first, *others = sorted(files, key=lambda p: p.stat().st_size, reverse=True)
    if others and others[0].stat().st_size == first.stat().st_size:
        raise FileError(f"each pair must stand once, instead {name} is in {first} and {others[0]}. Keep one")
    return first


def _images(folder: Path) -> list[ImageParameters]:
    return [p for path in find_files(folder, r"(mli|slc)\.par$") if (p := read_image_parameters(path))]


def _fitting_grid(folder: Path, files: list[Path]) -> Grid:
    """The ``dem_par`` that fits most of the files by size."""
    grids = [read_map_grid(p) for p in find_files(folder, _MAP)]
    if not grids:
        raise FileError(
            f"{folder} must hold the dem_par of its geocoded pairs (*dem_par, *dem.par), found none. "
            "Copy it beside the pairs"
        )
    sizes = [p.stat().st_size for p in files]
    return max(grids, key=lambda g: sum(size == g.shape[0] * g.shape[1] * b for size in sizes for b in _TYPES))


def _band(path: Path, grid: Grid) -> FlatBand:
    size = path.stat().st_size
    pixels = grid.shape[0] * grid.shape[1]
    named_complex = ".unw" not in path.name and "_unw" not in path.name
    dtype = _TYPES.get(size // pixels if size % pixels == 0 else 0, ">c8" if named_complex else ">f4")
    return FlatBand(path, grid.shape, dtype).check()
