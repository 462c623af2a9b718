"""The labelling interface: the images of a chip side by side, each with boxes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from labkit.errors import LabkitError
from labkit.label.guidance import OTHER_DEFORMATION, SNOW, UNSURE
from labkit.schema import DIRECTIONS, LANDSLIDE

#: What a person can call a box. The first is the class that detectors learn.
CLASSES = (LANDSLIDE, OTHER_DEFORMATION, SNOW, UNSURE)

#: The sets of images that a chip can have: both directions of a gradient stack, or the rate alone.
PANELS = (DIRECTIONS, ("rate",))

#: Pictures that can stand beside them, to look at: they take no boxes.
PICTURES = ("coherence", "hillshade", "optical", "rate")

#: Of the boxes of each class, in their order: neither red nor blue nor grey, which the images are made of.
CLASS_COLOURS = ("#00a03c", "#b8860b", "#8a2be2", "#008b8b", "#ff7f00")

_TITLES = {
    "azimuth": "Azimuth gradient",
    "range": "Range gradient",
    "rate": "LOS rate: blue toward the satellite, red away",
    "coherence": "Coherence: white is high",
    "hillshade": "Relief",
    "optical": "Optical image",
}

_ROW_STYLE = "display: flex; flex-wrap: wrap; gap: 16px"
_PANEL_STYLE = "flex: 1 1 0; min-width: 300px"

#: A rate chip of 512 px takes all the height of a small screen: its words stand beside it, not above.
_TALL_STYLE = "flex: 1 1 0; display: flex; gap: 16px; align-items: flex-start"
_TALL_IMAGE_STYLE, _BESIDE_STYLE = "flex: 1 1 512px; min-width: 512px", "flex: 0 1 240px"


def control_name(direction: str) -> str:
    """Give the name of the control whose boxes lie on the image of this direction.

    Examples
    --------
    >>> control_name("azimuth")
    'azimuth_boxes'
    """
    return f"{direction}_boxes"


def labelling_interface(
    directions: Sequence[str] = DIRECTIONS, classes: Sequence[str] = CLASSES, pictures: Sequence[str] = ()
) -> str:
    """Write the labelling interface of Label Studio for chips with these images.

    Parameters
    ----------
    directions : sequence of str
        ``("azimuth", "range")``: two images beside each other; ``("rate",)``: one.
    classes : sequence of str
        The labels on offer, each with a digit as its key. "landslide" has to be among them.
    pictures : sequence of str
        Of :data:`PICTURES`, at most two: further panels to look at, without boxes.

    Returns
    -------
    str
        XML. Each image has its own boxes, so that a box always knows its image. Images open at their own size, pixel
        for pixel; boxes cannot be rotated.

    Raises
    ------
    LabkitError
        The directions are no known set, or "landslide" is missing, or there are more classes than keys, or a picture is
        unknown.

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
    check_pictures(directions, pictures)
    root = ElementTree.Element("View")
    top = ElementTree.SubElement(root, "View", style="display: flex; flex-wrap: wrap; gap: 16px; align-items: baseline")
    ElementTree.SubElement(top, "Header", value="$title", size="5")
    # a link that opens beside; its address comes from numbers alone
    ElementTree.SubElement(top, "HyperText", name="place", value="$place", clickableLinks="true", inline="true")
    row = ElementTree.SubElement(root, "View", style=_ROW_STYLE)
    for place, direction in enumerate(directions):
        row.append(_panel(direction, classes, first_key=1 + place * len(classes)))
    if pictures:
        # below: beside, they would take the width that the others need to be shown pixel for pixel
        row = ElementTree.SubElement(root, "View", style=_ROW_STYLE)
    for picture in pictures:
        panel = ElementTree.SubElement(row, "View", style=_PANEL_STYLE)
        panel.extend(_image(picture))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def check_pictures(directions: Sequence[str], pictures: Sequence[str]) -> None:
    """Raise unless these pictures can stand beside images with boxes."""
    allowed = [picture for picture in PICTURES if picture not in directions]
    if not set(pictures) <= set(allowed) or not len(set(pictures)) == len(pictures) <= 2:
        raise LabkitError(f"pictures must be at most two of {allowed}, instead got pictures={tuple(pictures)}")


def _panel(direction: str, classes: Sequence[str], *, first_key: int) -> ElementTree.Element:
    header, image = _image(direction)
    if direction == "rate":
        panel = ElementTree.Element("View", style=_TALL_STYLE)
        ElementTree.SubElement(panel, "View", style=_TALL_IMAGE_STYLE).append(image)
        words = ElementTree.SubElement(panel, "View", style=_BESIDE_STYLE)
    else:
        panel = words = ElementTree.Element("View", style=_PANEL_STYLE)
    words.append(header)
    control = ElementTree.SubElement(
        words,
        "RectangleLabels",
        name=control_name(direction),
        toName=direction,
        canRotate="false",
        strokeWidth="2",
        opacity="0.05",
    )
    for number, word in enumerate(classes):
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        ElementTree.SubElement(control, "Label", value=word, hotkey=str(first_key + number), background=colour)
    if words is panel:
        panel.append(image)
    return panel


def _image(name: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The header and the image of a panel."""
    image = ElementTree.Element(
        "Image",
        name=name,
        value=f"${name}",
        defaultZoom="original",
        zoom="true",
        zoomControl="true",
        rotateControl="false",
        smoothing="false",
        crosshair="true",
    )
    return ElementTree.Element("Header", value=_TITLES[name], size="5"), image


def pictures_of(interface: str) -> tuple[str, ...]:
    """Give the pictures without boxes that a labelling interface shows beside the others.

    Examples
    --------
    >>> pictures_of(labelling_interface(pictures=["hillshade"]))
    ('hillshade',)
    """
    shown = {str(image.get("name")) for image in _tree(interface).iter("Image")}
    return tuple(picture for picture in PICTURES if picture in shown and picture not in directions_of(interface))


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
    return list(_tree(interface).iter("RectangleLabels"))


def _tree(interface: str) -> ElementTree.Element:
    try:
        # The word of a server, which may be somebody else's: entities are refused before they expand.
        return fromstring(interface)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise LabkitError(f"the labelling interface must be XML, instead got {interface[:80]!r}: {error}") from error
