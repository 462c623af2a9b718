"""The widgets around the panels of a box editor: what the mouse does on a panel can be done here by the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from labkit.schema import CORNERS
from labkit.view.chip_walk import ChipWalk

if TYPE_CHECKING:
    import panel as pn

HOW = (
    "<b>Draw</b>: hold Shift and drag, or <i>New box</i>. <b>Choose</b>: click, or pick it under <i>Box</i>. "
    "<b>Move</b>: drag a box, or the arrow keys in <i>centre x</i> and <i>y</i>. <b>Resize</b>: drag a handle of the "
    "chosen box, or type its corners, or the arrow keys there. <b>Delete</b>: choose, then Backspace with the pointer "
    "over the panel, or the button. The class is that of the next box; <i>Set class</i> gives it to the chosen one."
)

#: Whoever goes from widget to widget by the Tab key sees where he is.
FOCUS = ":focus-visible { outline: 3px solid #1a4f8b !important; outline-offset: 1px; }"

_NONE = "none"

#: A new box, and a change, goes to azimuth and range alike while this is ticked.
BOTH = "Both panels"


class BoxWidgets:
    """The widgets of a box editor.

    Parameters
    ----------
    classes : sequence of str
        The labels on offer.
    directions : sequence of str
        The panels.
    walk : ChipWalk, optional
        Over chips: then there are widgets to go from one to the next.
    """

    def __init__(self, classes: Sequence[str], directions: Sequence[str], walk: ChipWalk | None) -> None:
        import panel as pn

        self._walk, self._several = walk, len(directions) > 1
        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self.label = pn.widgets.Select(label="Class", options=list(classes), width=220, **look)
        # a group of one: a Checkbox of panel has no name that a screen reader could read
        ticked = [BOTH] if self._several else []
        self.both = pn.widgets.CheckBoxGroup(options=[BOTH], value=ticked, align="end", **look)
        self.direction = pn.widgets.Select(label="Panel of a new box", options=list(directions), width=130, **look)
        self.box = pn.widgets.Select(label="Box", options={_NONE: ""}, width=330, **look)
        self.chip = pn.widgets.Select(label="Chip", options={_NONE: -1}, width=330, **look)
        words = ["Set class", "Delete", "Accept", "Accept all", "Undo", "Read anew", "Save", "New box"]
        words += ["Previous", "Next", "Nothing here"] if walk is not None else []
        self.buttons = {word: pn.widgets.Button(label=word, align="end", **look) for word in words}
        self.corners = [pn.widgets.FloatInput(label=f"{name}, px", step=1.0, width=90, **look) for name in CORNERS]
        self.centre = [
            pn.widgets.FloatInput(label=f"centre {axis}, px", step=1.0, width=90, **look) for axis in ("x", "y")
        ]
        # a pane of HTML would fetch its style sheets from the network at every change
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")
        self.where = pn.widgets.StaticText(align="end")
        self._filling = False

    def above(self) -> list[pn.Row]:
        """Give the rows above the panels."""
        import panel as pn

        own = ("New box", "Previous", "Next", "Nothing here")
        panels = [self.both] if self._several else []
        rows = [pn.Row(self.label, *panels, *[b for name, b in self.buttons.items() if name not in own])]
        if self._walk is not None:
            steps = [self.buttons[name] for name in own[1:]]
            rows.insert(0, pn.Row(self.chip, *steps, self.where))
        return rows

    def below(self) -> list[pn.Row]:
        """Give the rows below the panels."""
        import panel as pn

        panels = [self.direction] if self._several else []
        return [pn.Row(self.box, self.buttons["New box"], *panels), pn.Row(*self.corners, *self.centre)]

    def typed(self) -> list[float] | None:
        """Give the corners that stand in the widgets, None where one is empty."""
        return _numbers(self.corners)

    def when_typed(self, do: Callable[[list[float]], None]) -> None:
        """Call this with the corners when somebody has typed, or moved the centre."""

        def corners(_: Any) -> None:
            found = self.typed()
            if not self._filling and found is not None:
                self._fill_centre(found)
                do(found)

        def centre(_: Any) -> None:
            found, to = self.typed(), _numbers(self.centre)
            if self._filling or found is None or to is None:
                return
            x, y = (to[0] - (found[0] + found[2]) / 2, to[1] - (found[1] + found[3]) / 2)
            moved = [found[0] + x, found[1] + y, found[2] + x, found[3] + y]
            self._fill_corners(moved)
            do(moved)

        for widget in self.corners:
            widget.param.watch(corners, "value")
        for widget in self.centre:
            widget.param.watch(centre, "value")

    def when_picked(self, box: Callable[[str], None], chip: Callable[[int], None]) -> None:
        """Call these with the name of the box, or the place of the chip, that somebody has picked."""

        def pick(do: Callable[[Any], None], event: Any) -> None:
            if not self._filling:
                do(event.new)

        self.box.param.watch(lambda event: pick(box, event), "value")
        self.chip.param.watch(lambda event: pick(chip, event), "value")

    def fill(self, boxes: pd.DataFrame, chosen: str, otherwise: list[float]) -> None:
        """Show which boxes there are and the corners of the chosen one, without that being taken for an edit."""
        named = {_NONE: ""}
        for number, (key, box) in enumerate(boxes.iterrows(), 1):
            left, top, right, bottom = (round(float(box[name])) for name in CORNERS)
            kind = f"{box['label']}, proposed" if box["pending"] else box["label"]
            named[f"{number}: {box['direction']}, {kind}, x {left}–{right}, y {top}–{bottom}"] = str(key)
        self._filling = True
        self.box.param.update(options=named, value=chosen)
        self._filling = False
        if chosen:
            self._fill_corners([float(boxes.loc[chosen, name]) for name in CORNERS])
        elif self.typed() is None or not len(boxes):
            self._fill_corners(otherwise)

    def fill_walk(self) -> None:
        """Show where the walk is."""
        if self._walk is None:
            return
        marks = {True: "finished", False: "open"}
        named = {
            f"{place + 1}: {chip.chip_id} ({marks[self._walk.is_finished(chip)]})": place
            for place, chip in enumerate(self._walk.chips)
        }
        self._filling = True
        self.chip.param.update(options=named, value=self._walk.position)
        self._filling = False
        self.where.value = self._walk.count

    def _fill_corners(self, corners: Sequence[float]) -> None:
        self._filling = True
        for widget, value in zip(self.corners, corners, strict=True):
            widget.value = round(value, 2)
        self._filling = False
        self._fill_centre(corners)

    def _fill_centre(self, corners: Sequence[float]) -> None:
        self._filling = True
        for widget, (low, high) in zip(self.centre, ((0, 2), (1, 3)), strict=True):
            widget.value = round((corners[low] + corners[high]) / 2, 2)
        self._filling = False


def _numbers(widgets: Sequence[Any]) -> list[float] | None:
    values = [float(widget.value) for widget in widgets if widget.value is not None]
    return values if len(values) == len(widgets) else None
