"""ISCE2: stacks (``filt_fine.int``, ``.cor``, ``.unw``) and single pairs of topsApp, in radar geometry."""

from __future__ import annotations

import functools
import itertools
import math
import os
from pathlib import Path

import numpy as np
import xarray as xr

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.flat_pair import FlatPair, assemble_flat, with_coherence_source
from labkit.read.flat_shape import common_shape
from labkit.read.isce_baselines import perpendicular_baselines
from labkit.read.isce_geometry import radar_geometry
from labkit.read.isce_header import properties, read_bands
from labkit.read.isce_tops import run_folders, run_pair
from labkit.read.pairs import Image, names_two_dates, pair_name, pair_name_of_phase, scene_name
from labkit.read.safe_xml import read_xml
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

#: Wrapped phase (``.flat`` of topsApp), unwrapped phase, coherence.
_SUFFIXES = ("int", "flat", "unw", "cor")

#: Where the pairs lie below the folder that a person points to.
_PLACES = (".", "interferograms", "merged/interferograms", "Igrams", "merged")

#: Folders that stand inside a project; its root is above them.
_INSIDE = {"interferograms", "merged", "Igrams"}

#: ISCE2 forms reference · conj(secondary) with SLC phase −4π/λ · range: the phase grows with the range, so that motion
#: toward the satellite lowers it (MintPy reads it with the same sign).
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds pairs of ISCE2: rasters with ``.xml`` or ``.vrt`` in folders named with two dates.

    Or runs of topsApp, whatever their name.
    """
    if not folder.is_dir():
        return False
    if any(_phases(_rasters(run / "merged", *_SUFFIXES)) for run in run_folders(folder)):
        return True
    places = itertools.chain([folder.absolute()], *((folder / place).glob("*_*") for place in _PLACES))
    return any(names_two_dates(p) and p.is_dir() and _rasters(p, "int", "unw") for p in places)


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open an ISCE2 stack (:func:`labkit.open_interferograms` says what it may hold)."""
    stored = _pairs(folder, skipped)
    if not stored and not skipped.lines:
        raise FileError(
            f"{folder} must hold ISCE2 pairs (merged/interferograms/YYYYMMDD_YYYYMMDD/filt_fine.int with .xml), found "
            "none. Point to the stack's folder, or to merged/ or interferograms/"
        )
    # A single pair of topsApp keeps its geometry in its own merged/.
    runs = [rasters[0].parent.parent for rasters in stored.values() if "topophase" in rasters[0].name]
    roots = [*_roots(folder), *runs]
    baselines = perpendicular_baselines(roots)
    found = []
    unwrapped = {}
    for name, rasters in stored.items():
        with skipped.pair(name):
            phase = _phase(rasters)
            coherence = _coherence(rasters, phase)
            if whole := _unwrapped(rasters):
                unwrapped[name] = functools.partial(_read_unwrapped, whole)
            beside = coherence.path if coherence else None
            found.append(
                FlatPair(
                    name, phase.path, beside, baselines.get(name, math.nan), phase_band=phase, coherence_band=coherence
                )
            )
    shape, pairs = common_shape(skipped.settle(found, folder), skipped)
    coords, attrs = radar_geometry(roots, shape)
    attrs |= _orbit(roots) | {"scene": scene_name(_roots(folder)[-1]), "processor": "ISCE2", "phase_sign": _PHASE_SIGN}
    attrs["geometry"] = "radar"
    dataset = assemble_flat(pairs, shape, coords, attrs)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    return with_unwrapped(dataset, {pair.name: unwrapped[pair.name] for pair in pairs if pair.name in unwrapped})


def _pairs(folder: Path, skipped: Skipped) -> dict[str, list[Path]]:
    """Pair name → its rasters, in the first place that holds any; the folder itself may be one pair."""
    own = _rasters(folder, *_SUFFIXES)
    if _phases(own) and (name := pair_name(folder.absolute())):
        return {name: own}
    for place in _PLACES:
        below = {p: _rasters(p, *_SUFFIXES) for p in sorted((folder / place).glob("*_*")) if p.is_dir()}
        found = {}
        for path, rasters in below.items():
            if not _phases(rasters):
                continue
            with skipped.pair(path.name):
                if name := pair_name_of_phase(path):
                    found[name] = rasters
        if found:
            return found
    single = {}
    for run in run_folders(folder):
        rasters = _rasters(run / "merged", *_SUFFIXES)
        if _phases(rasters):
            with skipped.pair(run.name):
                single[run_pair(run)] = [p for p in rasters if "topophase" in p.name or p.suffix == ".cor"]
    return single


def _rasters(folder: Path, *suffixes: str) -> list[Path]:
    """Rasters with a header, by name. One listing tells of both: asking for each file takes longer, of hundreds."""
    with os.scandir(folder) as entries:
        names = {entry.name for entry in entries if entry.is_file()}
    ends = tuple(f".{end}" for end in suffixes)
    return [folder / n for n in sorted(names) if n.endswith(ends) and not names.isdisjoint((n + ".xml", n + ".vrt"))]


def _roots(folder: Path) -> list[Path]:
    """The folder and those above it that belong to the same project, outermost last."""
    roots = [folder.absolute()]
    while roots[-1].name in _INSIDE or (len(roots) == 1 and _rasters(roots[0], "int", "unw")):
        roots.append(roots[-1].parent)
    return roots


def _phases(rasters: list[Path]) -> list[Path]:
    return [p for p in rasters if not p.name.endswith(".cor")]


def _phase(rasters: list[Path]) -> FlatBand:
    """The wrapped pair rather than the unwrapped one, filtered rather than not; the phase is the last band."""
    return read_bands(min(_phases(rasters), key=lambda p: (p.suffix == ".unw", "filt" not in p.name, p.name)))[-1]


def _unwrapped(rasters: list[Path]) -> Path | None:
    """The filtered unwrapped file rather than another; its header is read with its samples."""
    return min((p for p in rasters if p.suffix == ".unw"), key=lambda p: ("filt" not in p.name, p.name), default=None)


def _read_unwrapped(path: Path) -> Image:
    """Unwrapped phase, rad: the last band (the first is an amplitude)."""
    return read_bands(path)[-1].read().astype(np.float32)


def _coherence(rasters: list[Path], phase: FlatBand) -> FlatBand | None:
    found = [p for p in rasters if p.suffix == ".cor"]
    return read_bands(min(found, key=lambda p: (p.stem != phase.path.stem, p.name)))[-1] if found else None


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
