"""Read a raster some rows at a time into memory that is used again, in the byte order of this machine."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.byte_order import JUDGED, is_swapped
from labkit.read.decode import swap_words
from labkit.read.flat_binary import REMEDY_CUT, FlatBand

_MOST_SPARE, _LARGEST_SPARE = 3, 2**21


class _Spare(threading.local):
    """Memory that this thread's readers have given back: memory that is new costs more than what is read into it."""

    def __init__(self) -> None:
        self.buffers: list[npt.NDArray[np.uint8]] = []


_spare = _Spare()


class Rows(Protocol):
    """What gives rows of one raster, from the first to the last, in any portions."""

    path: Path

    def read(self, first: int, count: int) -> npt.NDArray[Any]:
        """Give (count, width) values, contiguous, in this machine's byte order; the next call overwrites them."""

    def judge(self) -> None:
        """Raise FileError where what was read makes sense in the other byte order only."""


class FlatRows:
    """Rows of one band of a flat raster; to be opened with ``with``.

    Parameters
    ----------
    band : FlatBand
        Where its samples lie.

    Raises
    ------
    FileError
        The file is missing, cut or too long, when it is opened; or ends early, when it is read.
    """

    def __init__(self, band: FlatBand) -> None:
        self.path = band.path
        self._band = band.check()
        self._dtype = np.dtype(band.dtype)
        self._layers = 1 if band.interleave == "bsq" else band.bands
        self._row_bytes = band.shape[1] * self._layers * self._dtype.itemsize
        plane = band.shape[0] * band.shape[1] * self._dtype.itemsize
        self._start = band.header_bytes + (band.band * plane if band.interleave == "bsq" else 0)
        self._judged = max(1, int(np.sqrt(band.shape[0] * band.shape[1] / JUDGED)))
        self._some: list[npt.NDArray[Any]] = []

    def __enter__(self) -> Self:
        """Open the file."""
        self._file = self.path.open("rb", buffering=0)
        self._buffer = borrow_buffer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()
        give_back(self._buffer)

    def read(self, first: int, count: int) -> npt.NDArray[Any]:
        """Give (count, width) values, contiguous, in this machine's byte order; the next call overwrites them."""
        size = count * self._row_bytes
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        raw = self._buffer[:size]
        read_into(self._file, self._start + first * self._row_bytes, raw, self.path)
        values = self._take_band(native(raw, self._dtype), count)
        if values.dtype.kind in "fc":
            self._some.append(values[-first % self._judged :: self._judged, :: self._judged].copy())
        return values

    def judge(self) -> None:
        """Raise FileError where what was read makes sense in the other byte order only."""
        if self._some and is_swapped(np.concatenate(self._some)):
            raise FileError(
                f"{self.path} must be {'big' if self._band.dtype.startswith('>') else 'little'}-endian "
                f"{self._dtype.name} as its processor writes it, instead its values make sense in the other byte order "
                "only. Swap its bytes (in words of 4 bytes, as GAMMA's swap_bytes does)"
            )

    def _take_band(self, values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        width, layers = self._band.shape[1], self._layers
        if layers == 1:
            return values.reshape(count, width)
        if self._band.interleave == "bip":
            return np.ascontiguousarray(values.reshape(count, width, layers)[:, :, self._band.band])
        return np.ascontiguousarray(values.reshape(count, layers, width)[:, self._band.band])


class ComplexRows:
    """Complex rows, of which one raster holds the real parts and another the imaginary ones."""

    def __init__(self, real: Rows, imaginary: Rows) -> None:
        self.path = real.path
        self._parts = (real, imaginary)

    def read(self, first: int, count: int) -> npt.NDArray[Any]:
        """Give (count, width) complex64."""
        real, imaginary = (part.read(first, count) for part in self._parts)
        values = np.empty(real.shape, np.complex64)
        values.real, values.imag = real, imaginary
        return values

    def judge(self) -> None:
        """Raise FileError where either makes sense in the other byte order only."""
        for part in self._parts:
            part.judge()


def borrow_buffer() -> npt.NDArray[np.uint8]:
    """Memory of any size, which nobody else in this thread uses until it is given back."""
    return _spare.buffers.pop() if _spare.buffers else np.empty(0, np.uint8)


def give_back(buffer: npt.NDArray[np.uint8]) -> None:
    """Leave memory to this thread's next reader; one buffer for each raster of a pair is kept, no more."""
    if len(_spare.buffers) < _MOST_SPARE and buffer.size <= _LARGEST_SPARE:
        _spare.buffers.append(buffer)


def read_into(file: Any, start: int, raw: npt.NDArray[np.uint8], path: Path) -> None:
    """Fill ``raw`` with the bytes of an unbuffered file from ``start`` on.

    Raises
    ------
    FileError
        The file ends early, or the disk cannot read it.
    """
    view, got = raw.data, 0
    while got < raw.size:
        try:
            file.seek(start + got)
            more = file.readinto(view[got:])
        except OSError as error:
            raise FileError(f"{path} must be readable, instead got: {error}. Look after the disk") from error
        if not more:
            raise FileError(f"{path} must be a whole file, instead it ends early. {REMEDY_CUT}")
        got += more


def native(raw: npt.NDArray[np.uint8], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Give bytes as numbers in this machine's order; those of 32-bit words are turned where they lie."""
    if dtype.isnative:
        return raw.view(dtype)
    if dtype.kind in "fc" and dtype.itemsize == (8 if dtype.kind == "c" else 4):
        swap_words(raw.view(np.uint32))
        return raw.view(dtype.newbyteorder("="))
    return raw.view(dtype).astype(dtype.newbyteorder("="))
