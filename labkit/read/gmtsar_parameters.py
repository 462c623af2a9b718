"""GMTSAR's text files: ``.PRM`` parameters and ``baseline_table.dat``, and its way to write dates."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import FileError
from labkit.read.pairs import pair_name
from labkit.read.sphere import incidence_angle

_MAX_BYTES = 10_000_000
_SPEED_OF_LIGHT = 299_792_458.0
_PAIR = re.compile(r"^(\d{7}|\d{8})_(\d{7}|\d{8})$")


@dataclass(frozen=True)
class RadarParameters:
    """What a ``.PRM`` says of the radar; lengths m, NaN where a line is missing."""

    path: Path
    wavelength: float
    range_pixel: float
    line_spacing: float
    near_range: float
    earth_radius: float
    height: float
    orbit_direction: str

    def incidence_at(self, range_index: float) -> float:
        """Incidence angle (degrees) at a range sample of the full resolution."""
        return incidence_angle(
            self.path, self.earth_radius, self.height, self.near_range + range_index * self.range_pixel
        )


def read_prm(path: Path) -> RadarParameters:
    """Read a ``.PRM``.

    Raises
    ------
    FileError
        It is no text, too large, or a line holds no positive number.
    """
    words = _words(path)
    wavelength = _number(words, "radar_wavelength", path)
    if math.isnan(wavelength):
        raise FileError(f"{path} must hold the line 'radar_wavelength', instead it is missing. Is the file cut?")
    radius, height = _number(words, "earth_radius", path), _number(words, "SC_height", path)
    orbit = {"A": "ascending", "D": "descending"}.get(words.get("orbdir", "")[:1].upper(), "")
    return RadarParameters(
        path=path,
        wavelength=wavelength,
        range_pixel=_SPEED_OF_LIGHT / 2 / _number(words, "rng_samp_rate", path),
        # Lines are counted along the orbit; on the ground they lie closer.
        line_spacing=_number(words, "SC_vel", path) / _number(words, "PRF", path) * radius / (radius + height),
        near_range=_number(words, "near_range", path),
        earth_radius=radius,
        height=height,
        orbit_direction=orbit,
    )


def read_baseline_table(path: Path) -> dict[str, float]:
    """Read ``baseline_table.dat`` as date "YYYYMMDD" → perpendicular baseline against the first image, m.

    Raises
    ------
    FileError
        A line is damaged.
    """
    baselines = {}
    for line in _text(path).splitlines():
        columns = line.split()
        if not columns:
            continue
        try:
            date, value = _date(columns[1][:7], path), float(columns[4])
        except (IndexError, ValueError) as error:
            raise FileError(
                f"{path} must hold lines of five columns (image, yyyyddd.dd, days, parallel, perpendicular), instead "
                f"got {line[:60]!r}. Make it again with baseline_table.csh"
            ) from error
        if not math.isfinite(value):
            raise FileError(f"{path} must hold finite baselines, instead got {line[:60]!r}")
        baselines[date] = value
    return baselines


def folder_pair(folder: Path) -> str | None:
    """Give "YYYYMMDD_YYYYMMDD" from a folder named YYYYDDD_YYYYDDD or YYYYMMDD_YYYYMMDD, else None.

    GMTSAR counts the days of a year from 000: 2015016 is the 17th of January.

    Raises
    ------
    FileError
        The digits are no dates, or the secondary is not after the reference.
    """
    found = _PAIR.match(folder.name)
    if not found:
        return None
    dates = [digits if len(digits) == 8 else _date(digits, folder) for digits in found.groups()]
    name = pair_name(folder.with_name("_".join(dates)))
    if name is None:
        raise FileError(f"{folder} must be named after two dates of 1900 to 2099, instead got {folder.name}. Rename it")
    return name


def _date(digits: str, path: Path) -> str:
    if not re.fullmatch(r"\d{7}", digits) or int(digits[4:]) > 365 or int(digits[:4]) < 1:
        raise FileError(f"{path} must name dates as YYYYDDD with days 000 to 365, instead got {digits}")
    day = datetime.date(int(digits[:4]), 1, 1) + datetime.timedelta(days=int(digits[4:]))
    return day.strftime("%Y%m%d")


def _text(path: Path) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise FileError(f"{path} must be a short text file, instead it holds {path.stat().st_size} bytes")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be plain text, instead it is binary. Make it again") from error


def _words(path: Path) -> dict[str, str]:
    split = (line.split("=", 1) for line in _text(path).splitlines())
    return {pair[0].strip(): pair[1].strip() for pair in split if len(pair) == 2}


def _number(words: dict[str, str], name: str, path: Path) -> float:
    """A positive number; NaN where the line is missing."""
    if name not in words:
        return math.nan
    try:
        value = float(words[name].split()[0])
    except (ValueError, IndexError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise FileError(f"{path} must hold a positive number at '{name}', instead got {words[name]!r}. Mend it")
    return value
