"""ISCE2 stacks: ``filt_fine.int``, ``.cor`` and ``.unw`` of each pair, in radar geometry with ``geom_reference``."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import xarray as xr

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.flat_pair import FlatPair, load_flat_pair, with_coherence_source
from labkit.read.flat_shape import common_shape
from labkit.read.isce_baselines import perpendicular_baselines
from labkit.read.isce_geometry import radar_geometry
from labkit.read.isce_header import has_header, properties, read_bands
from labkit.read.pairs import Image, assemble, pair_name, scene_name
from labkit.read.safe_xml import read_xml
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

#: Where the pairs lie below the folder that a person points to.
_PLACES = (".", "interferograms", "merged/interferograms", "Igrams", "merged")

#: Folders that stand inside a project; its root is above them.
_INSIDE = {"interferograms", "merged", "Igrams"}

#: ISCE2 forms reference · conj(secondary) with SLC phase −4π/λ · range: the phase grows with the range, so that motion
#: toward the satellite lowers it (MintPy reads it with the same sign).
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds pairs of ISCE2: rasters with ``.xml`` or ``.vrt`` in folders named with two dates."""
    return folder.is_dir() and bool(_pair_folders(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open an ISCE2 stack (:func:`labkit.open_interferograms` says what it may hold)."""
    folders = _pair_folders(folder, skipped)
    if not folders and not skipped.lines:
        raise FileError(
            f"{folder} must hold ISCE2 pairs (merged/interferograms/YYYYMMDD_YYYYMMDD/filt_fine.int with .xml), found "
            "none. Point to the stack's folder, or to merged/ or interferograms/"
        )
    roots = _roots(folder)
    baselines = perpendicular_baselines(roots)
    found = []
    for name, place in folders.items():
        with skipped.pair(name):
            phase = _phase(place)
            coherence = _coherence(place, phase)
            beside = coherence.path if coherence else None
            found.append(
                FlatPair(
                    name, phase.path, beside, baselines.get(name, math.nan), phase_band=phase, coherence_band=coherence
                )
            )
    shape, pairs = common_shape(skipped.settle(found, folder), skipped)
    coords, attrs = radar_geometry(roots, shape)
    attrs |= _orbit(roots) | {"scene": scene_name(roots[-1]), "processor": "ISCE2", "phase_sign": _PHASE_SIGN}
    attrs["geometry"] = "radar"
    dataset = assemble(pairs, shape, load_flat_pair, coords, attrs)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    files = {pair.name: path for pair in pairs if (path := _unwrapped(pair.phase.parent))}
    return with_unwrapped(dataset, {name: functools.partial(_read_unwrapped, p) for name, p in files.items()})


def _pair_folders(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> dict[str, Path]:
    """Pair name → its folder, in the first place that holds any; the folder itself may be one pair."""
    if _rasters(folder, "int", "unw") and (name := pair_name(folder.absolute())):
        return {name: folder}
    for place in _PLACES:
        below = sorted(p for p in (folder / place).glob("*_*") if p.is_dir() and _rasters(p, "int", "unw"))
        found = {}
        for path in below:
            with skipped.pair(path.name):
                if name := pair_name(path):
                    found[name] = path
        if found:
            return found
    return {}


def _rasters(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(p for end in suffixes for p in folder.glob(f"*.{end}") if p.is_file() and has_header(p))


def _roots(folder: Path) -> list[Path]:
    """The folder and those above it that belong to the same project, outermost last."""
    roots = [folder.absolute()]
    while roots[-1].name in _INSIDE or (len(roots) == 1 and _rasters(roots[0], "int", "unw")):
        roots.append(roots[-1].parent)
    return roots


def _phase(place: Path) -> FlatBand:
    """The wrapped pair rather than the unwrapped one, filtered rather than not; the phase is the last band."""
    found = sorted(_rasters(place, "int", "unw"), key=lambda p: (p.suffix != ".int", "filt" not in p.name, p.name))
    return read_bands(found[0])[-1]


def _unwrapped(place: Path) -> Path | None:
    """The filtered unwrapped file rather than another; its header is read with its samples."""
    return next(iter(sorted(_rasters(place, "unw"), key=lambda p: ("filt" not in p.name, p.name))), None)


def _read_unwrapped(path: Path) -> Image:
    """Unwrapped phase, rad: the last band (the first is an amplitude)."""
    return read_bands(path)[-1].read().astype(np.float32)


def _coherence(place: Path, phase: FlatBand) -> FlatBand | None:
    found = sorted(_rasters(place, "cor"), key=lambda p: (p.stem != phase.path.stem, p.name))
    return read_bands(found[0])[-1] if found else None


def _orbit(roots: list[Path]) -> dict[str, object]:
    """Wavelength, direction and track from the reference acquisition's ``.xml``, where it is kept."""
    for root in roots:
        for pattern in ("reference/IW*.xml", "master/IW*.xml", "reference*/*.xml"):
            for path in sorted(root.glob(pattern)):
                words = properties(read_xml(path))
                if "radarwavelength" not in words:
                    continue
                try:
                    wavelength = float(words["radarwavelength"])
                except ValueError:
                    wavelength = math.nan
                if not (math.isfinite(wavelength) and wavelength > 0):
                    raise FileError(
                        f"{path} must hold a positive number at 'radarwavelength', instead got "
                        f"{words['radarwavelength']!r}. Make it again"
                    )
                direction = words.get("passdirection", "").lower()
                orbit: dict[str, object] = {"wavelength": wavelength, "track": words.get("tracknumber", "")}
                return orbit | ({"orbit_direction": direction} if direction in ("ascending", "descending") else {})
    return {}
