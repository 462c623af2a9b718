"""The label store: a folder that keeps every label, every change to one, and the releases that training names.

    labels/changes/       what happened, revision by revision (:mod:`labkit.label.history`): the truth
    labels/labels.parquet the labels that stand now, for GIS and for people; made anew from the changes
    labels/releases/v1/   a frozen set (:mod:`labkit.label.releases`)
    labels/calibration/   the key to hidden chips with known landslides (:mod:`labkit.label.hidden`)

One process writes at a time; reading needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pandas as pd
from filelock import FileLock, Timeout

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import columns, releases
from labkit.label.corrections import BY_HAND, keep_corrections, only_by_hand
from labkit.label.hidden import Calibration, read_calibration, write_calibration
from labkit.label.history import Revision, diff
from labkit.label.labelfile import revision_of, save_labels
from labkit.label.reading import HIDDEN, StoredLabels
from labkit.label.table import Tables

_LABELS = "labels.parquet"

#: What a row keeps from when it was stored, as long as nothing that it says has changed.
_KEPT = ("guidance", "server_version")


class LabelStore(StoredLabels):
    """Labels in a folder, with their history: :class:`labkit.label.reading.StoredLabels` and what writes.

    Parameters
    ----------
    folder : path
        Made on the first write.
    wait_s : float
        How long a write waits for another one to end, s.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> box = {"scene": ["a"], "direction": ["range"], "xmin": [10], "ymin": [10], "xmax": [30], "ymax": [30]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = lk.label.LabelStore(folder)
    ...     _ = store.add(lk.schema.boxes_table(box), by="ann", source="an inventory")
    ...     _ = store.amend(store.labels().assign(xmax=35.0), by="bob")
    ...     store.history()[["revision", "change", "by", "source", "xmax"]]
       revision   change   by          source  xmax
    0         1    added  ann    an inventory  30.0
    1         2  changed  bob  edited by hand  35.0
    """

    def __init__(self, folder: str | Path, *, wait_s: float = 60.0) -> None:
        super().__init__(folder)
        if not wait_s >= 0:
            raise LabkitError(f"wait_s must be at least 0, instead got wait_s={wait_s}")
        self._lock = FileLock(self.folder / ".lock", timeout=wait_s)

    def __repr__(self) -> str:
        return f"LabelStore({str(self.folder)!r}, revision {self.revision})"

    def keep_calibration(self, name: str, calibration: Calibration) -> Calibration:
        """Remember a set of hidden chips; one of that name that is there already stays, and is given."""
        with self.locked():
            folder = self.folder / HIDDEN / releases.check_name(name)
            if not folder.exists():
                write_calibration(calibration, folder)
            return read_calibration(folder)

    def replace(self, tables: Tables, project: str, *, by: str, source: str) -> Revision | None:
        """Make the store hold these rows of a project; what is there and not among them becomes a tombstone.

        Labels that were corrected by hand (:meth:`amend`) stay corrected until they change where they come from.

        Parameters
        ----------
        tables : Tables
            All labels, looks and set-aside regions of the project as they are now.
        project : str
            Labels of other projects stay.
        by, source : str
            Who writes, and what it comes from; kept in the history.

        Returns
        -------
        Revision or None
            None where nothing changed: then no file is touched.

        Raises
        ------
        FileError
            The disk is full, or another process holds the store for too long. The store is as it was.
        """
        return self._commit(tables, by=by, source=source, gone=project)

    def add(
        self, labels: gpd.GeoDataFrame, *, by: str, source: str, project: str = "", origin: str = "imported"
    ) -> Revision | None:
        """Add boxes from elsewhere: an inventory, a colleague's files, a model's proposals that were looked at.

        Parameters
        ----------
        labels : geopandas.GeoDataFrame
            :data:`labkit.schema.BOX_COLUMNS`; further label columns are kept, missing ones filled. A label with a
            ``label_id`` that is there already is renewed; one without is named by what it says, so that the same
            labels added twice are there once.
        by, source, project : str
            Who adds, from what, and under which project's name they are to be found.
        origin : str
            One of :data:`labkit.label.columns.ORIGINS`, where the labels do not say.

        Returns
        -------
        Revision or None
            None where nothing changed.
        """
        whole = columns.complete(schema.check_boxes(labels, "labels"), project=project, annotator=by, origin=origin)
        none = columns.empty_table
        tables = Tables(whole, none(columns.LOOK_COLUMNS), none(columns.ASIDE_COLUMNS))
        return self._commit(tables, by=by, source=source, gone=None)

    def amend(
        self,
        labels: gpd.GeoDataFrame,
        deleted: Iterable[str] = (),
        *,
        by: str,
        project: str = "",
        seen: int | None = None,
        looks: pd.DataFrame | None = None,
    ) -> Revision | None:
        """Write what a person did by hand: boxes that are new or changed, names of deleted ones, chips looked at.

        Parameters
        ----------
        labels : geopandas.GeoDataFrame
            As for :meth:`add`; a label with a ``label_id`` that is there already is changed.
        deleted : iterable of str
            ``label_id`` of labels that become tombstones; those that are tombstones already stay so.
        by, project : str
            Who corrects, and the project of labels that name none.
        seen : int, optional
            The revision that the person looked at. Default: what others wrote meanwhile is not asked.
        looks : pandas.DataFrame, optional
            Chips that were finished, also without a box: ``chip_id``, and what is known of the other
            :data:`labkit.label.columns.LOOK_COLUMNS`. One look for each chip and person of a project: finished again,
            it is renewed.

        Returns
        -------
        Revision or None
            None where nothing changed. A pull leaves these labels as they are until they are changed in Label Studio,
            and these looks for good.

        Raises
        ------
        LabkitError
            A label to delete never was there, or a label or look of these was changed after ``seen``.
        FileError
            As for :meth:`replace`.
        """
        whole = columns.complete(schema.check_boxes(labels, "labels"), project=project, annotator=by, origin="manual")
        seen_chips = columns.complete_looks(looks, project=project, annotator=by)
        names = set(deleted)
        with self.locked():
            old = self._history.state("labels")
            unknown = sorted(names - set(old["label_id"]))
            if unknown:
                raise LabkitError(f"deleted must name labels of the store, instead got deleted={unknown[:3]}")
            if seen is not None:
                self._refuse_overtaken("labels", names | set(whole["label_id"]), seen)
                self._refuse_overtaken("looks", set(seen_chips["look_id"]), seen)
            changed = {"labels": diff(old, whole, "label_id", gone=old["label_id"].isin(names))}
            if len(seen_chips):
                before = self._history.state("looks")
                none = pd.Series(False, index=before.index)
                changed["looks"] = diff(before, seen_chips, "look_id", gone=none)
            changed = {table: rows for table, rows in changed.items() if len(rows)}
            revision = self._history.commit(changed, by=by, source=BY_HAND) if changed else None
            self._renew_file()
        return revision

    def _refuse_overtaken(self, table: str, names: set[str], seen: int) -> None:
        later = self._history.changes(table)
        key = columns.KEYS[table]
        if later.empty:
            return
        later = later[(later["revision"] > seen) & later[key].isin(names)]
        if len(later):
            last = later.iloc[-1]
            raise LabkitError(
                f"{table} must be as they were at revision {seen}, instead {later[key].nunique()} of them "
                f"changed since, the last by {last['by']} ({last['source']})"
            )

    def write(self, path: str | Path) -> Path:
        """Write the labels that stand to a file for other programs (:func:`labkit.label.save_labels`)."""
        return save_labels(self.labels(), path)

    def release(self, name: str, *, labels: gpd.GeoDataFrame | None = None, note: str = "") -> gpd.GeoDataFrame:
        """Freeze a set of labels under a name, for training and to be cited. A release never changes.

        Parameters
        ----------
        name : str
            Letters, digits, "-" and ".", for example "v1".
        labels : geopandas.GeoDataFrame, optional
            Which labels: some of the store's, or a consensus of them. Default: all that stand.
        note : str
            What to say about it.

        Returns
        -------
        geopandas.GeoDataFrame
            The labels, read again; ``attrs`` hold ``release``, ``release_hash`` and ``citation``.

        Raises
        ------
        LabkitError
            There is a release of that name already, or no label, or one of them lies on a hidden chip.
        """
        with self.locked():
            chosen = self.labels() if labels is None else schema.check_boxes(labels, "labels")
            hidden = len(self._apart(chosen, True)) if "chip_id" in chosen else 0
            if hidden:
                raise LabkitError(
                    f"labels must be of real ground, instead {hidden} lie on hidden chips. Take store.labels()"
                )
            at = self.folder / "releases"
            return releases.freeze(chosen, self.looks(), at, name, revision=self.revision, note=note)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for the length of the body, so that no other process writes meanwhile.

        Raises
        ------
        FileError
            Another process holds it for too long, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise FileError(
                f"{self.folder} must be free to write, instead another pull held it for {self._lock.timeout:g} s. "
                "Try again when that one is done"
            ) from None
        # filelock says NotImplementedError on a file system without locks
        except (OSError, NotImplementedError) as error:
            raise FileError(
                f"{self.folder} must be a folder that can be written and locked, instead: {error}"
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _commit(self, tables: Tables, *, by: str, source: str, gone: str | None) -> Revision | None:
        with self.locked():
            new = {"labels": tables.labels, "looks": tables.looks, "set_aside": tables.set_aside}
            changed = {}
            for name, rows in new.items():
                old = self._history.state(name)
                rows = _as_stored(rows, old, columns.KEYS[name]) if "hash" in rows else rows
                is_gone = old["project"] == gone if gone is not None else pd.Series(False, index=old.index)
                if name in ("labels", "looks") and gone is not None and self._edited_by_hand():
                    so_far = self._history.changes(name)
                    if name == "labels":
                        rows, is_gone = keep_corrections(rows, old, so_far, is_gone)
                    else:
                        is_gone &= ~old["look_id"].isin(only_by_hand(so_far, "look_id"))
                changes = diff(old, rows, columns.KEYS[name], gone=is_gone)
                if len(changes):
                    changed[name] = changes
            revision = self._history.commit(changed, by=by, source=source) if changed else None
            self._renew_file()
        return revision

    def _edited_by_hand(self) -> bool:
        return any(revision.source == BY_HAND for revision in self._history.revisions())

    def _renew_file(self) -> None:
        """Bring labels.parquet up to the last change; a process may have died between the two."""
        path = self.folder / _LABELS
        if self.revision == 0:
            return
        if not path.exists() or revision_of(path) != self.revision:
            save_labels(self.labels(), path)


def open_store(folder: str | Path = "results/labels", *, wait_s: float = 60.0) -> LabelStore:
    """Open the label store in a folder; an empty one is made on the first write.

    Parameters
    ----------
    folder : path
        Of this store and nothing else.
    wait_s : float
        How long a write waits for another one to end, s.

    Returns
    -------
    LabelStore

    Examples
    --------
    >>> import tempfile
    >>> from labkit.label import open_store
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(folder)
    ...     boxes = {"scene": ["a"], "direction": ["range"], "xmin": [1], "ymin": [2], "xmax": [5], "ymax": [9]}
    ...     _ = store.add(schema.boxes_table(boxes), by="me", source="an inventory")
    ...     _ = store.add(schema.boxes_table(boxes), by="me", source="the same again")
    ...     len(store.labels()), store.revision
    (1, 1)
    """
    return LabelStore(folder, wait_s=wait_s)


def _as_stored(new: pd.DataFrame, old: pd.DataFrame, key: str) -> pd.DataFrame:
    """Rows that say what they said before keep the guidance they were made under, and their better place."""
    stored = {row[key]: row for row in old.to_dict("records")}
    rows = new.to_dict("records")
    for row in rows:
        before = stored.get(row[key])
        if before is None or before["hash"] != row["hash"]:
            continue
        row.update({name: before[name] for name in _KEPT})
        if "placed" in row and row["placed"] != "scene" and before["placed"] == "scene":
            row.update(geometry=before["geometry"], placed="scene")
    return pd.DataFrame(rows, columns=new.columns) if rows else new
