"""The ground that GeoTIFFs of different extent on one lattice have in common, and reading on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.raster import Grid, read_band, read_grid

#: Grids that disagree by more than this share of a pixel are not one lattice.
_TOLERANCE_PX = 0.1


def common_grid(grids: Sequence[Grid]) -> Grid:
    """Give the grid of the ground that all files cover.

    Services cut each product to its own footprint, a few pixels more or fewer on one lattice: cropping to what they
    share loses nothing that a stack could use, and needs no resampling.

    Raises
    ------
    FileError
        A file has another CRS or spacing, lies between the others' pixels, or shares no ground with them.
    """
    first = grids[0]
    top, left, bottom, right = 0, 0, *first.shape
    for grid in grids[1:]:
        row, col = _offset(first, grid)
        top, left = max(top, row), max(left, col)
        bottom, right = min(bottom, row + grid.shape[0]), min(right, col + grid.shape[1])
        if bottom <= top or right <= left:
            raise FileError(
                f"{grid.path} must cover ground of the other pairs, instead it shares none with {first.path.name}. "
                "Keep each area in a folder of its own"
            )
    return replace(
        first,
        shape=(bottom - top, right - left),
        first_y=first.first_y + top * first.y_step,
        first_x=first.first_x + left * first.x_step,
    )


def read_on(path: Path, grid: Grid) -> npt.NDArray[np.float32]:
    """Read a GeoTIFF (:func:`labkit.read.raster.read_band`) on a grid that :func:`common_grid` gave.

    Returns
    -------
    numpy.ndarray
        ``grid.shape``, float32, the file's no-data value as NaN.

    Raises
    ------
    FileError
        The file is cut, or changed since the folder was opened so that it no longer covers the grid.
    """
    own = read_grid(path)
    return read_band(path, own.shape)[window_in(own, grid)].copy()


def window_in(own: Grid, grid: Grid) -> tuple[slice, slice]:
    """Give the rows and columns of a file's own grid that make up a grid of :func:`common_grid`.

    Raises
    ------
    FileError
        The file does not cover the grid: it changed since the folder was opened.
    """
    row, col = _offset(own, grid)
    if row < 0 or col < 0 or row + grid.shape[0] > own.shape[0] or col + grid.shape[1] > own.shape[1]:
        raise FileError(
            f"{own.path} must cover the grid of its folder, instead it changed since. Open the folder again"
        )
    return slice(row, row + grid.shape[0]), slice(col, col + grid.shape[1])


def _offset(first: Grid, other: Grid) -> tuple[int, int]:
    """Row and column of ``first`` at which ``other`` begins."""
    if other.crs != first.crs:
        raise FileError(
            f"{other.path} must have the CRS of {first.path.name}, {first.crs!r}, instead got {other.crs!r}. "
            "Bring all pairs to one CRS (gdalwarp -t_srs)"
        )
    steps = zip((first.y_step, first.x_step), (other.y_step, other.x_step), other.shape, strict=True)
    if any(abs(b - a) * n > _TOLERANCE_PX * abs(a) for a, b, n in steps):
        raise FileError(
            f"{other.path} must have the spacing of {first.path.name}, ({first.y_step}, {first.x_step}), instead got "
            f"({other.y_step}, {other.x_step}). Keep products of other looks in a folder of their own"
        )
    exact = ((other.first_y - first.first_y) / first.y_step, (other.first_x - first.first_x) / first.x_step)
    whole = tuple(round(v) for v in exact)
    shift = max(abs(v - w) for v, w in zip(exact, whole, strict=True))
    if shift > _TOLERANCE_PX:
        raise FileError(
            f"{other.path} must lie on the lattice of {first.path.name}, instead it is shifted by {shift:.2f} px. "
            "Resample all pairs to one grid"
        )
    return whole[0], whole[1]
