"""GeoTIFF headers and pixels, through GDAL's GeoTIFF driver alone."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import rasterio
from pyproj import CRS, Geod
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from labkit.errors import FileError

#: Larger images are refused before their pixels are asked for: no burst or frame comes near.
MAX_PIXELS = 4_000_000_000

_TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True)
class Grid:
    """The map grid of a GeoTIFF: shape, CRS, centre of the first pixel and steps in CRS units, spacing in metres."""

    path: Path
    shape: tuple[int, int]
    crs: str
    first_y: float
    first_x: float
    y_step: float
    x_step: float

    @property
    def coords(self) -> dict[str, object]:
        """1-D ``y`` and ``x`` of the pixel centres, in CRS units."""
        return {
            "y": self.first_y + self.y_step * np.arange(self.shape[0]),
            "x": self.first_x + self.x_step * np.arange(self.shape[1]),
        }

    @property
    def spacing_m(self) -> tuple[float, float]:
        """Spacing along y and x at the middle of the grid, m; NaN without a CRS."""
        if not self.crs:
            return math.nan, math.nan
        crs = CRS.from_user_input(self.crs)
        if not crs.is_geographic:
            to_metre = crs.axis_info[0].unit_conversion_factor
            return abs(self.y_step) * to_metre, abs(self.x_step) * to_metre
        geod = crs.get_geod() or Geod(ellps="WGS84")
        lat = self.first_y + self.y_step * (self.shape[0] - 1) / 2
        north = geod.inv(self.first_x, lat - self.y_step / 2, self.first_x, lat + self.y_step / 2)[2]
        east = geod.inv(self.first_x, lat, self.first_x + self.x_step, lat)[2]
        return float(north), float(east)


def read_grid(path: Path) -> Grid:
    """Read the header of a GeoTIFF.

    Raises
    ------
    FileError
        It is no GeoTIFF, is damaged, has rotated axes or an absurd size.
    """
    with _open(path) as source:
        transform = source.transform
        shape = (int(source.height), int(source.width))
        crs = "" if source.crs is None else source.crs.to_string()
    if shape[0] * shape[1] > MAX_PIXELS:
        raise FileError(
            f"{path} must have at most {MAX_PIXELS} pixels, instead its header claims {shape[0]} × {shape[1]}. "
            "Fetch or make it again"
        )
    if transform.b or transform.d:
        raise FileError(f"{path} must have axes along its CRS, instead its grid is rotated. Resample it with gdalwarp")
    return Grid(
        path=path,
        shape=shape,
        crs=crs,
        first_y=transform.f + transform.e / 2,
        first_x=transform.c + transform.a / 2,
        y_step=transform.e,
        x_step=transform.a,
    )


def read_band(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Read the first band as float32, with the file's no-data value as NaN.

    Raises
    ------
    FileError
        The file is cut, or of another shape than its pairs.
    """
    with RasterRows(path, shape) as rows:
        return rows.read(0, shape[0]).astype(np.float32, copy=False)


class RasterRows:
    """Rows of the first band of a GeoTIFF through GDAL, whatever its compression; to be opened with ``with``.

    Whole numbers are given as float32; the file's no-data value as NaN.

    Raises
    ------
    FileError
        It is no GeoTIFF or of another shape, when it is opened; or is cut, when it is read.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path = path
        self._shape = shape

    def __enter__(self) -> Self:
        """Open the file."""
        self._source = _open(self.path)
        own = (self._source.height, self._source.width)
        if own != self._shape:
            self._source.close()
            raise FileError(
                f"{self.path} must have the shape {self._shape}, instead got {own}. Bring it to the grid of the others"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._source.close()

    def read(self, first: int, count: int) -> npt.NDArray[Any]:
        """Give (count, width) values, contiguous, in this machine's byte order."""
        try:
            band = self._source.read(1, window=Window(0, first, self._shape[1], count))
        except RasterioError as error:
            raise FileError(
                f"{self.path} must be a whole GeoTIFF, instead its pixels cannot be read. Fetch it again"
            ) from error
        values = band if band.dtype.kind in "fc" else band.astype(np.float32)
        no_data = self._source.nodata
        if no_data is not None and not math.isnan(no_data):
            values[band == no_data] = np.nan
        return np.asarray(values)

    def judge(self) -> None:
        """Nothing to say: a TIFF states its byte order."""


def check_tiff(path: Path) -> None:
    """Raise FileError where there is no file, or one that does not begin as a TIFF does."""
    if not path.is_file():
        raise FileError(f"{path} must be a GeoTIFF, instead there is no such file. Fetch or make it again")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic not in _TIFF_MAGIC:
        raise FileError(f"{path} must be a GeoTIFF, instead it begins with {magic!r}. Fetch or make it again")


def _open(path: Path) -> rasterio.DatasetReader:
    check_tiff(path)
    with warnings.catch_warnings():
        # A TIFF without a CRS is a fact that the caller reports in its own words.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(path, driver="GTiff")
        except RasterioError as error:
            raise FileError(f"{path} must be a whole GeoTIFF, instead it cannot be opened: {error}") from error
