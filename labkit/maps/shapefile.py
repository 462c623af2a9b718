"""The shapefile, for programs that read nothing newer: short names, short texts, and a list of what was cut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import geopandas as gpd
import pandas as pd

from labkit.errors import FileError, LabkitError

#: What the format holds: bytes of a field's name and of a text.
_NAME_BYTES, _TEXT_BYTES = 10, 254

#: Geometries that go together in one file.
_KINDS = ({"Polygon", "MultiPolygon"}, {"LineString", "MultiLineString"}, {"Point"}, {"MultiPoint"})

#: Files of a shapefile, the one that programs open last.
_PARTS = (".dbf", ".shx", ".prj", ".cpg", ".fields.csv", ".shp")


def write_shapefile(table: gpd.GeoDataFrame, path: Path, geometry_type: str) -> None:
    """Write ``x.shp`` with its companions, and ``x.fields.csv``: each field, its column, and how many texts were cut.

    Raises
    ------
    LabkitError
        The geometries are of several kinds, which a shapefile cannot hold.
    """
    kinds = sorted(set(table.geometry.dropna().geom_type))
    if not any(set(kinds) <= held for held in _KINDS):
        raise LabkitError(f"geometry must be of one kind for a shapefile, instead got {kinds}. Write a .gpkg")
    columns = [c for c in table.columns if c != table.active_geometry_name]
    fields = short_names(columns)
    kept, rows = table.rename(columns=fields), []
    for column in columns:
        values, cut = _short(table[column])
        kept[fields[column]] = values
        rows.append({"field": fields[column], "column": column, "texts_cut": cut})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            partial = Path(folder) / path.name
            kind = (kinds or ["Polygon"])[-1] if geometry_type == "Unknown" else geometry_type
            kept.to_file(partial, driver="ESRI Shapefile", engine="pyogrio", encoding="UTF-8", geometry_type=kind)
            pd.DataFrame(rows, columns=["field", "column", "texts_cut"]).to_csv(
                partial.with_suffix(".fields.csv"), index=False
            )
            for suffix in _PARTS:
                if partial.with_suffix(suffix).exists():
                    partial.with_suffix(suffix).replace(path.with_suffix(suffix))
                else:
                    path.with_suffix(suffix).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} must be writable with enough room on its disk, instead got: {error}") from error


def short_names(columns: list[str]) -> dict[str, str]:
    """Cut names to ten bytes, each still its own.

    Examples
    --------
    >>> short_names(["score", "member_boxes", "member_box_count", "größe_der_fläche"])
    {'score': 'score', 'member_boxes': 'member_box', 'member_box_count': 'member_b_1', 'größe_der_fläche': 'größe_de'}
    """
    taken: set[str] = set()
    fields: dict[str, str] = {}
    for column in columns:
        field, number = _cut(column, _NAME_BYTES), 0
        while field.lower() in taken:
            number += 1
            field = _cut(column, _NAME_BYTES - 1 - len(str(number))) + f"_{number}"
        taken.add(field.lower())
        fields[column] = field
    return fields


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore").rstrip()


def _short(values: pd.Series) -> tuple[pd.Series, int]:
    """The values as a shapefile holds them, and how many texts were cut."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("Int32"), 0
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        values = values.map(lambda when: None if pd.isna(when) else when.isoformat()).astype(object)
    if values.dtype != object and not pd.api.types.is_string_dtype(values.dtype):
        return values, 0
    long = values.map(lambda text: isinstance(text, str) and len(text.encode()) > _TEXT_BYTES)
    return values.map(lambda text: _cut(text, _TEXT_BYTES) if isinstance(text, str) else text), int(long.sum())
