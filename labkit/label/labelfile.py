"""Labels on the disk: one file that holds all columns, for labkit, GIS or Google Earth."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
import xarray as xr
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from labkit import kml, schema
from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.label import vectors
from labkit.label.columns import LABEL_COLUMNS, plain, typed
from labkit.label.ground import move_labels

_SUFFIXES = (".parquet", ".gpkg", ".geojson", ".kml", ".kmz")
_LAYER = "labels"


def save_labels(labels: gpd.GeoDataFrame, path: str | Path) -> Path:
    """Write labels to a file, whole or not at all.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels (:mod:`labkit.schema`), also an empty table.
    path : path
        Ends with ``.parquet`` (GeoParquet, keeps every type), ``.gpkg`` (GeoPackage), ``.geojson``, ``.kml`` or
        ``.kmz``. An older file of that name is replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        The labels break the schema, or the ending is another.
    FileError
        The disk is full or cannot be written.

    Notes
    -----
    Every column comes back from :func:`load_labels` as it was; in KML the polygon is rounded to 1e-8°, about 1 mm, and
    the pixel corners are not. Times are text (ISO 8601, µs) in all but GeoParquet.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> truth = lk.simulate.scene("tiny").rate_truth
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("labels.parquet", "labels.gpkg", "labels.kmz"):
    ...         path = lk.label.save_labels(truth, f"{folder}/{name}")
    ...         print(path.name, len(lk.label.load_labels(path)))
    labels.parquet 5
    labels.gpkg 5
    labels.kmz 5
    """
    schema.check_boxes(labels, "labels")
    target = _known(path)
    with whole(target) as partial:
        if target.suffix == ".parquet":
            labels.to_parquet(partial, index=False)
        elif target.suffix == ".gpkg":
            _write_geopackage(labels, partial, target)
        elif target.suffix == ".geojson":
            partial.write_text(vectors.geojson_text(labels), encoding="utf-8")
        elif target.suffix == ".kml":
            partial.write_bytes(kml.kml_text(labels, "labels"))
        else:
            kml.write_kmz(kml.kml_text(labels, "labels"), partial)
    return target


def load_labels(
    path: str | Path, data: xr.Dataset | None = None, *, direction: str = "", label: str = schema.LANDSLIDE
) -> gpd.GeoDataFrame:
    """Read labels from a file that :func:`save_labels` wrote, or outlines that somebody else drew.

    Parameters
    ----------
    path : path
        As for :func:`save_labels`.
    data : Dataset, optional
        A scene. Needed for outlines without pixel corners, which get theirs on it, and then also ``direction``.
        Labels that have pixel corners keep them.
    direction, label : str
        What such outlines are: "azimuth", "range" or "rate", and the word for them.

    Raises
    ------
    FileError
        The file is missing or cannot be read.
    LabkitError
        It holds no labels, or outlines without a scene to lay them on.

    Examples
    --------
    Outlines from a GIS, laid on a scene:

    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scene.landslides[["geometry"]].to_file(f"{folder}/outlines.geojson")
    ...     rates = scene.rates["ascending"]
    ...     labels = lk.label.load_labels(f"{folder}/outlines.geojson", rates, direction="rate")
    >>> labels[["scene", "direction", "xmin", "ymin", "xmax", "ymax"]].round(1).head(2)
                scene direction   xmin  ymin   xmax   ymax
    0  tiny-ascending      rate   54.1  97.8   67.3  110.9
    1  tiny-ascending      rate  133.7  98.7  166.3  121.4
    """
    source = _known(path)
    if not source.is_file():
        raise FileError(f"{source} must be a file of labels, instead there is none. Write one with save_labels")
    try:
        labels = _READERS[source.suffix](source)
        attrs = labels.attrs
        if data is not None and not {"xmin", "ymin", "xmax", "ymax"} <= set(labels.columns):
            labels = _lay_on(labels, data, direction, label)
        if not len(labels) or "label_id" in labels:
            # KML leaves out what no row says
            labels = labels.assign(**{n: None for n in (*schema.BOX_COLUMNS, *LABEL_COLUMNS) if n not in labels})
            labels = labels[[n for n in labels if n not in LABEL_COLUMNS] + list(LABEL_COLUMNS)]
        labels = typed(labels)
        schema.check_boxes(labels, "labels")
    except LabkitError:
        raise
    except (OSError, ValueError, TypeError, KeyError, OverflowError, *_ODD_ERRORS) as error:
        raise FileError(f"{source} must be a whole file of labels, instead it cannot be read: {error}") from error
    labels.attrs = attrs
    # GIS formats put the geometry last
    further = [name for name in labels.columns if name not in schema.BOX_COLUMNS]
    return gpd.GeoDataFrame(labels[[*schema.BOX_COLUMNS, *further]])


def revision_of(path: Path) -> int | None:
    """Give the revision of its store that a GeoParquet file of labels holds; None where it says none or is damaged."""
    try:
        about = (pq.read_schema(path).metadata or {}).get(b"pandas", b"{}")
        return dict(json.loads(about).get("attributes") or {}).get("revision")
    except (OSError, pa.ArrowException, ValueError):
        return None


def _lay_on(outlines: gpd.GeoDataFrame, data: xr.Dataset, direction: str, label: str) -> gpd.GeoDataFrame:
    if direction not in (*schema.DIRECTIONS, "rate"):
        words = (*schema.DIRECTIONS, "rate")
        raise LabkitError(f"direction must be one of {words} for outlines, instead got direction={direction!r}")
    table = outlines.assign(direction=direction, xmin=0.0, ymin=0.0, xmax=1.0, ymax=1.0, scene="")
    for name, value in {"label": label, "score": 1.0, "model": ""}.items():
        if name not in table:
            table[name] = value
    return move_labels(gpd.GeoDataFrame(table), data)


def _write_geopackage(labels: gpd.GeoDataFrame, partial: Path, target: Path) -> None:
    # a GeoPackage's own times end at the millisecond
    times = {str(c): [plain(v) for v in labels[c]] for c in labels if isinstance(labels[c].dtype, pd.DatetimeTZDtype)}
    try:
        labels.assign(**times).to_file(
            partial, layer=_LAYER, driver="GPKG", engine="pyogrio", index=False, geometry_type="Polygon"
        )
    except (DataSourceError, DataLayerError, FeatureError) as error:
        # sqlite's words for a full disk say nothing of a disk
        raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error


def _read_geopackage(path: Path) -> gpd.GeoDataFrame:
    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    if not layers:
        raise FileError(f"{path} must hold a layer of labels, instead it is empty")
    table = gpd.read_file(path, layer=_LAYER if _LAYER in layers else layers[0])
    if not isinstance(table, gpd.GeoDataFrame):
        raise FileError(f"{path} must hold outlines, instead layer {layers[0]!r} has no geometry")
    return table


def _read_kmz(path: Path) -> gpd.GeoDataFrame:
    return vectors.from_kml(vectors.unpack_kmz(path), path)


_READERS = {
    ".parquet": gpd.read_parquet,
    ".gpkg": _read_geopackage,
    ".geojson": lambda path: vectors.from_geojson(path.read_bytes(), path),
    ".kml": lambda path: vectors.from_kml(path.read_bytes(), path),
    ".kmz": _read_kmz,
}

#: What libraries say of damaged files, besides Python's own words.
_ODD_ERRORS = (
    pa.ArrowException,
    DataSourceError,
    DataLayerError,
    FeatureError,
    shapely.errors.ShapelyError,
    pd.errors.OutOfBoundsDatetime,
)


def _known(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        raise LabkitError(f"path must end with one of {_SUFFIXES}, instead got path={target}")
    return target
