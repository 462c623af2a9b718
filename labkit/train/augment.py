"""Other landslides from the labelled ones: mirrored, turned over, quickened, moved, as nature could have made them.

Nothing here needs torch. An image is the derivative of a displacement field, so that a mirror has a sign: where y runs
the other way, the derivative along y changes its sign and that along x does not. And a stack holds *forward*
differences, pixel i + lag minus pixel i, which lie lag / 2 px beyond the pixel that holds them: in the mirror they lie
as much before it, so that a box has to move by lag px along with its image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]


def flip_y(image: Image, boxes: Boxes, direction: str, lag: int = 0) -> tuple[Image, Boxes]:
    """Mirror the ground along azimuth (y): the azimuth gradient changes its sign; range gradient and rate do not.

    Parameters
    ----------
    image : numpy.ndarray, shape (height, width)
        NaN = no data.
    boxes : numpy.ndarray, shape (k, 4)
        xmin, ymin, xmax, ymax, px.
    direction : str
        "azimuth", "range" or "rate".
    lag : int
        Distance of the pixels whose difference the image holds, px; 0 for derivatives that lie where they are held.

    Returns
    -------
    image, boxes : numpy.ndarray
        New arrays. Boxes of the mirrored direction may reach ``lag`` px beyond the image.

    Notes
    -----
    d'(y, x) = d(H − y, x) gives ∂d'/∂y (y, x) = −∂d/∂y (H − y, x) and ∂d'/∂x (y, x) = +∂d/∂x (H − y, x). In pixels,
    with g[i] = d[i + lag] − d[i]: g'[i] = −g[H − 1 − lag − i], the mirrored image moved back by lag px. Here the image
    stays and the boxes move on by lag px, which is the same and loses no row.

    Examples
    --------
    >>> flip_y(np.array([[1.0], [2.0]], np.float32), np.array([[0, 0, 1, 1.0]]), "azimuth")
    (array([[-2.], [-1.]], dtype=float32), array([[0., 1., 1., 2.]]))
    """
    height = image.shape[0]
    along = direction == "azimuth"
    sign = np.float32(-1 if along else 1)
    mirrored = boxes.copy()
    mirrored[:, [1, 3]] = height - boxes[:, [3, 1]] + (lag if along else 0)
    return sign * image[::-1], mirrored


def flip_x(image: Image, boxes: Boxes, direction: str, lag: int = 0) -> tuple[Image, Boxes]:
    """Mirror the ground along range (x): the range gradient changes its sign; azimuth gradient and rate do not."""
    width = image.shape[1]
    along = direction == "range"
    sign = np.float32(-1 if along else 1)
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]] + (lag if along else 0)
    return sign * image[:, ::-1], mirrored


def transpose(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    """Exchange y and x: an azimuth gradient becomes the range gradient of the exchanged ground, and the reverse."""
    return image.T.copy(), boxes[:, [1, 0, 3, 2]]


def reverse(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    """Let the ground move the other way along the line of sight: every derivative changes its sign."""
    return -image, boxes.copy()


def quicken(image: Image, boxes: Boxes, factor: float) -> tuple[Image, Boxes]:
    """Let the ground move faster (factor > 1) or slower (< 1): a stack is linear in the velocity."""
    return image * np.float32(factor), boxes.copy()


def random_augmentation(
    image: Image, boxes: Boxes, direction: str, rng: np.random.Generator, lag: int = 0
) -> tuple[Image, Boxes]:
    """Apply a random choice of all of them: eight orientations, both signs of motion, 0.8 to 1.25 times the speed."""
    steps: list[Callable[[Image, Boxes], tuple[Image, Boxes]]] = [
        lambda i, b: flip_y(i, b, direction, lag),
        lambda i, b: flip_x(i, b, direction, lag),
        reverse,
        transpose,
    ]
    for step in steps:
        if rng.random() < 0.5:
            image, boxes = step(image, boxes)
    return quicken(image, boxes, float(np.exp(rng.uniform(-1, 1) * np.log(1.25))))
