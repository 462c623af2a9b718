"""Other landslides from the labelled ones: mirrored, turned over, quickened, moved, as nature could have made them.

Nothing here needs torch. An image is the derivative of a displacement field, so that a mirror has a sign: where y runs
the other way, the derivative along y changes its sign and that along x does not. And a stack holds *forward*
differences, pixel i + lag minus pixel i, so that the mirror of an image is not yet the image of the mirrored ground: it
lies lag px off. Each function here gives exactly what a stack of the changed ground would hold; boxes lie on the
ground, and change with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]

#: The axis of an image (y, x) along which a direction's differences are taken. Rates are no differences.
AXES = {"azimuth": 0, "range": 1}

_EXCHANGED = {"azimuth": "range", "range": "azimuth"}


@dataclass(frozen=True)
class Patch:
    """A piece of ground as one or several layers show it.

    Attributes
    ----------
    image : numpy.ndarray, shape (layers, height, width)
        float32, NaN = no data.
    boxes : numpy.ndarray, shape (k, 4)
        xmin, ymin, xmax, ymax, px.
    directions : tuple of str
        What each layer holds: "azimuth", "range" or "rate".
    lag : int
        Distance of the pixels whose difference a gradient holds, px; 0 for derivatives that lie where they are held.

    Examples
    --------
    The phases 0, 1, 3, and what the next one has more than each:

    >>> image = np.array([[[1.0], [2.0], [np.nan]]], np.float32)
    >>> ground = Patch(image, np.array([[0, 0, 1, 2.0]]), ("azimuth",), lag=1)

    In the mirror they are 3, 1, 0:

    >>> mirrored = flip_y(ground)
    >>> mirrored.image[0, :, 0], mirrored.boxes
    (array([-2., -1., nan], dtype=float32), array([[0., 1., 1., 3.]]))
    """

    image: Image
    boxes: Boxes
    directions: tuple[str, ...]
    lag: int = 0


def flip_y(patch: Patch) -> Patch:
    """Mirror the ground along azimuth (y): azimuth gradients change their sign; range gradients and rates do not.

    Notes
    -----
    d'(y, x) = d(H − y, x) gives ∂d'/∂y (y, x) = −∂d/∂y (H − y, x) and ∂d'/∂x (y, x) = +∂d/∂x (H − y, x). In pixels,
    with g[i] = d[i + lag] − d[i]: g'[i] = −g[H − 1 − lag − i]. As in any stack, the last lag rows then hold no data.
    """
    return _flip(patch, 0)


def flip_x(patch: Patch) -> Patch:
    """Mirror the ground along range (x): range gradients change their sign; azimuth gradients and rates do not."""
    return _flip(patch, 1)


def _flip(patch: Patch, axis: int) -> Patch:
    image = np.flip(patch.image, 1 + axis).copy()
    for layer, direction in zip(image, patch.directions, strict=True):
        if AXES.get(direction) == axis:
            along = layer if axis == 0 else layer.T
            along[: len(along) - patch.lag] = -along[patch.lag :]
            along[len(along) - patch.lag :] = np.nan
    low, high = (1, 3) if axis == 0 else (0, 2)
    boxes = patch.boxes.copy()
    boxes[:, [low, high]] = patch.image.shape[1 + axis] - patch.boxes[:, [high, low]]
    return replace(patch, image=image, boxes=boxes)


def transpose(patch: Patch) -> Patch:
    """Exchange y and x: an azimuth gradient becomes the range gradient of the exchanged ground, and the reverse."""
    return Patch(
        np.ascontiguousarray(patch.image.swapaxes(1, 2)),
        patch.boxes[:, [1, 0, 3, 2]],
        tuple(_EXCHANGED.get(direction, direction) for direction in patch.directions),
        patch.lag,
    )


def rotate(patch: Patch, quarters: int) -> Patch:
    """Turn the ground clockwise, y pointing down, by so many quarters of a turn.

    A quarter exchanges the directions, and one of them changes its sign: what fell along azimuth rises along range.
    """
    for _ in range(quarters % 4):
        patch = flip_x(transpose(patch))
    return patch


def reverse(patch: Patch) -> Patch:
    """Let the ground move the other way along the line of sight: every derivative changes its sign."""
    return replace(patch, image=-patch.image)


def quicken(patch: Patch, factor: float) -> Patch:
    """Let the ground move faster (factor > 1) or slower (< 1): a stack is linear in the velocity."""
    return replace(patch, image=patch.image * np.float32(factor))


def add_noise(patch: Patch, noise: Patch, factor: float) -> Patch:
    """Lay the air and the noise of other ground, which does not move, over this one.

    Parameters
    ----------
    patch : Patch
        The ground.
    noise : Patch
        As large, with the same directions; its boxes are not looked at.
    factor : float
        The noise is taken so many times: a stack is linear in the phase of its pairs, as long as none wraps.

    Returns
    -------
    Patch
        The sum. Where the noise holds no data, nothing is added; where the ground holds none, there is none.
    """
    return replace(patch, image=patch.image + np.nan_to_num(noise.image * np.float32(factor), nan=0.0))


def random_augmentation(patch: Patch, rng: np.random.Generator) -> Patch:
    """Apply a random choice of all of them: eight orientations, both signs of motion, 0.8 to 1.25 times the speed.

    The eight are the four turns by quarters, and their mirrors.
    """
    steps: list[Callable[[Patch], Patch]] = [flip_y, flip_x, reverse, transpose]
    for step in steps:
        if rng.random() < 0.5:
            patch = step(patch)
    return quicken(patch, float(np.exp(rng.uniform(-1, 1) * np.log(1.25))))
