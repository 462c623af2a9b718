"""How far pairs that share an acquisition make a stack's error smaller or larger than independent pairs would."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import CIRCULAR, F4, LSQ, ONE, ZERO, argument, compiled, stay_apart
from labkit.stack.estimators import KERNEL_OF
from labkit.stack.products import WEIGHT_LIMIT
from labkit.stack.rows import RowThreads

Samples = npt.NDArray[np.float32]

_BLOCKS_PER_SIDE = 6
_MIN_PIXELS = 16

#: The correction is kept within a factor of five; beyond it, too few acquisitions were there to tell.
_RANGE = (0.2, 5.0)

#: Where pairs that share an acquisition hold more of the stack than this, too little is left to measure from.
_MOST_SHARED = 0.8

# Pixels that are worked on at once, so that the sums of all dates stay in the cache.
_CHUNK = 256


def network_ratio(
    psi: Samples,
    shares: Samples,
    reference: npt.NDArray[np.datetime64],
    secondary: npt.NDArray[np.datetime64],
    *,
    threads: int = 1,
) -> float:
    """Measure κ, the ratio of the dyadic-robust standard error to the one of independent pairs, over a scene.

    Parameters
    ----------
    psi, shares : (pair, y, x) float32
        Each pair's part ψ of the deviation at sampled pixels of one direction, 0 = no data, and its share h of the
        stack's weight there, which sums to 1 over the pairs (:func:`scores`).
    reference, secondary : (pair,) datetime64
        Dates of the pairs.
    threads : int
        The result does not depend on it.

    Returns
    -------
    float
        κ within 0.2…5, to be multiplied with the error of independent pairs that holds the factor √(n / (n − 1)); 1
        where the scene is too small to measure it, or where nearly all pairs share an acquisition with each other.

    Notes
    -----
    The variance of a sum of pairs holds the covariances of pairs that share an acquisition:
    D = Σ_a (Σ_{k ∋ a} ψ_k)² − Σ_k ψ_k², against the naive Σ_k ψ_k². Consecutive pairs carry the noise of the date they
    share with opposite signs, so that it cancels and κ < 1; pairs from one date to several others add it up.

    The ψ are deviations from a mean that was fitted to them, which makes them a little too small and ties each to all
    others. With weights inverse to the variance, E[D] = V (1 − H), where V is the true variance and H = Σ h_k h_l over
    the pairs k, l that share an acquisition (k = l included); D / (1 − H) is free of that bias.

    At one pixel the ratio is too noisy to use; the square root of its median over blocks of the scene is steady. It
    assumes that the kind of noise is the same over the scene. Each direction has its own κ: ground foreshortened in
    range carries another mixture of air and decorrelation than the same ground along azimuth.

    References
    ----------
    Fafchamps and Gubert (2007), The formation of risk sharing networks (dyadic-robust variance).
    """
    dates, of_pair = np.unique(np.concatenate([reference, secondary]), return_inverse=True)
    first, second = of_pair.reshape(2, -1)
    shape = psi.shape[1:]
    found = np.empty((3, psi[0].size), np.float32)
    flat = (part.reshape(len(part), -1) for part in (psi, shares))
    with RowThreads(threads) as shared:
        shared.over_rows(found.shape[1], _variances, *flat, first, second, len(dates), found)
    measured = _ratios(*found.reshape(3, *shape))
    if not len(measured):
        return 1.0
    ratio = float(np.median(measured)) * (1 - 1 / len(reference))
    return float(np.clip(np.sqrt(max(ratio, 0.0)), *_RANGE))


def _ratios(naive: Samples, dyadic: Samples, shared: Samples) -> npt.NDArray[np.float64]:
    """Dyadic over naive variance of each block that has enough pixels."""
    known = (naive > 0) & (shared < _MOST_SHARED)
    dyadic = np.where(known, dyadic / np.where(known, 1 - shared, 1), 0)
    naive = np.where(known, naive, 0)
    rows, cols = np.indices(naive.shape)
    per_block = [-(-n // _BLOCKS_PER_SIDE) for n in naive.shape]
    block = (rows // per_block[0] * _BLOCKS_PER_SIDE + cols // per_block[1]).ravel()
    n_blocks = _BLOCKS_PER_SIDE**2
    used = np.bincount(block, known.ravel(), n_blocks)
    naive_sum, dyadic_sum = (np.bincount(block, v.ravel(), n_blocks) for v in (naive, dyadic))
    enough = used >= _MIN_PIXELS
    return np.asarray(dyadic_sum[enough] / naive_sum[enough])


@compiled
def _variances(
    start: int,
    stop: int,
    psi: F4,
    shares: F4,
    first: npt.NDArray[np.intp],
    second: npt.NDArray[np.intp],
    n_dates: int,
    found: F4,
) -> None:  # pragma: no cover
    """Σ_k ψ_k², Σ ψ_k ψ_l and Σ h_k h_l over pairs k, l that share an acquisition, of pixels ``start`` to ``stop``."""
    by_date = np.empty((n_dates, _CHUNK), np.float32)
    squares = np.empty(_CHUNK, np.float32)
    for at in range(start, stop, _CHUNK):
        n = min(_CHUNK, stop - at)
        for part in range(2):
            by_date[:], squares[:] = ZERO, ZERO
            for k in range(len(first)):
                row = psi[k, at : at + n] if part == 0 else shares[k, at : at + n]
                _add(row, by_date[first[k]])
                _add(row, by_date[second[k]])
                _add_square(row, squares)
            if part == 0:
                found[0, at : at + n] = squares[:n]
            out = found[1 + part, at : at + n]
            for x in range(n):
                out[x] = -squares[x]
            for date in range(n_dates):
                _add_square(by_date[date, :n], out)


@compiled
def _add(row: F4, total: F4) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(row.size)):
        total[x] += row[x]


@compiled
def _add_square(row: F4, total: F4) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(row.size)):
        total[x] += row[x] * row[x]


def scores(
    delta: Samples, size: Samples, years: npt.NDArray[np.float32], name: str, *, threads: int = 1
) -> tuple[Samples, Samples]:
    """Give each pair's part of the estimator's deviation, and its share of the weight, at sampled pixels.

    Parameters
    ----------
    delta, size : (pair, y, x) float32
        Δ = arg P (rad) and |P|, 0 = no data.
    years : (pair,) float32
        Temporal baselines.
    name : str
        Estimator.
    threads : int
        The result does not depend on it.

    Returns
    -------
    psi : (pair, y, x) float32
        ψ with Σ ψ = 0: wT (Δ − vT) for lsq, Im(P e^(−iθ)) for circular, Δ − mean for sum. Var = Σ_kl cov(ψ_k, ψ_l).
    shares : (pair, y, x) float32
        h with Σ h = 1 where there is data: in proportion to wT² for lsq, |P| for circular, 1 for sum.
    """
    psi, shares = np.empty_like(delta), np.empty_like(size)
    flat = (part.reshape(len(part), -1) for part in (delta, size, psi, shares))
    with RowThreads(threads) as shared:
        shared.over_rows(psi[0].size, _score_pixels, KERNEL_OF[name], years, *flat)
    return psi, shares


@compiled
def _score_pixels(
    start: int, stop: int, kind: int, years: F4, delta: F4, size: F4, psi: F4, shares: F4
) -> None:  # pragma: no cover
    sums = np.empty((3, _CHUNK), np.float32)
    for at in range(start, stop, _CHUNK):
        n = min(_CHUNK, stop - at)
        pixels = slice(at, at + n)
        sums[:] = ZERO
        for k in range(len(years)):
            _sum_scores(kind, years[k], delta[k, pixels], size[k, pixels], sums[0], sums[1], sums[2])
        for x in range(n):
            if kind == CIRCULAR:
                sums[0, x] = argument(sums[0, x], sums[1, x])
            elif sums[1, x] > ZERO:
                sums[0, x] /= sums[1, x]
        for k in range(len(years)):
            _score(
                kind, years[k], delta[k, pixels], size[k, pixels], sums[0], sums[2], psi[k, pixels], shares[k, pixels]
            )


@compiled
def _sum_scores(
    kind: int, t: np.float32, delta: F4, size: F4, first: F4, second: F4, weights: F4
) -> None:  # pragma: no cover
    """What the estimator is made of, and Σ of what its shares are in proportion to."""
    stay_apart()
    for x in range(np.uint64(delta.size)):
        if kind == LSQ:
            weight = size[x] / (WEIGHT_LIMIT - size[x]) * t
            first[x] += weight * delta[x]
            second[x] += weight * t
            weights[x] += weight * t
        elif kind == CIRCULAR:
            first[x] += size[x] * np.cos(delta[x])
            second[x] += size[x] * np.sin(delta[x])
            weights[x] += size[x]
        else:
            known = ONE if size[x] > ZERO else ZERO
            first[x] += known * delta[x]
            second[x] += known
            weights[x] += known


@compiled
def _score(
    kind: int, t: np.float32, delta: F4, size: F4, fitted: F4, weights: F4, psi: F4, shares: F4
) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint64(delta.size)):
        share = ONE / weights[x] if weights[x] > ZERO else ZERO
        if kind == LSQ:
            weight = size[x] / (WEIGHT_LIMIT - size[x]) * t
            psi[x] = weight * (delta[x] - fitted[x] * t)
            shares[x] = weight * t * share
        elif kind == CIRCULAR:
            psi[x] = size[x] * np.sin(delta[x] - fitted[x])
            shares[x] = size[x] * share
        else:
            known = ONE if size[x] > ZERO else ZERO
            psi[x] = known * (delta[x] - fitted[x])
            shares[x] = known * share
