"""The three panels of an explorer: azimuth, range and one more, which zoom, pan and point together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from labkit import geo, schema
from labkit.view import colours, explorer_script, marks, panels, pixels
from labkit.view.explorer_box_layer import BoxLayer, Gesture
from labkit.view.explorer_boxes import COLUMNS, KINDS, ExplorerBoxes
from labkit.view.explorer_copies import Copies
from labkit.view.explorer_faces import Face, places_of, pointer_words
from labkit.view.explorer_ground import Ground
from labkit.view.explorer_mask_layer import MaskLayer
from labkit.view.explorer_settings import Settings

if TYPE_CHECKING:
    import panel as pn

#: Width of one of three panels, and the room beside and below it, px of the screen: what grows there moves nothing.
_WIDTH, _LEFT, _ACROSS = 304, 64, 18

PANELS = (*schema.DIRECTIONS, "third")

#: What the name of a panel tells those who come to it by the Tab key.
_KEYS = "arrows pan, plus and minus zoom, 0 shows all; while boxes are drawn, arrows move the chosen one"

#: Called with the rows and columns that come into view, pixel edges.
Viewed = Callable[[tuple[float, float], tuple[float, float]], None]

#: Called with the ends of a line, x0, y0, x1, y1, or with a place, x, y; px of the scene.
Pointed = Callable[[tuple[float, ...]], None]


@dataclass(frozen=True)
class Hand:
    """What is called when somebody does something on a page.

    ``viewed`` has zoomed or panned, ``drew`` a line, ``clicked`` on a place, ``edited`` a box, ``outlined`` a mask,
    whose corners (x, y) it gets.
    """

    viewed: Viewed
    drew: Pointed
    clicked: Pointed
    edited: Callable[[Gesture], None]
    outlined: Callable[[list[tuple[float, float]]], None]


class ExplorerPanels:
    """The panels; :meth:`show` puts another picture on all of them.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    ground : Ground
        What lies under it.
    boxes : ExplorerBoxes
        What is drawn over it.
    hand : Hand
        What is called when somebody does something on them.
    """

    def __init__(self, ifgs: xr.Dataset, ground: Ground, boxes: ExplorerBoxes, hand: Hand) -> None:
        self._ifgs, self._ground, self._boxes, self._hand = ifgs, ground, boxes, hand
        self.faces: dict[str, Face] = {}
        self._places: dict[str, Any] = {}
        self._placed: tuple[Any, ...] = ()
        self._mode = "zoom"
        self.copies: Copies[_Copy] = Copies()

    def show(self, faces: dict[str, Face]) -> None:
        """Draw these panels anew, "azimuth", "range" and "third"; what is left out stays as it is."""
        self.faces |= faces
        part = self.faces[PANELS[0]].part
        moved = (part.bounds, part.step) != self._placed
        if moved and geo.has_lonlat(self._ifgs):
            self._placed = (part.bounds, part.step)
            self._places = places_of(part, self._ifgs, self._ground)
        for copy in self.copies:
            if moved:
                copy.places.data = self._places
            for name, face in faces.items():
                copy.fill(name, face, pointer_words(face, self._ifgs, self._ground))
        self.copies.push()

    def look_at(self, settings: Settings) -> None:
        """Bring the part in view of these settings into view."""
        for copy in self.copies:
            copy.look_at(settings)
        self.copies.push()

    def take(self, mode: str) -> None:
        """Let the hand zoom ("zoom"), draw a line ("line"), boxes ("boxes"), or the outline of a mask ("mask")."""
        self._mode = mode
        for copy in self.copies:
            copy.mode.tags = [mode]
        self.copies.push()

    def draw(self, settings: Settings) -> None:
        """Draw line, place and masks on all panels, and the boxes on those they belong to."""
        over = self.boxes_over(settings)
        for copy in self.copies:
            copy.draw(settings, over)
        self.copies.push()

    def choose(self, way: str = "", key: str = "", box: tuple[float, float, float, float] | None = None) -> None:
        """Show the box of this direction as the chosen one; none without a box."""
        for copy in self.copies:
            copy.box_layer.choose(way, key, box)
        self.copies.push()

    def pane(self, settings: Settings) -> pn.pane.Bokeh:
        """Give the panels for one place on a page."""
        import panel as pn
        from bokeh.layouts import row

        copy = _Copy(self._ifgs)
        copy.places.data = self._places
        for name, face in self.faces.items():
            copy.fill(name, face, pointer_words(face, self._ifgs, self._ground))
        copy.mode.tags = [self._mode]
        copy.look_at(settings)
        copy.draw(settings, self.boxes_over(settings))
        copy.hear(self._moved, self._hand)
        pane = pn.pane.Bokeh(row(list(copy.figures.values())))
        self.copies.add(pane, copy)
        return pane

    def boxes_over(self, settings: Settings) -> dict[str, dict[str, dict[str, list[Any]]]]:
        """The boxes of each panel by kind."""
        kinds = {name: settings.third if name == "third" else name for name in PANELS}
        return {name: self._boxes.on(kind, settings.score) for name, kind in kinds.items()}

    def _moved(self, x_range: Any = None, y_range: Any = None) -> None:
        if x_range is not None and y_range is not None:
            rows, cols = (tuple(sorted(map(float, span))) for span in (y_range, x_range))
            self._hand.viewed((rows[0], rows[1]), (cols[0], cols[1]))


class _Copy:
    """The figures of one page, with what they draw from."""

    def __init__(self, ifgs: xr.Dataset) -> None:
        from bokeh.models import (
            BoxZoomTool,
            ColumnDataSource,
            CrosshairTool,
            PanTool,
            Range1d,
            ResetTool,
            SaveTool,
            WheelZoomTool,
        )
        from bokeh.models.annotations import Span

        shape = (ifgs.sizes["y"], ifgs.sizes["x"])
        self._shape = shape
        self.across = Range1d(start=0, end=shape[1], reset_start=0, reset_end=shape[1])
        self.along = Range1d(start=shape[0], end=0, reset_start=shape[0], reset_end=0)
        self.places = ColumnDataSource({"lon": [], "lat": [], "height": [], "shape": [], "corner": []})
        self.line = ColumnDataSource({"x": [], "y": []})
        self.place = ColumnDataSource({"left": [], "right": [], "bottom": [], "top": []})
        self.wires = {name: ColumnDataSource({"x": [], "y": []}) for name in ("view", "line", "place")}
        self.boxes = {name: {kind: ColumnDataSource({c: [] for c in COLUMNS}) for kind in KINDS} for name in PANELS}
        self.images = {name: ColumnDataSource(_image(None)) for name in PANELS}
        self.colour_images = {name: ColumnDataSource(_image(None)) for name in PANELS}
        spans = [Span(dimension=d, line_color="#222222", line_width=1) for d in ("width", "height")]
        self._drags = [BoxZoomTool(match_aspect=True), PanTool()]
        tools = [*self._drags, WheelZoomTool(), ResetTool(), SaveTool(), CrosshairTool(overlay=(spans[0], spans[1]))]
        height = panels.frame_height(ifgs, shape, _WIDTH)
        radar = ifgs.attrs["geometry"] == "radar"
        self._of: dict[str, dict[str, Any]] = {}
        self._formatter = explorer_script.place_formatter(self.places)
        self.figures = {
            name: self._figure(name, height, ("range, px", "azimuth, px") if radar else ("column, px", "row, px"))
            for name in PANELS
        }
        for figure in self.figures.values():
            figure.add_tools(*tools)
            figure.toolbar.update(active_drag=self._drags[0], active_scroll=None, logo=None)
        self.mode = self.figures[PANELS[0]]
        self.box_layer = BoxLayer(self.figures, self.boxes, self.mode)
        self.mask_layer = MaskLayer(list(self.figures.values()), self.mode)

    def hear(self, viewed: Callable[[Any, Any], None], hand: Hand) -> None:
        """Connect what the page says."""
        from bokeh.models import HoverTool

        explorer_script.follow_view(self.across, self.along, self.wires["view"])
        hovers = [tool for figure in self.figures.values() for tool in figure.select(HoverTool)]
        explorer_script.follow_mode(self.mode, self._drags, hovers)
        for name, figure in self.figures.items():
            explorer_script.let_draw(figure, self.mode, self.line, self.wires["line"])
            explorer_script.let_click(figure, self.mode, self.wires["place"])
            explorer_script.hear_keys(figure, self.mode, f"Panel {name}: {_KEYS}")
        self.wires["view"].on_change("data", lambda _, old, new: viewed(new["x"], new["y"]))
        self.wires["line"].on_change("data", lambda _, old, new: hand.drew(_ends(new)))
        self.wires["place"].on_change("data", lambda _, old, new: hand.clicked(_ends(new)[:2]))
        self.box_layer.hear(hand.edited)
        self.mask_layer.hear(hand.outlined)

    def fill(self, name: str, face: Face, pointer: list[tuple[str, str]]) -> None:
        """Put another picture on a panel."""
        from bokeh.models import FixedTicker

        figure, mapper, bar, hover = (self._of[name][key] for key in ("figure", "mapper", "bar", "hover"))
        value = face.part.arrays["value"]
        colour = value.ndim == 3
        self.images[name].data = _image(None) if colour else _image(face)
        self.colour_images[name].data = _image(face) if colour else _image(None)
        ticks = [face.low, (face.low + face.high) / 2, face.high]
        _set(figure.title, text=face.title)
        if mapper.name != face.colours:
            mapper.update(palette=_palette(face.colours), name=face.colours)
        _set(mapper, low=face.low, high=face.high)
        if bar.title != face.words or bar.ticker.ticks != ticks:
            bar.update(title=face.words, ticker=FixedTicker(ticks=ticks))
        _set(hover, tooltips=pointer)

    def look_at(self, settings: Settings) -> None:
        """Bring a part into view."""
        rows, cols = settings.rows or (0.0, float(self._shape[0])), settings.cols or (0.0, float(self._shape[1]))
        _set(self.across, start=cols[0], end=cols[1])
        # the axis is turned over: rows run down
        _set(self.along, start=rows[1], end=rows[0])

    def draw(self, settings: Settings, boxes: Mapping[str, Mapping[str, dict[str, list[Any]]]]) -> None:
        """Draw the line, the place, the masks, and the boxes by panel and kind."""
        line, place = settings.line, settings.place
        self.mask_layer.draw(settings.masks)
        for name, kinds in boxes.items():
            for kind, columns in kinds.items():
                _fill(self.boxes[name][kind], columns)
        _fill(self.line, {"x": list(line[::2]), "y": list(line[1::2])} if line else {"x": [], "y": []})
        edges = ("left", "top", "right", "bottom")
        _fill(self.place, {edge: [place[i]] if place else [] for i, edge in enumerate(edges)})

    def _figure(self, name: str, height: int, words: tuple[str, str]) -> Any:
        from bokeh.models import HoverTool, LinearColorMapper
        from bokeh.models.annotations import ColorBar
        from bokeh.plotting import figure

        first, last = name == PANELS[0], name == PANELS[-1]
        drawn: Any = figure(
            name=name, title="", frame_width=_WIDTH, frame_height=height, x_range=self.across,
            y_range=self.along, tools="",
            toolbar_location="right" if last else None, background_fill_color=colours.NO_DATA, output_backend="canvas",
            min_border_left=_LEFT if first else _ACROSS, min_border_right=_ACROSS,
        )  # fmt: skip
        drawn.grid.visible = False
        drawn.xaxis.axis_label = words[0]
        drawn.yaxis.update(
            axis_label=words[1] if first else None, major_label_text_font_size="11px" if first else "0px"
        )
        drawn.axis.axis_label_text_font_style = "normal"
        place = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        mapper = LinearColorMapper(palette=_palette("gray"), name="gray", low=0, high=1, nan_color=colours.NO_DATA)
        shown = drawn.image(**place, source=self.images[name], color_mapper=mapper)
        drawn.image_rgba(**place, source=self.colour_images[name])
        boxes = [self._frames(drawn, self.boxes[name][kind], marks.LINES[kind].colour) for kind in KINDS]
        for width, colour in ((5, colours.CASING), (2.5, colours.TRUTH)):
            drawn.line("x", "y", source=self.line, line_color=colour, line_width=width)
            drawn.quad(
                "left", "right", "bottom", "top", source=self.place, fill_alpha=0, line_color=colour, line_width=width
            )
        bar = ColorBar(
            color_mapper=mapper, height=10, title_text_font_size="9pt", title_text_font_style="normal",
            title_standoff=6, padding=4,
        )  # fmt: skip
        drawn.add_layout(bar, "below")
        hover = HoverTool(renderers=[shown], tooltips=[], formatters={"$x": self._formatter})
        drawn.add_tools(hover)
        drawn.add_tools(
            HoverTool(
                renderers=boxes, tooltips=[("box", "@said"), ("size", "@size"), ("area", "@area")], attachment="left"
            )
        )
        self._of[name] = {"figure": drawn, "mapper": mapper, "bar": bar, "hover": hover}
        return drawn

    @staticmethod
    def _frames(drawn: Any, source: Any, colour: str) -> Any:
        """Draw boxes with a casing that lifts them off red and blue; gives what the pointer reads."""
        shown = None
        for width, shade in ((4, colours.CASING), (2, colour)):
            shown = drawn.quad(
                "left", "right", "bottom", "top", source=source, fill_alpha=0, line_color=shade, line_width=width
            )
        return shown


def _ends(said: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(said[axis][end]) for end in range(len(said["x"])) for axis in "xy")


def _image(face: Face | None) -> dict[str, list[Any]]:
    if face is None:
        return {"image": [], "other": [], "x": [], "y": [], "dw": [], "dh": []}
    left, top, right, bottom = face.part.bounds
    value = face.part.arrays["value"]
    image = pixels.packed(value) if value.ndim == 3 else value
    other = face.part.arrays.get("other", image)
    return {"image": [image], "other": [other], "x": [left], "y": [top], "dw": [right - left], "dh": [bottom - top]}


def _palette(name: str) -> list[str]:
    from holoviews.plotting.util import process_cmap

    return list(process_cmap(name, 256))


def _set(model: Any, **values: Any) -> None:
    """Change what differs alone: the page lays a figure out anew for some of it."""
    changed = {name: value for name, value in values.items() if getattr(model, name) != value}
    if changed:
        model.update(**changed)


def _fill(source: Any, columns: dict[str, list[Any]]) -> None:
    if dict(source.data) != columns:
        source.data = columns
