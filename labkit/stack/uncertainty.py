"""How far pairs that share an acquisition make a stack's error smaller or larger than independent pairs would."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BLOCKS_PER_SIDE = 6
_MIN_PIXELS = 16

#: The correction is kept within a factor of five; beyond it, too few acquisitions were there to tell.
_RANGE = (0.2, 5.0)


def network_ratio(
    scores: npt.NDArray[np.float64],
    reference: npt.NDArray[np.datetime64],
    secondary: npt.NDArray[np.datetime64],
    shape: tuple[int, int],
) -> float:
    """Measure κ, the ratio of the dyadic-robust standard error to the one of independent pairs, over a scene.

    Parameters
    ----------
    scores : (pair, pixel) float64
        Each pair's share ψ of the deviation at sampled pixels (:func:`labkit.stack.estimators.scores`), pixels in row
        order of a regular grid of ``shape``.
    reference, secondary : (pair,) datetime64
        Dates of the pairs.
    shape : (int, int)
        Rows and columns of the sampled grid.

    Returns
    -------
    float
        κ within 0.2…5; 1 where the scene is too small to measure it.

    Notes
    -----
    The variance of a sum of pairs holds the covariances of pairs that share an acquisition:
    Σ_a (Σ_{k ∋ a} ψ_k)² − Σ_k ψ_k², against the naive Σ_k ψ_k². Consecutive pairs carry the noise of the date they
    share with opposite signs, so that it cancels and κ < 1; pairs from one date to several others add it up. At one
    pixel the ratio is too noisy to use; the square root of its median over blocks of the scene is steady. It assumes
    that the kind of noise is the same over the scene.
    """
    dates, inverse = np.unique(np.concatenate([reference, secondary]), return_inverse=True)
    pairs = len(reference)
    membership = np.zeros((len(dates), pairs))
    membership[inverse[:pairs], np.arange(pairs)] = 1
    membership[inverse[pairs:], np.arange(pairs)] = 1
    naive = (scores**2).sum(0)
    dyadic = ((membership @ scores) ** 2).sum(0) - naive
    rows, cols = np.divmod(np.arange(scores.shape[1]), shape[1])
    block = (rows * _BLOCKS_PER_SIDE // shape[0]) * _BLOCKS_PER_SIDE + cols * _BLOCKS_PER_SIDE // shape[1]
    n_blocks = _BLOCKS_PER_SIDE**2
    used = np.bincount(block, naive > 0, n_blocks)
    naive_sum, dyadic_sum = np.bincount(block, naive, n_blocks), np.bincount(block, dyadic, n_blocks)
    enough = (used >= _MIN_PIXELS) & (naive_sum > 0)
    if not enough.any():
        return 1.0
    ratio = float(np.median(dyadic_sum[enough] / naive_sum[enough]))
    return float(np.clip(np.sqrt(max(ratio, 0.0)), *_RANGE))
