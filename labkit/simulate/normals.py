"""Normal numbers that are computed, not drawn in turn: each follows from a key, a row and a column, in any order.

A counter is scattered over 32 bits, and two such numbers become two normals by the transform of Box and Muller (1958).
Logarithm, sine and cosine are series that a compiler turns into vector instructions; without them this is slower
than everything else that a pair is made of.
"""

from __future__ import annotations

import zlib

import numba
import numpy as np
import numpy.typing as npt

from labkit.simulate.polynomials import polynomial, series

Row = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint32]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_R30, _R27, _R31, _R32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

_STRIDE, _SPREAD, _MIXER = np.uint32(0x9E3779B9), np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_W1, _W2, _W8, _W15, _W16 = np.uint32(1), np.uint32(2), np.uint32(8), np.uint32(15), np.uint32(16)

#: Bits of √½ as float32: mantissas are taken from there to √2.
_HALF_ROOT = np.int32(0x3F3504F3)
_MANTISSA, _EXPONENT = np.int32(0x7FFFFF), np.int32(23)

_UNIT, _HALF_UNIT = np.float32(2.0**-24), np.float32(2.0**-25)
_LN2 = np.float32(np.log(2.0))
_QUARTER = np.float32(np.pi / 2)


#: log(1 + m)/m on √½ − 1 .. √2 − 1; sin(t)/t and cos(t) in t² on 0 .. (π/4)². Errors below 1e-7.
_LOG = series(lambda m: np.log1p(m) / m, np.sqrt(0.5) - 1, np.sqrt(2.0) - 1, 9)
_SIN = series(lambda s: np.sin(np.sqrt(s)) / np.sqrt(s), 0.0, (np.pi / 4) ** 2, 3)
_COS = series(lambda s: np.cos(np.sqrt(s)), 0.0, (np.pi / 4) ** 2, 4)


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
def mix(value: np.uint64) -> np.uint64:
    """Scatter a counter over all 64 bits (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> _R30)) * _FIRST
    value = (value ^ (value >> _R27)) * _SECOND
    return value ^ (value >> _R31)


@_compiled
def _scatter(x: np.uint32, first: np.uint32, second: np.uint32) -> np.uint32:
    """Scatter a column over 32 bits, by two words of a row."""
    word = np.uint32(np.uint32(x * _STRIDE) + first)
    word = np.uint32((word ^ (word >> _W16)) * _SPREAD)
    word = np.uint32(np.uint32(word ^ (word >> _W15)) + second)
    word = np.uint32(word * _MIXER)
    return np.uint32(word ^ (word >> _W16))


@_compiled
def normal_rows(key: np.uint64, row: int, words: Words, floats: Row, one: Row, two: Row) -> None:
    """Fill two rows with independent standard normals that depend on the key, the row and the column alone.

    Parameters
    ----------
    key : numpy.uint64
        Of the pair (:func:`pair_key`) and of what is drawn.
    row : int
        Number of the row, at least 0.
    words, floats : numpy.ndarray (n,)
        Room for uint32 and the same bytes seen as float32.
    one, two : numpy.ndarray (n,)
        Float32, filled.

    Notes
    -----
    √(−2 ln u) (cos φ, sin φ), u of 24 bits: none is larger than 5.9, beyond which 4 in 10⁹ normals lie. φ comes as an
    eighth of a turn to either side of 45° and two signs.
    """
    state = mix(key + np.uint64(row + 1) * _STEP)
    other = mix(state + _STEP)
    length_first, length_second = np.uint32(state & _LOW), np.uint32(state >> _R32)
    angle_first, angle_second = np.uint32(other & _LOW), np.uint32(other >> _R32)
    for x in range(one.shape[0]):
        word = _scatter(np.uint32(x), length_first, length_second)
        floats[x] = np.float32(np.int32(word >> _W8)) * _UNIT + _HALF_UNIT
    for x in range(one.shape[0]):
        bits = np.int32(np.int32(words[x]) - _HALF_ROOT)
        two[x] = np.float32(np.int32(bits >> _EXPONENT))
        words[x] = np.uint32(np.int32(bits & _MANTISSA) + _HALF_ROOT)
    for x in range(one.shape[0]):
        beyond = floats[x] - np.float32(1.0)
        # √(−2 ln u) and the 1/√2 of 45° together
        length = np.sqrt(max(-(two[x] * _LN2 + beyond * polynomial(_LOG, beyond)), np.float32(0.0)))
        word = _scatter(np.uint32(x), angle_first, angle_second)
        angle = (np.float32(np.int32(word >> _W8)) * _UNIT + (_HALF_UNIT - np.float32(0.5))) * _QUARTER
        square = angle * angle
        sine, cosine = angle * polynomial(_SIN, square), polynomial(_COS, square)
        one[x] = length * (np.float32(1.0) - np.float32(np.int32(word & _W2))) * (cosine - sine)
        two[x] = length * (np.float32(1.0) - np.float32(2.0) * np.float32(np.int32(word & _W1))) * (cosine + sine)
