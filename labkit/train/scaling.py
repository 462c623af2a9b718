"""Images of another size, by linear interpolation that knows no data: compiled, without Python's lock."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]

#: A pixel holds data when at least this share of what it is made of does.
_LEAST_VALID = 0.5

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def scale_layer(
    layer: Image, size: tuple[int, int], factor: float, shift: tuple[float, float], out: Image | None = None
) -> Image:
    """Scale one layer.

    Parameters
    ----------
    layer : numpy.ndarray, shape (height, width)
        float32, NaN = no data.
    size : (int, int)
        Height and width afterwards, px.
    factor : float
        Edges become so many times as long; positive.
    shift : (float, float)
        The place that a value stands for lies so many px beyond its pixel along y and x, before and after.
    out : numpy.ndarray, shape ``size``, optional
        float32, to write to.

    Returns
    -------
    numpy.ndarray
        (height, width) float32. A pixel of which less than half comes from data is NaN.

    Notes
    -----
    New pixel i lies at p = (i + 0.5 + s) / z − 0.5 − s of the old ones, no further out than the outermost, and is the
    mean of the old pixels j weighted by max(0, 1 − |p − j| / max(1, 1 / z)), of those with data.
    """
    out = np.empty(size, np.float32) if out is None else out
    _scale(layer, factor, shift[0], shift[1], np.float32(_LEAST_VALID), out)
    return out


@_compiled
def _scale(
    layer: Image, factor: float, down: float, right: float, least: np.float32, out: Image
) -> None:  # pragma: no cover
    """Scale along y into a line of sums and a line of shares, and these along x."""
    height, width = layer.shape
    rows, row_weights = _weights(height, out.shape[0], factor, down)
    cols, col_weights = _weights(width, out.shape[1], factor, right)
    sums, shares = np.empty(width, np.float32), np.empty(width, np.float32)
    none = np.float32(np.nan)
    for i in range(out.shape[0]):
        sums[:] = 0
        shares[:] = 0
        for k in range(row_weights.shape[1]):
            weight = row_weights[i, k]
            if weight > 0:
                for j in range(width):
                    value = layer[rows[i] + k, j]
                    there = np.isfinite(value)
                    sums[j] += weight * value if there else np.float32(0)
                    shares[j] += weight if there else np.float32(0)
        for j in range(out.shape[1]):
            total = share = np.float32(0)
            for k in range(col_weights.shape[1]):
                total += col_weights[j, k] * sums[cols[j] + k]
                share += col_weights[j, k] * shares[cols[j] + k]
            out[i, j] = total / share if share >= least else none


@_compiled
def _weights(
    before: int, after: int, factor: float, shift: float
) -> tuple[npt.NDArray[np.int64], Image]:  # pragma: no cover
    """For each new pixel the first old one that it takes of, and the weights of that and the next; their sum is 1."""
    reach = max(1.0, 1.0 / factor)
    count = min(before, 2 * math.ceil(reach) + 1)
    first = np.empty(after, np.int64)
    weights = np.empty((after, count), np.float32)
    for i in range(after):
        at = min(max((i + 0.5 + shift) / factor - 0.5 - shift, 0.0), before - 1.0)
        first[i] = min(max(math.ceil(at - reach), 0), before - count)
        total = 0.0
        for k in range(count):
            total += max(0.0, 1.0 - abs(at - first[i] - k) / reach)
        for k in range(count):
            weights[i, k] = max(0.0, 1.0 - abs(at - first[i] - k) / reach) / total
    return first, weights
