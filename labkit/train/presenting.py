"""What a detector in use shows its network: calmed, over their errors, scaled and clipped, in one compiled pass."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.train.calming import calming_factor
from labkit.train.settings import DetectorSettings

Images = npt.NDArray[np.float32]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def present(stack: Images, settings: DetectorSettings) -> Images:
    """Give the channels that a network sees.

    Parameters
    ----------
    stack : numpy.ndarray, shape (n, layers, height, width)
        float32: the directions in rad at the reference, or rates in mm/yr, and behind them their standard errors where
        ``settings.standard_error``; NaN = no data.
    settings : DetectorSettings
        Those of the detector.

    Returns
    -------
    numpy.ndarray
        (n, channels, height, width) float32 in [−1, 1], no data as 0, laid out with the channels last.

    Notes
    -----
    To the bit what the images give one after the other by :func:`~labkit.train.calming.calm`, before that over their
    errors by :func:`~labkit.train.channels.over_error`, and by :func:`~labkit.train.channels.to_channels`, as while
    training; but read and written once.
    """
    count, _, height, width = stack.shape
    directions = settings.directions
    factors = [[calming_factor(image, settings.spread) for image in several[:directions]] for several in stack]
    channels = np.empty((count, height, width, settings.channels), np.float32)
    limits = np.asarray(settings.limits, np.float32)
    _fill(stack, np.array(factors, np.float32), limits, settings.validity, channels)
    return channels.transpose(0, 3, 1, 2)


@_compiled
def _fill(
    stack: Images, factors: Images, limits: Images, validity: bool, channels: Images
) -> None:  # pragma: no cover (compiled)
    layers, width = stack.shape[1], stack.shape[3]
    directions = factors.shape[1]
    row, whole = np.empty(width, np.float32), np.empty(width, np.bool_)
    for i in range(stack.shape[0]):
        for y in range(stack.shape[2]):
            whole[:] = True
            for layer in range(layers):
                if layer < directions:
                    _scaled(stack[i, layer, y], factors[i, layer], limits[layer], row, whole)
                else:
                    _over_error(stack[i, layer - directions, y], stack[i, layer, y], limits[layer], row, whole)
                for x in range(width):
                    channels[i, y, x, layer] = row[x]
            if validity:
                for x in range(width):
                    channels[i, y, x, layers] = whole[x]


@_compiled
def _scaled(
    image: Images, factor: np.float32, limit: np.float32, row: Images, whole: npt.NDArray[np.bool_]
) -> None:  # pragma: no cover (compiled)
    for x in range(len(image)):
        value = image[x] * factor / limit
        # not NaN, in a form that is computed for many at once
        there = value == value
        row[x] = min(max(value, np.float32(-1)), np.float32(1)) if there else np.float32(0)
        whole[x] &= there


@_compiled
def _over_error(
    image: Images, error: Images, limit: np.float32, row: Images, whole: npt.NDArray[np.bool_]
) -> None:  # pragma: no cover (compiled)
    for x in range(len(image)):
        value = image[x] / error[x] / limit
        there = (error[x] > np.float32(0)) & (value == value)
        row[x] = min(max(value, np.float32(-1)), np.float32(1)) if there else np.float32(0)
        whole[x] &= there
