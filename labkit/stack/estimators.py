"""From the sums of one pass to a stacked gradient and its standard error: the four estimators.

T is the temporal baseline in years, Δ = arg P and |P| ≤ 1 come from the neighbour product P of a filtered pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.stack.kernels import CIRCULAR, LSQ, SUM, WEIGHT_LIMIT
from labkit.stack.streaming import Sums

Image = npt.NDArray[np.float32]

#: Public name → sums that the kernel keeps. "rewrapped" is "sum" wrapped at the end: wrapping is a homomorphism, so
#: wrapping after every addition, as published, gives the same number.
KERNEL_OF = {"lsq": LSQ, "circular": CIRCULAR, "sum": SUM, "rewrapped": SUM}


@dataclass(frozen=True)
class Estimate:
    """Stacked gradient and its standard error before the network's correction, (2, y, x) rad, NaN = no data."""

    gradient: Image
    standard_error: Image


def estimate(sums: Sums, name: str) -> Estimate:
    """Evaluate an estimator from the sums of one pass; formulas in :func:`labkit.stack_gradients`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gradient, error = {"lsq": _lsq, "circular": _circular, "sum": _sum, "rewrapped": _rewrapped}[name](sums)
    missing = sums.counts == 0
    gradient[missing], error[missing | (sums.counts < 2)] = np.nan, np.nan
    return Estimate(gradient, error)


def _lsq(sums: Sums) -> tuple[Image, Image]:
    score, information, score_2, score_information, information_2 = (sums.sums[:, i] for i in range(5))
    total_years = np.float32(sums.years.sum(dtype=np.float64))
    rate = score / information
    residual = np.maximum(score_2 - 2 * rate * score_information + rate * rate * information_2, 0)
    return total_years * rate, total_years * np.sqrt(residual) / information * _few_pairs(sums)


def _circular(sums: Sums) -> tuple[Image, Image]:
    real, imag, real_2, imag_2, real_imag = (sums.sums[:, i] for i in range(5))
    size = np.hypot(real, imag)
    cosine, sine = real / size, imag / size
    across = np.maximum(imag_2 * cosine**2 - 2 * real_imag * sine * cosine + real_2 * sine**2, 0)
    pairs = np.float32(len(sums.years))
    return pairs * np.arctan2(imag, real), pairs * np.sqrt(across) / size * _few_pairs(sums)


def _sum(sums: Sums) -> tuple[Image, Image]:
    total, total_2 = sums.sums[:, 0].copy(), sums.sums[:, 1]
    spread = np.maximum(total_2 - total * total / np.maximum(sums.counts, 1), 0)
    return total, np.sqrt(spread) * _few_pairs(sums)


def _rewrapped(sums: Sums) -> tuple[Image, Image]:
    total, error = _sum(sums)
    wrapped = (total + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    return wrapped.astype(np.float32), error


def _few_pairs(sums: Sums) -> Image:
    """√(n / (n − 1)): one mean was fitted to the n pairs of a pixel."""
    n = sums.counts.astype(np.float32)
    return np.sqrt(n / np.maximum(n - 1, 1))


def scores(
    products: npt.NDArray[np.complex64], years: npt.NDArray[np.float32], name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give each pair's part of the estimator's deviation, and its share of the weight, at sampled pixels.

    Parameters
    ----------
    products : (pair, y, x) complex64
        P; 0 = no data.
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
    known = products != 0
    size = np.abs(products)
    if name == "circular":
        return np.imag(products * np.exp(-1j * np.angle(products.sum(0)))), _shares(size)
    delta = np.angle(products).astype(np.float64)
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
