"""How QGIS draws a table of landslides: a style that a GeoPackage carries in its ``layer_styles``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np

#: Classes of the score, from pale to dark blue; the last one is closed.
_SCORES = ((0.0, 0.5, "#c6dbef"), (0.5, 0.7, "#6baed6"), (0.7, 0.9, "#2171b5"), (0.9, 1.0, "#08306b"))
_PLAIN = "#0047ff"

#: The table that QGIS reads styles from (QGIS, "Saving styles in a GeoPackage").
_TABLE = """CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
    description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)"""


def qgis_style(table: gpd.GeoDataFrame) -> str:
    """Give the QML of a table of polygons or points: outlines coloured by score where there are scores."""
    kind = "marker" if set(table.geometry.dropna().geom_type) <= {"Point", "MultiPoint"} and len(table) else "fill"
    root = ElementTree.Element("qgis", {"version": "3.28.0", "styleCategories": "Symbology"})
    scored = "score" in table.columns and np.issubdtype(table["score"].dtype, np.number)
    symbols = ElementTree.Element("symbols")
    if scored:
        words = {"type": "graduatedSymbol", "attr": "score", "graduatedMethod": "GraduatedColor", "symbollevels": "0"}
        renderer = ElementTree.SubElement(root, "renderer-v2", words)
        ranges = ElementTree.SubElement(renderer, "ranges")
        for number, (lower, upper, colour) in enumerate(_SCORES):
            limits = {"lower": f"{lower:.15f}", "upper": f"{upper:.15f}", "label": f"score {lower:g} – {upper:g}"}
            ElementTree.SubElement(ranges, "range", {"symbol": str(number), "render": "true", **limits})
            _symbol(symbols, str(number), kind, colour)
    else:
        renderer = ElementTree.SubElement(root, "renderer-v2", {"type": "singleSymbol", "symbollevels": "0"})
        _symbol(symbols, "0", kind, _PLAIN)
    renderer.append(symbols)
    geometry_type = {"marker": "0", "fill": "2"}[kind]
    ElementTree.SubElement(root, "layerGeometryType").text = geometry_type
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + ElementTree.tostring(root, encoding="unicode")


def add_style(path: Path, layer: str, qml: str) -> None:
    """Put a style into a GeoPackage, as the one that QGIS opens the layer with."""
    with closing(sqlite3.connect(path)) as file, file:
        [(column,)] = file.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,))
        file.execute(_TABLE)
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', "
            "'layer_styles')"
        )
        file.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, ?, 'landslides', ?, '', 1, "
            "'outlines by score', '')",
            (layer, column, qml),
        )


def _symbol(symbols: ElementTree.Element, name: str, kind: str, colour: str) -> None:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    symbol = ElementTree.SubElement(symbols, "symbol", {"type": kind, "name": name, "alpha": "1"})
    layer_class = {"marker": "SimpleMarker", "fill": "SimpleFill"}[kind]
    layer = ElementTree.SubElement(symbol, "layer", {"class": layer_class, "enabled": "1", "pass": "0", "locked": "0"})
    options = {
        "color": f"{red},{green},{blue},{255 if kind == 'marker' else 40}",
        "outline_color": f"{red},{green},{blue},255",
        "outline_width": "0.6",
        "outline_width_unit": "MM",
    }
    options |= {"name": "circle", "size": "2.4", "size_unit": "MM"} if kind == "marker" else {"style": "solid"}
    listed = ElementTree.SubElement(layer, "Option", {"type": "Map"})
    for key, value in options.items():
        ElementTree.SubElement(listed, "Option", {"type": "QString", "name": key, "value": value})
