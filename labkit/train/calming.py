"""Noisy images brought down to a spread that a network knows, so that clipping leaves more than the signs."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.train.augment import Image

#: Robust estimate of a standard deviation from the median of absolute values, for normal noise.
MAD_TO_SIGMA = 1.4826

#: The bits of a float32 without its sign, which sort as the numbers do, and how many of them come last.
_SIZE, _TRAILING = np.uint32(0x7FFFFFFF), 20

#: First of the leading bits that mean infinity or no number: all 8 of the exponent are set.
_NOT_FINITE = 255 << (23 - _TRAILING)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def calm(image: npt.ArrayLike, spread: float | None) -> Image:
    """Scale an image down until its robust spread is no larger than ``spread``.

    Parameters
    ----------
    image : array_like, shape (height, width)
        rad at the reference, or mm/yr; NaN = no data.
    spread : float or None
        In the same unit, above 0; None leaves the image as it is.

    Returns
    -------
    numpy.ndarray
        image · min(1, spread / σ), σ = 1.4826 · median |image| over the pixels with data.

    Notes
    -----
    At the reference of 20 years the noise of a short stack of fine pixels is larger than the ±4 rad that a network
    sees: quiet ground and landslides are clipped alike. Brought down to 1 rad, ±4 rad are four standard deviations.

    Examples
    --------
    >>> calm([[-3.0, np.nan, 3.0]], spread=2.0).round(3)
    array([[-1.349,    nan,  1.349]], dtype=float32)
    """
    values = np.asarray(image, np.float32)
    factor = calming_factor(values, spread)
    return values if factor == 1 else values * factor


def calming_factor(image: Image, spread: float | None) -> np.float32:
    """Give what :func:`calm` multiplies an image (float32, NaN = no data) by, 1 where it stays as it is."""
    if spread is None:
        return np.float32(1)
    sigma = MAD_TO_SIGMA * float(_median_size(np.ascontiguousarray(image).reshape(-1)))
    return np.float32(spread / sigma) if sigma > spread else np.float32(1)


@_compiled
def _median_size(values: Image) -> np.float32:  # pragma: no cover (compiled)
    """Median of |values| over those that are finite, exactly; NaN where none is.

    Counted by their leading bits, of which follows where the median lies: only those around it are put in order.
    """
    bits = values.view(np.uint32)
    counts = np.zeros(1 << (31 - _TRAILING), np.uint32)
    for i in range(len(bits)):
        counts[(bits[i] & _SIZE) >> np.uint32(_TRAILING)] += np.uint32(1)
    total = 0
    for place in range(_NOT_FINITE):
        total += counts[place]
    if total == 0:
        return np.float32(np.nan)
    lower, upper = (total - 1) // 2, total // 2
    first, before = 0, 0
    while before + counts[first] <= lower:
        before += counts[first]
        first += 1
    after, reached = first + 1, before + counts[first]
    while reached <= upper:
        reached += counts[after]
        after += 1
    around, found = np.empty(reached - before, np.uint32), 0
    least, span = np.uint32(first << _TRAILING), np.uint32((after - first) << _TRAILING)
    for i in range(len(bits)):
        size = bits[i] & _SIZE
        # what is less wraps round to a large number
        if np.uint32(size - least) < span:
            around[found] = size
            found += 1
    middle = np.partition(around, lower - before)[lower - before :]
    # of an even number the next one, the least of those behind it, counts as much
    sizes = np.array([middle[0], middle[upper - lower :].min()], np.uint32).view(np.float32)
    return sizes[0] if lower == upper else np.float32((sizes[0] + sizes[1]) / np.float32(2))
