"""The profile along a line across a slide: gradients, rate and height, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.view import notebook
from labkit.view.explorer_ground import Ground, read_at
from labkit.view.review_layers import spacing_m

if TYPE_CHECKING:
    import panel as pn

#: Points along a line are one pixel apart, and at most so many.
_MOST_POINTS = 2000

#: Of one figure, px of the screen, and the room to its left and right: each begins below a panel of the explorer.
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 260, 150, 64, 16

#: Columns with their colours (Okabe and Ito).
_COLOURS = {"azimuth": "#0072b2", "range": "#d55e00", "rate": "#009e73", "height": "#444444"}

#: Figure → its columns, title and unit.
_FIGURES = {
    "gradient": (("azimuth", "range"), "Gradient, ± one standard error", "rad"),
    "rate": (("rate",), "LOS rate, ± one standard error", "mm/yr"),
    "height": (("height",), "Height", "m"),
}


def read_profile(
    gradients: xr.Dataset, line: Sequence[float], *, rates: xr.Dataset | None = None, dem: xr.DataArray | None = None
) -> pd.DataFrame:
    """Read gradients, rate and height along a straight line.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients.
    line : (float, float, float, float)
        Its ends x0, y0, x1, y1 in pixel edges of ``gradients``.
    rates : xarray.Dataset, optional
        rates on the same grid.
    dem : xarray.DataArray, optional
        Heights (y, x), m, with 1-D ``y`` and ``x`` and a CRS.

    Returns
    -------
    pandas.DataFrame
        A row for each pixel of the line's length, both ends included: ``distance`` (m on the ground, px where the
        spacing is unknown), ``x``, ``y`` (px), ``azimuth``, ``range`` (rad), ``rate`` (mm/yr), each with ``…_error``,
        and ``height`` (m). NaN = no data, or not given.

    Raises
    ------
    LabkitError
        The line has no length, or an object breaks its rule.

    Notes
    -----
    Values are bilinear between the centres of pixels; NaN where one of the four is no data.

    Examples
    --------
    >>> import labkit as lk
    >>> stack = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> table = read_profile(stack, (20, 80, 60, 110))
    >>> len(table), table["distance"].iloc[-1].round()
    (51, np.float64(2000.0))
    """
    schema.check_gradients(gradients)
    if rates is not None and dict(schema.check_rates(rates).sizes) != {d: gradients.sizes[d] for d in ("y", "x")}:
        raise LabkitError(f"rates must lie on the grid of the gradients, instead got {dict(rates.sizes)}")
    ends = np.asarray(line, float)
    if ends.shape != (4,) or not np.isfinite(ends).all() or (ends[:2] == ends[2:]).all():
        raise LabkitError(f"line must be x0, y0, x1, y1 of two different points, instead got line={line!r}")
    x0, y0, x1, y1 = ends
    share = np.linspace(0, 1, min(math.ceil(math.hypot(x1 - x0, y1 - y0)) + 1, _MOST_POINTS))
    x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    along, across = spacing_m(gradients)
    columns: dict[str, Any] = {"distance": share * math.hypot((y1 - y0) * along, (x1 - x0) * across), "x": x, "y": y}
    nothing = np.full(len(share), np.nan)
    for direction in schema.DIRECTIONS:
        here = gradients.sel(direction=direction) if direction in gradients["direction"].values else None
        for name, column in (("gradient", direction), ("standard_error", f"{direction}_error")):
            known = here is not None and name in here
            columns[column] = read_at(here[name].values, y, x) if here is not None and known else nothing
    for name, column in (("rate", "rate"), ("standard_error", "rate_error")):
        columns[column] = read_at(rates[name].values, y, x) if rates is not None and name in rates else nothing
    columns["height"] = nothing if dem is None else Ground(gradients, dem, None).heights(y, x)
    return pd.DataFrame(columns)


def profile(
    gradients: xr.Dataset, line: Sequence[float], *, rates: xr.Dataset | None = None, dem: xr.DataArray | None = None
) -> pn.pane.Bokeh:
    """Draw gradients, rate and height along a straight line, with bands of one standard error.

    Parameters
    ----------
    gradients, line, rates, dem
        As for :func:`labkit.view.line_profile.read_profile`, which gives the numbers.

    Returns
    -------
    panel.pane.Bokeh
        Three figures beside one another, from the line's first end to its last.

    Raises
    ------
    LabkitError
        As :func:`labkit.view.line_profile.read_profile`.

    Notes
    -----
    Across a couplet the gradient goes from one sign to the other: it is zero where the rate is greatest.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> drawn = lk.view.profile(stack, (40, 105, 85, 105), rates=scene.rates["ascending"], dem=scene.dem)
    >>> [figure.yaxis.axis_label for figure in drawn.object.children]
    ['rad', 'mm/yr', 'm']
    """
    notebook.ready()
    import panel as pn

    figures = ProfileFigures(metres=spacing_m(gradients) != (1.0, 1.0))
    figures.fill(read_profile(gradients, line, rates=rates, dem=dem))
    return pn.pane.Bokeh(figures.row())


class ProfileFigures:
    """The figures of a profile; :meth:`fill` puts another one on them.

    Parameters
    ----------
    metres : bool
        Whether distances are in metres, else in pixels.
    """

    def __init__(self, *, metres: bool) -> None:
        from bokeh.models import ColumnDataSource, DataRange1d

        self.source = ColumnDataSource(_columns(None))
        self._across = DataRange1d(range_padding=0)
        self._words = "m from the line's beginning" if metres else "px from the line's beginning"
        self.figures = {name: self._figure(name) for name in _FIGURES}

    def row(self) -> Any:
        """Give them beside one another."""
        from bokeh.layouts import row

        return row(list(self.figures.values()))

    def fill(self, table: pd.DataFrame | None) -> None:
        """Show another profile; None for none."""
        self.source.data = _columns(table)
        for name, (columns, title, _) in _FIGURES.items():
            missing = table is not None and not table[list(columns)].notna().any(axis=None)
            self.figures[name].title.text = f"{title.split(',')[0]}: not known here" if missing else title

    def _figure(self, name: str) -> Any:
        from bokeh.models import HoverTool
        from bokeh.plotting import figure

        columns, title, unit = _FIGURES[name]
        drawn: Any = figure(
            title=title, frame_width=_WIDTH, frame_height=_HEIGHT, x_range=self._across, tools="",
            toolbar_location=None, x_axis_label=self._words, y_axis_label=unit, min_border_left=_LEFT,
            min_border_right=_RIGHT, output_backend="canvas",
        )  # fmt: skip
        drawn.axis.axis_label_text_font_style = "normal"
        lines = []
        for column in columns:
            shade = _COLOURS[column]
            if column != "height":
                drawn.quad(
                    "left", "right", f"{column}_low", f"{column}_high", source=self.source, fill_color=shade,
                    fill_alpha=0.25, line_color=None,
                )  # fmt: skip
            words = {"legend_label": column} if len(columns) > 1 else {}
            lines.append(drawn.line("distance", column, source=self.source, line_color=shade, line_width=2, **words))
        if len(columns) > 1:
            drawn.legend.update(orientation="horizontal", padding=3, label_text_font_size="8pt", location="top_right")
            drawn.legend.background_fill_alpha = 0.6
        # one line tells of all: the pointer would say everything twice
        pointer = [("at", "@distance{0} " + self._words.split()[0])]
        for column in columns:
            error = "" if column == "height" else f" ± @{column}_error{{0.00}}"
            pointer.append((column, f"@{column}{{0.00}}{error} {unit}"))
        drawn.add_tools(HoverTool(renderers=lines[:1], tooltips=pointer, mode="vline", line_policy="nearest"))
        return drawn


def _columns(table: pd.DataFrame | None) -> dict[str, Any]:
    names = [column for columns, _, _ in _FIGURES.values() for column in columns]
    if table is None:
        table = pd.DataFrame({name: np.empty(0) for name in ("distance", *names, *(f"{n}_error" for n in names))})
    half = table["distance"].iloc[1] / 2 if len(table) > 1 else 0.0
    columns: dict[str, Any] = {"distance": table["distance"].to_numpy()}
    columns |= {"left": columns["distance"] - half, "right": columns["distance"] + half}
    for name in names:
        columns[name] = table[name].to_numpy(float)
        if name != "height":
            error = table[f"{name}_error"].to_numpy(float)
            columns |= {
                f"{name}_error": error,
                f"{name}_low": columns[name] - error,
                f"{name}_high": columns[name] + error,
            }
    return columns
