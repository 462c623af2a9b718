"""KML, the format that Google Earth opens: blue outlines with a table for each landslide."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
from shapely.geometry import LinearRing, MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from labkit.errors import LabkitError

NAMESPACE = "http://www.opengis.net/kml/2.2"

#: KML writes colours as alpha, blue, green, red: this is the blue of detections, opaque and as a faint fill.
OUTLINE = "ffe5731a"
FILL = "26e5731a"

#: What XML 1.0 cannot hold, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def kml_text(table: gpd.GeoDataFrame, title: str) -> bytes:
    """Write a table of landslides as a KML document.

    Parameters
    ----------
    table : geopandas.GeoDataFrame
        In EPSG:4326; points, polygons and their multiples. A row without geometry becomes a placemark without place.
    title : str
        Name of the document.

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
    geometries = list(table.geometry)
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
        if geometries[number] is not None and not geometries[number].is_empty:
            _geometry(placemark, geometries[number])
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def write_kmz(text: bytes, path: Path) -> None:
    """Pack a KML document into a KMZ; the same document gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("doc.kml", (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


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
