"""Sums over a disc around each pixel, by running sums along the rows: a few additions for each row of the disc."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]

#: Rows of the image whose running sums are held at a time, beside those that a disc reaches: they stay in the cache.
_ROWS = 32


def half_widths(distance: float, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Give how far a disc reaches along x in each of its rows, from the middle one on, px.

    Parameters
    ----------
    distance : float
        Greatest distance of two pixel centres, px, at least 0.
    shape : (int, int)
        Rows and columns of the image, beyond which nothing is asked.

    Examples
    --------
    >>> half_widths(2.5, (100, 100))
    array([2, 2, 1])
    """
    distance = min(distance, math.hypot(*shape))
    tallest = int(min(distance, shape[0] - 1))
    widths = np.zeros(tallest + 1, np.int64)
    for row in range(tallest + 1):
        # from the root, which may be a pixel off by rounding, to the last pixel that is near enough as hypot says
        width = min(int(math.sqrt(max(distance**2 - row**2, 0.0))) + 1, shape[1])
        while math.hypot(row, width) > distance:
            width -= 1
        widths[row] = width
    return widths


def disc_sums(values: Image, known: npt.NDArray[np.bool_], distance: float) -> tuple[Image, Counts]:
    """Sum what is known within a distance of each pixel, itself included.

    Parameters
    ----------
    values : numpy.ndarray, shape (y, x)
        Anything where it is not known.
    known : numpy.ndarray, shape (y, x)
        Which pixels count.
    distance : float
        Greatest distance of two pixel centres, px, at least 0.

    Returns
    -------
    sums : numpy.ndarray, shape (y, x)
        Of the values; 0 where none is known.
    counts : numpy.ndarray, shape (y, x)
        How many were summed.

    Notes
    -----
    Work and time grow with the distance, not with its square. A sum is a difference of running sums along a row, exact
    to about 1e-16 of the row's sum of magnitudes: take the mean from the values first.

    Examples
    --------
    >>> values = np.arange(9.0).reshape(3, 3)
    >>> sums, counts = disc_sums(values, values != 4, 1)
    >>> print(sums[0, 0], counts[0, 0], sums[1, 1], counts[1, 1])
    4.0 3 16.0 4
    """
    shape = (values.shape[0], values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape, np.int32)
    if values.size:
        _add_discs(
            np.ascontiguousarray(values), np.ascontiguousarray(known), half_widths(distance, shape), sums, counts
        )
    return sums, counts


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_discs(
    values: Image, known: npt.NDArray[np.bool_], widths: npt.NDArray[np.int64], sums: Image, counts: Counts
) -> None:  # pragma: no cover
    rows, cols = values.shape
    reach, widest = len(widths) - 1, widths[0]
    held = min(rows, _ROWS + 2 * reach)
    # column j + 1 + widest holds the sum of the columns up to j; on both sides it is continued without change
    running = np.zeros((held, cols + 1 + 2 * widest))
    number = np.zeros((held, cols + 1 + 2 * widest), np.int32)
    filled = 0
    for row in range(rows):
        while filled < min(row + reach + 1, rows):
            place = filled % held
            total, count = 0.0, np.int32(0)
            for col in range(cols):
                if known[filled, col]:
                    total += values[filled, col]
                    count += np.int32(1)
                running[place, col + 1 + widest] = total
                number[place, col + 1 + widest] = count
            running[place, cols + 1 + widest :] = total
            number[place, cols + 1 + widest :] = count
            filled += 1
        for other in range(max(row - reach, 0), min(row + reach + 1, rows)):
            width = widths[abs(other - row)]
            _add_row(running[other % held], number[other % held], widest - width, 2 * width + 1, sums[row], counts[row])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_row(
    running: Image, number: Counts, start: int, length: int, sums: Image, counts: Counts
) -> None:  # pragma: no cover
    left, right = running[start:], running[start + length :]
    fewer, more = number[start:], number[start + length :]
    for col in range(len(sums)):
        sums[col] += right[col] - left[col]
    for col in range(len(sums)):
        counts[col] += more[col] - fewer[col]
