"""GAMMA's ``itab``: which pairs of a stack a person has switched off."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.errors import FileError
from labkit.read.pairs import find_files

_DATE = re.compile(r"(?<!\d)((?:19|20)\d{6})(?!\d)")
_MAX_BYTES = 10_000_000


def switched_off(folder: Path) -> set[str]:
    """Give the pairs "YYYYMMDD_YYYYMMDD" whose flag in ``itab`` is 0.

    Parameters
    ----------
    folder : Path
        Searched for one ``itab`` (columns: first image, second image, number of the pair, flag; images counted from 1)
        and its image list (``SLC_tab``, ``RSLC_tab`` or ``MLI_tab``, whose lines name the dates). Without an ``itab``
        nothing is switched off.

    Raises
    ------
    FileError
        A line is damaged, the image list is missing, or an image is not on it.
    """
    itab = next(iter(find_files(folder, r"^itab$|\.itab$|^itab\.txt$")), None)
    if itab is None:
        return set()
    rows = []
    for line in _lines(itab):
        words = line.split()
        if len(words) < 4 or not all(re.fullmatch(r"\d{1,6}", word) for word in words[:4]):
            raise FileError(
                f"{itab} must hold lines of four whole numbers (image, image, pair, flag), instead got {line[:60]!r}. "
                "Make it again with base_calc, or take it away"
            )
        rows.append([int(word) for word in words[:4]])
    off = [row for row in rows if row[3] == 0]
    if not off:
        return set()
    dates = _dates(folder, itab)
    missing = [i for row in off for i in row[:2] if not 1 <= i <= len(dates)]
    if missing:
        raise FileError(f"{itab} must count the images of its SLC_tab (1 to {len(dates)}), instead got {missing[0]}")
    return {"_".join(sorted((dates[first - 1], dates[second - 1]))) for first, second, *_ in off}


def _dates(folder: Path, itab: Path) -> list[str]:
    table = next(iter(find_files(folder, r"(?i)(slc|mli)_?tab(\.txt)?$")), None)
    if table is None:
        raise FileError(f"{itab} must have its image list (SLC_tab) beside it, found none. Copy it, or take itab away")
    dates = []
    for line in _lines(table):
        found = _DATE.search(line)
        if found is None:
            raise FileError(f"{table} must name an image with its date on each line, instead got {line[:60]!r}")
        dates.append(found.group(1))
    return dates


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > _MAX_BYTES:
        raise FileError(f"{path} must be a short table, instead it holds {path.stat().st_size} bytes")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be plain text, instead it is binary. Make it again") from error
    return [line for line in text.splitlines() if line.strip()]
