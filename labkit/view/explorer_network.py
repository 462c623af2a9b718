"""The network of an explorer: which pairs enter the stack, and a drag over dates that says which may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.view.baselines import solve_network

if TYPE_CHECKING:
    import holoviews as hv

_WIDTH, _HEIGHT = 1120, 170
_TAKEN, _LEFT_OUT, _DATE = "#0072b2", "#d0d0d0", "#222222"

#: A drag over less than this, days, is a slip of the hand.
_LEAST_DRAG = 1.0

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
        import holoviews as hv

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
        self._redraw = hv.streams.Stream.define("Redraw", number=0)()

    def show(self, taken: npt.NDArray[np.intp]) -> None:
        """Draw the pairs of these numbers as those that enter."""
        self._taken = taken
        self._redraw.event(number=self._redraw.number + 1)

    def figure(self) -> hv.Overlay:
        """Give the figure for one place on a page."""
        import holoviews as hv

        everything = self._lines(np.arange(len(self._pieces[0]) // 2), _LEFT_OUT)
        taken = hv.DynamicMap(self._draw, streams=[self._redraw])
        words = [str(d.astype("datetime64[D]")) for d in self._dates]
        dots = hv.Scatter((self._dates, self._heights, words), "time", ["baseline", "date"]).opts(
            size=6, fill_color="white", line_color=_DATE, tools=["hover"], hover_tooltips=[("acquisition", "@date")]
        )
        drawn = everything * taken * dots
        return drawn.opts(
            hv.opts.Overlay(
                frame_width=_WIDTH, frame_height=_HEIGHT, xlabel="drag over dates to stack these alone",
                ylabel="perpendicular baseline, m" if self._known else "length of pair, days", hooks=[self._attach],
                show_legend=False, title="", toolbar="right",
            )
        )  # fmt: skip

    def _draw(self, number: int) -> hv.Segments:
        return self._lines(self._taken, _TAKEN)

    def _lines(self, chosen: npt.NDArray[np.intp], colour: str) -> hv.Segments:
        import holoviews as hv

        both = np.concatenate([chosen, chosen + len(self._pieces[0]) // 2])
        pieces = tuple(column[both] for column in self._pieces)
        return hv.Segments(pieces, ["time", "baseline", "time_end", "baseline_end"]).opts(color=colour, line_width=1.5)

    def _attach(self, plot: Any, element: Any) -> None:
        from bokeh.events import SelectionGeometry
        from bokeh.models import BoxSelectTool

        figure = plot.state
        tool = figure.select_one({"type": BoxSelectTool})
        if tool is None:
            tool = BoxSelectTool(dimensions="width", continuous=True, renderers=[], persistent=True)
            figure.add_tools(tool)
            figure.on_event(SelectionGeometry, self._selected)
        # holoviews goes back to panning whenever it draws anew
        figure.toolbar.active_drag = tool

    def _selected(self, event: Any) -> None:
        """Hear of a drag; the axis counts milliseconds."""
        if event.geometry.get("type") != "rect":
            return
        low, high = sorted(np.datetime64(round(event.geometry[side]), "ms") for side in ("x0", "x1"))
        if (high - low) / np.timedelta64(1, "D") < _LEAST_DRAG:
            return
        self._dragged(str(low.astype("datetime64[D]")), str(high.astype("datetime64[D]")), bool(event.final))
