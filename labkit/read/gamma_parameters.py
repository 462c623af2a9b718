"""GAMMA's text files: image parameters, map parameters, baselines."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import FileError

SPEED_OF_LIGHT = 299_792_458.0

_LINE = re.compile(r"^\s*([^:\s][^:]*?)\s*:\s*(.*)$")
_MAX_HEADER_BYTES = 10_000_000


def read_parameters(path: Path) -> dict[str, list[str]]:
    """Read a GAMMA parameter file as name → words of its value.

    Raises
    ------
    FileError
        The file cannot be read as text, or is far too large to be a header.
    """
    if path.stat().st_size > _MAX_HEADER_BYTES:
        raise FileError(f"{path} must be a GAMMA parameter file, instead it holds {path.stat().st_size} bytes")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be a GAMMA parameter file of plain text, instead it is binary") from error
    lines = (_LINE.match(line) for line in text.splitlines())
    return {found.group(1): found.group(2).split() for found in lines if found}


def number(parameters: dict[str, list[str]], name: str, path: Path) -> float:
    """Give the first number of a parameter.

    Raises
    ------
    FileError
        The parameter is missing, or is no finite number.
    """
    words = parameters.get(name)
    if not words:
        raise FileError(f"{path} must hold the line '{name}:', instead it is missing. Is the file cut?")
    try:
        value = float(words[0])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FileError(f"{path} must hold a finite number at '{name}:', instead got {words[0]!r}")
    return value


@dataclass(frozen=True)
class ImageParameters:
    """What an image ``.par`` says of a radar image. Spacings m (slant range along x), angles degrees."""

    path: Path
    lines: int
    samples: int
    y_spacing: float
    x_spacing: float
    heading: float
    incidence_angle: float
    wavelength: float
    look_angle: float

    @property
    def orbit_direction(self) -> str:
        """ "ascending" where the satellite flies toward the north."""
        return "ascending" if math.cos(math.radians(self.heading)) > 0 else "descending"

    @property
    def attributes(self) -> dict[str, object]:
        """How the radar looks, as scene attributes: wavelength, heading, incidence angle, orbit direction."""
        names = ("wavelength", "heading", "incidence_angle", "orbit_direction")
        return {name: getattr(self, name) for name in names}


def read_image_parameters(path: Path) -> ImageParameters | None:
    """Read an image ``.par``; None where the file is no image parameter file.

    Raises
    ------
    FileError
        It is one, and a line is missing or no number.
    """
    parameters = read_parameters(path)
    if "range_samples" not in parameters or "azimuth_lines" not in parameters:
        return None
    values = {
        name: number(parameters, name, path)
        for name in (
            "azimuth_lines",
            "range_samples",
            "azimuth_pixel_spacing",
            "range_pixel_spacing",
            "heading",
            "incidence_angle",
            "radar_frequency",
        )
    }
    for name in ("azimuth_lines", "range_samples", "azimuth_pixel_spacing", "range_pixel_spacing", "radar_frequency"):
        if values[name] <= 0:
            raise FileError(f"{path} must hold a positive number at '{name}:', instead got {values[name]}")
    for name in ("azimuth_lines", "range_samples"):
        if values[name] != int(values[name]):
            raise FileError(f"{path} must hold a whole number at '{name}:', instead got {values[name]}")
    if not 0 < values["incidence_angle"] < 90:
        raise FileError(
            f"{path} must hold an angle between 0 and 90 at 'incidence_angle:', instead got {values['incidence_angle']}"
        )
    return ImageParameters(
        path=path,
        lines=int(values["azimuth_lines"]),
        samples=int(values["range_samples"]),
        y_spacing=values["azimuth_pixel_spacing"],
        x_spacing=values["range_pixel_spacing"],
        heading=values["heading"] % 360.0,
        incidence_angle=values["incidence_angle"],
        wavelength=SPEED_OF_LIGHT / values["radar_frequency"],
        look_angle=_look_angle(parameters, values["incidence_angle"], path),
    )


def _look_angle(parameters: dict[str, list[str]], incidence: float, path: Path) -> float:
    """Look angle at the satellite from the incidence angle on the ground, by the law of sines; degrees."""
    if "sar_to_earth_center" not in parameters or "earth_radius_below_sensor" not in parameters:
        return math.nan
    radius, orbit = (number(parameters, name, path) for name in ("earth_radius_below_sensor", "sar_to_earth_center"))
    if not 0 < radius < orbit:
        raise FileError(
            f"{path} must hold an orbit beyond the Earth's surface, instead got sar_to_earth_center: {orbit}, "
            f"earth_radius_below_sensor: {radius}"
        )
    ratio = radius / orbit
    return math.degrees(math.asin(min(1.0, max(-1.0, math.sin(math.radians(incidence)) * ratio))))


@dataclass(frozen=True)
class MapParameters:
    """What a ``dem_par`` says of a geographic grid: the centre of its first pixel and its steps, degrees."""

    path: Path
    lines: int
    width: int
    first_lat: float
    first_lon: float
    lat_step: float
    lon_step: float


def read_map_parameters(path: Path) -> MapParameters:
    """Read a ``dem_par`` on the geographic grid EQA.

    Raises
    ------
    FileError
        A line is missing, or the projection is another one.
    """
    parameters = read_parameters(path)
    projection = (parameters.get("DEM_projection") or ["nothing"])[0]
    if projection != "EQA":
        raise FileError(f"{path} must be on the projection EQA (geographic), instead got DEM_projection={projection}")
    return MapParameters(
        path=path,
        lines=int(number(parameters, "nlines", path)),
        width=int(number(parameters, "width", path)),
        first_lat=number(parameters, "corner_lat", path),
        first_lon=number(parameters, "corner_lon", path),
        lat_step=number(parameters, "post_lat", path),
        lon_step=number(parameters, "post_lon", path),
    )


def perpendicular_baseline(path: Path, look_angle: float) -> float:
    """Give the perpendicular baseline (m) of a pair at the scene's centre, from its ``base.par`` or ``bperp.par``.

    Parameters
    ----------
    path : Path
        ``*_base.par`` with the baseline vector in track, cross-track and normal components (TCN), or the printed table
        of GAMMA's ``base_perp`` (``*bperp.par``), of which the mean is taken.
    look_angle : float
        Degrees; NaN gives NaN for a ``base.par``.

    Notes
    -----
    B⊥ = B_c cos θ − B_n sin θ with the look angle θ of a right-looking radar. The precision baseline is taken where it
    is not zero, else the initial one.
    """
    parameters = read_parameters(path)
    for name in ("precision_baseline(TCN)", "initial_baseline(TCN)"):
        words = parameters.get(name, [])
        try:
            components = [float(w) for w in words[:3]]
        except ValueError as error:
            raise FileError(f"{path} must hold three numbers at '{name}:', instead got {words[:3]}") from error
        if not all(map(math.isfinite, components)):
            raise FileError(f"{path} must hold finite numbers at '{name}:', instead got {words[:3]}")
        if len(components) == 3 and any(components):
            theta = math.radians(look_angle)
            return components[1] * math.cos(theta) - components[2] * math.sin(theta)
    return _mean_of_table(path)


def _mean_of_table(path: Path) -> float:
    column: int | None = None
    values: list[float] = []
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        if "bperp" in words:
            # "look angle" is one column under two words.
            column = words.index("bperp") - words.count("look")
        elif column is not None and len(words) > column and re.fullmatch(r"\d+", words[0]):
            values.append(_table_number(words[column], path))
    return sum(values) / len(values) if values else math.nan


def _table_number(word: str, path: Path) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FileError(f"{path} must hold finite baselines in its column bperp, instead got {word!r}. Make it again")
    return value
