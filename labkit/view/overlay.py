"""Bring a scene or a density map onto a web map: a small picture whose rows follow the Mercator projection."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS, Transformer
from shapely.geometry import box

from labkit import geo, ground
from labkit.geocode import Grid, geocoding

#: Longest side of the picture, px.
MAX_SIDE = 700

#: The projection of web maps, which goes on beyond 180° where a scene does.
_MERCATOR = CRS.from_user_input("+proj=webmerc +datum=WGS84 +units=m +over +no_defs +type=crs")
_TO_MERCATOR = Transformer.from_crs(geo.WGS84, _MERCATOR, always_xy=True)

Array = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Overlay:
    """Values (rows from north to south, NaN = transparent) over ``bounds`` = west, south, east, north in degrees."""

    values: Array
    bounds: Bounds


def from_density(density: xr.DataArray, max_side: int = MAX_SIDE) -> Overlay:
    """Sample a density map on a web map's grid; each picture pixel takes the cell it lies in."""
    cell = float(density.attrs["cell_m"])
    x, y = density["x"].values, density["y"].values
    area = box(x[0] - cell / 2, y[-1] - cell / 2, x[-1] + cell / 2, y[0] + cell / 2)
    crs = density.attrs["crs"]
    # A straight edge in metres is a curve in degrees: the envelope needs more than the corners.
    ring = ground.in_one_piece(gpd.GeoSeries([area.segmentize(cell * 4)], crs=crs).to_crs(geo.WGS84))
    west, south, east, north = ring.total_bounds
    lon, lat = _mercator_grid((west, south, east, north), max_side)
    easting, northing = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform(lon, lat)
    row = np.floor((y[0] + cell / 2 - northing) / cell).astype(int)
    col = np.floor((easting - x[0] + cell / 2) / cell).astype(int)
    return Overlay(_take(np.asarray(density.values, float), row, col), (west, south, east, north))


def from_layer(data: xr.Dataset, layer: xr.DataArray, max_side: int = MAX_SIDE) -> Overlay:
    """Lay an image (y, x) of a scene on a web map's grid; each picture pixel takes the scene pixel it lies in."""
    rows, cols = layer.shape
    edge_y, edge_x = np.linspace(0, rows, 30), np.linspace(0, cols, 30)
    lon, lat = geo.pixel_to_lonlat(data, *np.meshgrid(edge_y, edge_x, indexing="ij"))
    east, north = _TO_MERCATOR.transform([lon.min(), lon.max()], [lat.min(), lat.max()])
    wide, tall = east[1] - east[0], north[1] - north[0]
    spacing = max(wide, tall) / max_side
    # less a hair's breadth, so that rounding adds no row
    shape = (math.ceil(tall / spacing - 1e-6), math.ceil(wide / spacing - 1e-6))
    table = geocoding(data, like=Grid(_MERCATOR, east[0], north[1], spacing, shape))
    right, bottom = east[0] + spacing * shape[1], north[1] - spacing * shape[0]
    (west, last), (south, first) = _TO_MERCATOR.transform([east[0], right], [bottom, north[1]], direction="INVERSE")
    if last < west:
        last += 360.0
    return Overlay(np.asarray(table(layer, "nearest").values, float), (west, south, last, first))


def png_uri(picture: npt.NDArray[np.uint8]) -> str:
    """Pack a picture (y, x, 4) RGBA as a data URI, which needs no server and no network."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Pack a picture (y, x, 4) RGBA as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def coloured(values: Array, colour_map: str, low: float, high: float, opacity: float) -> npt.NDArray[np.uint8]:
    """Turn values into RGBA; NaN becomes transparent."""
    import matplotlib

    shares = np.clip((values - low) / (high - low), 0, 1)
    rgba = matplotlib.colormaps[colour_map](np.nan_to_num(shares))
    rgba[..., 3] = np.where(np.isfinite(values), opacity, 0.0)
    return np.round(rgba * 255).astype(np.uint8)


def _mercator_grid(bounds: Bounds, max_side: int) -> tuple[Array, Array]:
    """Centres of the picture's pixels: even in longitude and in Mercator's northing, as a web map stretches them."""
    west, south, east, north = bounds
    low, high = (np.arctanh(np.sin(np.radians(v))) for v in (south, north))
    wide, tall = np.radians(east - west), high - low
    scale = max_side / max(wide, tall)
    cols, rows = max(1, round(wide * scale)), max(1, round(tall * scale))
    lon = west + (np.arange(cols) + 0.5) / cols * (east - west)
    northing = high - (np.arange(rows) + 0.5) / rows * tall
    # two axes give two grids, which the type of tuple() does not say
    return tuple(np.meshgrid(lon, np.degrees(np.arcsin(np.tanh(northing)))))  # type: ignore[return-value]


def _take(values: Array, row: npt.NDArray[np.int_], col: npt.NDArray[np.int_]) -> Array:
    inside = (row >= 0) & (row < values.shape[0]) & (col >= 0) & (col < values.shape[1])
    return np.where(inside, values[np.where(inside, row, 0), np.where(inside, col, 0)], np.nan)
