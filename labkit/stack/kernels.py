"""The compiled kernel of stacking: each pair is read once, filtered and differenced in both directions in one pass.

One call treats a strip of rows of a few pairs. Everything that a pixel's sums hold is added in the same order whatever
the strip, the batch of pairs or the number of threads, so results are identical to the bit.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

F4 = npt.NDArray[np.float32]
I4 = npt.NDArray[np.int32]

#: Numbers by which the kernel knows the estimators.
LSQ, CIRCULAR, SUM = 0, 1, 2

#: Sums that each estimator keeps for each pixel and direction.
N_SUMS = {LSQ: 5, CIRCULAR: 5, SUM: 2}

#: The weight of the least squares, |P| / (LIMIT − |P|), is capped by this at 1 / (LIMIT − 1) = 50.
WEIGHT_LIMIT = np.float32(1.02)

_PI = np.float32(np.pi)
_HALF_PI = np.float32(np.pi / 2)
_INVERSE_PI = np.float32(1 / np.pi)
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_NO, _YES = np.int32(0), np.int32(1)

# Taylor series on [−π/2, π/2]: the first omitted terms are below 1e-8.
_S3, _S5, _S7, _S9, _S11 = (np.float32(v) for v in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))
_C2, _C4, _C6, _C8, _C10, _C12 = (
    np.float32(v) for v in (-1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600)
)
# Chebyshev fit of atan(t) / t in t² on [0, 1], error 1.1e-7 rad in float32.
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8 = (
    np.float32(v)
    for v in (
        0.999999984,
        -0.333330668,
        0.199924836,
        -0.142025705,
        0.106367541,
        -0.0749544544,
        0.0425876075,
        -0.0160050305,
        0.0028340643,
    )
)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _phasor_row(phase: F4, coherence: F4, half: int, real: F4, imag: F4, count: F4) -> None:  # pragma: no cover
    """Coherence · exp(i phase) and 1, or 0 where there is no data; each padded by ``half`` zeros at both ends."""
    offset = np.uint64(half)
    for x in range(np.uint64(phase.size)):
        known = (phase[x] == phase[x]) and (coherence[x] == coherence[x])
        p = phase[x] if known else _ZERO
        c = coherence[x] if known else _ZERO
        turn = np.floor(p * _INVERSE_PI + _HALF)
        r = p - turn * _PI
        # An odd half turn changes the sign of both sine and cosine.
        c = -c if turn != _ZERO else c
        s = r * r
        sine = r * (_ONE + s * (_S3 + s * (_S5 + s * (_S7 + s * (_S9 + s * _S11)))))
        cosine = _ONE + s * (_C2 + s * (_C4 + s * (_C6 + s * (_C8 + s * (_C10 + s * _C12)))))
        real[offset + x] = c * cosine
        imag[offset + x] = c * sine
        count[offset + x] = _ONE if known else _ZERO


@_compiled
def _window_row(padded: F4, width: int, out: F4) -> None:  # pragma: no cover
    """Sum of ``width`` neighbours along the row, added from left to right."""
    n = out.size
    for x in range(np.uint64(n)):
        out[x] = padded[x]
    for k in range(np.uint64(1), np.uint64(width)):
        for x in range(np.uint64(n)):
            out[x] += padded[x + k]


@_compiled
def _filtered_row(ring: F4, first: int, last: int, phase: F4, out: F4) -> None:  # pragma: no cover
    """Mean over the window's rows ``first``..``last`` of the ring; 0 where the centre itself has no data."""
    rows, n = ring.shape[0], phase.size
    for part in range(3):
        source = ring[first % rows, part]
        for x in range(np.uint64(n)):
            out[part, x] = source[x]
        for row in range(first + 1, last + 1):
            source = ring[row % rows, part]
            for x in range(np.uint64(n)):
                out[part, x] += source[x]
    for x in range(np.uint64(n)):
        scale = _ONE / out[2, x] if phase[x] == phase[x] and out[2, x] > _ZERO else _ZERO
        out[0, x] *= scale
        out[1, x] *= scale


