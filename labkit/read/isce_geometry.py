"""Where the pixels of an ISCE2 stack lie and how the radar looks at them: ``geom_reference``."""

from __future__ import annotations

import math
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from pyproj import Geod

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.isce_header import has_header, read_bands

#: The last is where a single pair of topsApp keeps it.
_PLACES = ("merged/geom_reference", "geom_reference", "merged/geom_master", "geom_master", "merged")


def radar_geometry(roots: list[Path], shape: tuple[int, int]) -> tuple[dict[str, object], dict[str, object]]:
    """Give lazy 2-D lon/lat and the scene attributes that follow from ``lat.rdr``, ``lon.rdr`` and ``los.rdr``.

    Parameters
    ----------
    roots : list of Path
        Folders in which ``geom_reference`` may stand.
    shape : (int, int)
        Lines and samples of the pairs.

    Returns
    -------
    coords : dict
        ``lon``, ``lat`` (y, x), degrees, NaN where the geometry is unknown (0 in ISCE); empty without the files.
    attrs : dict
        ``heading``, ``orbit_direction``, ``incidence_angle`` (degrees, band 1 of ``los``, mid-scene), ``y_spacing``,
        ``x_spacing``, ``ground_spacing`` (m).

    Raises
    ------
    FileError
        A header is damaged or lies, or no geometry has the size of the pairs.

    Notes
    -----
    Spacings are the mean ones of the middle half of the scene, from the distances between lon/lat on WGS 84; slant
    range = ground range · sin(incidence). Lines follow the flight, so that the azimuth from an early line to a late
    one is the heading.
    """
    places = [p for root in roots for place in _PLACES if has_header((p := root / place) / "lat.rdr")]
    bands = [(read_bands(p / "lat.rdr")[0], read_bands(p / "lon.rdr")[0], p) for p in places]
    fitting = [b for b in bands if b[0].shape == shape and b[1].shape == shape]
    unknown: dict[str, object] = dict.fromkeys(("y_spacing", "x_spacing", "ground_spacing"), math.nan)
    if not bands:
        return {}, unknown
    if not fitting:
        raise FileError(
            f"{bands[0][0].path} must have the size of the pairs, {shape[0]} × {shape[1]}, instead got "
            f"{bands[0][0].shape[0]} × {bands[0][0].shape[1]}. Multilook geom_reference like the pairs, or take it away"
        )
    lat, lon, place = fitting[0]
    read = dask.delayed(_read_lonlat, pure=True, nout=2)(lat, lon)
    lons, lats = (da.from_delayed(part, shape, np.float64) for part in read)
    coords: dict[str, object] = {"lon": (("y", "x"), lons), "lat": (("y", "x"), lats)}
    return coords, unknown | _measured(lat, lon, _incidence(place, shape))


def _read_lonlat(lat: FlatBand, lon: FlatBand) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return _known(lon.read().astype(float), lat.read().astype(float))


def _known(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    with np.errstate(invalid="ignore"):
        empty = ((lat == 0) & (lon == 0)) | ~(np.abs(lat) <= 90) | ~(np.abs(lon) <= 360)
    return np.where(empty, np.nan, lon), np.where(empty, np.nan, lat)


def _incidence(place: Path, shape: tuple[int, int]) -> float:
    """Incidence angle at mid-scene, degrees; NaN without ``los.rdr`` or where it is 0."""
    path = place / "los.rdr"
    if not has_header(path):
        return math.nan
    band = read_bands(path)[0]
    if band.shape != shape:
        raise FileError(f"{path} must have the size of lat.rdr, {shape}, instead got {band.shape}. Make it again")
    angle = float(band.read(shape[0] // 2, 1)[0, shape[1] // 2])
    if math.isnan(angle) or angle == 0:
        return math.nan
    if not 0 < angle < 90:
        raise FileError(
            f"{path} must hold the incidence angle (0 to 90 degrees) in its first band, instead got {angle:.4g} at "
            "mid-scene. Its header describes another layout than the file has: mend the scheme (BIP, BIL, BSQ) in it"
        )
    return angle


def _measured(lat: FlatBand, lon: FlatBand, incidence: float) -> dict[str, object]:
    lines, samples = lat.shape
    if lines < 4 or samples < 4:
        return {"incidence_angle": incidence}
    top, bottom, left, right = lines // 4, 3 * lines // 4, samples // 4, 3 * samples // 4
    at = {}
    for line in (top, lines // 2, bottom):
        at[line] = _known(lon.read(line, 1)[0].astype(float), lat.read(line, 1)[0].astype(float))
    points = [(at[line][0][column], at[line][1][column]) for line, column in
              ((top, samples // 2), (bottom, samples // 2), (lines // 2, left), (lines // 2, right))]  # fmt: skip
    if not np.isfinite(points).all():
        return {"incidence_angle": incidence}
    geod = Geod(ellps="WGS84")
    heading, _, along = geod.inv(*points[0], *points[1])
    across = geod.inv(*points[2], *points[3])[2]
    y_spacing, x_ground = along / (bottom - top), across / (right - left)
    return {
        "incidence_angle": incidence,
        "heading": heading % 360.0,
        "orbit_direction": "ascending" if math.cos(math.radians(heading)) > 0 else "descending",
        "y_spacing": y_spacing,
        "x_spacing": x_ground * math.sin(math.radians(incidence)),
        "ground_spacing": math.sqrt(y_spacing * x_ground),
    }
