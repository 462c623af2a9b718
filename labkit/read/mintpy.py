"""MintPy: the stack of interferograms in ``ifgramStack.h5``, and the velocity it ends in."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.read.dates import stated_pair
from labkit.read.flat_pair import finish_pair, with_coherence_source
from labkit.read.hdf5 import find_dataset, need_dataset, open_hdf5, read_plane, text_attributes
from labkit.read.mintpy_header import read_geometry
from labkit.read.pairs import Image, PairFiles, assemble, find_files
from labkit.read.rate_map import rate_dataset
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import with_unwrapped

_STACK = r"^ifgramStack\w*\.h5$|^geo_ifgramStack\w*\.h5$"
_VELOCITY = r"^geo_velocity\w*\.h5$|^velocity\w*\.h5$"

#: The wrapped phase where it was loaded, as it also covers what was not unwrapped.
_UNWRAPPED = "unwrapPhase"
_PHASES = ("wrapPhase", _UNWRAPPED)

_TO_MM = {"m/year": 1000.0, "m/yr": 1000.0, "mm/year": 1.0, "mm/yr": 1.0}


def recognise(path: Path) -> bool:
    """Whether this is MintPy's stack of interferograms, or a folder that holds one (``inputs/ifgramStack.h5``)."""
    return bool(_files(path, _STACK))


def recognise_rates(path: Path) -> bool:
    """Whether this is MintPy's velocity, or a folder that holds one (``velocity.h5``, ``geo/geo_velocity.h5``)."""
    return bool(_files(path, _VELOCITY))


