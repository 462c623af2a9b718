"""The European Ground Motion Service: points of line-of-sight velocity (CSV, levels L2a and L2b), on a grid."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import xarray as xr

from labkit.errors import FileError, LabkitError
from labkit.read.looking import SENTINEL1_WAVELENGTH, orbit_direction
from labkit.read.pairs import find_files, scene_name
from labkit.read.rate_map import rate_dataset

CRS_OF_EGMS = "EPSG:3035"

_NEEDED = ("easting", "northing", "mean_velocity")
_LINE_OF_SIGHT = ("incidence_angle", "track_angle")
_ERROR = "mean_velocity_std"
_NAME = re.compile(r"^EGMS_L2[ab]_(\d{3})_(\d{4}_IW[123])_", re.IGNORECASE)
_HEADER_BYTES = 1_000_000
_EXTENT_M = 1e7

#: A track of bursts is some 10 million cells of 100 m; one misplaced point must not ask for a continent of memory.
_MAX_CELLS = 100_000_000

Points = dict[str, npt.NDArray[np.float64]]


def recognise(path: Path) -> bool:
    """Whether this is a CSV with the columns of EGMS, or a folder with files named ``EGMS_….csv``."""
    if path.is_dir():
        return bool(find_files(path, r"(?i)^EGMS_.*\.csv$"))
    return path.suffix.lower() == ".csv" and set(_NEEDED) <= set(_columns(path))


def open_points(path: Path, *, cell_m: float = 100.0) -> xr.Dataset:
    """Grid the points of EGMS (:func:`labkit.open_rates` says what they may be).

    All points are read once when the file is opened: their extent makes the grid.

    Parameters
    ----------
    path : Path
        A CSV of level L2a or L2b, or a folder of several of one track (bursts and swaths are put together).
    cell_m : float
        Edge of the cells, m. Their borders are multiples of it in EPSG:3035, so that maps of all tracks fit.

    Returns
    -------
    xarray.Dataset
        rates: the mean velocity of the points in each cell, NaN where there is none; ``standard_error`` where the file
        has ``mean_velocity_std``; attribute ``n_points``.

    Raises
    ------
    FileError
        Columns are missing, the level is L3 (not line of sight), values are no numbers, or tracks are mixed.

    Notes
    -----
    Velocities are mm/yr, positive toward the satellite, as EGMS delivers them. The error of a cell's mean is
    √(Σ σ²) / n, as if its points were independent; the atmosphere that neighbours share makes it too small.
    """
    if not cell_m > 0 or not math.isfinite(cell_m):
        raise LabkitError(f"cell_m must be a positive number of metres, instead got cell_m={cell_m}")
    files = [path] if path.is_file() else find_files(path, r"(?i)^EGMS_.*\.csv$")
    if not files:
        raise FileError(f"{path} must be or hold a CSV of EGMS (EGMS_L2a_….csv), found none. Unzip the download")
    names = [_NAME.match(file.name) for file in files]
    tracks = sorted({name[1] for name in names if name})
    if len(tracks) > 1:
        raise FileError(f"{path} must hold points of one track, instead got {tracks}. Give each a folder of its own")
    parts = [_read_points(file) for file in files]
    common = set.intersection(*(set(part) for part in parts))
    points = {name: np.concatenate([part[name] for part in parts]) for name in common}
    heading = _mean_angle(points["track_angle"])
    attrs: dict[str, object] = {
        "scene": files[0].stem if len(files) == 1 else scene_name(path),
        "geometry": "map",
        "crs": CRS_OF_EGMS,
        "wavelength": SENTINEL1_WAVELENGTH,
        "heading": heading,
        "orbit_direction": orbit_direction(heading),
        "incidence_angle": float(points["incidence_angle"].mean()),
        "y_spacing": cell_m,
        "x_spacing": cell_m,
        "ground_spacing": cell_m,
        "track": tracks[0] if tracks else "",
        "burst": names[0][2] if len(files) == 1 and names[0] else "",
        "processor": "EGMS",
        "n_points": len(points["easting"]),
    }
    return _gridded(path, points, cell_m, attrs)


def _gridded(path: Path, points: Points, cell_m: float, attrs: dict[str, object]) -> xr.Dataset:
    col = np.floor(points["easting"] / cell_m).astype(np.int64)
    row = np.floor(points["northing"] / cell_m).astype(np.int64)
    left, top = col.min(), row.max()
    shape = (int(top - row.min()) + 1, int(col.max() - left) + 1)
    if shape[0] * shape[1] > _MAX_CELLS:
        raise FileError(
            f"{path} must cover at most {_MAX_CELLS} cells of {cell_m} m, instead got {shape}. Is a point misplaced?"
        )
    cell = (top - row) * shape[1] + (col - left)
    coords = {
        "y": (top + 0.5 - np.arange(shape[0])) * cell_m,
        "x": (left + 0.5 + np.arange(shape[1])) * cell_m,
    }
    rate = functools.partial(_mean_per_cell, cell, points["mean_velocity"], shape)
    error = functools.partial(_error_per_cell, cell, points[_ERROR], shape) if _ERROR in points else None
    return rate_dataset(shape, rate, error, coords, attrs)


def _mean_per_cell(
    cell: npt.NDArray[np.int64], values: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, values, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32).reshape(shape)


def _error_per_cell(
    cell: npt.NDArray[np.int64], errors: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, errors * errors, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        return (np.sqrt(total) / count).astype(np.float32).reshape(shape)


def _mean_angle(degrees: npt.NDArray[np.float64]) -> float:
    """Mean direction, 0..360: 359° and 1° average to 0°."""
    return math.degrees(np.angle(np.exp(1j * np.radians(degrees)).mean())) % 360.0


def _columns(path: Path) -> list[str]:
    with path.open("rb") as file:
        line = file.readline(_HEADER_BYTES)
    return [name.strip().strip('"') for name in line.decode("utf-8", "replace").lstrip("\ufeff").split(",")]


def _read_points(path: Path) -> Points:
    """Read the columns that are needed; points without a finite velocity or place are left out."""
    columns = _columns(path)
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise FileError(f"{path} must have the columns {_NEEDED}, instead these are missing: {missing}. Fetch it again")
    if any(name not in columns for name in _LINE_OF_SIGHT):
        raise FileError(
            f"{path} must hold line-of-sight velocities (levels L2a and L2b, with {_LINE_OF_SIGHT}), instead it has "
            "no look angles: level L3 holds vertical or east-west motion. Download L2a or L2b"
        )
    wanted = [*_NEEDED, *_LINE_OF_SIGHT, *([_ERROR] if _ERROR in columns else [])]
    options = pa.csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.float64()))
    try:
        table = pa.csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise FileError(f"{path} must be a whole CSV of numbers, instead got: {reason}. Fetch it again") from error
    values = {name: table[name].to_numpy() for name in wanted}
    whole = np.all([np.isfinite(values[name]) for name in (*_NEEDED, *_LINE_OF_SIGHT)], axis=0)
    if not whole.any():
        raise FileError(f"{path} must hold at least one point with a velocity, instead got none in {len(whole)} lines")
    points = {name: column[whole] for name, column in values.items()}
    for name in ("easting", "northing"):
        worst = float(np.abs(points[name]).max())
        if worst > _EXTENT_M:
            raise FileError(f"{path} must hold {name} in metres of {CRS_OF_EGMS}, instead it reaches {worst:.4g}")
    return points
