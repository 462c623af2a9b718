"""Spread points over the cells of a map, each by a Gaussian, and only over the ground that was observed."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt
from scipy.signal import oaconvolve
from scipy.special import ndtr

Array = npt.NDArray[np.float64]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

#: A kernel ends this many bandwidths from its middle; 2e-9 of it lie beyond.
_REACH = 6.0

#: Below so many cells a bandwidth is summed point by point; above, on a grid of so many nodes to the bandwidth.
_FEW_CELLS, _NODES = 2.0, 8


def spread(rows: Array, cols: Array, observed: Array, bandwidth: float) -> Array:
    """Spread points over cells.

    Parameters
    ----------
    rows, cols : numpy.ndarray (n,)
        Places of the points in cells, edges: cell i spans [i, i + 1]. Each in a cell with observed ground.
    observed : numpy.ndarray (y, x)
        Share of each cell that was observed, in [0, 1].
    bandwidth : float
        Standard deviation of the Gaussian, in cells; 0 leaves each point in its cell.

    Returns
    -------
    numpy.ndarray (y, x)
        Points to the observed cell area: times ``observed``, it sums to n.

    Notes
    -----
    With K(k, c) the integral over cell c of the Gaussian about point k, and o(c) what was observed of the cell:

        d(c) = Σₖ K(k, c) / Σ_c' K(k, c') o(c')

    Up to a bandwidth of two cells this is summed as it stands. Above, each point is shared linearly among the nearest
    four nodes of a grid with at least eight nodes to the bandwidth, and the nodes are smoothed by FFT; the kernel is
    narrower by the variance that the sharing adds on average (a sixth of the squared node spacing).
    """
    shape = observed.shape
    if bandwidth == 0:
        row, col = (np.minimum(at.astype(np.int64), size - 1) for at, size in zip((rows, cols), shape, strict=True))
        counts = np.bincount(row * shape[1] + col, minlength=observed.size).reshape(shape)
        return np.divide(counts, observed, out=np.zeros(shape), where=observed > 0)
    if bandwidth < _FEW_CELLS:
        # a point on the outermost edge belongs to the outermost cell
        rows, cols = (np.minimum(at, np.nextafter(size, 0)) for at, size in zip((rows, cols), shape, strict=True))
        return np.asarray(_sum_points(rows, cols, observed, float(bandwidth), _REACH))
    parts = math.ceil(_NODES / bandwidth)
    nodes = _share_among_nodes(rows * parts - 0.5, cols * parts - 0.5, (shape[0] * parts, shape[1] * parts))
    sigma = math.sqrt((bandwidth * parts) ** 2 - 1 / 6)
    kernels = [_kernel(sigma, size * parts) for size in shape]
    held = _smooth(np.repeat(np.repeat(observed, parts, axis=0), parts, axis=1), kernels)
    weights = np.divide(nodes, held, out=np.zeros_like(nodes), where=nodes > 0)
    fine = _smooth(weights, kernels).clip(0)
    return np.asarray(fine.reshape(shape[0], parts, shape[1], parts).sum(axis=(1, 3)))


def _kernel(sigma: float, most: int) -> Array:
    """Integrals of a Gaussian over the nodes' spans, at −m … m."""
    half = min(math.ceil(_REACH * sigma), most)
    return np.asarray(np.diff(ndtr((np.arange(-half, half + 2) - 0.5) / sigma)))


def _smooth(image: Array, kernels: list[Array]) -> Array:
    for axis, kernel in enumerate(kernels):
        image = oaconvolve(image, kernel[:, None] if axis == 0 else kernel[None, :], mode="full", axes=axis)
        half = len(kernel) // 2
        image = np.take(image, np.arange(half, image.shape[axis] - half), axis=axis)
    return image


def _share_among_nodes(rows: Array, cols: Array, shape: tuple[int, int]) -> Array:
    """Points on nodes (y, x), each among the four around it; beyond the outer nodes all on these."""
    rows, cols = (np.clip(at, 0, size - 1) for at, size in zip((rows, cols), shape, strict=True))
    top, left = np.floor(rows).astype(np.int64), np.floor(cols).astype(np.int64)
    down, right = rows - top, cols - left
    answer = np.zeros(shape[0] * shape[1])
    for y, share_y in ((top, 1 - down), (np.minimum(top + 1, shape[0] - 1), down)):
        for x, share_x in ((left, 1 - right), (np.minimum(left + 1, shape[1] - 1), right)):
            answer += np.bincount(y * shape[1] + x, share_y * share_x, len(answer))
    return answer.reshape(shape)


@_compiled
def _sum_points(rows: Array, cols: Array, observed: Array, bandwidth: float, reach: float) -> Array:  # pragma: no cover
    height, width = observed.shape
    most = int(2 * reach * bandwidth) + 3
    answer = np.zeros((height, width))
    down, across = np.empty(most), np.empty(most)
    scale = 1 / (bandwidth * math.sqrt(2.0))
    for k in range(len(rows)):
        top, left = max(int(rows[k] - reach * bandwidth), 0), max(int(cols[k] - reach * bandwidth), 0)
        n = min(int(rows[k] + reach * bandwidth) + 1, height) - top
        m = min(int(cols[k] + reach * bandwidth) + 1, width) - left
        for i in range(n):
            down[i] = (math.erf((top + i + 1 - rows[k]) * scale) - math.erf((top + i - rows[k]) * scale)) / 2
        for j in range(m):
            across[j] = (math.erf((left + j + 1 - cols[k]) * scale) - math.erf((left + j - cols[k]) * scale)) / 2
        held = 0.0
        for i in range(n):
            for j in range(m):
                held += down[i] * across[j] * observed[top + i, left + j]
        for i in range(n):
            for j in range(m):
                answer[top + i, left + j] += down[i] * across[j] / held
    return answer
