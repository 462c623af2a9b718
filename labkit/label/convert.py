"""Boxes in pixels of a chip ↔ regions of Label Studio in per cent of its image. Pure functions.

Label Studio states a box by its upper left corner, width and height in per cent of the image; labkit by its edges in
pixels. Chips are square, padded where they reach beyond the scene, so an image's size is the chip's ``size``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.label.config import control_name
from labkit.schema import LANDSLIDE

#: xmin, ymin, xmax, ymax in pixel edges.
Box = tuple[float, float, float, float]


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
    #: "manual", "prediction" (accepted as it was) or "prediction-changed".
    origin: str


def to_percent(box: Box, size: int) -> dict[str, float]:
    """State a box in per cent of an image with edges of ``size`` px.

    Examples
    --------
    >>> to_percent((104, 208, 312, 416), 416)
    {'x': 25.0, 'y': 50.0, 'width': 50.0, 'height': 50.0}
    """
    xmin, ymin, xmax, ymax = box
    scale = 100.0 / size
    return {"x": xmin * scale, "y": ymin * scale, "width": (xmax - xmin) * scale, "height": (ymax - ymin) * scale}


def to_pixels(value: Mapping[str, Any], size: int) -> Box:
    """State a region's per cents as pixel edges, with a negative width or height turned round.

    Examples
    --------
    >>> to_pixels({"x": 75, "y": 50, "width": -50, "height": 50}, 416)
    (104.0, 208.0, 312.0, 416.0)
    """
    scale = size / 100.0
    x, y = float(value["x"]) * scale, float(value["y"]) * scale
    opposite_x, opposite_y = x + float(value["width"]) * scale, y + float(value["height"]) * scale
    return min(x, opposite_x), min(y, opposite_y), max(x, opposite_x), max(y, opposite_y)


def clip_box(box: Box, size: int) -> Box | None:
    """Cut a box to the image; None when nothing of it is inside.

    Examples
    --------
    >>> clip_box((-5, 10, 20, 30), 416)
    (0.0, 10.0, 20.0, 30.0)
    >>> clip_box((-9, 10, -5, 30), 416) is None
    True
    """
    xmin, ymin = max(float(box[0]), 0.0), max(float(box[1]), 0.0)
    xmax, ymax = min(float(box[2]), float(size)), min(float(box[3]), float(size))
    return (xmin, ymin, xmax, ymax) if xmin < xmax and ymin < ymax else None


def to_region(region_id: str, direction: str, box: Box, size: int, label: str = LANDSLIDE) -> dict[str, Any]:
    """Write a box (pixels of the chip) as an item of Label Studio's ``result``."""
    return {
        "id": region_id,
        "type": "rectanglelabels",
        "from_name": control_name(direction),
        "to_name": direction,
        "original_width": size,
        "original_height": size,
        "image_rotation": 0,
        "value": {**to_percent(box, size), "rotation": 0, "rectanglelabels": [label]},
    }


def from_region(item: Mapping[str, Any], size: int, classes: Mapping[str, set[str]]) -> Region:
    """Read an item of Label Studio's ``result``; the server takes any, so each rule is checked here.

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
        Clipped to the image, with positive width and height.

    Raises
    ------
    UnusableRegionError
        It is no rectangle, lies on an unknown image, was drawn by another image's control, has no or several labels or
        an unknown one, is rotated, or lies outside the image.
    """
    direction, control, value = str(item.get("to_name")), item.get("from_name"), item.get("value") or {}
    if item.get("type") != "rectanglelabels":
        raise UnusableRegionError(f"type must be 'rectanglelabels', instead got type={item.get('type')!r}")
    if direction not in classes:
        raise UnusableRegionError(f"to_name must be one of {sorted(classes)}, instead got to_name={direction!r}")
    if control != control_name(direction):
        raise UnusableRegionError(f"from_name must be {control_name(direction)!r}, instead got from_name={control!r}")
    labels = value.get("rectanglelabels") or []
    if len(labels) != 1 or labels[0] not in classes[direction]:
        raise UnusableRegionError(f"label must be one of {sorted(classes[direction])}, instead got label={labels}")
    # The stored corner is the one after the rotation, so the box cannot be had by leaving the angle out.
    if float(value.get("rotation") or 0.0) % 360.0 or float(item.get("image_rotation") or 0.0) % 360.0:
        raise UnusableRegionError(f"rotation must be 0, instead got rotation={value.get('rotation')}")
    try:
        box = to_pixels(value, size)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableRegionError(f"value must have x, y, width, height, instead got value={dict(value)}") from error
    inside = clip_box(box, size)
    if inside is None:
        raise UnusableRegionError(f"box must lie on the image of {size} px with an area, instead got box={box}")
    return Region(str(item.get("id", "")), direction, inside, labels[0], str(item.get("origin") or "manual"))
