"""Figures of evaluations: precision against recall, and recall against false boxes per 1000 km²."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.view import notebook

if TYPE_CHECKING:
    import holoviews as hv

    from labkit.detect import Evaluation

#: Colours that stay apart for people who see red and green alike (Okabe and Ito), in a fixed order.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")

_WIDTH, _HEIGHT = 380, 300


def measures(evaluations: Evaluation | Mapping[str, Evaluation]) -> hv.Layout:
    """Draw the curves of one evaluation, or of several to compare, with their intervals.

    Parameters
    ----------
    evaluations : Evaluation or dict of str to Evaluation
        Of :func:`labkit.evaluate`, at one IoU; by the name that the legend shows. At most eight.

    Returns
    -------
    holoviews.Layout
        Precision against recall; beside it, where an area was observed, the recall against the false boxes per 1000 km²
        (free-response curve), its false boxes on a logarithmic axis. Bands are the 95 % intervals where blocks were
        drawn, dots the precision and recall at the ``score`` of each.

    Raises
    ------
    LabkitError
        There is no evaluation, more than eight, or they have several IoU.

    Notes
    -----
    As for average precision, the precision drawn at a recall is the best at that recall or beyond: a dot may lie below
    its curve. A curve ends at the recall that is reached, its band falls to 0 where one draw in forty reaches less.

    Examples
    --------
    >>> from labkit import schema
    >>> from labkit.detect import evaluate
    >>> corners = {"xmin": [10, 60], "ymin": [10, 60], "xmax": [30, 90], "ymax": [30, 90]}
    >>> labels = schema.boxes_table({"scene": "a", "direction": "azimuth"} | corners)
    >>> drawn = measures(evaluate(labels.assign(score=[0.9, 0.8]), labels))
    >>> len(drawn)
    1
    """
    named = dict(evaluations) if isinstance(evaluations, Mapping) else {"": evaluations}
    if not 1 <= len(named) <= len(_COLOURS):
        raise LabkitError(
            f"evaluations must hold between 1 and {len(_COLOURS)}, instead got {len(named)}. Draw several figures"
        )
    ious = sorted({one.iou for one in named.values()})
    if len(ious) > 1:
        raise LabkitError(f"evaluations must all have one IoU, instead got iou={ious}. Evaluate them alike")
    notebook.ready()
    import holoviews as hv

    matched = f"IoU ≥ {ious[0]:g}"
    curves: list[hv.Element] = []
    free: list[hv.Element] = []
    for colour, (name, one) in zip(_COLOURS, named.items(), strict=False):
        curves += _drawn(one.precision_recall, "recall", "precision", name, colour)
        curves += _dot(one.recall, one.precision, ("recall", "precision"), colour)
        if math.isfinite(one.area_km2):
            free += _drawn(one.froc, "false_per_1000_km2", "recall", name, colour)
            free += _dot(one.false_per_1000_km2, one.recall, ("false_per_1000_km2", "recall"), colour)
    frame = {"frame_width": _WIDTH, "frame_height": _HEIGHT, "show_grid": True, "ylim": (0, 1.03)}
    panels = [
        hv.Overlay(curves).opts(
            title=f"Precision and recall, {matched}", xlabel="recall: share of labels found", xlim=(0, 1.03),
            ylabel="precision: share of boxes right", legend_position="bottom_left", show_legend=len(named) > 1,
            **frame,
        )
    ]  # fmt: skip
    if free:
        panels.append(
            hv.Overlay(free).opts(
                title=f"Recall and false boxes, {matched}", xlabel="false boxes per 1000 km²", logx=True,
                ylabel="recall: share of labels found", xlim=(0.1, 100), show_legend=False, **frame,
            )
        )  # fmt: skip
    return hv.Layout(panels).cols(2)


def _drawn(curve: pd.DataFrame, along: str, value: str, name: str, colour: str) -> list[hv.Element]:
    """A curve as far as it is reached, over its band."""
    import holoviews as hv

    elements: list[hv.Element] = []
    band = curve[curve["high"] > 0]
    if len(band):
        elements.append(
            hv.Area((band[along], band["low"], band["high"]), along, [value, "high"]).opts(
                color=colour, alpha=0.15, line_alpha=0
            )
        )
    reached = curve[curve[value] > 0] if value == "precision" else curve
    line = hv.Curve((reached[along], reached[value]), along, value, label=name)
    return [*elements, line.opts(color=colour, line_width=2.5, tools=["hover"])]


def _dot(x: float, y: float, dimensions: tuple[str, str], colour: str) -> list[hv.Element]:
    import holoviews as hv

    if not np.isfinite([x, y]).all():
        return []
    return [hv.Scatter(([x], [y]), *dimensions).opts(color=colour, size=9, line_color="white", tools=["hover"])]
