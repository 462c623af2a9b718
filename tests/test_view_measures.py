"""Figures of evaluations: the curves are those of the evaluations, and what cannot be compared is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import labkit as lk
from labkit import schema
from labkit.errors import LabkitError


def evaluation(share: float, *, iou: float = 0.5, observed: bool = True, bootstrap: int = 50) -> lk.detect.Evaluation:
    """Sixty labels of which a share was found, and twenty false boxes of lower scores."""
    rng = np.random.default_rng(0)
    left = 200.0 * np.arange(60)
    labels = schema.boxes_table(
        {"scene": "a", "direction": "rate", "xmin": left, "ymin": 0, "xmax": left + 20, "ymax": 20}
    )
    found = labels[rng.uniform(size=60) < share].assign(score=lambda rows: rng.uniform(0.3, 1, len(rows)))
    wrong = labels.iloc[::3].assign(ymin=300, ymax=320, score=rng.uniform(0.1, 0.8, 20))
    data = xr.Dataset(
        {"rate": (("y", "x"), np.zeros((400, 12000), np.float32))}, attrs={"scene": "a", "ground_spacing": 40.0}
    )
    both = pd.concat([wrong, found])
    return lk.evaluate(both, labels, iou=iou, observed=data if observed else None, bootstrap=bootstrap, block_px=200)


def curves_of(layout, panel):
    import holoviews as hv

    found = layout.values()[panel].traverse(lambda x: x, [hv.Curve])
    return {curve.label: curve for curve in found if type(curve) is hv.Curve}


def test_the_curves_are_those_of_the_evaluations() -> None:
    import holoviews as hv

    both = {"strong": evaluation(0.9), "weak": evaluation(0.5)}
    layout = lk.view.measures(both)
    assert len(layout) == 2
    for name, one in both.items():
        known = one.precision_recall[one.precision_recall["precision"] > 0]
        assert curves_of(layout, 0)[name].dimension_values("precision") == pytest.approx(known["precision"].to_numpy())
        assert curves_of(layout, 1)[name].dimension_values("recall") == pytest.approx(one.froc["recall"].to_numpy())
    bands = layout.traverse(lambda x: x, [hv.Area])
    assert len(bands) == 4 and all((band["high"] >= band.dimension_values(1)).all() for band in bands)
    dots = [tuple(dot.array()[0]) for dot in layout.traverse(lambda x: x, [hv.Scatter])]
    assert (both["weak"].recall, both["weak"].precision) in dots
    assert (both["weak"].false_per_1000_km2, both["weak"].recall) in dots
    assert hv.render(layout, backend="bokeh") is not None


def test_without_an_area_or_draws_there_is_one_panel_without_bands() -> None:
    import holoviews as hv

    layout = lk.view.measures(evaluation(0.7, observed=False, bootstrap=0))
    assert len(layout) == 1 and not layout.traverse(lambda x: x, [hv.Area])
    assert hv.render(layout, backend="bokeh") is not None


def test_an_evaluation_of_nothing_can_be_drawn() -> None:
    import holoviews as hv

    nothing = lk.evaluate(schema.boxes_table(), schema.boxes_table(), bootstrap=5)
    assert hv.render(lk.view.measures({"nothing": nothing}), backend="bokeh") is not None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(LabkitError, match="evaluations must hold between 1 and 8, instead got 0"):
        lk.view.measures({})
    with pytest.raises(LabkitError, match=r"must all have one IoU, instead got iou=\[0.3, 0.5\]"):
        lk.view.measures({"a": evaluation(0.9), "b": evaluation(0.9, iou=0.3)})
