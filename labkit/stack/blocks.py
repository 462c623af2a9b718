"""Sums of a map over blocks of pixels, and the way back to its pixels."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


class Blocks:
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
