"""Mountain relief: rivers, the valleys they cut, and fractal ridges between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Place
from labkit.simulate.rivers import River, river_table

Array = npt.NDArray[np.floating]

_VALLEY_FLOOR_M = 1900.0
_RELIEF_M = 2000.0
_VALLEY_WIDTH_M = 2600.0
_WATER_HALF_WIDTH_M = 70.0

#: Corners of a river's line that share one width of its water.
_STRETCH = 12


@dataclass(frozen=True)
class Terrain:
    """Relief on a regular ground grid: rows run north to south, columns west to east.

    Attributes
    ----------
    place : Place
        Centre of the scene.
    east, north : numpy.ndarray
        1-D ground positions (m) of the grid's columns and rows; ``north`` falls.
    height, slope, aspect : numpy.ndarray
        2-D: m; degrees from the horizontal; direction that the slope faces, degrees clockwise from north.
    river_distance : numpy.ndarray
        2-D, m, to the nearest river.
    water : numpy.ndarray
        2-D, True on the main river.
    rivers : geopandas.GeoDataFrame
        Lines in lon/lat with ``name``, and of carved mountains and real DEMs ``order`` (Strahler's), ``area_km2`` and
        ``length_km``; the main river comes first.
    """

    place: Place
    east: Array
    north: Array
    height: Array
    slope: Array
    aspect: Array
    river_distance: Array
    water: npt.NDArray[np.bool_]
    rivers: gpd.GeoDataFrame

    @property
    def spacing_m(self) -> float:
        """Spacing of the grid, m."""
        return float(self.east[1] - self.east[0])

    def at(self, field: npt.NDArray, east: npt.ArrayLike, north: npt.ArrayLike) -> Array:
        """Read a field at ground positions (at least one axis), bilinearly; its edge value goes on outside."""
        row = (self.north[0] - np.asarray(north, float)) / self.spacing_m
        col = (np.asarray(east, float) - self.east[0]) / self.spacing_m
        return np.asarray(map_coordinates(field.astype(float), [row, col], order=1, mode="nearest"))

    def dem(self) -> xr.DataArray:
        """Give the heights (m) as a DataArray (y, x) in lon/lat, as a DEM file would be."""
        lon, _ = self.place.to_lonlat(self.east, np.zeros_like(self.east))
        _, lat = self.place.to_lonlat(np.zeros_like(self.north), self.north)
        attrs = {"crs": "EPSG:4326", "units": "m", "long_name": "height"}
        return xr.DataArray(
            self.height.astype(np.float32), {"y": lat, "x": lon}, ("y", "x"), name="height", attrs=attrs
        )


def make_terrain(
    place: Place, width_m: float, height_m: float, spacing_m: float, tributaries: int, seed: int
) -> Terrain:
    """Make the relief of a scene.

    Parameters
    ----------
    place : Place
        Centre.
    width_m, height_m : float
        Extent from west to east and from north to south, m.
    spacing_m : float
        Grid spacing, m.
    tributaries : int
        Rivers beside the main one, which runs from north to south.
    seed : int
        Of the scene.

    Notes
    -----
    height = floor + relief · (1 − exp(−d / width)) + fractal ridges that fade toward the river, d the distance to the
    nearest river: V-shaped valleys whose crests lie midway between rivers, with slopes of about 10 to 40 degrees.
    """
    cols, rows = int(np.ceil(width_m / spacing_m)) + 1, int(np.ceil(height_m / spacing_m)) + 1
    east = (np.arange(cols) - (cols - 1) / 2) * spacing_m
    north = ((rows - 1) / 2 - np.arange(rows)) * spacing_m
    lines = _river_lines(east, north, tributaries, stream(seed, "rivers"))
    distance = _distance(lines, east, north)
    random = stream(seed, "terrain")
    ridges = power_law_field((rows, cols), spacing_m, random, exponent=3.7, lag_m=1000.0, rms_difference=190.0)
    fade = distance / (distance + 600.0)
    downstream = -0.012 * (north[-1] - north)[:, None]
    height = _VALLEY_FLOOR_M + downstream + _RELIEF_M * (1 - np.exp(-distance / _VALLEY_WIDTH_M)) + ridges * fade
    height = gaussian_filter(height, 60.0 / spacing_m)
    slope, aspect = slope_and_aspect(height, spacing_m)
    water = _distance(lines[:1], east, north) < _WATER_HALF_WIDTH_M
    return Terrain(place, east, north, height, slope, aspect, distance, water, _river_table(lines, place))


def terrain_of(place: Place, east: Array, north: Array, height: Array, rivers: list[River]) -> Terrain:
    """Make a terrain of heights and the rivers that run over them.

    Parameters
    ----------
    place : Place
        Centre.
    east, north : numpy.ndarray
        1-D ground positions (m) of columns and rows; ``north`` falls.
    height : numpy.ndarray (north, east)
        m.
    rivers : list of River
        The one that drains most first; those wider than a grid cell are water.
    """
    spacing = float(east[1] - east[0])
    slope, aspect = slope_and_aspect(height, spacing)
    lines = [river.line for river in rivers]
    wide = [part for river in rivers for part in _wide_parts(river, spacing)]
    water = _burnt(wide, east, north) if wide else np.zeros(height.shape, bool)
    table = river_table(rivers, (float(east[-1]), float(north[0])), place)
    return Terrain(place, east, north, height, slope, aspect, _distance(lines, east, north), water, table)


def _wide_parts(river: River, least_m: float) -> list[Polygon]:
    """The ground that a river covers, in stretches of about the same width, where it is wide enough to be seen."""
    corners = np.asarray(river.line.coords)
    parts = []
    for first in range(0, len(corners) - 1, _STRETCH):
        stretch = slice(first, min(first + _STRETCH + 1, len(corners)))
        width = float(np.mean(river.widths_m[stretch]))
        if width >= least_m:
            parts.append(LineString(corners[stretch]).buffer(width / 2))
    return parts


def slope_and_aspect(height: Array, spacing_m: float) -> tuple[Array, Array]:
    """Give how steep the ground is and which way it faces, both in degrees.

    Parameters
    ----------
    height : numpy.ndarray
        m; rows run from north to south, columns from west to east.
    spacing_m : float
        Grid spacing, m.

    Returns
    -------
    slope, aspect : numpy.ndarray
        From the horizontal; of the downhill direction, clockwise from north.

    Examples
    --------
    Ground that falls one metre per metre toward the east:

    >>> slope, aspect = slope_and_aspect(np.tile([200.0, 100.0, 0.0], (3, 1)), 100.0)
    >>> round(float(slope[1, 1]), 6), float(aspect[1, 1])
    (45.0, 90.0)
    """
    rise_south, rise_east = np.gradient(height, spacing_m)
    slope = np.degrees(np.arctan(np.hypot(rise_south, rise_east)))
    return slope, np.degrees(np.arctan2(-rise_east, rise_south)) % 360.0


def _river_lines(east: Array, north: Array, tributaries: int, random: np.random.Generator) -> list[LineString]:
    """Draw one meandering main river from north to south and tributaries that join it from both sides."""
    width, length = east[-1] - east[0], north[0] - north[-1]
    along = np.linspace(0.0, 1.0, 400)
    main_east = random.uniform(-0.08, 0.08) * width + _meander(along, 0.07 * width, random)
    main_north = north[0] - along * length
    lines = [LineString(np.column_stack([main_east, main_north]))]
    for index in range(tributaries):
        side = 1.0 if index % 2 else -1.0
        mouth = int(np.clip((index + random.uniform(0.6, 1.1)) / tributaries, 0.12, 0.97) * 399)
        end = np.array([main_east[mouth], main_north[mouth]])
        start = np.array([side * width / 2, end[1] + random.uniform(0.05, 0.3) * length])
        t = np.linspace(0.0, 1.0, 200)[:, None]
        bend = _meander(t[:, 0], 0.05 * length, random) * np.sin(np.pi * t[:, 0])
        path = start + (end - start) * t
        path[:, 1] += bend
        lines.append(LineString(path))
    return lines


def _meander(along: Array, amplitude: float, random: np.random.Generator) -> Array:
    swing = sum(
        random.normal() / count * np.sin(2 * np.pi * (count * along + random.random())) for count in range(1, 6)
    )
    return amplitude * np.asarray(swing)


def _distance(lines: list[LineString], east: Array, north: Array) -> Array:
    """Distance (m) from every grid point to the nearest line."""
    if not lines:
        return np.full((len(north), len(east)), np.inf)
    return np.asarray(distance_transform_edt(~_burnt(lines, east, north)), float) * float(east[1] - east[0])


def _burnt(shapes: Sequence[BaseGeometry], east: Array, north: Array) -> npt.NDArray[np.bool_]:
    """Which cells of the grid shapes touch."""
    spacing = float(east[1] - east[0])
    transform = (spacing, 0.0, east[0] - spacing / 2, 0.0, -spacing, north[0] + spacing / 2)
    burnt = rasterize(shapes, out_shape=(len(north), len(east)), transform=Affine(*transform), all_touched=True)
    return np.asarray(burnt != 0)


def _river_table(lines: list[LineString], place: Place) -> gpd.GeoDataFrame:
    placed = [LineString(np.column_stack(place.to_lonlat(*np.asarray(line.coords).T))) for line in lines]
    names = ["Main River", *(f"Tributary {i}" for i in range(1, len(lines)))]
    return gpd.GeoDataFrame({"name": names}, geometry=placed, crs="EPSG:4326")
