"""The multigrid that preconditions the weighted least squares: coarse pixels are blocks of 2 × 2.

Images on a level carry a frame of one pixel of zeros, so that no loop asks whether it is at the edge. Every sweep reads
one image and writes another, which makes the result independent of how the rows are shared among threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.rows import RowThreads

F4 = npt.NDArray[np.float32]
F8 = npt.NDArray[np.float64]

_COARSEST = 6
_COARSEST_SWEEPS = 12

# A coarse grid is joined by the links that cross its borders, two for each where one of its spacing would do: it comes
# out twice as stiff as it should be (Braess 1995).
_COARSE_STIFFNESS = np.float32(0.5)

#: Damping of the Jacobi sweeps.
_DAMPING = np.float32(0.8)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Level:
    """One grid of (y, x) pixels.

    ``north`` (y + 1, x): weight of the link to the row before; ``west`` (y, x + 1): to the column before; 0 at the
    border of the grid. ``diagonal`` (y, x): sum of a pixel's four links; ``relax`` (y, x): damping / diagonal, 0 at
    pixels without links.
    """

    north: F4
    west: F4
    diagonal: F4
    relax: F4

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.diagonal.shape[0], self.diagonal.shape[1]


def framed(shape: tuple[int, int]) -> F4:
    """Make an image of zeros with its frame, (y + 2, x + 2)."""
    return np.zeros((shape[0] + 2, shape[1] + 2), np.float32)


def make_levels(north: F4, west: F4) -> list[Level]:
    """Build the grid of these links and its coarser versions, down to a few pixels."""
    levels = [_level(north, west)]
    while min(levels[-1].shape) > _COARSEST:
        north, west = levels[-1].north, levels[-1].west
        rows, cols = ((n + 1) // 2 for n in levels[-1].shape)
        coarse_north = np.zeros((rows + 1, cols), np.float32)
        coarse_west = np.zeros((rows, cols + 1), np.float32)
        _gather(north[0 : 2 * rows : 2], coarse_north[:rows], axis=1)
        _gather(west[:, 0 : 2 * cols : 2], coarse_west[:, :cols], axis=0)
        levels.append(_level(coarse_north * _COARSE_STIFFNESS, coarse_west * _COARSE_STIFFNESS))
    return levels


def _level(north: F4, west: F4) -> Level:
    diagonal = north[:-1] + north[1:] + west[:, :-1] + west[:, 1:]
    relax = np.where(diagonal > 0, _DAMPING / np.where(diagonal > 0, diagonal, np.float32(1)), np.float32(0))
    return Level(np.ascontiguousarray(north), np.ascontiguousarray(west), diagonal, relax)


def _gather(fine: F4, coarse: F4, axis: int) -> None:
    """Sum of neighbours two by two along an axis; an odd last one stays alone."""
    if axis:
        coarse += fine[:, 0::2]
        coarse[:, : fine.shape[1] // 2] += fine[:, 1::2]
    else:
        coarse += fine[0::2]
        coarse[: fine.shape[0] // 2] += fine[1::2]


class Multigrid:
    """The levels with their scratch images, and the threads that share the rows."""

    def __init__(self, levels: list[Level], threads: RowThreads) -> None:
        self.levels = levels
        self._over_rows = threads.over_rows
        self._images = [(framed(level.shape), framed(level.shape)) for level in levels]
        self._rights = [np.zeros(level.shape, np.float32) for level in levels]

    def correction(self, right: F4) -> F4:
        """Give one symmetric V-cycle's answer to ``right`` (y, x), framed; valid until the next call."""
        return self._cycle(0, right)

    def _cycle(self, depth: int, right: F4) -> F4:
        level = self.levels[depth]
        rows = level.shape[0]
        u, other = self._images[depth]
        self._over_rows(rows, _first_sweep, right, level.relax, u)
        coarsest = depth == len(self.levels) - 1
        for _ in range(2 * _COARSEST_SWEEPS if coarsest else 1):
            self._over_rows(rows, _sweep, u, right, *_parts(level), other)
            u, other = other, u
        if not coarsest:
            coarse = self._rights[depth + 1]
            self._over_rows(coarse.shape[0], _restrict, u, right, *_parts(level), coarse)
            below = self._cycle(depth + 1, coarse)
            self._over_rows(rows, _prolong, below, u)
            for _ in range(2):
                self._over_rows(rows, _sweep, u, right, *_parts(level), other)
                u, other = other, u
        return u


