"""Noisy images brought down to a spread that a network knows, so that clipping leaves more than the signs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.train.augment import Image

#: Robust estimate of a standard deviation from the median of absolute values, for normal noise.
MAD_TO_SIGMA = 1.4826


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
    valid = np.isfinite(values)
    if spread is None or not valid.any():
        return values
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(values[valid])))
    return values * np.float32(spread / sigma) if sigma > spread else values
