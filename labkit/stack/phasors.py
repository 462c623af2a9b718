"""Compiled loops from rows of a pair, as they were read, to rows of phasors to be filtered."""

from __future__ import annotations

import numpy as np

from labkit.stack.compiled import (
    BEYOND,
    F4,
    HALF,
    MISSING,
    ONE,
    PI,
    WRAPPED_LIMIT_RAD,
    ZERO,
    compiled_within,
    flagged,
    fma,
    stay_apart,
    weigh_row,
)
from labkit.stack.products import PLANE_SIZE

_PLANE = np.uint64(PLANE_SIZE)

_INVERSE_PI = np.float32(1 / np.pi)
# Polynomials in r² fitted at Chebyshev nodes on [−π/2, π/2]: sin r / r to 3e-8, cos r to 9e-10.
_S1, _S2, _S3, _S4 = (np.float32(v) for v in (-0.16666666, 0.00833324214, -0.000198227395, 2.63475639e-06))
_C1, _C2, _C3, _C4, _C5 = (np.float32(v) for v in (-0.5, 0.0416666594, -0.00138886516, 2.47745797e-05, -2.62975174e-07))


@compiled_within
def _phasor_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, z: F4, at: int, part: int
) -> np.uint32:  # pragma: no cover
    """Weight · exp(i phase) at ``z[at:]`` and ``z[at + part:]``, 0 without data; return flags."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    real, imag = np.uint64(at), np.uint64(at + part)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        known = (p == p) and (c == c)
        flags = flagged(flags, MISSING, not known)
        flags = flagged(flags, BEYOND, abs(p) > WRAPPED_LIMIT_RAD)
        p = p if known else ZERO
        c = c if known else ZERO
        turn = np.floor(fma(p, _INVERSE_PI, HALF))
        r = fma(-turn, PI, p)
        # An odd half turn changes the sign of both sine and cosine.
        c = -c if turn != ZERO else c
        s = r * r
        sine = r * fma(s, fma(s, fma(s, fma(s, _S4, _S3), _S2), _S1), ONE)
        cosine = fma(s, fma(s, fma(s, fma(s, fma(s, _C5, _C4), _C3), _C2), _C1), ONE)
        z[real + x] = c * cosine
        z[imag + x] = c * sine
    return flags


@compiled_within
def _bare_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, f: F4, at: int, part: int
) -> np.uint32:  # pragma: no cover
    """Angle and magnitude of a pair that is not filtered, 0 without data; return flags."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    angle, size = np.uint64(at), np.uint64(at + part)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        known = (p == p) and (c == c)
        flags = flagged(flags, MISSING, not known)
        flags = flagged(flags, BEYOND, abs(p) > WRAPPED_LIMIT_RAD)
        f[angle + x] = p if known else ZERO
        f[size + x] = c if known else ZERO
    return flags


@compiled_within
def _copy_row(
    real: F4, imag: F4, place: tuple[int, int, int], n: int, z: F4, at: int, part: int
) -> np.uint32:  # pragma: no cover
    """Phasors as they were read, at ``z[at:]`` and ``z[at + part:]``, 0 without data; return flags."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    first, second = np.uint64(at), np.uint64(at + part)
    flags = np.uint32(0)
    for x in range(np.uint64(n)):
        a, b = real[pair, line, left + x], imag[pair, line, left + x]
        known = (a == a) and (b == b)
        flags = flagged(flags, MISSING, not known)
        z[first + x] = a if known else ZERO
        z[second + x] = b if known else ZERO
    return flags


@compiled_within
def _known_row(
    phase: F4, weights: F4, place: tuple[int, int, int], source: tuple[int, int, int], n: int, z: F4, at: int
) -> None:  # pragma: no cover
    """1 where there is data, else 0, at ``z[at:]``."""
    stay_apart()
    pair, line, left = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2])
    weight_pair, weight_line, weight_left = np.uint64(source[0]), np.uint64(source[1]), np.uint64(source[2])
    to = np.uint64(at)
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], weights[weight_pair, weight_line, weight_left + x]
        z[to + x] = ONE if (p == p) and (c == c) else ZERO


@compiled_within
def add_coherence(
    phase: F4, coherence: F4, place: tuple[int, int, int], n: int, whole: bool, polar: bool, sums: F4, at: int
) -> None:  # pragma: no cover
    """Σ coherence at ``sums[at:]``, and its count in the next plane where the row is not whole.

    Not ``polar``, the arrays are real and imaginary parts, and their magnitude is the coherence.
    """
    stay_apart()
    pair, line, left, to = np.uint64(place[0]), np.uint64(place[1]), np.uint64(place[2]), np.uint64(at)
    if whole and polar:
        for x in range(np.uint64(n)):
            sums[to + x] += coherence[pair, line, left + x]
        return
    if whole:
        for x in range(np.uint64(n)):
            a, b = phase[pair, line, left + x], coherence[pair, line, left + x]
            sums[to + x] += np.sqrt(fma(a, a, b * b))
        return
    for x in range(np.uint64(n)):
        p, c = phase[pair, line, left + x], coherence[pair, line, left + x]
        known = (p == p) and (c == c)
        level = c if polar else np.sqrt(fma(p, p, c * c))
        sums[to + x] += level if known else ZERO
        sums[to + _PLANE + x] += ONE if known else ZERO


@compiled_within
def row_of(
    phase: F4,
    coherence: F4,
    k: int,
    line: int,
    cols: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    weights: F4,
    polar: bool,
    bare: bool,
    out: F4,
    at: int,
    part: int,
) -> np.uint32:  # pragma: no cover
    """Phasors (or, ``bare``, angles and magnitudes) of part of a row, weighted by the ``rule``; return flags.

    Not ``polar``, the arrays are real and imaginary parts, which no rule changes.
    """
    place, n = (k, line, cols[0]), cols[1] - cols[0]
    if not polar:
        return _copy_row(phase, coherence, place, n, out, at, part)
    if rule[0] > ZERO or rule[1] != ONE:
        weigh_row(coherence, k, line, cols[0], n, rule[0], rule[1], weights)
        if bare:
            return _bare_row(phase, weights, place, (0, 0, 0), n, out, at, part)
        return _phasor_row(phase, weights, place, (0, 0, 0), n, out, at, part)
    if bare:
        return _bare_row(phase, coherence, place, place, n, out, at, part)
    return _phasor_row(phase, coherence, place, place, n, out, at, part)


@compiled_within
def known_cols(
    phase: F4,
    coherence: F4,
    k: int,
    line: int,
    cols: tuple[int, int],
    rule: tuple[np.float32, np.float32],
    weights: F4,
    z: F4,
    at: int,
) -> None:  # pragma: no cover
    """Where part of a row has data."""
    place, n = (k, line, cols[0]), cols[1] - cols[0]
    if rule[0] > ZERO or rule[1] != ONE:
        weigh_row(coherence, k, line, cols[0], n, rule[0], rule[1], weights)
        _known_row(phase, weights, place, (0, 0, 0), n, z, at)
    else:
        _known_row(phase, coherence, place, place, n, z, at)
