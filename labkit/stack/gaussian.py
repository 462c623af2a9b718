"""Gaussian-weighted means and planes around each pixel of a map whose pixels weigh differently."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.rows import RowThreads

Array = npt.NDArray[np.float64]

#: The Gaussian ends at this many standard deviations.
_REACH = 4.0

#: Share of the Gaussian's variance that holds the slope of the plane flat.
_HELD_SLOPE = 0.05

#: Share of the largest weight with which the mean of all stands in where the Gaussian reaches nothing.
_TRACE = 1e-6

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def local_mean(values: Array, mass: Array, sigma: tuple[float, float], shared: RowThreads) -> Array:
    """Gaussian mean of ``values`` weighted by ``mass``, (y, x); far from any weight, the mean of all."""
    overall, trace = _overall(values, mass)
    above, below = (gaussian_sum(image, sigma, shared) for image in ((values - overall) * mass, mass))
    return np.asarray(overall + above / (below + trace))


def local_plane(values: Array, mass: Array, sigma: tuple[float, float], shared: RowThreads) -> Array:
    """Gaussian-weighted plane at each pixel, read at that pixel: no bend at edges and around what has no weight.

    Parameters
    ----------
    values, mass : (y, x) float64
        What is fitted, and its weights, at least 0.
    sigma : (float, float)
        Standard deviations of the Gaussian along y and x, px.
    shared : RowThreads
        Threads.

    Notes
    -----
    With the moments m of the weights and t of the weighted values about the pixel, the plane's value there is
    (t₀ − k · t₁) / (m₀ − k · m₁), k = m₂⁻¹ m₁. A little is added to m₂, which holds the slope flat where there is
    weight on one side only; far from any weight the plane is the mean of all.
    """
    overall, trace = _overall(values, mass)
    out = np.empty(values.shape)
    held = tuple(_HELD_SLOPE * s * s for s in sigma)
    bells = [_bell(s) for s in sigma]
    total = np.ascontiguousarray((values - overall) * mass)
    shared.over_rows(len(out), _plane_rows, np.ascontiguousarray(mass), total, *bells, *held, trace, out)
    out += overall
    return out


def gaussian_sum(image: Array, sigma: tuple[float, float], shared: RowThreads) -> Array:
    """Gaussian sum, (y, x), of an image that is zero outside."""
    out = np.empty(image.shape)
    shared.over_rows(len(out), _sum_rows, np.ascontiguousarray(image), *(_bell(s) for s in sigma), out)
    return out


def _bell(sigma: float) -> Array:
    reach = int(_REACH * sigma + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(bell / bell.sum())


def _overall(values: Array, mass: Array) -> tuple[float, float]:
    """The mean of all, and the trace of weight that it has everywhere."""
    total = float(mass.sum())
    return (float((values * mass).sum() / total), _TRACE * float(mass.max())) if total > 0 else (0.0, 1.0)


@_compiled
def _sum_rows(
    first: int, last: int, image: Array, along_y: Array, along_x: Array, out: Array
) -> None:  # pragma: no cover
    rows, cols = image.shape
    reach_y, reach_x = along_y.size // 2, along_x.size // 2
    padded = np.zeros(cols + 2 * reach_x)
    middle = padded[reach_x : reach_x + cols]
    for y in range(first, last):
        middle[:] = 0.0
        for line in range(max(y - reach_y, 0), min(y + reach_y + 1, rows)):
            _add(along_y[line - y + reach_y], image[line], middle)
        out[y] = 0.0
        for shift in range(along_x.size):
            _add(along_x[shift], padded[shift : shift + cols], out[y])


@_compiled
def _add(weight: float, source: Array, total: Array) -> None:  # pragma: no cover
    for x in range(np.uint64(total.size)):
        total[x] += weight * source[x]


@_compiled
def _plane_rows(
    first: int,
    last: int,
    mass: Array,
    total: Array,
    along_y: Array,
    along_x: Array,
    held_y: float,
    held_x: float,
    trace: float,
    out: Array,
) -> None:  # pragma: no cover
    rows, cols = mass.shape
    reach_y, reach_x = along_y.size // 2, along_x.size // 2
    # moments along y of weight (0, 1, 2) and weighted values (0, 1), with zeros on both sides
    padded = np.zeros((5, cols + 2 * reach_x))
    middle = padded[:, reach_x : reach_x + cols]
    # moments of both axes: weight 1, y, x, yy, yx, xx; weighted values 1, y, x
    m = np.empty((9, cols))
    for y in range(first, last):
        middle[:] = 0.0
        for line in range(max(y - reach_y, 0), min(y + reach_y + 1, rows)):
            bell, away = along_y[line - y + reach_y], float(line - y)
            _add(bell, mass[line], middle[0])
            _add(bell * away, mass[line], middle[1])
            _add(bell * away * away, mass[line], middle[2])
            _add(bell, total[line], middle[3])
            _add(bell * away, total[line], middle[4])
        m[:] = 0.0
        for shift in range(along_x.size):
            bell, away = along_x[shift], float(shift - reach_x)
            near = padded[:, shift : shift + cols]
            _add(bell, near[0], m[0])
            _add(bell, near[1], m[1])
            _add(bell * away, near[0], m[2])
            _add(bell, near[2], m[3])
            _add(bell * away, near[1], m[4])
            _add(bell * away * away, near[0], m[5])
            _add(bell, near[3], m[6])
            _add(bell, near[4], m[7])
            _add(bell * away, near[3], m[8])
        for x in range(cols):
            weight = m[0, x] + trace
            yy, xx, yx = m[3, x] + held_y * weight, m[5, x] + held_x * weight, m[4, x]
            determinant = yy * xx - yx * yx
            slope_y = (m[1, x] * xx - m[2, x] * yx) / determinant
            slope_x = (m[2, x] * yy - m[1, x] * yx) / determinant
            level = m[6, x] - slope_y * m[7, x] - slope_x * m[8, x]
            out[y, x] = level / (weight - slope_y * m[1, x] - slope_x * m[2, x])
