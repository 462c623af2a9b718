"""How strongly noise answers to a shape: its spread over a scene, and around each place."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]

#: Where there is next to no noise, rounding takes its place: no spread is taken to be below this.
_LEAST_SPREAD = 0.1

#: A quarter of the absolute values of a normal variable lie below this.
_QUARTER = 0.31864

_SPREAD_SAMPLES = 200_000

#: Along each side of a square in which noise is measured, about so many pixels are asked for each step of its grid.
_SAMPLES_PER_STEP = 24

#: A square tells of its noise when this share of it has data.
_LEAST_SHARE = 0.5


def spread(answer: Image) -> float:
    """Give the standard deviation of the noise, from the quarter of the pixels with the least answer; 0 is no data."""
    sample = answer[answer != 0]
    sample = sample[:: max(1, len(sample) // _SPREAD_SAMPLES)]
    measured = float(np.quantile(np.abs(sample), 0.25)) / _QUARTER if len(sample) else 0.0
    return max(measured, _LEAST_SPREAD)


def spread_around(answer: Image, step: int, least: float) -> Image:
    """Give the standard deviation of the noise around points ``step`` pixels apart, from the corner to the far edges.

    Each is measured, as :func:`spread` does for the scene, over the square that reaches ``step`` pixels to all sides.
    It is ``least`` where less was measured, or where at most half of the square has data.
    """
    rows, cols = (math.ceil(n / step) for n in answer.shape)
    quarters = np.zeros((rows + 1, cols + 1), np.float32)
    thin = max(1, step // _SAMPLES_PER_STEP)
    _quarters(answer, step, thin, np.float32(_LEAST_SHARE), np.float32(least * _QUARTER), quarters)
    return np.maximum(quarters / np.float32(_QUARTER), np.float32(least))


@numba.njit(cache=True, nogil=True)
def _quarters(
    answer: Image, step: int, thin: int, share: np.float32, least: np.float32, quarters: Image
) -> None:  # pragma: no cover
    """Fill in the lower quartile of |answer| in the square around each point, with what is 0 left out.

    0 stays where the quartile is below ``least``, which is seen without it, or where too little is there.
    """
    side = 2 * step // thin + 2
    sample = np.empty(side * side, np.float32)
    for i in range(quarters.shape[0]):
        for j in range(quarters.shape[1]):
            asked = count = below = 0
            for y in range(max(i - 1, 0) * step, min((i + 1) * step, answer.shape[0]), thin):
                for x in range(max(j - 1, 0) * step, min((j + 1) * step, answer.shape[1]), thin):
                    size = abs(answer[y, x])
                    sample[count] = size
                    asked += 1
                    count += size > 0
                    below += (size > 0) & (size < least)
            if count > share * asked and below < 0.25 * (count - 1) + 1:
                quarters[i, j] = _quarter(sample[:count])


@numba.njit(cache=True, nogil=True)
def _quarter(sample: Image) -> np.float32:  # pragma: no cover
    """Give the quantile of 0.25, linear between two values; the sample is put into another order."""
    place = 0.25 * (len(sample) - 1)
    k = int(place)
    first, last = 0, len(sample) - 1
    # quickselect: what is below k comes to its left, what is above to its right
    while first < last:
        pivot = sample[(first + last) // 2]
        left, right = first, last
        while left <= right:
            while sample[left] < pivot:
                left += 1
            while sample[right] > pivot:
                right -= 1
            if left <= right:
                sample[left], sample[right] = sample[right], sample[left]
                left += 1
                right -= 1
        if k <= right:
            last = right
        elif k >= left:
            first = left
        else:
            break
    following = sample[k]
    if k + 1 < len(sample):
        following = sample[k + 1 :].min()
    return np.float32(sample[k] + (place - k) * (following - sample[k]))
