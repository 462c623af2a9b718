"""Take long wavelengths out of a rate map without taking landslides along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter

Image = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

#: Blocks per standard deviation of the Gaussian: the background is estimated on a grid no finer than it needs.
_BLOCKS_PER_SIGMA = 2.0

_ROUNDS = 6
_OUTLIER = 2.5

#: Share of the Gaussian's variance that holds the slope of the background flat.
_HELD_SLOPE = 0.05

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


def split_wavelengths(values: Image, error: Image, cutoff_px: tuple[float, float]) -> Split:
    """Split a map into its long wavelengths and the rest, leaving out what stands out from its surroundings.

    Parameters
    ----------
    values : (y, x) float32
        NaN = no data, which counts nowhere.
    error : (y, x) float32
        Relative errors: 1 / error² weighs the values, and what stands out is told in units of it.
    cutoff_px : (float, float)
        Wavelength along y and x, px, of which the background keeps half of the amplitude.

    Notes
    -----
    The background is a Gaussian-weighted plane over quiet ground, of standard deviation σ = cutoff √(ln 2 / 2) / π.
    Ground is quiet where its block of about σ/2 deviates from the background by less than 2.5 robust standard
    deviations, and so do its neighbours; both are found in turns. Under a landslide the background is thus carried on
    from around it.
    """
    sigma = [c * np.sqrt(np.log(2) / 2) / np.pi for c in cutoff_px]
    size = [max(1, int(s / _BLOCKS_PER_SIGMA)) for s in sigma]
    width = [s / n for s, n in zip(sigma, size, strict=True)]
    known = np.isfinite(values)
    weight = np.where(known, 1 / error**2, 0).astype(np.float32)
    mass = _block_sums(weight, size)
    mean = _block_sums(weight * np.where(known, values, np.float32(0)), size) / np.where(mass > 0, mass, 1)
    filled = mass > 0
    plane = _plane(mean, mass)
    mean = mean - plane
    quiet = filled.copy()
    background = np.zeros_like(mean)
    for _ in range(_ROUNDS):
        background = _sloping(mean, mass * quiet, width)
        deviation = np.where(filled, mean - background, 0.0) * np.sqrt(_ratio(mass, _block_sums(known, size)))
        scale = 1.4826 * np.median(np.abs(deviation[filled])) if filled.any() else 0.0
        stands_out = filled & (np.abs(deviation) > _OUTLIER * scale)
        quiet = filled & ~binary_dilation(stands_out, iterations=1)
    full = _enlarged(background + plane, size, values.shape)
    rest = np.where(known, (values - full) / error, np.float32(0))
    counts = _block_sums(known, size) * quiet
    spread = np.sqrt(_smooth(_ratio(_block_sums(rest**2, size), _block_sums(known, size)), counts, width)) / _CUT_SPREAD
    return Split(full, np.maximum(_enlarged(spread, size, values.shape), np.float32(spread.min())))


def _plane(mean: Array, mass: Array) -> Array:
    """The plane through the whole map, so that edges do not stand out from a background that slopes."""
    terms = np.stack([np.ones(mean.shape), *np.indices(mean.shape)], axis=-1)
    root = np.sqrt(mass)[..., None]
    found = np.linalg.lstsq((terms * root).reshape(-1, 3), (mean[..., None] * root).ravel(), rcond=None)[0]
    return np.asarray(terms @ found)


def _ratio(a: Array, b: Array) -> Array:
    return np.asarray(a / np.where(b > 0, b, 1))


def _block_sums(image: npt.NDArray, size: list[int]) -> Array:
    starts = [np.arange(0, n, s) for n, s in zip(image.shape, size, strict=True)]
    rows = np.add.reduceat(image, starts[0], axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(rows, starts[1], axis=1))


def _smooth(mean: Array, mass: Array, width: list[float]) -> Array:
    """Gaussian mean, weighted; far from any weight, the mean of all."""
    overall, trace = _overall(mean, mass)
    above, below = (_gaussian(image, width) for image in ((mean - overall) * mass, mass))
    return np.asarray(overall + above / (below + trace))


def _sloping(mean: Array, mass: Array, width: list[float]) -> Array:
    """Gaussian-weighted plane at each place, read at its centre: no bend at edges and around what is left out."""
    overall, trace = _overall(mean, mass)
    y, x = (axis.astype(float) for axis in np.indices(mean.shape, sparse=True))
    m0, my, mx = (_gaussian(mass * c, width) for c in (1.0, y, x))
    myy, myx, mxx = (_gaussian(mass * c, width) for c in (y * y, y * x, x * x))
    t0, ty, tx = (_gaussian((mean - overall) * mass * c, width) for c in (1.0, y, x))
    # moments about the place itself, and a little that holds the slope flat where there is weight on one side only
    hold = [_HELD_SLOPE * w * w * (m0 + trace) for w in width]
    by, bx = my - y * m0, mx - x * m0
    cyy = myy - 2 * y * my + y * y * m0 + hold[0]
    cxx = mxx - 2 * x * mx + x * x * m0 + hold[1]
    cyx = myx - y * mx - x * my + y * x * m0
    ty, tx = ty - y * t0, tx - x * t0
    determinant = cyy * cxx - cyx * cyx
    ky, kx = (by * cxx - bx * cyx) / determinant, (bx * cyy - by * cyx) / determinant
    return np.asarray(overall + (t0 - ky * ty - kx * tx) / (m0 - ky * by - kx * bx + trace))


def _overall(mean: Array, mass: Array) -> tuple[float, float]:
    """The mean of all, and the trace of weight with which it stands in where the Gaussian reaches nothing."""
    total = float(mass.sum())
    return (float((mean * mass).sum() / total), 1e-6 * float(mass.max())) if total > 0 else (0.0, 1.0)


def _gaussian(image: Array, width: list[float]) -> Array:
    return np.asarray(gaussian_filter(image, width, mode="constant", truncate=4.0))


def _enlarged(coarse: Array, size: list[int], shape: tuple[int, ...]) -> Image:
    """Linear interpolation between the centres of the blocks."""
    image = coarse.astype(np.float32)
    for axis, (n, s) in enumerate(zip(shape, size, strict=True)):
        starts = np.arange(0, n, s)
        if len(starts) == 1:
            image = np.repeat(image, n, axis)
            continue
        centres = (starts + np.minimum(starts + s, n) - 1) / 2
        low = np.clip(np.searchsorted(centres, np.arange(n), "right") - 1, 0, len(centres) - 2)
        # beyond the outer centres the line goes on for half a block
        share = ((np.arange(n) - centres[low]) / (centres[low + 1] - centres[low])).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        image = np.take(image, low, axis) * (1 - share) + np.take(image, low + 1, axis) * share
    return np.ascontiguousarray(image)
