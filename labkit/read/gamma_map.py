"""GAMMA's map grids: a ``dem_par`` on geographic (EQA) or UTM coordinates as the grid of a geocoded raster."""

from __future__ import annotations

from pathlib import Path

from labkit.errors import FileError
from labkit.read.gamma_parameters import number, read_parameters
from labkit.read.map_grid import check_placed
from labkit.read.raster import Grid


def read_map_grid(path: Path) -> Grid:
    """Read the grid of geocoded GAMMA files from their ``dem_par``.

    Parameters
    ----------
    path : Path
        A ``dem_par`` with DEM_projection EQA or UTM, on WGS 84. Its corner is the centre of the first pixel.

    Returns
    -------
    Grid
        EPSG:4326, or EPSG:326zz / 327zz.

    Raises
    ------
    FileError
        A line is missing or senseless, or the projection or datum is another one.
    """
    parameters = read_parameters(path)
    projection = (parameters.get("DEM_projection") or ["nothing"])[0].upper()
    if projection not in ("EQA", "UTM"):
        raise FileError(
            f"{path} must be on the projection EQA or UTM, instead got DEM_projection={projection}. "
            "Write the pairs as GeoTIFF (GAMMA's data2geotiff) and open those"
        )
    datum = " ".join(parameters.get("datum_name", ["WGS", "1984"])).upper()
    if "WGS" not in datum:
        raise FileError(f"{path} must be on the datum WGS 1984, instead got datum_name={datum}")
    y, x = ("lat", "lon") if projection == "EQA" else ("north", "east")
    lines, width = number(parameters, "nlines", path), number(parameters, "width", path)
    steps = number(parameters, f"post_{y}", path), number(parameters, f"post_{x}", path)
    for name, value in (("nlines", lines), ("width", width)):
        if value < 1 or value != int(value):
            raise FileError(f"{path} must hold a whole number ≥ 1 at '{name}:', instead got {value}")
    if 0.0 in steps:
        raise FileError(f"{path} must hold steps other than 0 at 'post_{y}:' and 'post_{x}:', instead got {steps}")
    crs = "EPSG:4326" if projection == "EQA" else _utm(parameters, path)
    grid = Grid(
        path=path,
        shape=(int(lines), int(width)),
        crs=crs,
        first_y=number(parameters, f"corner_{y}", path),
        first_x=number(parameters, f"corner_{x}", path),
        y_step=steps[0],
        x_step=steps[1],
    )
    return check_placed(grid)


def _utm(parameters: dict[str, list[str]], path: Path) -> str:
    zone = number(parameters, "projection_zone", path)
    if zone not in range(1, 61):
        raise FileError(f"{path} must hold a UTM zone of 1 to 60 at 'projection_zone:', instead got {zone}")
    south = number(parameters, "false_northing", path) > 0
    return f"EPSG:{(32700 if south else 32600) + int(zone)}"
