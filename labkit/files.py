"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.errors import FileError


@contextmanager
def whole(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a place to write to; it becomes ``target`` only when the body ends without an error.

    Parameters
    ----------
    target : path-like
        The file to be. Its folder is made. An older file of that name stays untouched until the new one is complete,
        also when the process dies.

    Yields
    ------
    pathlib.Path
        A path of the same name in a folder of its own beside ``target`` (drivers name layers after the file).

    Raises
    ------
    FileError
        The folder cannot be written, or the disk is full.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(Path(folder) / "a.txt") as partial:
    ...         _ = partial.write_text("complete")
    ...     (Path(folder) / "a.txt").read_text()
    'complete'
    """
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            partial = Path(folder) / path.name
            yield partial
            partial.replace(path)
    except OSError as error:
        raise FileError(f"{path} must be writable with enough room on its disk, instead got: {error}") from error
