"""The file of a review: a GeoPackage that GIS programs open, to which each answer is added in one transaction.

    sample     the detections to look at, in their order
    answers    what each reviewer says of each, and the outline drawn on it: what stands
    history    every answer that was ever given
    about      how the sample was drawn

SQLite, which a GeoPackage is, writes whole transactions or none, also where the process dies or the disk is full, and
lets several processes write in turn.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from labkit import geo
from labkit.errors import FileError
from labkit.files import whole

FORMAT = "1"

#: Columns of an answer before its outline; ``answered`` is UTC, ISO 8601.
ANSWER_COLUMNS = ("detection_id", "reviewer", "answer", "note", "answered")

#: How long a write waits for another process's, s.
WAIT_S = 30.0

_WGS84_ID = 4326

#: A geometry's header in a GeoPackage: "GP", version 0, flags (little-endian, no envelope), the coordinate system.
_HEADER = struct.Struct("<2sBBi")
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}


@dataclass(frozen=True)
class ReviewFile:
    """A review file that is there."""

    path: Path

    def about(self) -> dict[str, str]:
        """Read how the sample was drawn.

        Raises
        ------
        FileError
            It is no review file, or one of another version of labkit.
        """
        with self._connected() as database:
            rows: dict[str, str] = dict(database.execute("SELECT name, value FROM about").fetchall())
        if rows.get("format") != FORMAT:
            raise FileError(f"{self.path} must be a review file of format {FORMAT}, instead got {rows.get('format')!r}")
        return rows

    def sample(self) -> gpd.GeoDataFrame:
        """Read the detections to look at, in their order."""
        return self._table("sample").sort_values("place", ignore_index=True)

    def answers(self) -> gpd.GeoDataFrame:
        """Read what stands; ``geometry`` is the outline (lon/lat), None where none was drawn."""
        return self._table("answers")

    def history(self) -> pd.DataFrame:
        """Read every answer that was given, oldest first; ``outline`` is WKT, "" for none."""
        with self._connected() as database:
            return _read(database, "history").drop(columns="fid")

    def put(self, answer: dict[str, str], outline: MultiPolygon | None) -> None:
        """Write an answer; it replaces that of the same reviewer on the same detection.

        Raises
        ------
        FileError
            The disk is full, the file cannot be written, or another process holds it for too long.
        """
        values = [answer[name] for name in ANSWER_COLUMNS]
        blob = None if outline is None else _to_blob(outline)
        wkt = "" if outline is None else outline.wkt
        columns = ", ".join(ANSWER_COLUMNS)
        with self._connected() as database:
            # all that follows is one transaction
            database.execute("BEGIN IMMEDIATE")
            changed = database.execute(
                "UPDATE answers SET answer = ?, note = ?, answered = ?, geom = ? "
                "WHERE detection_id = ? AND reviewer = ?",
                [*values[2:], blob, *values[:2]],
            )
            if not changed.rowcount:
                database.execute(f"INSERT INTO answers ({columns}, geom) VALUES (?, ?, ?, ?, ?, ?)", [*values, blob])
            database.execute(f"INSERT INTO history ({columns}, outline) VALUES (?, ?, ?, ?, ?, ?)", [*values, wkt])
            database.execute("UPDATE gpkg_contents SET last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
            database.execute("COMMIT")

    def _table(self, name: str) -> gpd.GeoDataFrame:
        with self._connected() as database:
            table = _read(database, name)
        shapes = [None if blob is None else _from_blob(blob) for blob in table.pop("geom")]
        return gpd.GeoDataFrame(table.drop(columns="fid"), geometry=gpd.GeoSeries(shapes, crs=geo.WGS84))

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # mode=rw: what a killed process left half-done is undone on opening, and no new file is made
        address = f"{self.path.resolve().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, timeout=WAIT_S, isolation_level=None, uri=True)) as database:
                yield database
        except sqlite3.Error as error:
            raise FileError(
                f"{self.path} must be a review file that can be read and written, instead got: {error}. "
                "Name another file, or close the program that holds it"
            ) from error


def create(path: Path, sample: gpd.GeoDataFrame, about: dict[str, str]) -> ReviewFile:
    """Make a review file, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        Where it is to be.
    sample : geopandas.GeoDataFrame
        Detections with ``detection_id`` and ``place``, lon/lat.
    about : dict of str
        How the sample was drawn.
    """
    words = pd.DataFrame({name: pd.Series([], dtype=str) for name in ANSWER_COLUMNS})
    answers = gpd.GeoDataFrame(words, geometry=gpd.GeoSeries([], crs=geo.WGS84))
    told = pd.DataFrame({"name": ["format", *about], "value": [FORMAT, *about.values()]})
    # an index over space is kept by functions that plain SQLite does not have
    shapes = {"driver": "GPKG", "layer_options": {"SPATIAL_INDEX": "NO"}}
    with whole(path) as partial:
        pyogrio.write_dataframe(_plain(sample), partial, layer="sample", geometry_type="Unknown", **shapes)
        pyogrio.write_dataframe(answers, partial, layer="answers", geometry_type="MultiPolygon", **shapes)
        pyogrio.write_dataframe(words.assign(outline=pd.Series([], dtype=str)), partial, layer="history", driver="GPKG")
        pyogrio.write_dataframe(told, partial, layer="about", driver="GPKG")
        with closing(sqlite3.connect(partial)) as database:
            database.execute("CREATE UNIQUE INDEX answers_once ON answers (detection_id, reviewer)")
            database.commit()
    return ReviewFile(path)


def _plain(sample: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Numbers and booleans as they are, everything else as words; what a table cannot hold is left out."""
    kept = {}
    for name in sample.columns.drop(sample.geometry.name):
        column = sample[name]
        if name in ("fid", "geom") or not all(pd.api.types.is_scalar(value) for value in column):
            continue
        simple = pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column)
        kept[str(name)] = column if simple else column.map(str).where(column.notna(), None).astype(object)
    return gpd.GeoDataFrame(kept, geometry=sample.geometry.to_numpy(), crs=geo.WGS84)


def _read(database: sqlite3.Connection, name: str) -> pd.DataFrame:
    columns = {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({name})")}
    rows = database.execute(f"SELECT * FROM {name} ORDER BY fid").fetchall()
    table = pd.DataFrame(rows, columns=list(columns))
    for column, kind in columns.items():
        if kind == "BOOLEAN":
            table[column] = table[column].astype(bool)
        elif kind == "REAL":
            table[column] = table[column].astype(float)
    return table


def _to_blob(shape: BaseGeometry) -> bytes:
    return _HEADER.pack(b"GP", 0, 1, _WGS84_ID) + bytes(shapely.to_wkb(shape, byte_order=1))


def _from_blob(blob: bytes) -> Any:
    flags = blob[3]
    return shapely.from_wkb(blob[_HEADER.size + _ENVELOPE_BYTES[flags >> 1 & 7] :])
