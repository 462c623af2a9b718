"""Other landslides from the labelled ones: mirrored, turned over, quickened, moved, as nature could have made them.

Nothing here needs torch. An image is the derivative of a displacement field, so that a mirror has a sign: where y runs
the other way, the derivative along y changes its sign and that along x does not. And a stack holds *forward*
differences, pixel i + lag minus pixel i, so that the mirror of an image is not yet the image of the mirrored ground: it
lies lag px off. Each function here gives exactly what a stack of the changed ground would hold; boxes lie on the
ground, and change with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

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


class Change(NamedTuple):
    """What is done to the ground, in this order; :func:`change` does all of it in one pass over the pixels.

    Attributes
    ----------
    flip_y, flip_x : bool
        Mirror along azimuth (y), along range (x).
    transpose : bool
        Exchange y and x.
    factor : float
        The ground moves so many times as fast; negative: the other way along the line of sight.
    """

    flip_y: bool = False
    flip_x: bool = False
    transpose: bool = False
    factor: float = 1.0


def change(patch: Patch, what: Change) -> Patch:
    """Give the patch as a stack of the changed ground would hold it.

    Notes
    -----
    d'(y, x) = d(H − y, x) gives ∂d'/∂y (y, x) = −∂d/∂y (H − y, x) and ∂d'/∂x (y, x) = +∂d/∂x (H − y, x). In pixels,
    with g[i] = d[i + lag] − d[i]: g'[i] = −g[H − 1 − lag − i]. As in any stack, the last lag rows then hold no data.
    """
    layers, height, width = patch.image.shape
    image = np.empty((layers, width, height) if what.transpose else patch.image.shape, np.float32)
    for layer, direction, out in zip(patch.image, patch.directions, image, strict=True):
        _mirror(layer, AXES.get(direction), patch.lag, what, out.T if what.transpose else out)
    boxes, directions = patch.boxes.copy(), patch.directions
    for flipped, edge, low, high in ((what.flip_y, height, 1, 3), (what.flip_x, width, 0, 2)):
        if flipped:
            boxes[:, [low, high]] = edge - boxes[:, [high, low]]
    if what.transpose:
        boxes = boxes[:, [1, 0, 3, 2]]
        directions = tuple(_EXCHANGED.get(direction, direction) for direction in directions)
    return Patch(image, boxes, directions, patch.lag)


def _mirror(layer: Image, axis: int | None, lag: int, what: Change, out: Image) -> None:
    """Write a layer, whose differences are taken along an axis, as it is after the mirrors and at the new speed."""
    mirrored = layer[:: -1 if what.flip_y else 1, :: -1 if what.flip_x else 1]
    if axis is None or not (what.flip_y, what.flip_x)[axis]:
        np.multiply(mirrored, np.float32(what.factor), out=out)
        return
    along, into = (mirrored, out) if axis == 0 else (mirrored.T, out.T)
    held = max(len(along) - lag, 0)
    np.multiply(along[lag:], np.float32(-what.factor), out=into[:held])
    into[held:] = np.nan


def flip_y(patch: Patch) -> Patch:
    """Mirror the ground along azimuth (y): azimuth gradients change their sign; range gradients and rates do not."""
    return change(patch, Change(flip_y=True))


def flip_x(patch: Patch) -> Patch:
    """Mirror the ground along range (x): range gradients change their sign; azimuth gradients and rates do not."""
    return change(patch, Change(flip_x=True))


def transpose(patch: Patch) -> Patch:
    """Exchange y and x: an azimuth gradient becomes the range gradient of the exchanged ground, and the reverse."""
    return change(patch, Change(transpose=True))


def rotate(patch: Patch, quarters: int) -> Patch:
    """Turn the ground clockwise, y pointing down, by so many quarters of a turn.

    A quarter exchanges the directions, and one of them changes its sign: what fell along azimuth rises along range.
    """
    for _ in range(quarters % 4):
        patch = flip_x(transpose(patch))
    return patch


def reverse(patch: Patch) -> Patch:
    """Let the ground move the other way along the line of sight: every derivative changes its sign."""
    return change(patch, Change(factor=-1.0))


def quicken(patch: Patch, factor: float) -> Patch:
    """Let the ground move faster (factor > 1) or slower (< 1): a stack is linear in the velocity."""
    return change(patch, Change(factor=factor))


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
    added = noise.image * np.float32(factor)
    np.copyto(added, np.float32(0), where=np.isnan(added))
    added += patch.image
    return replace(patch, image=added)


def draw_change(rng: np.random.Generator) -> Change:
    """Draw one of eight orientations, a sign of motion and 0.8 to 1.25 times the speed.

    The eight are the four turns by quarters, and their mirrors.
    """
    down, across, back, exchanged = rng.random(4) < 0.5
    speed = float(np.exp(rng.uniform(-1, 1) * np.log(1.25)))
    return Change(bool(down), bool(across), bool(exchanged), -speed if back else speed)


def random_augmentation(patch: Patch, rng: np.random.Generator) -> Patch:
    """Apply a random choice of all of them (:func:`draw_change`)."""
    return change(patch, draw_change(rng))
