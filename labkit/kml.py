"""KML, which Google Earth opens: blue outlines with a table for each landslide, over pictures of the ground."""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
from shapely.geometry import LinearRing, MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from labkit import ground
from labkit.errors import LabkitError

NAMESPACE = "http://www.opengis.net/kml/2.2"

#: KML writes colours as alpha, blue, green, red: this is the blue of detections, opaque and as a faint fill.
OUTLINE = "ffe5731a"
FILL = "26e5731a"

#: What XML 1.0 cannot hold, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


#: Where a KMZ keeps its pictures, and the moment that all its members carry: the same content gives the same bytes.
_PICTURES = "files"
_MOMENT = (1980, 1, 1, 0, 0, 0)

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class GroundPicture:
    """A picture that Google Earth lays on the ground.

    Attributes
    ----------
    name : str
        What the list of places calls it.
    png : bytes
        The picture as a PNG file, north up, its rows and columns even in degrees; transparent where there is no data.
    bounds : (float, float, float, float)
        Outer edges: west, south, east, north, degrees. East exceeds 180 where the picture crosses the date line.
    legend : bytes, optional
        A PNG file that stands in the lower left corner of the window: the colour bar.
    shown : bool
        Whether it is switched on when the file is opened.
    """

    name: str
    png: bytes
    bounds: tuple[float, float, float, float]
    legend: bytes | None = None
    shown: bool = True

    def __post_init__(self) -> None:
        """Refuse what Google Earth would draw nowhere or not at all."""
        west, south, east, north = self.bounds
        if not (-180 <= west < east <= west + 360 and -90 <= south < north <= 90):
            raise LabkitError(
                "bounds must be (west, south, east, north) in degrees with west < east and south < north, instead got "
                f"bounds={self.bounds}"
            )
        if not self.png.startswith(_PNG) or not (self.legend is None or self.legend.startswith(_PNG)):
            raise LabkitError("png and legend must be the bytes of PNG files")


def kml_text(table: gpd.GeoDataFrame, title: str, pictures: Sequence[GroundPicture] = ()) -> bytes:
    """Write a table of landslides as a KML document.

    Parameters
    ----------
    table : geopandas.GeoDataFrame
        In EPSG:4326; points, polygons and their multiples. A row without geometry becomes a placemark without place;
        what crosses the date line is cut there, as KML knows longitudes from −180 to 180 alone.
    title : str
        Name of the document.
    pictures : sequence of GroundPicture
        Laid under the landslides, the first at the bottom; :func:`write_kmz` packs their files.

    Returns
    -------
    bytes
        UTF-8 XML. Each placemark carries every column twice: as typed-in data for programs, and as a table for the
        pop-up of people.

    Raises
    ------
    LabkitError
        A geometry is of another type.
    """
    # The name space is written as an attribute: a registered prefix would be a setting of the whole process.
    root = ElementTree.Element("kml", {"xmlns": NAMESPACE})
    document = ElementTree.SubElement(root, "Document")
    _text(document, "name", title)
    _style(document)
    for number, picture in enumerate(pictures):
        _picture(document, picture, number)
    geometries = [None if g is None else ground.cut_at_date_line(g) for g in ground.in_one_piece(table.geometry)]
    columns = [c for c in table.columns if c != table.active_geometry_name]
    for number, row in enumerate(table[columns].to_dict("records")):
        placemark = ElementTree.SubElement(document, "Placemark")
        _text(placemark, "name", _name(row, number))
        _text(placemark, "description", _description(row))
        _text(placemark, "styleUrl", "#landslide")
        data = ElementTree.SubElement(placemark, "ExtendedData")
        for column, value in row.items():
            if not _is_missing(value):
                entry = ElementTree.SubElement(data, "Data", {"name": _clean(str(column))})
                _text(entry, "value", str(value))
        shape = geometries[number]
        if shape is not None and not shape.is_empty:
            _geometry(placemark, shape)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def write_kmz(text: bytes, path: Path, pictures: Sequence[GroundPicture] = ()) -> None:
    """Pack a KML document and its pictures into a KMZ; the same content gives the same bytes."""
    members = [("doc.kml", text, zipfile.ZIP_DEFLATED)]
    for number, picture in enumerate(pictures):
        # a PNG is packed already
        members.append((_file(number), picture.png, zipfile.ZIP_STORED))
        if picture.legend is not None:
            members.append((_file(number, "-legend"), picture.legend, zipfile.ZIP_STORED))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, packing in members:
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, packing)


