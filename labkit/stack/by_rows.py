"""Find the readers of pairs that can give some rows at a time: no image need be in memory as a whole then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

Images = npt.NDArray[np.float32]

# What a reader is made to give when it is asked who it is: too small to cost, and changed by whatever changes an image.
_MARK: npt.NDArray[Any] = np.arange(12.0).reshape(3, 4)
_APART = 100


class RowReader(Protocol):
    """Reads rows of one pair; the task of a dask graph that reads the whole of it has these methods where it can."""

    shape: tuple[int, int]

    def read_into(self, first: int, phase: Images, coherence: Images) -> None:
        """Fill both (rows, x) float32 with the rows from ``first`` on: rad and 0..1, NaN = no data."""

    def refuse_empty(self) -> None:
        """Raise FileError: the pair holds no data."""


@runtime_checkable
class PhasorReader(RowReader, Protocol):
    """Reads rows as complex values too, because they are so in the file."""

    def read_phasors(self, first: int, real: Images, imag: Images) -> None:
        """Fill both (rows, x) float32 with coherence · exp(i phase) of the rows from ``first`` on; NaN = no data."""


def row_readers(ifgs: xr.Dataset) -> Sequence[RowReader] | None:
    """Give the reader of each pair, where the pairs are as they lie in their files.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; pairs of those opened may have been selected in any order.

    Returns
    -------
    sequence of RowReader, or None
        None where something was computed from the pairs or their images were cut, where they are in memory, or where
        their reader knows whole images alone.

    Notes
    -----
    The graph is run with a mark in place of every image that would be read: what comes out for a pair is the mark of
    its reader, unchanged, or its images are not what that reader reads.
    """
    images = ifgs["phase"].data, ifgs["coherence"].data
    if not all(isinstance(image, da.Array) and _is_selection(image) for image in images):
        return None
    graph = {key: task for image in images for key, task in dict(image.dask).items()}
    reading = [key for key, task in graph.items() if _reads_rows(task)]
    readers = [graph[key][0] for key in reading]
    for number, key in enumerate(reading):
        graph[key] = (_Marks(number),)
    shape = images[0].shape[1:]
    if any(reader.shape != shape for reader in readers):
        return None
    down, across = images[0].numblocks[1:]
    places = [(y, x) for y in range(down) for x in range(across)]
    keys: Any = [[[(image.name, i, *place) for place in places] for i in range(image.shape[0])] for image in images]
    try:
        marked = dask.get(graph, keys)
    except (IndexError, ValueError):
        # Rows or columns were picked that the small mark has not.
        return None
    numbers = [
        [[_number(mark, sign) for mark in marks] for marks in of_pairs]
        for of_pairs, sign in zip(marked, (1, -1), strict=True)
    ]
    if numbers[0] != numbers[1]:
        return None
    chosen = [_one_reader(readers, of_pair, places) for of_pair in numbers[0]]
    return None if None in chosen else [reader for reader in chosen if reader is not None]


def _one_reader(
    readers: Sequence[Any], numbers: Sequence[int | None], places: Sequence[tuple[int, int]]
) -> RowReader | None:
    """The reader of a pair whose blocks, where there are several, are all its own and in their places."""
    found = [readers[number] for number in numbers if number is not None]
    if len(found) < len(places):
        return None
    first: RowReader = found[0]
    if len(places) == 1:
        return first
    same = all(reader.pair == found[0].pair and reader.phase is found[0].phase for reader in found)
    return first if same and [reader.block for reader in found] == list(places) else None


def _is_selection(image: da.Array) -> bool:
    """Whether a graph reads and picks alone, as far as its names tell: nothing is computed to find out."""
    layers = image.dask.layers
    # A layer that is not written out yet is one of computing: to write it out can take long.
    written = {name: layer for name, layer in layers.items() if layer.is_materialized()}
    reading = [name for name, layer in written.items() if _reads_rows(next(iter(layer.values()), None))]
    known = all(name.startswith("getitem") or name.endswith(tuple(reading)) for name in layers)
    if not (reading and known):
        return False
    reader = next(iter(written[reading[0]].values()))[0]
    return image.numblocks == (image.shape[0], *_blocks(reader))


def _blocks(reader: Any) -> tuple[int, int]:
    """How many blocks along y and x a pair is read in."""
    down, across = getattr(reader, "blocks", (1, 1))
    return int(down), int(across)


def _reads_rows(task: object) -> bool:
    return isinstance(task, tuple) and len(task) == 1 and hasattr(task[0], "read_into")


class _Marks:
    """Gives the mark of a reader as its phase, and the same with the other sign as its coherence."""

    def __init__(self, number: int) -> None:
        self._mark: npt.NDArray[Any] = _MARK + _APART * (number + 1)

    def __call__(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return self._mark, -self._mark


def _number(mark: npt.NDArray[np.float64], sign: int) -> int | None:
    """Whose mark it is; None where it was changed."""
    if mark.shape != (1, *_MARK.shape):
        return None
    number = round((sign * mark[0, 0, 0] - _MARK[0, 0]) / _APART) - 1
    return number if number >= 0 and np.array_equal(sign * mark[0] - _APART * (number + 1), _MARK) else None
