"""Sentinel-2 Level-2A folders and band files → surface reflectances of the three bands that tell snow."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from labkit.errors import FileError, LabkitError
from labkit.read.sentinel2_band import Header, lazy, on_grid, read_header
from labkit.read.sentinel2_files import BANDS, CLASSES, Calibration, Look, find_looks, read_calibration


def open_sentinel2(
    path: str | os.PathLike[str],
    *,
    tile: str | None = None,
    quantification: float | None = None,
    offset: float | None = None,
) -> xr.Dataset:
    """Open the Sentinel-2 Level-2A looks of one tile as surface reflectances, lazily.

    Parameters
    ----------
    path : path-like
        An L2A product (``.SAFE``), a folder of several, or a folder of band files (GeoTIFF or JPEG 2000). Their names
        carry B03, B8A, B11 and, where there is one, SCL; their names or those of their folders carry the date.
    tile : str, optional
        "T47RQQ": the tile, where there are several.
    quantification, offset : float, optional
        For band files of whole numbers that do not say it in their tags: reflectance = (number + offset) /
        quantification. Products say it themselves. ESA's quantification is 10000; its offset is −1000 from processing
        baseline 04.00 on (January 2022, and older scenes that were processed again) and 0 before.

    Returns
    -------
    xarray.Dataset
        ``reflectance`` (time, band, y, x) float32, NaN = no data or saturated; ``scene_class`` (time, y, x) uint8, 0 =
        no data, where every look has its scene classification. Coordinates ``time``, ``band`` ("B03", "B8A", "B11"),
        ``y``, ``x`` (pixel centres); attributes ``crs``, ``tile``, ``y_spacing``, ``x_spacing`` (m).

    Raises
    ------
    FileError
        A file is missing, damaged, of another grid, or does not say how it stores reflectances.
    LabkitError
        An argument breaks its rule, or there are several tiles and ``tile`` names none.

    Notes
    -----
    The grid is that of B11: 20 m in ESA's products. Other bands are brought onto it by nearest neighbour, as in the
    paper; of four 10 m pixels around the centre of one of 20 m that is the south-eastern one.

    References
    ----------
    Fu et al. (2022), sections 3 and 4.2.

    Examples
    --------
    >>> import tempfile
    >>> import rasterio
    >>> grid = {"driver": "GTiff", "width": 3, "height": 2, "count": 1, "dtype": "uint16", "crs": "EPSG:32647",
    ...         "transform": rasterio.Affine(20, 0, 500_000, 0, -20, 3_400_000)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for band in ("B03", "B8A", "B11"):
    ...         with rasterio.open(f"{folder}/T47RQQ_20200115T040109_{band}_20m.tif", "w", **grid) as file:
    ...             file.write(np.full((1, 2, 3), 5000, "uint16"))
    ...     looks = open_sentinel2(folder, quantification=10_000, offset=0)
    ...     print(dict(looks.sizes), float(looks["reflectance"][0, 0, 0, 0]))
    {'time': 1, 'band': 3, 'y': 2, 'x': 3} 0.5
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileError(f"path must be a folder of Sentinel-2 products or bands, instead there is none at {folder}")
    if quantification is not None and not quantification > 0:
        raise LabkitError(f"quantification must be above 0, instead got quantification={quantification}")
    looks = _of_one_tile(find_looks(folder), tile, folder)
    stated = None if quantification is None and offset is None else (quantification or 10_000.0, offset or 0.0)
    grid = read_header(looks[0].files["B11"])
    layers = [_reflectances(look, grid, stated) for look in looks]
    with_classes = [look for look in looks if CLASSES in look.files]
    if len(with_classes) not in (0, len(looks)):
        without = next(look for look in looks if CLASSES not in look.files)
        raise FileError(
            f"every look must have its scene classification (SCL) or none, instead it is missing beside "
            f"{without.files['B11']}. Add it, or take that look away"
        )
    variables: dict[str, tuple[tuple[str, ...], da.Array, dict[str, str]]] = {
        "reflectance": (("time", "band", "y", "x"), da.stack(layers), {"units": "1"})
    }
    if with_classes:
        classes = [lazy(on_grid(read_header(look.files[CLASSES]), grid, 1.0, 0.0, np.dtype("uint8"))) for look in looks]
        variables["scene_class"] = (("time", "y", "x"), da.stack(classes), {"long_name": "scene classification"})
    return xr.Dataset(
        variables,
        coords={
            "time": np.array([look.time for look in looks], "datetime64[ns]"),
            "band": list(BANDS),
            "y": grid.centres(0),
            "x": grid.centres(1),
        },
        attrs={
            "crs": grid.crs,
            "tile": looks[0].tile,
            "y_spacing": abs(grid.step[0]),
            "x_spacing": abs(grid.step[1]),
        },
    )


def _of_one_tile(looks: list[Look], tile: str | None, folder: Path) -> list[Look]:
    tiles = sorted({look.tile for look in looks})
    if tile is not None:
        if tile not in tiles:
            raise LabkitError(f"tile must be among {tiles} of {folder}, instead got tile={tile!r}")
        return [look for look in looks if look.tile == tile]
    if len(tiles) > 1:
        raise LabkitError(
            f"tile must be named where there are several, instead {folder} holds {tiles}. Open each with tile='…' and "
            "give lk.snow_mask the list of them"
        )
    return looks


def _reflectances(look: Look, grid: Header, stated: tuple[float, float] | None) -> da.Array:
    product = read_calibration(look.product) if look.product else None
    if product and stated:
        raise LabkitError(
            f"quantification and offset must be left to the product's own metadata, instead they are stated for "
            f"{look.product}"
        )
    bands = []
    for band in BANDS:
        header = read_header(look.files[band])
        scale, offset = _calibrated(header, band, product, stated)
        bands.append(lazy(on_grid(header, grid, scale, offset, np.dtype("float32"))))
    return da.stack(bands)


def _calibrated(
    header: Header, band: str, product: Calibration | None, stated: tuple[float, float] | None
) -> tuple[float, float]:
    """Scale and offset of reflectance = number · scale + offset."""
    if product:
        return 1 / product.quantification, product.offset[band] / product.quantification
    if stated:
        return 1 / stated[0], stated[1] / stated[0]
    if np.dtype(header.dtype).kind == "f" or (header.scale, header.offset) != (1.0, 0.0):
        return header.scale, header.offset
    raise FileError(
        f"{header.path} must say how it stores reflectances, instead it holds whole numbers ({header.dtype}) without a "
        "scale. State offset=-1000 (processing baseline 04.00 and later) or offset=0 (before)"
    )
