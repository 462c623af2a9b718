"""The attributes of MintPy's HDF5 files: where the pixels lie and how they were seen; the geometry file beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from pyproj import CRS
from pyproj.exceptions import CRSError

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.hdf5 import find_dataset, mean_of, need_dataset, open_hdf5, read_plane
from labkit.read.looking import orbit_direction
from labkit.read.map_grid import check_placed
from labkit.read.pairs import scene_name
from labkit.read.raster import Grid
from labkit.read.sphere import incidence_angle
from labkit.read.text_header import header_number

#: "Positive value represents motion away from the satellite" (phase; MintPy's FAQ 1, for the earlier date first).
PHASE_SIGN = -1

#: Processors that give the azimuth pixel size at the height of the satellite; the others give it on the ground.
_AZIMUTH_AT_SATELLITE = ("isce", "roipac")

_GENERIC_FOLDERS = ("mintpy", "inputs", "geo")


@dataclass(frozen=True)
class MintpyGeometry:
    """Coordinates and scene attributes of a MintPy file, and the geometry file beside it where there is one."""

    coords: dict[str, object]
    attrs: dict[str, object]
    geometry_file: Path | None


def read_geometry(path: Path, header: dict[str, str], shape: tuple[int, int]) -> MintpyGeometry:
    """Give where the pixels of a MintPy file lie and how they were seen.

    Parameters
    ----------
    path : Path
        The file, for errors and for finding ``geometryRadar.h5`` or ``geometryGeo.h5`` beside it or in ``inputs/``.
    header : dict
        Its attributes (:func:`labkit.read.hdf5.text_attributes`). ``X_FIRST`` and ``Y_FIRST`` are the outer corner of
        the first pixel of a geocoded file; a file without them is in radar geometry.
    shape : (int, int)
        Rows and columns.

    Raises
    ------
    FileError
        A number is broken, or the geometry file is damaged or of another size.
    """
    on_map = "X_FIRST" in header and "Y_FIRST" in header
    geometry_file = _geometry_file(path, on_map)
    incidence = math.nan if geometry_file is None else _mean_incidence(geometry_file, shape)
    heading = header_number(header, "HEADING", path)
    direction = header.get("ORBIT_DIRECTION", "").lower()
    attrs: dict[str, object] = {
        "scene": _scene(path),
        "heading": heading % 360.0,
        "orbit_direction": direction if direction in ("ascending", "descending") else orbit_direction(heading),
        "wavelength": _positive(header, "WAVELENGTH", path),
        "track": _track(header),
        "processor": "MintPy",
        "phase_sign": PHASE_SIGN,
    }
    if on_map:
        grid = _map_grid(path, header, shape)
        spacing = grid.spacing_m
        attrs |= {"geometry": "map", "crs": grid.crs, "ground_spacing": ground_spacing(*spacing)}
        coords = grid.coords
    else:
        spacing = _radar_spacing(path, header)
        if math.isnan(incidence):
            incidence = _mid_incidence(path, header, shape)
        attrs |= {"geometry": "radar", "ground_spacing": ground_spacing(*spacing, incidence)}
        coords = {} if geometry_file is None else _lonlat(geometry_file, shape)
    attrs |= {"y_spacing": spacing[0], "x_spacing": spacing[1], "incidence_angle": incidence}
    return MintpyGeometry(coords, attrs, geometry_file)


def _positive(header: dict[str, str], name: str, path: Path) -> float:
    value = header_number(header, name, path)
    if value <= 0:
        raise FileError(f"{path} must hold a positive number at '{name}', instead got {value}. Make the file again")
    return value


def _scene(path: Path) -> str:
    folder = path.absolute().parent
    while folder.name.lower() in _GENERIC_FOLDERS and folder != folder.parent:
        folder = folder.parent
    return scene_name(folder)


def _track(header: dict[str, str]) -> str:
    for name in ("trackNumber", "relative_orbit"):
        word = header.get(name, "")
        if word.isascii() and word.isdigit():
            return f"{int(word):03d}"
    return ""


def _map_grid(path: Path, header: dict[str, str], shape: tuple[int, int]) -> Grid:
    names = ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP")
    first_y, first_x, y_step, x_step = (header_number(header, name, path) for name in names)
    if not (math.isfinite(first_y + first_x) and abs(y_step) > 0 and abs(x_step) > 0):
        got = {name: header.get(name, "nothing") for name in names}
        raise FileError(f"{path} must hold a corner and steps other than 0, instead got {got}. Geocode it again")
    crs = _crs(path, header)
    return check_placed(Grid(path, shape, crs, first_y + y_step / 2, first_x + x_step / 2, y_step, x_step))


def _crs(path: Path, header: dict[str, str]) -> str:
    if header.get("X_UNIT", "degrees").lower().startswith("deg"):
        return "EPSG:4326"
    zone, code = header.get("UTM_ZONE", ""), header.get("EPSG", "")
    if not code and zone[:-1].isdigit() and zone[-1:].upper() in ("N", "S"):
        code = f"{(32600 if zone[-1].upper() == 'N' else 32700) + int(zone[:-1])}"
    try:
        return str(CRS.from_epsg(int(code)).to_string())
    except (CRSError, ValueError, OverflowError) as error:
        raise FileError(
            f"{path} must say its CRS by EPSG or UTM_ZONE, instead got EPSG={header.get('EPSG', '')!r} and "
            f"UTM_ZONE={zone!r}. Add the attribute EPSG to the file"
        ) from error


def _radar_spacing(path: Path, header: dict[str, str]) -> tuple[float, float]:
    """Azimuth on the ground and slant range, m, after the looks taken."""
    azimuth, slant = (_positive(header, name, path) for name in ("AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE"))
    radius, height = (header_number(header, name, path) for name in ("EARTH_RADIUS", "HEIGHT"))
    if header.get("PROCESSOR", "").lower() in _AZIMUTH_AT_SATELLITE and radius > 0 and height > 0:
        azimuth *= radius / (radius + height)
    return azimuth, slant


def _mid_incidence(path: Path, header: dict[str, str], shape: tuple[int, int]) -> float:
    names = ("EARTH_RADIUS", "HEIGHT", "STARTING_RANGE", "RANGE_PIXEL_SIZE")
    radius, height, near, spacing = (header_number(header, name, path) for name in names)
    return incidence_angle(path, radius, height, near + spacing * shape[1] / 2)


def _geometry_file(path: Path, on_map: bool) -> Path | None:
    names = ("geo_geometryRadar.h5", "geometryGeo.h5") if on_map else ("geometryRadar.h5",)
    folder = path.absolute().parent
    places = (folder, folder / "inputs", folder.parent / "inputs")
    return next((place / name for place in places for name in names if (place / name).is_file()), None)


def _mean_incidence(path: Path, shape: tuple[int, int]) -> float:
    with open_hdf5(path) as file:
        angles = find_dataset(file, "incidenceAngle")
        if angles is not None and angles.shape != shape:
            raise FileError(
                f"{path} must have the size of the stack, {shape}, instead got {angles.shape}. "
                "Take it away, or put the geometry of this stack beside it"
            )
        return mean_of(angles, beyond=180.0)


def _lonlat(path: Path, shape: tuple[int, int]) -> dict[str, object]:
    with open_hdf5(path) as file:
        if find_dataset(file, "longitude") is None or find_dataset(file, "latitude") is None:
            return {}
    coords: dict[str, object] = {}
    for short, name in (("lon", "longitude"), ("lat", "latitude")):
        image = dask.delayed(_read_degrees, pure=True)(path, name, shape)
        coords[short] = (("y", "x"), da.from_delayed(image, shape, np.float64))
    return coords


def _read_degrees(path: Path, name: str, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    with open_hdf5(path) as file:
        stored = need_dataset(file, name, 2)
        read_plane(stored, shape)
        degrees = np.asarray(stored[()], np.float64)
    # What lies outside the DEM is filled with 0.
    degrees[degrees == 0] = np.nan
    return degrees
