"""What a person does to boxes by widgets: choose, name, accept, move by numbers, delete, take back, save."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import pandas as pd

from labkit.errors import FileError, LabkitError
from labkit.view.box_edits import BoxEdits
from labkit.view.box_widgets import BoxWidgets
from labkit.wording import counted


class EditedPanels(Protocol):
    """Where the boxes are drawn."""

    def draw(self) -> None:
        """Draw all boxes anew."""

    def choose(self, keys: Sequence[str]) -> None:
        """Show which boxes are chosen."""


class BoxEditing:
    """Boxes that stand, the widgets that change them, and the panels that show them.

    Parameters
    ----------
    edits : BoxEdits
        The boxes.
    widgets : BoxWidgets
        Of these boxes; they are connected here.
    panels : EditedPanels
        What shows them.

    Attributes
    ----------
    edits : BoxEdits
        The boxes as they stand, with what is not saved.
    chosen : list of str
        ``label_id`` of the boxes that are chosen.
    """

    panels: EditedPanels

    def __init__(self, edits: BoxEdits, widgets: BoxWidgets, panels: EditedPanels) -> None:
        self.edits, self.widgets, self.panels, self.chosen = edits, widgets, panels, list[str]()
        for name, button in widgets.buttons.items():
            button.on_click(partial(self._press, self._actions()[name]))
        widgets.when_typed(self._corners_typed)

    # what tests and people reach for by its short name
    @property
    def label(self) -> Any:
        """The widget of the class."""
        return self.widgets.label

    @property
    def both(self) -> Any:
        """The widget that lets both panels go together."""
        return self.widgets.both

    @property
    def buttons(self) -> dict[str, Any]:
        """The buttons by their words."""
        return self.widgets.buttons

    @property
    def corners(self) -> list[Any]:
        """The widgets of the corners, in the order xmin, ymin, xmax, ymax."""
        return self.widgets.corners

    @property
    def said(self) -> Any:
        """The line below the panels."""
        return self.widgets.said

    @property
    def offered(self) -> pd.DataFrame:
        """The boxes that can be chosen."""
        return self.edits.boxes

    def save(self) -> None:
        """Write what is not saved to the store, and say what was written."""
        self._try(lambda: self._show(self.edits.save()))

    def _actions(self) -> dict[str, Callable[[], None]]:
        """What each button does, by its words."""
        return {
            "Set class": self._set_class, "Delete": self._delete, "Accept": self._accept,
            "Accept all": self._accept_all, "Undo": self._undo, "Read anew": self._reload, "Save": self.save,
            "New box": self._new_box,
        }  # fmt: skip

    @staticmethod
    def _press(do: Callable[[], None], _: Any) -> None:
        do()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except FileError as error:
            self._fill()
            self._say(f"Not saved: {error}.", alert=True)
        except LabkitError as error:
            self._fill()
            self._say(f"Not saved: {error}. Save once more to write over that, or read anew to see it.", alert=True)

    def _picked(self, key: str) -> None:
        self.chosen = [key] if key in self.edits.boxes.index else []
        self.panels.choose(self.chosen)
        self._fill()

    @property
    def _together(self) -> bool:
        return bool(self.both.value) and len(self.edits.directions) > 1

    def _new_box(self) -> None:
        corners = self.edits.frame.middle if self.chosen else self.widgets.typed()
        ways = list(self.edits.directions) if self._together else [self.widgets.direction.value]
        self._add(ways, corners or self.edits.frame.middle)

    def _add(self, ways: Sequence[str], corners: Sequence[float]) -> None:
        try:
            self.chosen = [self.edits.add(ways, corners, self.label.value)]
        except LabkitError as error:
            self._say(str(error), alert=True)
        else:
            self._show()

    def _delete(self) -> None:
        self.edits.delete(self.chosen, both=self._together)
        self.chosen = []
        self._show()

    def _accept(self) -> None:
        self.edits.accept(self.chosen)
        self._show()

    def _accept_all(self) -> None:
        boxes = self.offered
        self.edits.accept(boxes.index[boxes["pending"].astype(bool)])
        self._show()

    def _undo(self) -> None:
        self._show("" if self.edits.undo() else "Nothing to undo.")

    def _reload(self) -> None:
        self.edits.reload()
        self._show("Read anew: what was not saved is gone.")

    def _set_class(self) -> None:
        self.edits.set_label(self.chosen, self.label.value, both=self._together)
        self._show()

    def _corners_typed(self, corners: list[float]) -> None:
        # without a chosen box they wait for a new one
        if len(self.chosen) == 1:
            self._put(self.chosen[0], corners)

    def _put(self, key: str, corners: Sequence[float]) -> None:
        try:
            self.edits.set_corners(key, corners, both=self._together)
        except LabkitError as error:
            self._fill()
            self._say(str(error), alert=True)
        else:
            self._show()

    def _fill(self) -> None:
        """Show the chosen box, and what else can be chosen, in the widgets."""
        self.chosen = [key for key in self.chosen if key in self.edits.boxes.index]
        one = self.chosen[0] if len(self.chosen) == 1 else ""
        self.widgets.fill(self.offered, one, self.edits.frame.middle)
        self.widgets.fill_walk()

    def _show(self, said: str = "") -> None:
        self.panels.draw()
        self._fill()
        self.panels.choose(self.chosen)
        self._say(said)

    def _say(self, first: str = "", *, alert: bool = False) -> None:
        unsaved = self.edits.unsaved
        waiting = f" To be decided on: {counted(unsaved.proposals, 'proposal')} (blue)." if unsaved.proposals else ""
        labels = counted(len(self.edits.boxes) - unsaved.proposals, "label")
        words = f"Not saved: {unsaved}." if unsaved else f"All is saved: {labels}."
        role, colour = ("alert", "#b00020") if alert else ("status", "#b00020" if unsaved else "#1b5e20")
        self.said.value = (
            f"<p role='{role}' style='margin:0'>{html.escape(first)} "
            f"<b style='color:{colour}'>{html.escape(words)}</b>{html.escape(waiting)}</p>"
        )
