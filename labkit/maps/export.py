"""Files that other programs open: landslides for GIS and Google Earth, density as GeoTIFF."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from rasterio import Affine

from labkit import geo, ground
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.kml import GroundPicture, kml_text, write_kmz
from labkit.maps.shapefile import write_shapefile
from labkit.maps.styles import add_style, qgis_style


def write_detections(
    detections: gpd.GeoDataFrame,
    path: str | Path,
    *,
    style: bool = False,
    pictures: Sequence[GroundPicture] = (),
) -> Path:
    """Write landslides to a file; the suffix says the format.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        Detections, labels or any table with a geometry and a coordinate system. An empty one gives a valid, empty file.
    path : str or pathlib.Path
        ``.gpkg`` (GeoPackage), ``.geojson``, ``.parquet`` (GeoParquet), ``.kml``, ``.kmz``, or,
        for programs that read nothing newer, ``.shp``. Its folder is made. An existing file is replaced once the new
        one is whole.
    style : bool
        Put a style for QGIS, outlines by ``score``, into a GeoPackage. It is a second table, ``layer_styles``: a
        program that lists layers sees it too, and geopandas then wants ``layer=`` with the file's stem.
    pictures : sequence of GroundPicture
        Laid under the landslides in a KMZ, the first at the bottom, each with its colour bar, as
        ``lk.view.ground_picture`` makes them of density, rates and gradients.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        The suffix is none of these, a style or pictures are asked for in another format, the table has no geometry or
        no coordinate system, a coordinate is no place on the Earth, or two columns share a name (in a GeoPackage also
        one that differs in capitals alone).

    Notes
    -----
    GeoJSON and KML are in longitude and latitude (WGS 84) as their standards ask; the others keep the table's own
    system. Lists, tuples, sets and dictionaries become JSON text in every format (in GeoJSON, JSON of its own).
    Numbers, booleans, text and times keep their type where the format knows it; whole numbers beyond 64 bits, complex
    ones and spans of time become text, infinity in GeoJSON null; KML holds everything as text. In KML and GeoJSON a
    shape that crosses the date line is cut there. A shapefile cuts names at 10 bytes and texts at 254, and holds
    booleans as 0 and 1 and times as text: ``x.fields.csv`` beside it tells which field is which column, and how many
    texts were cut.

    Examples
    --------
    >>> import tempfile
    >>> import geopandas as gpd
    >>> import labkit as lk
    >>> landslides = lk.simulate.scene("tiny").landslides
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_detections(landslides, folder + "/landslides.gpkg")
    ...     len(landslides), len(gpd.read_file(file))
    (5, 5)
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise LabkitError(f"path must end with one of {', '.join(_WRITERS)}, instead got path={path.name!r}")
    if style and writer is not _write_gpkg:
        raise LabkitError(f"style must be False for {path.suffix}, instead got style={style}. Only .gpkg holds one")
    if pictures and writer is not _write_kmz:
        raise LabkitError(f"pictures must be none for {path.suffix}, instead got {len(pictures)}. Only .kmz holds them")
    if not isinstance(detections, gpd.GeoDataFrame) or detections.active_geometry_name is None:
        raise LabkitError(f"detections must be a GeoDataFrame with a geometry, instead got {type(detections).__name__}")
    if detections.crs is None:
        raise LabkitError("detections must say their coordinate system, instead got crs=None. Set detections.crs")
    repeated = sorted({str(c) for c in detections.columns[detections.columns.astype(str).duplicated()]})
    if repeated:
        raise LabkitError(f"detections must have columns of different names, instead got twice: {repeated}")
    shapes = detections.geometry
    ground.placed("detections", shapes[~(shapes.isna() | shapes.is_empty)])  # a row without a place is allowed
    portable = _portable(detections)
    if writer is _write_gpkg:
        _check_names(portable)
    if writer is write_shapefile:
        write_shapefile(portable, path, _geometry_type(portable))  # of several files: whole by itself
        return path
    with whole(path) as partial:
        if writer is _write_kmz:
            _write_kmz(portable, partial, pictures)
        else:
            writer(portable, partial)
        if style:
            add_style(partial, path.stem, qgis_style(portable))
    return path


