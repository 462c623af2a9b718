"""ROI_PAC: ``.int``, ``.unw`` and ``.cor`` rasters with ``.rsc`` headers, in radar geometry or geocoded."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.flat_binary import FlatBand
from labkit.read.flat_pair import FlatPair, assemble_flat, with_coherence_source
from labkit.read.flat_shape import common_shape
from labkit.read.map_grid import check_placed, map_attributes
from labkit.read.pairs import find_files, scene_name
from labkit.read.raster import Grid
from labkit.read.rsc import Resource, ordered_pair, read_resource
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.sphere import incidence_angle
from labkit.read.unwrapped import UnwrappedBand, with_unwrapped

_PHASE = r"\.(int|unw)$"
_COHERENCE = r"\.(cor|cc)$"

#: ROI_PAC forms earlier · conj(later) with SLC phase −4π/λ · range: the phase grows with the range, so that motion
#: toward the satellite lowers it. Where the dates stand the other way round, the reader turns the phase.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds pairs with ``.rsc`` headers."""
    return folder.is_dir() and bool(_with_headers(folder, _PHASE))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of ROI_PAC pairs (:func:`labkit.open_interferograms` says what it may hold)."""
    files = _with_headers(folder, _PHASE)
    if not files:
        raise FileError(
            f"{folder} must hold ROI_PAC pairs (*.int or *.unw, each with its .rsc), found none. "
            "Copy the .rsc files beside the rasters"
        )
    chosen, unwrapped = _chosen(files, skipped)
    coherences = {}
    for path in _with_headers(folder, _COHERENCE):
        with skipped.pair(path.name):
            header = read_resource(path.with_name(path.name + ".rsc"))
            coherences[ordered_pair(path, header)[0]] = (path, header)
    if not chosen:
        skipped.nothing_left(folder)
    shapes = Counter(header.shape for _, header, _ in chosen.values())
    first = next(header for _, header, _ in chosen.values() if header.shape == shapes.most_common(1)[0][0])
    found = []
    for name, (path, header, reverse) in chosen.items():
        with skipped.pair(name):
            _check_grid(first, header)
            coherence = _band(*coherences[name]).check() if name in coherences else None
            found.append(
                FlatPair(
                    name,
                    path,
                    coherence.path if coherence else None,
                    header.mean("P_BASELINE_TOP_HDR", "P_BASELINE_BOTTOM_HDR") * (-1 if reverse else 1),
                    phase_band=_band(path, header).check(),
                    coherence_band=coherence,
                    reverse=reverse,
                )
            )
    shape, pairs = common_shape(skipped.settle(found, folder), skipped)
    coords, attrs = _geometry(first)
    attrs |= {"scene": scene_name(folder), "processor": "ROI_PAC", "phase_sign": _PHASE_SIGN}
    dataset = assemble_flat(pairs, shape, coords, attrs)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    return with_unwrapped(dataset, unwrapped)


def _chosen(
    files: list[Path], skipped: Skipped
) -> tuple[dict[str, tuple[Path, Resource, bool]], dict[str, UnwrappedBand]]:
    """By pair: its phase file, header and whether it runs backwards; its unwrapped phase where it is there."""
    chosen: dict[str, tuple[Path, Resource, bool]] = {}
    unwrapped: dict[str, UnwrappedBand] = {}
    for path in sorted(files, key=_preference):
        with skipped.pair(path.name):
            header = read_resource(path.with_name(path.name + ".rsc"))
            name, reverse = ordered_pair(path, header)
            if name in chosen and _preference(chosen[name][0]) == _preference(path):
                raise FileError(
                    f"each pair must stand once, instead {name} is in {chosen[name][0]} and {path}. Keep one"
                )
            if path.suffix == ".unw":
                unwrapped[name] = UnwrappedBand(_band(path, header), reverse)
            chosen[name] = (path, header, reverse)
    return chosen, unwrapped


def _with_headers(folder: Path, pattern: str) -> list[Path]:
    return [p for p in find_files(folder, pattern) if p.with_name(p.name + ".rsc").is_file()]


def _preference(path: Path) -> tuple[bool, bool]:
    """A complex pair is preferred to an unwrapped one, a filtered file to an unfiltered one."""
    return path.suffix == ".int", "filt" in path.name


def _band(path: Path, header: Resource) -> FlatBand:
    """``.int`` is complex64; ``.unw`` and ``.cor`` hold an amplitude and their values line by line, little-endian."""
    if path.suffix == ".int":
        return FlatBand(path, header.shape, "<c8")
    return FlatBand(path, header.shape, "<f4", band=1, bands=2, interleave="bil")


def _check_grid(first: Resource, other: Resource) -> None:
    if other.shape != first.shape:
        raise FileError(
            f"{other.path} must have the size of the other pairs, {first.shape[0]} × {first.shape[1]} as "
            f"{first.path.name}, instead got {other.shape[0]} × {other.shape[1]}. Crop all pairs to one extent"
        )
    for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"):
        if name in first.words and abs(other.number(name) - first.number(name)) > abs(first.number(name[0] + "_STEP")):
            raise FileError(
                f"{other.path} must lie on the grid of {first.path.name}, instead {name}={other.words[name]}. "
                "Resample all pairs to one grid"
            )


def _geometry(header: Resource) -> tuple[dict[str, object], dict[str, object]]:
    heading = header.first_of("HEADING_DEG", "HEADING") % 360.0
    attrs: dict[str, object] = {
        "wavelength": header.number("WAVELENGTH"),
        "heading": heading,
        "orbit_direction": _direction(header, heading),
        "incidence_angle": _incidence(header),
    }
    if "X_FIRST" not in header.words:
        # AZIMUTH_PIXEL_SIZE is measured along the orbit; on the ground lines lie closer.
        radius, height = header.first_of("EARTH_RADIUS"), header.first_of("HEIGHT")
        down = radius / (radius + height) if math.isfinite(radius + height) else 1.0
        y_spacing, x_spacing = header.first_of("AZIMUTH_PIXEL_SIZE") * down, header.first_of("RANGE_PIXEL_SIZE")
        spacing = ground_spacing(y_spacing, x_spacing, _incidence(header))
        return {}, attrs | {
            "geometry": "radar",
            "y_spacing": y_spacing,
            "x_spacing": x_spacing,
            "ground_spacing": spacing,
        }
    y_step, x_step = header.number("Y_STEP"), header.number("X_STEP")
    if y_step == 0 or x_step == 0:
        raise FileError(f"{header.path} must hold steps other than 0, instead got Y_STEP={y_step}, X_STEP={x_step}")
    # X_FIRST and Y_FIRST are the outer corner of the first pixel.
    grid = Grid(
        path=header.path,
        shape=header.shape,
        crs=_crs(header),
        first_y=header.number("Y_FIRST") + y_step / 2,
        first_x=header.number("X_FIRST") + x_step / 2,
        y_step=y_step,
        x_step=x_step,
    )
    check_placed(grid)
    return grid.coords, attrs | map_attributes(grid)


def _crs(header: Resource) -> str:
    projection = header.words.get("PROJECTION", "LATLON").upper()
    zone = re.fullmatch(r"UTM[_ ]?(\d{1,2})([NS]?)", projection)
    if projection in ("LATLON", "LL", "LATLONG"):
        return "EPSG:4326"
    if zone and 1 <= int(zone.group(1)) <= 60:
        return f"EPSG:{(32700 if zone.group(2) == 'S' else 32600) + int(zone.group(1))}"
    raise FileError(f"{header.path} must be on PROJECTION LATLON or UTM with its zone, instead got {projection}")


def _direction(header: Resource, heading: float) -> str:
    stated = header.words.get("ORBIT_DIRECTION", "").lower()
    if stated.startswith(("asc", "desc")):
        return "ascending" if stated.startswith("asc") else "descending"
    if not math.isfinite(heading):
        return ""
    return "ascending" if math.cos(math.radians(heading)) > 0 else "descending"


def _incidence(header: Resource) -> float:
    slant = header.first_of("STARTING_RANGE") + header.shape[1] / 2 * header.first_of("RANGE_PIXEL_SIZE")
    return incidence_angle(header.path, header.first_of("EARTH_RADIUS"), header.first_of("HEIGHT"), slant)
