"""From images in their own units to the channels that a network sees. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def over_error(images: npt.ArrayLike, errors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Give images over their standard errors, NaN where either holds no data or the error is not above 0.

    Examples
    --------
    >>> over_error([6.0, np.nan, 6.0, 6.0], [2.0, 2.0, 0.0, np.nan])
    array([ 3., nan, nan, nan], dtype=float32)
    """
    values, errors = np.asarray(images, np.float32), np.asarray(errors, np.float32)
    return np.divide(values, errors, out=np.full(values.shape, np.nan, np.float32), where=errors > 0)


def to_channels(
    images: npt.ArrayLike, limits: float | Sequence[float], *, validity: bool = False
) -> npt.NDArray[np.float32]:
    """Scale images, and set the places without data to zero.

    Parameters
    ----------
    images : array_like, shape (..., layers, height, width)
        Gradients in rad at the reference, or rates in mm/yr, and them over their standard errors where the network
        sees that; NaN = no data.
    limits : float or sequence of float
        The value that becomes 1, of all layers or of each: 4 rad, 50 mm/yr, 10 standard errors
        (:attr:`labkit.train.DetectorSettings.limits`).
    validity : bool
        Append a channel that is 1 where every layer holds data and 0 elsewhere, so that a network can tell no data from
        no motion.

    Returns
    -------
    numpy.ndarray
        (..., layers, height, width), or one channel more: ±limit as ±1, clipped; no data as 0.

    Examples
    --------
    >>> to_channels([[[2.0, np.nan, -9.0]]], 4.0, validity=True)
    array([[[ 0.5,  0. , -1. ]],
           [[ 1. ,  0. ,  1. ]]], dtype=float32)
    """
    values = np.asarray(images, np.float32)
    each = np.asarray(limits, np.float32)
    *before, layers, height, width = values.shape
    channels = np.empty((*before, layers + validity, height, width), np.float32)
    scaled = channels[..., :layers, :, :]
    np.divide(values, each[:, None, None] if each.ndim else each, out=scaled)
    np.clip(scaled, -1, 1, out=scaled)
    missing = np.isnan(values)
    np.copyto(scaled, np.float32(0), where=missing)
    if validity:
        np.logical_not(missing.any(axis=-3), out=channels[..., layers, :, :])
    return channels
