"""One band of a headerless binary raster: where its samples lie in the file, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.byte_order import is_swapped
from labkit.read.raster import MAX_PIXELS

REMEDY_CUT = "It was cut while being written or copied: make it again"
_REMEDY_LONG = "Its header belongs to another file, or it has another extent: take it away or make it again"


@dataclass(frozen=True)
class FlatBand:
    """One band of a flat raster file.

    Parameters
    ----------
    path : Path
        The file.
    shape : (int, int)
        Lines and samples.
    dtype : str
        NumPy type with its byte order: ">f4", "<c8", …
    band, bands : int
        Which band (0 = first) of how many.
    interleave : str
        "bip" (bands side by side at each sample), "bil" (line by line) or "bsq" (one band after the other).
    header_bytes : int
        Bytes before the first sample.
    """

    path: Path
    shape: tuple[int, int]
    dtype: str
    band: int = 0
    bands: int = 1
    interleave: str = "bsq"
    header_bytes: int = 0

    @property
    def file_bytes(self) -> int:
        """Size that the whole file must have."""
        return self.header_bytes + self.shape[0] * self.shape[1] * self.bands * np.dtype(self.dtype).itemsize

    def check(self) -> FlatBand:
        """Return the band when its file is there and of the right size; no sample is read.

        Raises
        ------
        FileError
            The file is missing, cut or too long, or its header claims an absurd size.
        """
        lines, samples = self.shape
        if lines < 1 or samples < 1 or lines * samples > MAX_PIXELS:
            raise FileError(
                f"{self.path} must have between 1 and {MAX_PIXELS} pixels, instead its header claims "
                f"{lines} × {samples}. Mend its header"
            )
        try:
            size = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileError(
                f"{self.path} must be the raster that its header describes, instead there is no such file"
            ) from error
        if size != self.file_bytes:
            raise FileError(
                f"{self.path} must hold {lines} lines × {samples} samples × {self.bands} bands of "
                f"{np.dtype(self.dtype).name} ({self.file_bytes} bytes) as its header says, instead it holds {size} "
                f"bytes. {REMEDY_CUT if size < self.file_bytes else _REMEDY_LONG}"
            )
        return self

    def read(self, first_line: int = 0, lines: int | None = None) -> npt.NDArray[Any]:
        """Read whole lines of the band in the byte order of this machine.

        Parameters
        ----------
        first_line, lines : int, optional
            Which lines; all of them when left out.

        Returns
        -------
        numpy.ndarray (lines, samples)

        Raises
        ------
        FileError
            The file was cut since it was opened, or its values make sense in the other byte order only.
        """
        self.check()
        count = self.shape[0] - first_line if lines is None else lines
        sample = np.dtype(self.dtype).itemsize
        width, layers = self.shape[1], 1 if self.interleave == "bsq" else self.bands
        start = self.header_bytes + first_line * width * layers * sample
        if self.interleave == "bsq":
            start += self.band * self.shape[0] * width * sample
        raw = np.fromfile(self.path, self.dtype, count * width * layers, offset=start)
        if raw.size != count * width * layers:
            raise FileError(f"{self.path} must be a whole file, instead it ends early. {REMEDY_CUT}")
        if self.interleave == "bip":
            stored = raw.reshape(count, width, layers)[:, :, self.band if layers > 1 else 0]
        else:
            stored = raw.reshape(count, layers, width)[:, self.band if layers > 1 else 0, :]
        values = stored.astype(stored.dtype.newbyteorder("="))
        if is_swapped(stored):
            raise FileError(
                f"{self.path} must be {_order(self.dtype)}-endian as its processor writes it, instead its values make "
                "sense in the other byte order only. Swap its bytes"
            )
        return values


def _order(dtype: str) -> str:
    return "big" if dtype.startswith(">") else "little"
