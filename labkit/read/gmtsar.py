"""GMTSAR: ``phasefilt.grd`` and ``corr.grd`` of each pair, in radar geometry or geocoded (``_ll``)."""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.gmt_grid import GmtGrid, read_header, read_values
from labkit.read.gmtsar_lonlat import radar_lonlat
from labkit.read.gmtsar_parameters import RadarParameters, folder_pair, read_baseline_table, read_prm
from labkit.read.map_grid import check_placed, map_attributes
from labkit.read.pairs import Image, PairFiles, assemble, scene_name
from labkit.read.raster import Grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

#: Geocoded and in radar geometry, the preferred first: wrapped and filtered, wrapped, unwrapped.
_GEOCODED = ("phasefilt_ll.grd", "phase_ll.grd", "phasefilt_mask_ll.grd", "unwrap_ll.grd", "unwrap_mask_ll.grd")
_RADAR = ("phasefilt.grd", "phase.grd", "phasefilt_mask.grd", "unwrap.grd", "unwrap_mask.grd")
_GEOCODED_UNWRAPPED, _RADAR_UNWRAPPED = _GEOCODED[-2:], _RADAR[-2:]

#: GMTSAR's geocode.csh turns unwrapped phase into line-of-sight displacement in mm by −79.58 · λ(m) = −1000 λ / 4π,
#: positive toward the satellite: motion toward it lowers the phase.
_PHASE_SIGN = -1


@dataclass(frozen=True)
class GridPair(PairFiles):
    """A pair in GMT grids; ``flip`` where rows run toward the north and are to be turned."""

    phase_grid: GmtGrid | None = None
    coherence_grid: GmtGrid | None = None
    flip: bool = False


