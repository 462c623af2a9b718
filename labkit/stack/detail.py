"""Give a rate map back the detail that the stack's window took, and take away the noise where nothing stands out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d, uniform_filter

Image = npt.NDArray[np.float32]

#: Scales of 2, 4 and 8 pixels; what is coarser is left alone.
_SCALES = 3

#: Edge, in units of a scale's own step, of the place over which its power is judged.
_PLACE = 3

_SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16


def sharpen(values: Image, window: int) -> Image:
    """Undo most of a moving mean: u = 2 v − mean of v over ``window`` × ``window`` known pixels.

    Parameters
    ----------
    values : (y, x) float32
        NaN = no data.
    window : int
        Edge of the moving mean that the values went through, px.

    Notes
    -----
    One step of Van Cittert's deconvolution: where the mean keeps a share m of a wave, u keeps m (2 − m), 0.99 where m
    is 0.9. Noise of the scale of the window grows by about 1.4.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, np.float32(0))
    share = uniform_filter(known.astype(np.float32), window, mode="constant")
    mean = uniform_filter(filled, window, mode="constant") / np.where(known, share, 1)
    return np.where(known, 2 * filled - mean, np.float32(np.nan)).astype(np.float32)


def denoise(values: Image, error: Image) -> Image:
    """Shrink the detail of a map to what rises above its noise.

    Parameters
    ----------
    values : (y, x) float32
        About zero where nothing moves; NaN = no data.
    error : (y, x) float32
        Standard errors, or anything in proportion to them.

    Notes
    -----
    The map is split into its detail d at scales of 2, 4 and 8 pixels (undecimated wavelets of a cubic spline) and the
    rest. With z = d / error and σ the robust standard deviation of z over the scene, each d is multiplied by
    max(0, 1 − σ² / mean z²), the mean taken over 3 × 3 steps of its scale: the Wiener filter of that place. Detail that
    stands out is kept as it is, and noise falls by about three.

    References
    ----------
    Starck and Murtagh (1994), Image restoration with noise suppression using the wavelet transform.
    """
    known = np.isfinite(values)
    coarse = np.where(known, values, np.float32(0))
    kept = np.zeros_like(coarse)
    for scale in range(_SCALES):
        smooth = _smooth(coarse, 2**scale)
        detail = coarse - smooth
        ratio = np.where(known, detail / error, np.float32(0))
        noise = (1.4826 * float(np.median(np.abs(ratio[known])))) ** 2
        power = uniform_filter(ratio * ratio, _PLACE * 2**scale, mode="constant")
        kept += detail * np.maximum(0, 1 - np.float32(noise) / np.maximum(power, np.float32(1e-12)))
        coarse = smooth
    return np.where(known, kept + coarse, np.float32(np.nan)).astype(np.float32)


def _smooth(image: Image, step: int) -> Image:
    """Cubic spline over pixels ``step`` apart."""
    kernel = np.zeros(4 * step + 1, np.float32)
    kernel[::step] = _SPLINE
    return np.asarray(convolve1d(convolve1d(image, kernel, axis=0), kernel, axis=1), np.float32)
