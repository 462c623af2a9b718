"""Where the pixels of a plain GeoTIFF lie in its file, so that they can be read without GDAL's copying."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

#: Tags of a TIFF directory (TIFF 6.0, and GDAL's own for the no-data value).
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _FILL_ORDER, _STRIPS, _ORIENTATION = 256, 257, 258, 259, 266, 273, 274
_SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 279, 317, 322, 323
_TILES, _TILE_BYTES, _FORMAT, _NO_DATA = 324, 325, 339, 42113

#: What these tags hold in a file of plain float32 in one band; a tag that is left out holds the first.
_PLAIN = {
    _BITS: (1, 32),
    _COMPRESSION: (1, 1),
    _FILL_ORDER: (1, 1),
    _ORIENTATION: (1, 1),
    _SAMPLES: (1, 1),
    _PREDICTOR: (1, 1),
    _FORMAT: (1, 3),
}

_WANTED = {*_PLAIN, _WIDTH, _HEIGHT, _STRIPS, _STRIP_ROWS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES}
_WANTED |= {_NO_DATA}

#: Field type → letter of :mod:`struct`: ASCII, short, long, 64-bit long, offset.
_LETTERS = {2: "s", 3: "H", 4: "I", 16: "Q", 18: "Q"}
_MOST_VALUES = 10_000_000

#: Beyond the end of any file, and still a place that can be asked for.
_FARTHEST = 2**40


@dataclass(frozen=True)
class TiffLayout:
    """Uncompressed float32 blocks of one band.

    ``shape`` (lines, samples); ``dtype`` with its byte order; ``block`` rows and columns of a block; ``offsets`` of the
    blocks (down, across), bytes from the file's begin; ``no_data`` as the file states it, None where it does not. Of
    strips the last may be short, and those that follow each other in the file are one block; tiles are whole.
    """

    shape: tuple[int, int]
    dtype: str
    block: tuple[int, int]
    offsets: npt.NDArray[np.int64]
    no_data: float | None


def read_layout(path: Path) -> TiffLayout | None:
    """Read the directory of a TIFF; one that was read before, and has not changed since, from memory.

    Returns
    -------
    TiffLayout or None
        None where the pixels are compressed, of another type or of several bands, where blocks are missing or lie
        beyond the file's end, where a sidecar says more, or where the directory is damaged: GDAL then reads the file,
        or says what is wrong with it.
    """
    if path.with_name(path.name + ".aux.xml").exists():
        return None
    status = path.stat()
    return _read_layout(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8192)
def _read_layout(path: Path, size: int, changed_ns: int) -> TiffLayout | None:
    with path.open("rb") as file:
        try:
            tags, order = _read_directory(file)
        except (struct.error, KeyError):
            return None
        return _layout(tags, order, size)


def _read_directory(file: BinaryIO) -> tuple[dict[int, tuple[int, ...] | bytes], str]:
    """Tags that matter of the first directory, and the byte order; struct.error or KeyError where it is damaged."""
    magic = file.read(4)
    order = {b"II": "<", b"MM": ">"}[magic[:2]]
    big = {42: False, 43: True}[struct.unpack(order + "H", magic[2:])[0]]
    if big:
        _, _, start = struct.unpack(order + "HHQ", file.read(12))
    else:
        (start,) = struct.unpack(order + "I", file.read(4))
    file.seek(min(start, _FARTHEST))
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    entries = file.read(min(count, 4096) * entry.size)
    tags: dict[int, tuple[int, ...] | bytes] = {}
    for tag, kind, number, value in entry.iter_unpack(entries):
        if tag not in _WANTED or number == 0:
            continue
        form = f"{order}{min(number, _MOST_VALUES + 1)}{_LETTERS[kind]}"
        size = struct.calcsize(form)
        if size > len(value):
            file.seek(min(struct.unpack(order + ("Q" if big else "I"), value)[0], _FARTHEST))
            value = file.read(size)
        unpacked = struct.unpack(form, value[:size])
        tags[tag] = unpacked[0] if kind == 2 else unpacked
    return tags, order


def _layout(tags: dict[int, tuple[int, ...] | bytes], order: str, file_bytes: int) -> TiffLayout | None:
    numbers = {tag: value for tag, value in tags.items() if isinstance(value, tuple)}
    if any(numbers.get(tag, (usual,))[0] != plain for tag, (usual, plain) in _PLAIN.items()):
        return None
    if numbers.get(_SAMPLES, (1,)) != (1,) or not {_WIDTH, _HEIGHT} <= numbers.keys():
        return None
    shape = numbers[_HEIGHT][0], numbers[_WIDTH][0]
    tiled = {_TILES, _TILE_BYTES, _TILE_WIDTH, _TILE_HEIGHT} <= numbers.keys()
    if not tiled and not {_STRIPS, _STRIP_BYTES} <= numbers.keys():
        return None
    rows = min(numbers.get(_STRIP_ROWS, (shape[0],))[0], shape[0])
    block = (numbers[_TILE_HEIGHT][0], numbers[_TILE_WIDTH][0]) if tiled else (rows, shape[1])
    offsets, sizes = (numbers[tag] for tag in ((_TILES, _TILE_BYTES) if tiled else (_STRIPS, _STRIP_BYTES)))
    if min(*shape, *block) < 1:
        return None
    down, across = -(-shape[0] // block[0]), -(-shape[1] // block[1])
    if not len(offsets) == len(sizes) == down * across:
        return None
    rows_of = np.full((down, across), block[0])
    if not tiled:
        rows_of[-1] = shape[0] - (down - 1) * block[0]
    # in floats: a damaged directory may state any number
    starts, whole = np.array(offsets, np.float64), rows_of.ravel() * float(block[1] * 4)
    if (np.array(sizes, np.float64) != whole).any() or (starts < 8).any() or (starts + whole > file_bytes).any():
        return None
    try:
        text = tags.get(_NO_DATA)
        no_data = float(text.rstrip(b"\0 ")) if isinstance(text, bytes) else None
    except ValueError:
        return None
    placed: npt.NDArray[np.int64] = starts.astype(np.int64).reshape(down, across)
    if not tiled and (np.diff(starts) == block[0] * block[1] * 4).all():
        block, placed = shape, placed[:1]
    return TiffLayout(shape, order + "f4", block, placed, no_data)
