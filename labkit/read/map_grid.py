"""A map grid that a header describes: whether it lies on the Earth, and what a scene on it says of itself."""

from __future__ import annotations

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.raster import MAX_PIXELS, Grid


def check_placed(grid: Grid) -> Grid:
    """Return the grid when its corners lie on the Earth and its size is one that a file can have.

    Raises
    ------
    FileError
        Latitudes beyond ±90°, longitudes beyond ±360°, coordinates beyond 2·10⁷ m, or an absurd number of pixels.
    """
    lines, samples = grid.shape
    if lines < 1 or samples < 1 or lines * samples > MAX_PIXELS:
        raise FileError(
            f"{grid.path} must describe between 1 and {MAX_PIXELS} pixels, instead got {lines} × {samples}. Mend it"
        )
    limit_y, limit_x = (90.0, 360.0) if grid.crs == "EPSG:4326" else (2e7, 2e7)
    last_y, last_x = grid.first_y + grid.y_step * (lines - 1), grid.first_x + grid.x_step * (samples - 1)
    if max(abs(grid.first_y), abs(last_y)) > limit_y or max(abs(grid.first_x), abs(last_x)) > limit_x:
        raise FileError(
            f"{grid.path} must describe a grid on the Earth, instead it runs from y={grid.first_y}, x={grid.first_x} "
            f"to y={last_y}, x={last_x} in {grid.crs}. Mend its corner and steps"
        )
    return grid


def map_attributes(grid: Grid) -> dict[str, object]:
    """Give the scene attributes that follow from a map grid: geometry, CRS, and spacings (m; NaN without a CRS)."""
    y_spacing, x_spacing = grid.spacing_m
    return {
        "geometry": "map",
        "crs": grid.crs,
        "y_spacing": y_spacing,
        "x_spacing": x_spacing,
        "ground_spacing": ground_spacing(y_spacing, x_spacing),
    }
