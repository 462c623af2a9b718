"""The boxes of one scene while a person edits them: what stands, what is not saved yet, undo, and the way to the store.

No widget and no plot: :mod:`labkit.view.box_editor` shows these boxes and brings back what was drawn.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.errors import FileError, LabkitError
from labkit.label import LABEL_COLUMNS, LabelStore
from labkit.schema import CORNERS
from labkit.view.box_frames import LEAST_EDGE_PX, Chip, Frame
from labkit.wording import counted

#: Corners closer than this are the same: what is lost on the way to the page and back, px.
_SAME_PX = 1e-6

#: What is known of a box while it is edited; its index is the ``label_id`` that it has or will have.
_COLUMNS = ["direction", *CORNERS, "label", "annotator", "origin", "proposed_by", "pending"]


@dataclass(frozen=True)
class Unsaved:
    """How many boxes differ from the store, and how many proposals nobody has decided on."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    proposals: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)

    def __str__(self) -> str:
        return f"{self.new} new, {self.changed} changed, {self.deleted} deleted"


class BoxEdits:
    """Boxes of one scene, or of one chip of it, between a store and a page.

    Parameters
    ----------
    data : xarray.Dataset
        The scene, gradients or rates.
    store : LabelStore
        Where its labels are and will be.
    annotator : str
        Who edits.
    proposals : geopandas.GeoDataFrame, optional
        Detections to decide on. Those of other scenes are left out.
    project : str
        That new labels belong to.
    chip : Chip, optional
        Where this person looks. Then only his own boxes of this chip stand here, new ones carry its ``chip_id`` and end
        at its edges, and saving says that he has looked at it, and how long. Default: the whole scene, everybody's.
    guidance : str
        Version of the guidance shown, for what is drawn on a chip (:func:`labkit.label.guidance.guidance_version`).

    Attributes
    ----------
    boxes : pandas.DataFrame
        What stands: ``direction``, corners (px), ``label``, ``annotator``, ``origin`` (of a proposal "accepted" until
        it is changed), ``proposed_by``, and ``pending`` for proposals that are not accepted yet.
    frame : Frame
        The part of the image in which boxes may lie.
    looked : bool
        Whether this person has finished the chip before.
    scores : pandas.Series
        Of the proposals, by their names in ``boxes``.
    """

    def __init__(
        self,
        data: xr.Dataset,
        store: LabelStore,
        annotator: str,
        *,
        proposals: gpd.GeoDataFrame | None = None,
        project: str = "notebook",
        chip: Chip | None = None,
        guidance: str = "",
    ) -> None:
        if not annotator.strip():
            raise LabkitError(f"annotator must be the name of who edits, instead got annotator={annotator!r}")
        images = schema.layers(data)
        self.data, self.store, self.annotator, self.project = data, store, annotator.strip(), project
        self.scene = str(data.attrs.get("scene", ""))
        self.directions = tuple(images)
        self.shape = next(iter(images.values())).shape
        self.chip, self.guidance, self.looked = chip, guidance, False
        self.frame = Frame.of(self.shape, chip)
        self._since, self._spent = time.monotonic(), 0.0
        self._begun: pd.Timestamp | None = None
        self.scores: pd.Series = pd.Series(dtype=float)
        self._proposed = self._table_of_proposals(proposals)
        self._before: list[pd.DataFrame] = []
        self._seen = 0
        self._stored = self._stored_boxes = self.boxes = self._proposed
        self._load(pending=self._proposed)

    def begin(self) -> None:
        """Count the time that somebody looks at the chip from now."""
        self._since = time.monotonic()

    def on(self, direction: str) -> pd.DataFrame:
        """Give the boxes of one direction, in the order in which a page shows them."""
        return self.boxes[self.boxes["direction"] == direction]

    @property
    def unsaved(self) -> Unsaved:
        """What differs from the store as it was last read."""
        decided = self.boxes[~self.boxes["pending"]]
        stored = self._stored_boxes
        common = decided.index.intersection(stored.index)
        changed = _differ(decided.loc[common], stored.loc[common])
        return Unsaved(
            new=len(decided.index.difference(stored.index)),
            changed=int(changed.sum()),
            deleted=len(stored.index.difference(decided.index)),
            proposals=int(self.boxes["pending"].sum()),
        )

    def take(
        self,
        direction: str,
        page: Mapping[str, Sequence[Any]],
        label: str,
        *,
        both: bool = False,
        shown: pd.DataFrame | None = None,
    ) -> str:
        """Take over what a panel shows after somebody has drawn, moved, resized or deleted boxes on it.

        Parameters
        ----------
        direction : str
            Of the panel.
        page : mapping
            ``key`` (names of boxes; new ones have names that are not known yet), ``x0``, ``y0``, ``x1``, ``y1`` (px).
        label : str
            The class of new boxes.
        both : bool
            What happens to a box happens to its twin on the other direction too: the box with the same corners and
            class. A new one gets a twin.
        shown : DataFrame, optional
            What the panel had been given before the hand changed it (:meth:`on`): what it still says as it was given
            is no edit, however things stand by now. Default: what stands.

        Returns
        -------
        str
            What was not taken as it was drawn, "" for nothing.
        """
        corners = np.column_stack([np.asarray(page[name], float) for name in ("x0", "y0", "x1", "y1")])
        drawn = {str(key): box for key, box in zip(page["key"], corners.reshape(-1, 4), strict=True)}
        now = self.boxes.copy()
        given = self.on(direction) if shown is None else shown
        refused = 0
        for key in given.index.difference(list(drawn)).intersection(now.index):
            now = now.drop([key, *self._twins(now, key, both)])
        for key, box in drawn.items():
            known = given if key in given.index else now
            if key in known.index and _apart(known, key, box) <= _SAME_PX:
                continue
            inside = self.frame.inside(box)
            if inside is None:
                refused += 1
            elif key in now.index:
                self._change([key, *self._twins(now, key, both)], now, dict(zip(CORNERS, inside, strict=True)))
            elif key not in given.index:
                for way in self.directions if both else (direction,):
                    name = key if way == direction else _new_name()
                    now.loc[name] = [way, *inside, label, self.annotator, "manual", "", False]
        self._step(now)
        if not refused:
            return ""
        return f"{refused} box smaller than {LEAST_EDGE_PX:g} px or off {self.frame.what} was not taken. "

    def set_corners(self, key: str, corners: Sequence[float], *, both: bool = False) -> None:
        """Put a box elsewhere, px: xmin, ymin, xmax, ymax.

        Raises
        ------
        LabkitError
            Nothing of it would lie on the image.
        """
        inside = self.frame.cut(corners)
        now = self.boxes.copy()
        self._change([key, *self._twins(now, key, both)], now, dict(zip(CORNERS, inside, strict=True)))
        self._step(now)

    def add(self, directions: Sequence[str], corners: Sequence[float], label: str) -> str:
        """Draw a box with these corners (px) on each of these directions, and give the first one's name.

        Raises
        ------
        LabkitError
            As for :meth:`set_corners`.
        """
        inside = self.frame.cut(corners)
        now, names = self.boxes.copy(), [_new_name() for _ in directions]
        for name, way in zip(names, directions, strict=True):
            now.loc[name] = [way, *inside, label, self.annotator, "manual", "", False]
        self._step(now)
        return names[0]

    def set_label(self, keys: Iterable[str], label: str, *, both: bool = False) -> None:
        """Give boxes another class."""
        now = self.boxes.copy()
        for key in list(keys):
            self._change([key, *self._twins(now, key, both)], now, {"label": label})
        self._step(now)

    def accept(self, keys: Iterable[str]) -> None:
        """Take proposals as they are."""
        now = self.boxes.copy()
        now.loc[list(keys), "pending"] = False
        self._step(now)

    def delete(self, keys: Iterable[str], *, both: bool = False) -> None:
        """Take boxes away; saved ones become tombstones when this is saved."""
        now = self.boxes.copy()
        for key in list(keys):
            gone = [key, *self._twins(now, key, both)] if key in now.index else []
            now = now.drop(gone)
        self._step(now)

    @property
    def steps(self) -> int:
        """How many steps can be taken back."""
        return len(self._before)

    def undo(self) -> bool:
        """Take the last step back; False where there is none."""
        if not self._before:
            return False
        self.boxes = self._before.pop()
        return True

    def reload(self) -> None:
        """Drop what is not saved and read the store anew."""
        self._load(pending=self._proposed.drop(self._stored_boxes.index, errors="ignore"))

    def save(self) -> str:
        """Write what differs to the store: one revision, whole or not at all; of a chip also that it was looked at.

        Returns
        -------
        str
            What was written, and where.

        Raises
        ------
        LabkitError
            Somebody else changed one of these labels meanwhile: saving once more writes over it.
        FileError
            The store cannot be written; nothing is lost here.
        """
        unsaved = self.unsaved
        if not unsaved and (self.chip is None or self.looked):
            return "Nothing to save."
        decided = self.boxes[~self.boxes["pending"]]
        gone = self._stored_boxes.index.difference(decided.index)
        seconds = self._spent + time.monotonic() - self._since
        try:
            revision = self.store.amend(
                self._as_labels(decided, seconds), gone, by=self.annotator, project=self.project, seen=self._seen,
                looks=self._as_look(len(decided), seconds),
            )  # fmt: skip
        except FileError:
            raise
        except LabkitError:
            # from now on the person knows what others wrote; a full disk says nothing of that
            self._seen = self.store.revision
            raise
        self._load(pending=self.boxes[self.boxes["pending"]])
        self.begin()
        number = self.store.revision if revision is None else revision.number
        boxes = counted(len(decided), "box") if len(decided) else "no boxes"
        chip = "" if self.chip is None else f"{self.chip.chip_id} with {boxes}, "
        return f"Saved {chip}{unsaved} as revision {number} of {self.store.folder}."

    def _as_look(self, labels: int, seconds: float) -> pd.DataFrame | None:
        """What the store is to know of this person's look at the chip."""
        if self.chip is None:
            return None
        now = pd.Timestamp.now("UTC")
        look = {"chip_id": self.chip.chip_id, "scene": self.scene, "created": self._begun or now, "updated": now}
        return pd.DataFrame([look | {"lead_time": round(seconds, 3), "labels": labels, "guidance": self.guidance}])

    def _as_labels(self, decided: pd.DataFrame, seconds: float) -> gpd.GeoDataFrame:
        """The boxes that are new or changed, as the store wants them."""
        stored = self._stored_boxes
        common = decided.index.intersection(stored.index)
        same = common[~_differ(decided.loc[common], stored.loc[common])]
        rows = decided.drop(same)
        moment = pd.Timestamp.now("UTC")
        known = self._stored.set_index("label_id", drop=False).reindex(rows.index)
        is_new = ~rows.index.isin(stored.index)
        columns: dict[str, Any] = {name: known[name].tolist() for name in LABEL_COLUMNS if name != "hash"}
        columns |= {name: rows[name].tolist() for name in (*CORNERS, "direction", "label", "origin", "proposed_by")}
        columns |= {"scene": [self.scene] * len(rows), "label_id": rows.index.tolist(), "updated": [moment] * len(rows)}
        fresh = {"created": moment, "annotator": self.annotator, "project": self.project}
        fresh |= {"lead_time": np.nan, "task_id": -1, "annotation_id": -1}
        for name in set(LABEL_COLUMNS) - {"hash", "label_id", "updated", "origin", "proposed_by"}:
            value = fresh.get(name, "")
            columns[name] = [value if new else old for new, old in zip(is_new, columns[name], strict=True)]
        if self.chip is not None:
            on_chip = {"chip_id": self.chip.chip_id, "guidance": self.guidance, "lead_time": round(seconds, 3)}
            columns |= {name: [value] * len(rows) for name, value in on_chip.items()}
        labels = schema.boxes_table(columns)
        if geo.has_lonlat(self.data):
            labels = geo.with_geometry(labels, self.data).assign(placed="scene")
        return labels

    def _load(self, *, pending: pd.DataFrame) -> None:
        self._seen = self.store.revision
        labels = self.store.labels()
        mine = labels[(labels["scene"] == self.scene) & labels["direction"].isin(self.directions)]
        if self.chip is not None:
            mine = mine[(mine["chip_id"] == self.chip.chip_id) & (mine["annotator"] == self.annotator)]
            self._remember_look(self.chip.chip_id)
            # who has finished a chip has decided on its proposals
            pending = pending.iloc[:0] if self.looked else pending
        self._stored = mine
        table = pd.DataFrame(mine[["direction", *CORNERS, "label", "annotator", "origin", "proposed_by"]])
        self._stored_boxes = table.assign(pending=False).set_index(mine["label_id"].rename(None))[_COLUMNS]
        self.boxes = pd.concat([self._stored_boxes, pending]) if len(pending) else self._stored_boxes.copy()
        self._before = []

    def _remember_look(self, chip_id: str) -> None:
        looks = self.store.looks()
        mine = looks[(looks["chip_id"] == chip_id) & (looks["annotator"] == self.annotator)]
        self.looked = len(mine) > 0
        by_hand = mine[(mine["project"] == self.project) & (mine["annotation_id"] < 0)]
        if len(by_hand):
            self._begun, self._spent = by_hand["created"].iloc[0], float(by_hand["lead_time"].iloc[0])

    def _table_of_proposals(self, proposals: gpd.GeoDataFrame | None) -> pd.DataFrame:
        boxes = schema.boxes_table() if proposals is None else schema.check_boxes(proposals, "proposals")
        here = boxes[(boxes["scene"] == self.scene) & boxes["direction"].isin(self.directions)]
        if self.chip is not None:
            here = self.frame.of_boxes(here)
        table = pd.DataFrame(here[["direction", *CORNERS, "label"]]).assign(
            annotator=self.annotator, origin="accepted", proposed_by=here["model"].astype(str), pending=True
        )
        table.index = pd.Index([_new_name() for _ in range(len(table))], dtype=object)
        self.scores = pd.Series(here["score"].to_numpy(float), index=table.index)
        return table[_COLUMNS]

    def _twins(self, now: pd.DataFrame, key: str, both: bool) -> list[str]:
        """The box on the other direction that has the same corners and class, if twins go together."""
        if not both:
            return []
        box = now.loc[key]
        others = now[(now["direction"] != box["direction"]) & (now["label"] == box["label"])]
        apart = np.abs(others[CORNERS].to_numpy(float) - box[CORNERS].to_numpy(float)).max(axis=1, initial=0.0)
        return list(others.index[apart <= _SAME_PX][:1])

    @staticmethod
    def _change(keys: Sequence[str], now: pd.DataFrame, what: dict[str, Any]) -> None:
        """Change boxes in place; a model's box is a moved one from then on, and decided on."""
        for key in keys:
            now.loc[key, list(what)] = list(what.values())
            if now.loc[key, "origin"] == "accepted":
                now.loc[key, "origin"] = "moved"
            now.loc[key, "pending"] = False

    def _step(self, now: pd.DataFrame) -> None:
        if not now.equals(self.boxes):
            self._before.append(self.boxes)
            self.boxes = now


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Which rows of two tables with one index say different things."""
    apart = np.abs(one[CORNERS].to_numpy(float) - other[CORNERS].to_numpy(float)).max(axis=1, initial=0.0)
    return pd.Series((apart > _SAME_PX) | (one["label"] != other["label"]).to_numpy(), index=one.index)


def _apart(boxes: pd.DataFrame, key: str, box: np.ndarray) -> float:
    """How far the corners of a box lie from those that a table has for it, px."""
    x, y = np.sort(box[[0, 2]]), np.sort(box[[1, 3]])
    return float(np.abs(boxes.loc[key, CORNERS].to_numpy(float) - [x[0], y[0], x[1], y[1]]).max())


def _new_name() -> str:
    return uuid.uuid4().hex
