"""Compiled estimate of coherence in a window, as processors make it: smooth, and lowered by fringes in the window."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.simulate.polynomials import polynomial, series

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

Image = npt.NDArray[np.float32]

#: Power of the reference, of the secondary, and the parts of their product.
PARTS = 4

#: sin(t)/t and cos(t) in t² on 0 .. (π/2)².
_SIN = series(lambda s: np.sin(np.sqrt(s)) / np.sqrt(s), 0.0, (np.pi / 2) ** 2, 5)
_COS = series(lambda s: np.cos(np.sqrt(s)), 0.0, (np.pi / 2) ** 2, 5)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@_compiled
def keep_row(parts: Image, phase: Image, weights: Image, kept: Image) -> None:
    """Weight a row of pixels along its samples.

    Parameters
    ----------
    parts : numpy.ndarray (4, x)
        Both powers, the size of their product, and room; overwritten.
    phase : numpy.ndarray (x,)
        Measured, rad in [−π, π); NaN weighs nothing.
    weights : numpy.ndarray (w,)
        Weights of the window's edge.
    kept : numpy.ndarray (4, x)
        Filled with the weighted sums; beyond the image's edges there is nothing.
    """
    half = len(weights) // 2
    cols = phase.shape[0]
    for x in range(cols):
        known = phase[x] == phase[x]
        angle = np.float32(0.5) * phase[x]
        square = angle * angle
        sine, cosine = angle * polynomial(_SIN, square), polynomial(_COS, square)
        size = parts[2, x]
        parts[0, x] = parts[0, x] if known else _ZERO
        parts[1, x] = parts[1, x] if known else _ZERO
        parts[2, x] = size * (cosine * cosine - sine * sine) if known else _ZERO
        parts[3, x] = size * np.float32(2.0) * sine * cosine if known else _ZERO
    for k in range(PARTS):
        kept[k, :] = _ZERO
        for tap in range(-half, half + 1):
            weight = weights[tap + half]
            first, last = max(0, -tap), min(cols, cols - tap)
            for x in range(first, last):
                kept[k, x] += weight * parts[k, x + tap]


@_compiled
def estimate_row(kept: Image, y: int, rows: int, weights: Image, coherence: Image) -> None:
    """Estimate a row's coherence: |Σ w s₁ s₂*| / √(Σ w |s₁|² · Σ w |s₂|²).

    Parameters
    ----------
    kept : numpy.ndarray (w, 4, x)
        The last w rows of :func:`keep_row`, row r at place r modulo w.
    y, rows : int
        Number of the row, and of all.
    weights : numpy.ndarray (w,)
        Of the window's edge.
    coherence : numpy.ndarray (x,)
        Overwritten where it is a number.
    """
    size = len(weights)
    half = size // 2
    total = np.zeros((PARTS, coherence.shape[0]), np.float32)
    for row in range(max(0, y - half), min(rows, y + half + 1)):
        weight = weights[row - y + half]
        for k in range(PARTS):
            for x in range(coherence.shape[0]):
                total[k, x] += weight * kept[row % size, k, x]
    for x in range(coherence.shape[0]):
        product = total[2, x] * total[2, x] + total[3, x] * total[3, x]
        powers = max(total[0, x] * total[1, x], np.float32(1e-30))
        coherence[x] = min(np.sqrt(product / powers), _ONE) + _ZERO * coherence[x]


def triangle(window: int) -> Image:
    """Give the weights of a triangular window of an odd edge, 1 in the middle, 1/(half + 1) at the ends.

    Examples
    --------
    >>> [round(float(w), 3) for w in triangle(5)]
    [0.333, 0.667, 1.0, 0.667, 0.333]
    """
    half = window // 2
    return (1 - np.abs(np.arange(-half, half + 1)) / (half + 1)).astype(np.float32)
