"""Take long wavelengths out of a rate map without taking landslides along."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from labkit.stack.rows import RowThreads

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

#: The Gaussian ends at this many standard deviations.
_REACH = 4.0

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


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
    width = [s / n for s, n in zip(sigma, size, strict=True)]
    with RowThreads(threads) as shared:
        blocks = _Blocks(values.shape, size, shared)
        mass, total, number = blocks.sums(values, error)
        mean = total / np.where(mass > 0, mass, 1)
        filled = mass > 0
        plane = _plane(mean, mass)
        mean = mean - plane
        quiet = filled.copy()
        background = np.zeros_like(mean)
        for _ in range(_ROUNDS):
            background = _sloping(mean, mass * quiet, width, shared)
            deviation = np.where(filled, mean - background, 0.0) * np.sqrt(_ratio(mass, number))
            scale = 1.4826 * np.median(np.abs(deviation[filled])) if filled.any() else 0.0
            stands_out = filled & (np.abs(deviation) > _OUTLIER * scale)
            quiet = filled & ~binary_dilation(stands_out, iterations=1)
        full = blocks.enlarged(background + plane)
        rest = blocks.squares(values, error, full)
        spread = np.sqrt(_smooth(_ratio(rest, number), number * quiet, width, shared)) / _CUT_SPREAD
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


def _smooth(mean: Array, mass: Array, width: list[float], shared: RowThreads) -> Array:
    """Gaussian mean, weighted; far from any weight, the mean of all."""
    overall, trace = _overall(mean, mass)
    above, below = (_gaussian(image, width, shared) for image in ((mean - overall) * mass, mass))
    return np.asarray(overall + above / (below + trace))


def _sloping(mean: Array, mass: Array, width: list[float], shared: RowThreads) -> Array:
    """Gaussian-weighted plane at each place, read at its centre: no bend at edges and around what is left out."""
    overall, trace = _overall(mean, mass)
    y, x = (axis.astype(float) for axis in np.indices(mean.shape, sparse=True))
    m0, my, mx = (_gaussian(mass * c, width, shared) for c in (1.0, y, x))
    myy, myx, mxx = (_gaussian(mass * c, width, shared) for c in (y * y, y * x, x * x))
    t0, ty, tx = (_gaussian((mean - overall) * mass * c, width, shared) for c in (1.0, y, x))
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


def _gaussian(image: Array, width: list[float], shared: RowThreads) -> Array:
    """Gaussian sum of standard deviations ``width``, zero outside the image."""
    weights = []
    for sigma in width:
        reach = int(_REACH * sigma + 0.5)
        bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weights.append(bell / bell.sum())
    out = np.empty_like(image)
    shared.over_rows(len(image), _gaussian_rows, np.ascontiguousarray(image), *weights, out)
    return out


class _Blocks:
    """Sums over blocks of pixels, and the way back by linear interpolation between the centres of the blocks."""

    def __init__(self, shape: tuple[int, ...], size: list[int], shared: RowThreads) -> None:
        self._shape, self._size, self._shared = shape, size, shared
        self._coarse = tuple(-(-n // s) for n, s in zip(shape, size, strict=True))

    def sums(self, values: Image, error: Image) -> tuple[Array, Array, Array]:
        """Sums of 1 / error², of values / error², and the number of known pixels."""
        mass, total, number = (np.empty(self._coarse) for _ in range(3))
        self._shared.over_rows(len(mass), _sum_rows, values, error, *self._size, mass, total, number)
        return mass, total, number

    def squares(self, values: Image, error: Image, background: Image) -> Array:
        """Sum of ((values − background) / error)² over known pixels."""
        total = np.empty(self._coarse)
        self._shared.over_rows(len(total), _square_rows, values, error, background, *self._size, total)
        return total

    def enlarged(self, coarse: Array) -> Image:
        """Interpolate linearly between the centres of the blocks."""
        image = np.empty(self._shape, np.float32)
        places = [self._places(axis) for axis in range(2)]
        self._shared.over_rows(len(image), _enlarge_rows, coarse.astype(np.float32), *places[0], *places[1], image)
        return image

    def _places(self, axis: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Image]:
        """The two blocks that each pixel along an axis lies between, and the share of the second."""
        pixels, size = np.arange(self._shape[axis]), self._size[axis]
        starts = np.arange(0, self._shape[axis], size)
        if len(starts) == 1:
            return np.zeros_like(pixels), np.zeros_like(pixels), np.zeros(len(pixels), np.float32)
        centres = (starts + np.minimum(starts + size, self._shape[axis]) - 1) / 2
        low = np.clip(np.searchsorted(centres, pixels, "right") - 1, 0, len(centres) - 2)
        # beyond the outer centres the line goes on for half a block
        return low, low + 1, ((pixels - centres[low]) / (centres[low + 1] - centres[low])).astype(np.float32)


@_compiled
def _gaussian_rows(
    first: int, last: int, image: Array, along_y: Array, along_x: Array, out: Array
) -> None:  # pragma: no cover
    rows, cols = image.shape
    reach_y, reach_x = along_y.size // 2, along_x.size // 2
    padded = np.zeros(cols + 2 * reach_x)
    middle = padded[reach_x : reach_x + cols]
    for y in range(first, last):
        middle[:] = 0.0
        for line in range(max(y - reach_y, 0), min(y + reach_y + 1, rows)):
            weight, source = along_y[line - y + reach_y], image[line]
            for x in range(np.uint64(cols)):
                middle[x] += weight * source[x]
        row = out[y]
        row[:] = 0.0
        for shift in range(np.uint64(along_x.size)):
            weight = along_x[shift]
            for x in range(np.uint64(cols)):
                row[x] += weight * padded[x + shift]


@_compiled
def _sum_rows(
    first: int,
    last: int,
    values: Image,
    error: Image,
    height: int,
    width: int,
    mass: Array,
    total: Array,
    number: Array,
) -> None:  # pragma: no cover
    rows, cols = values.shape
    for block in range(first, last):
        mass[block], total[block], number[block] = 0.0, 0.0, 0.0
        for y in range(block * height, min((block + 1) * height, rows)):
            for place in range(mass.shape[1]):
                weights, sums, count = np.float32(0), np.float32(0), 0
                for x in range(place * width, min((place + 1) * width, cols)):
                    value = values[y, x]
                    if value == value:
                        weight = np.float32(1) / (error[y, x] * error[y, x])
                        weights += weight
                        sums += weight * value
                        count += 1
                mass[block, place] += weights
                total[block, place] += sums
                number[block, place] += count


@_compiled
def _square_rows(
    first: int, last: int, values: Image, error: Image, background: Image, height: int, width: int, total: Array
) -> None:  # pragma: no cover
    rows, cols = values.shape
    for block in range(first, last):
        total[block] = 0.0
        for y in range(block * height, min((block + 1) * height, rows)):
            for place in range(total.shape[1]):
                sums = np.float32(0)
                for x in range(place * width, min((place + 1) * width, cols)):
                    rest = (values[y, x] - background[y, x]) / error[y, x]
                    sums += rest * rest if rest == rest else np.float32(0)
                total[block, place] += sums


@_compiled
def _enlarge_rows(
    first: int,
    last: int,
    coarse: Image,
    low_y: npt.NDArray[np.int64],
    high_y: npt.NDArray[np.int64],
    share_y: Image,
    low_x: npt.NDArray[np.int64],
    high_x: npt.NDArray[np.int64],
    share_x: Image,
    image: Image,
) -> None:  # pragma: no cover
    one = np.float32(1)
    for y in range(first, last):
        line = coarse[low_y[y]] * (one - share_y[y]) + coarse[high_y[y]] * share_y[y]
        row = image[y]
        for x in range(row.size):
            row[x] = line[low_x[x]] * (one - share_x[x]) + line[high_x[x]] * share_x[x]
