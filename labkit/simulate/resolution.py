"""How much of their speckle neighbouring pixels share: the sensor resolves less than it samples, and looks overlap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from labkit.simulate.geometry import Frame

Array = npt.NDArray[np.float64]

_LIGHT_M_S = 299_792_458.0

#: Speed of the beam on the ground over the processed Doppler bandwidth, 6803 m/s / 327 Hz, m in azimuth.
AZIMUTH_CELL_M = 6803.0 / 327.0

#: Spacing of the single-look complex samples, m: in slant range and in azimuth.
RANGE_SAMPLE_M, AZIMUTH_SAMPLE_M = 2.33, 13.98

#: What is resolved in azimuth, m: the width at half power of a point's image, by the product definition.
AZIMUTH_RESOLUTION_M = 22.0

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
        Independent looks that the samples averaged into a pixel are worth where coherence is high, to the phase
        (:func:`phase_looks`); at low coherence the phase hardly depends on them.
    intensity_looks : float
        Independent looks that they are worth to the intensity, mean² / variance; a little less.
    """

    azimuth: Array
    range: Array
    looks: float
    intensity_looks: float


def sharing(frame: Frame) -> Sharing:
    """Give what neighbouring pixels of a frame share (:func:`sharing_at`).

    Examples
    --------
    >>> from labkit.simulate.geometry import Frame
    >>> round(sharing(Frame("ascending", 348.0, 38.6, (10, 10), 40.0)).looks, 1)
    13.0
    """
    return sharing_at(frame.spacing_m, frame.slant_spacing_m, frame.incidence_angle)


@lru_cache(maxsize=64)
def sharing_at(azimuth_m: float, range_m: float, incidence_angle: float) -> Sharing:
    """Give what neighbouring pixels share that average as many samples as fit.

    Parameters
    ----------
    azimuth_m, range_m : float
        Spacing of the pixels along the track and in slant range, m.
    incidence_angle : float
        Degrees; says which sub-swath it is (:func:`range_band`).

    Notes
    -----
    See :func:`shared_looks`; range and azimuth are separate.
    """
    band = range_band(incidence_angle)
    along, across = shared_looks(azimuth_m, AZIMUTH), shared_looks(range_m, band)
    shares = np.multiply.outer(sample_shares(azimuth_m, AZIMUTH), sample_shares(range_m, band))
    return Sharing(_weights(along[0]), _weights(across[0]), phase_looks(shares.ravel()), along[1] * across[1])


def alone() -> Sharing:
    """Give the sharing of pixels that share nothing."""
    only = np.zeros(2 * REACH + 1)
    only[REACH] = 1.0
    return Sharing(only, only, 1.0, 1.0)


@dataclass(frozen=True)
class Band:
    """A spectrum of single-look samples along one axis.

    Attributes
    ----------
    cell_m : float
        Inverse of the bandwidth, m.
    resolution_m : float
        Width at half power of a point's image, m.
    sample_m : float
        Spacing of the samples, m.
    """

    cell_m: float
    resolution_m: float
    sample_m: float

    @property
    def hamming(self) -> float:
        """The weight a of a + (1 − a) cos(2π f cell) on |f| < 1 / (2 cell) with which the resolution is what it is."""

        def power_at_half_width(weight: float) -> float:
            share = _shares()
            window = weight + (1 - weight) * np.cos(2 * np.pi * share)
            point = (window * np.cos(np.pi * share * self.resolution_m / self.cell_m)).sum() / window.sum()
            return float(point**2 - 0.5)

        return float(brentq(power_at_half_width, 0.54, 1.0))

    def correlation(self, lag_m: Array) -> Array:
        """Give the correlation of two samples of distributed ground that lie so far (m) apart.

        Notes
        -----
        The transform of the power of the weighted spectrum, normalised.
        """
        share, weight = _shares(), self.hamming
        power = (weight + (1 - weight) * np.cos(2 * np.pi * share)) ** 2
        waves = np.cos(2 * np.pi * np.multiply.outer(np.asarray(lag_m) / self.cell_m, share))
        return np.asarray(waves @ power / power.sum())