def recognise(folder: Path) -> bool:
    """Whether the folder holds pairs of GMTSAR: ``.grd`` files in folders named with two dates."""
    return folder.is_dir() and bool(_pair_folders(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a GMTSAR stack (:func:`labkit.open_interferograms` says what it may hold)."""
    folders = _pair_folders(folder, skipped)
    if not folders and not skipped.lines:
        raise FileError(
            f"{folder} must hold GMTSAR pairs (intf/YYYYDDD_YYYYDDD/phasefilt.grd), found none. "
            "Point to the folder above intf/, or to intf/ itself"
        )
    names = _kind(folders)
    baselines = _baselines(folder)
    found: list[GridPair] = []
    for name, place in folders.items():
        with skipped.pair(name):
            phase = read_header(_first(place, names, name))
            beside = place / ("corr_ll.grd" if names is _GEOCODED else "corr.grd")
            coherence = read_header(beside) if beside.is_file() else None
            first, second = (baselines.get(date, math.nan) for date in name.split("_"))
            found.append(
                GridPair(
                    name,
                    phase.path,
                    beside if coherence else None,
                    second - first,
                    phase_grid=phase,
                    coherence_grid=coherence,
                    # Maps are handed on with the north above; lines of a radar image run with time already.
                    flip=names is _GEOCODED and phase.y_step > 0,
                )
            )
    grid, pairs = _on_one_grid(skipped.settle(found, folder), skipped)
    coords, attrs = _geometry(grid, names is _GEOCODED, _radar(folder, folders))
    if names is not _GEOCODED:
        coords = radar_lonlat(_tables(folder, folders), grid)
    attrs |= {"scene": scene_name(folder), "processor": "GMTSAR", "phase_sign": _PHASE_SIGN}
    dataset = assemble(pairs, grid.shape, load_pair, coords, attrs)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    unwrapped = _GEOCODED_UNWRAPPED if names is _GEOCODED else _RADAR_UNWRAPPED
    files = {p.name: path for p in pairs for n in reversed(unwrapped) if (path := p.phase.with_name(n)).is_file()}
    steps = {p.name: -1 if p.flip else 1 for p in pairs}
    return with_unwrapped(dataset, {n: functools.partial(_read_unwrapped, f, steps[n]) for n, f in files.items()})


def load_pair(pair: PairFiles, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Raises
    ------
    FileError
        A file was cut or changed, or the coherence lies outside 0..1.
    """
    if not isinstance(pair, GridPair) or pair.phase_grid is None or pair.phase_grid.shape != shape:
        raise FileError(f"{pair.phase} must be a grid of the shape {shape}, instead it is another one")
    step = -1 if pair.flip else 1
    values = read_values(pair.phase_grid)[::step]
    if pair.coherence_grid is None:
        return finish_pair(pair.phase, values, None)
    coherence = read_values(pair.coherence_grid)[::step].astype(np.float32)
    return finish_pair(pair.coherence_grid.path, values, coherence)


def _read_unwrapped(path: Path, step: int) -> npt.NDArray[np.float64]:
    """Unwrapped phase, rad, in the row order of its pair."""
    return read_values(read_header(path))[::step]


def _pair_folders(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> dict[str, Path]:
    """Pair name → its folder: the folder itself, those in it, or those in ``intf``, ``intf_all`` or ``merge``."""
    places = [folder, *(folder / name for name in ("intf", "intf_all", "merge") if (folder / name).is_dir())]
    if _has_grid(folder) and (name := folder_pair(folder.absolute())):
        return {name: folder}
    for place in places:
        below = sorted(p for p in place.glob("*_*") if p.is_dir() and _has_grid(p))
        found: dict[str, Path] = {}
        for path in below:
            with skipped.pair(path.name):
                name = folder_pair(path)
                if name in found:
                    raise FileError(
                        f"each pair must stand once, instead {name} is in {found[name]} and {path}. Keep one"
                    )
                if name:
                    found[name] = path
        if found:
            return found
    return {}


def _has_grid(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*_GEOCODED, *_RADAR))


def _kind(folders: dict[str, Path]) -> tuple[str, ...]:
    """Radar grids where every pair has one, else geocoded ones: radar geometry keeps azimuth and range as they are."""
    if all(any((p / name).is_file() for name in _RADAR) for p in folders.values()):
        return _RADAR
    return _GEOCODED


def _first(place: Path, names: tuple[str, ...], pair: str) -> Path:
    found = next((place / name for name in names if (place / name).is_file()), None)
    if found is None:
        raise FileError(
            f"{place} must hold one of {names} as the other pairs do, found none for {pair}. "
            "Geocode all pairs, or keep all in radar geometry"
        )
    return found


def _on_one_grid(pairs: list[GridPair], skipped: Skipped) -> tuple[GmtGrid, list[GridPair]]:
    """The grid that most pairs have, and the pairs all of whose files have it."""
    grids = [(pair.phase_grid.shape, pair.phase_grid) for pair in pairs if pair.phase_grid]
    common = Counter(shape for shape, _ in grids).most_common(1)[0][0]
    grid = next(grid for shape, grid in grids if shape == common)
    kept = []
    for pair in pairs:
        with skipped.pair(pair.name):
            for other in (pair.phase_grid, pair.coherence_grid):
                _check_grid(grid, other)
            kept.append(pair)
    return grid, kept


def _check_grid(grid: GmtGrid, other: GmtGrid | None) -> None:
    if other is None:
        return
    shift = max(
        abs(other.first_y - grid.first_y) / abs(grid.y_step), abs(other.first_x - grid.first_x) / abs(grid.x_step)
    )
    if other.shape != grid.shape or shift > 0.5:
        raise FileError(
            f"{other.path} must lie on the grid of {grid.path}, {grid.shape[0]} × {grid.shape[1]} from "
            f"y={grid.first_y}, x={grid.first_x}, instead got {other.shape[0]} × {other.shape[1]} from "
            f"y={other.first_y}, x={other.first_x}. Cut all pairs to one region (gmt grdcut)"
        )


def _radar(folder: Path, folders: dict[str, Path]) -> RadarParameters | None:
    places = [*folders.values(), folder, folder / "raw", folder / "SLC", folder.absolute().parent]
    for place in places:
        for path in sorted(place.glob("*.PRM")):
            return read_prm(path)
    return None


def _tables(folder: Path, folders: dict[str, Path]) -> list[Path]:
    """Lookup tables, nearest first: of the stack (``topo/``, ``merge/``), else linked into the folder of a pair."""
    above = folder.absolute().parent
    places = [folder, folder / "topo", folder / "merge", above, above / "topo", above / "merge", *folders.values()]
    return [place / "trans.dat" for place in places if (place / "trans.dat").is_file()]


def _baselines(folder: Path) -> dict[str, float]:
    above = folder.absolute().parent
    for place in (folder, folder / "raw", above, above / "raw"):
        if (place / "baseline_table.dat").is_file():
            return read_baseline_table(place / "baseline_table.dat")
    return {}


def _geometry(
    grid: GmtGrid, geocoded: bool, radar: RadarParameters | None
) -> tuple[dict[str, object], dict[str, object]]:
    attrs: dict[str, object] = {}
    if radar:
        attrs |= {"wavelength": radar.wavelength, "orbit_direction": radar.orbit_direction}
    lines, samples = grid.shape
    if not geocoded:
        nan = dict.fromkeys(("y_spacing", "x_spacing", "ground_spacing"), math.nan)
        attrs |= {"geometry": "radar", **nan}
        if radar:
            # The axes count the full-resolution samples and lines.
            incidence = radar.incidence_at(grid.first_x + grid.x_step * (samples - 1) / 2)
            y_spacing, x_spacing = radar.line_spacing * abs(grid.y_step), radar.range_pixel * abs(grid.x_step)
            attrs |= {"incidence_angle": incidence, "y_spacing": y_spacing, "x_spacing": x_spacing}
            attrs["ground_spacing"] = ground_spacing(y_spacing, x_spacing, incidence)
        return {}, attrs
    flip = grid.y_step > 0
    placed = check_placed(
        Grid(
            path=grid.path,
            shape=grid.shape,
            crs="EPSG:4326",
            first_y=grid.first_y + grid.y_step * (lines - 1) if flip else grid.first_y,
            first_x=grid.first_x,
            y_step=-abs(grid.y_step),
            x_step=grid.x_step,
        )
    )
    return placed.coords, attrs | map_attributes(placed)
