"""The history of one place: its displacement from date to date, its gradients by season and by year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR, DIRECTIONS, layers
from labkit.stack import stack_gradients
from labkit.stack.neighbourhood import Place, find_neighbourhood
from labkit.stack.seasons import Periods
from labkit.view import colours, notebook
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

_WIDTH, _HEIGHT, _PAIRS_HEIGHT = 700, 260, 110

#: The figure below is moved aside to stand under the one above, and its end is cut off without so much room, px.
_BELOW = 60

#: Displacement, steady rate and pairs, pairs that contradict (Okabe and Ito).
_BLUE, _GREY, _ORANGE = "#0072b2", "#777777", "#d55e00"

#: Width of the small pictures of a place's history, px of the screen, and how many stand in a row.
_SMALL, _COLUMNS = 150, 4

#: Pairs that miss the inversion by this many times the median are drawn apart.
_MISSES = 3.0

#: Room around a place in the small pictures of its history, as a share of the box.
_ROOM = 0.6


def series(displacement: xr.Dataset) -> hv.Layout:
    """Draw how a landslide moved, with its standard errors, and the pairs that tell of it.

    Parameters
    ----------
    displacement : xarray.Dataset
        Of :func:`labkit.displacement_series`.

    Returns
    -------
    holoviews.Layout
        Displacement (mm, positive toward the satellite) with bars of one standard error, a line where pairs join the
        dates and none across gaps, and the steady rate in grey. Below, every pair as a line from its reference to its
        secondary date, those orange that contradict the others (``misfit`` three times the median or more); both
        move together along the dates.

    Raises
    ------
    LabkitError
        This is no displacement series.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs = scene.interferograms["ascending"]
    >>> slide = scene.truth[scene.truth["scene"] == ifgs.attrs["scene"]].iloc[0]
    >>> len(series(lk.displacement_series(ifgs, slide)))
    2
    """
    missing = {"displacement", "standard_error", "part", "misfit"} - {str(name) for name in displacement.variables}
    if missing:
        raise LabkitError(
            f"displacement must be what lk.displacement_series gives, instead these are missing: {sorted(missing)}"
        )
    notebook.ready()
    import holoviews as hv

    dates, heights = _limits(displacement)
    shown = hv.Overlay(_displacement(displacement)).opts(
        title=_title(displacement), xlabel="", ylabel="toward the satellite, mm", frame_width=_WIDTH, xlim=dates,
        frame_height=_HEIGHT, show_grid=True, show_legend=False, ylim=heights,
    )  # fmt: skip
    many = counted(displacement.sizes["pair"], "pair")
    pairs = hv.Overlay(_pairs(displacement)).opts(
        title=f"{many}, longest below; orange: they contradict the others", xlabel="date",
        ylabel="", yaxis=None, frame_width=_WIDTH, frame_height=_PAIRS_HEIGHT, show_legend=False, xlim=dates,
        backend_opts={"plot.min_border_right": _BELOW},
    )  # fmt: skip
    return hv.Layout([shown, pairs]).cols(1).opts(shared_axes=True)


def _limits(displacement: xr.Dataset) -> tuple[tuple[np.datetime64, np.datetime64], tuple[float, float]]:
    """Give the dates and the heights (mm) that the axes show: all that is drawn, and a little room around it."""
    first, last = displacement["date"].values[[0, -1]].astype("datetime64[h]")
    room = (last - first) // 50
    error = displacement["standard_error"].values
    low, high = (float(np.nanmax(s * displacement["displacement"].values + error)) for s in (-1, 1))
    return (first - room, last + room), (-low - 0.05 * (low + high), high + 0.05 * (low + high))


def _title(displacement: xr.Dataset) -> str:
    rate, error = float(displacement["rate"]), float(displacement["rate_standard_error"])
    scene = str(displacement.attrs.get("scene") or "")
    parts = int(displacement["part"].max()) + 1
    gaps = f" · {parts} parts that no pair joins" if parts > 1 else ""
    return f"{scene + ' · ' if scene else ''}{rate:+.0f} ± {error:.0f} mm/yr{gaps}".replace("-", "−")


def _displacement(displacement: xr.Dataset) -> list[hv.Element]:
    import holoviews as hv

    table = pd.DataFrame(
        {name: displacement[name].values for name in ("date", "displacement", "standard_error", "part")}
    )
    years = (table["date"] - table["date"].iloc[0]).dt.days / DAYS_PER_YEAR
    rate = float(displacement["rate"])
    level = table["displacement"].mean() - rate * years.mean()
    ends = table["date"].iloc[[0, -1]]
    drawn: list[hv.Element] = [
        hv.Curve((ends, level + rate * years.iloc[[0, -1]]), "date", "mm").opts(
            color=_GREY, line_width=1.5, line_dash="dashed"
        )
    ]
    for _, part in table.groupby("part"):
        drawn.append(hv.Curve((part["date"], part["displacement"]), "date", "mm").opts(color=_BLUE, line_width=2))
    drawn.append(
        hv.ErrorBars(table, "date", ["displacement", "standard_error"]).opts(color=_BLUE, line_width=1, alpha=0.7)
    )
    dots = hv.Scatter(table, "date", ["displacement", "standard_error"])
    return [*drawn, dots.opts(color=_BLUE, size=6, line_color="white", tools=["hover"])]


def _pairs(displacement: xr.Dataset) -> list[hv.Element]:
    import holoviews as hv

    first, second = displacement["reference"].values, displacement["secondary"].values
    misfit = displacement["misfit"].values
    order = np.lexsort((first, second - first))
    missed = misfit > _MISSES * np.median(misfit)
    drawn = []
    for chosen, colour in ((~missed, _GREY), (missed, _ORANGE)):
        rows = [k for k in range(len(order)) if chosen[order[k]]]
        lines: dict[str, Any] = {
            "date": first[order[rows]], "row": [-r for r in rows], "to": second[order[rows]],
            "row_end": [-r for r in rows], "misfit_mm": misfit[order[rows]].round(1),
        }  # fmt: skip
        segments = hv.Segments(pd.DataFrame(lines), ["date", "row", "to", "row_end"], ["misfit_mm"])
        drawn.append(segments.opts(color=colour, line_width=1.5, tools=["hover"]))
    return drawn


def history(
    ifgs: xr.Dataset,
    box: Place,
    *,
    by: tuple[Periods, ...] = ("season", "year"),
    direction: str = "azimuth",
    window: int = 5,
    progress: bool = True,
) -> hv.Layout:
    """Show the gradients of a place by season and by year: when it moved.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; only what lies around the box is read.
    box : sequence, row of a table, or shapely polygon
        As for :func:`labkit.displacement_series`.
    by : tuple
        Which periods to stack apart, each as ``by`` of :func:`labkit.stack_gradients`.
    direction : str
        Of the gradients, "azimuth" or "range".
    window : int
        Edge of the stack's filter, px.
    progress : bool
        Show bars.

    Returns
    -------
    holoviews.Layout
        A small picture for each period that has pairs, four in a row, all on one scale: the gradient over the years
        that it sums, in mm/yr per pixel, red where the phase grows along the direction. A period of few pairs is noisy
        here, not faint as in a stack.

    Raises
    ------
    LabkitError
        The box breaks its rule, ``direction`` is unknown, or no pair lies in any period.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs = scene.interferograms["ascending"]
    >>> slide = scene.truth[scene.truth["scene"] == ifgs.attrs["scene"]].iloc[0]
    >>> drawn = history(ifgs, slide, progress=False)
    >>> len(drawn)
    3
    """
    if direction not in DIRECTIONS:
        raise LabkitError(f"direction must be among {DIRECTIONS}, instead got direction={direction!r}")
    xmin, ymin, xmax, ymax = find_neighbourhood(ifgs, box, None).corners
    near = find_neighbourhood(ifgs, box, int(max(4, _ROOM * max(xmax - xmin, ymax - ymin))))
    pictures = {}
    for periods in by:
        part = ifgs.isel(y=near.rows, x=near.cols)
        for name, stack in stack_gradients(part, window=window, by=periods, progress=progress).items():
            mm = float(stack.attrs["wavelength"]) * 1000 / (4 * np.pi) / float(stack.attrs["sum_temporal_baseline"])
            title = f"{name} · {counted(stack.attrs['n_pairs'], 'pair')}"
            pictures[title] = layers(stack)[direction].values * np.float32(mm)
    notebook.ready()
    import holoviews as hv

    corners = (xmin - near.cols.start, ymin - near.rows.start, xmax - near.cols.start, ymax - near.rows.start)
    limit = max(float(np.nanquantile(np.abs(np.stack(list(pictures.values()))), 0.98)), 0.1)
    drawn = [_picture(image, name, corners, limit) for name, image in pictures.items()]
    title = f"Gradients along {direction}, mm/yr per pixel · {colours.gradient_ends(direction)}"
    return hv.Layout(drawn).cols(_COLUMNS).opts(shared_axes=True, title=title)


def _picture(image: np.ndarray, name: str, corners: tuple[float, float, float, float], limit: float) -> hv.Overlay:
    import holoviews as hv

    height, width = image.shape
    shown = hv.Image(image, bounds=(0, 0, width, height)).opts(
        cmap=colours.GRADIENT_COLOURS, clim=(-limit, limit), clipping_colors={"NaN": colours.NO_DATA}, colorbar=True,
        clabel=" ", colorbar_opts={"width": 8}, xaxis=None, yaxis=None, frame_width=_SMALL, title=name,
        fontsize={"title": 9}, frame_height=round(_SMALL * height / width),
    )  # fmt: skip
    xmin, ymin, xmax, ymax = corners
    frame = hv.Bounds((xmin, height - ymax, xmax, height - ymin)).opts(color="#111111", line_width=1.5)
    return shown * frame
