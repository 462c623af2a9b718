"""Pixels of a compact cache: blocks of tiles as dask reads them, and rows of a pair as stacking does."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from labkit.errors import FileError
from labkit.read.decode import decode_angle, decode_level
from labkit.read.rows import read_into

Image = npt.NDArray[np.float32]

#: Edge of a tile, px.
TILE = 512
#: Pixels are handed on in blocks of this many tiles along both axes: opening a tile costs more than reading it.
_TILES_PER_BLOCK = 4
_EDGE = TILE * _TILES_PER_BLOCK

_STEPS_PER_TURN = 65536


class NameDamage(Protocol):
    """``name_damage(folder)``: a context that turns what goes wrong in it into an error with the cache's name."""

    def __call__(self, folder: Path) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class CacheBlock:
    """Reads one block of one pair, and any rows of that pair.

    ``phase`` and ``coherence`` are the stored arrays of codes (pair, y, x); ``blocks`` how many there are along y and
    x, ``block`` which one this is.
    """

    folder: Path
    phase: Any
    coherence: Any
    pair: int
    blocks: tuple[int, int]
    block: tuple[int, int]
    name_damage: NameDamage

    @property
    def shape(self) -> tuple[int, int]:
        """Of the whole pair."""
        return int(self.phase.shape[1]), int(self.phase.shape[2])

    def __call__(self) -> tuple[Image, Image]:
        """Phase (rad) and coherence of the block, NaN = no data."""
        rows, cols = (slice(i * _EDGE, (i + 1) * _EDGE) for i in self.block)
        with self.name_damage(self.folder):
            angle, level = (np.asarray(codes[self.pair, rows, cols]) for codes in (self.phase, self.coherence))
        images = np.empty(angle.shape, np.float32), np.empty(angle.shape, np.float32)
        _decode(angle, level, *images)
        return images

    def read_into(self, first: int, phase: Image, coherence: Image) -> None:
        """Fill both (rows, x) float32 with the rows from ``first`` on: rad and 0..1, NaN = no data."""
        codes = [np.empty(phase.shape, stored.dtype) for stored in (self.phase, self.coherence)]
        with ExitStack() as files:
            for name, target in zip(("phase", "coherence"), codes, strict=True):
                path = self.folder / name / "c" / str(self.pair) / "0" / "0"
                with self.name_damage(self.folder):
                    file = files.enter_context(path.open("rb", buffering=0))
                _read_tiles(file, path, self.shape, first, target)
        _decode(codes[0], codes[1], phase, coherence)

    def refuse_empty(self) -> None:
        """Nothing to refuse: a cache keeps a pair without data as it was."""


def lazy_images(folder: Path, phase: Any, coherence: Any, name_damage: NameDamage) -> tuple[da.Array, da.Array]:
    """Phase (rad) and coherence (pair, y, x) of a cache, NaN = no data; a block of both is read at once."""
    pairs, height, width = phase.shape
    down, across = -(-height // _EDGE), -(-width // _EDGE)
    name = f"cache-{uuid.uuid4().hex}"
    places = [(i, y, x) for i in range(pairs) for y in range(down) for x in range(across)]
    reading = MaterializedLayer(
        {
            (name, i, y, x): (CacheBlock(folder, phase, coherence, i, (down, across), (y, x), name_damage),)
            for i, y, x in places
        }
    )
    chunks = ((1,) * pairs, _sizes(height), _sizes(width))
    arrays = []
    for image, take in (("phase", _first_image), ("coherence", _second_image)):
        own = f"{image}-{name}"
        taking = MaterializedLayer({(own, *place): (take, (name, *place)) for place in places})
        graph = HighLevelGraph({name: reading, own: taking}, {name: set(), own: {name}})
        arrays.append(da.Array(graph, own, chunks, np.float32))
    return arrays[0], arrays[1]


def _sizes(length: int) -> tuple[int, ...]:
    return tuple(min(_EDGE, length - start) for start in range(0, length, _EDGE))


def _first_image(images: tuple[Image, Image]) -> Image:
    return images[0][np.newaxis]


def _second_image(images: tuple[Image, Image]) -> Image:
    return images[1][np.newaxis]


def _decode(
    angle: npt.NDArray[np.int16], level: npt.NDArray[np.unsignedinteger], phase: Image, coherence: Image
) -> None:
    codes = np.ascontiguousarray(angle).reshape(-1), np.ascontiguousarray(level).reshape(-1)
    decode_angle(*codes, np.float32(2 * np.pi / _STEPS_PER_TURN), phase.reshape(-1))
    decode_level(codes[1], np.float32(1 / level_steps(level.dtype)), coherence.reshape(-1))


def level_steps(kind: np.dtype[Any]) -> int:
    """Steps from coherence 0 to 1: one code stands for no data."""
    return int(np.iinfo(kind).max) - 1


def _read_tiles(file: BinaryIO, path: Path, shape: tuple[int, int], first: int, codes: npt.NDArray[Any]) -> None:
    """Fill (rows, x) with stored codes, tile by tile: of each, the wanted rows lie side by side."""
    offsets = _tile_offsets(file, path, shape, codes.itemsize)
    rows, width = codes.shape
    row_bytes = TILE * codes.itemsize
    held = np.empty(TILE * row_bytes, np.uint8)
    row = first
    while row < first + rows:
        inside = row % TILE
        count = min(TILE - inside, first + rows - row)
        raw = held[: count * row_bytes]
        target = codes[row - first : row - first + count]
        for i, offset in enumerate(offsets[row // TILE]):
            read_into(file, int(offset) + inside * row_bytes, raw, path)
            cols = slice(i * TILE, min((i + 1) * TILE, width))
            target[:, cols] = raw.view(codes.dtype).reshape(count, TILE)[:, : cols.stop - cols.start]
        row += count


def _tile_offsets(file: BinaryIO, path: Path, shape: tuple[int, int], sample: int) -> npt.NDArray[np.int64]:
    """Where the tiles (down, across) of a shard begin in its file.

    At the end of the file stand the place and the size of each tile in 64 bits, and 32 bits of a checksum (Zarr's codec
    "sharding_indexed").
    """
    down, across = (-(-length // TILE) for length in shape)
    index, size = down * across * 16, TILE * TILE * sample
    raw = np.empty(index, np.uint8)
    read_into(file, max(path.stat().st_size - index - 4, 0), raw, path)
    places = raw.view("<u8").reshape(-1, 2)
    # Whole tiles, one behind the other in any order: what was damaged is none.
    if not (np.array_equal(np.sort(places[:, 0]), np.arange(down * across) * size) and (places[:, 1] == size).all()):
        raise FileError(
            f"{path} must hold whole tiles, instead its index is damaged. Remove the cache and write it again"
        )
    return places[:, 0].astype(np.int64).reshape(down, across)
