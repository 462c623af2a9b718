"""Figures of the studies: one function for each, of the same name, that draws its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from labkit.errors import LabkitError
from labkit.view import notebook
from labkit.view.stack_studies import compare_estimators as compare_estimators
from labkit.view.stack_studies import fast_slides as fast_slides
from labkit.view.stack_studies import rate_errors as rate_errors
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

#: Colours that stay apart for people who see red and green alike (Okabe and Ito), in a fixed order.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")

_WIDTH, _HEIGHT = 380, 280


def number_of_interferograms(
    table: pd.DataFrame, *, by: str = "estimator", panels: str = "order", false_boxes: bool = True
) -> hv.Layout:
    """Draw the share of landslides detected against the number of interferograms stacked.

    Parameters
    ----------
    table : pandas.DataFrame
        Pooled by ``n_pairs`` and the two columns below, of one direction and class
        (:func:`labkit.studies.pool` of :func:`labkit.studies.number_of_interferograms`).
    by : str
        Column whose values are curves of their own.
    panels : str
        Column whose values are panels of their own.
    false_boxes : bool
        Draw them too; they are the same for all classes of landslides.

    Returns
    -------
    holoviews.Layout
        Above the recall with its 95 % interval, below the false boxes per 1000 km².

    Raises
    ------
    LabkitError
        A column is missing, or a number of pairs is there twice.

    References
    ----------
    Fu et al. (2022), section 6.1.
    """
    _check(table, [by, panels, "n_pairs", "recall", "recall_low", "recall_high", "false_per_1000_km2"])
    if table.duplicated([by, panels, "n_pairs"]).any():
        raise LabkitError(
            f"table must hold each n_pairs once for {by!r} and {panels!r}. Take one direction and class, and pool it"
        )
    notebook.ready()
    import holoviews as hv

    most = float(table["false_per_1000_km2"].max()) * 1.08 + 0.5
    above, below = [], []
    for word, part in table.groupby(panels, sort=False):
        curves, false = [], []
        for colour, (name, rows) in zip(_COLOURS, part.groupby(by, sort=False), strict=False):
            ordered = rows.sort_values("n_pairs")
            pairs = ordered["n_pairs"].to_numpy()
            band = hv.Area(
                (pairs, ordered["recall_low"].to_numpy(), ordered["recall_high"].to_numpy()),
                "pairs", ["recall", "high"],
            ).opts(color=colour, alpha=0.12, line_alpha=0)  # fmt: skip
            curve = _curve(pairs, ordered["recall"].to_numpy(), "recall", str(name), colour)
            curves += [band, *curve]
            false += _curve(pairs, ordered["false_per_1000_km2"].to_numpy(), "false", str(name), colour)
        frame = {"frame_width": _WIDTH, "frame_height": _HEIGHT, "xlabel": "interferograms stacked", "show_grid": True}
        frame |= {"xlim": (0, 1.04 * float(table["n_pairs"].max()))}
        above.append(
            hv.Overlay(curves).opts(
                title=f"{word} pairs" if panels == "order" else str(word), ylabel="share of landslides detected",
                ylim=(0, 1.03), legend_position="bottom_right", **frame,
            )
        )  # fmt: skip
        below.append(
            hv.Overlay(false).opts(
                title="false boxes", ylabel="per 1000 km²", ylim=(-0.02 * most, most), show_legend=False,
                **frame,
            )
        )  # fmt: skip
    return hv.Layout([*above, *below] if false_boxes else above).cols(len(above))


def _curve(x: object, y: object, value: str, name: str, colour: str, along: str = "pairs") -> list[hv.Element]:
    import holoviews as hv

    dots = hv.Scatter((x, y), along, value).opts(color=colour, size=6, tools=["hover"])
    return [hv.Curve((x, y), along, value, label=name).opts(color=colour, line_width=2.5), dots]


def _check(table: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise LabkitError(f"table must have the columns {columns}, instead these are missing: {missing}")
    if not len(table):
        raise LabkitError("table must hold at least one row, instead got 0 rows")


def temporal_behaviour(table: pd.DataFrame, *, value: str = "recall") -> hv.Layout:
    """Draw what each period's stack shows of landslides that move in summer and creep back in winter.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.studies.temporal_behaviour`, of one estimator.
    value : str
        "recall": the share detected; "snr": the signal-to-noise ratio, negative where the stack shows the landslide
        going the other way than in summer; "shown": the share of the summer's rate.

    Returns
    -------
    holoviews.Layout
        A panel for each share of the winter's speed, a curve for each period, over the summer's LOS rate.

    Raises
    ------
    LabkitError
        A column is missing, or a rate is there twice.

    References
    ----------
    Fu et al. (2022), section 6.1 and Figure 12.
    """
    titles = {
        "recall": "share of landslides detected",
        "snr": "signal-to-noise ratio",
        "shown": "share of the summer's rate",
    }
    if value not in titles:
        raise LabkitError(f"value must be one of {tuple(titles)}, instead got value={value!r}")
    _check(table, ["winter_share", "period", "rate", value])
    if table.duplicated(["winter_share", "period", "rate"]).any():
        raise LabkitError("table must hold each rate once for a winter share and period. Take one estimator")
    notebook.ready()
    import holoviews as hv

    panels: list[hv.Overlay] = []
    last = min(table["winter_share"].nunique(), 2) - 1  # the legend stands once, at the end of the first row
    for share, part in table.groupby("winter_share", sort=False):
        drawn: list[hv.Element] = [] if value == "recall" else [hv.HLine(0).opts(color="#888888", line_width=1)]
        for colour, (period, rows) in zip(_COLOURS, part.groupby("period", sort=False), strict=False):
            ordered = rows.assign(speed=rows["rate"].abs()).sort_values("speed")
            drawn += _curve(ordered["speed"].to_numpy(), ordered[value].to_numpy(), value, str(period), colour, "speed")
        panels.append(
            hv.Overlay(drawn).opts(
                title=f"winter: {share:+.2f} of the summer's speed", xlabel="LOS rate of the summer, mm/yr",
                ylabel=titles[value], logx=True, frame_width=_WIDTH, frame_height=_HEIGHT, show_grid=True,
                legend_position="right", show_legend=len(panels) == last,
                **({"ylim": (-0.03, 1.03)} if value == "recall" else {}),
            )
        )  # fmt: skip
    return hv.Layout(panels).cols(min(len(panels), 2))


def directions_and_tracks(table: pd.DataFrame, *, classes: tuple[str, ...] = ("all",)) -> hv.Layout:
    """Draw the share of landslides that each direction and track detects, alone and together.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.studies.directions_and_tracks`, pooled by ``class``, ``track`` and ``direction``.
    classes : tuple of str
        Which classes to show, a panel for each.

    Returns
    -------
    holoviews.Layout
        For each view its recall with its 95 % interval.

    Raises
    ------
    LabkitError
        A column or a class is missing, or a view is there twice.
    """
    _check(table, ["class", "track", "direction", "labels", "recall", "recall_low", "recall_high"])
    unknown = set(classes) - set(table["class"])
    if unknown:
        raise LabkitError(f"classes must be among {sorted(set(table['class']))}, instead got {sorted(unknown)}")
    if table.duplicated(["class", "track", "direction"]).any():
        raise LabkitError("table must hold each view once for a class. Pool the scenes")
    notebook.ready()
    import holoviews as hv

    panels = []
    for word in classes:
        rows = table[table["class"] == word].dropna(subset="recall")
        views = [track if track == "merged" else f"{track}, {direction}"
                 for track, direction in rows[["track", "direction"]].to_numpy()]  # fmt: skip
        recall = rows["recall"].to_numpy(float)
        below, above = recall - rows["recall_low"].to_numpy(float), rows["recall_high"].to_numpy(float) - recall
        names = dict.fromkeys(rows["track"])
        colour = [dict(zip(names, _COLOURS, strict=False))[track] for track in rows["track"]]
        bars = hv.ErrorBars((views, recall, below, above), "view", ["recall", "below", "above"]).opts(line_width=1.5)
        dots = hv.Scatter((views, recall, colour), "view", ["recall", "colour"]).opts(
            color="colour", size=11, tools=["hover"]
        )
        title = f"{word}: {counted(int(rows['labels'].max()), 'landslide')}"
        panels.append(
            (dots * bars).opts(
                title=title, xlabel="", ylabel="share detected", xrotation=40,
                ylim=(0, 1.05), frame_width=_WIDTH, frame_height=_HEIGHT, show_grid=True,
            )
        )  # fmt: skip
    return hv.Layout(panels).cols(min(len(panels), 2))
