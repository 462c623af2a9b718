"""What maps for print share: the edges of an image, how it is drawn, outlines upon it, and letters of any script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import xarray as xr
from pyproj import CRS

from labkit import ground
from labkit.errors import LabkitError
from labkit.view import colours
from labkit.view.painting import Painted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bounds = tuple[float, float, float, float]

#: Colour of each table's outlines, in the order in which they are drawn.
INKS = {"counties": colours.COUNTY, "rivers": colours.RIVER, "detections": colours.DETECTION}


def image_edges(image: xr.DataArray) -> Bounds:
    """Give west, south, east and north of an image on a map grid, in the units of its CRS."""
    x, y = image["x"].values, image["y"].values
    step = float(image.attrs["cell_m"] if "cell_m" in image.attrs else image.attrs["x_spacing"])
    return float(x[0] - step / 2), float(y[-1] - step / 2), float(x[-1] + step / 2), float(y[0] + step / 2)


def draw_image(axis: Axes, image: xr.DataArray, look: Painted) -> Any:
    """Draw an image where it lies, what is not known in grey; give what a colour bar is made of."""
    axis.set_facecolor(colours.NO_DATA)
    west, south, east, north = image_edges(image)
    return axis.imshow(np.ma.masked_invalid(image.values), cmap=look.colour_map, vmin=look.low, vmax=look.high,
                       extent=(west, east, south, north), interpolation="none", aspect="auto")  # fmt: skip


def placed_tables(tables: Mapping[str, gpd.GeoDataFrame | None]) -> dict[str, gpd.GeoSeries]:
    """Give the rows with a place of each table that is there, in lon/lat.

    Raises
    ------
    LabkitError
        One is no table with a coordinate system, or a coordinate is no place on the Earth.
    """
    found = {}
    for name, table in tables.items():
        if table is None:
            continue
        if not isinstance(table, gpd.GeoDataFrame) or table.active_geometry_name is None or table.crs is None:
            raise LabkitError(f"{name} must be a GeoDataFrame with a CRS. Set it with set_crs('EPSG:4326')")
        shapes = table.geometry
        found[name] = ground.placed(name, shapes[~(shapes.isna() | shapes.is_empty)])
    return found


def draw_outlines(axis: Axes, shapes: Mapping[str, gpd.GeoSeries], crs: CRS, widths: Mapping[str, float]) -> None:
    """Draw the outlines of polygons, lines and points of each table (:data:`INKS`) on a map."""
    for name, colour in INKS.items():
        if name in shapes and len(shapes[name]):
            here = shapes[name].to_crs(crs)
            edges = here.boundary.where(here.geom_type.isin(["Polygon", "MultiPolygon"]), here)
            edges.plot(ax=axis, color=colour, linewidth=widths[name], aspect=None, autolim=False)


def font_families(*words: str) -> list[str]:
    """Name fonts that hold every letter of some words, those of this machine; matplotlib's own where it does.

    A letter that no font has is drawn as a box, and matplotlib warns of it.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    usual = font_manager.findfont("DejaVu Sans")
    missing = {ord(letter) for letter in "".join(words) if not letter.isspace()} - set(FT2Font(usual).get_charmap())
    families, tried = ["DejaVu Sans"], {str(usual)}
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda one: (one.style, one.weight != 400, one.name)):
        if not missing:
            break
        # matplotlib ships a font of placeholders for all letters there are
        if str(entry.fname) in tried or entry.name.startswith("Last Resort") or not Path(entry.fname).exists():
            continue
        tried.add(str(entry.fname))
        has = missing & set(FT2Font(entry.fname).get_charmap())
        if has:
            families.append(entry.name)
            missing -= has
    return families
