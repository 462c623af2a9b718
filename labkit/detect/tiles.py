"""The tiles of a scene, one row of tiles after the other: each row of pixels is read once, and few are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema

Image = npt.NDArray[np.float32]


class Tile(NamedTuple):
    """What a detector is shown: (size, size), or (layers, size, size) for one that looks at several; and where it lies.

    ``image`` is None where the direction that is searched holds no data. ``number`` counts the tiles of a direction as
    :func:`labkit.geo.windows` gives them, ``row`` and ``col`` are px of the scene.
    """

    direction: str
    number: int
    row: int
    col: int
    image: Image | None


class RowReader:
    """Reads bands of rows from top to bottom, each row once.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates; may be lazy.
    standard_error : bool
        Read their standard errors instead.

    Attributes
    ----------
    names : tuple of str
        "azimuth" and "range" as they are stacked, or "rate".
    shape : (int, int)
        Rows and columns of the scene.

    Notes
    -----
    What is lazy is read in whole chunks along y, since a part of a chunk costs as much as all of it. So memory holds a
    band and a row of chunks: choose chunks of fewer rows than the scene has.
    """

    def __init__(self, data: xr.Dataset, *, standard_error: bool = False) -> None:
        self.names = tuple(schema.standard_errors(data) if standard_error else schema.layers(data))
        image = "gradient" if schema.is_gradients(data) else "rate"
        field = data["standard_error" if standard_error else image]
        self._edges = _chunk_edges(field)
        self._field = field if "direction" in field.dims else field.expand_dims("direction")
        self.shape = (field.sizes["y"], field.sizes["x"])
        self._held: Image = np.empty((len(self.names), 0, self.shape[1]), np.float32)
        self._first = 0

    def read(self, top: int, bottom: int) -> Image:
        """Give the rows from ``top`` to before ``bottom``, (layers, rows, cols); rows above are given back to memory.

        ``top`` may not go back up.
        """
        above = min(top - self._first, self._held.shape[1])
        self._held, self._first = self._held[:, above:], top
        last = top + self._held.shape[1]
        if bottom > last:
            fresh = self._field.isel(y=slice(last, self._edge_after(bottom))).to_numpy()
            self._held = np.concatenate([self._held, np.asarray(fresh, np.float32)], axis=1)
        return self._held[:, : bottom - top]

    def _edge_after(self, row: int) -> int:
        beyond = self._edges[self._edges >= row]
        return int(beyond[0]) if len(beyond) else row


def _chunk_edges(field: xr.DataArray) -> npt.NDArray[np.int64]:
    """Rows after which a chunk ends, as dask cuts them or as the file does; none where any row is as cheap."""
    rows = field.sizes["y"]
    sizes = field.chunksizes.get("y") or field.encoding.get("preferred_chunks", {}).get("y")
    if not sizes:
        return np.zeros(0, np.int64)
    if isinstance(sizes, int):
        return np.arange(sizes, rows + sizes, sizes).clip(max=rows)
    return np.cumsum(sizes, dtype=np.int64)


def tiles_of(
    data: xr.Dataset,
    factor: float,
    windows: npt.NDArray[np.int64],
    size: int,
    directions: int,
    *,
    standard_error: bool = False,
) -> Iterator[Tile]:
    """Walk over the tiles of every direction.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates.
    factor : float
        Values are shown times this one.
    windows : numpy.ndarray, shape (n, 2)
        Upper left corners (row, col), from top to bottom.
    size : int
        Edge of the tiles, px.
    directions : int
        1: each direction alone; as many as there are: each with the others behind it.
    standard_error : bool
        Show their standard errors behind these, times the same factor.

    Yields
    ------
    Tile
        For each row of tiles those of the first direction, then those of the next. Beyond the scene's edge is no data.
    """
    reader = RowReader(data)
    readers = [reader, RowReader(data, standard_error=True)] if standard_error else [reader]
    rows, cols = reader.shape
    count = len(reader.names)
    order = [[i, *(j for j in range(count) if j != i)][:directions] for i in range(count)]
    if standard_error:
        order = [[*seen, *(count + i for i in seen)] for seen in order]
    for top in np.unique(windows[:, 0]):
        bands = [each.read(int(top), min(int(top) + size, rows)) for each in readers]
        band = (np.concatenate(bands) if standard_error else bands[0]) * np.float32(factor)
        for seen in order:
            for number in np.flatnonzero(windows[:, 0] == top):
                col = int(windows[number, 1])
                part = band[seen, :, col : min(col + size, cols)]
                image = _padded(part, size) if np.isfinite(part[0]).any() else None
                shown = image if image is None or len(image) > 1 else image[0]
                yield Tile(reader.names[seen[0]], int(number), int(top), col, shown)


def _padded(part: Image, size: int) -> Image:
    if part.shape[1:] == (size, size):
        return part
    image = np.full((len(part), size, size), np.nan, np.float32)
    image[:, : part.shape[1], : part.shape[2]] = part
    return image


def in_batches(tiles: Iterator[Tile], count: int) -> Iterator[tuple[list[Tile], int]]:
    """Put tiles with data together, ``count`` at a time; with each batch comes how many tiles it ends, empty ones too.

    Tiles are put together across directions and rows of tiles, so that every batch but the last is full.
    """
    batch: list[Tile] = []
    passed = 0
    for tile in tiles:
        passed += 1
        if tile.image is not None:
            batch.append(tile)
        if len(batch) == count:
            yield batch, passed
            batch, passed = [], 0
    if passed:
        yield batch, passed
