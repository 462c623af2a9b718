"""Labels on the disk: one GeoParquet or GeoPackage file that holds all columns."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.files import whole

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
            labels.to_file(partial, layer=_LAYER, driver="GPKG", engine="pyogrio", index=False, geometry_type="Polygon")
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
    except (OSError, ValueError, pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise FileError(f"{source} must be a whole file of labels, instead it cannot be read: {error}") from error
    for name in ("created", "updated"):
        if name in labels:
            labels[name] = pd.to_datetime(labels[name], utc=True).dt.as_unit("us")
    schema.check_boxes(labels, "labels")
    # GIS formats put the geometry last
    further = [name for name in labels.columns if name not in schema.BOX_COLUMNS]
    return gpd.GeoDataFrame(labels[[*schema.BOX_COLUMNS, *further]])


def _known(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        raise LabkitError(f"path must end with one of {_SUFFIXES}, instead got path={target}")
    return target
