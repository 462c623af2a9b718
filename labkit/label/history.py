"""The history of a label store: one folder for each revision, written once and never again.

    changes/000001/revision.json     number, when, who, what for, the hash of every file and of the revision before
    changes/000001/labels.parquet    the rows that changed, each whole, with ``change`` and ``what``
    changes/000001/looks.parquet, set_aside.parquet    likewise, where such rows changed

The state after a revision is the last row of each key. A revision is made in a folder beside and becomes one by one
rename, so it is there whole or not at all, also when the process dies or the disk is full.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import shapely

import labkit
from labkit.errors import FileError
from labkit.label.columns import KEYS, TABLES, empty_table, typed

DESCRIPTION = "revision.json"
FORMAT = 1

#: What can happen to a row. A restored one had been deleted.
CHANGES = ("added", "changed", "deleted", "restored")

_PARTIAL = ".partial-"


@dataclass(frozen=True)
class Revision:
    """One step of a store's history."""

    number: int
    #: UTC, ISO 8601.
    made: str
    #: Who wrote it: the owner of the token that pulled, or the name given.
    by: str
    #: What it came from: "pull of project 'landslides'", a file's name.
    source: str
    #: The revision.json of the revision before as SHA-256, "" for the first.
    previous: str
    #: File → SHA-256.
    files: dict[str, str]
    labkit: str
    format: int = FORMAT


