"""ENVI headers (``.hdr``) of flat rasters, as SNAP writes them beside each ``.img``."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand

_TYPES = {"1": "u1", "2": "i2", "3": "i4", "4": "f4", "5": "f8", "6": "c8", "9": "c16", "12": "u2", "13": "u4"}
_LINE = re.compile(r"^\s*([^={}\n]+?)\s*=\s*(\{[^}]*\}|[^\n]*)", re.MULTILINE)
_MAX_BYTES = 10_000_000


def read_envi_band(image: Path) -> FlatBand:
    """Read where the first band of a raster lies from the ``.hdr`` beside it.

    Raises
    ------
    FileError
        The header is missing or damaged, or the raster has another size.
    """
    header = image.with_suffix(".hdr")
    if not header.is_file():
        raise FileError(f"{image} must have its header beside it ({header.name}), found none. Copy it")
    if header.stat().st_size > _MAX_BYTES:
        raise FileError(f"{header} must be an ENVI header, instead it holds {header.stat().st_size} bytes")
    text = header.read_text("latin-1")
    if not text.startswith("ENVI"):
        raise FileError(f"{header} must begin with ENVI, instead got {text[:20]!r}. Write the product again")
    words = {found.group(1).lower(): found.group(2).strip() for found in _LINE.finditer(text)}
    lines, samples, bands = (_whole(words, name, header, 1) for name in ("lines", "samples", "bands"))
    kind, order, interleave = words.get("data type", ""), words.get("byte order", ""), words.get("interleave", "bsq")
    if kind not in _TYPES or order not in ("0", "1") or interleave.lower() not in ("bsq", "bil", "bip") or bands > 1000:
        raise FileError(
            f"{header} must hold a data type of numbers, a byte order 0 or 1 and an interleave bsq, bil or bip, "
            f"instead got data type={kind!r}, byte order={order!r}, interleave={interleave!r}. Write the product again"
        )
    offset = _whole(words, "header offset", header, 0) if "header offset" in words else 0
    return FlatBand(
        image, (lines, samples), "<>"[int(order)] + _TYPES[kind], 0, bands, interleave.lower(), offset
    ).check()


def _whole(words: dict[str, str], name: str, header: Path, least: int) -> int:
    value = words.get(name, "nothing")
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) < least:
        raise FileError(f"{header} must hold a whole number ≥ {least} at '{name}', instead got {value!r}")
    return int(value)