@_compiled
def _argument(real: np.float32, imag: np.float32) -> np.float32:  # pragma: no cover
    ax, ay = abs(real), abs(imag)
    large, small = max(ax, ay), min(ax, ay)
    t = small / large if large > _ZERO else _ZERO
    s = t * t
    r = t * (_A0 + s * (_A1 + s * (_A2 + s * (_A3 + s * (_A4 + s * (_A5 + s * (_A6 + s * (_A7 + s * _A8))))))))
    r = _HALF_PI - r if ay > ax else r
    r = _PI - r if real < _ZERO else r
    return -r if imag < _ZERO else r


@_compiled
def _product_row(ahead_re: F4, ahead_im: F4, here_re: F4, here_im: F4, real: F4, imag: F4) -> None:  # pragma: no cover
    """P = z[ahead] · conj(z[here]) along a row; every row is contiguous, so that the loop becomes vector code."""
    for x in range(np.uint64(real.size)):
        real[x] = ahead_re[x] * here_re[x] + ahead_im[x] * here_im[x]
        imag[x] = ahead_im[x] * here_re[x] - ahead_re[x] * here_im[x]


@_compiled
def _add_lsq(
    real: F4, imag: F4, years: np.float32, s0: F4, s1: F4, s2: F4, s3: F4, s4: F4, counts: I4
) -> None:  # pragma: no cover
    """Σ wTΔ, Σ wT², Σ (wTΔ)², Σ w²T³Δ, Σ w²T⁴ with w = |P| / (1.02 − |P|), Δ = arg P."""
    for x in range(np.uint64(real.size)):
        size = np.sqrt(real[x] * real[x] + imag[x] * imag[x])
        delta = _argument(real[x], imag[x])
        weighted = size / (WEIGHT_LIMIT - size) * years
        score, information = weighted * delta, weighted * years
        s0[x] += score
        s1[x] += information
        s2[x] += score * score
        s3[x] += score * information
        s4[x] += information * information
        counts[x] += _YES if size > _ZERO else _NO


@_compiled
def _add_circular(real: F4, imag: F4, s0: F4, s1: F4, s2: F4, s3: F4, s4: F4, counts: I4) -> None:  # pragma: no cover
    """Σ Re P, Σ Im P, Σ Re²P, Σ Im²P, Σ Re P · Im P."""
    for x in range(np.uint64(real.size)):
        a, b = real[x], imag[x]
        s0[x] += a
        s1[x] += b
        s2[x] += a * a
        s3[x] += b * b
        s4[x] += a * b
        counts[x] += _YES if abs(a) + abs(b) > _ZERO else _NO


@_compiled
def _add_sum(real: F4, imag: F4, s0: F4, s1: F4, counts: I4) -> None:  # pragma: no cover
    """Σ Δ, Σ Δ² with Δ = arg P."""
    for x in range(np.uint64(real.size)):
        delta = _argument(real[x], imag[x])
        s0[x] += delta
        s1[x] += delta * delta
        counts[x] += _YES if abs(real[x]) + abs(imag[x]) > _ZERO else _NO


@_compiled
def _add_row(
    kind: int, real: F4, imag: F4, years: np.float32, sums: F4, row: int, counts: I4
) -> None:  # pragma: no cover
    """Add one row of products to ``sums`` (N, y, x) with the estimator's formula."""
    n = real.size
    if kind == LSQ:
        s0, s1, s2, s3, s4 = sums[0, row, :n], sums[1, row, :n], sums[2, row, :n], sums[3, row, :n], sums[4, row, :n]
        _add_lsq(real, imag, years, s0, s1, s2, s3, s4, counts)
    elif kind == CIRCULAR:
        s0, s1, s2, s3, s4 = sums[0, row, :n], sums[1, row, :n], sums[2, row, :n], sums[3, row, :n], sums[4, row, :n]
        _add_circular(real, imag, s0, s1, s2, s3, s4, counts)
    else:
        _add_sum(real, imag, sums[0, row, :n], sums[1, row, :n], counts)


