"""Figures of the studies of estimators, rates and fast slides: each draws the table of the study of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.studies.fast_slides import aliasing_limits
from labkit.view import notebook

if TYPE_CHECKING:
    import holoviews as hv

#: Colours that stay apart for people who see red and green alike (Okabe and Ito), in a fixed order.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#999999", "#f0e442")
_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")

_FRAME = {"frame_width": 320, "frame_height": 240, "show_grid": True}

#: Column → what its axis says, by table.
_OF_ESTIMATORS = {
    "contrast": "couplet over spread of quiet ground",
    "tail_99": "99th percentile over a Gaussian's",
    "shown": "share of the true couplet shown",
    "recall": "share of slides detected",
}
_OF_RATES = {
    "peak_bias": "peak found / true − 1, median",
    "rmse": "rms error around slides, mm/yr",
    "within": "share of peaks within 10 %",
    "error_ratio": "spread of error / standard error",
}
_OF_FAST = {
    "gradient_shown": "gradient shown / true",
    "rate_shown": "peak rate / true",
    "wraps": "flagged: wraps",
    "falls_short": "flagged: falls short",
}
#: Range that an axis has at least, by column.
_SCALES = {
    "contrast": (0.0, 1.0),
    "tail_99": (0.7, 1.3),
    "shown": (0.0, 1.03),
    "recall": (0.0, 1.03),
    "peak_bias": (-0.1, 0.1),
    "rmse": (0.0, 1.0),
    "within": (0.0, 1.03),
    "error_ratio": (0.7, 1.3),
}
_WORDS = {
    "coherence_12": "coherence of 12-day pairs",
    "air_share": "share of air in the background's variance",
    "behaviour": "how the slides move",
}


def compare_estimators(table: pd.DataFrame, *, along: str = "coherence_12") -> hv.Layout:
    """Draw what ways of stacking show, against one of the conditions.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.studies.compare_estimators`, with or without recall; each value of ``along`` once per stacker.
    along : str
        Column of the horizontal axis: "coherence_12", "air_share", "behaviour" or any other.

    Returns
    -------
    holoviews.Layout
        Contrast, tails of the background, share of the couplet shown and recall.

    Raises
    ------
    LabkitError
        A column is missing, or a stacker has two rows of one condition.
    """
    columns = [name for name in _OF_ESTIMATORS if name != "recall" or "recall" in table]
    _check(table, ["stacker", along, *columns], ["stacker", along])
    notebook.ready()
    import holoviews as hv

    label = _WORDS.get(along, along)
    panels = []
    for place, column in enumerate(columns):
        lines = [
            line
            for number, (name, rows) in enumerate(table.groupby("stacker", sort=False))
            for line in _line(_ordered(rows, along), along, column, name, number)
        ]
        options = {"xlabel": label, "ylabel": _OF_ESTIMATORS[column], "title": column.replace("_", " "), **_FRAME}
        options |= {"ylim": _range(table[column], *_SCALES[column]), "show_legend": place == 1}
        options |= {"legend_position": "right"}
        panels.append(hv.Overlay(lines).opts(**options))
    return hv.Layout(panels).cols(2).opts(shared_axes=False)


def rate_errors(table: pd.DataFrame) -> hv.Layout:
    """Draw the error of integrated rates against the number of pairs, for each coherence and estimator.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.studies.rate_errors`.

    Returns
    -------
    holoviews.Layout
        Bias of the peaks, error around slides, peaks within 10 %, and how honest the standard errors are. One colour
        for each coherence, one kind of line for each estimator.

    Raises
    ------
    LabkitError
        A column is missing, or a row is there twice.
    """
    keys = ["coherence_12", "estimator", "n_pairs"]
    _check(table, [*keys, *_OF_RATES], keys)
    notebook.ready()
    import holoviews as hv

    names = list(dict.fromkeys(table["estimator"]))
    panels = []
    for place, column in enumerate(_OF_RATES):
        lines: list[hv.Element] = []
        for number, (coherence, rows) in enumerate(table.groupby("coherence_12", sort=False)):
            for name, part in rows.groupby("estimator", sort=False):
                dash, words = _DASHES[names.index(name) % len(_DASHES)], f"{coherence:g} {name}"
                lines += _line(part.sort_values("n_pairs"), "n_pairs", column, words, number, dash)
        level = {"peak_bias": 0.0, "error_ratio": 1.0, "within": 1.0}.get(column)
        ground = [] if level is None else [hv.HLine(level).opts(color="#777777", line_width=1)]
        options = {"xlabel": "interferograms", "ylabel": _OF_RATES[column], "title": column.replace("_", " "), **_FRAME}
        options |= {"logx": True, "xticks": sorted(set(map(int, table["n_pairs"])))}
        options |= {"ylim": _range(table[column], *_SCALES[column]), "show_legend": place == 1}
        options |= {"legend_position": "right"}
        panels.append(hv.Overlay([*ground, *lines]).opts(**options))
    return hv.Layout(panels).cols(2).opts(shared_axes=False)


def fast_slides(table: pd.DataFrame) -> hv.Layout:
    """Draw what becomes of a slide that moves faster and faster: shown gradient and rate, and what is flagged.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.studies.fast_slides`.

    Returns
    -------
    holoviews.Layout
        One panel for each longest pair and window. Grey lines: where the window takes the gradient of the longest pair
        away (dashed, 2π/n) and where it folds (solid, π).

    Raises
    ------
    LabkitError
        A column is missing, or a row is there twice.
    """
    keys = ["max_days", "window", "mm_per_year"]
    _check(table, [*keys, *_OF_FAST], keys)
    notebook.ready()
    import holoviews as hv

    columns = table["window"].nunique()
    panels = []
    for place, ((days, window), rows) in enumerate(table.groupby(["max_days", "window"], sort=True)):
        limits = aliasing_limits((days,), (1, window))["mm_per_year"]
        marks = [
            hv.VLine(limit).opts(color="#777777", line_width=1.5, line_dash=dash)
            for limit, dash in zip(limits, ("solid", "dashed"), strict=True)
        ]
        ordered = rows.sort_values("mm_per_year")
        lines = [
            line
            for number, (column, words) in enumerate(_OF_FAST.items())
            for line in _line(ordered, "mm_per_year", column, words, number, "dashed" if number > 1 else "solid")
        ]
        options = {"title": f"pairs of up to {days} days, window {window} px", "ylim": (-0.15, 1.1), **_FRAME}
        options |= {"xlabel": "steepest LOS rate, mm/yr from pixel to pixel", "ylabel": "share"}
        options |= {"xlim": (0, 1.03 * float(rows["mm_per_year"].max())), "legend_position": "right"}
        panels.append(hv.Overlay([*marks, *lines]).opts(show_legend=place == columns - 1, **options))
    return hv.Layout(panels).cols(columns).opts(shared_axes=False)


def _range(values: pd.Series, low: float, high: float) -> tuple[float, float]:
    """A range that holds what is asked for and all values."""
    return min(low, float(values.min()) - 0.03), max(high, 1.05 * float(values.max()))


def _ordered(rows: pd.DataFrame, along: str) -> pd.DataFrame:
    """Numbers in their order, words as they come."""
    return rows.sort_values(along) if pd.api.types.is_numeric_dtype(rows[along]) else rows


def _line(
    rows: pd.DataFrame, along: str, column: str, name: object, number: int, dash: str = "solid"
) -> list[hv.Element]:
    import holoviews as hv

    colour = _COLOURS[number % len(_COLOURS)]
    points = (rows[along].to_numpy(), rows[column].to_numpy(float))
    dots = hv.Scatter(points, along, column).opts(color=colour, size=5, tools=["hover"])
    return [hv.Curve(points, along, column, label=str(name)).opts(color=colour, line_width=2, line_dash=dash), dots]


def _check(table: pd.DataFrame, columns: Sequence[str], keys: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise LabkitError(f"table must have the columns {list(columns)}, instead these are missing: {missing}")
    if not len(table):
        raise LabkitError("table must hold at least one row, instead got 0 rows")
    twice = int(np.sum(table.duplicated(list(keys))))
    if twice:
        raise LabkitError(f"table must hold each {' and '.join(keys)} once, instead {twice} rows repeat one")
