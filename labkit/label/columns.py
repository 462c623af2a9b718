"""The columns of what people make: labels, looks (finished annotations, also without a box) and what was set aside.

Each table has a key that stays the same while its row changes, and a ``hash`` of what its row says, so that two pulls
can be compared without looking at every value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import pandas as pd

from labkit import schema
from labkit.errors import LabkitError

#: What a label has beyond :data:`labkit.schema.BOX_COLUMNS`. ``label_id`` names it for good; ``chip_id`` the chip it
#: was drawn on; ``annotator`` who (e-mail); ``created`` and ``updated`` when (UTC); ``lead_time`` s spent on the whole
#: annotation, NaN unknown; ``origin`` one of :data:`ORIGINS`; ``proposed_by`` the model whose box it was, "" for none;
#: ``guidance`` the version of the guidance shown; ``repaired`` what was mended, "" for nothing; ``placed`` how lon/lat
#: were had: "scene" (its own coordinates), "corners" (of the chip), "file", "" not; ``project``, ``server_version``,
#: ``task_id``, ``annotation_id`` and ``region_id`` are Label Studio's ("" and −1 for labels from elsewhere).
LABEL_COLUMNS = (
    "label_id",
    "chip_id",
    "annotator",
    "created",
    "updated",
    "lead_time",
    "origin",
    "proposed_by",
    "guidance",
    "repaired",
    "placed",
    "project",
    "server_version",
    "task_id",
    "annotation_id",
    "region_id",
    "hash",
)

#: How a box came to be: drawn by hand, a model's taken as it was, a model's that was changed, brought in from a file.
ORIGINS = ("manual", "accepted", "moved", "imported")

#: A finished annotation: somebody looked at a chip and said what is there; ``labels`` counts the usable boxes.
LOOK_COLUMNS = (
    "look_id",
    "chip_id",
    "scene",
    "annotator",
    "created",
    "updated",
    "lead_time",
    "labels",
    "guidance",
    "project",
    "server_version",
    "task_id",
    "annotation_id",
    "hash",
)

#: A region that cannot become a label: why, and ``item``, the region itself as JSON.
ASIDE_COLUMNS = (
    "aside_id",
    "chip_id",
    "task_id",
    "annotation_id",
    "region_id",
    "annotator",
    "reason",
    "item",
    "project",
)

#: The columns of each table that a store keeps, without ``deleted``.
TABLES = {"labels": (*schema.BOX_COLUMNS, *LABEL_COLUMNS), "looks": LOOK_COLUMNS, "set_aside": ASIDE_COLUMNS}

#: The key of each table.
KEYS = {"labels": "label_id", "looks": "look_id", "set_aside": "aside_id"}

_FLOATS = {"xmin", "ymin", "xmax", "ymax", "score", "lead_time"}
_TIMES = {"created", "updated", "deleted"}
_INTEGERS = {"task_id", "annotation_id", "labels", "revision"}

#: What changes without the label's own doing: the guidance of the project, its title and server, and where lon/lat came
#: from. The rest of a row is its content.
_ABOUT = {"guidance", "placed", "project", "server_version", "geometry", "hash", "deleted"}


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give known columns their dtype: numbers, UTC times in µs, words; further columns stay as they are."""
    out = table.copy()
    known = {*schema.BOX_COLUMNS, *LABEL_COLUMNS, *LOOK_COLUMNS, *ASIDE_COLUMNS, *_TIMES, *_INTEGERS} - {"geometry"}
    for name in known & set(map(str, out.columns)):
        if name in _TIMES:
            out[name] = pd.to_datetime(out[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        elif name in _FLOATS:
            out[name] = out[name].astype("float64")
        elif name in _INTEGERS:
            out[name] = out[name].astype("int64")
        else:
            out[name] = pd.Series(["" if _missing(v) else str(v) for v in out[name]], index=out.index, dtype=object)
    return out


def empty_table(columns: Iterable[str]) -> pd.DataFrame:
    """Make a table without rows, with these columns and their dtypes."""
    return typed(pd.DataFrame({name: pd.Series([], dtype=object) for name in columns}))


def plain(value: Any) -> Any:
    """Write a value as JSON knows it: times as ISO 8601 with µs, missing ones as None.

    Examples
    --------
    >>> plain(pd.Timestamp("2024-05-06 07:08:09.5", tz="UTC")), plain(float("nan"))
    ('2024-05-06T07:08:09.500000+00:00', None)
    """
    if _missing(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat(timespec="microseconds")
    return value.item() if hasattr(value, "item") else value


def digest(values: object) -> str:
    """Give the SHA-256 of a value as canonical JSON."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(row: Mapping[str, Any]) -> str:
    """Give the hash of what a row says; its guidance, project and place on the Earth are not part of it."""
    return digest({name: plain(value) for name, value in row.items() if name not in _ABOUT})


def labels_table(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    """Make a labels table of rows that hold every column but score, model and hash."""
    names = [name for name in (*schema.BOX_COLUMNS, *LABEL_COLUMNS) if name not in ("score", "model", "hash")]
    table = schema.boxes_table({name: [row[name] for row in rows] for name in names})
    return with_hash(gpd.GeoDataFrame(typed(table)))


def complete(labels: gpd.GeoDataFrame, *, project: str, annotator: str, origin: str) -> gpd.GeoDataFrame:
    """Fill the columns that boxes from elsewhere lack; without ``label_id`` they are named by what they say."""
    if origin not in ORIGINS:
        raise LabkitError(f"origin must be one of {ORIGINS}, instead got origin={origin!r}")
    table = labels.reset_index(drop=True)
    neutral: dict[str, Any] = {"project": project, "annotator": annotator, "origin": origin}
    neutral |= {"lead_time": float("nan"), "created": pd.NaT, "updated": pd.NaT, "task_id": -1, "annotation_id": -1}
    neutral["placed"] = ["" if shape is None or shape.is_empty else "file" for shape in table.geometry]
    for name in LABEL_COLUMNS:
        if name not in table:
            table[name] = neutral.get(name, "")
    table = gpd.GeoDataFrame(typed(table))
    names = ("scene", "direction", "xmin", "ymin", "xmax", "ymax", "label", "chip_id", "annotator", "project")
    seen: dict[str, int] = {}
    for place, row in enumerate(table.to_dict("records")):
        if not row["label_id"]:
            says = digest([plain(row[name]) for name in names])
            seen[says] = seen.get(says, -1) + 1
            table.loc[place, "label_id"] = digest([says, seen[says]])[:32]
    if table["label_id"].duplicated().any():
        twice = table["label_id"][table["label_id"].duplicated()].iloc[0]
        raise LabkitError(f"label_id must name one label each, instead label_id={twice!r} comes twice")
    return with_hash(table)[[*schema.BOX_COLUMNS, *LABEL_COLUMNS]]


def complete_looks(looks: pd.DataFrame | None, *, project: str, annotator: str) -> pd.DataFrame:
    """Fill the columns that looks by hand lack; each is named by its project, chip and annotator.

    Raises
    ------
    LabkitError
        A chip is not named, or one person's look at a chip comes twice.
    """
    if looks is None or not len(looks):
        return empty_table(LOOK_COLUMNS)
    if "chip_id" not in looks or (looks["chip_id"].astype(str) == "").any():
        raise LabkitError("looks must name the chip of each look in the column chip_id, instead one has none")
    neutral: dict[str, Any] = {"project": project, "annotator": annotator, "created": pd.NaT, "updated": pd.NaT}
    neutral |= {"lead_time": float("nan"), "labels": 0, "task_id": -1, "annotation_id": -1}
    filled = {name: looks[name].tolist() if name in looks else neutral.get(name, "") for name in LOOK_COLUMNS}
    table = typed(pd.DataFrame(filled, index=range(len(looks))))
    table["look_id"] = [
        digest([row["project"], row["chip_id"], row["annotator"]])[:32] for row in table.to_dict("records")
    ]
    if table["look_id"].duplicated().any():
        twice = table["chip_id"][table["look_id"].duplicated()].iloc[0]
        raise LabkitError(f"looks must hold one look of each person at a chip, instead chip_id={twice!r} comes twice")
    return table.assign(hash=[content_hash(row) for row in table.to_dict("records")])


def with_hash(labels: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give labels with their ``hash`` column made anew and the columns in their order."""
    names = [name for name in (*schema.BOX_COLUMNS, *LABEL_COLUMNS) if name not in ("geometry", "hash")]
    hashes = [content_hash(row) for row in labels[names].to_dict("records")]
    table = labels.assign(hash=pd.Series(hashes, index=labels.index, dtype=object))
    further = [name for name in table.columns if name not in (*schema.BOX_COLUMNS, *LABEL_COLUMNS)]
    return gpd.GeoDataFrame(table[[*schema.BOX_COLUMNS, *LABEL_COLUMNS, *further]])


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)
