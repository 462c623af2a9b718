"""The labelling interface: the images of a chip side by side, each with boxes of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from labkit.errors import LabkitError
from labkit.schema import DIRECTIONS, LANDSLIDE

#: What a person can call a box. The first is the class that detectors learn.
CLASSES = (LANDSLIDE, "not a landslide", "unsure")

#: The sets of images that a chip can have: both directions of a gradient stack, or the rate alone.
PANELS = (DIRECTIONS, ("rate",))

# Neither red nor blue nor grey, which the images are made of.
_COLOURS = ("#00a03c", "#b8860b", "#8a2be2", "#008b8b", "#ff7f00")

_TITLES = {
    "azimuth": "Azimuth gradient",
    "range": "Range gradient",
    "rate": "LOS rate: blue toward the satellite, red away",
}

INSTRUCTION = (
    "Look for red-blue couplets: a slow-moving landslide is red at one edge and blue at the opposite one. "
    "Choose a label (keys 1 to 3 on the left image, 4 to 6 on the right one), draw one box around both colours, and "
    "submit. A landslide may show in one direction only: draw it where you see it. Nothing to see: submit without a "
    "box, which says that you looked."
)


def control_name(direction: str) -> str:
    """Give the name of the control whose boxes lie on the image of this direction.

    Examples
    --------
    >>> control_name("azimuth")
    'azimuth_boxes'
    """
    return f"{direction}_boxes"


def labelling_interface(directions: Sequence[str] = DIRECTIONS, classes: Sequence[str] = CLASSES) -> str:
    """Write the labelling interface of Label Studio for chips with these images.

    Parameters
    ----------
    directions : sequence of str
        ``("azimuth", "range")``: two images beside each other; ``("rate",)``: one.
    classes : sequence of str
        The labels on offer, each with a digit as its key. "landslide" has to be among them.

    Returns
    -------
    str
        XML. Each image has its own boxes, so that a box always knows its image. Images open at their own size, pixel
        for pixel; boxes cannot be rotated.

    Raises
    ------
    LabkitError
        The directions are no known set, or "landslide" is missing, or there are more classes than keys.

    Examples
    --------
    >>> labelling_interface(("rate",)).count("<RectangleLabels")
    1
    """
    if tuple(directions) not in PANELS:
        raise LabkitError(f"directions must be one of {PANELS}, instead got directions={tuple(directions)}")
    most = 9 // len(directions)
    if LANDSLIDE not in classes or not len(set(classes)) == len(classes) <= most:
        raise LabkitError(
            f"classes must be at most {most} different words with {LANDSLIDE!r} among them, instead got "
            f"classes={tuple(classes)}"
        )
    root = ElementTree.Element("View")
    ElementTree.SubElement(root, "Header", value="$title", size="5")
    # a link that opens beside; its address comes from numbers alone
    ElementTree.SubElement(root, "HyperText", name="place", value="$place", clickableLinks="true", inline="true")
    row = ElementTree.SubElement(root, "View", style="display: flex; flex-wrap: wrap; gap: 16px")
    for place, direction in enumerate(directions):
        row.append(_panel(direction, classes, first_key=1 + place * len(classes)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _panel(direction: str, classes: Sequence[str], *, first_key: int) -> ElementTree.Element:
    panel = ElementTree.Element("View", style="flex: 1 1 0; min-width: 300px")
    ElementTree.SubElement(panel, "Header", value=_TITLES[direction], size="5")
    control = ElementTree.SubElement(
        panel,
        "RectangleLabels",
        name=control_name(direction),
        toName=direction,
        canRotate="false",
        strokeWidth="2",
        opacity="0.05",
    )
    for number, word in enumerate(classes):
        colour = _COLOURS[number % len(_COLOURS)]
        ElementTree.SubElement(control, "Label", value=word, hotkey=str(first_key + number), background=colour)
    ElementTree.SubElement(
        panel,
        "Image",
        name=direction,
        value=f"${direction}",
        defaultZoom="original",
        zoom="true",
        zoomControl="true",
        rotateControl="false",
        smoothing="false",
        crosshair="true",
    )
    return panel


def guidance_version(instruction: str) -> str:
    """Give the version of a guidance text: eight digits that change with any word of it; "" for none.

    Examples
    --------
    >>> guidance_version("Draw one box.") == guidance_version("Draw one box. ") != guidance_version("Draw two boxes.")
    True
    """
    text = instruction.strip()
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""


def directions_of(interface: str) -> tuple[str, ...]:
    """Give the directions whose images and boxes a labelling interface holds, in its order.

    Parameters
    ----------
    interface : str
        XML of a project, perhaps changed by its owner (labels and colours may differ).

    Raises
    ------
    LabkitError
        It is not XML.

    Examples
    --------
    >>> directions_of(labelling_interface())
    ('azimuth', 'range')
    """
    found = {(control.get("name"), control.get("toName")) for control in _controls(interface)}
    known = [direction for panel in PANELS for direction in panel]
    return tuple(direction for direction in known if (control_name(direction), direction) in found)


def classes_of(interface: str) -> dict[str, set[str]]:
    """Give the labels on offer for each direction of a labelling interface."""
    return {
        str(control.get("toName")): {str(label.get("value")) for label in control.iter("Label")}
        for control in _controls(interface)
    }


def _controls(interface: str) -> list[ElementTree.Element]:
    try:
        # The word of a server, which may be somebody else's: entities are refused before they expand.
        return list(fromstring(interface).iter("RectangleLabels"))
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise LabkitError(f"the labelling interface must be XML, instead got {interface[:80]!r}: {error}") from error