@_compiled
def _add_coherence(phase: F4, coherence: F4, total: F4, count: I4) -> None:  # pragma: no cover
    for x in range(np.uint64(phase.size)):
        known = (phase[x] == phase[x]) and (coherence[x] == coherence[x])
        total[x] += coherence[x] if known else _ZERO
        count[x] += _YES if known else _NO


@_compiled
def _sample_row(real: F4, imag: F4, step: int, out: npt.NDArray[np.complex64]) -> None:  # pragma: no cover
    for i in range(out.size):
        if i * step < real.size:
            out[i] = np.complex64(complex(real[i * step], imag[i * step]))


@_compiled
def accumulate_strip(
    phase: F4,
    coherence: F4,
    years: F4,
    rows: tuple[int, int],
    window: int,
    lag: int,
    kind: int,
    sums: F4,
    counts: I4,
    coherence_sum: F4,
    coherence_count: I4,
    samples: npt.NDArray[np.complex64],
    sample_step: int,
) -> None:  # pragma: no cover
    """Add a few pairs to the sums of one strip of rows.

    Parameters
    ----------
    phase, coherence : (pairs, y, x) float32
        rad and 0..1; NaN = no data in either is no data in both.
    years : (pairs,) float32
        Temporal baselines.
    rows : (int, int)
        The strip, half-open.
    window, lag : int
        Edge of the filter (odd) and distance of the neighbours, px.
    kind : int
        LSQ, CIRCULAR or SUM.
    sums, counts : (2, N_SUMS, y, x), (2, y, x)
        Sums of each direction (azimuth = along y, range = along x), changed in place within the strip alone.
    coherence_sum, coherence_count : (y, x)
        Likewise.
    samples : (2, pairs, y // step, x // step) complex64
        Receives the products P at every ``sample_step``-th pixel.
    """
    pairs, height, width = phase.shape
    first, last = rows
    half = window // 2
    padded = np.zeros((3, width + 2 * half), np.float32)
    ring = np.empty((window, 3, width), np.float32)
    filtered = np.empty((lag + 1, 3, width), np.float32)
    real, imag = np.empty(width, np.float32), np.empty(width, np.float32)
    for k in range(pairs):
        summed = max(first - half, 0)
        for row in range(first, min(last + lag, height)):
            until = min(row + half, height - 1)
            while summed <= until:
                _phasor_row(phase[k, summed], coherence[k, summed], half, padded[0], padded[1], padded[2])
                for part in range(3):
                    _window_row(padded[part], window, ring[summed % window, part])
                summed += 1
            here = filtered[row % (lag + 1)]
            _filtered_row(ring, max(row - half, 0), until, phase[k, row], here)
            if row < last:
                _add_coherence(phase[k, row], coherence[k, row], coherence_sum[row], coherence_count[row])
                short_re, short_im = real[: width - lag], imag[: width - lag]
                _product_row(here[0, lag:], here[1, lag:], here[0, :-lag], here[1, :-lag], short_re, short_im)
                _add_row(kind, short_re, short_im, years[k], sums[1], row, counts[1, row])
                if row % sample_step == 0:
                    _sample_row(short_re, short_im, sample_step, samples[1, k, row // sample_step])
            back = row - lag
            if back >= first:
                before = filtered[back % (lag + 1)]
                _product_row(here[0], here[1], before[0], before[1], real, imag)
                _add_row(kind, real, imag, years[k], sums[0], back, counts[0, back])
                if back % sample_step == 0:
                    _sample_row(real, imag, sample_step, samples[0, k, back // sample_step])
