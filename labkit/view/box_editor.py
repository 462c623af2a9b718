"""A box editor in the notebook: draw, move, resize and delete boxes over the gradients, into the label store."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import CLASSES, LabelStore, open_store
from labkit.label.config import CLASS_COLOURS
from labkit.view import box_script, colours, marks, notebook, panels, pixels
from labkit.view.box_edits import CORNERS, BoxEdits

if TYPE_CHECKING:
    import holoviews as hv
    import panel as pn

_HOW = (
    "<b>Draw</b>: hold Shift and drag. <b>Choose</b>: click. <b>Move</b>: drag a box. "
    "<b>Resize</b>: drag a handle of the chosen box, or type its corners below. <b>Delete</b>: choose, then "
    "Backspace with the pointer over the panel, or the button. The class is that of the next box; "
    "<i>Set class</i> gives it to the chosen one."
)


#: Edges of a box as holoviews names them, in the order of :data:`labkit.view.box_edits.CORNERS`.
_SIDES = ("x0", "y0", "x1", "y1")

#: The same as the page names them.
_EDGES = ("left", "bottom", "right", "top")

#: How many drawings of a panel are remembered: a page is never so many behind.
_DRAWINGS_KEPT = 100


def box_editor(
    data: xr.Dataset,
    store: LabelStore | str | Path,
    annotator: str,
    *,
    detections: gpd.GeoDataFrame | None = None,
    classes: Sequence[str] = CLASSES,
    project: str = "notebook",
    limit: float | None = None,
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
    detections : geopandas.GeoDataFrame, optional
        Boxes of a model (blue) to decide on. Those that are accepted are saved with the origin "accepted", those that
        are moved, resized or given another class with "moved", both with the model's name; the others are not saved.
    classes : sequence of str
        The labels on offer.
    project : str
        Of new labels in the store.
    limit : float, optional
        The ends of the colour bar, > 0: rad for gradients (default 4), mm/yr for rates.
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
    edits = BoxEdits(data, kept, annotator, proposals=detections, project=project)
    return BoxEditor(edits, tuple(classes), limit, max_pixels)


def _default_limit(data: xr.Dataset) -> float:
    return (
        schema.DISPLAY_LIMIT_RAD if schema.is_gradients(data) else panels.rate_limit(schema.layers(data)["rate"].values)
    )


class BoxEditor:
    """The panels and widgets of a box editor (:func:`box_editor`).

    Attributes
    ----------
    edits : BoxEdits
        The boxes as they stand, with what is not saved.
    chosen : list of str
        ``label_id`` of the boxes that are chosen on a panel.
    """

    def __init__(self, edits: BoxEdits, classes: tuple[str, ...], limit: float, max_pixels: int) -> None:
        import holoviews as hv

        notebook.ready()
        self.edits, self.chosen = edits, list[str]()
        self._classes, self._limit, self._max_pixels = classes, limit, max_pixels
        self._redraw = {way: hv.streams.Stream.define("Redraw", number=0)() for way in edits.directions}
        self._names = {way: f"labkit-boxes-{way}" for way in edits.directions}
        self._shown: dict[str, dict[int, pd.DataFrame]] = {way: {} for way in edits.directions}
        self._filling, self._to_show, self._refused = False, False, ""
        self._make_widgets()
        self._say()

    def figure(self) -> hv.Layout:
        """Give the panels."""
        drawn = [self._panel(way) for way in self.edits.directions]
        # each with tools of its own: a toolbar for all would begin with its own choice of the active one
        return panels.lay_out(drawn, panels.headline(self.edits.data)).opts(merge_tools=False, toolbar=None)

    def panel(self) -> pn.Column:
        """Give the whole editor: widgets, panels, and what is not saved."""
        import panel as pn

        above = pn.Row(self.label, *([self.both] if len(self.edits.directions) > 1 else []), *self.buttons.values())
        below = pn.Row(*self.corners)
        return pn.Column(self._how, above, pn.pane.HoloViews(self.figure(), linked_axes=False), below, self.said)

    def save(self) -> None:
        """Write what is not saved to the store, and say what was written."""
        try:
            said = self.edits.save()
        except FileError as error:
            self._say(f"Not saved: {error}.", alert=True)
        except LabkitError as error:
            self._say(f"Not saved: {error}. Save once more to write over that, or read anew to see it.", alert=True)
        else:
            self._show(said)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.panel())

    def _make_widgets(self) -> None:
        import panel as pn

        self._how = pn.pane.HTML(f'<p style="margin:0">{_HOW}</p>', sizing_mode="stretch_width")
        self.label = pn.widgets.Select(label="Class", options=list(self._classes), width=220)
        self.both = pn.widgets.Checkbox(label="Both panels", value=True, align="end")
        does = {
            "Set class": self._set_class, "Delete": self._delete, "Accept": self._accept,
            "Accept all": self._accept_all, "Undo": self._undo,
            "Read anew": self._reload, "Save": self.save,
        }  # fmt: skip
        self.buttons = {name: pn.widgets.Button(label=name, align="end") for name in does}
        for name, button in self.buttons.items():
            button.on_click(partial(self._press, does[name]))
        self.corners = [
            pn.widgets.FloatInput(label=f"{name}, px", step=1.0, width=110, disabled=True) for name in CORNERS
        ]
        for widget in self.corners:
            widget.param.watch(self._corners_typed, "value")
        # a pane of HTML would fetch its style sheets from the network at every change
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")

    @staticmethod
    def _press(do: Callable[[], None], _: Any) -> None:
        do()

    def _panel(self, way: str) -> hv.Overlay:
        import holoviews as hv

        data = self.edits.data
        shown = panels.layers_shown(data, way)
        style = (
            panels.rate_style(self._limit, "error" in shown, width=round(1.5 * panels.PANEL_WIDTH))
            if way == "rate"
            else panels.gradient_style(way, self._limit, "error" in shown)
        )
        ground = panels.draw_panel(data, shown, style, self._max_pixels, marks.Marks())
        boxes = hv.DynamicMap(partial(self._draw_boxes, way), streams=[self._redraw[way]])
        hv.streams.BoxEdit(source=boxes).add_subscriber(self._drawn)
        hv.streams.Selection1D(source=boxes).add_subscriber(partial(self._chose, way))
        return (ground * boxes).opts(hv.opts.Overlay(hooks=[box_script.begin_with_boxes]))

    def _draw_boxes(self, way: str, number: int) -> hv.Rectangles:
        import holoviews as hv

        here = self.edits.on(way)
        shade = dict(zip(self._classes, CLASS_COLOURS * len(self._classes), strict=False))
        drawn = [
            colours.DETECTION if pending else shade.get(label, colours.LABEL)
            for label, pending in zip(here["label"], here["pending"], strict=True)
        ]
        words = {box_script.KEY: here.index, box_script.COLOUR: drawn, "label": here["label"]}
        words |= {"annotator": here["annotator"], box_script.DRAWING: [number] * len(here)}
        # a page may answer to an earlier drawing than the last
        self._shown[way][number] = here
        self._shown[way].pop(number - _DRAWINGS_KEPT, None)
        table = pd.DataFrame(
            {side: here[corner].to_numpy(float) for side, corner in zip(_SIDES, CORNERS, strict=True)}
            | {name: pd.Series(list(values), dtype=object) for name, values in words.items()}
        )
        others = [name for direction, name in self._names.items() if direction != way]

        def hook(plot: Any, element: Any) -> None:
            box_script.attach(plot.state, plot.handles["source"], self._names[way], others, partial(self._take, way))

        # holoviews' own strokes stay invisible: it cannot colour an empty table, and a panel may begin empty
        return hv.Rectangles(table, list(_SIDES), list(words)).opts(
            line_alpha=0.0, fill_alpha=0.0, invert_yaxis=True, hooks=[hook], tools=["hover"],
            hover_tooltips=[("class", "@label"), ("drawn by", "@annotator")],
        )  # fmt: skip

    def _take(self, way: str, page: dict[str, Any]) -> None:
        """Take what a page says in the moment in which it says it: a redraw may write over it before a stream hears."""
        lengths = {len(page.get(name, ())) for name in (*_EDGES, box_script.KEY, box_script.DRAWING)}
        keys = list(page.get(box_script.KEY, ()))
        if len(lengths) != 1 or not all(isinstance(key, str) and key for key in keys):
            # columns arrive one after another
            return
        number = int(max(page[box_script.DRAWING], default=self._redraw[way].number))
        shown = self._shown[way].get(number)
        before = self.edits.boxes
        boxes = {side: page[edge] for side, edge in zip(_SIDES, _EDGES, strict=True)} | {"key": keys}
        self._refused = self.edits.take(way, boxes, self.label.value, both=self._together, shown=shown)
        self._to_show |= bool(self._refused) or self.edits.boxes is not before

    def _drawn(self, data: dict[str, Any] | None = None) -> None:
        """Show what was taken, on both panels; what the kernel itself has drawn is heard here too, and is no news."""
        if self._to_show:
            self._to_show = False
            self._show(self._refused)

    def _chose(self, way: str, index: list[int] | None = None) -> None:
        here = self.edits.on(way).index
        others = [key for key in self.chosen if key in self.edits.boxes.index and key not in here]
        picked = [here[i] for i in index or [] if i < len(here)]
        # what is chosen on one panel is let go on the others, which say so themselves
        self.chosen = picked or others
        self._fill()

    @property
    def _together(self) -> bool:
        return bool(self.both.value) and len(self.edits.directions) > 1

    def _delete(self) -> None:
        self.edits.delete(self.chosen, both=self._together)
        self.chosen = []
        self._show()

    def _accept(self) -> None:
        self.edits.accept(self.chosen)
        self._show()

    def _accept_all(self) -> None:
        self.edits.accept(self.edits.boxes.index[self.edits.boxes["pending"]])
        self._show()

    def _undo(self) -> None:
        self._show("" if self.edits.undo() else "Nothing to undo.")

    def _reload(self) -> None:
        self.edits.reload()
        self._show("Read anew: what was not saved is gone.")

    def _set_class(self) -> None:
        self.edits.set_label(self.chosen, self.label.value, both=self._together)
        self._show()

    def _corners_typed(self, _: Any) -> None:
        values = [float(widget.value) for widget in self.corners if widget.value is not None]
        if self._filling or len(self.chosen) != 1 or len(values) < len(CORNERS):
            return
        try:
            self.edits.set_corners(self.chosen[0], values, both=self._together)
        except LabkitError as error:
            self._fill()
            self._say(str(error), alert=True)
        else:
            self._show()

    def _fill(self) -> None:
        """Show the corners of the chosen box in the widgets, without that being taken for an edit."""
        self.chosen = [key for key in self.chosen if key in self.edits.boxes.index]
        one = self.edits.boxes.loc[self.chosen[0]] if len(self.chosen) == 1 else None
        self._filling = True
        for widget, name in zip(self.corners, CORNERS, strict=True):
            widget.disabled = one is None
            if one is not None:
                widget.value = round(float(one[name]), 2)
        self._filling = False

    def _show(self, said: str = "") -> None:
        for stream in self._redraw.values():
            stream.event(number=stream.number + 1)
        self._fill()
        self._say(said)

    def _say(self, first: str = "", *, alert: bool = False) -> None:
        unsaved = self.edits.unsaved
        waiting = (
            f" To be decided on: {marks.counted(unsaved.proposals, 'proposals')} (blue)." if unsaved.proposals else ""
        )
        labels = marks.counted(len(self.edits.boxes) - unsaved.proposals, "labels")
        words = f"Not saved: {unsaved}." if unsaved else f"All is saved: {labels}."
        role, colour = ("alert", "#b00020") if alert else ("status", "#b00020" if unsaved else "#1b5e20")
        self.said.value = (
            f"<p role='{role}' style='margin:0'>{html.escape(first)} "
            f"<b style='color:{colour}'>{html.escape(words)}</b>{html.escape(waiting)}</p>"
        )
