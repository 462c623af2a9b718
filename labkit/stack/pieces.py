"""Pieces of ground that no-data cuts off from each other, each with a zero of its own."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.poisson import Links
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Array = npt.NDArray[np.float64]

#: Medians are taken of about this many pixels of a piece, evenly spread.
_JUDGED_PIXELS = 500_000

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def find_pieces(links: Links) -> tuple[Labels, int]:
    """Number the pieces of ground that links of weight join: (y, x) 1…n, 0 = a pixel without a link; and n."""
    labels = np.zeros((links.along_x.shape[0], links.along_y.shape[1]), np.int32)
    parents = np.zeros(labels.size + 1, np.int32)
    return labels, int(_join(np.asarray(links.along_y), np.asarray(links.along_x), labels, parents))


def level(image: Image, links: Links, *, least: int, threads: int | None = None) -> Image:
    """Set the median of each piece of ground to zero.

    Parameters
    ----------
    image : (y, x) float32
        Without NaN.
    links : Links
        What joins its pixels.
    least : int
        Pieces of fewer pixels become NaN, as do pixels without a link.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.
    """
    labels, count = find_pieces(links)
    starts = np.zeros(count + 2, np.int64)
    np.cumsum(np.bincount(labels.ravel(), minlength=count + 1), out=starts[1:])
    zeros = np.full(count + 1, np.nan, np.float32)
    kept = np.flatnonzero(np.diff(starts) >= least)
    kept = kept[kept > 0]
    if len(kept):
        grouped = np.empty(image.size, np.float32)
        _group(image, labels, starts[:-1].copy(), grouped)
        for piece in kept:
            values = grouped[starts[piece] : starts[piece + 1]]
            zeros[piece] = np.median(values[:: max(1, values.size // _JUDGED_PIXELS)])
    levelled = np.empty_like(image)
    with RowThreads(threads) as shared:
        shared.over_rows(len(image), _subtract_rows, image, labels, zeros, levelled)
    return levelled


@_compiled
def _root(parents: Labels, label: int) -> int:  # pragma: no cover
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@_compiled
def _join(along_y: Image, along_x: Image, labels: Labels, parents: Labels) -> int:  # pragma: no cover
    """Two passes: provisional numbers with what they turn out to be joined to, then numbers without gaps."""
    rows, cols = labels.shape
    used = 0
    for y in range(rows):
        for x in range(cols):
            above = labels[y - 1, x] if y > 0 and along_y[y - 1, x] > 0 else 0
            left = labels[y, x - 1] if x > 0 and along_x[y, x - 1] > 0 else 0
            if above and left and above != left:
                one, other = _root(parents, above), _root(parents, left)
                parents[max(one, other)] = min(one, other)
            if above or left:
                labels[y, x] = left if left else above
            elif (y < rows - 1 and along_y[y, x] > 0) or (x < cols - 1 and along_x[y, x] > 0):
                used += 1
                parents[used] = used
                labels[y, x] = used
    count = 0
    for label in range(1, used + 1):
        # a parent comes before its children, and has its final number already
        if parents[label] == label:
            count += 1
            parents[label] = -count
        else:
            ahead = parents[label]
            parents[label] = parents[ahead]
    for y in range(rows):
        for x in range(cols):
            labels[y, x] = -parents[labels[y, x]]
    return count


@_compiled
def _group(image: Image, labels: Labels, places: npt.NDArray[np.int64], grouped: Image) -> None:  # pragma: no cover
    """The pixels of one piece after those of another, in the order of the image."""
    rows, cols = image.shape
    for y in range(rows):
        for x in range(cols):
            piece = labels[y, x]
            grouped[places[piece]] = image[y, x]
            places[piece] += 1


@_compiled
def _subtract_rows(
    first: int, last: int, image: Image, labels: Labels, zeros: Image, out: Image
) -> None:  # pragma: no cover
    cols = image.shape[1]
    for y in range(first, last):
        for x in range(cols):
            out[y, x] = image[y, x] - zeros[labels[y, x]]
