"""Four pieces of ground as one image, each scaled: more landslides, of more sizes, in one look (Bochkovskiy 2020).

Nothing here needs torch. A gradient image that is scaled by z without a change of its values is that of a landslide z
times as long and wide that moves z times as fast: d'(y, x) = z · d(y / z, x / z) has ∂d'/∂y (y, x) = ∂d/∂y (y / z,
x / z). A rate image that is scaled is that of a larger landslide as fast as before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from labkit.train.augment import AXES, Image, Patch

#: A pixel holds data when at least this share of what it is made of does.
_LEAST_VALID = 0.5


def zoom(patch: Patch, factor: float) -> Patch:
    """Scale the ground.

    Parameters
    ----------
    patch : Patch
        The ground.
    factor : float
        Edges become so many times as long; positive.

    Returns
    -------
    Patch
        round(edge · factor) px. A pixel of which less than half comes from data holds none.

    Notes
    -----
    Linear interpolation, with the triangle as wide as a new pixel where those are larger (as Pillow does), so that fine
    noise is averaged and not folded. A forward difference over lag px stands for the place lag / 2 px beyond the pixel
    that holds it; it is read there, before and after, so that the image stays with its boxes.
    """
    height, width = (max(1, round(edge * factor)) for edge in patch.image.shape[1:])
    layers = []
    for layer, direction in zip(patch.image, patch.directions, strict=True):
        shift = [patch.lag / 2 if AXES.get(direction) == axis else 0.0 for axis in (0, 1)]
        rows = _weights(layer.shape[0], height, factor, shift[0])
        cols = _weights(layer.shape[1], width, factor, shift[1])
        valid = np.isfinite(layer)
        if valid.all():
            layers.append((cols @ (rows @ layer).T).T)
            continue
        share = (cols @ (rows @ valid.astype(np.float32)).T).T
        known = share >= _LEAST_VALID
        values = (cols @ (rows @ np.where(valid, layer, np.float32(0))).T).T
        layers.append(np.where(known, values / np.where(known, share, np.float32(1)), np.float32(np.nan)))
    return Patch(np.stack(layers), patch.boxes * factor, patch.directions, patch.lag)


def _weights(before: int, after: int, factor: float, shift: float) -> csr_array:
    """How much each new pixel takes of each old one, (after, before); the weights of a pixel sum to 1."""
    at = (np.arange(after) + 0.5 + shift) / factor - 0.5 - shift
    reach = max(1.0, 1.0 / factor)
    distance = np.abs(at.clip(0, before - 1)[:, None] - np.arange(before)) / reach
    weights = np.maximum(0.0, 1.0 - distance)
    # few of them are not 0; and dense products would run in threads that are in the way of the network's
    return csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def corners(centre: tuple[int, int], edge: int) -> tuple[tuple[int, int, int, int], ...]:
    """Give row, col, height and width of the four parts of a square of this edge that meet in a point (row, col)."""
    row, col = centre
    return (
        (0, 0, row, col),
        (0, col, row, edge - col),
        (row, 0, edge - row, col),
        (row, col, edge - row, edge - col),
    )


def put_together(parts: Sequence[Image], centre: tuple[int, int], edge: int) -> Image:
    """Lay four images (layers, height, width) of the sizes that :func:`corners` gives into one square."""
    whole = np.empty((parts[0].shape[0], edge, edge), np.float32)
    for part, (row, col, height, width) in zip(parts, corners(centre, edge), strict=True):
        whole[:, row : row + height, col : col + width] = part
    return whole
