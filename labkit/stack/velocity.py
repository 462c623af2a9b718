"""Velocity gradients and their weights from stacked gradients, on the rows and columns of the array."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import LabkitError
from labkit.stack.filters import box_mean, typical
from labkit.stack.poisson import Links
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]

#: Edge of the window over which the squared standard errors are averaged before they become weights, px.
_WEIGHT_WINDOW = 3

#: Variances below this share of their median are not believed: no link weighs more than ten times the typical one.
_LEAST_VARIANCE = 0.1

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def velocity_gradients(gradients: xr.Dataset, *, threads: int | None = None) -> tuple[Image, Image]:
    """Velocity gradients along the rows and columns of the array, and their variances.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients of both directions with ``standard_error`` and ``response``.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Returns
    -------
    slope : (2, y, x) float32
        rad/yr per pixel along y and x: gradient / (r ΣT).
    variance : (2, y, x) float32
        Of the slope; NaN where either is unknown.
    """
    names = list(map(str, gradients["direction"].values))
    order = [names.index(direction) for direction in ("azimuth", "range")]
    gradient, error = (np.asarray(gradients[name].values, np.float32) for name in ("gradient", "standard_error"))
    response = np.asarray(gradients["response"].values, np.float32)
    years = np.float32(gradients.attrs["sum_temporal_baseline"])
    slope, variance = np.empty(gradient.shape, np.float32), np.empty(gradient.shape, np.float32)
    with RowThreads(threads) as shared:
        for i, direction in enumerate(order):
            parts = (gradient[direction], error[direction], response, years, slope[i], variance[i])
            shared.over_rows(len(response), _velocity_rows, *parts)
    if gradients.attrs.get("geometry") == "map":
        turn = _grid_from_radar(gradients)
        slope, variance = np.einsum("ij,jyx->iyx", turn, slope), np.einsum("ij,jyx->iyx", turn**2, variance)
    return slope.astype(np.float32, copy=False), variance.astype(np.float32, copy=False)


def link_weights(variance: Image, *, threads: int | None = None) -> Links:
    """Weights of the links between neighbours: inverse variances, averaged over a few pixels, none too large.

    Parameters
    ----------
    variance : (2, y, x) float32
        Of the velocity gradients along y and x; NaN = no link.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Raises
    ------
    LabkitError
        No link has a variance.
    """
    known = np.isfinite(variance)
    if not known.any():
        raise LabkitError(
            "gradients must have a standard error at some pixels to be integrated, instead none has. "
            "Stack at least two pairs"
        )
    rows, cols = variance.shape[1:]
    links = Links(np.empty((rows - 1, cols), np.float32), np.empty((rows, cols - 1), np.float32))
    with RowThreads(threads) as shared:
        steady = np.stack([box_mean(along, _WEIGHT_WINDOW, shared) for along in variance])
        usual = typical(steady.reshape(2 * rows, cols), known.reshape(2 * rows, cols))
        for along, weights in zip(steady, (links.along_y, links.along_x), strict=True):
            least = np.float32(_LEAST_VARIANCE * usual)
            shared.over_rows(len(weights), _weight_rows, along, least, weights)
    return links


def pixel_variance(links: Links, *, threads: int | None = None) -> Image:
    """Variance of a pixel against its neighbours, (y, x): the inverse of the mean weight of its links; 0 without."""
    variance = np.empty((links.along_x.shape[0], links.along_y.shape[1]), np.float32)
    with RowThreads(threads) as shared:
        shared.over_rows(len(variance), _inverse_mean_rows, links.along_y, links.along_x, variance)
    return variance


def _grid_from_radar(gradients: xr.Dataset) -> npt.NDArray[np.float64]:
    """The matrix that turns azimuth and range per ground spacing back into differences along the grid's rows, columns.

    It undoes :func:`labkit.stack.direction.to_azimuth_and_range`: north = a cos h − r sin h, east = a sin h + r cos h.
    """
    attrs = gradients.attrs
    known = attrs.get("direction_frame") != "grid"
    h = math.radians(float(attrs["heading"])) if known else 0.0
    rows = []
    for axis, (a, r) in (("y", (math.cos(h), -math.sin(h))), ("x", (math.sin(h), math.cos(h)))):
        toward = math.copysign(1.0, float(gradients[axis][-1] - gradients[axis][0]))
        per_pixel, spacing = float(attrs[f"{axis}_spacing"]), float(attrs["ground_spacing"])
        scale = per_pixel / spacing if math.isfinite(per_pixel / spacing) and per_pixel > 0 else 1.0
        rows.append((a * toward * scale, r * toward * scale))
    return np.array(rows)


@_compiled
def _velocity_rows(
    first: int,
    last: int,
    gradient: Image,
    error: Image,
    response: Image,
    years: np.float32,
    slope: Image,
    variance: Image,
) -> None:  # pragma: no cover
    for y in range(first, last):
        g, e, r, s, v = gradient[y], error[y], response[y], slope[y], variance[y]
        for x in range(np.uint64(g.size)):
            per_year = np.float32(1) / (r[x] * years)
            velocity, spread = g[x] * per_year, e[x] * per_year
            # what is infinite or unknown leaves no number when it is subtracted from itself
            usable = (velocity - velocity) + (spread - spread) == np.float32(0)
            s[x] = velocity
            v[x] = spread * spread if usable else np.float32(np.nan)


@_compiled
def _weight_rows(first: int, last: int, variance: Image, least: np.float32, weights: Image) -> None:  # pragma: no cover
    for y in range(first, last):
        v, w = variance[y], weights[y]
        for x in range(np.uint64(w.size)):
            # a stack without any noise: every link weighs the same
            weight = np.float32(1) / max(v[x], least) if least > np.float32(0) else np.float32(1)
            w[x] = weight if v[x] == v[x] else np.float32(0)


@_compiled
def _inverse_mean_rows(
    first: int, last: int, along_y: Image, along_x: Image, variance: Image
) -> None:  # pragma: no cover
    rows, cols = variance.shape
    total, number = np.empty(cols, np.float32), np.empty(cols, np.float32)
    nothing, one = np.float32(0), np.float32(1)
    for y in range(first, last):
        total[:], number[:] = nothing, nothing
        for line in range(max(y - 1, 0), min(y + 1, rows - 1)):
            weight = along_y[line]
            for x in range(np.uint64(cols)):
                total[x] += weight[x]
                number[x] += one if weight[x] > nothing else nothing
        weight = along_x[y]
        for shift in range(np.uint64(2)):
            for x in range(np.uint64(cols - 1)):
                total[x + shift] += weight[x]
                number[x + shift] += one if weight[x] > nothing else nothing
        out = variance[y]
        for x in range(np.uint64(cols)):
            out[x] = number[x] / total[x] if total[x] > nothing else nothing