def open_pairs(path: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a stack of MintPy (:func:`labkit.open_interferograms` says what it may hold)."""
    found = _files(path, _STACK)
    if not found:
        raise FileError(f"{path} must be or hold MintPy's ifgramStack.h5, found none. Point to its inputs/")
    stack = found[0]
    with open_hdf5(stack) as file:
        names, kept = _pair_names(file, stack, skipped)
        phase = _phase_dataset(file, stack)
        has_unwrapped = find_dataset(file, _UNWRAPPED) is not None
        coherence = find_dataset(file, "coherence")
        bperp = find_dataset(file, "bperp")
        for dataset in (d for d in (phase, coherence, bperp) if d is not None):
            if dataset.shape[:1] != (len(names),):
                raise FileError(
                    f"{stack} must hold one entry of '{dataset.name}' for each of its {len(names)} pairs, instead got "
                    f"shape={dataset.shape}. Load the stack again"
                )
        baselines = np.full(len(names), np.nan) if bperp is None else np.asarray(bperp[()], float).reshape(-1)
        estimated = 0 if coherence is not None else int(kept.sum())
        shape = (int(phase.shape[1]), int(phase.shape[2]))
        header = text_attributes(file)
    dropped = sum(bool(name) and not keep for name, keep in zip(names, kept, strict=True))
    if dropped == len(names):
        raise FileError(f"{stack} must keep at least one pair, instead dropIfgram leaves out all {len(names)}")
    place = read_geometry(stack, header, shape)
    pairs = [
        PairFiles(name, stack, None, float(baseline))
        for name, keep, baseline in zip(names, kept, baselines, strict=True)
        if keep and name
    ]
    pairs = skipped.settle(pairs, path)
    load = functools.partial(load_pair, geometry_file=place.geometry_file)
    dataset = assemble(pairs, shape, load, place.coords, place.attrs)
    if has_unwrapped:
        read = functools.partial(_read_phase, stack, _UNWRAPPED, shape=shape, geometry_file=place.geometry_file)
        dataset = with_unwrapped(dataset, {p.name: functools.partial(read, pair=p.name) for p in pairs})
    return with_coherence_source(dataset, estimated).assign_attrs(pairs_left_out=dropped)


def load_pair(pair: PairFiles, shape: tuple[int, int], *, geometry_file: Path | None) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Phase of exactly 0, NaN, and water by the geometry's ``waterMask`` (1 = land) are no data.

    Parameters
    ----------
    pair : PairFiles
        Its name, and the stack as ``phase``.
    shape : (int, int)
        Rows and columns.
    geometry_file : Path, optional
        The geometry beside the stack.

    Raises
    ------
    FileError
        The stack changed or is damaged, or the coherence lies outside 0..1.
    """
    with open_hdf5(pair.phase) as file:
        chosen = _phase_dataset(file, pair.phase).name.lstrip("/")
        stored = find_dataset(file, "coherence")
        coherence = None if stored is None else read_plane(stored, shape, _index(file, pair.phase, pair.name))
    phase = _read_phase(pair.phase, chosen, pair=pair.name, shape=shape, geometry_file=geometry_file)
    return finish_pair(pair.phase, phase, coherence)


def open_velocity(path: Path) -> xr.Dataset:
    """Open a velocity of MintPy as rates (:func:`labkit.open_rates` says what it may hold)."""
    found = _files(path, _VELOCITY)
    if not found:
        raise FileError(f"{path} must be or hold MintPy's velocity.h5 or geo_velocity.h5, found neither")
    velocity = found[0]
    with open_hdf5(velocity) as file:
        stored = need_dataset(file, "velocity", 2)
        shape = (int(stored.shape[0]), int(stored.shape[1]))
        header = text_attributes(file)
        has_error = find_dataset(file, "velocityStd") is not None
    unit = header.get("UNIT", "")
    if unit not in _TO_MM:
        raise FileError(
            f"{velocity} must be in m/year as MintPy writes it, instead got UNIT={unit!r}. Set the attribute UNIT"
        )
    place = read_geometry(velocity, header, shape)
    mask = velocity.with_name(("geo_" if velocity.name.startswith("geo_") else "") + "maskTempCoh.h5")
    load = functools.partial(
        _read_rate,
        velocity,
        shape=shape,
        scale=_TO_MM[unit],
        reference=_reference_pixel(header, shape),
        mask=mask if mask.is_file() else None,
    )
    error = functools.partial(load, name="velocityStd") if has_error else None
    return rate_dataset(shape, functools.partial(load, name="velocity"), error, place.coords, place.attrs)


def _read_phase(path: Path, name: str, *, pair: str, shape: tuple[int, int], geometry_file: Path | None) -> Image:
    """The phase of a pair as stored, rad; water is NaN."""
    with open_hdf5(path) as file:
        phase = read_plane(need_dataset(file, name, 3), shape, _index(file, path, pair))
    if geometry_file is not None:
        with open_hdf5(geometry_file) as file:
            water = find_dataset(file, "waterMask")
            if water is not None:
                phase[read_plane(water, shape) == 0] = np.nan
    return phase


def _index(file: h5py.File, path: Path, pair: str) -> int:
    """Where the stack holds a pair."""
    names, _ = _pair_names(file, path, Skipped(wanted=True))
    if pair not in names:
        raise FileError(f"{path} must hold the pair {pair}, instead it changed since. Open it again")
    return names.index(pair)


def _read_rate(
    path: Path,
    *,
    name: str,
    shape: tuple[int, int],
    scale: float,
    reference: tuple[int, int] | None,
    mask: Path | None,
) -> npt.NDArray[np.float32]:
    with open_hdf5(path) as file:
        rate = read_plane(need_dataset(file, "velocity", 2), shape)
        values = rate if name == "velocity" else read_plane(need_dataset(file, name, 2), shape)
    missing = ~np.isfinite(rate) | (rate == 0)
    if reference is not None:
        # Here the velocity is 0 by definition, not for want of data.
        missing[reference] = False
    if mask is not None:
        with open_hdf5(mask) as file:
            missing |= read_plane(need_dataset(file, "mask", 2), shape) == 0
    with np.errstate(over="ignore"):  # what is beyond float32 is no rate
        scaled = values * np.float32(scale)
    return np.where(missing | np.isinf(scaled), np.float32(np.nan), scaled)


def _files(path: Path, pattern: str) -> list[Path]:
    """The files that match the first alternative of the pattern that any file matches.

    Raises
    ------
    FileError
        They lie in several folders: which project is meant?
    """
    if path.is_file():
        return [path] if re.search(pattern, path.name) else []
    found = next((files for part in pattern.split("|") if (files := find_files(path, part))), [])
    if len({file.parent for file in found}) > 1:
        places = [str(file.relative_to(path)) for file in found[:4]]
        raise FileError(f"{path} must hold one project of MintPy, instead there are {places}. Point to one of them")
    return found


def _phase_dataset(file: h5py.File, path: Path) -> h5py.Dataset:
    for name in _PHASES:
        found = find_dataset(file, name)
        if found is not None and found.ndim == 3:
            return found
    raise FileError(f"{path} must hold 'unwrapPhase' or 'wrapPhase' (pair, y, x), instead got {sorted(file)[:8]}")


def _pair_names(file: h5py.File, path: Path, skipped: Skipped) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Name of each pair ("" where it is skipped), and whether MintPy keeps it (``dropIfgram`` is True for the kept)."""
    dates = need_dataset(file, "date", 2)
    if dates.shape[1] != 2 or dates.dtype.kind != "S":
        raise FileError(f"{path} must hold two dates (text) for each pair in 'date', instead got shape={dates.shape}")
    words = [[word.decode("ascii", "replace") for word in row] for row in dates[()]]
    names = [""] * len(words)
    for i, (reference, secondary) in enumerate(words):
        with skipped.pair(f"{reference}_{secondary}"):
            names[i] = stated_pair(reference, secondary, path)
    flags = find_dataset(file, "dropIfgram")
    kept = np.ones(len(names), bool) if flags is None else np.asarray(flags[()]).astype(bool).reshape(-1)
    if kept.shape != (len(names),):
        raise FileError(f"{path} must hold one 'dropIfgram' for each of its {len(names)} pairs, instead {kept.size}")
    return names, kept


def _reference_pixel(header: dict[str, str], shape: tuple[int, int]) -> tuple[int, int] | None:
    words = (header.get("REF_Y", ""), header.get("REF_X", ""))
    if not all(word.isascii() and word.isdigit() for word in words):
        return None
    row, col = (int(word) for word in words)
    return (row, col) if row < shape[0] and col < shape[1] else None
