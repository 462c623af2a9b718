"""From the rows that a processor stored to the two images of a pair, some at a time while they are in the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.coherence_estimate import estimate_coherence
from labkit.read.decode import join_coherence, join_parts, split_complex, split_parts, wrap_phase
from labkit.read.rows import Rows

Image = npt.NDArray[np.float32]

#: Besides 0 and NaN: what processors write where they know nothing.
NO_DATA = np.float32(-9999)

#: Rounding can lift a coherence a little above 1; what lies beyond is none.
MAX_COHERENCE = np.float32(1.01)

#: So many pixels are read at once: with what is made of them they stay in the cache of a core.
_PORTION = 1 << 17


def read_pair(
    shape: tuple[int, int],
    phase: Rows,
    coherence: Rows | None,
    *,
    reverse: bool = False,
    magnitude: bool = False,
) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    Parameters
    ----------
    shape : (int, int)
        Lines and samples.
    phase : Rows
        Complex values, or phase in rad, wrapped or not. 0 (phase or magnitude), −9999 and what is not finite are no
        data, never phase zero.
    coherence : Rows, optional
        0..1; −9999 and what is not finite are no data. None: the coherence is estimated from the phase.
    reverse : bool
        Change the sign of the phase.
    magnitude : bool
        Without ``coherence``, the magnitude of the complex values is the coherence.

    Raises
    ------
    FileError
        A file ends early, is of another byte order, or its coherence lies outside 0..1.
    """
    images = np.empty(shape, np.float32), np.empty(shape, np.float32)
    read_rows(0, phase, coherence, *images, reverse=reverse, magnitude=magnitude)
    if coherence is None and not magnitude:
        return images[0], estimate_coherence(images[0])
    return images


def read_rows(
    first: int,
    phase: Rows,
    coherence: Rows | None,
    angle: Image,
    quality: Image,
    *,
    reverse: bool = False,
    magnitude: bool = False,
) -> None:
    """Fill ``angle`` and ``quality`` (rows, x) with the rows from ``first`` on of what :func:`read_pair` gives.

    Without ``coherence`` and ``magnitude``, ``quality`` receives nothing that means anything.
    """
    beyond: list[float] = []
    wrong: list[float] = []
    limit = MAX_COHERENCE if magnitude and coherence is None else np.float32(np.inf)
    lines, width = angle.shape
    portion = max(1, _PORTION // width)
    for start in range(0, lines, portion):
        count = min(portion, lines - start)
        flat = (image[start : start + count].reshape(-1) for image in (angle, quality))
        turned, joined = flat
        values = phase.read(first + start, count).reshape(-1)
        if not to_phase(values, turned, joined, reverse=reverse, limit=limit):
            beyond.append(float(np.abs(values).max()))
        if coherence is not None:
            stored = as_float32(coherence.read(first + start, count)).reshape(-1)
            if not join_coherence(stored, NO_DATA, MAX_COHERENCE, turned, joined):
                wrong.append(first_wrong(stored))
    for rows in (phase, coherence):
        if rows is not None:
            rows.judge()
    if beyond:
        raise _no_coherence(phase.path, max(beyond))
    if coherence is not None and wrong:
        raise outside_unit(coherence.path, wrong[0])


def read_phasors(
    first: int, phase: Rows, coherence: Rows | None, real: Image, imag: Image, *, reverse: bool = False
) -> None:
    """Fill ``real`` and ``imag`` (rows, x) with coherence · exp(i phase) of what :func:`read_rows` gives.

    Parameters
    ----------
    first : int
        The first row.
    phase : Rows
        Complex values; their magnitude is the coherence unless there is ``coherence``.
    coherence, reverse
        As in :func:`read_pair`.
    real, imag : (rows, x) float32, contiguous
        NaN in both = no data.

    Raises
    ------
    FileError
        As :func:`read_pair`.

    Notes
    -----
    No angle is taken: where the magnitude is the coherence, the values are what they are in the file. They are those
    of :func:`read_rows` within 2e-6, the rounding of its phase.
    """
    sign = np.float32(-1 if reverse else 1)
    beyond: list[float] = []
    wrong: list[float] = []
    lines, width = real.shape
    portion = max(1, _PORTION // width)
    for start in range(0, lines, portion):
        count = min(portion, lines - start)
        to = tuple(image[start : start + count].reshape(-1) for image in (real, imag))
        values = phase.read(first + start, count).reshape(-1)
        parts = values.astype(np.complex64, copy=False).view(np.float32)
        if coherence is None:
            if not split_parts(parts, sign, NO_DATA, MAX_COHERENCE, *to):
                beyond.append(float(np.abs(values).max()))
            continue
        stored = as_float32(coherence.read(first + start, count)).reshape(-1)
        if not join_parts(parts, stored, sign, NO_DATA, MAX_COHERENCE, *to):
            wrong.append(first_wrong(stored))
    for rows in (phase, coherence):
        if rows is not None:
            rows.judge()
    if beyond:
        raise _no_coherence(phase.path, max(beyond))
    if coherence is not None and wrong:
        raise outside_unit(coherence.path, wrong[0])


def to_phase(values: npt.NDArray[Any], phase: Image, size: Image, *, reverse: bool, limit: np.float32) -> bool:
    """Give phase, and of complex values the magnitude; return whether no magnitude is above the limit."""
    sign = np.float32(-1 if reverse else 1)
    if values.dtype.kind == "c":
        parts = values.astype(np.complex64, copy=False).view(np.float32)
        return bool(split_complex(parts, sign, NO_DATA, limit, phase, size))
    real = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    wrap_phase(real, sign, NO_DATA, phase)
    return True


def as_float32(values: npt.NDArray[Any]) -> Image:
    """Real parts as float32; what is float32 already is not copied."""
    return values.real.astype(np.float32) if values.dtype.kind == "c" else values.astype(np.float32, copy=False)


def _no_coherence(path: Path, largest: float) -> FileError:
    return FileError(
        f"{path} must carry the coherence (0..1) as its magnitude, instead it reaches {largest:.4g}. "
        "Put the coherence of the pair beside it (YYYYMMDD_YYYYMMDD.cc, big-endian float32)"
    )


def outside_unit(path: Path, value: float) -> FileError:
    """Say that a value is no coherence."""
    return FileError(
        f"{path} must hold coherence between 0 and 1, instead got {value:.4g}. "
        "Is it another band, or of another type or byte order than its header says?"
    )


def first_wrong(stored: Image) -> float:
    """The first known value that is no coherence."""
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(stored) & (stored != NO_DATA) & ((stored < 0) | (stored > MAX_COHERENCE))
    return float(stored[wrong][0])
