"""Headers of plain text, one ``name: value`` or ``name=value`` on each line."""

from __future__ import annotations

import math
from pathlib import Path

from labkit.errors import FileError

_MAX_HEADER_BYTES = 10_000_000


def read_text_header(path: Path, separator: str) -> dict[str, str]:
    """Read a header as name → value; lines without the separator are left out, of a name that stands twice the last.

    Raises
    ------
    FileError
        The file is no text, or far too large to be a header.
    """
    size = path.stat().st_size
    if size > _MAX_HEADER_BYTES:
        raise FileError(f"{path} must be a header of plain text, instead it holds {size} bytes")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be a header of plain text, instead it is binary. Fetch it again") from error
    parts = (line.partition(separator) for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in parts if found}


def header_number(header: dict[str, str], name: str, path: Path) -> float:
    """Give a number of a header, or NaN where it is missing or empty.

    Raises
    ------
    FileError
        There is a value, and it is no finite number.
    """
    text = header.get(name, "")
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FileError(f"{path} must hold a finite number at '{name}', instead got {text!r}. Fetch it again")
    return value
