"""Relief as people see it and as a radar does: shaded by a low sun, laid over, in shadow; image to map and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS
from scipy.ndimage import map_coordinates

from labkit.errors import LabkitError
from labkit.simulate.geometry import METRES_PER_DEGREE, Frame, Place

Array = npt.NDArray[np.floating]


def hillshade(
    dem: xr.DataArray, *, azimuth: float = 315.0, altitude: float = 45.0, exaggeration: float = 1.0
) -> xr.DataArray:
    """Give the brightness of a relief under a low sun, to lie under a map.

    Parameters
    ----------
    dem : xarray.DataArray (y, x)
        Heights, m, NaN = no data; 1-D ``y`` and ``x``, attribute ``crs``: degrees or a projection in metres.
    azimuth : float
        Where the light comes from, degrees clockwise from north.
    altitude : float
        Of the sun above the horizon, degrees, above 0 to 90.
    exaggeration : float
        Factor of the heights, above 0.

    Returns
    -------
    xarray.DataArray
        (y, x) float32, 0 dark to 1 bright, NaN = no data.

    Raises
    ------
    LabkitError
        There is no ``crs``, or an angle is out of its range.

    Notes
    -----
    The cosine between the ground's normal and the direction of the sun, at least 0:
    (sin a + cos a · (−∂z/∂e · sin φ − ∂z/∂n · cos φ)) / √(1 + |∇z|²), a the altitude, φ the azimuth.

    References
    ----------
    Horn (1981), Hill shading and the reflectance map.

    Examples
    --------
    Level ground has the sine of the sun's altitude:

    >>> flat = xr.DataArray(np.zeros((3, 3)), {"y": [2.0, 1.0, 0.0], "x": [0.0, 1.0, 2.0]}, ("y", "x"))
    >>> float(hillshade(flat.assign_attrs(crs="EPSG:32648"), altitude=30.0)[1, 1])
    0.5
    """
    if not 0 < altitude <= 90:
        raise LabkitError(f"altitude must be above 0 and at most 90 degrees, instead got altitude={altitude}")
    if not exaggeration > 0:
        raise LabkitError(f"exaggeration must be above 0, instead got exaggeration={exaggeration}")
    north, east = _axes_m(dem)
    along_north, along_east = np.gradient(dem.values.astype(float) * exaggeration, north, east)
    sun, up = np.radians(azimuth), np.radians(altitude)
    facing = -along_east * np.sin(sun) - along_north * np.cos(sun)
    light = (np.sin(up) + np.cos(up) * facing) / np.sqrt(1 + along_east**2 + along_north**2)
    shade = np.maximum(light, 0.0).astype(np.float32)
    attrs = {"crs": dem.attrs["crs"], "units": "1", "long_name": "shaded relief"}
    return xr.DataArray(shade, {"y": dem["y"], "x": dem["x"]}, ("y", "x"), name="hillshade", attrs=attrs)


def _axes_m(dem: xr.DataArray) -> tuple[Array, Array]:
    """Positions of rows (northward) and columns (eastward) in metres."""
    if "crs" not in dem.attrs:
        raise LabkitError("dem must have the attribute 'crs', instead it has none. Set dem.attrs['crs'] = 'EPSG:…'")
    y, x = dem["y"].values.astype(float), dem["x"].values.astype(float)
    if not CRS.from_user_input(dem.attrs["crs"]).is_geographic:
        return y, x
    return y * METRES_PER_DEGREE, x * METRES_PER_DEGREE * float(np.cos(np.radians(y.mean())))


def layover_and_shadow(dem: xr.DataArray, frame: Frame, place: Place) -> xr.Dataset:
    """Tell which pixels of an image a relief lays over each other, and which it hides from the radar.

    Parameters
    ----------
    dem : xarray.DataArray (y, x)
        Heights in lon/lat, m (``Scene.dem``).
    frame : Frame
        The image (``Scene.frames[track]``).
    place : Place
        The scene's centre (``Scene.place``).

    Returns
    -------
    xarray.Dataset
        (y, x): ``layover``, ``shadow``, bool; ``height``, float32 m. The array is the image's, whose pixels lie at
        their place on the ground, as in all simulated images.

    Notes
    -----
    Along a line, with g the ground distance from the near edge, h the height and θ the incidence angle, a point is
    seen at the slant range r = g sin θ − h cos θ. A point is laid over where a nearer one has a larger r, or a farther
    one a smaller r. It is in shadow where a nearer point has a larger h + g cot θ: the ray at θ passes above it.
    Slopes toward the radar steeper than θ are laid over, slopes away steeper than 90° − θ are in shadow, and both reach
    beyond them. Relief beyond the image's edge is not looked at.

    References
    ----------
    Kropatsch and Strobl (1990), The generation of SAR layover and shadow maps from digital elevation models.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> masks = layover_and_shadow(scene.dem, scene.frames["ascending"], scene.place)
    >>> [f"{name} {float(masks[name].mean()):.1%}" for name in ("layover", "shadow")]
    ['layover 1.7%', 'shadow 0.0%']
    """
    height = _heights(dem, frame, place)
    theta = np.radians(frame.incidence_angle)
    g = (np.arange(frame.shape[1]) + 0.5) * frame.spacing_m
    slant = g * np.sin(theta) - height * np.cos(theta)
    farthest_before = np.maximum.accumulate(slant, axis=1)
    nearest_behind = np.minimum.accumulate(slant[:, ::-1], axis=1)[:, ::-1]
    ray = height + g / np.tan(theta)
    images = {
        "layover": (("y", "x"), (slant < farthest_before) | (slant > nearest_behind)),
        "shadow": (("y", "x"), ray < np.maximum.accumulate(ray, axis=1)),
        "height": (("y", "x"), height.astype(np.float32), {"units": "m"}),
    }
    return xr.Dataset(images, attrs={"track": frame.track, "incidence_angle": frame.incidence_angle})


def radar_lookup(dem: xr.DataArray, frame: Frame, place: Place) -> xr.Dataset:
    """Give the way from a map to an image and back.

    Parameters
    ----------
    dem, frame, place
        As :func:`layover_and_shadow` takes them.

    Returns
    -------
    xarray.Dataset
        On the map's posts, dims (lat, lon): ``row`` and ``col``, the pixel-edge coordinates in the image, NaN outside
        it; on the image, dims (y, x): ``longitude`` and ``latitude`` of the pixels' centres, degrees.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> table = radar_lookup(scene.dem, scene.frames["ascending"], scene.place)
    >>> table["row"].dims, table["longitude"].dims
    (('lat', 'lon'), ('y', 'x'))
    """
    lon, lat = dem["x"].values, dem["y"].values
    rows, cols = frame.pixel(*place.to_ground(*np.meshgrid(lon, lat)))
    outside = (rows < 0) | (rows > frame.shape[0]) | (cols < 0) | (cols > frame.shape[1])
    rows[outside], cols[outside] = np.nan, np.nan
    longitude, latitude = place.to_lonlat(*frame.pixel_centres())
    images = {
        "row": (("lat", "lon"), rows),
        "col": (("lat", "lon"), cols),
        "longitude": (("y", "x"), longitude, {"units": "degrees_east"}),
        "latitude": (("y", "x"), latitude, {"units": "degrees_north"}),
    }
    return xr.Dataset(images, {"lat": lat, "lon": lon}, {"track": frame.track})


def _heights(dem: xr.DataArray, frame: Frame, place: Place) -> Array:
    """The DEM under every pixel's centre, bilinearly; beyond the DEM its edge goes on."""
    lon, lat = place.to_lonlat(*frame.pixel_centres())
    x, y = dem["x"].values, dem["y"].values
    rows = (lat - y[0]) / (y[-1] - y[0]) * (len(y) - 1)
    cols = (lon - x[0]) / (x[-1] - x[0]) * (len(x) - 1)
    return np.asarray(map_coordinates(dem.values.astype(float), [rows, cols], order=1, mode="nearest"))
