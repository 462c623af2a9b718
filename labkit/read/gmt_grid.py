"""GMT's NetCDF grids (``.grd``), of NetCDF-4 or of the classic kind: where a grid lies, and its values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.io import netcdf_file

from labkit.errors import FileError
from labkit.read.hdf5 import attribute
from labkit.read.raster import MAX_PIXELS

_X, _Y = ("x", "lon", "longitude"), ("y", "lat", "latitude")
_REMEDY = "Make it again, or write it anew with 'gmt grdconvert old.grd new.grd=nf'"


@dataclass(frozen=True)
class GmtGrid:
    """The header of a GMT grid. First coordinates and steps are those of the file: y usually grows with the row."""

    path: Path
    shape: tuple[int, int]
    variable: str
    first_y: float
    first_x: float
    y_step: float
    x_step: float


def read_header(path: Path) -> GmtGrid:
    """Read the header of a GMT grid; no value of the grid is read.

    Raises
    ------
    FileError
        It is no NetCDF file, is cut, has no grid with evenly spaced axes, or an absurd size.
    """
    with _opened(path, whole=False) as file:
        names = sorted(name for name, v in file.items() if len(v.shape) == 2)
        if not names:
            raise FileError(f"{path} must hold a 2-D grid as GMT writes it, found {sorted(file)[:5]}. {_REMEDY}")
        name = "z" if "z" in names else names[0]
        lines, samples = (int(n) for n in file[name].shape)
        if lines < 2 or samples < 2 or lines * samples > MAX_PIXELS:
            raise FileError(
                f"{path} must have at least 2 × 2 and at most {MAX_PIXELS} pixels, instead its header claims "
                f"{lines} × {samples}. {_REMEDY}"
            )
        first_y, y_step = _axis(path, file, _Y, lines)
        first_x, x_step = _axis(path, file, _X, samples)
    return GmtGrid(path, (lines, samples), name, first_y, first_x, y_step, x_step)


def read_values(grid: GmtGrid) -> npt.NDArray[Any]:
    """Read the values of a grid in the row order of the file; what the file marks as filled is NaN.

    Raises
    ------
    FileError
        The file was cut or changed since its header was read.
    """
    with _opened(grid.path, whole=True) as file:
        if grid.variable not in file or tuple(file[grid.variable].shape) != grid.shape:
            raise FileError(f"{grid.path} must be the grid that was opened, instead it has changed. Open it again")
        variable = file[grid.variable]
        values = np.asarray(variable[:])
        fill = _attribute(variable, "_FillValue")
        scale, offset = _attribute(variable, "scale_factor"), _attribute(variable, "add_offset")
    if values.dtype.kind not in "iuf":
        raise FileError(f"{grid.path} must hold numbers, instead got {values.dtype}. {_REMEDY}")
    missing = np.zeros(values.shape, bool) if fill is None or np.isnan(fill) else values == fill
    numbers = values.astype(np.float64) * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)
    return np.where(missing, np.nan, numbers)


@contextmanager
def _opened(path: Path, *, whole: bool) -> Iterator[Any]:
    """The variables of a NetCDF file by name; damage becomes one error with the file's name.

    Links and storage outside the file are left out, so that no grid can lead to another file.
    """
    if not path.is_file():
        raise FileError(f"{path} must be a file, instead there is nothing. Make the grid again")
    with path.open("rb") as raw:
        magic = raw.read(8)
    try:
        if magic == b"\x89HDF\r\n\x1a\n":
            with h5py.File(path, "r") as file:
                inside = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
                held = {name: item for name in inside if isinstance(item := file[name], h5py.Dataset)}
                yield {name: item for name, item in held.items() if not (item.external or item.is_virtual)}
        elif magic[:3] == b"CDF" and magic[3:4] in (b"\x01", b"\x02"):
            # Mapped, only the axes are read; the map closes once nothing refers to its variables.
            with netcdf_file(path, "r", mmap=not whole) as classic:
                variables = dict(classic.variables)
                try:
                    yield variables
                finally:
                    variables.clear()
        else:
            raise FileError(f"{path} must be a NetCDF grid, instead it begins with {magic!r}. {_REMEDY}")
    except FileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise FileError(f"{path} must be a whole NetCDF grid, instead got: {error}. {_REMEDY}") from error


def _axis(path: Path, file: Any, names: tuple[str, ...], length: int) -> tuple[float, float]:
    """First coordinate and step of an evenly spaced axis."""
    name = next((n for n in names if n in file and tuple(file[n].shape) == (length,)), None)
    if name is None:
        raise FileError(f"{path} must hold the axis {names[0]!r} with {length} values, found {sorted(file)}. {_REMEDY}")
    values = np.asarray(file[name][:], np.float64)
    step = (values[-1] - values[0]) / (length - 1)
    if not np.isfinite(values).all() or step == 0 or np.abs(np.diff(values) - step).max() > 0.01 * abs(step):
        raise FileError(f"{path} must have an evenly spaced axis {name!r}, instead its steps differ. {_REMEDY}")
    return float(values[0]), float(step)


def _attribute(variable: Any, name: str) -> float | None:
    value = attribute(variable, name) if isinstance(variable, h5py.Dataset) else getattr(variable, name, None)
    return None if value is None else float(np.asarray(value).ravel()[0])
