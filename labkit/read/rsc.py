"""ROI_PAC's ``.rsc`` headers: a name and a value on each line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import FileError
from labkit.read.pairs import pair_name

_MAX_HEADER_BYTES = 10_000_000
_DATES = re.compile(r"(?<!\d)(\d{6}|\d{8})[-_](\d{6}|\d{8})(?!\d)")


@dataclass(frozen=True)
class Resource:
    """A ``.rsc`` header: its file and its words by name."""

    path: Path
    words: dict[str, str]

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and samples."""
        lines, samples = self.number("FILE_LENGTH"), self.number("WIDTH")
        for name, value in (("FILE_LENGTH", lines), ("WIDTH", samples)):
            if value < 1 or value != int(value):
                raise FileError(f"{self.path} must hold a whole number ≥ 1 at {name}, instead got {self.words[name]}")
        return int(lines), int(samples)

    def number(self, name: str) -> float:
        """Give a number that must be there.

        Raises
        ------
        FileError
            The line is missing, or holds no finite number.
        """
        if name not in self.words:
            raise FileError(f"{self.path} must hold the line '{name}', instead it is missing. Is the file cut?")
        value = _number(self.words[name])
        if not math.isfinite(value):
            raise FileError(f"{self.path} must hold a finite number at {name}, instead got {self.words[name]!r}")
        return value

    def first_of(self, *names: str) -> float:
        """Give the first of these numbers that is there; NaN where none is.

        Raises
        ------
        FileError
            The line is there and holds no finite number.
        """
        return next((self.number(name) for name in names if name in self.words), math.nan)

    def mean(self, *names: str) -> float:
        """Give the mean of the numbers that are there; NaN where none is."""
        values = [self.number(name) for name in names if name in self.words]
        return sum(values) / len(values) if values else math.nan


def read_resource(path: Path) -> Resource:
    """Read a ``.rsc`` header.

    Raises
    ------
    FileError
        The file is no text, or far too large for a header.
    """
    if path.stat().st_size > _MAX_HEADER_BYTES:
        raise FileError(f"{path} must be a ROI_PAC header, instead it holds {path.stat().st_size} bytes")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be a ROI_PAC header of plain text, instead it is binary. Make it anew") from error
    split = (line.split(None, 1) for line in text.splitlines())
    return Resource(path, {pair[0]: pair[1].strip() for pair in split if len(pair) == 2})


def ordered_pair(path: Path, header: Resource) -> tuple[str, bool]:
    """Give "YYYYMMDD_YYYYMMDD", earlier date first, and whether the file has them the other way round.

    The dates are those of DATE12 in the header, else of the file's name; years of two digits are 1960 to 2059.

    Raises
    ------
    FileError
        No two different calendar dates are named.
    """
    found = _DATES.search(header.words.get("DATE12", "")) or _DATES.search(path.name)
    if found is None:
        raise FileError(
            f"{header.path} must name the two dates of the pair at DATE12 (061002-070219), instead got "
            f"{header.words.get('DATE12', 'nothing')}. Add the line"
        )
    first, second = (_full_year(digits) for digits in found.groups())
    reverse = second < first
    name = f"{second}_{first}" if reverse else f"{first}_{second}"
    checked = pair_name(header.path.with_name(name))
    if checked is None:
        raise FileError(f"{header.path} must name two calendar dates, instead got {found.group(0)}. Mend DATE12")
    return checked, reverse


def _full_year(digits: str) -> str:
    if len(digits) == 8:
        return digits
    return ("19" if int(digits[:2]) >= 60 else "20") + digits


def _number(word: str) -> float:
    try:
        return float(word.split()[0])
    except ValueError:
        return math.nan
