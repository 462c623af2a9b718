"""Scenes over a person's own DEM: its relief on the ground grid, its rivers from where its water runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from pyproj import CRS, Transformer
from rasterio.errors import RasterioError
from scipy.ndimage import map_coordinates

from labkit.errors import FileError, LabkitError
from labkit.simulate.drainage import drain
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.presets import Preset
from labkit.simulate.rivers import Grid, trace_rivers
from labkit.simulate.terrain import Terrain, terrain_of

Array = npt.NDArray[np.floating]

#: Fewer lines or samples than this make no scene.
_LEAST_PIXELS = 96


def terrain_of_dem(dem: xr.DataArray | str | os.PathLike[str], *, spacing_m: float, river_km2: float) -> Terrain:
    """Make a terrain of a DEM.

    Parameters
    ----------
    dem : xarray.DataArray (y, x) or path
        Heights, m, NaN = no data, with 1-D ``y`` and ``x`` of pixel centres at even steps and a CRS (attribute ``crs``,
        or as rioxarray keeps it): longitude and latitude, or a projection in metres. Or the path of a GeoTIFF.
    spacing_m : float
        Of the terrain's grid, m.
    river_km2 : float
        Least area that a river drains. What flows in from beyond the DEM is not known.

    Returns
    -------
    Terrain
        Over the greatest rectangle, from west to east and from south to north, that the DEM covers.

    Raises
    ------
    FileError
        The file cannot be read as a raster.
    LabkitError
        The DEM has no CRS, its axes are not even, or there is a hole in it.

    Notes
    -----
    Heights are read bilinearly and stay as they are. Rivers follow from flow accumulation
    (:func:`labkit.simulate.drainage.drain`) with every edge an outlet; their names are invented, as are the counties'.
    """
    given = _read(Path(dem)) if isinstance(dem, str | os.PathLike) else dem
    crs = _crs(given)
    y, x = _even(given, "y"), _even(given, "x")
    to_lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform((x[0] + x[-1]) / 2, (y[0] + y[-1]) / 2)
    place = Place(float(lon), float(lat))
    half_width, half_height = _inside(x, y, to_lonlat, place)
    east = _axis(half_width, spacing_m)
    north = -_axis(half_height, spacing_m)
    lon, lat = place.to_lonlat(*np.meshgrid(east, north))
    across, down = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    rows, cols = (down - y[0]) / (y[1] - y[0]), (across - x[0]) / (x[1] - x[0])
    height = map_coordinates(given.values.astype(float), [rows, cols], order=1, mode="nearest")
    if not np.isfinite(height).all():
        raise LabkitError(
            f"dem must have a height everywhere, instead {(~np.isfinite(height)).mean():.1%} of it has none. "
            "Fill its holes, or cut out a part without any"
        )
    edge = np.ones(height.shape, bool)
    edge[1:-1, 1:-1] = False
    water = drain(height, edge, np.full(height.shape, (spacing_m / 1000) ** 2))
    return terrain_of(place, east, north, height, trace_rivers(water, Grid(east, north), river_km2))


def fitted(preset: Preset, frames: list[Frame], terrain: Terrain) -> tuple[Preset, list[Frame]]:
    """Make a preset and its tracks no larger than a terrain; the number of landslides falls with the area.

    Raises
    ------
    LabkitError
        The terrain has no room for a scene.

    Notes
    -----
    The greatest rectangle that lies within another and is turned against it by an angle is known in closed form.
    """
    width, height = 2 * float(terrain.east[-1]), 2 * float(terrain.north[0])
    spacing = preset.spacing_m
    lines, samples = preset.shape
    for frame in frames:
        along, across = _turned(height, width, abs(np.sin(np.radians(frame.heading))), spacing)
        lines, samples = min(lines, along // 4 * 4), min(samples, across // 4 * 4)
    least = _LEAST_PIXELS
    if preset.bursts is not None:
        least = max(least, *(2 * n * gap for n, gap in zip(preset.bursts.count, preset.bursts.overlap, strict=True)))
    if min(lines, samples) < least:
        raise LabkitError(
            f"dem must have room for {least} × {least} pixels of {spacing:g} m along the satellites' tracks, instead "
            f"got room for {lines} × {samples} on {width / 1000:.1f} × {height / 1000:.1f} km. Take a larger DEM"
        )
    share = lines * samples / (preset.shape[0] * preset.shape[1])
    count = max(1, round(preset.landslides * share))
    smaller = replace(preset, shape=(lines, samples), landslides=count)
    return smaller, [replace(frame, shape=(lines, samples)) for frame in frames]


def _turned(height: float, width: float, sine: float, spacing: float) -> tuple[int, int]:
    """Lines and samples of the greatest rectangle in height × width whose lines run at an angle to the north."""
    cosine = float(np.sqrt(1 - sine**2))
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long:
        # two corners touch the long sides, the other two lie within
        half = 0.5 * short
        across_long, across_short = half / sine, half / cosine
    else:
        double = cosine**2 - sine**2
        across_long = (long * cosine - short * sine) / double
        across_short = (short * cosine - long * sine) / double
    along, across = (across_short, across_long) if width >= height else (across_long, across_short)
    # two pixels of room on each side for the rounding of the grid
    return int(along / spacing) - 4, int(across / spacing) - 4


def _read(path: Path) -> xr.DataArray:
    try:
        with rasterio.open(path) as raster:
            values = raster.read(1, masked=True).astype(np.float64).filled(np.nan)
            transform, crs = raster.transform, raster.crs
    except RasterioError as error:
        raise FileError(f"{path} must be a raster of heights, instead it cannot be read: {error}") from error
    if transform.b or transform.d:
        raise FileError(f"{path} must be a grid along its axes, instead it is turned. Warp it to north up")
    rows, cols = np.arange(values.shape[0]) + 0.5, np.arange(values.shape[1]) + 0.5
    coords = {"y": transform.f + transform.e * rows, "x": transform.c + transform.a * cols}
    return xr.DataArray(values, coords, ("y", "x"), attrs={"crs": crs.to_wkt() if crs else ""})


def _crs(dem: xr.DataArray) -> CRS:
    words = dem.attrs.get("crs") or dem.coords.get("spatial_ref", xr.DataArray(0)).attrs.get("crs_wkt")
    if not words:
        raise LabkitError("dem must have a CRS, instead it has none. Set dem.attrs['crs'] = 'EPSG:…'")
    return CRS.from_user_input(words)


def _even(dem: xr.DataArray, axis: str) -> Array:
    """Pixel centres along an axis, at even steps."""
    if tuple(map(str, dem.dims)) != ("y", "x") or axis not in dem.coords or dem.sizes[axis] < 2:
        raise LabkitError(f"dem must have the dims ('y', 'x') with coordinates, instead got dims={dem.dims}")
    values = dem[axis].values.astype(float)
    steps = np.diff(values)
    if not np.allclose(steps, steps[0], rtol=1e-3):
        raise LabkitError(f"dem must have even steps along {axis}, instead got {steps.min():g} to {steps.max():g}")
    return values


def _inside(x: Array, y: Array, to_lonlat: Transformer, place: Place) -> tuple[float, float]:
    """Half the width and height (m) of the greatest upright rectangle around the centre that the DEM covers."""
    share = np.linspace(0.0, 1.0, 50)
    along_x, along_y = x[0] + (x[-1] - x[0]) * share, y[0] + (y[-1] - y[0]) * share
    sides = []
    for edge in (x[0], x[-1]):
        east, _ = place.to_ground(*to_lonlat.transform(np.full(50, edge), along_y))
        sides.append(np.abs(east).min())
    ends = []
    for edge in (y[0], y[-1]):
        _, north = place.to_ground(*to_lonlat.transform(along_x, np.full(50, edge)))
        ends.append(np.abs(north).min())
    return float(min(sides)), float(min(ends))


def _axis(half_m: float, spacing_m: float) -> npt.NDArray[np.float64]:
    count = int(half_m / spacing_m)
    return np.asarray(np.arange(-count, count + 1) * spacing_m, float)