def _parts(level: Level) -> tuple[F4, F4, F4, F4]:
    return level.north, level.west, level.diagonal, level.relax


@_compiled
def _residual_row(
    u: F4, y: int, right: F4, north: F4, south: F4, west: F4, diagonal: F4, out: F4
) -> None:  # pragma: no cover
    """right − A u along one row of contiguous slices."""
    above, here, below = u[y], u[y + 1], u[y + 2]
    for x in range(np.uint64(right.size)):
        left, centre = x, x + np.uint64(1)
        out[x] = (
            right[x]
            - diagonal[x] * here[centre]
            + north[x] * above[centre]
            + south[x] * below[centre]
            + west[left] * here[left]
            + west[centre] * here[centre + np.uint64(1)]
        )


@_compiled
def _first_sweep(first: int, last: int, right: F4, relax: F4, u: F4) -> None:  # pragma: no cover
    """A Jacobi sweep from zero."""
    for y in range(first, last):
        out, r, k = u[y + 1], right[y], relax[y]
        for x in range(np.uint64(r.size)):
            out[x + np.uint64(1)] = r[x] * k[x]


@_compiled
def _sweep(
    first: int, last: int, u: F4, right: F4, north: F4, west: F4, diagonal: F4, relax: F4, out: F4
) -> None:  # pragma: no cover
    """A damped Jacobi sweep from ``u`` into ``out``."""
    rest = np.empty(right.shape[1], np.float32)
    for y in range(first, last):
        _residual_row(u, y, right[y], north[y], north[y + 1], west[y], diagonal[y], rest)
        old, new, k = u[y + 1], out[y + 1], relax[y]
        for x in range(np.uint64(rest.size)):
            centre = x + np.uint64(1)
            new[centre] = old[centre] + k[x] * rest[x]


@_compiled
def _restrict(
    first: int, last: int, u: F4, right: F4, north: F4, west: F4, diagonal: F4, relax: F4, coarse: F4
) -> None:  # pragma: no cover
    """Sum of the residual over each block; the rows are those of the coarse grid."""
    rows, cols = right.shape
    rest = np.empty(cols, np.float32)
    for row in range(first, last):
        total = coarse[row]
        total[:] = np.float32(0)
        for y in range(2 * row, min(2 * row + 2, rows)):
            _residual_row(u, y, right[y], north[y], north[y + 1], west[y], diagonal[y], rest)
            for x in range(np.uint64(cols // 2)):
                total[x] += rest[np.uint64(2) * x] + rest[np.uint64(2) * x + np.uint64(1)]
            if cols % 2:
                total[cols // 2] += rest[cols - 1]


@_compiled
def _prolong(first: int, last: int, coarse: F4, u: F4) -> None:  # pragma: no cover
    """Add each block's value to its pixels."""
    cols = u.shape[1] - 2
    for y in range(first, last):
        source, target = coarse[y // 2 + 1], u[y + 1]
        for x in range(np.uint64(cols // 2)):
            value = source[x + np.uint64(1)]
            target[np.uint64(2) * x + np.uint64(1)] += value
            target[np.uint64(2) * x + np.uint64(2)] += value
        if cols % 2:
            target[cols] += source[cols // 2 + 1]


@_compiled
def multiply(first: int, last: int, u: F4, level: tuple[F4, F4, F4], out: F4, dots: F8) -> None:  # pragma: no cover
    """A u into ``out`` (y, x), and u · A u of each row into ``dots`` (y,)."""
    north, west, diagonal = level
    nothing = np.zeros(out.shape[1], np.float32)
    for y in range(first, last):
        row, here = out[y], u[y + 1]
        _residual_row(u, y, nothing, north[y], north[y + 1], west[y], diagonal[y], row)
        total = 0.0
        for x in range(np.uint64(row.size)):
            row[x] = -row[x]
            total += np.float64(row[x]) * np.float64(here[x + np.uint64(1)])
        dots[y] = total
