"""One person's walk over the chips of a scene: which is open, which are finished, and what leaving one means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import geopandas as gpd

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import LabelStore
from labkit.view.box_edits import BoxEdits
from labkit.view.box_frames import Chip


def chips_on(chips: gpd.GeoDataFrame, scene: str) -> list[Chip]:
    """Give the chips of a scene in their order; those of others are left out.

    Raises
    ------
    LabkitError
        There is none, or two have one name.
    """
    schema.check_chips(chips)
    here = chips[chips["scene"] == scene]
    if here.empty:
        raise LabkitError(
            f"chips must hold chips of the scene {scene!r}, instead they are of {sorted(set(chips['scene']))}. Make "
            "them of this stack: lk.make_chips(data)"
        )
    twice = here["chip_id"][here["chip_id"].duplicated()]
    if len(twice):
        raise LabkitError(f"chip_id must name one chip each, instead chip_id={twice.iloc[0]!r} comes twice")
    rows = here[["chip_id", "row", "col", "size"]].itertuples(index=False, name=None)
    return [Chip(str(name), int(row), int(col), int(size)) for name, row, col, size in rows]


class ChipWalk:
    """One person's way over chips, each finished by saying what is on it, also when that is nothing.

    It begins at the first chip that this person has not finished.

    Parameters
    ----------
    chips : sequence of Chip
        In the order of the walk, at least one.
    open_chip : callable
        Chip → its boxes, as they stand in the store.
    store : LabelStore
        Where this person's earlier looks are.
    annotator : str
        Who walks.

    Attributes
    ----------
    edits : BoxEdits
        The boxes of the chip that is open.
    position : int
        Its place in the walk, from 0.
    """

    def __init__(
        self, chips: Sequence[Chip], open_chip: Callable[[Chip], BoxEdits], store: LabelStore, annotator: str
    ) -> None:
        self.chips = list(chips)
        self._open = open_chip
        looks = store.looks()
        self._finished = set(looks.loc[looks["annotator"] == annotator.strip(), "chip_id"])
        to_do = (place for place, chip in enumerate(self.chips) if chip.chip_id not in self._finished)
        self.position = next(to_do, 0)
        self.edits = self._open(self.chips[self.position])

    def is_finished(self, chip: Chip) -> bool:
        """Whether this person has finished a chip."""
        return chip.chip_id in self._finished

    @property
    def count(self) -> str:
        """Say where the walk is."""
        done = sum(map(self.is_finished, self.chips))
        this = "finished" if self.is_finished(self.chips[self.position]) else "not finished"
        return f"Chip {self.position + 1} of {len(self.chips)}, {this}. {done} finished in all."

    @property
    def says_something(self) -> bool:
        """Whether anything stands on the chip that is not written yet, boxes or that it was finished."""
        drawn = bool((~self.edits.boxes["pending"]).any())
        return bool(self.edits.unsaved) or (drawn and not self.edits.looked)

    @property
    def hindrance(self) -> str:
        """Say why the chip cannot be finished as it stands, "" where it can."""
        unsaved = self.edits.unsaved
        if unsaved.proposals:
            return f"Accept or delete the proposals first: {unsaved.proposals} wait."
        if not (len(self.edits.boxes) or unsaved or self.edits.looked):
            return "There is no box on this chip. If that is right, press Nothing here."
        return ""

    def finish(self) -> str:
        """Write the chip's boxes, and that this person has looked at it (:meth:`BoxEdits.save`); nothing hinders it."""
        said = self.edits.save()
        self._finished.add(self.chips[self.position].chip_id)
        return said

    def clear(self) -> None:
        """Turn down all proposals.

        Raises
        ------
        LabkitError
            A box stands that is no proposal.
        """
        boxes = self.edits.boxes
        drawn = int((~boxes["pending"]).sum())
        if drawn:
            raise LabkitError(f"the chip must have no box, instead it has {drawn}. Delete them, or press Next")
        self.edits.delete(boxes.index)

    def leave(self) -> str:
        """Finish the chip where it says something; one without boxes is left unfinished, and that is told.

        Raises
        ------
        LabkitError
            Somebody else changed a box meanwhile.
        FileError
            The store cannot be written.
        """
        if self.says_something:
            return self.finish()
        return "" if self.edits.looked else f"Left {self.chips[self.position].chip_id} unfinished."

    def go(self, position: int) -> None:
        """Open another chip; what is not saved of this one is gone."""
        self.position = min(max(position, 0), len(self.chips) - 1)
        self.edits = self._open(self.chips[self.position])
