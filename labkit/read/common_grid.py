"""The ground that GeoTIFFs of different extent on one lattice have in common, and reading on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.pairs import PairFiles
from labkit.read.raster import Grid, read_band, read_grid
from labkit.read.skipped import Skipped

_Pair = TypeVar("_Pair", bound=PairFiles)

#: Grids that disagree by more than this share of a pixel are not one lattice.
_TOLERANCE_PX = 0.1


def shared_grid(
    pairs: Sequence[_Pair], grids: Mapping[Path, Sequence[Grid]], skipped: Skipped
) -> tuple[Grid, list[_Pair]]:
    """Give the grid of the ground that all pairs cover, and the pairs that lie on it.

    Services cut each product to its own footprint, a few pixels more or fewer on one lattice: cropping to what they
    share loses nothing that a stack could use, and needs no resampling. Pairs are held against the one in their middle.

    Parameters
    ----------
    pairs : sequence of PairFiles
        At least one.
    grids : mapping
        The phase file of each pair → the grids of its files.
    skipped : Skipped
        Takes note of the pairs that do not fit, where skipping is wanted.

    Raises
    ------
    FileError
        A pair has another CRS or spacing, lies between the others' pixels, or shares no ground with them.
    """
    first = _middle([grids[pair.phase][0] for pair in pairs])
    window = (0, 0, *first.shape)
    kept = []
    for pair in pairs:
        with skipped.pair(pair.name):
            reduced = window
            for grid in grids[pair.phase]:
                reduced = _overlap(reduced, first, grid)
            window = reduced
            kept.append(pair)
    top, left, bottom, right = window
    shared = replace(
        first,
        shape=(bottom - top, right - left),
        first_y=first.first_y + top * first.y_step,
        first_x=first.first_x + left * first.x_step,
    )
    return shared, kept


def read_on(path: Path, grid: Grid) -> npt.NDArray[np.float32]:
    """Read a GeoTIFF (:func:`labkit.read.raster.read_band`) on a grid that :func:`shared_grid` gave.

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
    """Give the rows and columns of a file's own grid that make up a grid of :func:`shared_grid`.

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


def _middle(grids: Sequence[Grid]) -> Grid:
    """Of the most common CRS and spacing, the grid that begins nearest to the median corner: no pair that strayed."""
    kinds = [(grid.crs, f"{grid.y_step:.6g}", f"{grid.x_step:.6g}") for grid in grids]
    common = Counter(kinds).most_common(1)[0][0]
    alike = [grid for grid, kind in zip(grids, kinds, strict=True) if kind == common]
    corners = np.array([(grid.first_y, grid.first_x) for grid in alike])
    away = np.abs(corners - np.median(corners, axis=0)).sum(axis=1)
    return alike[int(np.argmin(np.round(away / abs(alike[0].y_step), 3)))]


def _overlap(window: tuple[int, int, int, int], first: Grid, grid: Grid) -> tuple[int, int, int, int]:
    """The part of a window (top, left, bottom, right; pixels of ``first``) that another grid covers."""
    row, col = _offset(first, grid)
    top, left = max(window[0], row), max(window[1], col)
    bottom, right = min(window[2], row + grid.shape[0]), min(window[3], col + grid.shape[1])
    if bottom <= top or right <= left:
        raise FileError(
            f"{grid.path} must cover ground of the other pairs, instead it shares none with {first.path.name}. "
            "Keep each area in a folder of its own"
        )
    return top, left, bottom, right


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
