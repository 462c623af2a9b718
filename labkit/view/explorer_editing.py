"""Boxes drawn and corrected on the panels of an explorer, into its store of labels."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import CLASSES, guidance_text
from labkit.label.guidance import guidance_version
from labkit.schema import CORNERS
from labkit.view.box_editing import BoxEditing, EditedPanels
from labkit.view.box_edits import BoxEdits
from labkit.view.box_widgets import FOCUS, BoxWidgets
from labkit.view.explorer_box_layer import Gesture
from labkit.view.explorer_boxes import ExplorerBoxes

if TYPE_CHECKING:
    import panel as pn

_HOW = (
    "<b>Draw</b>: drag (with Shift inside another box), or <i>New box</i>. <b>Choose</b>: click, or pick it under "
    "<i>Box</i>. <b>Move</b>: drag a box, or the arrow keys with the panel in focus. <b>Resize</b>: pull at an edge of "
    "the chosen box, or type its corners. <b>Delete</b>: choose, then Backspace, or the button."
)


class ExplorerEditing:
    """The widgets under an explorer that draw and correct boxes; they are seen while boxes are drawn.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    boxes : ExplorerBoxes
        Its boxes; what is saved goes to their store.
    annotator : str
        Who edits; "" where that is to be typed.
    stack : callable
        Gives what is shown, for the attributes of its scene.
    least_score : callable
        Gives the score below which proposals are not shown.
    panels : EditedPanels
        What draws the boxes, and shows which one is chosen.

    Attributes
    ----------
    editing : BoxEditing or None
        What is edited, from the first time that boxes were drawn.
    """

    def __init__(
        self,
        ifgs: xr.Dataset,
        boxes: ExplorerBoxes,
        annotator: str,
        stack: Callable[[], xr.Dataset],
        least_score: Callable[[], float],
        panels: EditedPanels,
    ) -> None:
        import panel as pn

        self._ifgs, self._boxes, self._stack, self._panels = ifgs, boxes, stack, panels
        self._least_score = least_score
        self.editing: _Editing | None = None
        self._drawing = False
        self.name: Any = pn.widgets.TextInput(label="Who draws", value=annotator, width=130, stylesheets=[FOCUS])
        self.name.param.watch(lambda _: self.take(self._drawing), "value")
        self.widgets = BoxWidgets(CLASSES, schema.DIRECTIONS, None)
        self._place = self._laid()

    def panel(self) -> pn.Column:
        """Give the widgets."""
        return self._place

    def take(self, drawing: bool) -> None:
        """Let boxes be drawn, or not; what is not saved stays in sight."""
        self._drawing = drawing
        if drawing and self.editing is None:
            try:
                self._begin()
            except LabkitError as error:
                words = html.escape(str(error))
                self.widgets.said.value = f"<p role='alert' style='margin:0;color:#b00020'>{words}</p>"
        self._place.visible = drawing or (self.editing is not None and bool(self.editing.edits.unsaved))

    def did(self, gesture: Gesture) -> None:
        """Do what a hand has done on a page."""
        if self.editing is None:
            self.take(True)
        if self.editing is not None:
            self.editing.do(gesture)

    def undo(self) -> bool:
        """Take the last step back; False where there is none."""
        return self.editing is not None and self.editing.take_back()

    @property
    def steps(self) -> int:
        """How many steps can be taken back."""
        return 0 if self.editing is None else self.editing.edits.steps

    def refresh(self) -> None:
        """Offer the boxes that are shown now: their least score has changed."""
        if self.editing is not None:
            self.editing.offer()

    def _begin(self) -> None:
        if self._boxes.store is None:
            raise LabkitError(
                "labels must be a store to draw boxes into, instead there is none. "
                'Give one: explore(ifgs, labels="labels")'
            )
        edits = BoxEdits(
            scene_grid(self._ifgs, self._stack()), self._boxes.store, self.name.value,
            proposals=self._boxes.detections, guidance=guidance_version(_guidance()),
        )  # fmt: skip
        self._boxes.edits = edits
        self.editing = _Editing(edits, self.widgets, self._panels, lambda: self._boxes.offered(self._least_score()))
        self.name.disabled = True

    def _laid(self) -> pn.Column:
        import panel as pn

        widgets, look = self.widgets, "style='margin:0;max-width:1060px'"
        words = f"<p {look}>{_HOW}</p><details {look}><summary>Instructions</summary>{_guidance()}</details>"
        own = ("Set class", "Delete", "Accept", "Accept all", "Read anew", "Save")
        rows = [
            pn.Row(self.name, widgets.label, widgets.both, *[widgets.buttons[name] for name in own]),
            *widgets.below(),
        ]
        return pn.Column(pn.widgets.StaticText(value=words), *rows, widgets.said, visible=False)


class _Editing(BoxEditing):
    """Boxes that are drawn on the panels of an explorer; ``offered`` leaves out those that are not shown."""

    def __init__(
        self, edits: BoxEdits, widgets: BoxWidgets, panels: EditedPanels, offered: Callable[[], pd.DataFrame]
    ) -> None:
        self._offered = offered
        super().__init__(edits, widgets, panels)
        widgets.when_picked(self._picked, lambda _: None)
        self._show()

    @property
    def offered(self) -> pd.DataFrame:
        """The boxes that are shown."""
        return self._offered()

    def do(self, gesture: Gesture) -> None:
        """Do what a hand has done on a page; what it did to a box that has gone meanwhile is left."""
        known = gesture.key in self.edits.boxes.index
        if gesture.what == "new":
            self._add(self._ways(gesture.way), _rising(gesture.box))
        elif gesture.what == "choose":
            self._picked(gesture.key)
        elif not known:
            self._show("This box is no longer there.")
        elif gesture.what == "put":
            self.chosen = [gesture.key]
            self._put(gesture.key, _rising(gesture.box))
            self.panels.choose(self.chosen)
        else:
            self.chosen = [gesture.key]
            self._delete()

    def take_back(self) -> bool:
        """Take the last step back; False where there is none."""
        taken = self.edits.undo()
        if taken:
            self._show()
        return taken

    def offer(self) -> None:
        """Offer what is shown now in the widgets."""
        self._fill()

    def _ways(self, way: str) -> list[str]:
        others = [one for one in self.edits.directions if one != way and self._together]
        return [way, *others]


class ChosenOnPanels:
    """Draws the boxes of an explorer anew, and frames the chosen one.

    Parameters
    ----------
    boxes : ExplorerBoxes
        The boxes.
    redraw : callable
        Draws all of them.
    frame : callable
        Frames a box by its direction, name and corners; none without.
    """

    def __init__(self, boxes: ExplorerBoxes, redraw: Callable[[], None], frame: Callable[..., None]) -> None:
        self._boxes, self._redraw, self._frame = boxes, redraw, frame

    def draw(self) -> None:
        """Draw all boxes anew."""
        self._redraw()

    def choose(self, keys: Sequence[str]) -> None:
        """Frame the chosen box."""
        assert self._boxes.edits is not None
        if len(keys) != 1:
            self._frame()
            return
        box = self._boxes.edits.boxes.loc[keys[0]]
        xmin, ymin, xmax, ymax = (float(box[name]) for name in CORNERS)
        self._frame(str(box["direction"]), keys[0], (xmin, ymin, xmax, ymax))


def scene_grid(ifgs: xr.Dataset, stack: xr.Dataset) -> xr.Dataset:
    """Give gradients without data on the grid of the whole scene: what boxes need to be counted and placed on it."""
    height, width = ifgs.sizes["y"], ifgs.sizes["x"]
    # one number stands for all pixels
    nothing = np.broadcast_to(np.float32(np.nan), (len(schema.DIRECTIONS), height, width))
    coordinates: dict[str, Any] = {n: ifgs.coords[n] for n in ("lon", "lat", "y", "x") if n in ifgs.coords}
    coordinates["direction"] = list(schema.DIRECTIONS)
    return xr.Dataset({"gradient": (("direction", "y", "x"), nothing)}, coordinates, stack.attrs)


def _guidance() -> str:
    return guidance_text(CLASSES, list(schema.DIRECTIONS), keys=False)


def _rising(box: Sequence[float]) -> list[float]:
    x, y = sorted(box[::2]), sorted(box[1::2])
    return [x[0], y[0], x[1], y[1]]
