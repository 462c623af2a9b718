"""What a label store holds, now and at any earlier time. Reading needs no lock."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd

from labkit.errors import FileError, LabkitError
from labkit.label import columns, releases
from labkit.label.hidden import Calibration, read_all
from labkit.label.history import History
from labkit.label.table import Tables

#: Folder of the keys to hidden chips.
HIDDEN = "calibration"


class StoredLabels:
    """The reading side of a label store (:class:`labkit.label.LabelStore`).

    Parameters
    ----------
    folder : path
        Of the store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        if self.folder.exists() and not self.folder.is_dir():
            raise FileError(f"{self.folder} must be the folder of a label store, instead it is a file")
        self._history = History(self.folder / "changes")

    @property
    def revision(self) -> int:
        """The number of the last change; 0 for an empty store."""
        return len(self._history)

    def labels(
        self,
        project: str | None = None,
        *,
        deleted: bool = False,
        at: int | str | pd.Timestamp | None = None,
        hidden: bool = False,
    ) -> gpd.GeoDataFrame:
        """Give the labels that stand, or stood.

        Parameters
        ----------
        project : str, optional
            Those of one project.
        deleted : bool
            Also the tombstones: labels that were deleted, with the time in the column ``deleted`` (NaT: it stands).
        at : int, str or Timestamp, optional
            After that revision, or at that time (UTC). Default: now.
        hidden : bool
            Those that were drawn on hidden chips (:func:`labkit.label.hide_chips`) instead, which are no labels.

        Returns
        -------
        geopandas.GeoDataFrame
            :data:`labkit.schema.BOX_COLUMNS` and :data:`labkit.label.LABEL_COLUMNS`, in the order in which the labels
            came. ``attrs``: ``revision``, ``set_aside``, ``annotated_chips``, and ``hidden``, how many boxes on hidden
            chips were left out.

        Raises
        ------
        FileError
            A file of the store is damaged or was changed.
        LabkitError
            There is no such revision.
        """
        until = self._until(at)
        every = self._of(self._history.state("labels", until), project, deleted)
        state = self._apart(every, hidden)
        table = gpd.GeoDataFrame(state, geometry="geometry", crs="EPSG:4326")
        aside = self.set_aside(project, at=until, hidden=hidden)
        labels = Tables(table, self.looks(project, at=until, hidden=hidden), aside).as_labels()
        labels.attrs["revision"] = until
        labels.attrs["hidden"] = 0 if hidden else len(every) - len(state)
        return labels

    def looks(
        self, project: str | None = None, *, at: int | str | pd.Timestamp | None = None, hidden: bool = False
    ) -> pd.DataFrame:
        """Give the finished annotations, also those without a box (:data:`labkit.label.columns.LOOK_COLUMNS`)."""
        return self._apart(self._of(self._history.state("looks", self._until(at)), project, False), hidden)

    def set_aside(
        self, project: str | None = None, *, at: int | str | pd.Timestamp | None = None, hidden: bool = False
    ) -> pd.DataFrame:
        """Give the regions that could not become labels, each with its reason and whole as JSON (``item``)."""
        return self._apart(self._of(self._history.state("set_aside", self._until(at)), project, False), hidden)

    def calibration(self) -> Calibration:
        """Give all hidden chips with what is known to be on them; none where none were hidden."""
        return read_all(self.folder / HIDDEN)

    def history(self, table: str = "labels") -> pd.DataFrame:
        """Give every change of the "labels", "looks" or what was "set_aside", oldest first, one row each.

        Returns
        -------
        DataFrame
            ``revision``, ``made`` (UTC), ``by``, ``source``, ``change`` ("added", "changed", "deleted", "restored"),
            ``what`` (the columns that changed) and the row as it was afterwards.
        """
        if table not in columns.KEYS:
            raise LabkitError(f"table must be one of {tuple(columns.KEYS)}, instead got table={table!r}")
        changes = self._history.changes(table)
        first = ["revision", "made", "by", "source", "change", "what"]
        return changes[[*first, *(c for c in changes.columns if c not in first)]] if len(changes) else changes

    def released(self, name: str) -> gpd.GeoDataFrame:
        """Open a release by its name; its hash is verified (:func:`labkit.label.load_release`)."""
        return releases.load_release(self.folder / "releases" / releases.check_name(name))

    def releases(self) -> pd.DataFrame:
        """List the releases: name, when, labels, hash, note."""
        return releases.list_releases(self.folder / "releases")

    def _apart(self, table: pd.DataFrame, hidden: bool) -> pd.DataFrame:
        """The rows on hidden chips, or all others."""
        names = set(self.calibration().chips["chip_id"])
        return table[table["chip_id"].isin(names) == hidden].reset_index(drop=True)

    def _until(self, at: int | str | pd.Timestamp | None) -> int:
        if at is None:
            return self.revision
        if isinstance(at, int):
            if not 0 <= at <= self.revision:
                raise LabkitError(f"at must be a revision from 0 to {self.revision}, instead got at={at}")
            return at
        moment = pd.Timestamp(at)
        moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
        return sum(pd.Timestamp(revision.made) <= moment for revision in self._history.revisions())

    @staticmethod
    def _of(state: pd.DataFrame, project: str | None, deleted: bool) -> pd.DataFrame:
        if project is not None:
            state = state[state["project"] == project]
        if not deleted:
            state = state[state["deleted"].isna()].drop(columns="deleted")
        return state.reset_index(drop=True)
