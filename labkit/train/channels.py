"""From images in their own units to the channels that a network sees. Nothing here needs torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def to_channels(images: npt.ArrayLike, limit: float, *, validity: bool = False) -> npt.NDArray[np.float32]:
    """Scale images, and set the places without data to zero.

    Parameters
    ----------
    images : array_like, shape (..., directions, height, width)
        Gradients in rad at the reference, or rates in mm/yr; NaN = no data.
    limit : float
        The value that becomes 1: 4 rad, or 50 mm/yr (:attr:`labkit.train.DetectorSettings.limit`).
    validity : bool
        Append a channel that is 1 where every direction holds data and 0 elsewhere, so that a network can tell no
        data from no motion.

    Returns
    -------
    numpy.ndarray
        (..., directions, height, width), or one channel more: ±limit as ±1, clipped; no data as 0.

    Examples
    --------
    >>> to_channels([[[2.0, np.nan, -9.0]]], 4.0, validity=True)
    array([[[ 0.5,  0. , -1. ]],
           [[ 1. ,  0. ,  1. ]]], dtype=float32)
    """
    values = np.asarray(images, np.float32)
    scaled = np.nan_to_num(np.clip(values / np.float32(limit), -1, 1), nan=0.0)
    if not validity:
        return scaled
    valid = ~np.isnan(values).any(axis=-3, keepdims=True)
    return np.concatenate([scaled, valid.astype(np.float32)], axis=-3)