def _file(number: int, what: str = "") -> str:
    # numbered, not named: a picture's name may hold anything
    return f"{_PICTURES}/picture-{number + 1}{what}.png"


def _picture(document: ElementTree.Element, picture: GroundPicture, number: int) -> None:
    """A folder for each picture, so that one tick shows or hides it with its legend."""
    folder = ElementTree.SubElement(document, "Folder")
    _text(folder, "name", picture.name)
    seen = str(int(picture.shown))
    _text(folder, "visibility", seen)
    overlay = ElementTree.SubElement(folder, "GroundOverlay")
    _text(overlay, "name", picture.name)
    _text(overlay, "visibility", seen)
    _text(overlay, "drawOrder", str(number))
    _text(ElementTree.SubElement(overlay, "Icon"), "href", _file(number))
    box = ElementTree.SubElement(overlay, "LatLonBox")
    west, south, east, north = picture.bounds
    for edge, degrees in (("north", north), ("south", south), ("east", east), ("west", west)):
        _text(box, edge, f"{degrees:.10f}")
    if picture.legend is not None:
        corner = ElementTree.SubElement(folder, "ScreenOverlay")
        _text(corner, "name", f"{picture.name}: colours")
        _text(corner, "visibility", seen)
        _text(ElementTree.SubElement(corner, "Icon"), "href", _file(number, "-legend"))
        # above one another, clear of the program's own line at the bottom
        for tag, x, y, units in (
            ("overlayXY", "0", "0", "fraction"),
            ("screenXY", "20", str(60 + 90 * number), "pixels"),
            ("size", "0", "0", "fraction"),
        ):
            ElementTree.SubElement(corner, tag, {"x": x, "y": y, "xunits": units, "yunits": units})


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = _clean(text)


def _style(document: ElementTree.Element) -> None:
    style = ElementTree.SubElement(document, "Style", {"id": "landslide"})
    line = ElementTree.SubElement(style, "LineStyle")
    _text(line, "color", OUTLINE)
    _text(line, "width", "2.5")
    _text(ElementTree.SubElement(style, "PolyStyle"), "color", FILL)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _name(row: dict, number: int) -> str:
    label, score = row.get("label"), row.get("score")
    words = "landslide" if _is_missing(label) or not label else str(label)
    return f"{words} {number + 1}" + (f" ({score:.2f})" if isinstance(score, float) and score == score else "")


def _description(row: dict) -> str:
    # The pop-up is HTML inside XML: values are escaped here for HTML, and once more by the XML writer.
    cells = "".join(
        f"<tr><td>{html.escape(str(column))}</td><td>{html.escape(_shown(value))}</td></tr>"
        for column, value in row.items()
        if not _is_missing(value)
    )
    return f"<table>{cells}</table>"


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _geometry(parent: ElementTree.Element, shape: BaseGeometry) -> None:
    if isinstance(shape, Polygon):
        polygon = ElementTree.SubElement(parent, "Polygon")
        _text(polygon, "tessellate", "1")
        for tag, ring in [("outerBoundaryIs", shape.exterior), *(("innerBoundaryIs", r) for r in shape.interiors)]:
            _ring(ElementTree.SubElement(polygon, tag), ring)
    elif isinstance(shape, Point):
        _text(ElementTree.SubElement(parent, "Point"), "coordinates", f"{shape.x:.8f},{shape.y:.8f}")
    elif isinstance(shape, MultiPolygon | MultiPoint):
        several = ElementTree.SubElement(parent, "MultiGeometry")
        for part in shape.geoms:
            _geometry(several, part)
    else:
        raise LabkitError(f"geometry must be a point or a polygon for KML, instead got {shape.geom_type}")


def _ring(parent: ElementTree.Element, ring: LinearRing) -> None:
    text = " ".join(f"{x:.8f},{y:.8f}" for x, y, *_ in ring.coords)
    _text(ElementTree.SubElement(parent, "LinearRing"), "coordinates", text)
