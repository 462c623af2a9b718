"""HyP3 of the Alaska Satellite Facility: Sentinel-1 pairs made with GAMMA (scenes) or ISCE2 (bursts), on UTM."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import numpy as np
import xarray as xr

from labkit.errors import FileError
from labkit.read.common_grid import read_on, shared_grid
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.looking import SENTINEL1_WAVELENGTH, orbit_direction, relative_orbit
from labkit.read.map_grid import map_attributes
from labkit.read.pairs import Image, PairFiles, assemble, find_files, scene_name
from labkit.read.raster import Grid, read_grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.sphere import incidence_angle
from labkit.read.text_header import header_number, read_text_header
from labkit.read.unwrapped import with_unwrapped

#: What burst products also hold in radar coordinates (``…_rdr.tif``) is left aside.
_PHASE = re.compile(r"^(?P<product>S1.*)_(?P<kind>unw|wrapped)_phase(?P<rest>(_(?!rdr)[A-Za-z]\w*)?\.tiff?)$")
_DATES = re.compile(r"_(\d{8})(?:T\d{6})?_(\d{8})(?:T\d{6})?_")
_BURST = re.compile(r"^S1_(\d{6}_IW[123])_")
_BURSTS_OF_TRACK = re.compile(r"^S1[A-D]?_(\d{3})_(?:\d{6}s1n\d\d-|[EW]\d{3}_\d_[NS]\d\d_\d_)")

#: Motion toward the satellite lowers the phase: HyP3's guide to burst products calls negative phase movement toward the
#: sensor, and the notes of hyp3-gamma 5.4.1 the sign of the phase opposite to that of the displacement maps, of which
#: positive is toward the satellite.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds phase of HyP3 products (``S1…_unw_phase.tif`` or ``S1…_wrapped_phase.tif``)."""
    return folder.is_dir() and bool(_phase_files(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of unzipped HyP3 products (:func:`labkit.open_interferograms` says what it may hold)."""
    files = _phase_files(folder)
    if not files:
        raise FileError(
            f"{folder} must hold HyP3 products (S1…_unw_phase.tif or S1…_wrapped_phase.tif, dates in the name), found "
            "none. Unzip the products, and point to the folder above them"
        )
    found: list[PairFiles] = []
    headers: dict[Path, dict[str, str]] = {}
    grids: dict[Path, list[Grid]] = {}
    for path in files:
        with skipped.pair(path.name):
            header, coherence = _header(path), _beside(path, "corr")
            _orbit({path: header})
            pair = PairFiles(_pair(path), path, coherence, _baseline(path, header))
            grids[path] = [read_grid(p) for p in (path, coherence, _beside(path, "water_mask")) if p]
            headers[path] = header
            found.append(pair)
    pairs = skipped.settle(found, folder)
    grid, pairs = shared_grid(pairs, grids, skipped)
    attrs: dict[str, object] = {
        "scene": scene_name(folder),
        "wavelength": SENTINEL1_WAVELENGTH,
        "processor": "HyP3",
        "phase_sign": _PHASE_SIGN,
    }
    attrs |= map_attributes(grid) | _orbit(headers) | _place(pairs[0].phase.name)
    load = functools.partial(load_pair, grid=grid)
    dataset = assemble(pairs, grid.shape, load, grid.coords, attrs)
    unwrapped = {
        p.name: functools.partial(_read_phase, file, grid) for p in pairs if (file := _beside(p.phase, "unw_phase"))
    }
    return with_unwrapped(with_coherence_source(dataset, sum(p.coherence is None for p in pairs)), unwrapped)


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
    phase = _read_phase(pair.phase, grid)
    coherence = None if pair.coherence is None else read_on(pair.coherence, grid)
    return finish_pair(pair.coherence or pair.phase, phase, coherence)


def _read_phase(path: Path, grid: Grid) -> Image:
    """Phase as the product holds it, rad; water is NaN."""
    phase = read_on(path, grid)
    water = _beside(path, "water_mask")
    if water is not None:
        phase[read_on(water, grid) != 1] = np.nan
    return phase


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


def _orbit(headers: dict[Path, dict[str, str]]) -> dict[str, object]:
    """Heading, incidence angle at mid range, direction and track, from the first product that kept its metadata."""
    for path, header in headers.items():
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
