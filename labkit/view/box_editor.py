"""A box editor in the notebook: draw, move, resize and delete boxes over the gradients, into the label store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import CLASSES, LabelStore, guidance_text, open_store
from labkit.label.guidance import guidance_version
from labkit.view import notebook, panels, pixels
from labkit.view.box_editing import BoxEditing
from labkit.view.box_edits import BoxEdits
from labkit.view.box_panels import BoxPanels
from labkit.view.box_widgets import HOW, BoxWidgets
from labkit.view.chip_walk import ChipWalk, chips_on

if TYPE_CHECKING:
    import holoviews as hv
    import panel as pn


def box_editor(
    data: xr.Dataset,
    store: LabelStore | str | Path,
    annotator: str,
    *,
    chips: gpd.GeoDataFrame | None = None,
    detections: gpd.GeoDataFrame | None = None,
    classes: Sequence[str] = CLASSES,
    guidance: str | None = None,
    project: str = "notebook",
    limit: float | None = None,
    view: tuple[float, float, float, float] | None = None,
    max_pixels: int = pixels.MAX_PIXELS,
) -> BoxEditor:
    """Draw and correct boxes in the notebook, without a server, into the same store that Label Studio's labels go to.

    Parameters
    ----------
    data : xarray.Dataset
        gradients (two panels, zoomed together) or rates (one panel) of one scene.
    store : LabelStore or path
        Its labels of this scene are shown and can be changed; what is saved goes there
        (:func:`labkit.label.open_store`).
    annotator : str
        Who edits. New labels carry this name; a corrected one keeps the name of who drew it, and the store's history
        says who corrected it.
    chips : geopandas.GeoDataFrame, optional
        Chips to go over one by one, as in Label Studio (:func:`labkit.make_chips`); those of other scenes are left out.
        A chip shows only this person's own boxes, so that what he draws is his own; new ones carry its ``chip_id`` and
        end at its edges. Default: the whole scene with everybody's boxes.
    detections : geopandas.GeoDataFrame, optional
        Boxes of a model (blue) to decide on. Those that are accepted are saved with the origin "accepted", those that
        are moved, resized or given another class with "moved", both with the model's name; the others are not saved.
    classes : sequence of str
        The labels on offer.
    guidance : str, optional
        Text (HTML) under "Instructions", whose version goes on every label and look of a chip. Default: labkit's own
        (:func:`labkit.label.guidance_text`).
    project : str
        Of new labels in the store.
    limit : float, optional
        The ends of the colour bar, > 0: rad for gradients (default 4), mm/yr for rates.
    view : (float, float, float, float), optional
        The part to begin with, xmin, ymin, xmax, ymax, px; without it all, or the chip.
    max_pixels : int
        As for :func:`labkit.view.gradients`.

    Returns
    -------
    BoxEditor
        Shown by the notebook as the last line of a cell; live as long as the kernel runs.

    Raises
    ------
    LabkitError
        An argument breaks its rule; no annotator is named.

    Notes
    -----
    Saving is one revision of the store, whole or not at all; until then nothing leaves the notebook, and the line below
    the panels says what is not saved. A deleted label becomes a tombstone. A pull from Label Studio leaves corrected
    labels as they are until they are changed there.

    Over chips, *Next*, *Previous* and *Save* write what stands on the chip, and a look: that this person has finished
    it, how long it was open in all, and which guidance was shown. *Nothing here* does so without a box, and turns the
    model's boxes down. A chip without a box that is left by *Next* is not counted. So agreement and consensus count
    these people as those of Label Studio (:func:`labkit.label.agreement`). A new kernel begins at the first chip that
    is not finished.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     editor = box_editor(stack, folder, "ann")
    ...     editor.edits.take("range", {"key": ["a"], "x0": [10], "y0": [20], "x1": [30], "y1": [50]}, "landslide")
    ...     editor.save()
    ...     lk.label.open_store(folder).labels()[["direction", "xmin", "ymin", "xmax", "ymax", "annotator"]]
    ''
      direction  xmin  ymin  xmax  ymax annotator
    0     range  10.0  20.0  30.0  50.0       ann
    """
    if isinstance(classes, str) or not classes or len(set(classes)) != len(classes):
        raise LabkitError(f"classes must be one or more different words, instead got classes={classes!r}")
    limit = _default_limit(data) if limit is None else limit
    panels.check_limit(limit)
    kept = store if isinstance(store, LabelStore) else open_store(store)
    text = guidance_text(classes, list(schema.layers(data)), keys=False) if guidance is None else guidance
    open_on = partial(
        BoxEdits, data, kept, annotator, proposals=detections, project=project, guidance=guidance_version(text)
    )
    if chips is None:
        return BoxEditor(open_on(), None, tuple(classes), text, limit, max_pixels, view)
    scene = str(data.attrs.get("scene", ""))
    walk = ChipWalk(chips_on(chips, scene), lambda chip: open_on(chip=chip), kept, annotator)
    return BoxEditor(walk.edits, walk, tuple(classes), text, limit, max_pixels)


def _default_limit(data: xr.Dataset) -> float:
    return (
        schema.DISPLAY_LIMIT_RAD if schema.is_gradients(data) else panels.rate_limit(schema.layers(data)["rate"].values)
    )


class BoxEditor(BoxEditing):
    """The panels and widgets of a box editor (:func:`box_editor`).

    Attributes
    ----------
    edits : BoxEdits
        The boxes as they stand, with what is not saved.
    walk : ChipWalk or None
        Where the walk over chips is.
    chosen : list of str
        ``label_id`` of the boxes that are chosen.
    """

    panels: BoxPanels

    def __init__(
        self,
        edits: BoxEdits,
        walk: ChipWalk | None,
        classes: tuple[str, ...],
        guidance: str,
        limit: float,
        max_pixels: int,
        view: tuple[float, float, float, float] | None = None,
    ) -> None:
        notebook.ready()
        self.walk = walk
        self._guidance = guidance
        shown = BoxPanels(edits, classes, limit, max_pixels, view, take=self._take, drawn=self._show, chose=self._chose)
        super().__init__(edits, BoxWidgets(classes, edits.directions, walk), shown)
        self.widgets.when_picked(self._picked, self.go)
        self._fill()
        self._say()
        self.edits.begin()

    def panel(self) -> pn.Column:
        """Give the whole editor: widgets, panels, and what is not saved."""
        import panel as pn

        words = f"<p style='margin:0'>{HOW}</p><details><summary>Instructions</summary>{self._guidance}</details>"
        above = pn.pane.HTML(words, sizing_mode="stretch_width")
        drawn = pn.pane.HoloViews(self.figure(), linked_axes=False)
        self.edits.begin()
        return pn.Column(above, *self.widgets.above(), drawn, *self.widgets.below(), self.said)

    def figure(self) -> hv.Layout:
        """Give the panels alone."""
        return self.panels.figure()

    def save(self) -> None:
        """Write what is not saved to the store, and say what was written."""
        if self.walk is not None and self.walk.hindrance:
            self._say(self.walk.hindrance, alert=True)
            return
        self._try(lambda: self._show(self.edits.save() if self.walk is None else self.walk.finish()))

    def step(self, by: int) -> None:
        """Go on or back along the walk; what stands on this chip is saved first."""
        if self.walk is not None:
            self.go(self.walk.position + by)

    def go(self, position: int) -> None:
        """Go to a chip by its place in the walk, from 0; what stands on this one is saved first."""
        walk = self.walk
        if walk is None:
            return
        if walk.says_something and walk.hindrance:
            self._fill()
            self._say(walk.hindrance, alert=True)
            return

        def leave() -> None:
            said = walk.leave()
            beyond = not 0 <= position < len(walk.chips)
            self._open(position, said + (" There is no chip beyond this one." if beyond else ""))

        self._try(leave)

    def nothing_here(self) -> None:
        """Finish the chip as one without a box, and go on."""
        walk = self.walk
        if walk is None:
            return
        try:
            walk.clear()
        except LabkitError as error:
            self._say(f"{error}.", alert=True)
            return

        def finish() -> None:
            said = walk.finish()
            self._open(walk.position + 1, said)

        self._try(finish)

    def _open(self, position: int, said: str) -> None:
        assert self.walk is not None
        self.walk.go(position)
        self.edits, self.chosen = self.walk.edits, []
        self.panels.open(self.edits)
        self._show(said)
        self.edits.begin()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.panel())

    def _actions(self) -> dict[str, Callable[[], None]]:
        steps: dict[str, Callable[[], None]] = {
            "Previous": partial(self.step, -1),
            "Next": partial(self.step, 1),
            "Nothing here": self.nothing_here,
        }
        return super()._actions() | steps

    def _take(self, way: str, boxes: dict[str, Any], shown: pd.DataFrame) -> str:
        return self.edits.take(way, boxes, self.label.value, both=self._together, shown=shown)

    def _chose(self, way: str, places: list[int]) -> None:
        here = self.edits.on(way).index
        others = [key for key in self.chosen if key in self.edits.boxes.index and key not in here]
        picked = [here[i] for i in places if i < len(here)]
        # what is chosen on one panel is let go on the others, which say so themselves
        self.chosen = picked or others
        self._fill()
