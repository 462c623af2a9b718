"""Rows of a GeoTIFF: straight from the file where its pixels lie plainly in it, else through GDAL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.decode import blank
from labkit.read.raster import RasterRows, check_tiff
from labkit.read.rows import Rows, borrow_buffer, give_back, native, read_into
from labkit.read.tiff_layout import TiffLayout, read_layout

_BYTES = 4


def tiff_rows(path: Path, shape: tuple[int, int]) -> AbstractContextManager[Rows]:
    """Open the first band of a GeoTIFF to be read by rows; the file's no-data value becomes NaN.

    Raises
    ------
    FileError
        It is no GeoTIFF, is cut, or of another shape.
    """
    check_tiff(path)
    layout = read_layout(path)
    if layout is None:
        return RasterRows(path, shape)
    if layout.shape != shape:
        raise FileError(
            f"{path} must have the shape {shape}, instead got {layout.shape}. Bring it to the grid of the others"
        )
    return TiffRows(path, layout)


class TiffRows:
    """Rows of an uncompressed float32 GeoTIFF; to be opened with ``with``."""

    def __init__(self, path: Path, layout: TiffLayout) -> None:
        self.path = path
        self._layout = layout

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
        width = self._layout.shape[1]
        if self._layout.block == self._layout.shape:
            start = int(self._layout.offsets[0, 0]) + first * width * _BYTES
            values = self._fetch(start, count * width).reshape(count, width)
        else:
            values = np.empty((count, width), np.float32)
            for row in range(first, first + count):
                if row == first or row % self._layout.block[0] == 0:
                    self._fill(values, first, row)
        if self._layout.no_data is not None:
            blank(values.reshape(-1), np.float64(np.float32(self._layout.no_data)))
        return values

    def judge(self) -> None:
        """Nothing to say: a TIFF states its byte order."""

    def _fill(self, values: npt.NDArray[np.float32], first: int, row: int) -> None:
        """Copy the rows from ``row`` on that lie in one row of blocks."""
        height, width = self._layout.block
        inside = row % height
        count = min(height - inside, len(values) - (row - first))
        for i, offset in enumerate(self._layout.offsets[row // height]):
            block = self._fetch(int(offset) + inside * width * _BYTES, count * width).reshape(count, width)
            target = values[row - first : row - first + count, i * width : (i + 1) * width]
            target[...] = block[:, : target.shape[1]]

    def _fetch(self, start: int, pixels: int) -> npt.NDArray[Any]:
        size = pixels * _BYTES
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        raw = self._buffer[:size]
        read_into(self._file, start, raw, self.path)
        return native(raw, np.dtype(self._layout.dtype))
