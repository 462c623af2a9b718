"""How much of their speckle neighbouring pixels share: the sensor resolves less than it samples, and looks overlap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from labkit.simulate.geometry import Frame

Array = npt.NDArray[np.float64]

#: Speed of light over twice the chirp's bandwidth of Sentinel-1's first wide subswath, 56.5 MHz, m in slant range.
RANGE_CELL_M = 299_792_458.0 / 2 / 56.5e6

#: Speed of the beam on the ground over the processed Doppler bandwidth, 6803 m/s / 327 Hz, m in azimuth.
AZIMUTH_CELL_M = 6803.0 / 327.0

#: Spacing of the single-look complex samples, m: in slant range and in azimuth.
RANGE_SAMPLE_M, AZIMUTH_SAMPLE_M = 2.33, 13.98

#: Both spectra are weighted by 0.75 + 0.25 cos(2π f / bandwidth), which turns 2.65 × 20.8 m into 2.9–3.1 × 22–24 m.
HAMMING = 0.75

#: Neighbours further apart than this share nothing to speak of, px.
REACH = 2


@dataclass(frozen=True)
class Sharing:
    """How the speckle of a frame's pixels hangs together.

    Attributes
    ----------
    azimuth, range : numpy.ndarray (5,)
        Weights, of sum of squares 1, by which white noise becomes the noise of pixels, along lines and along samples.
    looks : float
        Independent looks that the samples averaged into a pixel are worth.
    """

    azimuth: Array
    range: Array
    looks: float


@lru_cache(maxsize=64)
def sharing(frame: Frame) -> Sharing:
    """Give what neighbouring pixels of a frame share, whose pixels average as many samples as fit.

    Parameters
    ----------
    frame : Frame
        The image.

    Notes
    -----
    See :func:`shared_looks`; range and azimuth are separate.

    Examples
    --------
    >>> from labkit.simulate.geometry import Frame
    >>> round(sharing(Frame("ascending", 348.0, 38.6, (10, 10), 40.0)).looks, 1)
    15.5
    """
    along, along_looks = shared_looks(frame.spacing_m, AZIMUTH_SAMPLE_M, AZIMUTH_CELL_M)
    across, across_looks = shared_looks(frame.slant_spacing_m, RANGE_SAMPLE_M, RANGE_CELL_M)
    return Sharing(_weights(along), _weights(across), along_looks * across_looks)


def alone() -> Sharing:
    """Give the sharing of pixels that share nothing."""
    only = np.zeros(2 * REACH + 1)
    only[REACH] = 1.0
    return Sharing(only, only, 1.0)


def sample_correlation(lag_m: Array, cell_m: float) -> Array:
    """Give the correlation of two complex samples of distributed ground that lie so far apart.

    Parameters
    ----------
    lag_m : numpy.ndarray
        Distance, m.
    cell_m : float
        Inverse of the bandwidth, m.

    Notes
    -----
    The transform of the squared amplitude of a spectrum of bandwidth 1 / cell that is weighted by a Hamming window:
    (0.75 + 0.25 cos(2π f cell))² on |f| < 1 / (2 cell), normalised.
    """
    steps = 2000
    share = (np.arange(steps) + 0.5) / steps - 0.5
    power = (HAMMING + (1 - HAMMING) * np.cos(2 * np.pi * share)) ** 2
    return np.asarray(np.cos(2 * np.pi * np.multiply.outer(np.asarray(lag_m) / cell_m, share)) @ power / power.sum())


def shared_looks(spacing_m: float, sample_m: float, cell_m: float) -> tuple[Array, float]:
    """Give the correlation of a pixel's noise with that of its neighbours along one axis, and its looks.

    Parameters
    ----------
    spacing_m : float
        Of the pixels, m.
    sample_m : float
        Of the samples, m; a pixel is the mean of the whole number of them that comes nearest to it, at least 1.
    cell_m : float
        Inverse of the bandwidth, m (:func:`sample_correlation`).

    Returns
    -------
    correlation : numpy.ndarray (3,)
        With itself (1), the next and the next but one.
    looks : float
        n² / Σᵢⱼ |R(i − j)|² for n samples.

    Notes
    -----
    The product of two complex Gaussian images without coherence, s₁ s₂*, has the autocorrelation |R|² where each image
    has R; a mean of n of them at lag m pixels Σᵢⱼ |R((i − j + m n) δ)|². Intensities have the same.

    References
    ----------
    Goodman (1975), Statistical properties of laser speckle patterns; Sentinel-1 Product Definition (S1-RS-MDA-52-7440).
    """
    count = max(1, round(spacing_m / sample_m))
    step = spacing_m / count
    i, j = np.indices((count, count))
    lags = np.arange(REACH + 1)[:, None, None] * count
    sums = (sample_correlation((i - j + lags) * step, cell_m) ** 2).sum(axis=(1, 2))
    return sums / sums[0], float(count**2 / sums[0])


def _weights(correlation: Array) -> Array:
    """Weights of the symmetric moving average whose spectrum is that of a correlation."""
    size = 64
    whole = np.zeros(size)
    whole[: REACH + 1] = correlation
    whole[-REACH:] = correlation[:0:-1]
    root = np.sqrt(np.maximum(np.fft.fft(whole).real, 0.0))
    weights = np.roll(np.fft.ifft(root).real, REACH)[: 2 * REACH + 1]
    return np.asarray(weights / np.sqrt((weights**2).sum()))
