"""Labels as GeoJSON and KML: every column there and back, and outlines that others drew."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
import shapely
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from labkit import geo
from labkit.errors import FileError, LabkitError
from labkit.label.columns import plain

#: No file of labels is larger; one that unpacks to more is an attack.
MAX_BYTES = 200_000_000


def geojson_text(labels: gpd.GeoDataFrame) -> str:
    """Write labels as a GeoJSON feature collection in lon/lat, numbers to the last digit.

    Raises
    ------
    LabkitError
        A column holds what JSON cannot.
    """
    table = labels.to_crs(geo.WGS84)
    shapes = [None if s is None or s.is_empty else shapely.geometry.mapping(s) for s in table.geometry]
    rows = table.drop(columns=table.geometry.name).to_dict("records")
    features = [
        {"type": "Feature", "geometry": shape, "properties": {str(k): plain(v) for k, v in row.items()}}
        for shape, row in zip(shapes, rows, strict=True)
    ]
    whole = {"type": "FeatureCollection", "columns": [str(c) for c in table.columns], "features": features}
    try:
        return json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise LabkitError(f"labels must hold numbers, words and times for GeoJSON, instead got: {error}") from error


def from_geojson(content: bytes, path: Path) -> gpd.GeoDataFrame:
    """Read a GeoJSON feature collection; ``path`` is for the error.

    Raises
    ------
    FileError
        It is damaged or something else.
    """
    try:
        whole = json.loads(content)
        features = whole["features"]
        shapes = [None if f["geometry"] is None else shapely.from_geojson(json.dumps(f["geometry"])) for f in features]
        rows = [dict(f["properties"] or {}) for f in features]
        columns = [c for c in whole.get("columns", []) if c != "geometry"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ShapelyError) as error:
        raise FileError(f"{path} must be a GeoJSON feature collection, instead got: {error}") from error
    return _table(rows, shapes, columns, path)


def from_kml(content: bytes, path: Path) -> gpd.GeoDataFrame:
    """Read the placemarks of a KML document that have an outline; ``path`` is for the error.

    Columns are those of ``ExtendedData``, as text; a placemark without them gives its ``name``.

    Raises
    ------
    FileError
        It is damaged, declares entities, or an outline is none.
    """
    rows, shapes = [], []
    for placemark in _named(parse_xml(content, path), "Placemark"):
        row: dict[str, Any] = {}
        for entry in _named(placemark, "Data"):
            row[str(entry.get("name"))] = "".join(value.text or "" for value in _named(entry, "value"))
        for entry in _named(placemark, "SimpleData"):
            row[str(entry.get("name"))] = entry.text or ""
        if not row:
            row["name"] = "".join(child.text or "" for child in placemark if _local(child) == "name")
        rows.append(row)
        shapes.append(_outline(placemark, path))
    return _table(rows, shapes, [], path)


def unpack_kmz(path: Path) -> bytes:
    """Give the KML document in a KMZ file.

    Raises
    ------
    FileError
        It is no KMZ, or unpacks to more than :data:`MAX_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((n for n in archive.namelist() if n.lower().endswith(".kml")), "")
            if not name or archive.getinfo(name).file_size > MAX_BYTES:
                raise FileError(f"{path} must hold a KML document of at most {MAX_BYTES} bytes, instead it holds none")
            return archive.read(name)
    # zipfile's own words: NotImplementedError for an unknown compression, RuntimeError for encryption
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileError(f"{path} must be a whole KMZ file, instead got: {error}") from error


def parse_xml(content: bytes, path: Path) -> ElementTree.Element:
    """Parse XML that may come from anyone: document types and entities are refused; ``path`` is for the error."""
    try:
        return fromstring(content, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FileError(f"{path} must be whole, plain XML, instead got: {error!r}") from error


def _outline(placemark: ElementTree.Element, path: Path) -> BaseGeometry | None:
    parts = []
    for polygon in _named(placemark, "Polygon"):
        rings = [_ring(ring, path) for ring in _named(polygon, "LinearRing")]
        if rings:
            parts.append(Polygon(rings[0], rings[1:]))
    if not parts and next(_named(placemark, "coordinates"), None) is not None:
        raise FileError(f"{path} must hold outlines (polygons), instead it holds points or lines")
    return parts[0] if len(parts) == 1 else MultiPolygon(parts) if parts else None


def _ring(ring: ElementTree.Element, path: Path) -> list[tuple[float, float]]:
    text = " ".join(coordinates.text or "" for coordinates in _named(ring, "coordinates"))
    try:
        points = [(float(lon), float(lat)) for lon, lat, *_ in (point.split(",") for point in text.split())]
        shapely.LinearRing(points)
    except (ValueError, ShapelyError) as error:
        raise FileError(f"{path} must hold rings of at least three lon,lat points, instead got: {error}") from error
    return points


def _table(
    rows: list[dict[str, Any]], shapes: list[BaseGeometry | None], columns: list[str], path: Path
) -> gpd.GeoDataFrame:
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    if "geometry" in names:
        raise FileError(f"{path} must hold no column that is called 'geometry', instead it does")
    table = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
    return gpd.GeoDataFrame(table.infer_objects(), geometry=gpd.GeoSeries(shapes, crs=geo.WGS84))


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in element.iter() if _local(child) == name)


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
