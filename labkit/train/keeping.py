"""Images that were read once, kept for the next time: in memory as long as there is room, then in a temporary file."""

from __future__ import annotations

import errno
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Hashable
from io import RawIOBase
from threading import Lock
from typing import cast

import numpy as np

from labkit import home
from labkit.train.augment import Image

#: Images stay in memory up to this many bytes in all.
MEMORY_BYTES = 1 << 30

#: Further ones go to a temporary file of up to this many bytes.
DISK_BYTES = 32 << 30

#: Of the free disk, the file takes at most this share.
_SHARE_OF_FREE = 0.5

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Kept:
    """Images by their keys, of which windows are given.

    The file lies in the folder of :func:`labkit.home.folder`, has no name there, so that nothing else finds it, and its
    place is free again when this object is gone, also after a crash.

    Parameters
    ----------
    memory_bytes, disk_bytes : int
        Room in memory, and in the file, which takes half of the free disk at most; 0 for none.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES) -> None:
        self._memory_room, self._disk_room = memory_bytes, disk_bytes
        self._file_is_full = not disk_bytes
        self._in_memory: dict[Hashable, Image] = {}
        self._in_file: dict[Hashable, tuple[int, tuple[int, int]]] = {}
        self._file: RawIOBase | None = None
        self._end = 0
        self._lock = Lock()

    def has_room(self, size: int, *, in_file: bool = True) -> bool:
        """Whether an image of so many bytes can be kept, in memory or ``in_file``.

        Warns
        -----
        UserWarning
            The file may not grow further, the first time.
        """
        with self._lock:
            return size <= self._memory_room or (in_file and self._room_in_file(size))

    def keep(self, key: Hashable, image: Image, *, in_file: bool = True) -> None:
        """Keep a float32 image (height, width), if there is room and none has the key.

        Warns
        -----
        UserWarning
            The disk is full: no further images go there, and what is kept stays.
        """
        with self._lock:
            if key in self._in_memory or key in self._in_file:
                return
            if image.nbytes <= self._memory_room:
                self._memory_room -= image.nbytes
                self._in_memory[key] = image
            elif in_file and self._room_in_file(image.nbytes):
                self._write(key, image)

    def window(self, key: Hashable, row: int, col: int, height: int, width: int) -> Image | None:
        """Give a part of the image of a key, which has to lie within it; not to be written to. None if none is kept."""
        image = self._in_memory.get(key)
        if image is not None:
            return image[row : row + height, col : col + width]
        if key not in self._in_file:
            return None
        begin, (_, whole) = self._in_file[key]
        lines = np.empty((height, whole), np.float32)
        with self._lock:
            file = cast(RawIOBase, self._file)
            file.seek(begin + 4 * row * whole)
            rest = lines.data.cast("B")
            while rest:
                rest = rest[file.readinto(rest) :]
        return lines[:, col : col + width]

    def _room_in_file(self, size: int) -> bool:
        if self._file_is_full:
            return False
        if self._file is None:
            folder = home.folder()
            self._disk_room = min(self._disk_room, int(shutil.disk_usage(folder).free * _SHARE_OF_FREE))
            # open as long as its owner lives (SIM115 wants it closed here)
            self._file = cast(RawIOBase, tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        if size > self._disk_room:
            self._give_up(f"{self._end / 1e9:.1f} GB of them fill the room in {home.folder()}")
        return not self._file_is_full

    def _write(self, key: Hashable, image: Image) -> None:
        file = cast(RawIOBase, self._file)
        file.seek(self._end)
        rest = np.ascontiguousarray(image, np.float32).data.cast("B")
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._give_up(f"the disk of {home.folder()} is full")
            return
        self._in_file[key] = self._end, (image.shape[0], image.shape[1])
        self._end += image.nbytes
        self._disk_room -= image.nbytes

    def _give_up(self, reason: str) -> None:
        self._file_is_full = True
        warnings.warn(
            f"further chips are read anew for each window, which is slower: {reason}. Make room there, or set "
            "LABKIT_HOME to a folder on a larger disk",
            UserWarning,
            stacklevel=5,
        )
