"""Solve for the image whose differences fit given ones best: weighted least squares on a pixel grid.

Conjugate gradients, preconditioned by a multigrid (:mod:`labkit.stack.multigrid`). Holes are links of weight zero;
pieces of ground that no link joins are solved together, each up to a constant of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from labkit.errors import LabkitError
from labkit.stack.multigrid import F4, F8, Level, Multigrid, framed, make_levels, multiply
from labkit.stack.rows import RowThreads

_MAX_ITERATIONS = 200

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Links:
    """Weights of the links of a grid: ``along_y`` (y − 1, x) join rows, ``along_x`` (y, x − 1) columns; 0 = no link."""

    along_y: F4
    along_x: F4


@dataclass(frozen=True)
class Solution:
    """The image u (y, x), 0 at pixels without a link, and the ``iterations`` that it took."""

    image: npt.NDArray[np.float32]
    iterations: int


def integrate(
    difference_y: F4, difference_x: F4, links: Links, *, tolerance: float = 1e-4, threads: int | None = None
) -> Solution:
    """Find the image u that minimises Σ w (u[p + 1] − u[p] − difference)² over all links.

    Parameters
    ----------
    difference_y, difference_x : (y − 1, x) and (y, x − 1) float32
        u at the next row or column minus u here; read only where the link has weight.
    links : Links
        Weights, finite, at least 0.
    tolerance : float
        Ends when the error, by the norm of the residual as the preconditioner sees it, has fallen to this share of what
        it was at the start; from 1e-5, which single precision still reaches, to 1.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Raises
    ------
    LabkitError
        ``tolerance`` is out of range, or was not reached, which tells of weights that are not finite.

    References
    ----------
    Braess (1995), Towards algebraic multigrid for elliptic problems of second order (the stiffness of aggregates).
    """
    if not 1e-5 <= tolerance < 1:
        raise LabkitError(f"tolerance must be from 1e-5 to below 1, instead got tolerance={tolerance}")
    levels = make_levels(
        np.pad(links.along_y, ((1, 1), (0, 0))).astype(np.float32, copy=False),
        np.pad(links.along_x, ((0, 0), (1, 1))).astype(np.float32, copy=False),
    )
    residual = np.empty((links.along_x.shape[0], links.along_y.shape[1]), np.float32)
    with RowThreads(threads) as shared:
        shared.over_rows(len(residual), _divergence, difference_y, difference_x, links.along_y, links.along_x, residual)
        return _conjugate_gradients(Multigrid(levels, shared), residual, tolerance, shared)


def _conjugate_gradients(grid: Multigrid, residual: F4, tolerance: float, shared: RowThreads) -> Solution:
    level: Level = grid.levels[0]
    rows = level.shape[0]
    u, step, image = framed(level.shape), framed(level.shape), np.empty(level.shape, np.float32)
    dots = np.zeros(rows)
    weights = (level.north, level.west, level.diagonal)
    start, before = 0.0, 1.0
    for iteration in range(_MAX_ITERATIONS):
        correction = grid.correction(residual)
        shared.over_rows(rows, _inner, residual, correction, dots)
        now = float(dots.sum())
        start = start or now
        if now <= tolerance**2 * start:
            return Solution(np.where(level.diagonal > 0, u[1:-1, 1:-1], np.float32(0)), iteration)
        shared.over_rows(rows, _new_step, step, np.float32(now / before if iteration else 0.0), correction)
        shared.over_rows(rows, multiply, step, weights, image, dots)
        before = now
        shared.over_rows(rows, _advance, u, residual, np.float32(now / float(dots.sum())), step, image)
    raise LabkitError(
        f"tolerance must be reachable, instead {_MAX_ITERATIONS} steps did not bring the error to {tolerance}. "
        "Look for weights or differences that are not finite"
    )


@_compiled
def _divergence(
    first: int, last: int, difference_y: F4, difference_x: F4, along_y: F4, along_x: F4, right: F4
) -> None:  # pragma: no cover
    """The right-hand side: what flows into each pixel, weight × difference, less what flows out."""
    rows, cols = right.shape
    nothing = np.float32(0)
    for y in range(first, last):
        row = right[y]
        row[:] = nothing
        if y > 0:
            weight, step = along_y[y - 1], difference_y[y - 1]
            for x in range(np.uint64(cols)):
                row[x] += weight[x] * step[x] if weight[x] > nothing else nothing
        if y < rows - 1:
            weight, step = along_y[y], difference_y[y]
            for x in range(np.uint64(cols)):
                row[x] -= weight[x] * step[x] if weight[x] > nothing else nothing
        weight, step = along_x[y], difference_x[y]
        for x in range(np.uint64(cols - 1)):
            flow = weight[x] * step[x] if weight[x] > nothing else nothing
            row[x] -= flow
            row[x + np.uint64(1)] += flow


@_compiled
def _inner(first: int, last: int, residual: F4, correction: F4, dots: F8) -> None:  # pragma: no cover
    for y in range(first, last):
        a, b = residual[y], correction[y + 1]
        total = 0.0
        for x in range(np.uint64(a.size)):
            total += np.float64(a[x]) * np.float64(b[x + np.uint64(1)])
        dots[y] = total


@_compiled
def _new_step(first: int, last: int, step: F4, factor: np.float32, correction: F4) -> None:  # pragma: no cover
    for y in range(first + 1, last + 1):
        a, b = step[y], correction[y]
        for x in range(np.uint64(a.size)):
            a[x] = factor * a[x] + b[x]


@_compiled
def _advance(
    first: int, last: int, u: F4, residual: F4, length: np.float32, step: F4, image: F4
) -> None:  # pragma: no cover
    for y in range(first, last):
        a, s, r, q = u[y + 1], step[y + 1], residual[y], image[y]
        for x in range(np.uint64(r.size)):
            a[x + np.uint64(1)] += length * s[x + np.uint64(1)]
            r[x] -= length * q[x]
