"""Compiled speckle: the noise of multilooked pixels, shared by neighbours that the sensor cannot tell apart.

Every number follows from (seed, pair, row, column): whoever makes a pair, and when, it comes out the same bit for bit.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt
from scipy.special import gammainccinv, gammaincinv, ndtr

from labkit.simulate.estimated import PARTS, estimate_row, keep_row, triangle
from labkit.simulate.normals import normal_rows, pair_key
from labkit.simulate.polynomials import Coefficients, polynomial, series
from labkit.simulate.resolution import REACH, Sharing, alone

__all__ = ["add_speckle", "pair_key"]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

Image = npt.NDArray[np.float32]

#: The two parts of a complex normal, and the normals behind two gamma numbers.
_FIELDS = 4
_TAPS = 2 * REACH + 1
_OTHER = np.uint64(0xD1B54A32D192ED03)

#: Coefficients of atan(√s)/√s in s on 0..1, and of the cube root of a gamma number in a normal one on ±6.
_ATAN = series(lambda s: np.arctan(np.sqrt(s)) / np.sqrt(s), 0.0, 1.0, 8)
_ROOT_DEGREE = 13
_FARTHEST = 6.0

_PI, _TWO_PI = np.float32(np.pi), np.float32(2 * np.pi)
_HALF_PI = np.float32(np.pi / 2)
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)


def add_speckle(
    key: np.uint64,
    looks: float,
    phase: Image,
    coherence: Image,
    shared: Sharing | None = None,
    window: int = 0,
    by_magnitude: bool = False,
) -> None:
    """Turn true phase and coherence into measured ones, in place, and wrap the phase into [−π, π).

    Parameters
    ----------
    key : numpy.uint64
        Of the pair (:func:`pair_key`).
    looks : float
        Independent looks, at least 2; 0 leaves the speckle out.
    phase, coherence : numpy.ndarray (y, x)
        Float32, true; rad (of any size) and 0..1. Overwritten. Where the coherence is NaN, both become NaN.
    shared : Sharing, optional
        What neighbouring pixels share (:func:`labkit.simulate.resolution.sharing`); without it nothing.
    window : int
        Odd edge of the triangular window (px) in which coherence is estimated; 0: from each pixel's own looks.
    by_magnitude : bool
        In a window, norm by the interferogram's own magnitude, |Σ w W21| / Σ w |W21|, instead of by both intensities.

    Notes
    -----
    The distribution of each pixel is that of :func:`labkit.simulate.interferometry.multilook_noise`: the phase and
    magnitude of an element of a complex Wishart matrix, by Bartlett's decomposition, a ~ Γ(L), b ~ Γ(L − 1) and a
    complex normal c: phase = arg(γ √a + √(1 − γ²) c), coherence² = |γ √a + √(1 − γ²) c|² / (that + (1 − γ²) b). Its
    phase has the density of Lee and others (1994). A gamma number is the cube of a polynomial in a normal one, the
    interpolant of its quantiles, which keeps the law within 1e-4 in probability.

    Neighbours share looks: c and the normals behind a and b are moving averages of white noise, so that each has the
    autocorrelation of multilooked products s₁ s₂* and intensities.
    """
    if looks == 0.0:
        _wrap(phase, coherence)
        return
    sharing = shared or alone()
    _add(
        key,
        gamma_root(looks),
        gamma_root(looks - 1.0),
        sharing.azimuth.astype(np.float32),
        sharing.range.astype(np.float32),
        triangle(window or 1),
        by_magnitude,
        phase,
        coherence,
    )


@lru_cache(maxsize=64)
def gamma_root(shape: float) -> Coefficients:
    """Give the polynomial p by which p(z)³ of a standard normal z is a gamma number of a shape ≥ 1 and scale 1."""

    def root(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        below = gammaincinv(shape, ndtr(np.minimum(z, 0.0)))
        above = gammainccinv(shape, ndtr(-np.maximum(z, 0.0)))
        return np.asarray(np.cbrt(np.where(z < 0, below, above)))

    return series(root, -_FARTHEST, _FARTHEST, _ROOT_DEGREE)


@_compiled
def _wrapped(angle: np.float32) -> np.float32:
    angle -= _TWO_PI * np.floor((angle + _PI) / _TWO_PI)
    return -_PI if angle >= _PI or angle < -_PI else angle


@_compiled
def _wrap(phase: Image, coherence: Image) -> None:
    for y in range(phase.shape[0]):
        for x in range(phase.shape[1]):
            phase[y, x] = _wrapped(phase[y, x] + _ZERO * coherence[y, x])


@_compiled
def _angle(imag: np.float32, real: np.float32) -> np.float32:
    """Give the argument of real + i·imag, rad, within some 1e-7."""
    across, along = abs(imag), abs(real)
    larger, smaller = max(across, along), min(across, along)
    t = smaller / max(larger, np.float32(1e-30))
    angle = t * polynomial(_ATAN, t * t)
    angle = _HALF_PI - angle if across > along else angle
    angle = _PI - angle if real < _ZERO else angle
    return angle if imag >= _ZERO else -angle


@_compiled
def _white(key: np.uint64, row: int, words: npt.NDArray[np.uint32], raw: Image, across: Image, into: Image) -> None:
    """Draw a row of white noise for each field and average it along the samples."""
    floats = words.view(np.float32)
    normal_rows(key, row, words, floats, raw[0], raw[1])
    normal_rows(key ^ _OTHER, row, words, floats, raw[2], raw[3])
    own, near, far = across[REACH], across[REACH + 1], across[REACH + 2]
    for k in range(_FIELDS):
        noise, averaged = raw[k], into[k]
        for x in range(averaged.shape[0]):
            averaged[x] = own * noise[x + 2] + near * (noise[x + 1] + noise[x + 3]) + far * (noise[x] + noise[x + 4])


@_compiled
def _add(
    key: np.uint64,
    first: Coefficients,
    second: Coefficients,
    along: Image,
    across: Image,
    window: Image,
    by_magnitude: bool,
    phase: Image,
    coherence: Image,
) -> None:
    """Add the speckle row by row; the ring holds the white rows that a row's average along the lines needs.

    Where coherence is estimated in a window, that of a row waits until the rows below it are there.
    """
    rows, cols = phase.shape
    size, half = len(window), len(window) // 2
    parts = np.empty((PARTS, cols), np.float32)
    kept = np.empty((size, PARTS, cols), np.float32)
    words = np.empty(cols + 2 * REACH, np.uint32)
    raw = np.empty((_FIELDS, cols + 2 * REACH), np.float32)
    ring = np.empty((_TAPS, _FIELDS, cols), np.float32)
    noise = np.empty((_FIELDS, cols), np.float32)
    own, near, far = along[REACH], along[REACH + 1], along[REACH + 2]
    for row in range(2 * REACH):
        _white(key, row, words, raw, across, ring[row])
    for y in range(rows):
        _white(key, y + 2 * REACH, words, raw, across, ring[(y + 2 * REACH) % _TAPS])
        for k in range(_FIELDS):
            averaged = noise[k]
            before, last = ring[y % _TAPS, k], ring[(y + 4) % _TAPS, k]
            above, here, below = ring[(y + 1) % _TAPS, k], ring[(y + 2) % _TAPS, k], ring[(y + 3) % _TAPS, k]
            for x in range(cols):
                averaged[x] = own * here[x] + near * (above[x] + below[x]) + far * (before[x] + last[x])
        _measure(noise, first, second, phase[y], coherence[y], parts)
        if half:
            if by_magnitude:
                parts[0, :] = parts[2]
                parts[1, :] = parts[2]
            keep_row(parts, phase[y], window, kept[y % size])
            if y >= half:
                estimate_row(kept, y - half, rows, window, coherence[y - half])
    for y in range(max(rows - half, 0), rows):
        estimate_row(kept, y, rows, window, coherence[y])


@_compiled
def _measure(
    noise: Image, first: Coefficients, second: Coefficients, phase: Image, coherence: Image, parts: Image
) -> None:
    """Turn one row's true phase and coherence into measured ones by its noise; keep W11, W22 and |W21| as parts."""
    farthest = np.float32(_FARTHEST)
    half = np.float32(np.sqrt(0.5))
    for x in range(phase.shape[0]):
        gamma = coherence[x]
        root_a = max(polynomial(first, min(max(noise[2, x], -farthest), farthest)), _ZERO)
        root_b = max(polynomial(second, min(max(noise[3, x], -farthest), farthest)), _ZERO)
        a, b = root_a * root_a * root_a, root_b * root_b * root_b
        rest = max(_ONE - gamma * gamma, _ZERO)
        scale = np.sqrt(rest) * half
        real = gamma * np.sqrt(a) + scale * noise[0, x]
        imag = scale * noise[1, x]
        cross = real * real + imag * imag
        # |W21|² / (W11 W22), each divided by W11 = a
        parts[0, x], parts[1, x], parts[2, x] = a, cross + rest * b, np.sqrt(a * cross)
        coherence[x] = min(np.sqrt(cross / (cross + rest * b)), _ONE) + _ZERO * gamma
        phase[x] = _wrapped(phase[x] + _angle(imag, real) + _ZERO * gamma)
