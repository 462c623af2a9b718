"""From images in their own units to the channels that a network sees. Nothing here needs torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.train.settings import LIMITS


def to_channels(images: npt.ArrayLike, kind: str, *, validity: bool = False) -> npt.NDArray[np.float32]:
    """Scale images, and set the places without data to zero.

    Parameters
    ----------
    images : array_like, shape (..., directions, height, width)
        Gradients in rad at the reference, azimuth before range where there are both, or rates in mm/yr; NaN = no data.
    kind : str
        "gradients" or "rates".
    validity : bool
        Append a channel that is 1 where every direction holds data and 0 elsewhere, so that a network can tell no
        data from no motion.

    Returns
    -------
    numpy.ndarray
        (..., directions, height, width), or one channel more: ±4 rad (or ±50 mm/yr) as ±1, clipped; no data as 0.

    Examples
    --------
    >>> to_channels([[[2.0, np.nan, -9.0]]], "gradients", validity=True)
    array([[[ 0.5,  0. , -1. ]],
           [[ 1. ,  0. ,  1. ]]], dtype=float32)
    """
    values = np.asarray(images, np.float32)
    scaled = np.nan_to_num(np.clip(values / np.float32(LIMITS[kind]), -1, 1), nan=0.0)
    if not validity:
        return scaled
    valid = ~np.isnan(values).any(axis=-3, keepdims=True)
    return np.concatenate([scaled, valid.astype(np.float32)], axis=-3)
