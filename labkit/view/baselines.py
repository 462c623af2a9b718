"""The network of pairs: which acquisitions are joined, over what time and what perpendicular baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labkit import schema
from labkit.errors import LabkitError
from labkit.stack import mean_coherence
from labkit.view import colours, notebook
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

COLOURS_BY = ("auto", "coherence", "temporal_baseline")

#: Widths of a pair's line: one of consecutive acquisitions, and one that reaches further.
_SEQUENCE_WIDTH, _REDUNDANT_WIDTH = 2.6, 1.1

#: Height of the frame, px of the screen, with baselines and without, and of the lane below it for the names of gaps.
_HEIGHT, _HEIGHT_OF_ARCS, _LANE = 320, 220, 190

#: Straight pieces of an arc.
_PIECES = 24

#: Room above and below what is drawn, as a share of it.
_MARGIN = 0.12

Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Network:
    """Acquisitions and pairs: ``dates`` in order, ``baselines`` (m, NaN = unknown), ``edges`` (pair, 2) into them.

    ``group`` numbers the parts that no pair joins; ``isolated`` are the acquisitions without a pair.
    """

    dates: Dates
    baselines: npt.NDArray[np.float64]
    edges: npt.NDArray[np.intp]
    group: npt.NDArray[np.intp]

    @property
    def isolated(self) -> Dates:
        """Acquisitions that no pair uses."""
        return self.dates[~np.isin(np.arange(len(self.dates)), self.edges)]

    @property
    def sequence(self) -> npt.NDArray[np.bool_]:
        """Which pairs join consecutive acquisitions; the others are redundant (Fu et al. 2022, Figure 2)."""
        return np.asarray(self.edges[:, 1] - self.edges[:, 0] == 1)

    @property
    def gaps(self) -> list[tuple[np.datetime64, np.datetime64]]:
        """Stretches of time, from acquisition to acquisition, that no pair spans: the stack knows nothing of them."""
        steps = np.arange(len(self.dates) - 1)
        spanned = ((self.edges[:, :1] <= steps) & (steps < self.edges[:, 1:])).any(axis=0)
        # Neighbouring steps without a pair are one gap: it begins after a spanned step and ends before one.
        change = np.diff(np.concatenate([[False], ~spanned, [False]]).astype(int))
        starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        return [(self.dates[i], self.dates[j]) for i, j in zip(starts, stops, strict=True)]

    @property
    def n_parts(self) -> int:
        """Number of parts that pairs join within and none joins between, isolated acquisitions left out."""
        return len(np.unique(self.group[self.edges[:, 0]]))


def solve_network(ifgs: xr.Dataset, among: xr.Dataset | None = None) -> Network:
    """Place acquisitions by perpendicular baseline from the baselines of their pairs.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; only coordinates are read.
    among : xarray.Dataset, optional
        The interferograms that ``ifgs`` was selected from: acquisitions that the selection dropped are isolated.

    Returns
    -------
    Network
        Baselines are relative to the first acquisition of each connected part of ``among`` (or ``ifgs``), NaN
        throughout when a pair's is unknown.

    Notes
    -----
    A pair gives B(secondary) − B(reference); all of them are met in the least-squares sense.
    """
    schema.check_interferograms(ifgs)
    whole = ifgs if among is None else schema.check_interferograms(among)
    dates = np.unique(np.concatenate([s[c].values for s in (ifgs, whole) for c in ("reference", "secondary")]))
    edges = _edges(ifgs, dates)
    n = len(dates)
    group = _parts(edges, n)
    # What the selection left out still tells where the acquisitions are.
    baselines = _positions(whole, _edges(whole, dates), n)
    return Network(dates, baselines, edges, group)


def _edges(ifgs: xr.Dataset, dates: Dates) -> npt.NDArray[np.intp]:
    return np.column_stack([np.searchsorted(dates, ifgs[c].values) for c in ("reference", "secondary")])


def _parts(edges: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.intp]:
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def _positions(ifgs: xr.Dataset, edges: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.float64]:
    differences = np.asarray(ifgs["perpendicular_baseline"].values, float)
    if not np.isfinite(differences).all():
        return np.full(n, np.nan)
    rows = np.arange(len(edges))
    design = np.zeros((len(edges), n))
    design[rows, edges[:, 1]] = 1.0
    design[rows, edges[:, 0]] -= 1.0
    baselines = np.linalg.lstsq(design, differences, rcond=None)[0]
    group = _parts(edges, n)
    for part in np.unique(group):
        members = np.flatnonzero(group == part)
        baselines[members] -= baselines[members[0]]
    return np.asarray(baselines)


def network(ifgs: xr.Dataset, *, among: xr.Dataset | None = None, colour_by: str = "auto") -> hv.Overlay:
    """Show the network of pairs: perpendicular baseline against time, one line for each pair.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms. Where a perpendicular baseline is unknown, pairs are arcs over a line of time instead. Pairs of
        consecutive acquisitions are drawn thick, redundant ones thin; a gap, a stretch of time that no pair spans, is
        shaded and named with its dates in a lane of its own below.
    among : xarray.Dataset, optional
        The interferograms before selection; acquisitions left without a pair are drawn hollow and named.
    colour_by : {"auto", "coherence", "temporal_baseline"}
        "coherence": mean coherence of each pair, from about 100 × 100 of its pixels, which have to be read.
        "temporal_baseline": days. "auto": coherence where it is in memory already, else temporal baseline.

    Returns
    -------
    holoviews.Overlay

    Raises
    ------
    LabkitError
        An argument breaks its rule.

    References
    ----------
    Fu et al. (2022), Figure 2.

    Examples
    --------
    >>> import labkit as lk
    >>> drawn = lk.view.network(lk.simulate.scene("tiny").interferograms["ascending"])
    >>> type(drawn).__name__
    'Overlay'
    """
    if colour_by not in COLOURS_BY:
        raise LabkitError(f"colour_by must be one of {COLOURS_BY}, instead got colour_by={colour_by!r}")
    solved = solve_network(ifgs, among)
    notebook.ready()
    import holoviews as hv

    known = bool(np.isfinite(solved.baselines).all())
    coherence = colour_by == "coherence" or (colour_by == "auto" and _in_memory(ifgs["coherence"]))
    values = mean_coherence(ifgs) if coherence else np.asarray(ifgs["temporal_baseline"].values, float)
    heights = solved.baselines if known else np.zeros(len(solved.dates))
    colour = {
        "color": "value",
        "cmap": colours.network_colours(rising=coherence),
        "colorbar": True,
        "colorbar_position": "bottom",
        "colorbar_opts": {"title_standoff": 8, "title_text_font_style": "normal", "title_text_font_size": "10pt"},
        "clabel": "mean coherence (0–1)" if coherence else "temporal baseline, days",
        "line_width": hv.dim("width"),
        "tools": ["hover"],
        "hover_tooltips": [("pair", "@pair"), ("coherence" if coherence else "days", "@value{0.[00]}")],
    }
    widths = np.where(solved.sequence, _SEQUENCE_WIDTH, _REDUNDANT_WIDTH)
    ends = _lines(solved, heights) if known else _arcs(solved)
    each = [np.repeat(column, ends[0].shape[1]) for column in (values, ifgs["pair"].values.astype(str), widths)]
    # Segments and not paths, which holoviews splits and checks against each other: 348 pairs took it 45 s.
    drawn = hv.Segments(
        (*(end.ravel() for end in ends), *each), ["time", "baseline", "until", "end"], ["value", "pair", "width"]
    ).opts(**colour)
    if solved.gaps:
        drawn = _gap_bands(solved) * drawn
    used = ~np.isin(solved.dates, solved.isolated)
    drawn = drawn * _dots(solved.dates[used], heights[used], "#1a1a1a", "#1a1a1a")
    if len(solved.isolated):
        drawn = drawn * _dots(solved.isolated, heights[~used], "#ffffff", "#d4001a") * _names(solved, heights)
    height = _HEIGHT if known else _HEIGHT_OF_ARCS
    highest = float(np.max(heights)) if known else float(ifgs["temporal_baseline"].max())
    low, high = _limits(float(np.min(heights)), highest)
    if solved.gaps:
        # Where nothing else is written; names of acquisitions stand between the dots.
        low, bottom = low - (high - low) * _LANE / height, low
        drawn = drawn * _gap_names(solved, low + 0.03 * (bottom - low))
        height += _LANE
    return drawn.opts(
        hv.opts.Overlay(
            title=_title(solved, str(ifgs.attrs.get("scene", "")), known),
            frame_width=760,
            frame_height=height,
            xlabel="acquisition",
            ylabel="perpendicular baseline, m" if known else "baselines unknown",
            **({} if known else {"yticks": [(0.0, "")]}),
            ylim=(low, high),
            padding=(0.04, 0.0),
        )
    )


def _limits(lowest: float, highest: float) -> tuple[float, float]:
    """Ends of the axis of baselines, with room around what is drawn."""
    room = _MARGIN * (highest - lowest) if highest > lowest else 1.0
    return lowest - room, highest + room


def _title(solved: Network, scene: str, known: bool) -> str:
    words = [
        f"{scene}: " if scene else "",
        f"{counted(len(solved.edges), 'pair')} of {counted(len(solved.dates), 'acquisition')}",
    ]
    if solved.n_parts > 1:
        words.append(f", in {solved.n_parts} parts that no pair joins")
    more = []
    if len(solved.isolated):
        more.append(f"{len(solved.isolated)} without a pair")
    if solved.gaps:
        more.append(f"{counted(len(solved.gaps), 'gap')} in time")
    if not known:
        more.append("perpendicular baselines unknown")
    if 0 < int(solved.sequence.sum()) < len(solved.edges):
        more.append("thick lines join consecutive acquisitions")
    # On a line of their own: one line would leave the frame.
    return "".join(words) + ("\n" + ", ".join(more) if more else "")


def _in_memory(values: xr.DataArray) -> bool:
    # Neither dask chunks nor a file behind a lazily indexed array.
    return isinstance(values.variable._data, np.ndarray)


def _lines(solved: Network, heights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], ...]:
    """Give each pair its line: times and heights of both ends, each of shape (pairs, 1)."""
    start, stop = solved.edges[:, :1], solved.edges[:, 1:]
    return solved.dates[start], heights[start], solved.dates[stop], heights[stop]


def _arcs(solved: Network) -> tuple[npt.NDArray[Any], ...]:
    """Give each pair the pieces of its arc: times and heights of both ends, each of shape (pairs, pieces)."""
    start, stop = solved.dates[solved.edges[:, :1]], solved.dates[solved.edges[:, 1:]]
    share = np.linspace(0.0, 1.0, _PIECES + 1)
    days = (stop - start) / np.timedelta64(1, "D")
    time = start + (share * days * 86400).astype("timedelta64[s]")
    # Longer pairs rise higher, so that the arcs of one acquisition lie inside each other.
    height = days * np.sin(np.pi * share)
    return time[:, :-1], height[:, :-1], time[:, 1:], height[:, 1:]


def _dots(dates: Dates, heights: npt.NDArray[np.float64], fill: str, line: str) -> hv.Scatter:
    import holoviews as hv

    words = [_day(d) for d in dates]
    return hv.Scatter((dates, heights, words), "time", ["baseline", "date"]).opts(
        size=7,
        fill_color=fill,
        line_color=line,
        line_width=1.5,
        tools=["hover"],
        hover_tooltips=[("acquisition", "@date"), ("baseline", "@baseline{0.0} m")],
    )


def _names(solved: Network, heights: npt.NDArray[np.float64]) -> hv.Overlay:
    """Name the isolated acquisitions, upright, so that neighbours in time do not run into each other."""
    import holoviews as hv

    at = heights[np.isin(solved.dates, solved.isolated)]
    # In the upper half of the frame the name hangs below its dot: above it would leave the frame.
    hanging = at > (heights.min() + heights.max()) / 2
    look = {"text_font_size": "9pt", "text_color": "#d4001a", "angle": 90, "text_baseline": "middle"}
    parts = []
    for chosen, align in ((~hanging, "left"), (hanging, "right")):
        if chosen.any():
            # The spaces keep a gap to the dot.
            words = [f"   {_day(d)}   " for d in solved.isolated[chosen]]
            labels = hv.Labels((solved.isolated[chosen], at[chosen], words), ["time", "baseline"], "date")
            parts.append(labels.opts(text_align=align, **look))
    return hv.Overlay(parts)


def _gap_bands(solved: Network) -> hv.VSpans:
    import holoviews as hv

    spans = np.array(solved.gaps, "datetime64[ns]")
    return hv.VSpans((spans[:, 0], spans[:, 1]), ["start", "stop"]).opts(
        color=colours.NO_DATA, alpha=0.35, line_alpha=0.0, apply_ranges=False
    )


def _gap_names(solved: Network, bottom: float) -> hv.Labels:
    import holoviews as hv

    middles = np.array([start + (stop - start) / 2 for start, stop in solved.gaps], "datetime64[ns]")
    words = [f"no pair {_day(start)} to {_day(stop)}" for start, stop in solved.gaps]
    return hv.Labels((middles, np.full(len(words), bottom), words), ["time", "baseline"], "gap").opts(
        text_font_size="9pt", text_color=colours.COUNTY, angle=90, text_align="left", text_baseline="middle"
    )


def _day(date: np.datetime64) -> str:
    return str(date.astype("datetime64[D]"))
