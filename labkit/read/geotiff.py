"""Plain GeoTIFF pairs on a map grid: one file of phase and one of coherence for each pair, dates in the names."""

from __future__ import annotations

import re
from pathlib import Path

import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.gamma_parameters import ImageParameters, perpendicular_baseline, read_image_parameters
from labkit.read.pair_rows import read_pair
from labkit.read.pairs import Image, PairFiles, assemble, find_files, pair_name, scene_name
from labkit.read.raster import Grid, read_grid
from labkit.read.tiff_rows import tiff_rows

_TIFF = r"\.tiff?$"
_COHERENCE = re.compile(r"(^|[._-])(cc|coh|coherence|corr|cor)([._-]|$)", re.IGNORECASE)
_PHASE = re.compile(r"(^|[._-])(unw|unwrapped|phase|pha|diff|ifg|int|wrapped)([._-]|$)", re.IGNORECASE)

#: Positive phase = longer way, as GAMMA, LiCSAR and HyP3 write it.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds GeoTIFFs of phase whose names carry two dates."""
    return folder.is_dir() and bool(_by_pair(folder)[0])


def open_pairs(folder: Path) -> xr.Dataset:
    """Open a folder of GeoTIFF pairs (:func:`labkit.open_interferograms` says what it may hold)."""
    phases, coherences = _by_pair(folder)
    if not phases:
        raise FileError(
            f"{folder} must hold GeoTIFFs named with two dates and unw, phase, diff, ifg or int "
            "(20180106-20180130_unw.tif), found none"
        )
    first = next(iter(phases.values()))
    grid = read_grid(first)
    for path in [*phases.values(), *coherences.values()]:
        _check_grid(grid, path)
    without = [name for name in phases if name not in coherences]
    if without:
        raise FileError(
            f"{phases[without[0]]} must have its coherence beside it (the same dates, cc, coh or corr in the name), "
            f"found none for {len(without)} of {len(phases)} pairs"
        )
    image = _image_parameters(folder)
    look_angle = image.look_angle if image else float("nan")
    baselines = {name: p for p in find_files(folder, r"(base|bperp)\.par$") if (name := pair_name(p))}
    pairs = [
        PairFiles(
            name,
            path,
            coherences[name],
            perpendicular_baseline(baselines[name], look_angle) if name in baselines else float("nan"),
        )
        for name, path in phases.items()
    ]
    y_spacing, x_spacing = grid.spacing_m
    attrs: dict[str, object] = {
        "scene": scene_name(folder),
        "geometry": "map",
        "y_spacing": y_spacing,
        "x_spacing": x_spacing,
        "ground_spacing": ground_spacing(y_spacing, x_spacing),
        "processor": "GAMMA" if image else "",
        "phase_sign": _PHASE_SIGN,
        "crs": grid.crs,
    }
    if image:
        attrs["wavelength"] = image.wavelength
        attrs["heading"] = image.heading
        attrs["incidence_angle"] = image.incidence_angle
        attrs["orbit_direction"] = image.orbit_direction
    return assemble(pairs, grid.shape, load_pair, grid.coords, attrs)


def load_pair(pair: PairFiles, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase that is exactly 0, as processors fill what they could not unwrap, is no data.

    Raises
    ------
    FileError
        A file is cut, or the coherence lies outside 0..1.
    """
    if pair.coherence is None:
        raise FileError(f"{pair.phase} must have its coherence beside it, found none")
    with tiff_rows(pair.phase, shape) as phase, tiff_rows(pair.coherence, shape) as coherence:
        return read_pair(shape, phase, coherence)


def _by_pair(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    phases: dict[str, Path] = {}
    coherences: dict[str, Path] = {}
    for path in find_files(folder, _TIFF):
        name = pair_name(path)
        if name is None:
            continue
        words = path.stem
        if _COHERENCE.search(words):
            coherences.setdefault(name, path)
        elif _PHASE.search(words):
            if name in phases:
                raise FileError(
                    f"each pair must have one file of phase, instead {name} has {phases[name]} and {path}. "
                    "Keep the wrapped or the unwrapped one"
                )
            phases[name] = path
    return phases, coherences


def _check_grid(grid: Grid, path: Path) -> None:
    other = read_grid(path)
    if other.shape != grid.shape:
        raise FileError(
            f"{path} must have the size of the other pairs, {grid.shape[0]} × {grid.shape[1]} as {grid.path.name}, "
            f"instead got {other.shape[0]} × {other.shape[1]}. Crop all pairs to one extent, or take it away"
        )
    if other.crs != grid.crs:
        raise FileError(f"{path} must have the CRS of the other pairs, {grid.crs!r}, instead got {other.crs!r}")
    shift = max(
        abs(other.first_y - grid.first_y) / abs(grid.y_step), abs(other.first_x - grid.first_x) / abs(grid.x_step)
    )
    if shift > 0.5:
        raise FileError(
            f"{path} must lie on the grid of {grid.path.name}, instead it is shifted by {shift:.1f} px. "
            "Resample all pairs to one grid"
        )


def _image_parameters(folder: Path) -> ImageParameters | None:
    """Orbit and wavelength from a GAMMA image ``.par`` beside the pairs, where there is one."""
    for path in find_files(folder, r"(mli|slc)\.par$"):
        found = read_image_parameters(path)
        if found:
            return found
    return None
