"""HyP3 of the Alaska Satellite Facility: Sentinel-1 pairs made with GAMMA (scenes) or ISCE2 (bursts), on UTM."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import numpy as np
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.common_grid import common_grid, read_on
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.looking import SENTINEL1_WAVELENGTH, orbit_direction, relative_orbit
from labkit.read.pairs import Image, PairFiles, assemble, find_files, scene_name
from labkit.read.raster import Grid, read_grid
from labkit.read.sphere import incidence_angle
from labkit.read.text_header import header_number, read_text_header

_PHASE = re.compile(r"^(?P<product>S1.*)_(?P<kind>unw|wrapped)_phase(?P<rest>(_[A-Za-z]\w*)?\.tiff?)$")
_DATES = re.compile(r"_(\d{8})(?:T\d{6})?_(\d{8})(?:T\d{6})?_")
_BURST = re.compile(r"^S1_(\d{6}_IW[123])_")
_BURSTS_OF_TRACK = re.compile(r"^S1_(\d{3})_\d{6}s1n\d\d-")

#: "The sign convention used for unwrapped phase is opposite to that used for the displacement maps", of which positive
#: is toward the satellite (HyP3 product guide and the notes of version 5.4.1): motion toward it lowers the phase.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds phase of HyP3 products (``S1…_unw_phase.tif`` or ``S1…_wrapped_phase.tif``)."""
    return folder.is_dir() and bool(_phase_files(folder))


def open_pairs(folder: Path) -> xr.Dataset:
    """Open a folder of unzipped HyP3 products (:func:`labkit.open_interferograms` says what it may hold)."""
    files = _phase_files(folder)
    if not files:
        raise FileError(
            f"{folder} must hold HyP3 products (S1…_unw_phase.tif or S1…_wrapped_phase.tif, dates in the name), found "
            "none. Unzip the products, and point to the folder above them"
        )
    headers = [_header(path) for path in files]
    pairs = [
        PairFiles(_pair(path), path, _beside(path, "corr"), _baseline(path, header))
        for path, header in zip(files, headers, strict=True)
    ]
    beside = [p for path in files for name in ("corr", "water_mask") if (p := _beside(path, name))]
    grid = common_grid([read_grid(path) for path in [*files, *beside]])
    y_spacing, x_spacing = grid.spacing_m
    attrs: dict[str, object] = {
        "scene": scene_name(folder),
        "geometry": "map",
        "wavelength": SENTINEL1_WAVELENGTH,
        "y_spacing": y_spacing,
        "x_spacing": x_spacing,
        "ground_spacing": ground_spacing(y_spacing, x_spacing),
        "processor": "HyP3",
        "phase_sign": _PHASE_SIGN,
        "crs": grid.crs,
    }
    attrs |= _orbit(files, headers) | _place(files[0].name)
    load = functools.partial(load_pair, grid=grid)
    dataset = assemble(pairs, grid.shape, load, grid.coords, attrs)
    return with_coherence_source(dataset, sum(p.coherence is None for p in pairs))


def load_pair(pair: PairFiles, shape: tuple[int, int], *, grid: Grid) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase that is exactly 0 (outside, or not unwrapped), NaN, and water by the product's mask (1 = land) are no data.

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
    water = _beside(pair.phase, "water_mask")
    if water is not None:
        phase[read_on(water, grid) != 1] = np.nan
    coherence = None if pair.coherence is None else read_on(pair.coherence, grid)
    return finish_pair(pair.coherence or pair.phase, phase, coherence)


def _phase_files(folder: Path) -> list[Path]:
    """One file of phase for each product: the wrapped one where it was ordered, else the unwrapped one."""
    chosen: dict[tuple[Path, str], Path] = {}
    for path in find_files(folder, r"_phase(_\w+)?\.tiff?$"):
        found = _PHASE.match(path.name)
        if found and _DATES.search(path.name):
            key = (path.parent, found["product"])
            if key not in chosen or found["kind"] == "wrapped":
                chosen[key] = path
    return sorted(chosen.values())


def _pair(path: Path) -> str:
    found = _DATES.search(path.name)
    if found is None:
        raise FileError(f"{path} must name two dates as HyP3 writes them, found none. Give it its own name back")
    return stated_pair(found[1], found[2], path)


def _beside(path: Path, name: str) -> Path | None:
    """Another raster of the same product, cut in the same way (``…_clip.tif``)."""
    found = _PHASE.match(path.name)
    if found is None:
        return None
    other = path.with_name(f"{found['product']}_{name}{found['rest']}")
    return other if other.is_file() else None


def _header_path(path: Path) -> Path:
    """The product's metadata ``.txt``, which may not have been kept."""
    found = _PHASE.match(path.name)
    return path.with_name(f"{found['product'] if found else path.stem}.txt")


def _header(path: Path) -> dict[str, str]:
    header = _header_path(path)
    return read_text_header(header, ":") if header.is_file() else {}


def _baseline(path: Path, header: dict[str, str]) -> float:
    return header_number(header, "Baseline", _header_path(path))


def _orbit(files: list[Path], headers: list[dict[str, str]]) -> dict[str, object]:
    """Heading, incidence angle at mid range, direction and track, from the first product that kept its metadata."""
    for path, header in zip(files, headers, strict=True):
        if header.get("Heading"):
            source = _header_path(path)
            heading = header_number(header, "Heading", source) % 360.0
            words = ("Earth radius at nadir", "Spacecraft height", "Slant range center")
            lengths = [header_number(header, word, source) for word in words]
            number = header.get("Reference Orbit Number", "")
            orbit = {
                "heading": heading,
                "incidence_angle": incidence_angle(source, *lengths),
                "orbit_direction": orbit_direction(heading),
            }
            platform = header.get("Reference Granule", "")[:3]
            track = relative_orbit(platform, int(number)) if number.isascii() and number.isdigit() else ""
            return orbit | ({"track": track} if track else {})
    return {"heading": math.nan}


def _place(name: str) -> dict[str, object]:
    """Burst, or track of several bursts, where the name of the product says it."""
    burst, track = _BURST.match(name), _BURSTS_OF_TRACK.match(name)
    if burst:
        return {"burst": burst[1]}
    return {"track": track[1]} if track else {}
