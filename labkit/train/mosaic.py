"""Four pieces of ground as one image, each scaled: more landslides, of more sizes, in one look (Bochkovskiy 2020).

Nothing here needs torch. A gradient image that is scaled by z without a change of its values is that of a landslide z
times as long and wide that moves z times as fast: d'(y, x) = z · d(y / z, x / z) has ∂d'/∂y (y, x) = ∂d/∂y (y / z,
x / z). A rate image that is scaled is that of a larger landslide as fast as before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.train.augment import AXES, Image, Patch
from labkit.train.scaling import scale_layer


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
    image = np.empty((len(patch.image), height, width), np.float32)
    for layer, direction, scaled in zip(patch.image, patch.directions, image, strict=True):
        down, right = (patch.lag / 2 if AXES.get(direction) == axis else 0.0 for axis in (0, 1))
        scale_layer(layer, (height, width), factor, (down, right), scaled)
    return Patch(image, patch.boxes * factor, patch.directions, patch.lag)


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
