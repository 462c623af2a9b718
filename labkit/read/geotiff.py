"""Plain GeoTIFF pairs on a map grid: one file of phase and one of coherence for each pair, dates in the names."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from labkit.errors import FileError
from labkit.read.flat_pair import with_coherence_source
from labkit.read.gamma_parameters import ImageParameters, perpendicular_baseline, read_image_parameters
from labkit.read.map_grid import map_attributes
from labkit.read.pair_rows import read_pair, read_rows
from labkit.read.pairs import Image, PairFiles, assemble, find_files, pair_name, pair_name_of_phase, scene_name
from labkit.read.raster import Grid, read_band, read_grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.tiff_rows import tiff_rows
from labkit.read.unwrapped import with_unwrapped

_TIFF = r"\.tiff?$"
_COHERENCE = re.compile(r"(^|[._-])(cc|coh|coherence|corr|cor)([._-]|$)", re.IGNORECASE)
_UNWRAPPED = re.compile(r"(^|[._-])(unw|unwrapped)([._-]|$)", re.IGNORECASE)
_PHASE = re.compile(r"(^|[._-])(unw|unwrapped|phase|pha|diff|ifg|int|wrapped)([._-]|$)", re.IGNORECASE)

#: Positive phase = longer way, as GAMMA, LiCSAR and HyP3 write it.
_PHASE_SIGN = -1


@dataclass(frozen=True)
class _Files:
    """The files of each pair: its phase (the wrapped one where both are there), unwrapped phase, coherence."""

    phases: dict[str, Path]
    unwrapped: dict[str, Path]
    coherences: dict[str, Path]


def recognise(folder: Path) -> bool:
    """Whether the folder holds GeoTIFFs of phase whose names carry two dates."""
    return folder.is_dir() and bool(_by_pair(folder).phases)


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of GeoTIFF pairs (:func:`labkit.open_interferograms` says what it may hold)."""
    files = _by_pair(folder, skipped)
    if not files.phases and not skipped.lines:
        raise FileError(
            f"{folder} must hold GeoTIFFs named with two dates and unw, phase, diff, ifg or int "
            "(20180106-20180130_unw.tif), found none"
        )
    image = _image_parameters(folder)
    look_angle = image.look_angle if image else float("nan")
    baselines = {name: p for p in find_files(folder, r"(base|bperp)\.par$") if (name := pair_name(p))}
    grids: dict[str, list[Grid]] = {}
    for name in files.phases:
        with skipped.pair(name):
            grids[name] = [read_grid(p) for p in (files.phases[name], files.coherences.get(name)) if p]
    grid = _most_common_grid(grids, folder, skipped)
    found = []
    for name in grids:
        with skipped.pair(name):
            for other in grids[name]:
                _check_grid(grid, other)
            baseline = perpendicular_baseline(baselines[name], look_angle) if name in baselines else float("nan")
            found.append(PairFiles(name, files.phases[name], files.coherences.get(name), baseline))
    pairs = skipped.settle(found, folder)
    attrs = map_attributes(grid) | (image.attributes if image else {})
    attrs |= {"scene": scene_name(folder), "processor": "GAMMA" if image else "", "phase_sign": _PHASE_SIGN}
    # An estimate of the coherence needs the rows around.
    by_rows = load_rows if all(p.coherence for p in pairs) else None
    dataset = assemble(pairs, grid.shape, load_pair, grid.coords, attrs, load_rows=by_rows)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    return with_unwrapped(
        dataset, {name: functools.partial(read_band, path, grid.shape) for name, path in files.unwrapped.items()}
    )


def load_pair(pair: PairFiles, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase that is exactly 0, as processors fill what they could not unwrap, is no data. Without a file of it the
    coherence is estimated from the phase.

    Raises
    ------
    FileError
        A file is cut, or the coherence lies outside 0..1.
    """
    with ExitStack() as files:
        phase = files.enter_context(tiff_rows(pair.phase, shape))
        coherence = files.enter_context(tiff_rows(pair.coherence, shape)) if pair.coherence else None
        return read_pair(shape, phase, coherence)


def load_rows(pair: PairFiles, shape: tuple[int, int], first: int, phase: Image, coherence: Image) -> None:
    """Fill (rows, x) float32 with the rows from ``first`` on of what :func:`load_pair` gives; coherence has a file."""
    if pair.coherence is None:
        raise FileError(f"{pair.phase} must have its coherence beside it, found none")
    with tiff_rows(pair.phase, shape) as stored, tiff_rows(pair.coherence, shape) as quality:
        read_rows(first, stored, quality, phase, coherence)


def _by_pair(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> _Files:
    wrapped: dict[str, Path] = {}
    unwrapped: dict[str, Path] = {}
    coherences: dict[str, Path] = {}
    for path in find_files(folder, _TIFF):
        with skipped.pair(path.name):
            named = _COHERENCE.search(path.stem) or _PHASE.search(path.stem)
            name = pair_name_of_phase(path) if named else None
            if name is None:
                continue
            if _COHERENCE.search(path.stem):
                coherences.setdefault(name, path)
            elif _PHASE.search(path.stem):
                kind = unwrapped if _UNWRAPPED.search(path.stem) else wrapped
                if name in kind:
                    raise FileError(
                        f"each pair must have one file of phase, wrapped or unwrapped, instead {name} has {kind[name]} "
                        f"and {path}. Keep one"
                    )
                kind[name] = path
    return _Files(unwrapped | wrapped, unwrapped, coherences)


def _most_common_grid(grids: Mapping[str, Sequence[Grid]], folder: Path, skipped: Skipped) -> Grid:
    """Of the grids of the phases the first of the size and CRS that most have."""
    if not grids:
        skipped.nothing_left(folder)
    kinds = Counter((of_pair[0].shape, of_pair[0].crs) for of_pair in grids.values())
    common = kinds.most_common(1)[0][0]
    return next(grid for grid, *_ in grids.values() if (grid.shape, grid.crs) == common)


def _check_grid(grid: Grid, other: Grid) -> None:
    path = other.path
    if other.shape != grid.shape:
        raise FileError(
            f"{path} must have the size of the other pairs, {grid.shape[0]} × {grid.shape[1]} as {grid.path.name}, "
            f"instead got {other.shape[0]} × {other.shape[1]}. Crop all pairs to one extent, or take it away"
        )
    if other.crs != grid.crs:
        raise FileError(
            f"{path} must have the CRS of the other pairs, {grid.crs!r}, instead got {other.crs!r}. "
            "Bring all pairs to one CRS (gdalwarp -t_srs)"
        )
    # From the first pixel to the last: another spacing shifts the far corner.
    rows, columns = grid.shape
    shift = max(
        abs(a - b) / abs(step)
        for a, b, step in (
            (other.first_y, grid.first_y, grid.y_step),
            (other.first_x, grid.first_x, grid.x_step),
            (other.first_y + other.y_step * rows, grid.first_y + grid.y_step * rows, grid.y_step),
            (other.first_x + other.x_step * columns, grid.first_x + grid.x_step * columns, grid.x_step),
        )
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
