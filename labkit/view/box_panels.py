"""The panels of a box editor: what stands is drawn on them, and what the hand does on the page is heard at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pandas as pd

from labkit.label.config import CLASS_COLOURS
from labkit.schema import CORNERS
from labkit.view import box_script, colours, marks, panels
from labkit.view.box_edits import BoxEdits

if TYPE_CHECKING:
    import holoviews as hv

#: Edges of a box as holoviews names them, in the order of :data:`labkit.view.box_frames.CORNERS`.
_SIDES = ("x0", "y0", "x1", "y1")

#: The same as the page names them.
_EDGES = ("left", "bottom", "right", "top")

#: How many drawings of a panel are remembered: a page is never so many behind.
_DRAWINGS_KEPT = 100

#: Takes a direction, what its page says, and what that page had been given; says what was refused.
Take = Callable[[str, dict[str, Any], pd.DataFrame], str]


class BoxPanels:
    """The panels of a scene with its boxes, on the whole image or on one chip.

    Parameters
    ----------
    edits : BoxEdits
        The boxes to begin with.
    classes : sequence of str
        Each has its colour.
    limit : float
        The ends of the colour bar.
    max_pixels : int
        As for :func:`labkit.view.gradients`.
    view : (float, float, float, float), optional
        The part to begin with, xmin, ymin, xmax, ymax, px.
    take : callable
        Takes over what a page says (:meth:`BoxEdits.take`).
    drawn : callable
        Called afterwards with what was refused, when there is something new to be shown.
    chose : callable
        Called with a direction and the places of the boxes that were chosen on it.
    """

    def __init__(
        self,
        edits: BoxEdits,
        classes: Sequence[str],
        limit: float,
        max_pixels: int,
        view: tuple[float, float, float, float] | None = None,
        *,
        take: Take,
        drawn: Callable[[str], None],
        chose: Callable[[str, list[int]], None],
    ) -> None:
        import holoviews as hv

        self.edits = edits
        self._classes, self._limit, self._max_pixels, self._view = tuple(classes), limit, max_pixels, view
        self._taker, self._teller, self._chooser = take, drawn, chose
        self._redraw = {way: hv.streams.Stream.define("Redraw", number=1)() for way in edits.directions}
        self._names = {way: f"labkit-boxes-{way}" for way in edits.directions}
        self._shown: dict[str, dict[int, pd.DataFrame]] = {way: {} for way in edits.directions}
        self._plots: dict[str, WeakValueDictionary[int, Any]] = {way: WeakValueDictionary() for way in edits.directions}
        self._first, self._to_show, self._refused = 0, False, ""

    def figure(self) -> hv.Layout:
        """Give the panels."""
        drawn = [self._panel(way) for way in self.edits.directions]
        # each with tools of its own: a toolbar for all would begin with its own choice of the active one
        return panels.lay_out(drawn, panels.headline(self.edits.data)).opts(merge_tools=False, toolbar=None)

    def drawing(self, way: str) -> int:
        """Give the number of a panel's last drawing."""
        return int(self._redraw[way].number)

    def draw(self) -> None:
        """Draw all boxes anew."""
        for stream in self._redraw.values():
            stream.event(number=stream.number + 1)

    def open(self, edits: BoxEdits) -> None:
        """Show another chip; a page that still shows the one before is not listened to."""
        self.edits = edits
        self._first = 1 + max(stream.number for stream in self._redraw.values())
        frame = edits.frame
        for plots in self._plots.values():
            for plot in plots.values():
                across, along = plot.state.x_range, plot.state.y_range
                across.update(start=frame.left, end=frame.right, reset_start=frame.left, reset_end=frame.right)
                along.update(start=frame.bottom, end=frame.top, reset_start=frame.bottom, reset_end=frame.top)

    def choose(self, keys: Sequence[str]) -> None:
        """Show on the pages which boxes are chosen."""
        for way, plots in self._plots.items():
            here = list(self.edits.on(way).index)
            places = [here.index(key) for key in keys if key in here]
            for plot in plots.values():
                selected = plot.handles["source"].selected
                if list(selected.indices) != places:
                    selected.indices = places
                    plot.push()

    def _panel(self, way: str) -> hv.Overlay:
        import holoviews as hv

        data, frame = self.edits.data, self.edits.frame
        shown = panels.layers_shown(data, way)
        style = (
            panels.rate_style(self._limit, "error" in shown, width=round(1.5 * panels.PANEL_WIDTH))
            if way == "rate"
            else panels.gradient_style(way, self._limit, "error" in shown)
        )
        ground = panels.draw_panel(data, shown, style, self._max_pixels, marks.Marks())
        if self.edits.chip is not None:
            size = (self.edits.chip.size, self.edits.chip.size)
            view = {"xlim": (frame.left, frame.right), "ylim": (frame.top, frame.bottom)}
            height = panels.frame_height(data, size, style.width)
            ground = ground.opts(hv.opts.Image(frame_height=height, **view))
        elif self._view is not None:
            xmin, ymin, xmax, ymax = self._view
            ground = ground.opts(hv.opts.Image(xlim=(xmin, xmax), ylim=(ymin, ymax)))
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
            self._plots[way][id(plot)] = plot
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
        # boxes that the page has just made carry 0: with them alone, it had been given none
        number = int(max(page[box_script.DRAWING], default=self.drawing(way)))
        if 0 < number < self._first:
            self._refused, self._to_show = "What was drawn on the chip before came too late and was not taken. ", True
            return
        before = self.edits.boxes
        boxes = {side: page[edge] for side, edge in zip(_SIDES, _EDGES, strict=True)} | {"key": keys}
        self._refused = self._taker(way, boxes, self._shown[way].get(number, self.edits.boxes.iloc[:0]))
        self._to_show |= bool(self._refused) or self.edits.boxes is not before

    def _drawn(self, data: dict[str, Any] | None = None) -> None:
        """Show what was taken, on both panels; what the kernel itself has drawn is heard here too, and is no news."""
        if self._to_show:
            self._to_show = False
            self._teller(self._refused)

    def _chose(self, way: str, index: list[int] | None = None) -> None:
        self._chooser(way, list(index or []))
