"""The three panels of an explorer: azimuth, range and one more, which zoom, pan and point together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.stack import integrate_rate
from labkit.view import colours, panels, pixels
from labkit.view.explorer_settings import Settings
from labkit.view.restacking import Picture

if TYPE_CHECKING:
    import holoviews as hv

#: Width of one of three panels, px of the screen.
_WIDTH = 340

#: Palette → its colours, and what its ends are called, low and high.
_PALETTES = {
    "red-blue": (colours.GRADIENT_COLOURS, "blue", "red"),
    "orange-purple": ("PuOr_r", "purple", "orange"),
}
_RATE_PALETTES = {"red-blue": colours.RATE_COLOURS, "orange-purple": "PuOr"}

#: Called with the rows and columns that come into view, pixel edges.
Viewed = Callable[[tuple[float, float], tuple[float, float]], None]


@dataclass(frozen=True)
class Face:
    """One panel as it is to look: its arrays and their place in the scene, its colours and its words."""

    part: pixels.Shown
    title: str
    low: float
    high: float
    colours: str
    words: str
    tooltips: tuple[tuple[str, str], ...]


def gradient_face(picture: Picture, settings: Settings, direction: str) -> Face:
    """Give the panel of one direction."""
    stack, share = picture.stack, np.float32(picture.gradient_share)
    layers = {name: stack[name].sel(direction=direction, drop=True) * share for name in ("gradient", "standard_error")}
    value = layers["gradient"]
    if not picture.exact and settings.estimator == "rewrapped":
        value = (value + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    shade, falls, grows = _PALETTES[settings.palette]
    return Face(
        _placed(picture, {"value": value, "other": layers["standard_error"]}, settings),
        f"Along {direction}" + ("" if picture.exact else f", means of {picture.step} × {picture.step} px"),
        -settings.limit,
        settings.limit,
        shade,
        f"rad  ·  {falls}: phase falls, {grows}: it grows",
        ((f"gradient along {direction}", "@value{0.00} rad"), ("standard error", "@other{0.00} rad")),
    )


def third_face(picture: Picture, settings: Settings, ifgs: xr.Dataset) -> Face:
    """Give the third panel.

    Raises
    ------
    LabkitError
        The stack makes no rate, or there is no such pair.
    """
    if settings.third == "rate":
        return _rate_face(picture, settings)
    if settings.third == "pair":
        return _pair_face(picture, settings, ifgs)
    coherence = picture.stack["coherence"]
    return Face(
        _placed(picture, {"value": coherence, "other": coherence}, settings),
        "Mean coherence", 0.0, 1.0, "gray", "black: noise, white: the phase is sure", (("coherence", "@value{0.00}"),),
    )  # fmt: skip


def _rate_face(picture: Picture, settings: Settings) -> Face:
    rates = integrate_rate(picture.stack)
    limit = panels.rate_limit(rates["rate"].values)
    words = {"red-blue": ("red", "blue"), "orange-purple": ("orange", "purple")}[settings.palette]
    return Face(
        _placed(picture, {"value": rates["rate"], "other": rates["standard_error"]}, settings),
        "Line-of-sight rate", -limit, limit, _RATE_PALETTES[settings.palette],
        f"mm/yr  ·  {words[0]}: away from the radar, {words[1]}: toward it",
        (("LOS rate", "@value{0.0} mm/yr"), ("standard error", "@other{0.0} mm/yr")),
    )  # fmt: skip


def _pair_face(picture: Picture, settings: Settings, ifgs: xr.Dataset) -> Face:
    if settings.pair not in ifgs["pair"].values:
        raise LabkitError(f"pair must be one of the {ifgs.sizes['pair']} pairs, instead got pair={settings.pair!r}")
    stack = picture.stack
    rows = slice(picture.top, picture.top + stack.sizes["y"] * picture.step)
    cols = slice(picture.left, picture.left + stack.sizes["x"] * picture.step)
    # wrapped phase has no mean: single pixels stand for their neighbours
    pixel_count = (rows.stop - rows.start) * (cols.stop - cols.start)
    step = max(picture.step, math.ceil(math.sqrt(pixel_count / pixels.MAX_PIXELS)))
    one = ifgs.sel(pair=settings.pair).isel(y=rows, x=cols).isel(y=slice(None, None, step), x=slice(None, None, step))
    one = one.compute()
    thinned = Picture(one, picture.top, picture.left, step, True, 0.0)
    return Face(
        _placed(thinned, {"value": one["phase"], "other": one["coherence"]}, Settings()),
        f"Wrapped phase {settings.pair}", -np.pi, np.pi, colours.PHASE_COLOURS,
        "rad  ·  a full circle is half a wavelength",
        (("phase", "@value{0.00} rad"), ("coherence", "@other{0.00}")),
    )  # fmt: skip


def _placed(picture: Picture, layers: dict[str, xr.DataArray], settings: Settings) -> pixels.Shown:
    """What fits on a screen, its bounds in pixels of the scene; of a large stack what is in view alone."""
    view: dict[str, tuple[float, float]] = {}
    if settings.rows is not None and settings.cols is not None and layers["value"].size > pixels.MAX_PIXELS:
        for name, span, first in (("rows", settings.rows, picture.top), ("cols", settings.cols, picture.left)):
            view[name] = ((span[0] - first) / picture.step, (span[1] - first) / picture.step)
    part = pixels.shown(picture.stack, layers, rows=view.get("rows"), cols=view.get("cols"))
    left, top, right, bottom = (edge * picture.step for edge in part.bounds)
    bounds = (left + picture.left, top + picture.top, right + picture.left, bottom + picture.top)
    return pixels.Shown(part.arrays, bounds, part.step * picture.step)


class ExplorerPanels:
    """The panels; :meth:`show` puts another picture on all of them.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    viewed : callable
        Called when somebody zooms or pans.
    """

    def __init__(self, ifgs: xr.Dataset, viewed: Viewed) -> None:
        import holoviews as hv

        self._ifgs, self._viewed = ifgs, viewed
        self.faces: dict[str, Face] = {}
        self._redraw = {name: hv.streams.Stream.define("Redraw", number=0)() for name in (*schema.DIRECTIONS, "third")}
        self._figures: list[Any] = []

    def show(self, faces: dict[str, Face]) -> None:
        """Draw these panels anew, "azimuth", "range" and "third"; what is left out stays as it is."""
        self.faces |= faces
        for name in faces:
            stream = self._redraw[name]
            stream.event(number=stream.number + 1)

    def look_at(self, settings: Settings) -> None:
        """Bring the part in view of these settings into view."""
        for figure in self._figures:
            _set_view(figure, settings, (self._ifgs.sizes["y"], self._ifgs.sizes["x"]))

    def figure(self, settings: Settings) -> hv.Layout:
        """Give the panels for one place on a page."""
        import holoviews as hv
        from bokeh.models import CrosshairTool
        from bokeh.models.annotations import Span

        across, along = (Span(dimension=d, line_color="#222222", line_width=1) for d in ("width", "height"))
        crosshair = CrosshairTool(overlay=(across, along))
        self._figures = []

        def attach(plot: Any, element: Any) -> None:
            figure = plot.state
            if figure not in self._figures:
                self._figures.append(figure)
                figure.add_tools(crosshair)
                _set_view(figure, settings, (self._ifgs.sizes["y"], self._ifgs.sizes["x"]))

        drawn = [hv.DynamicMap(partial(self._draw, name, attach), streams=[s]) for name, s in self._redraw.items()]
        hv.streams.RangeXY(source=drawn[0]).add_subscriber(self._moved)
        layout = hv.Layout(drawn).cols(len(drawn))
        return layout.opts(hv.opts.Layout(shared_axes=True, merge_tools=True, toolbar="right"))

    def _moved(self, x_range: Any = None, y_range: Any = None) -> None:
        if x_range is not None and y_range is not None:
            rows, cols = (tuple(sorted(map(float, span))) for span in (y_range, x_range))
            self._viewed((rows[0], rows[1]), (cols[0], cols[1]))

    def _draw(self, name: str, attach: Callable[[Any, Any], None], number: int) -> hv.Image:
        import holoviews as hv

        face = self.faces[name]
        left, top, right, bottom = face.part.bounds
        stack = np.dstack(list(face.part.arrays.values()))[::-1]
        shape = (self._ifgs.sizes["y"], self._ifgs.sizes["x"])
        radar = self._ifgs.attrs["geometry"] == "radar"
        tooltips = list(face.tooltips)
        if geo.has_lonlat(self._ifgs):
            tooltips.append(("lon, lat", "@lon{0.00000}, @lat{0.00000}"))
        ticks = [face.low, (face.low + face.high) / 2, face.high]
        drawn = hv.Image(stack, ["x", "y"], list(face.part.arrays), bounds=(left, top, right, bottom))
        return drawn.opts(
            title=face.title, cmap=face.colours, clim=(face.low, face.high), clipping_colors={"NaN": colours.NO_DATA},
            colorbar=True, colorbar_position="bottom", clabel=face.words,
            colorbar_opts={
                "title_standoff": 8, "title_text_font_style": "normal", "title_text_font_size": "9pt",
            },
            xlim=(0, shape[1]), ylim=(0, shape[0]), invert_yaxis=True, frame_width=_WIDTH,
            frame_height=panels.frame_height(self._ifgs, shape, _WIDTH), xlabel="range, px" if radar else "column, px",
            ylabel="azimuth, px" if radar else "row, px", tools=["hover"], hover_tooltips=tooltips,
            active_tools=["box_zoom"], hooks=[attach, partial(_dress, face, tooltips, ticks)],
        )  # fmt: skip


def _dress(face: Face, tooltips: list[tuple[str, str]], ticks: list[float], plot: Any, element: Any) -> None:
    """Bring what holoviews sets only once to a figure that stands: its title, its bar and what the pointer reads."""
    from bokeh.models import FixedTicker, HoverTool
    from bokeh.models.annotations import ColorBar

    figure = plot.state
    figure.title.text = face.title
    for bar in figure.select({"type": ColorBar}):
        bar.title, bar.ticker = face.words, FixedTicker(ticks=ticks)
    for tool in figure.select({"type": HoverTool}):
        tool.tooltips = tooltips


def _set_view(figure: Any, settings: Settings, shape: tuple[int, int]) -> None:
    rows, cols = settings.rows or (0.0, float(shape[0])), settings.cols or (0.0, float(shape[1]))
    figure.x_range.update(start=cols[0], end=cols[1])
    # the axis is turned over: rows run down
    figure.y_range.update(start=rows[1], end=rows[0])