def write_density(density: xr.DataArray, path: str | Path) -> Path:
    """Write a density map as a GeoTIFF (float32, NaN = no data), whole or not at all.

    Parameters
    ----------
    density : xarray.DataArray (y, x)
        As :func:`labkit.density` returns it.
    path : str or pathlib.Path
        Ends with ``.tif`` or ``.tiff``. Its folder is made.

    Returns
    -------
    pathlib.Path
        The file. Band 1, "landslide density", landslides per km² of observed ground; band 2, "observed share", how much
        of each cell was observed, 0 to 1, where the map knows it.

    Raises
    ------
    LabkitError
        The suffix is not ``.tif`` or ``.tiff``, or the map lacks its coordinates or coordinate system.

    Examples
    --------
    >>> import tempfile
    >>> import rasterio
    >>> import labkit as lk
    >>> field = lk.density(lk.simulate.scene("tiny").landslides, cell_m=500, bandwidth_m=1000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with rasterio.open(write_density(field, folder + "/density.tif")) as file:
    ...         file.shape == field.shape, file.descriptions
    (True, ('landslide density', 'observed share'))
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise LabkitError(f"path must end with .tif or .tiff, instead got path={path.name!r}")
    if density.dims != ("y", "x") or not density.attrs.get("crs") or "cell_m" not in density.attrs:
        raise LabkitError("density must be a map (y, x) with the attributes crs and cell_m, as labkit.density returns")
    cell = float(density.attrs["cell_m"])
    bands = {"landslide density": (density, str(density.attrs.get("units", "")))}
    if "observed" in density.coords:
        bands["observed share"] = (density["observed"], "1")
    left, top = float(density["x"].values[0]) - cell / 2, float(density["y"].values[0]) + cell / 2
    with (
        whole(path) as partial,
        rasterio.open(
            partial,
            "w",
            driver="GTiff",
            height=density.sizes["y"],
            width=density.sizes["x"],
            count=len(bands),
            dtype="float32",
            crs=density.attrs["crs"],
            transform=Affine(cell, 0.0, left, 0.0, -cell, top),
            nodata=np.nan,
            compress="deflate",
        ) as target,
    ):
        for number, (name, (band, unit)) in enumerate(bands.items(), 1):
            target.write(band.values.astype(np.float32), number)
            target.set_band_description(number, name)
            target.set_band_unit(number, unit)
        target.update_tags(**{k: str(v) for k, v in density.attrs.items() if k not in ("crs", "units")})
    return path


def _portable(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The table with columns that every format can hold, and a plain index."""
    table = table.reset_index(drop=True).copy()
    table.columns = [str(c) for c in table.columns]
    for column in table.columns.drop(table.active_geometry_name):
        if isinstance(table[column].dtype, pd.CategoricalDtype):
            table[column] = table[column].astype(table[column].cat.categories.dtype)
        if table[column].dtype == object or table[column].dtype.kind in "mcu":
            table[column] = _plain(table[column])
    return table


def _plain(values: pd.Series) -> pd.Series:
    known = [v for v in values if not _is_missing(v)]
    if known and all(isinstance(v, bool | np.bool_) for v in known):
        return values.astype("boolean" if len(known) < len(values) else bool)
    if known and all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in known):
        if any(isinstance(v, float | np.floating) for v in known):
            return values.astype(float)
        if all(_LEAST_INTEGER <= v <= _MOST_INTEGER for v in known):
            return values.astype("Int64")
    if known and all(isinstance(v, pd.Timestamp | np.datetime64) for v in known):
        return pd.to_datetime(values)
    return pd.Series([_word(value) for value in values], index=values.index, dtype=object)


def _is_missing(value: object) -> bool:
    return not isinstance(value, list | tuple | set | frozenset | dict | np.ndarray) and bool(pd.isna(value))


def _word(value: object) -> str | None:
    if _is_missing(value):
        return None
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple | dict | np.ndarray):
        value = json.dumps(value, default=_json, ensure_ascii=False)
    if isinstance(value, pd.Timedelta):
        value = value.isoformat()
    # a lone half of a surrogate pair is no character, and no file can hold it
    return str(value).encode(errors="replace").decode()


def _json(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _check_names(table: gpd.GeoDataFrame) -> None:
    names = pd.Series(table.columns).str.lower()
    alike = sorted(table.columns[names.duplicated(keep=False)])
    if alike:
        raise LabkitError(
            f"detections must have names that differ by more than capitals for .gpkg, instead got {alike}"
        )


def _write_gpkg(table: gpd.GeoDataFrame, path: Path) -> None:
    names = {column.lower() for column in table.columns}
    # GDAL numbers the rows in a column of its own, which would swallow one of that name
    key = next(name for name in ("fid", *(f"fid_{n}" for n in range(1, len(names) + 2))) if name not in names)
    table.to_file(path, driver="GPKG", engine="pyogrio", geometry_type=_geometry_type(table), FID=key)


def _write_geojson(table: gpd.GeoDataFrame, path: Path) -> None:
    numbers = table.select_dtypes("floating").columns
    # JSON has no word for infinity
    table = table.to_crs(geo.WGS84).assign(**{name: table[name].where(np.isfinite(table[name])) for name in numbers})
    table.to_file(path, driver="GeoJSON", engine="pyogrio", geometry_type=_geometry_type(table), RFC7946="YES")


def _write_parquet(table: gpd.GeoDataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def _write_kml(table: gpd.GeoDataFrame, path: Path) -> None:
    path.write_bytes(kml_text(table.to_crs(geo.WGS84), path.stem))


def _write_kmz(table: gpd.GeoDataFrame, path: Path, pictures: Sequence[GroundPicture]) -> None:
    write_kmz(kml_text(table.to_crs(geo.WGS84), path.stem, pictures), path, pictures)


def _geometry_type(table: gpd.GeoDataFrame) -> str:
    known = table.geometry[~table.geometry.isna()]
    types = set(known.geom_type) or {"Polygon"}
    if len(types) > 1:
        return "Unknown"
    return types.pop() + (" Z" if known.has_z.any() else "")


_LEAST_INTEGER, _MOST_INTEGER = np.iinfo(np.int64).min, np.iinfo(np.int64).max

_WRITERS: dict[str, Callable[..., None]] = {
    ".gpkg": _write_gpkg,
    ".geojson": _write_geojson,
    ".parquet": _write_parquet,
    ".kml": _write_kml,
    ".kmz": _write_kmz,
    ".shp": write_shapefile,
}
