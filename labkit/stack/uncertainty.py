"""How far pairs that share an acquisition make a stack's error smaller or larger than independent pairs would."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from labkit.stack.kernels import WEIGHT_LIMIT

_BLOCKS_PER_SIDE = 6
_MIN_PIXELS = 16

#: The correction is kept within a factor of five; beyond it, too few acquisitions were there to tell.
_RANGE = (0.2, 5.0)


#: Where pairs that share an acquisition hold more of the stack than this, too little is left to measure from.
_MOST_SHARED = 0.8


def network_ratio(
    parts: Iterable[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    reference: npt.NDArray[np.datetime64],
    secondary: npt.NDArray[np.datetime64],
) -> float:
    """Measure κ, the ratio of the dyadic-robust standard error to the one of independent pairs, over a scene.

    Parameters
    ----------
    parts : iterable of (psi, shares), for each direction; both (pair, y, x) float64
        Each pair's part ψ of the deviation at sampled pixels, 0 = no data, and its share h of the stack's weight there,
        which sums to 1 over the pairs (:func:`scores`).
    reference, secondary : (pair,) datetime64
        Dates of the pairs.

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

    At one pixel the ratio is too noisy to use; the square root of its median over blocks of the scene, both directions
    together, is steady. It assumes that the kind of noise is the same over the scene.

    References
    ----------
    Fafchamps and Gubert (2007), The formation of risk sharing networks (dyadic-robust variance).
    """
    membership = _membership(reference, secondary)
    measured = np.concatenate([_ratios(psi, shares, membership) for psi, shares in parts])
    if not len(measured):
        return 1.0
    ratio = float(np.median(measured)) * (1 - 1 / len(reference))
    return float(np.clip(np.sqrt(max(ratio, 0.0)), *_RANGE))


def _membership(
    reference: npt.NDArray[np.datetime64], secondary: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.float64]:
    """(date, pair): 1 where the pair has the date."""
    dates, inverse = np.unique(np.concatenate([reference, secondary]), return_inverse=True)
    pairs = len(reference)
    membership = np.zeros((len(dates), pairs))
    membership[inverse[:pairs], np.arange(pairs)] = 1
    membership[inverse[pairs:], np.arange(pairs)] = 1
    return membership


def _ratios(
    scores: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], membership: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Dyadic over naive variance of each block that has enough pixels."""
    naive, dyadic = _variances(scores, membership)
    _, shared = _variances(shares, membership)
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


def _variances(
    parts: npt.NDArray[np.float64], membership: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Σ_k ψ_k², and Σ ψ_k ψ_l over pairs k, l that share an acquisition."""
    naive = (parts**2).sum(0)
    by_date = np.tensordot(membership, parts, 1)
    return naive, (by_date**2).sum(0) - naive


def scores(
    delta: npt.NDArray[np.float32], size: npt.NDArray[np.float32], years: npt.NDArray[np.float32], name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give each pair's part of the estimator's deviation, and its share of the weight, at sampled pixels.

    Parameters
    ----------
    delta, size : (pair, y, x) float32
        Δ = arg P (rad) and |P|, 0 = no data.
    years : (pair,) float32
        Temporal baselines.
    name : str
        Estimator.

    Returns
    -------
    psi : (pair, y, x) float64
        ψ with Σ ψ = 0: wT (Δ − vT) for lsq, Im(P e^(−iθ)) for circular, Δ − mean for sum. Var = Σ_kl cov(ψ_k, ψ_l).
    shares : (pair, y, x) float64
        h with Σ h = 1 where there is data: in proportion to wT² for lsq, |P| for circular, 1 for sum.
    """
    known = size > 0
    if name == "circular":
        products = size * np.exp(1j * delta)
        return np.imag(products * np.exp(-1j * np.angle(products.sum(0)))), _shares(size)
    if name in ("sum", "rewrapped"):
        mean_delta = delta.sum(0) / np.maximum(known.sum(0), 1)
        return np.where(known, delta - mean_delta, 0.0), _shares(known)
    t = years.astype(np.float64)[:, None, None]
    weight = size / (float(WEIGHT_LIMIT) - size) * t
    information = (weight * t).sum(0)
    rate = (weight * delta).sum(0) / np.where(information > 0, information, 1.0)
    return weight * (delta - rate * t), _shares(weight * t)


def _shares(weight: npt.NDArray) -> npt.NDArray[np.float64]:
    total = weight.sum(0, dtype=np.float64)
    return np.asarray(weight / np.where(total > 0, total, 1.0))
