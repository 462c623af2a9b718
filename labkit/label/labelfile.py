"""Labels on the disk: one GeoParquet or GeoPackage file that holds all columns."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.label.columns import typed

_SUFFIXES = (".parquet", ".gpkg")
_LAYER = "labels"


def save_labels(labels: gpd.GeoDataFrame, path: str | Path) -> Path:
    """Write labels to a file, whole or not at all.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels (:mod:`labkit.schema`), also an empty table.
    path : path
        Ends with ``.parquet`` (GeoParquet, keeps every type) or ``.gpkg`` (GeoPackage, for GIS). An older file of that
        name is replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        The labels break the schema, or the ending is another.
    """
    schema.check_boxes(labels, "labels")
    target = _known(path)
    with whole(target) as partial:
        if target.suffix == ".parquet":
            labels.to_parquet(partial, index=False)
        else:
            _write_geopackage(labels, partial, target)
    return target


def load_labels(path: str | Path) -> gpd.GeoDataFrame:
    """Read labels from a file that :func:`save_labels` wrote.

    Raises
    ------
    FileError
        The file is missing or cannot be read.
    LabkitError
        It holds no labels.
    """
    source = _known(path)
    if not source.is_file():
        raise FileError(f"{source} must be a file of labels, instead there is none. Write one with save_labels")
    try:
        labels = gpd.read_parquet(source) if source.suffix == ".parquet" else gpd.read_file(source, layer=_LAYER)
    except (OSError, ValueError, DataSourceError, DataLayerError) as error:
        raise FileError(f"{source} must be a whole file of labels, instead it cannot be read: {error}") from error
    schema.check_boxes(labels, "labels")
    attrs = labels.attrs
    labels = typed(labels)
    labels.attrs = attrs
    # GIS formats put the geometry last
    further = [name for name in labels.columns if name not in schema.BOX_COLUMNS]
    return gpd.GeoDataFrame(labels[[*schema.BOX_COLUMNS, *further]])


def _write_geopackage(labels: gpd.GeoDataFrame, partial: Path, target: Path) -> None:
    try:
        labels.to_file(partial, layer=_LAYER, driver="GPKG", engine="pyogrio", index=False, geometry_type="Polygon")
    except (DataSourceError, DataLayerError, FeatureError) as error:
        # sqlite's words for a full disk say nothing of a disk
        raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error


def revision_of(path: Path) -> int | None:
    """Give the revision of its store that a GeoParquet file of labels holds; None where it says none or is damaged."""
    try:
        about = (pq.read_schema(path).metadata or {}).get(b"pandas", b"{}")
        return dict(json.loads(about).get("attributes") or {}).get("revision")
    except (OSError, pa.ArrowException, ValueError):
        return None


def _known(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        raise LabkitError(f"path must end with one of {_SUFFIXES}, instead got path={target}")
    return target
