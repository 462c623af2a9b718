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
    """Where a tile lies: ``number`` as :func:`labkit.geo.windows` counts, ``row`` and ``col`` in px of the scene."""

    direction: str
    number: int
    row: int
    col: int


class Batch(NamedTuple):
    """Tiles that are shown together.

    ``images`` are (tiles, size, size), or (tiles, layers, size, size) for a detector that looks at several; ``passed``
    says how many tiles the walk has come on by, those without data too.
    """

    tiles: list[Tile]
    images: Image
    passed: int


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
    band and the rows of chunks that it reaches into: choose chunks of fewer rows than the scene has.
    """

    def __init__(self, data: xr.Dataset, *, standard_error: bool = False) -> None:
        self.names = tuple(schema.standard_errors(data) if standard_error else schema.layers(data))
        image = "gradient" if schema.is_gradients(data) else "rate"
        field = data["standard_error" if standard_error else image]
        self._edges = _chunk_edges(field)
        self._field = field if "direction" in field.dims else field.expand_dims("direction")
        self.shape = (field.sizes["y"], field.sizes["x"])
        self._held: list[tuple[int, Image]] = []

    def read(self, top: int, bottom: int) -> list[Image]:
        """Give the rows from ``top`` to before ``bottom`` in pieces (layers, rows, cols), one below the other.

        ``top`` may not go back up. What is in memory already is not copied.
        """
        self._held = [(first, piece) for first, piece in self._held if first + piece.shape[1] > top]
        last = self._held[-1][0] + self._held[-1][1].shape[1] if self._held else top
        if bottom > last:
            fresh = self._field.isel(y=slice(last, self._edge_after(bottom))).to_numpy()
            self._held.append((last, np.asarray(fresh, np.float32)))
        return [piece[:, max(top - first, 0) : bottom - first] for first, piece in self._held if first < bottom]

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


def batches_of(
    data: xr.Dataset,
    factor: float,
    windows: npt.NDArray[np.int64],
    size: int,
    directions: int,
    *,
    batch_size: int,
    standard_error: bool = False,
) -> Iterator[Batch]:
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
    batch_size : int
        Tiles shown together.
    standard_error : bool
        Show their standard errors behind these, times the same factor.

    Yields
    ------
    Batch
        For each row of tiles those of the first direction, then those of the next, without those of whose direction
        there are no data. Tiles are put together across directions and rows of tiles, so that every batch but the last
        is full. Beyond the scene's edge is no data.
    """
    readers = [RowReader(data, standard_error=errors) for errors in (False, True)[: 1 + standard_error]]
    names, rows = readers[0].names, readers[0].shape[0]
    around = [[i, *(j for j in range(len(names)) if j != i)][:directions] for i in range(len(names))]
    layers = directions * len(readers)
    images = np.empty((batch_size, layers, size, size), np.float32)
    tiles: list[Tile] = []
    passed = 0
    for top in np.unique(windows[:, 0]):
        bands = [reader.read(int(top), min(int(top) + size, rows)) for reader in readers]
        for seen in around:
            shown = [[piece[i] for piece in band] for band in bands for i in seen]
            for number in np.flatnonzero(windows[:, 0] == top):
                col = int(windows[number, 1])
                passed += 1
                if not any(np.isfinite(piece[:, col : col + size]).any() for piece in shown[0]):
                    continue
                _cut(shown, col, np.float32(factor), images[len(tiles)])
                tiles.append(Tile(names[seen[0]], int(number), int(top), col))
                if len(tiles) == batch_size:
                    yield Batch(tiles, images if layers > 1 else images[:, 0], passed)
                    # made anew: a detector may keep what it was shown
                    images, tiles, passed = np.empty_like(images), [], 0
    if passed:
        yield Batch(tiles, (images if layers > 1 else images[:, 0])[: len(tiles)], passed)


def _cut(layers: list[list[Image]], col: int, factor: np.float32, image: Image) -> None:
    """Fill a tile with the columns from ``col`` on of each layer, given in pieces, times the factor."""
    for pieces, target in zip(layers, image, strict=True):
        row = 0
        for piece in pieces:
            part = piece[:, col : col + image.shape[2]]
            rows, cols = part.shape
            np.multiply(part, factor, out=target[row : row + rows, :cols])
            target[row : row + rows, cols:] = np.nan
            row += rows
        target[row:] = np.nan
