"""The network of an explorer: which pairs enter the stack, and a drag over dates that says which may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.view.baselines import solve_network
from labkit.view.explorer_copies import Copies

if TYPE_CHECKING:
    import panel as pn

_WIDTH, _HEIGHT = 984, 170
_TAKEN, _LEFT_OUT, _DATE = "#0072b2", "#d0d0d0", "#222222"

#: A drag over less than this, days, is a slip of the hand.
_LEAST_DRAG = 1.0

#: Ends of the straight pieces that a pair is drawn of.
_ENDS = ("time", "baseline", "time_end", "baseline_end")

#: Called with the first and last date, "YYYY-MM-DD", and whether the hand has let go.
Dragged = Callable[[str, str, bool], None]


class ExplorerNetwork:
    """The figure; :meth:`show` colours the pairs that enter.

    Parameters
    ----------
    ifgs : xarray.Dataset
        All pairs, placed as :func:`labkit.view.network` does; without baselines by their length in time.
    dragged : callable
        Called while somebody drags over dates.
    """

    def __init__(self, ifgs: xr.Dataset, dragged: Dragged) -> None:
        solved = solve_network(ifgs)
        self._dragged = dragged
        self._dates = solved.dates
        self._known = bool(np.isfinite(solved.baselines).all())
        heights = solved.baselines if self._known else np.zeros(len(solved.dates))
        first, second = solved.edges.T
        middle = solved.dates[first] + (solved.dates[second] - solved.dates[first]) / 2
        days = (solved.dates[second] - solved.dates[first]) / np.timedelta64(1, "D")
        top = (heights[first] + heights[second]) / 2 if self._known else days
        # two straight pieces each: over a line of time alone, pairs would cover one another
        self._pieces = (
            np.concatenate([solved.dates[first], middle]), np.concatenate([heights[first], top]),
            np.concatenate([middle, solved.dates[second]]), np.concatenate([top, heights[second]]),
        )  # fmt: skip
        self._heights = heights
        self._taken: npt.NDArray[np.intp] = np.arange(len(solved.edges))
        #: The lines of the pairs that enter, on each page.
        self.copies: Copies[Any] = Copies()

    def show(self, taken: npt.NDArray[np.intp]) -> None:
        """Draw the pairs of these numbers as those that enter."""
        if np.array_equal(taken, self._taken):
            return
        self._taken = taken
        for source in self.copies:
            source.data = self._lines(taken)
        self.copies.push()

    def pane(self) -> pn.pane.Bokeh:
        """Give the figure for one place on a page."""
        import panel as pn
        from bokeh.events import SelectionGeometry
        from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool
        from bokeh.plotting import figure

        drawn: Any = figure(
            name="network", title="", frame_width=_WIDTH, frame_height=_HEIGHT, x_axis_type="datetime",
            tools="xwheel_zoom,reset,save",
            x_axis_label="drag over dates to stack these alone", min_border_left=60, output_backend="canvas",
            y_axis_label="perpendicular baseline, m" if self._known else "length of pair, days",
        )  # fmt: skip
        drawn.axis.axis_label_text_font_style = "normal"
        sources = [ColumnDataSource(self._lines(k)) for k in (np.arange(len(self._pieces[0]) // 2), self._taken)]
        for source, colour in zip(sources, (_LEFT_OUT, _TAKEN), strict=True):
            x0, y0, x1, y1 = _ENDS
            drawn.segment(x0, y0, x1, y1, source=source, line_color=colour, line_width=1.5)
        words = [str(d.astype("datetime64[D]")) for d in self._dates]
        dates = ColumnDataSource({"time": self._dates, "baseline": self._heights, "date": words})
        dots = drawn.scatter("time", "baseline", source=dates, size=6, fill_color="white", line_color=_DATE)
        drag = BoxSelectTool(dimensions="width", continuous=True, renderers=[], persistent=True)
        drawn.add_tools(drag, HoverTool(renderers=[dots], tooltips=[("acquisition", "@date")]))
        drawn.toolbar.update(active_drag=drag, active_scroll=None, logo=None)
        drawn.on_event(SelectionGeometry, self._selected)
        pane = pn.pane.Bokeh(drawn)
        self.copies.add(pane, sources[1])
        return pane

    def _lines(self, chosen: npt.NDArray[np.intp]) -> dict[str, Any]:
        both = np.concatenate([chosen, chosen + len(self._pieces[0]) // 2])
        return {name: column[both] for name, column in zip(_ENDS, self._pieces, strict=True)}

    def _selected(self, event: Any) -> None:
        """Hear of a drag; the axis counts milliseconds."""
        if event.geometry.get("type") != "rect":
            return
        low, high = sorted(np.datetime64(round(event.geometry[side]), "ms") for side in ("x0", "x1"))
        if (high - low) / np.timedelta64(1, "D") < _LEAST_DRAG:
            return
        self._dragged(str(low.astype("datetime64[D]")), str(high.astype("datetime64[D]")), bool(event.final))
