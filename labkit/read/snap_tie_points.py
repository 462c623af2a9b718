"""SNAP's tie points: latitude and longitude on a coarse grid, brought to every pixel of a radar image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from labkit.errors import FileError
from labkit.read.envi_header import read_envi_band
from labkit.read.flat_binary import FlatBand
from labkit.read.snap_header import SnapProduct


@dataclass(frozen=True)
class TiePoints:
    """A tie-point grid: its raster, the pixel position of its first point and its steps, pixels."""

    band: FlatBand
    first_y: float
    first_x: float
    y_step: float
    x_step: float

    def at_pixels(self, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Values at pixel centres, bilinear between the points; beyond the outer ones the edge is carried on."""
        rows = (np.arange(shape[0]) + 0.5 - self.first_y) / self.y_step
        columns = (np.arange(shape[1]) + 0.5 - self.first_x) / self.x_step
        places = np.meshgrid(rows, columns, indexing="ij")
        return np.asarray(map_coordinates(self.band.read().astype(float), places, order=1, mode="nearest"))


def lonlat(product: SnapProduct, shape: tuple[int, int]) -> dict[str, object]:
    """Give lazy 2-D lon/lat (degrees) of a radar image; nothing where the product has no tie points.

    Raises
    ------
    FileError
        A tie-point grid is damaged.
    """
    grids = {name: _tie_points(product, name) for name in ("longitude", "latitude")}
    coords: dict[str, object] = {}
    for coordinate, name in (("lon", "longitude"), ("lat", "latitude")):
        grid = grids[name]
        if grid is None:
            return {}
        values = dask.delayed(grid.at_pixels, pure=True)(shape)
        coords[coordinate] = (("y", "x"), da.from_delayed(values, shape, np.float64))
    return coords


def _tie_points(product: SnapProduct, name: str) -> TiePoints | None:
    for info in product.root.iter("Tie_Point_Grid_Info"):
        if (info.findtext("TIE_POINT_GRID_NAME") or "").strip() != name:
            continue
        numbers = []
        for tag in ("OFFSET_Y", "OFFSET_X", "STEP_Y", "STEP_X"):
            try:
                numbers.append(float(info.findtext(tag) or "nan"))
            except ValueError:
                numbers.append(math.nan)
        if not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
            raise FileError(f"{product.path} must hold the offsets and steps of its tie points {name}, got {numbers}")
        return TiePoints(read_envi_band(product.data / "tie_point_grids" / f"{name}.img"), *numbers)
    return None
