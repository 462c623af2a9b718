"""Compiled loops from the numbers that processors store to phase and coherence: one pass over a few rows at a time.

Each loop runs along contiguous memory with unsigned indices, which lets the compiler turn it into vector code. All
compiled functions of reading stand in this one file: their cache on disk is renewed when the file changes, and only
then.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

F4 = npt.NDArray[np.float32]
U4 = npt.NDArray[np.uint32]

_PI, _HALF_PI = np.float32(np.pi), np.float32(np.pi / 2)
_TWO_PI_64, _INVERSE_TWO_PI_64 = 2 * np.pi, 1 / (2 * np.pi)
#: The largest float32 below π.
_BELOW_PI = np.nextafter(_PI, np.float32(0))
_ZERO, _ONE, _NAN = np.float32(0), np.float32(1), np.float32(np.nan)
_1, _2 = np.uint64(1), np.uint64(2)
_LARGEST = np.finfo(np.float32).max

# Least maximal error of atan(t) / t in t² on [0, 1]; what is left out is below 4e-8 rad.
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7 = (
    np.float32(v)
    for v in (
        0.9999993356,
        -0.3332986104,
        0.1994656849,
        -0.1390864286,
        0.09642228229,
        -0.05591270183,
        0.02186318589,
        -0.004054621959,
    )
)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
_intrinsic: Any = intrinsic


@_intrinsic
def _either(typing_context: Any, flag: Any, condition: Any) -> Any:
    """Or in 32 bits: in the 64 bits of numba's own integers a loop would run at half its width."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.or_(arguments[0], builder.zext(arguments[1], ir.IntType(32)))

    return types.uint32(types.uint32, types.boolean), generate


@_compiled
def swap_words(words: U4) -> None:  # pragma: no cover
    """Reverse the bytes of every 32-bit word, in place."""
    for i in range(np.uint64(words.size)):
        w = words[i]
        words[i] = (
            (w << np.uint32(24))
            | ((w & np.uint32(0xFF00)) << np.uint32(8))
            | ((w >> np.uint32(8)) & np.uint32(0xFF00))
            | (w >> np.uint32(24))
        )


@_compiled
def split_complex(parts: F4, sign: np.float32, no_data: np.float32, limit: np.float32, phase: F4, size: F4) -> bool:
    """Turn complex values into phase and magnitude.

    Parameters
    ----------
    parts : (2 n,) float32
        Real and imaginary parts in turns; 0, what is not finite, and a real part of ``no_data`` are no data.
    sign : float
        1, or −1 to change the sign of the phase.
    no_data : float
        NaN for none.
    limit : float
        No magnitude may be above it.
    phase, size : (n,) float32
        Receive the argument in [−π, π), rad, within 1e-6 rad, and the magnitude, at most 1; NaN = no data.

    Returns
    -------
    bool
        Whether no magnitude, infinite ones included, is above the limit.
    """
    beyond = np.uint32(0)
    for i in range(np.uint64(phase.size)):
        x, y = parts[_2 * i], parts[_2 * i + _1]
        ax, ay = abs(x), abs(y)
        large, small = max(ax, ay), min(ax, ay)
        known = (ax <= _LARGEST) & (ay <= _LARGEST) & (large > _ZERO) & (x != no_data)
        t = small / (large if known else _ONE)
        s = t * t
        r = _A7
        for a in numba.literal_unroll((_A6, _A5, _A4, _A3, _A2, _A1, _A0)):
            r = r * s + a
        r = r * t
        r = _HALF_PI - r if ay > ax else r
        r = _PI - r if x < _ZERO else r
        r = (-r if y < _ZERO else r) * sign
        r = -_PI if r >= _PI else r
        magnitude = np.sqrt(ax * ax + ay * ay)
        beyond = _either(beyond, magnitude > limit)
        phase[i] = r if known else _NAN
        size[i] = min(magnitude, _ONE) if known else _NAN
    return beyond == 0


@_compiled
def wrap_phase(
    values: npt.NDArray[np.floating], sign: np.float32, no_data: np.float32, phase: F4
) -> None:  # pragma: no cover
    """Wrap phase into [−π, π), rad; 0, ``no_data`` and what is not finite become NaN.

    Parameters
    ----------
    values : (n,) float32 or float64
        rad, wrapped or not.
    sign, no_data
        As in :func:`split_complex`.
    phase : (n,) float32
        Receives the wrapped phase.
    """
    for i in range(np.uint64(phase.size)):
        v = values[i]
        known = (abs(v) <= _LARGEST) & (v != _ZERO) & (v != no_data)
        # In 64 bits: thousands of radians of unwrapped phase leave no digits for the fraction of a turn in 32.
        wide = np.float64(v) * np.float64(sign)
        r = np.float32(wide - np.floor(wide * _INVERSE_TWO_PI_64 + 0.5) * _TWO_PI_64)
        # Rounding can lift a value just below +π onto it, outside the half-open interval.
        r = _BELOW_PI if r >= _PI else r
        phase[i] = r if known else _NAN


