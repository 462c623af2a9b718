"""The panels of a review: a window of each image around one detection, and where it lies among the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from labkit import geo
from labkit.view import colours
from labkit.view.pixels import packed
from labkit.view.review_layers import Layers, Window, colour_map, polygons_of
from labkit.view.review_widgets import ANSWER_COLOURS

if TYPE_CHECKING:
    import panel as pn

#: Edge of a panel's frame, px of the screen, and panels beside one another.
_FRAME, _COLUMNS = 262, 3

_TITLES = {
    "azimuth": "Phase gradient along azimuth",
    "range": "Phase gradient along range",
    "rate": "Line-of-sight rate",
    "coherence": "Coherence, mean of the pairs",
    "ground": "Ground",
}

#: Takes a polygon that was drawn, lon/lat.
Draw = Callable[[BaseGeometry], None]


class ReviewPanels:
    """Figures that are filled anew for each detection.

    Parameters
    ----------
    layers : Layers
        What there is to show.
    detections : geopandas.GeoDataFrame
        All detections, for the neighbours; the rows of ``layers``.
    footprints : geopandas.GeoSeries
        Outlines of the scenes, lon/lat.
    drew : callable
        Called when somebody has drawn an outline.
    """

    def __init__(self, layers: Layers, detections: gpd.GeoDataFrame, footprints: gpd.GeoSeries, *, drew: Draw) -> None:
        from bokeh.models import ColumnDataSource

        self._layers, self._detections, self._drew = layers, detections, drew
        self._windows: dict[str, Window] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, Any] = {kind: self._figure(kind) for kind in layers.kinds}
        placed = ~(detections.geometry.isna() | detections.geometry.is_empty)
        self._centres = shapely.centroid(detections.geometry.to_numpy())
        if placed.any():
            self.figures["place"] = self._map(footprints)
        self.wire = ColumnDataSource({"kind": [], "shown": [], "xs": [], "ys": []})
        self.wire.on_change("data", self._heard)
        self._number = 0
        self._pane: Any = None

    @property
    def drawable(self) -> list[tuple[str, Any, Any]]:
        """The kinds on which outlines are drawn, each with its figure and the line under way."""
        placed = {layer.kind for layer in self._layers.layers if geo.has_lonlat(layer.grid)}
        return [
            (kind, self.figures[kind], self._sources[kind]["draft"]) for kind in self._layers.kinds if kind in placed
        ]

    @property
    def hovers(self) -> list[Any]:
        """The tools that read values under the pointer, which would hide what is drawn."""
        from bokeh.models import HoverTool

        return [tool for figure in self.figures.values() for tool in figure.select({"type": HoverTool})]

    @property
    def first(self) -> Any:
        """The first figure, whose ``tags`` change with each detection that is shown."""
        return next(iter(self.figures.values()))

    def pane(self) -> pn.pane.Bokeh:
        """Give all panels."""
        import panel as pn
        from bokeh.layouts import grid

        figures: list[Any] = list(self.figures.values())
        # a row that is not full would be spread over the others' columns
        figures += [None] * (-len(figures) % _COLUMNS)
        rows = [figures[start : start + _COLUMNS] for start in range(0, len(figures), _COLUMNS)]
        self._pane = self._pane or pn.pane.Bokeh(grid(rows))
        return self._pane

    def show(self, row: int, answers: Mapping[int, str], outline: BaseGeometry | None) -> dict[str, Window]:
        """Show the detection of a row, its neighbours and its outline; gives the windows."""
        self._windows = self._layers.windows(row, self._layers.extent_m(row))
        for kind in self._layers.kinds:
            self._fill(kind, row)
        if "place" in self.figures:
            self._mark(row, answers)
        self.outline(outline)
        self.tell()
        return self._windows

    def outline(self, outline: BaseGeometry | None) -> None:
        """Draw an outline (lon/lat) on all panels."""
        for kind, window in self._windows.items():
            if geo.has_lonlat(window.layer.grid):
                shapes = [window.to_pixels(polygon) for polygon in polygons_of(outline)]
                self._sources[kind]["outline"].data = _rings(shapes)

    def inside(self, window: Window, row: int) -> np.ndarray:
        """Give the known values of a window's layer whose pixels have their centres in the box of a row."""
        left, top, right, bottom = np.ceil(self._layers.corners(window)[row] - 0.5).astype(int)
        rows = slice(max(top - window.top, 0), max(bottom - window.top, 0))
        cols = slice(max(left - window.left, 0), max(right - window.left, 0))
        values = window.values[rows, cols]
        return values[np.isfinite(values)]

    def tell(self) -> None:
        """Send what has changed to the page, and let it take the next answer."""
        self._number += 1
        self.first.tags = [self._number]
        self.push()

    def push(self) -> None:
        """Send what has changed to the page."""
        from panel.io.notebook import push_notebook

        if self._pane is not None and self._pane._models:
            push_notebook(self._pane)

    def _figure(self, kind: str) -> Any:
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        layer = next(layer for layer in self._layers.layers if layer.kind == kind)
        drawn = figure(
            title=_TITLES[kind], frame_width=_FRAME, frame_height=_FRAME, x_range=Range1d(start=0, end=1),
            y_range=Range1d(start=1, end=0),
            tools="box_zoom,wheel_zoom,pan,reset", toolbar_location="right", background_fill_color=colours.NO_DATA,
            output_backend="canvas",
        )  # fmt: skip
        _plain_axes(drawn)
        radar = layer.grid.attrs.get("geometry") == "radar"
        drawn.xaxis.axis_label, drawn.yaxis.axis_label = (
            ("range, px", "azimuth, px") if radar else ("column, px", "row, px")
        )
        image = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self._draw_image(drawn, kind, layer.image.ndim == 3, layer.limits, image)
        sources = {name: ColumnDataSource({"xs": [], "ys": []}) for name in ("near", "box", "outline", "draft")}
        lines: tuple[tuple[str, str, float, str], ...] = (
            ("near", colours.CASING, 3.0, "solid"), ("near", colours.DETECTION, 1.2, "4 3"),
            ("box", colours.CASING, 5.0, "solid"), ("box", colours.DETECTION, 2.5, "solid"),
            ("outline", colours.TRUTH, 4.0, "solid"), ("outline", colours.OUTLINE, 2.0, "solid"),
        )  # fmt: skip
        for name, colour, width, dash in lines:
            drawn.patches(
                "xs", "ys", source=sources[name], fill_alpha=0, line_color=colour, line_width=width, line_dash=dash
            )
        drawn.multi_line("xs", "ys", source=sources["draft"], line_color=colours.TRUTH, line_width=4)
        drawn.multi_line("xs", "ys", source=sources["draft"], line_color=colours.OUTLINE, line_width=2)
        self._sources[kind] = {"image": image, **sources}
        return drawn

    @staticmethod
    def _draw_image(drawn: Any, kind: str, rgb: bool, limits: tuple[float, float], source: Any) -> None:
        from bokeh.models import FixedTicker, HoverTool, LinearColorMapper, PrintfTickFormatter
        from bokeh.models.annotations import ColorBar
        from holoviews.plotting.util import process_cmap

        place = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh", "source": source}
        if rgb:
            drawn.image_rgba(**place)
            return
        low, high = limits
        palette = process_cmap(colour_map(kind), 256, provider="matplotlib")
        mapper = LinearColorMapper(palette=palette, low=low, high=high, nan_color=colours.NO_DATA)
        shown = drawn.image(**place, color_mapper=mapper)
        quantity, unit, ends = {
            "azimuth": ("gradient", " rad", colours.gradient_ends("azimuth")),
            "range": ("gradient", " rad", colours.gradient_ends("range")),
            "rate": ("LOS rate", " mm/yr", colours.RATE_ENDS),
            "coherence": ("coherence", "", "black: none, white: whole"),
            "ground": ("brightness", "", "brightness"),
        }[kind]
        drawn.add_tools(HoverTool(renderers=[shown], tooltips=[(quantity, f"@image{{0.00}}{unit}")]))
        drawn.add_layout(
            ColorBar(
                color_mapper=mapper, height=8, title=f"{unit.strip()} · {ends}" if unit else ends, padding=4,
                ticker=FixedTicker(ticks=np.linspace(low, high, 5).tolist()),
                # rounded ticks may lie beyond the end of the bar
                formatter=PrintfTickFormatter(format="%.3g"), title_text_font_size="8pt",
                title_text_font_style="normal", major_label_text_font_size="8pt", title_standoff=4,
            ),
            "below",
        )  # fmt: skip

    def _map(self, footprints: gpd.GeoSeries) -> Any:
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        shapes = [*footprints.to_numpy(), *self._detections.geometry.to_numpy()]
        west, south, east, north = shapely.total_bounds(np.array(shapes, dtype=object))
        middle, shape = (south + north) / 2, float(np.cos(np.radians((south + north) / 2)))
        half = 0.53 * max((east - west) * shape, north - south, 1e-4)
        x, y = (west + east) / 2, half / shape
        drawn = figure(
            title="Where it lies", frame_width=_FRAME, frame_height=_FRAME, tools="box_zoom,wheel_zoom,pan,reset",
            x_range=Range1d(start=x - y, end=x + y), y_range=Range1d(start=middle - half, end=middle + half),
            output_backend="canvas",
        )  # fmt: skip
        _plain_axes(drawn)
        drawn.xaxis.axis_label, drawn.yaxis.axis_label = "longitude, °", "latitude, °"
        scenes = _rings(list(footprints.to_numpy()))
        drawn.patches("xs", "ys", source=ColumnDataSource(scenes), fill_alpha=0.05, line_color=colours.COUNTY)
        names = ("others", "sample", "here")
        points = {name: ColumnDataSource({"x": [], "y": [], "colour": []}) for name in names}
        drawn.scatter("x", "y", source=points["others"], size=3, color="#9a9a9a", line_color=None)
        drawn.scatter("x", "y", source=points["sample"], size=7, color="colour", line_color="#333333")
        drawn.scatter(
            "x", "y", source=points["here"], size=18, marker="circle", fill_alpha=0, line_color=colours.TRUTH,
            line_width=3,
        )  # fmt: skip
        self._sources["place"] = points
        return drawn

    def _fill(self, kind: str, row: int) -> None:
        window, sources, drawn = self._windows.get(kind), self._sources[kind], self.figures[kind]
        if window is None:
            sources["image"].data = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
            for name in ("near", "box", "outline"):
                sources[name].data = {"xs": [], "ys": []}
            drawn.title.text = f"{_TITLES[kind]}: none here"
            return
        drawn.title.text = _TITLES[kind]
        values, limits = window.values, window.layer.limits
        height, width = values.shape[:2]
        sources["image"].data = {
            "image": [_rgba(values, limits) if values.ndim == 3 else values], "x": [window.left], "y": [window.top],
            "dw": [width], "dh": [height],
        }  # fmt: skip
        across = {"start": window.left, "end": window.right}
        along = {"start": window.bottom, "end": window.top}
        for axis, edges in ((drawn.x_range, across), (drawn.y_range, along)):
            axis.update(**edges, reset_start=edges["start"], reset_end=edges["end"])
        corners = self._layers.corners(window)
        sources["box"].data = _rings([shapely.box(*corners[row])])
        left, top, right, bottom = corners.T
        near = (right > window.left) & (left < window.right) & (bottom > window.top) & (top < window.bottom)
        near &= np.arange(len(corners)) != row
        if kind in ("azimuth", "range", "rate"):
            # boxes of the other direction would lie over those of this one
            near &= self._of_direction(kind)
        sources["near"].data = _rings(list(shapely.box(*corners[near].T)))

    def _of_direction(self, kind: str) -> np.ndarray:
        if kind in self._detections and self._detections[kind].dtype == bool:
            return self._detections[kind].to_numpy()
        return (self._detections["direction"] == kind).to_numpy()

    def _mark(self, row: int, answers: Mapping[int, str]) -> None:
        x, y = shapely.get_x(self._centres), shapely.get_y(self._centres)
        places = np.flatnonzero(np.isfinite(x))
        sample = [int(i) for i in places if int(i) in answers]
        others = [int(i) for i in places if int(i) not in answers]
        here = [row] if np.isfinite(x[row]) else []
        for name, rows in (("others", others), ("sample", sample), ("here", here)):
            shade = [ANSWER_COLOURS[answers.get(i, "")] for i in rows]
            self._sources["place"][name].data = {"x": x[rows], "y": y[rows], "colour": shade}

    def _heard(self, attribute: str, old: Any, new: Any) -> None:
        """Take a line from the page, unless it was drawn on a detection that is no longer shown."""
        if not len(new["kind"]) or int(new["shown"][0]) != self._number or new["kind"][0] not in self._windows:
            return
        line = np.column_stack([np.asarray(new["xs"][0], float), np.asarray(new["ys"][0], float)])
        self._drew(self._windows[new["kind"][0]].to_lonlat(Polygon(line)))


def _plain_axes(drawn: Any) -> None:
    """Small words, few ticks, and nothing that happens by itself: the wheel scrolls the notebook."""
    from bokeh.models import BasicTicker

    drawn.toolbar.update(active_drag=None, active_scroll=None, logo=None)
    # wide enough for every number: the figure would be laid out anew where it grows
    drawn.min_border_left = 60
    drawn.grid.visible = False
    drawn.axis.major_label_text_font_size = "8pt"
    drawn.axis.axis_label_text_font_size = "8pt"
    drawn.axis.axis_label_text_font_style = "normal"
    drawn.axis.minor_tick_line_color = None
    drawn.axis.ticker = BasicTicker(desired_num_ticks=4)


def _rings(shapes: list[Any]) -> dict[str, list[Any]]:
    rings = [np.asarray(part.exterior.coords)[:-1] for shape in shapes for part in polygons_of(shape)]
    return {"xs": [ring[:, 0].tolist() for ring in rings], "ys": [ring[:, 1].tolist() for ring in rings]}


def _rgba(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    return packed(np.clip((values - low) / (high - low), 0, 1))
