"""One Sentinel-2 band file: its header, and its pixels by windows on the grid of another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import dask.array as da
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from labkit.errors import FileError
from labkit.read.raster import MAX_PIXELS

#: First bytes of a file → the one GDAL driver that may open it.
_DRIVERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"\x00\x00\x00\x0c": "JP2OpenJPEG",
    b"\xffO\xffQ": "JP2OpenJPEG",
}

#: Numbers that stand for "no data" and "saturated" in ESA's products.
_SPECIAL_NUMBERS = (0, 65535)

#: No surface reflects more, not even snow on a slope that faces the sun.
_BRIGHTEST = 20.0

_CHUNK = 1024


@dataclass(frozen=True)
class Header:
    """What a band file says of itself.

    ``corner`` (outer, of the first pixel) and ``step`` are along (y, x) in CRS units; ``scale`` and ``offset`` those of
    its tags, 1 and 0 where it has none.
    """

    path: Path
    driver: str
    shape: tuple[int, int]
    crs: str
    corner: tuple[float, float]
    step: tuple[float, float]
    dtype: str
    nodata: float | None
    scale: float
    offset: float

    def centres(self, axis: int) -> npt.NDArray[np.float64]:
        """Pixel centres along y (0) or x (1), in CRS units."""
        return self.corner[axis] + self.step[axis] * (np.arange(self.shape[axis], dtype=np.float64) + 0.5)

    def nearest(self, axis: int, at: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """The pixels in which these places lie, −1 outside; a place on an edge belongs to the later pixel."""
        index = np.floor((at - self.corner[axis]) / self.step[axis] + 1e-6).astype(np.intp)
        return np.where((index >= 0) & (index < self.shape[axis]), index, -1)


@dataclass(frozen=True)
class Band:
    """A band on the grid of its dataset, read by windows: what dask needs of an array, and no more."""

    header: Header
    rows: npt.NDArray[np.intp]
    cols: npt.NDArray[np.intp]
    scale: float
    offset: float
    dtype: np.dtype
    ndim: int = field(default=2, init=False)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.cols)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        rows, cols = self.rows[key[0]], self.cols[key[1]]
        inside = np.ix_(rows >= 0, cols >= 0)
        classes = self.dtype.kind == "u"
        values = np.full((len(rows), len(cols)), 0 if classes else np.nan, self.dtype)
        rows, cols = rows[rows >= 0], cols[cols >= 0]
        if len(rows) and len(cols):
            top, left = int(rows.min()), int(cols.min())
            window = Window(left, top, int(cols.max()) + 1 - left, int(rows.max()) + 1 - top)
            numbers = _read(self.header, window)[np.ix_(rows - top, cols - left)]
            values[inside] = numbers if classes else self._reflectance(numbers)
        return values

    def _reflectance(self, numbers: np.ndarray) -> npt.NDArray[np.float32]:
        missing = ~np.isfinite(numbers)
        for special in (*_SPECIAL_NUMBERS, self.header.nodata):
            if special is not None:
                missing |= numbers == special
        # In double precision and rounded once: 1000 + offset must give 0, not a trace of float32.
        values = (numbers.astype(np.float64) * self.scale + self.offset).astype(np.float32)
        values[missing] = np.nan
        if (np.abs(values) > _BRIGHTEST).any():
            raise FileError(
                f"{self.header.path} must hold reflectances (0 to about 1), instead got "
                f"{float(np.nanmax(np.abs(values))):g}. State how they are stored with quantification and offset"
            )
        return values


def on_grid(header: Header, grid: Header, scale: float, offset: float, dtype: np.dtype) -> Band:
    """Bring a band onto a grid by nearest neighbour: reflectance = number · scale + offset, uint8 = classes as stored.

    Raises
    ------
    FileError
        It has another CRS than the grid, or lies elsewhere.
    """
    if header.crs != grid.crs:
        raise FileError(
            f"{header.path} must have the CRS of {grid.path}, {grid.crs!r}, instead got {header.crs!r}. Open each apart"
        )
    rows, cols = (header.nearest(axis, grid.centres(axis)) for axis in (0, 1))
    if not ((rows >= 0).any() and (cols >= 0).any()):
        raise FileError(f"{header.path} must overlap {grid.path}, instead it lies elsewhere")
    return Band(header, rows, cols, scale, offset, dtype)


def lazy(band: Band) -> da.Array:
    """Give the band as a dask array, (y, x), that reads what is asked for."""
    return da.from_array(band, chunks=_CHUNK, name=False, asarray=False, meta=np.empty((0, 0), band.dtype))


def read_header(path: Path) -> Header:
    """Read the header of a GeoTIFF or JPEG 2000 file, through GDAL's drivers for these two alone.

    Raises
    ------
    FileError
        It is another format, damaged, without a CRS, rotated, or of an absurd size.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    driver = _DRIVERS.get(magic)
    if driver is None:
        raise FileError(f"{path} must be a GeoTIFF or JPEG 2000, instead it begins with {magic!r}. Fetch it again")
    with _open(path, driver) as source:
        shape = (int(source.height), int(source.width))
        transform = source.transform
        header = Header(
            path=path,
            driver=driver,
            shape=shape,
            crs="" if source.crs is None else source.crs.to_string(),
            corner=(transform.f, transform.c),
            step=(transform.e, transform.a),
            dtype=str(source.dtypes[0]),
            nodata=source.nodata,
            scale=float(source.scales[0]),
            offset=float(source.offsets[0]),
        )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise FileError(
            f"{path} must have at most {MAX_PIXELS} pixels, instead its header claims {shape}. Fetch it again"
        )
    if not header.crs or transform.b or transform.d:
        raise FileError(f"{path} must have a CRS and axes along it, instead got crs={header.crs!r}. Fetch it again")
    return header


def _read(header: Header, window: Window) -> np.ndarray:
    with _open(header.path, header.driver) as source:
        if (source.height, source.width) != header.shape:
            raise FileError(f"{header.path} must stay as it was when opened, instead its size changed. Open it again")
        try:
            return source.read(1, window=window)
        except RasterioError as error:
            raise FileError(
                f"{header.path} must be whole, instead its pixels cannot be read. Fetch it again"
            ) from error


def _open(path: Path, driver: str) -> rasterio.DatasetReader:
    with warnings.catch_warnings():
        # A file without a CRS is refused in our own words.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(path, driver=driver)
        except RasterioError as error:
            raise FileError(f"{path} must be a whole raster, instead it cannot be opened: {error}") from error