def diff(old: pd.DataFrame, new: pd.DataFrame, key: str, *, gone: pd.Series) -> pd.DataFrame:
    """Give the rows by which a new state differs from an old one.

    Parameters
    ----------
    old : DataFrame
        The state so far, with ``deleted`` (NaT for what stands).
    new : DataFrame
        The rows as they are now.
    key : str
        The column that names a row.
    gone : Series of bool
        Which rows of ``old`` are deleted when they are not among the new ones.

    Returns
    -------
    DataFrame
        Rows with the columns of ``new``, ``change`` (:data:`CHANGES`) and ``what``: the columns that changed.
    """
    stored = {str(row[key]): row for row in old.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for row in new.to_dict("records"):
        before = stored.get(str(row[key]))
        if before is None:
            rows.append({**row, "change": "added", "what": ""})
            continue
        what = [name for name in new.columns if name != "hash" and not _same(row[name], before.get(name))]
        restored = not pd.isna(before["deleted"])
        if restored or what:
            rows.append({**row, "change": "restored" if restored else "changed", "what": ", ".join(what)})
    present = set(new[key])
    for row, is_gone in zip(old.to_dict("records"), gone, strict=True):
        if is_gone and pd.isna(row["deleted"]) and row[key] not in present:
            rows.append({**{name: row[name] for name in new.columns}, "change": "deleted", "what": ""})
    return pd.DataFrame(rows, columns=[*new.columns, "change", "what"])


def _same(one: Any, other: Any) -> bool:
    if hasattr(one, "equals_exact") and hasattr(other, "equals_exact"):
        return bool(one.equals_exact(other, 0.0))
    return bool((pd.isna(one) and pd.isna(other)) or one == other)


class History:
    """The revisions in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # a revision never changes: one that was read is read again only where its file says otherwise
        self._tables: dict[Path, tuple[tuple[int, int, int], pd.DataFrame]] = {}

    def __len__(self) -> int:
        return len(self._numbers())

    def revisions(self) -> list[Revision]:
        """Read what each revision says of itself, and check that each names the one before.

        Raises
        ------
        FileError
            A revision is missing, damaged, or was changed after it was written.
        """
        found: list[Revision] = []
        previous = ""
        for number in self._numbers():
            path = self._folder(number) / DESCRIPTION
            try:
                text = path.read_bytes()
                revision = Revision(**json.loads(text))
                known = {"labels.parquet", "looks.parquet", "set_aside.parquet"}
                whole = revision.number == number == len(found) + 1 and set(revision.files) <= known
            except (OSError, ValueError, TypeError) as error:
                raise FileError(
                    f"{path} must describe revision {number}, instead it cannot be read: {error}"
                ) from error
            if not whole or revision.format != FORMAT or revision.previous != previous:
                raise FileError(
                    f"{path} must be revision {len(found) + 1} and follow the one before it, instead it does not: the "
                    "history was changed after it was written. Restore the store from a copy"
                )
            found.append(revision)
            previous = hashlib.sha256(text).hexdigest()
        return found

    def changes(self, table: str, until: int | None = None) -> pd.DataFrame:
        """Read the changes of a table ("labels", "looks", "set_aside") up to a revision, oldest first.

        Returns
        -------
        DataFrame
            The table's columns, ``change``, ``what``, ``revision``, ``made`` (UTC), ``by`` and ``source``; without
            columns where nothing ever changed.
        """
        parts = []
        for revision in self.revisions()[:until]:
            name = f"{table}.parquet"
            if name not in revision.files:
                continue
            parts.append(self._read(name, revision))
        if not parts:
            return pd.DataFrame()
        together = pd.concat(parts, ignore_index=True)
        if "geometry" in together:
            together["geometry"] = pd.Series(list(shapely.from_wkb(together["geometry"])), dtype=object)
        return together

    def state(self, table: str, until: int | None = None) -> pd.DataFrame:
        """Rebuild a table as it was after a revision; ``deleted`` says when a row went, NaT for what stands."""
        changes = self.changes(table, until)
        if changes.empty:
            return empty_table((*TABLES[table], "deleted"))
        # the first change of a row gives its place, so that the order of the table never jumps
        order = changes.drop_duplicates(KEYS[table])[KEYS[table]]
        last = changes.drop_duplicates(KEYS[table], keep="last").set_index(KEYS[table], drop=False).loc[order]
        last = last.reset_index(drop=True)
        deleted = last["made"].where(last["change"] == "deleted")
        return typed(last[list(TABLES[table])].assign(deleted=deleted))

    def commit(self, tables: dict[str, pd.DataFrame], *, by: str, source: str) -> Revision:
        """Write the next revision, whole or not at all. Only who holds the store's lock may call it.

        Raises
        ------
        FileError
            The disk is full or the folder cannot be written; the store stays as it was.
        """
        known = self.revisions()
        number = len(known) + 1
        previous = _sha256(self._folder(number - 1) / DESCRIPTION) if known else ""
        partial = self.folder / f"{_PARTIAL}{number:06d}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # what a process that died has left behind
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            files = {}
            for table, rows in tables.items():
                path = partial / f"{table}.parquet"
                _write(typed(rows), path)
                files[path.name] = _sha256(path)
            made = pd.Timestamp.now("UTC").isoformat(timespec="microseconds")
            revision = Revision(number, made, by, source, previous, files, labkit.__version__)
            (partial / DESCRIPTION).write_text(json.dumps(asdict(revision), indent=2, ensure_ascii=False) + "\n")
            _to_disk(partial)
            partial.rename(self._folder(number))
            _to_disk(self.folder)
        except (OSError, pa.ArrowException) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise FileError(
                f"{self.folder} must be writable with enough room on its disk, instead got: {error}. The store is as "
                "it was before"
            ) from error
        return revision

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def _folder(self, number: int) -> Path:
        return self.folder / f"{number:06d}"

    def _read(self, name: str, revision: Revision) -> pd.DataFrame:
        path = self._folder(revision.number) / name
        try:
            about = path.stat()
            stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
            if path in self._tables and self._tables[path][0] == stamp:
                return self._tables[path][1]
            if _sha256(path) != revision.files[name]:
                raise FileError(
                    f"{path} must be as it was written, instead its hash is another. Restore it from a copy"
                )
            # GeoParquet read as plain Parquet: a coordinate system for each of hundreds of files would take seconds
            rows = pd.read_parquet(path)
        except (OSError, pa.ArrowException) as error:
            raise FileError(f"{path} must be a whole file of changes, instead it cannot be read: {error}") from error
        made = pd.Timestamp(revision.made).as_unit("us")
        rows = rows.assign(revision=revision.number, made=made, by=revision.by, source=revision.source)
        self._tables[path] = (stamp, rows)
        return rows


def _write(rows: pd.DataFrame, path: Path) -> None:
    if path.stem == "labels":
        gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326").to_parquet(path, index=False)
    else:
        rows.to_parquet(path, index=False)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _to_disk(folder: Path) -> None:
    """Wait until a folder's files, and then the folder, are on the disk: a rename before could be of empty files."""
    if os.name != "posix":
        return
    for path in [*(p for p in folder.iterdir() if p.is_file()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
