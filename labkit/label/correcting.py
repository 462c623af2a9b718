"""What a person's annotation looks like who began with a model's proposals and ended with boxes that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.errors import LabkitError
from labkit.label.convert import Box, to_percent, to_region
from labkit.label.regions import UnusableRegionError, from_region
from labkit.label.voices import match_boxes

#: A proposal that overlaps its box by this share of their union is left as it is; one that does so by less than the
#: second is another thing, and deleted.
GOOD_ENOUGH, SAME_THING = 0.7, 0.2


def corrected(
    proposed: Sequence[Mapping[str, Any]],
    wanted: Sequence[tuple[str, Box, str]],
    size: int,
    classes: Mapping[str, set[str]],
) -> list[dict[str, Any]]:
    """Correct proposals until they say what is wanted: left as they are, moved, renamed, deleted, and others added.

    Parameters
    ----------
    proposed : sequence of mapping
        The items of a prediction's ``result``.
    wanted : sequence of (str, (float, float, float, float), str)
        Direction, box (px of the chip) and label of what is there.
    size : int
        Edge of the chip, px.
    classes : mapping
        Direction to the labels on offer (:func:`labkit.label.config.classes_of`).

    Returns
    -------
    list of dict
        Items of an annotation's ``result``; those that were proposals keep their ids and say so in ``origin``, as
        Label Studio's page does.

    Raises
    ------
    LabkitError
        A proposal is no box that labkit could have proposed.

    Notes
    -----
    Proposals and boxes of one direction are matched one to one, with the largest sum of IoU. From an IoU of 0.7 the
    proposal stays where it is; from 0.2 it is drawn to where the box is; below, it is deleted, and the box is added.

    Examples
    --------
    >>> model = to_region("p0", "rate", (0, 0, 10, 10), 100)
    >>> offered = {"rate": {"landslide"}}
    >>> [item["origin"] for item in corrected([model], [("rate", (0, 0, 10, 9), "landslide")], 100, offered)]
    ['prediction']
    >>> [item["origin"] for item in corrected([model], [("rate", (0, 0, 10, 5), "landslide")], 100, offered)]
    ['prediction-changed']
    >>> [item["origin"] for item in corrected([model], [("rate", (50, 50, 60, 60), "landslide")], 100, offered)]
    ['manual']
    """
    try:
        regions = [(dict(item), from_region(item, size, classes)) for item in proposed]
    except UnusableRegionError as error:
        raise LabkitError(f"proposals must be boxes that labkit proposed, instead: {error}") from error
    result: list[dict[str, Any]] = []
    for direction in dict.fromkeys(way for way, _, _ in wanted):
        here = [(box, label) for way, box, label in wanted if way == direction]
        mine = [pair for pair in regions if pair[1].direction == direction]
        boxes = np.array([box for box, _ in here], float).reshape(-1, 4)
        models = np.array([region.box for _, region in mine], float).reshape(-1, 4)
        kept = {int(w): (int(p), float(iou)) for p, w, iou in zip(*match_boxes(models, boxes, SAME_THING), strict=True)}
        for number, (box, label) in enumerate(here):
            if number not in kept:
                item = to_region(f"b{len(result)}", direction, box, size, label) | {"origin": "manual"}
            else:
                place, iou = kept[number]
                item = _as_corrected(*mine[place], box if iou < GOOD_ENOUGH else None, label, size)
            result.append(item)
    return result


def _as_corrected(item: dict[str, Any], region: Any, box: Box | None, label: str, size: int) -> dict[str, Any]:
    """A proposal where it is (no box) or drawn to a box, under this label."""
    value = dict(item["value"]) | {"rectanglelabels": [label]} | ({} if box is None else to_percent(box, size))
    touched = box is not None or region.label != label
    known = {name: content for name, content in item.items() if name != "score"}
    return known | {"value": value, "origin": "prediction-changed" if touched else "prediction"}