@_compiled
def join_coherence(values: F4, no_data: np.float32, limit: np.float32, phase: F4, coherence: F4) -> bool:
    """Give a pair its coherence; what either lacks is no data in both.

    Parameters
    ----------
    values : (n,) float32
        Coherence as stored; ``no_data`` and what is not finite are no data. May be ``coherence`` itself.
    no_data : float
        NaN for none.
    limit : float
        A little above 1, for the rounding of whoever wrote it.
    phase, coherence : (n,) float32
        The phase, which becomes NaN where the coherence is unknown; receives the coherence, at most 1.

    Returns
    -------
    bool
        Whether every known value lies in 0…``limit``.
    """
    wrong = np.uint32(0)
    for i in range(np.uint64(phase.size)):
        p, c = phase[i], values[i]
        stated = (abs(c) <= _LARGEST) & (c != no_data)
        wrong = _either(wrong, stated & ((c < _ZERO) | (c > limit)))
        known = stated & (p == p)
        phase[i] = p if known else _NAN
        coherence[i] = min(c, _ONE) if known else _NAN
    return wrong == 0


@_compiled
def split_parts(
    parts: F4, sign: np.float32, no_data: np.float32, limit: np.float32, real: F4, imag: F4
) -> bool:  # pragma: no cover
    """Lay real and imaginary parts apart, whose magnitude is the coherence.

    Parameters
    ----------
    parts, sign, no_data, limit
        As in :func:`split_complex`.
    real, imag : (n,) float32
        Receive the parts, shortened to a magnitude of 1 where it is more; NaN in both = no data.

    Returns
    -------
    bool
        Whether no magnitude, infinite ones included, is above the limit.
    """
    long = np.uint32(0)
    for i in range(np.uint64(real.size)):
        x, y = parts[_2 * i], parts[_2 * i + _1]
        ax, ay = abs(x), abs(y)
        known = (ax <= _LARGEST) & (ay <= _LARGEST) & (max(ax, ay) > _ZERO) & (x != no_data)
        long = _either(long, ax * ax + ay * ay > _ONE)
        real[i] = x if known else _NAN
        imag[i] = y * sign if known else _NAN
    if long == 0:
        return True
    beyond = np.uint32(0)
    for i in range(np.uint64(real.size)):
        x, y = parts[_2 * i], parts[_2 * i + _1]
        magnitude = np.sqrt(x * x + y * y)
        beyond = _either(beyond, magnitude > limit)
        scale = _ONE / magnitude if magnitude > _ONE else _ONE
        real[i] *= scale
        imag[i] *= scale
    return beyond == 0


@_compiled
def join_parts(
    parts: F4, values: F4, sign: np.float32, no_data: np.float32, limit: np.float32, real: F4, imag: F4
) -> bool:  # pragma: no cover
    """Real and imaginary part of coherence · exp(i phase), from complex values of any magnitude and the coherence.

    Parameters
    ----------
    parts, sign, no_data
        As in :func:`split_complex`.
    values, limit
        As in :func:`join_coherence`.
    real, imag : (n,) float32
        Receive the parts; NaN in both = no data in either.

    Returns
    -------
    bool
        Whether every known coherence lies in 0…``limit``.
    """
    wrong = np.uint32(0)
    for i in range(np.uint64(real.size)):
        x, y, c = parts[_2 * i], parts[_2 * i + _1], values[i]
        ax, ay = abs(x), abs(y)
        large = max(ax, ay)
        stated = (abs(c) <= _LARGEST) & (c != no_data)
        wrong = _either(wrong, stated & ((c < _ZERO) | (c > limit)))
        known = stated & (ax <= _LARGEST) & (ay <= _LARGEST) & (large > _ZERO) & (x != no_data)
        # Divided first: squares of large or small values leave the range of float32.
        large = large if known else _ONE
        u, v = x / large, y / large
        scale = min(c, _ONE) / np.sqrt(u * u + v * v)
        real[i] = u * scale if known else _NAN
        imag[i] = v * scale * sign if known else _NAN
    return wrong == 0


@_compiled
def blank(values: npt.NDArray[np.floating], no_data: np.float64) -> None:  # pragma: no cover
    """Make NaN of what equals ``no_data``, in place."""
    for i in range(np.uint64(values.size)):
        v = values[i]
        values[i] = np.nan if v == no_data else v


@_compiled
def decode_angle(
    angle: npt.NDArray[np.int16], level: npt.NDArray[np.unsignedinteger], step: np.float32, phase: F4
) -> None:  # pragma: no cover
    """Binary angles of ``step`` rad into phase; NaN where the level of the coherence is 0."""
    for i in range(np.uint64(phase.size)):
        p = np.float32(angle[i]) * step
        phase[i] = p if level[i] != 0 else _NAN


@_compiled
def decode_level(level: npt.NDArray[np.unsignedinteger], step: np.float32, coherence: F4) -> None:  # pragma: no cover
    """Levels 1, 2, … into coherence 0, ``step``, …, at most 1; NaN where the level is 0."""
    for i in range(np.uint64(coherence.size)):
        c = min((np.float32(level[i]) - _ONE) * step, _ONE)
        coherence[i] = c if level[i] != 0 else _NAN
