"""The ground as seen from above: shaded relief with rivers, counties and landslides, north up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo
from labkit.errors import LabkitError
from labkit.view import colours, marks, notebook, pixels
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

#: The sun of maps stands in the north-west, half-way up.
_SUN_AZIMUTH_DEG, _SUN_HEIGHT_DEG = 315.0, 45.0

_METRES_PER_DEGREE = 111_319.49
_WIDTH = 640


def terrain(
    dem: xr.DataArray,
    *,
    rivers: gpd.GeoDataFrame | None = None,
    counties: gpd.GeoDataFrame | None = None,
    outlines: gpd.GeoDataFrame | None = None,
    max_pixels: int = pixels.MAX_PIXELS,
) -> hv.Overlay:
    """Show shaded relief with what lies on it.

    Parameters
    ----------
    dem : xarray.DataArray (y, x)
        Heights, m, on a regular grid in degrees (``dem`` of a :class:`labkit.simulate.Scene`); NaN is drawn grey.
    rivers, counties, outlines : geopandas.GeoDataFrame, optional
        Lines (blue), polygons (grey) and landslides (yellow), in any CRS. The pointer reads the landslides.
    max_pixels : int
        A larger DEM is shown by the means of square blocks.

    Returns
    -------
    holoviews.Overlay
        North up; a degree of longitude is as much shorter than one of latitude as on the ground.

    Raises
    ------
    LabkitError
        The DEM is no grid in degrees, or a table has no CRS.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> drawn = terrain(scene.dem, rivers=scene.rivers, counties=scene.counties)
    >>> type(drawn).__name__
    'Overlay'
    """
    if set(dem.dims) != {"y", "x"} or min(dem.sizes.values()) < 2:
        raise LabkitError(f"dem must be heights (y, x) of at least 2 × 2 pixels, instead got {dict(dem.sizes)}")
    if float(np.abs(dem["y"]).max()) > 90:
        raise LabkitError("dem must have y and x in degrees, instead got metres. Reproject it to EPSG:4326")
    notebook.ready()
    import holoviews as hv

    north_up = dem.transpose("y", "x").sortby("y", ascending=False).sortby("x")
    step = max(1, int(np.ceil(np.sqrt(north_up.size / max_pixels))))
    shown = north_up.coarsen(y=step, x=step, boundary="trim").mean()
    lat, lon = shown["y"].values, shown["x"].values
    shape = float(np.cos(np.radians(lat.mean())))
    across, along = ((v[-1] - v[0]) / (len(v) - 1) * _METRES_PER_DEGREE for v in (lon * shape, lat))
    shade = hillshade(shown.values, along, across)
    drawn: Any = hv.Image((lon, lat, shade, shown.values), ["lon", "lat"], ["shade", "height"]).opts(
        cmap="gray",
        clim=(0.0, 1.0),
        clipping_colors={"NaN": colours.NO_DATA},
        frame_width=_WIDTH,
        frame_height=round(_WIDTH * abs(along) * len(lat) / (across * len(lon))),
        xlabel="longitude, °",
        ylabel="latitude, °",
        title=f"Relief, {np.nanmin(shown.values):.0f} to {np.nanmax(shown.values):.0f} m",
        tools=["hover"],
        hover_tooltips=[("height", "@height{0} m"), ("lon, lat", "@lon{0.0000}, @lat{0.0000}")],
        active_tools=["box_zoom"],
    )
    for table, name, colour, width in (
        (counties, "counties", colours.COUNTY, 1.5),
        (rivers, "rivers", colours.RIVER, 2.0),
    ):
        if table is not None:
            drawn = drawn * hv.Path(_lines(table, name), ["lon", "lat"]).opts(color=colour, line_width=width)
    if outlines is not None:
        placed = _in_degrees(outlines, "outlines").explode(index_parts=False)
        drawn = drawn * marks.draw_outlines(placed, "", counted(len(placed), "outline"), axes=("lon", "lat"))
    return drawn.opts(hv.opts.Overlay(**marks.LEGEND_OPTIONS)) if isinstance(drawn, hv.Overlay) else drawn


def hillshade(height: npt.NDArray[np.floating], along_m: float, across_m: float) -> npt.NDArray[np.floating]:
    """Give how brightly a sun in the north-west, 45° high, lights each pixel, 0..1.

    Parameters
    ----------
    height : numpy.ndarray (y, x)
        m; NaN stays NaN.
    along_m, across_m : float
        From one row to the next and from one column to the next: metres to the north (negative where rows run south)
        and to the east.

    Notes
    -----
    The cosine between the surface's normal and the sun, n · s, n = (−∂h/∂east, −∂h/∂north, 1) made a unit vector;
    slopes that face away are 0.

    Examples
    --------
    Flat ground is lit by sin 45°:

    >>> hillshade(np.zeros((2, 2)), -30.0, 30.0).round(3).tolist()
    [[0.707, 0.707], [0.707, 0.707]]
    """
    north, east = np.gradient(np.asarray(height, float), along_m, across_m)
    azimuth, up = np.radians(_SUN_AZIMUTH_DEG), np.radians(_SUN_HEIGHT_DEG)
    sun = np.sin(azimuth) * np.cos(up), np.cos(azimuth) * np.cos(up), np.sin(up)
    lit = (-east * sun[0] - north * sun[1] + sun[2]) / np.sqrt(1 + east**2 + north**2)
    return np.clip(lit, 0.0, 1.0)


def _lines(table: gpd.GeoDataFrame, name: str) -> list[npt.NDArray[np.float64]]:
    """Lines and the edges of polygons, each as (n, 2) lon/lat."""
    placed = _in_degrees(table, name)
    edges = placed.geometry.boundary.where(placed.geom_type.isin(["Polygon", "MultiPolygon"]), placed.geometry)
    return [np.asarray(line.coords) for line in edges.explode(index_parts=False)]


def _in_degrees(table: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        raise LabkitError(
            f"{name} must be a GeoDataFrame with a CRS, instead got {type(table).__name__}. "
            "Set it with set_crs('EPSG:4326')"
        )
    return table[~(table.geometry.isna() | table.geometry.is_empty)].to_crs(geo.WGS84)
