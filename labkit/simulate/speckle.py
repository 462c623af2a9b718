"""Compiled speckle: the noise of multilooked pixels, drawn row by row from keys, so that order does not matter.

Each row of each pair has a random stream of its own, begun from (seed, pair, row): whoever makes a row, and when, it
comes out the same bit for bit.
"""

from __future__ import annotations

import math
import zlib

import numba
import numpy as np
import numpy.typing as npt

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

Image = npt.NDArray[np.float32]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_R30, _R27, _R31, _R11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_LAYER = np.uint64(255)
_UNIT = 2.0**-53

_LAYERS = 256
#: Where the tail of the normal begins, such that 256 layers of equal area cover it (Marsaglia and Tsang 2000).
_TAIL = 3.6541528853610088


#: Coefficients of atan(√s)/√s in s on 0..1, a Chebyshev interpolant of degree 7.
_ATAN = (
    0.999999882,
    -0.333318127,
    0.199669618,
    -0.140032902,
    0.0986886546,
    -0.0588297531,
    0.0237805186,
    -0.00455979199,
)


def _ziggurat() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Edges x of 256 layers of equal area under exp(−x²/2), the outermost first, and the curve's height at them."""
    tail = np.sqrt(np.pi / 2) * (1 - math.erf(_TAIL / np.sqrt(2)))
    area = _TAIL * np.exp(-(_TAIL**2) / 2) + tail
    edges = np.zeros(_LAYERS + 1)
    edges[0] = area / np.exp(-(_TAIL**2) / 2)
    edges[1] = _TAIL
    for i in range(2, _LAYERS):
        edges[i] = np.sqrt(-2 * np.log(area / edges[i - 1] + np.exp(-(edges[i - 1] ** 2) / 2)))
    return edges, np.exp(-(edges**2) / 2)


_EDGES, _HEIGHTS = _ziggurat()


def pair_key(seed: int, *names: object) -> np.uint64:
    """Give the key of a pair's noise from the scene's seed and the names that tell the pair."""
    key = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        for name in names:
            key = _mixed_in_python(key ^ np.uint64(zlib.crc32(str(name).encode())))
    return key


def _mixed_in_python(value: np.uint64) -> np.uint64:
    value = np.uint64(value + _STEP)
    value = np.uint64((value ^ (value >> _R30)) * _FIRST)
    value = np.uint64((value ^ (value >> _R27)) * _SECOND)
    return np.uint64(value ^ (value >> _R31))


@_compiled
def _mix(value: np.uint64) -> np.uint64:
    """Scatter a counter over all 64 bits (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> _R30)) * _FIRST
    value = (value ^ (value >> _R27)) * _SECOND
    return value ^ (value >> _R31)


@_compiled
def _normal(state: np.uint64) -> tuple[float, np.uint64]:
    """Draw a standard normal; give it and the advanced state."""
    while True:
        state += _STEP
        bits = _mix(state)
        layer = bits & _LAYER
        x = (np.float64(np.int64(bits >> _R11)) * (2.0 * _UNIT) - 1.0) * _EDGES[layer]
        if abs(x) < _EDGES[layer + np.uint64(1)]:
            return x, state
        state += _STEP
        u = np.float64(np.int64(_mix(state) >> _R11)) * _UNIT
        if layer == np.uint64(0):
            while True:
                state += _STEP
                v = np.float64(np.int64(_mix(state) >> _R11)) * _UNIT
                beyond = -np.log(1.0 - u) / _TAIL
                if -2.0 * np.log(1.0 - v) > beyond * beyond:
                    return (_TAIL + beyond) if x > 0 else -(_TAIL + beyond), state
                state += _STEP
                u = np.float64(np.int64(_mix(state) >> _R11)) * _UNIT
        low, high = _HEIGHTS[layer], _HEIGHTS[layer + np.uint64(1)]
        if low + u * (high - low) < np.exp(-0.5 * x * x):
            return x, state


@_compiled
def _gamma(d: float, c: float, state: np.uint64) -> tuple[float, np.uint64]:
    """Draw from the gamma distribution of shape d + 1/3 ≥ 1 and scale 1, c = 1/√(9 d) (Marsaglia and Tsang 2000)."""
    while True:
        x, state = _normal(state)
        root = 1.0 + c * x
        if root <= 0.0:
            continue
        v = root * root * root
        state += _STEP
        u = np.float64(np.int64(_mix(state) >> _R11)) * _UNIT
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return d * v, state
        if np.log(1.0 - u) < 0.5 * square + d * (1.0 - v + np.log(v)):
            return d * v, state


@_compiled
def _angle(imag: float, real: float) -> float:
    """Give the argument of real + i·imag, rad, within 1e-7.

    The arctangent of 0..1 is a Chebyshev interpolant of atan(√s)/√s of degree 7 in s, its largest error 6e-8 rad.
    """
    across, along = abs(imag), abs(real)
    larger = max(across, along)
    if larger == 0.0:
        return 0.0
    t = min(across, along) / larger
    s = t * t
    series = _ATAN[7]
    for i in range(6, -1, -1):
        series = series * s + _ATAN[i]
    angle = t * series
    if across > along:
        angle = 0.5 * np.pi - angle
    if real < 0.0:
        angle = np.pi - angle
    return angle if imag >= 0.0 else -angle


@_compiled
def add_speckle(key: np.uint64, looks: float, phase: Image, coherence: Image) -> None:
    """Turn true phase and coherence into measured ones, in place, and wrap the phase into [−π, π).

    Parameters
    ----------
    key : numpy.uint64
        Of the pair (:func:`pair_key`).
    looks : float
        Independent looks, at least 2; 0 leaves the speckle out.
    phase, coherence : numpy.ndarray (y, x)
        Float32, true; rad (of any size) and 0..1; NaN stays NaN. Overwritten.

    Notes
    -----
    The distribution is that of :func:`labkit.simulate.interferometry.multilook_noise`: the phase and magnitude of an
    element of a complex Wishart matrix, by Bartlett's decomposition, without approximation. Its phase has the density
    of Lee and others (1994).
    """
    two_pi = np.float32(2 * np.pi)
    pi = np.float32(np.pi)
    first, second = looks - 1.0 / 3.0, looks - 4.0 / 3.0
    first_scale, second_scale = 1.0 / np.sqrt(9.0 * max(first, 1.0)), 1.0 / np.sqrt(9.0 * max(second, 1e-6))
    half = np.sqrt(0.5)
    for y in range(phase.shape[0]):
        state = _mix(key + np.uint64(y + 1) * _SECOND)
        for x in range(phase.shape[1]):
            angle = phase[y, x]
            gamma = np.float64(coherence[y, x])
            if looks > 0.0:
                a, state = _gamma(first, first_scale, state)
                b, state = _gamma(second, second_scale, state)
                real, state = _normal(state)
                imag, state = _normal(state)
                rest = np.sqrt(max(1.0 - gamma * gamma, 0.0))
                real *= rest * half
                imag *= rest * half
                root = np.sqrt(a)
                cross_real = gamma * root + real
                # |W21|² / (W11 W22), each divided by W11 = a
                cross = cross_real * cross_real + imag * imag
                coherence[y, x] = min(np.float32(np.sqrt(cross / (cross + rest * rest * b))), np.float32(1.0))
                angle += np.float32(_angle(imag, cross_real))
            angle -= two_pi * np.floor((angle + pi) / two_pi)
            phase[y, x] = -pi if angle >= pi or angle < -pi else angle
