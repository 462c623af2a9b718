"""Regions as Label Studio stores them → boxes: what is certain is mended and said, what is not is refused.

The server takes any region from anyone, so every rule is checked here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.label.config import control_name
from labkit.label.convert import Box, clip_box

#: What reaches beyond the image by no more than this is the rounding of per cents, not a repair (px).
ROUNDING_PX = 1e-6

#: Label Studio's words for how a region came to be, and labkit's.
_ORIGINS = {"manual": "manual", "prediction": "accepted", "prediction-changed": "moved"}


class UnusableRegionError(ValueError):
    """A region that cannot become a label; the message is the reason."""


@dataclass(frozen=True)
class Region:
    """One box that a person or a model drew on one image of a chip."""

    region_id: str
    direction: str
    #: Edges in pixels of the chip, inside [0, size].
    box: Box
    label: str
    #: "manual", "accepted" (a prediction as it was) or "moved" (a prediction that was changed).
    origin: str
    #: What was mended: "turned round", "rotated by 90°" (180°, 270°), "clipped".
    repairs: tuple[str, ...] = ()


def from_region(item: object, size: int, classes: Mapping[str, set[str]]) -> Region:
    """Read an item of Label Studio's ``result``.

    Parameters
    ----------
    item : mapping
        A region; its image is ``to_name``, its control ``from_name``.
    size : int
        Edge of the chip, px.
    classes : mapping
        Direction to the labels on offer for it (:func:`labkit.label.config.classes_of`).

    Returns
    -------
    Region
        Inside the image, with positive width and height. Mended, because only one box can be meant: a negative width
        or height is turned round, a quarter, half or three-quarter turn becomes the box that it covers, and what
        reaches beyond the image is clipped.

    Raises
    ------
    UnusableRegionError
        It is no rectangle, lies on an unknown image, was drawn by another image's control, has no or several labels or
        an unknown one, is rotated by another angle, or lies outside the image.

    Notes
    -----
    A stored rectangle begins at its own upper left corner *after* a clockwise rotation about that corner: its corners
    are p, p + w (cos θ, sin θ), p + h (−sin θ, cos θ) and their sum, y downward.
    """
    if not isinstance(item, Mapping):
        raise UnusableRegionError(f"a region must be a mapping, instead got {type(item).__name__}")
    value = item.get("value")
    if item.get("type") != "rectanglelabels" or not isinstance(value, Mapping):
        raise UnusableRegionError(f"type must be 'rectanglelabels', instead got type={item.get('type')!r}")
    direction, control = item.get("to_name"), item.get("from_name")
    if not isinstance(direction, str) or direction not in classes:
        raise UnusableRegionError(f"to_name must be one of {sorted(classes)}, instead got to_name={direction!r}")
    if control != control_name(direction):
        raise UnusableRegionError(f"from_name must be {control_name(direction)!r}, instead got from_name={control!r}")
    labels = value.get("rectanglelabels")
    if not isinstance(labels, list) or len(labels) != 1 or labels[0] not in list(classes[direction]):
        raise UnusableRegionError(f"label must be one of {sorted(classes[direction])}, instead got label={labels}")
    box, repairs = _upright(value, _quarter_turns(item, value), size)
    inside = clip_box(box, size)
    if inside is None:
        raise UnusableRegionError(f"box must lie on the image of {size} px with an area, instead got box={box}")
    if max(abs(a - b) for a, b in zip(inside, box, strict=True)) > ROUNDING_PX:
        repairs.append("clipped")
    origin = _ORIGINS.get(str(item.get("origin")), "manual")
    return Region(str(item.get("id", "")), direction, inside, labels[0], origin, tuple(repairs))


def _quarter_turns(item: Mapping[str, Any], value: Mapping[str, Any]) -> int:
    """How often the box is turned by 90° clockwise."""
    angle, whole_image = _number(value.get("rotation") or 0), _number(item.get("image_rotation") or 0)
    # A region on an image that was turned itself: which axes its numbers follow is not written down anywhere.
    if whole_image % 360:
        raise UnusableRegionError(f"image_rotation must be 0, instead got image_rotation={whole_image:g}")
    turns = angle / 90
    if not math.isfinite(turns) or turns != round(turns):
        raise UnusableRegionError(f"rotation must be a multiple of 90°, instead got rotation={angle:g}")
    return round(turns) % 4


def _upright(value: Mapping[str, Any], turns: int, size: int) -> tuple[Box, list[str]]:
    scale = size / 100.0
    try:
        x, y, width, height = (_number(value[name]) * scale for name in ("x", "y", "width", "height"))
    except KeyError as error:
        raise UnusableRegionError(
            f"value must have x, y, width, height, instead {error.args[0]!r} is missing"
        ) from error
    repairs = ["turned round"] if width < 0 or height < 0 else []
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    if turns:
        repairs.append(f"rotated by {90 * turns}°")
    far_x, far_y = x + width * cosine - height * sine, y + width * sine + height * cosine
    return (min(x, far_x), min(y, far_y), max(x, far_x), max(y, far_y)), repairs


def _number(value: object) -> float:
    try:
        number = float(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnusableRegionError(f"x, y, width, height and rotation must be numbers, instead got {value!r}")
    return number
