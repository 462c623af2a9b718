"""How much strong gradient boxes hold, and what share of quiet ground would pass for it."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

#: Of a box on quiet ground at least this share has data.
_VALID_SHARE = 0.5

#: Tries for each box that is to be laid on quiet ground.
_TRIES = 20


def pixel_windows(corners: Array, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Give the pixels whose centres lie in boxes (n, 4): first and last + 1 column and row, within the image."""
    high = np.array([shape[1], shape[0], shape[1], shape[0]])
    return np.clip(np.ceil(np.asarray(corners, float) - 0.5), 0.0, high).astype(np.int64)


def measure_boxes(layer: npt.NDArray[np.float32], factor: float, least: float, windows: npt.NDArray[np.int64]) -> Array:
    """Measure the gradient in boxes.

    Parameters
    ----------
    layer : numpy.ndarray (y, x)
        Gradient, rad as stacked, NaN = no data.
    factor : float
        What brings it to the reference.
    least : float
        Gradient that counts as strong, rad at the reference.
    windows : numpy.ndarray (n, 4)
        From :func:`pixel_windows`.

    Returns
    -------
    numpy.ndarray (n, 3)
        Greatest absolute gradient (rad at the reference), share of the valid pixels above ``least``, number of valid
        pixels; NaN, NaN, 0 where none is valid.
    """
    return np.asarray(_measure(np.ascontiguousarray(layer, np.float32), np.float32(factor), np.float32(least), windows))


def masked_shares(mask: Mask, windows: npt.NDArray[np.int64]) -> Array:
    """Share of each box's pixels (n,) that a mask covers; zero where the box has none."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(mask, axis=0), axis=1, out=sums[1:, 1:])
    left, top, right, bottom = windows.T
    covered = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return np.asarray(covered / np.maximum((bottom - top) * (right - left), 1))


def quiet_boxes(
    layer: npt.NDArray[np.float32], taken: Array, sizes: Array, count: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Lay boxes of given sizes on ground away from detections.

    Parameters
    ----------
    layer : numpy.ndarray (y, x)
        The image, NaN = no data.
    taken : numpy.ndarray (n, 4)
        Boxes that none of the new ones may touch.
    sizes : numpy.ndarray (m, 2)
        Widths and heights to draw from, px.
    count : int
        How many boxes; fewer come out where there is little quiet ground.
    random : numpy.random.Generator
        Chooses sizes and places.

    Returns
    -------
    numpy.ndarray (k, 4)
        As from :func:`pixel_windows`; in each at least half of the pixels have data.
    """
    rows, cols = layer.shape
    busy = np.zeros(layer.shape, bool)
    for left, top, right, bottom in pixel_windows(taken + np.array([-1, -1, 1, 1]), (rows, cols)):
        busy[top:bottom, left:right] = True
    # a box larger than the image fits nowhere, however large it is
    whole = np.ceil(np.minimum(sizes, rows + cols)).astype(np.int64)
    chosen = whole[random.integers(0, len(sizes), _TRIES * count)]
    chosen = chosen[(chosen[:, 0] <= cols) & (chosen[:, 1] <= rows)]
    left = random.integers(0, cols - chosen[:, 0] + 1)
    top = random.integers(0, rows - chosen[:, 1] + 1)
    windows = np.column_stack([left, top, left + chosen[:, 0], top + chosen[:, 1]])
    quiet = (masked_shares(busy, windows) == 0) & (masked_shares(np.isfinite(layer), windows) >= _VALID_SHARE)
    return np.asarray(windows[quiet][:count])


def reference_layer(stack: xr.Dataset, direction: str) -> tuple[npt.NDArray[np.float32], float]:
    """Give the image of a direction as stacked, and the factor that brings it to the reference."""
    return schema.layers(stack)[direction].values, schema.reference_factor(stack)


@_compiled
def _measure(
    layer: npt.NDArray[np.float32], factor: np.float32, least: np.float32, windows: npt.NDArray[np.int64]
) -> Array:  # pragma: no cover
    answer = np.empty((len(windows), 3))
    for n in range(len(windows)):
        greatest, strong, valid = np.float32(-1), 0, 0
        for y in range(windows[n, 1], windows[n, 3]):
            for x in range(windows[n, 0], windows[n, 2]):
                value = np.abs(layer[y, x]) * factor
                if np.isfinite(value):
                    valid += 1
                    greatest = max(greatest, value)
                    if value > least:
                        strong += 1
        answer[n, 0] = greatest if valid else np.nan
        answer[n, 1] = strong / valid if valid else np.nan
        answer[n, 2] = valid
    return answer
