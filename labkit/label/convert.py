"""Boxes in pixels of a chip ↔ regions of Label Studio in per cent of its image. Pure functions.

Label Studio states a box by its upper left corner, width and height in per cent of the image; labkit by its edges in
pixels. Chips are square, padded where they reach beyond the scene, so an image's size is the chip's ``size``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.label.config import control_name
from labkit.schema import LANDSLIDE

#: xmin, ymin, xmax, ymax in pixel edges.
Box = tuple[float, float, float, float]


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
