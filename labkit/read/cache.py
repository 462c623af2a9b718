"""The compact cache: pairs of any processor in 3 or 4 bytes for each pixel, in one Zarr store to read tiles from.

The phase is a 16-bit binary angle (2π = 65536 steps of 9.6e-5 rad: it is off by at most 4.8e-5 rad), the coherence 16
or 8 bits (0 = no data, 1 and more = 0…1). Each pair is one file for each of both, of tiles that can be read alone.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import FileError, LabkitError
from labkit.read.cache_rows import TILE, lazy_images, level_steps
from labkit.schema import check_interferograms

#: Attribute of the store that says what it is, and by which rules.
_MARK = "labkit_cache"
#: Bits of the coherence → version of the store.
_VERSIONS = {8: 1, 16: 2}

_STEPS_PER_TURN = 65536
_JOURNAL = "written.jsonl"

#: Angle, and level of the coherence in 8 or 16 bits.
Codes = tuple[npt.NDArray[np.int16], npt.NDArray[np.unsignedinteger]]


def write_cache(
    ifgs: xr.Dataset, path: str | os.PathLike[str], *, coherence_bits: int = 16, progress: bool = True
) -> Path:
    """Write interferograms into a compact cache, once; :func:`labkit.open_interferograms` opens it.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms (:mod:`labkit.schema`), read pair by pair.
    path : path-like
        Ends in ``.zarr``. It appears when all pairs are written and read back right; until then they stand in a hidden
        folder beside it, from which a call that was interrupted goes on.
    coherence_bits : int
        16, or 8 for a cache smaller by a quarter (Notes).
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        The cache. One that is there already and holds the same pairs is left as it is.

    Raises
    ------
    LabkitError
        ``path`` does not end in ``.zarr``, ``coherence_bits`` is neither 8 nor 16, or a pair's phase is not wrapped or
        its coherence not in 0..1.
    FileError
        Something else stands at ``path``; a pair cannot be read; the disk is full, or gave back something else than
        was written.

    Notes
    -----
    Unwrapped phase, where the interferograms have it, is left out: it does not fit into a code of 16 bit.
    phase ≈ code · 2π / 65536 in [−π, π), coherence ≈ (code − 1) / 65534, or / 254. NaN in either is no data in both.

    A stack of the cache differs from that of its pairs by less than 1e-3 rad per pair at every pixel whose filtered
    phase difference is not within 1e-3 rad of ±π in some pair; there it may fall to the other side, a turn further,
    which no precision avoids (``sum`` shows such a turn whole). Largest elsewhere, on simulated pairs and Danba's:
    2.3e-4 rad per pair for ``sum``, 2e-5 for ``lsq`` and ``circular``.

    With 8 bits of coherence the bound holds for more than 99.9 % of the pixels of ``lsq`` and ``circular``, and for
    97 % of ``sum`` on Danba's pairs: where a filter finds neighbours that cancel, small errors of their weights turn
    what is left.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = write_cache(ifgs, folder + "/ascending.zarr", progress=False)
    ...     kept = lk.open_interferograms(cache, progress=False).load()
    >>> bool(np.nanmax(abs(np.angle(np.exp(1j * (kept["phase"] - ifgs["phase"]))))) < 1e-4)
    True
    """
    check_interferograms(ifgs)
    target = Path(path).absolute()
    if target.suffix != ".zarr":
        raise LabkitError(f"path must end in .zarr, instead got path={path}")
    if coherence_bits not in _VERSIONS:
        raise LabkitError(f"coherence_bits must be 8 or 16, instead got coherence_bits={coherence_bits}")
    about = _describe(ifgs, _VERSIONS[coherence_bits])
    if target.exists():
        if recognise(target) and _about(target) == about:
            return target
        raise FileError(f"{target} must be free or the cache of these pairs, instead it is something else. Remove it")
    partial = target.with_name(f".{target.name}.part")
    try:
        phase, coherence = _prepare(partial, about, ifgs)
        written = _read_journal(partial)
        names = [str(n) for n in ifgs["pair"].values]
        for i, name in enumerate(tqdm(names, desc="caching", unit="pair", disable=not progress)):
            if name not in written:
                phase[i], coherence[i] = codes = _encode(name, ifgs, i, coherence.dtype)
                written[name] = _checksum(codes)
                with (partial / _JOURNAL).open("a") as journal:
                    journal.write(json.dumps([name, written[name]]) + "\n")
        for i, name in enumerate(tqdm(names, desc="verifying", unit="pair", disable=not progress)):
            if _checksum((phase[i], coherence[i])) != written[name]:
                (partial / _JOURNAL).unlink()
                raise FileError(f"{partial} must give back what was written, instead {name} differs. Write it again")
        partial.rename(target)
    except OSError as error:
        raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error
    return target


def recognise(folder: Path) -> bool:
    """Whether the folder is a compact cache."""
    return (folder / "zarr.json").is_file() and _MARK in _attributes(folder)


def open_pairs(folder: Path) -> xr.Dataset:
    """Open a compact cache (:func:`write_cache`), lazily.

    Raises
    ------
    FileError
        It is no cache, of another version, or files of it are missing or cut.
    """
    if not recognise(folder):
        raise FileError(f"{folder} must be a cache of labkit, instead it is none. Make it with labkit cache")
    with _damage_named(folder):
        return _open(folder)


def _open(folder: Path) -> xr.Dataset:
    import zarr

    about = _about(folder)
    if about["version"] not in _VERSIONS.values():
        known = " or ".join(map(str, _VERSIONS.values()))
        raise FileError(f"{folder} must be of version {known}, instead got {about['version']}. Write it again")
    pairs = about["pairs"]
    _check_files(folder, len(pairs["pair"]))
    group = zarr.open_group(folder, mode="r")
    stored: dict[str, Any] = {name: group[name] for name in ("phase", "coherence", *about["coords"])}
    phase, coherence = lazy_images(folder, stored["phase"], stored["coherence"], _damage_named)
    dims = ("pair", "y", "x")
    return xr.Dataset(
        {
            "phase": (dims, phase, {"units": "rad", "long_name": "wrapped phase"}),
            "coherence": (dims, coherence, {"units": "1", "long_name": "coherence"}),
        },
        coords={
            "pair": pairs["pair"],
            "reference": ("pair", np.array(pairs["reference"], "datetime64[ns]")),
            "secondary": ("pair", np.array(pairs["secondary"], "datetime64[ns]")),
            "temporal_baseline": ("pair", np.array(pairs["temporal_baseline"]), {"units": "days"}),
            "perpendicular_baseline": ("pair", np.array(pairs["perpendicular_baseline"], float), {"units": "m"}),
            **{name: (tuple(about["coords"][name]), stored[name][...]) for name in about["coords"]},
        },
        attrs={name: np.nan if value is None else value for name, value in about["scene"].items()},
    )


@contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    """Turn what Zarr and its codecs raise over a damaged store into one error with its name."""
    try:
        yield
    except FileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(
            f"{folder} must be a whole cache, instead got: {reason}. Remove it and write it again"
        ) from error


def _describe(ifgs: xr.Dataset, version: int) -> dict[str, Any]:
    """All of the interferograms but their pixels, as JSON holds it (NaN as null)."""
    dates = {
        name: [pd.Timestamp(d).strftime("%Y-%m-%d") for d in ifgs[name].values] for name in ("reference", "secondary")
    }
    baselines = {name: ifgs[name].values.tolist() for name in ("temporal_baseline", "perpendicular_baseline")}
    about = {
        "version": version,
        "shape": [ifgs.sizes["y"], ifgs.sizes["x"]],
        "pairs": {"pair": [str(p) for p in ifgs["pair"].values], **dates, **baselines},
        "coords": {str(n): list(c.dims) for n, c in ifgs.coords.items() if c.dims and set(c.dims) <= {"y", "x"}},
        "scene": {str(n): v.item() if isinstance(v, np.generic) else v for n, v in ifgs.attrs.items()},
    }
    return dict(json.loads(json.dumps(_without_nan(about))))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _prepare(partial: Path, about: dict[str, Any], ifgs: xr.Dataset) -> tuple[Any, Any]:
    """Open the store to be written: the one that an interrupted call left, where it is of the same pairs."""
    import zarr

    if partial.exists():
        if recognise(partial) and _about(partial) == about:
            group = zarr.open_group(partial, mode="r+")
            return group["phase"], group["coherence"]
        raise FileError(
            f"{partial} must be what an interrupted call for these pairs left, instead it is not. Remove it"
        )
    pairs, height, width = (ifgs.sizes[d] for d in ("pair", "y", "x"))
    coords = {name: ifgs[name].values for name in about["coords"]}
    group = zarr.open_group(partial, mode="w")
    for name, values in coords.items():
        group.create_array(name, data=values)
    bits = next(bits for bits, version in _VERSIONS.items() if version == about["version"])
    whole = (1, -(-height // TILE) * TILE, -(-width // TILE) * TILE)
    made = [
        group.create_array(
            name,
            shape=(pairs, height, width),
            dtype=dtype,
            chunks=(1, TILE, TILE),
            shards=whole,
            compressors=None,
            fill_value=0,
            # A pair without data is written like the others: a missing file then always is a lost one.
            config={"write_empty_chunks": True},
        )
        for name, dtype in (("phase", "int16"), ("coherence", f"uint{bits}"))
    ]
    # Last: a store that was cut while being prepared is not taken for one that can be gone on with.
    group.attrs[_MARK] = about
    return made[0], made[1]


def _encode(name: str, ifgs: xr.Dataset, i: int, kind: np.dtype[Any]) -> Codes:
    phase, coherence = dask.compute(ifgs["phase"].data[i], ifgs["coherence"].data[i], scheduler="synchronous")
    known = np.isfinite(phase) & np.isfinite(coherence)
    phase, coherence = np.where(known, phase, 0), np.where(known, coherence, 0)
    if np.abs(phase).max() > 3.15:
        raise LabkitError(f"phase of pair {name} must be wrapped into [−π, π), instead got {phase.max():.4g} rad")
    if coherence.min() < 0 or coherence.max() > 1:
        raise LabkitError(f"coherence of pair {name} must be in 0..1, instead got {coherence.max():.4g}")
    steps = np.rint(phase.astype(np.float64) * (_STEPS_PER_TURN / (2 * np.pi))).astype(np.int32)
    levels = np.rint(coherence.astype(np.float64) * level_steps(kind)).astype(kind) + kind.type(1)
    # Binary angles wrap by overflow: +32768 steps (+π) are −32768.
    return steps.astype(np.int16), np.where(known, levels, kind.type(0))


def _checksum(codes: Codes) -> int:
    return zlib.crc32(codes[1].tobytes(), zlib.crc32(codes[0].tobytes()))


def _read_journal(partial: Path) -> dict[str, int]:
    """Pairs that were written whole, with their checksums; a last line that was cut is none."""
    journal = partial / _JOURNAL
    if not journal.exists():
        return {}
    text = journal.read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()
    journal.write_text("".join(line + "\n" for line in lines))
    return dict(map(json.loads, lines))


def _attributes(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "zarr.json").read_text()).get("attributes", {}))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise FileError(f"{folder / 'zarr.json'} must be whole JSON, instead got: {error}. Write it again") from error


def _about(folder: Path) -> dict[str, Any]:
    return dict(_attributes(folder)[_MARK])


def _check_files(folder: Path, pairs: int) -> None:
    """Zarr takes a missing file for an empty one: see that each pair has both, of the size of the others."""
    for name in ("phase", "coherence"):
        files = [folder / name / "c" / str(i) / "0" / "0" for i in range(pairs)]
        sizes = [file.stat().st_size if file.is_file() else 0 for file in files]
        for file, size in zip(files, sizes, strict=True):
            if size != max(sizes) or size == 0:
                raise FileError(f"{file} must hold {max(sizes)} bytes, instead it holds {size}. Write the cache again")
