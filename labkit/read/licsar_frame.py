"""What a LiCSAR frame says of its geometry: its name, ``metadata.txt``, ``baselines``, and the E, N, U rasters."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from labkit.errors import FileError
from labkit.read.looking import heading_of_look, orbit_direction
from labkit.read.pairs import scene_name
from labkit.read.raster import read_band, read_grid
from labkit.read.text_header import header_number, read_text_header

_FRAME = re.compile(r"(?<!\d)(\d{3})([AD])_(\d{5})_(\d{6})(?!\d)")
_DEPTH = 3
_UNIT_TOLERANCE = 0.05


def frame_files(folder: Path, pattern: str) -> list[Path]:
    """Give the files below ``folder``, three levels deep as a frame has them, that match the glob pattern."""
    levels = (folder.glob("/".join(["*"] * depth + [pattern])) for depth in range(_DEPTH))
    return sorted(p for level in levels for p in level if p.is_file())


def frame_attributes(folder: Path) -> dict[str, object]:
    """Give what is known of a frame, as scene attributes; what is not known is left out.

    Scene, track and orbit direction from the frame's name (106D_05447_131313: track 106, descending); heading and
    incidence angle from ``metadata.txt``, else from the look vector rasters (``*E.geo.tif``, ``*geo.E.tif``, …).

    Raises
    ------
    FileError
        A file is damaged, or the look vectors are not of length one.
    """
    attrs: dict[str, object] = {"scene": scene_name(folder)}
    name = next((found for part in reversed(folder.absolute().parts) if (found := _FRAME.search(part))), None)
    if name is None:
        rasters = (_FRAME.search(p.name) for p in _beside(folder, "*.geo.[ENU].tif"))
        name = next((found for found in rasters if found), None)
    if name is not None:
        attrs["scene"] = name[0]
        attrs["track"] = name[1]
        attrs["orbit_direction"] = "ascending" if name[2] == "A" else "descending"
    geometry = _from_metadata(folder) or _from_look_vectors(folder)
    if "orbit_direction" not in attrs and "heading" in geometry:
        attrs["orbit_direction"] = orbit_direction(geometry["heading"])
    return attrs | geometry


def perpendicular_baselines(folder: Path) -> dict[str, float]:
    """Give date → perpendicular baseline (m) against the frame's primary date, from its ``baselines`` file.

    Raises
    ------
    FileError
        A line is not ``primary date bperp days``.
    """
    baselines: dict[str, float] = {}
    for path in _beside(folder, "baselines")[:1]:
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise FileError(f"{path} must be plain text, instead it is binary. Fetch it again") from error
        for line in lines:
            words = line.split()
            if not words:
                continue
            value = _finite(words[2]) if len(words) > 2 else math.nan
            if math.isnan(value):
                raise FileError(
                    f"{path} must hold lines of 'primary date bperp days', instead got {line[:80]!r}. Fetch it again"
                )
            baselines[words[1]] = value
            baselines.setdefault(words[0], 0.0)
    return baselines


def _finite(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _beside(folder: Path, pattern: str) -> list[Path]:
    """Files in the folder, its ``metadata/``, or those of the folder above, nearest first."""
    places = (folder, folder / "metadata", folder.absolute().parent, folder.absolute().parent / "metadata")
    return [p for place in places for p in sorted(place.glob(pattern)) if p.is_file()]


def _from_metadata(folder: Path) -> dict[str, float]:
    for path in _beside(folder, "metadata.txt")[:1]:
        header = read_text_header(path, "=")
        heading = header_number(header, "heading", path)
        if math.isfinite(heading):
            incidence = header_number(header, "avg_incidence_angle", path)
            return {"heading": heading % 360.0, "incidence_angle": incidence}
    return {}


def _from_look_vectors(folder: Path) -> dict[str, float]:
    """Heading and incidence angle of the mean look vector (unit vector from the ground to the satellite)."""
    rasters = []
    for letter in "ENU":
        found = _beside(folder, f"*{letter}.geo.tif") + _beside(folder, f"*.geo.{letter}.tif")
        if not found:
            return {}
        rasters.append(found[0])
    layers = [read_band(path, read_grid(path).shape) for path in rasters]
    if len({layer.shape for layer in layers}) > 1:
        raise FileError(
            f"{rasters[0]} must have the size of its N and U, instead got {[layer.shape for layer in layers]}"
        )
    look = np.stack(layers).astype(float)
    known = np.isfinite(look).all(axis=0) & (look != 0).any(axis=0)
    if not known.any():
        return {}
    length = np.linalg.norm(look[:, known], axis=0)
    if np.abs(length - 1).max() > _UNIT_TOLERANCE:
        raise FileError(
            f"{rasters[0]} must hold the east part of a unit vector with N and U beside it, instead the three have a "
            f"length of up to {length.max():.4g}"
        )
    east, north, up = look[:, known].mean(axis=1)
    return {
        "heading": heading_of_look(float(east), float(north)),
        "incidence_angle": math.degrees(math.acos(min(1.0, max(-1.0, float(up / np.linalg.norm((east, north, up))))))),
    }
