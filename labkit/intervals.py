"""How sure a share or a count is: 95 % intervals of a binomial share and of a Poisson count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, norm

from labkit.errors import LabkitError

Array = npt.NDArray[np.float64]


def share_interval(hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Give the interval of a share: Wilson's, which stays within 0..1 and is right for few and for none.

    Parameters
    ----------
    hits, total : array_like of int
        So many of so many; at most ``total``. Where the total is 0 the interval is NaN.
    confidence : float
        In (0, 1).

    Raises
    ------
    LabkitError
        There are more hits than there can be, or the confidence is out of range.

    Notes
    -----
    (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n), p = hits / n, z the normal quantile. It takes the cases as
    independent. Landslides of one scene share its air and its pairs: pool several scenes.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> low, high = share_interval(8, 10)
    >>> float(low.round(3)), float(high.round(3))
    (0.49, 0.943)
    """
    _check_confidence(confidence)
    k, n = np.asarray(hits, float), np.asarray(total, float)
    if (k < 0).any() or (k > n).any():
        raise LabkitError(f"hits must be between 0 and total, instead got hits={hits!r}, total={total!r}")
    z = float(norm.ppf(0.5 + confidence / 2))
    n = np.where(n > 0, n, np.nan)
    p = k / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # none and all of them reach the ends exactly, but for rounding
    return np.where(k == 0, 0.0 * n, middle - half), np.where(k == n, n / n, middle + half)


def count_interval(count: npt.ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Give the interval of the mean of a Poisson count: Garwood's, exact.

    Parameters
    ----------
    count : array_like of int
        At least 0.
    confidence : float
        In (0, 1).

    Raises
    ------
    LabkitError
        The count is negative, or the confidence out of range.

    Notes
    -----
    ½ χ²(α/2; 2n) to ½ χ²(1 − α/2; 2n + 2), the quantiles of chi-squared; 0 at the low end where nothing was counted.

    References
    ----------
    Garwood (1936), Fiducial limits for the Poisson distribution.

    Examples
    --------
    >>> low, high = count_interval(0)
    >>> float(low), float(high.round(2))
    (0.0, 3.69)
    """
    _check_confidence(confidence)
    n = np.asarray(count, float)
    if (n < 0).any():
        raise LabkitError(f"count must be at least 0, instead got count={count!r}")
    tail = (1 - confidence) / 2
    low = np.where(n > 0, chi2.ppf(tail, np.maximum(2 * n, 1)) / 2, 0.0)
    return np.asarray(low, float), np.asarray(chi2.ppf(1 - tail, 2 * n + 2) / 2, float)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise LabkitError(f"confidence must be in (0, 1), instead got confidence={confidence}")
