"""Take long wavelengths out of a rate map without taking landslides along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from labkit.stack.blocks import Blocks
from labkit.stack.gaussian import local_mean, local_plane
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

#: Blocks per standard deviation of the Gaussian: the background is estimated on a grid no finer than it needs.
_BLOCKS_PER_SIGMA = 2.0

_ROUNDS = 6
_OUTLIER = 2.5

#: A normal distribution cut at ±2.5 standard deviations has this standard deviation.
_CUT_SPREAD = 0.956


@dataclass(frozen=True)
class Split:
    """A map taken apart, (y, x) without NaN.

    ``background`` holds the long wavelengths; ``spread`` is the standard deviation of what is left over quiet ground
    around each pixel, in units of the error given.
    """

    background: Image
    spread: Image


def split_wavelengths(
    values: Image, error: Image, cutoff_px: tuple[float, float], *, threads: int | None = None
) -> Split:
    """Split a map into its long wavelengths and the rest, leaving out what stands out from its surroundings.

    Parameters
    ----------
    values : (y, x) float32
        NaN = no data, which counts nowhere.
    error : (y, x) float32
        Relative errors: 1 / error² weighs the values, and what stands out is told in units of it.
    cutoff_px : (float, float)
        Wavelength along y and x, px, of which the background keeps half of the amplitude.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Notes
    -----
    The background is a Gaussian-weighted plane over quiet ground, of standard deviation σ = cutoff √(ln 2 / 2) / π.
    Ground is quiet where its block of about σ/2 deviates from the background by less than 2.5 robust standard
    deviations, and so do its neighbours; both are found in turns. Under a landslide the background is thus carried on
    from around it.
    """
    sigma = [c * np.sqrt(np.log(2) / 2) / np.pi for c in cutoff_px]
    size = [max(1, int(s / _BLOCKS_PER_SIGMA)) for s in sigma]
    width = (sigma[0] / size[0], sigma[1] / size[1])
    with RowThreads(threads) as shared:
        blocks = Blocks(values.shape, size, shared)
        mass, total, number = blocks.sums(values, error)
        mean = total / np.where(mass > 0, mass, 1)
        filled = mass > 0
        plane = _plane(mean, mass)
        mean = mean - plane
        quiet = filled.copy()
        background = np.zeros_like(mean)
        for _ in range(_ROUNDS):
            background = local_plane(mean, mass * quiet, width, shared)
            deviation = np.where(filled, mean - background, 0.0) * np.sqrt(_ratio(mass, number))
            scale = 1.4826 * np.median(np.abs(deviation[filled])) if filled.any() else 0.0
            stands_out = filled & (np.abs(deviation) > _OUTLIER * scale)
            quiet = filled & ~binary_dilation(stands_out, iterations=1)
        full = blocks.enlarged(background + plane)
        rest = blocks.squares(values, error, full)
        spread = np.sqrt(local_mean(_ratio(rest, number), number * quiet, width, shared)) / _CUT_SPREAD
        spread_everywhere = blocks.enlarged(spread)
    return Split(full, np.maximum(spread_everywhere, np.float32(spread.min()), out=spread_everywhere))


def _plane(mean: Array, mass: Array) -> Array:
    """The plane through the whole map, so that edges do not stand out from a background that slopes."""
    terms = np.stack([np.ones(mean.shape), *np.indices(mean.shape)], axis=-1)
    root = np.sqrt(mass)[..., None]
    found = np.linalg.lstsq((terms * root).reshape(-1, 3), (mean[..., None] * root).ravel(), rcond=None)[0]
    return np.asarray(terms @ found)


def _ratio(a: Array, b: Array) -> Array:
    return np.asarray(a / np.where(b > 0, b, 1))