#: For the wide sub-swaths IW1, IW2 and IW3: the incidence angle in their middle, degrees, and the band in slant range,
#: whose cell is the speed of light over twice the processed bandwidth.
RANGE_BANDS = tuple(
    (middle, Band(_LIGHT_M_S / 2 / (bandwidth_mhz * 1e6), resolution_m, RANGE_SAMPLE_M))
    for middle, bandwidth_mhz, resolution_m in ((34.1, 56.5, 2.7), (39.5, 48.3, 3.1), (44.1, 42.79, 3.5))
)
AZIMUTH = Band(AZIMUTH_CELL_M, AZIMUTH_RESOLUTION_M, AZIMUTH_SAMPLE_M)


def range_band(incidence_angle: float) -> Band:
    """Give the band in slant range of the sub-swath whose middle is seen under the nearest incidence angle, degrees.

    Notes
    -----
    Bandwidths and mid-swath angles are those that the annotation of single-look products states (processingBandwidth,
    incidenceAngleMidSwath); the resolution goes from 2.7 m in IW1 to 3.5 m in IW3 [1]_, and 3.1 m at 48.2 MHz [2]_.
    In azimuth all three are taken to be alike.

    References
    ----------
    .. [1] Sentinel-1 user guide, resolutions of level-1 single-look complex products.
    .. [2] Sentinel-1 technical guide, wave mode, whose second beam has that bandwidth.

    Examples
    --------
    >>> [round(range_band(angle).cell_m, 2) for angle in (32.9, 38.3, 43.1)]
    [2.65, 3.1, 3.5]
    """
    return min(RANGE_BANDS, key=lambda swath: abs(swath[0] - incidence_angle))[1]


def _shares() -> Array:
    steps = 2000
    return (np.arange(steps) + 0.5) / steps - 0.5


def shared_looks(spacing_m: float, band: Band) -> tuple[Array, float]:
    """Give the correlation of a pixel's noise with that of its neighbours along one axis, and its looks.

    Parameters
    ----------
    spacing_m : float
        Of the pixels, m; a pixel is the mean of the whole number of samples that comes nearest to it, at least 1.
    band : Band
        Of the samples.

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
    Goodman (1975), Statistical properties of laser speckle patterns; Sentinel-1 Product Definition (S1-RS-MDA-52-7440)
    for bandwidths, spacings and resolution of single-look products.
    """
    count = max(1, round(spacing_m / band.sample_m))
    step = spacing_m / count
    i, j = np.indices((count, count))
    lags = np.arange(REACH + 1)[:, None, None] * count
    sums = (band.correlation((i - j + lags) * step) ** 2).sum(axis=(1, 2))
    return sums / sums[0], float(count**2 / sums[0])


def sample_shares(spacing_m: float, band: Band) -> Array:
    """Give the eigenvalues of the correlation of a pixel's samples along one axis, over their sum.

    Notes
    -----
    The mean of correlated samples' powers is a sum of independent exponential numbers with these weights.
    """
    count = max(1, round(spacing_m / band.sample_m))
    i, j = np.indices((count, count))
    values = np.linalg.eigvalsh(band.correlation((i - j) * spacing_m / count))
    return np.asarray(np.maximum(values, 0.0) / count)


def phase_looks(shares: Array) -> float:
    """Give the independent looks L that have the phase noise of a sum of exponential numbers with given weights.

    Parameters
    ----------
    shares : numpy.ndarray (n,)
        Weights, at least 0, of sum 1.

    Notes
    -----
    Where coherence is high the variance of the phase goes with the mean of 1/power: L/(L − 1) = E[1/x] for the mean of
    L looks, and E[1/x] = ∫₀^∞ Πᵢ 1/(1 + λᵢ t) dt for the sum. Looks that overlap fade less deeply than the gamma number
    of the same variance, so that this is more than 1 / Σ λ².

    Examples
    --------
    >>> round(phase_looks(np.full(4, 0.25)), 3)
    4.000
    """
    steps = np.linspace(-20.0, 40.0, 6001)
    logarithm = steps - np.log1p(np.multiply.outer(np.exp(steps), shares)).sum(axis=1)
    inverse = float(np.trapezoid(np.exp(logarithm), steps))
    return inverse / (inverse - 1)


def _weights(correlation: Array) -> Array:
    """Weights of the symmetric moving average whose spectrum is that of a correlation."""
    size = 64
    whole = np.zeros(size)
    whole[: REACH + 1] = correlation
    whole[-REACH:] = correlation[:0:-1]
    root = np.sqrt(np.maximum(np.fft.fft(whole).real, 0.0))
    weights = np.roll(np.fft.ifft(root).real, REACH)[: 2 * REACH + 1]
    return np.asarray(weights / np.sqrt((weights**2).sum()))
