"""Other landslides from the labelled ones: mirrored, turned over, quickened, moved, as nature could have made them.

Nothing here needs torch. An image is the derivative of a displacement field, so that a mirror has a sign: where y runs
the other way, the derivative along y changes its sign and that along x does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]


def flip_y(image: Image, boxes: Boxes, direction: str) -> tuple[Image, Boxes]:
    """Mirror the ground along azimuth (y): the azimuth gradient changes its sign; range gradient and rate do not.

    Parameters
    ----------
    image : numpy.ndarray, shape (height, width)
        NaN = no data.
    boxes : numpy.ndarray, shape (k, 4)
        xmin, ymin, xmax, ymax, px.
    direction : str
        "azimuth", "range" or "rate".

    Returns
    -------
    image, boxes : numpy.ndarray
        New arrays.

    Notes
    -----
    d'(y, x) = d(H − y, x) gives ∂d'/∂y (y, x) = −∂d/∂y (H − y, x) and ∂d'/∂x (y, x) = +∂d/∂x (H − y, x).

    Examples
    --------
    >>> flip_y(np.array([[1.0], [2.0]], np.float32), np.array([[0, 0, 1, 1.0]]), "azimuth")
    (array([[-2.], [-1.]], dtype=float32), array([[0., 1., 1., 2.]]))
    """
    height = image.shape[0]
    sign = np.float32(-1 if direction == "azimuth" else 1)
    mirrored = boxes.copy()
    mirrored[:, [1, 3]] = height - boxes[:, [3, 1]]
    return sign * image[::-1], mirrored


def flip_x(image: Image, boxes: Boxes, direction: str) -> tuple[Image, Boxes]:
    """Mirror the ground along range (x): the range gradient changes its sign; azimuth gradient and rate do not."""
    width = image.shape[1]
    sign = np.float32(-1 if direction == "range" else 1)
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]]
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


def random_augmentation(image: Image, boxes: Boxes, direction: str, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Apply a random choice of all of them: eight orientations, both signs of motion, 0.8 to 1.25 times the speed."""
    steps: list[Callable[[Image, Boxes], tuple[Image, Boxes]]] = [
        lambda i, b: flip_y(i, b, direction),
        lambda i, b: flip_x(i, b, direction),
        reverse,
        transpose,
    ]
    for step in steps:
        if rng.random() < 0.5:
            image, boxes = step(image, boxes)
    return quicken(image, boxes, float(np.exp(rng.uniform(-1, 1) * np.log(1.25))))
