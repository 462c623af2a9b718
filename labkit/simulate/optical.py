"""What Sentinel-2 would see of a simulated scene: snow above the snow line, water, vegetation and bare ground."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr
from affine import Affine
from rasterio.features import rasterize

from labkit.errors import LabkitError
from labkit.simulate.cover import snow_line_at
from labkit.simulate.fields import stream
from labkit.simulate.scenes import Scene

Array = npt.NDArray[np.floating]

BANDS = ("B03", "B8A", "B11")

#: Surface reflectances of the three bands: snow is bright where it is seen and dark in the short-wave infrared [1]_.
_REFLECTANCE = {
    "vegetation": (0.07, 0.34, 0.17),
    "bare": (0.16, 0.24, 0.29),
    "water": (0.05, 0.03, 0.01),
    "snow": (0.85, 0.75, 0.10),
}

#: ESA's scene classification of the same.
_CLASS = {"vegetation": 4, "bare": 5, "water": 6, "snow": 11}

_SPACING_M = 20.0
_WATER_HALF_WIDTH_M = 70.0
_TEXTURE = 0.05


def sentinel2_looks(simulated: Scene, dates: npt.ArrayLike) -> xr.Dataset:
    """Give cloudless Sentinel-2 looks at a scene with snow, as :func:`labkit.read.open_sentinel2` would open them.

    Parameters
    ----------
    simulated : Scene
        With ``snow_share`` above 0 among its effects.
    dates : array_like
        Of the looks, datetime64 or "YYYY-MM-DD".

    Returns
    -------
    xarray.Dataset
        ``reflectance`` (time, band, y, x) float32, bands B03, B8A and B11, on a grid of 20 m in UTM;
        ``scene_class`` (time, y, x) uint8; attributes ``crs``, ``tile``, ``y_spacing``, ``x_spacing``.

    Raises
    ------
    LabkitError
        The scene has no snow.

    Notes
    -----
    Snow lies above the snow line that decorrelates the pairs at the same date. Below it are vegetation and, in the
    upper quarter of the relief, bare ground; the main river is water. Each pixel differs by 5 % from its class.

    References
    ----------
    .. [1] Dozier (1989), Spectral signature of alpine snow cover from the Landsat Thematic Mapper.

    Examples
    --------
    >>> import labkit as lk
    >>> snowy = lk.simulate.scene("tiny", effects=lk.simulate.Effects(snow_share=0.05))
    >>> looks = sentinel2_looks(snowy, np.array(["2018-01-15", "2018-07-15"], "datetime64[D]"))
    >>> snow = lk.snow_mask(looks, like=snowy.rates["ascending"])
    >>> dict(looks.sizes), snow.dims
    ({'time': 2, 'band': 3, 'y': 426, 'x': 477}, ('y', 'x'))
    """
    effects = simulated.effects
    if effects is None or not effects.snow_share:
        raise LabkitError(
            "simulated must have snow, instead its effects have none. Make it with effects=Effects(snow_share=0.05)"
        )
    heights = simulated.dem.values
    summer = float(np.quantile(heights.astype(float), 1 - effects.snow_share))
    lon, lat, crs, coords = _grid(simulated)
    height = simulated.dem.interp(x=("p", lon.ravel()), y=("p", lat.ravel())).values.reshape(lon.shape)
    water = _water(simulated, crs, coords)
    bare = height > np.nanquantile(heights, 0.75)
    images, classes = [], []
    days = np.atleast_1d(np.asarray(dates, "datetime64[D]"))
    for day in days:
        kind = np.full(height.shape, "vegetation", dtype="<U10")
        kind[bare] = "bare"
        kind[height > snow_line_at(day, summer, effects.snow_winter_m)] = "snow"
        kind[water] = "water"
        random = stream(simulated.seed, "sentinel2", day)
        bands = np.stack([_paint(kind, band, random) for band in range(len(BANDS))])
        bands[:, np.isnan(height)] = np.nan
        images.append(bands)
        codes = np.zeros(height.shape, np.uint8)
        for name, code in _CLASS.items():
            codes[kind == name] = code
        classes.append(np.where(np.isnan(height), 0, codes).astype(np.uint8))
    return xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), np.stack(images), {"units": "1"}),
            "scene_class": (("time", "y", "x"), np.stack(classes)),
        },
        {"time": days.astype("datetime64[ns]"), "band": list(BANDS), **coords},
        {"crs": crs, "tile": "", "y_spacing": _SPACING_M, "x_spacing": _SPACING_M},
    )


def _grid(simulated: Scene) -> tuple[Array, Array, str, dict[str, Array]]:
    """Lon/lat of every pixel of a UTM grid over the DEM, its CRS, and its coordinates."""
    zone = int((simulated.place.lon + 180) // 6) + 1
    crs = f"EPSG:{(32600 if simulated.place.lat >= 0 else 32700) + zone}"
    lon, lat = np.meshgrid(simulated.dem["x"].values[[0, -1]], simulated.dem["y"].values[[0, -1]])
    forward = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    east, north = forward.transform(lon, lat)
    x = np.arange(np.floor(east.min() / _SPACING_M), np.ceil(east.max() / _SPACING_M)) * _SPACING_M + _SPACING_M / 2
    y = np.arange(np.ceil(north.max() / _SPACING_M), np.floor(north.min() / _SPACING_M), -1) * _SPACING_M
    y = y - _SPACING_M / 2
    back = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    across, down = np.meshgrid(x, y)
    lon, lat = back.transform(across, down)
    return np.asarray(lon), np.asarray(lat), crs, {"y": y, "x": x}


def _water(simulated: Scene, crs: str, coords: dict[str, Array]) -> npt.NDArray[np.bool_]:
    effects = simulated.effects
    shape = len(coords["y"]), len(coords["x"])
    if effects is None or not effects.water:
        return np.zeros(shape, bool)
    river = gpd.GeoSeries(simulated.rivers.geometry.iloc[:1], crs=simulated.rivers.crs).to_crs(crs)
    corner = float(coords["x"][0]) - _SPACING_M / 2, float(coords["y"][0]) + _SPACING_M / 2
    transform = Affine(_SPACING_M, 0.0, corner[0], 0.0, -_SPACING_M, corner[1])
    return np.asarray(rasterize(river.buffer(_WATER_HALF_WIDTH_M), out_shape=shape, transform=transform) > 0)


def _paint(kind: npt.NDArray[np.str_], band: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """One band's reflectances, with a little texture."""
    image = np.zeros(kind.shape)
    for name, reflectances in _REFLECTANCE.items():
        image[kind == name] = reflectances[band]
    return (image * (1 + _TEXTURE * random.standard_normal(kind.shape))).astype(np.float32)
