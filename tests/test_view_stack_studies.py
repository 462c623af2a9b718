"""Figures of the studies of stacks: a curve for each way, panels that are named, tables that are checked."""

from __future__ import annotations

import holoviews as hv
import pandas as pd
import pytest

import labkit as lk
from labkit import LabkitError


def estimator_table() -> pd.DataFrame:
    rows = [
        {"stacker": s, "coherence_12": c, "behaviour": b, "contrast": 9 * c, "tail_99": 1.0, "shown": c, "recall": c}
        for s in ("lsq", "sum")
        for c, b in ((0.6, "linear"), (0.2, "episodic"))
    ]
    return pd.DataFrame(rows)


def rate_table() -> pd.DataFrame:
    same = {"peak_bias": -0.02, "rmse": 3.0, "within": 0.9, "error_ratio": 1.0}
    return pd.DataFrame(
        [{"coherence_12": 0.3, "estimator": e, "n_pairs": n, **same} for e in ("lsq", "sum") for n in (9, 99)]
    )


def fast_table() -> pd.DataFrame:
    same = {"gradient_shown": 0.9, "rate_shown": 1.0, "wraps": 0.0, "falls_short": 0.1}
    return pd.DataFrame(
        [{"max_days": d, "window": w, "mm_per_year": m, **same} for d in (12, 36) for w in (3, 5) for m in (50, 400)]
    )


def names(layout: hv.Layout) -> list[set[str]]:
    return [{curve.label for curve in panel if isinstance(curve, hv.Curve)} for panel in layout]


def test_every_way_of_stacking_has_its_curve_in_every_panel() -> None:
    figure = lk.view.studies.compare_estimators(estimator_table())
    assert names(figure) == [{"lsq", "sum"}] * 4
    without = lk.view.studies.compare_estimators(estimator_table().drop(columns="recall"))
    assert len(without) == 3
    curve = next(e for e in next(iter(figure)) if isinstance(e, hv.Curve))
    assert curve["coherence_12"].tolist() == [0.2, 0.6] and curve["contrast"].tolist() == pytest.approx([1.8, 5.4])


def test_words_on_the_axis_keep_their_order() -> None:
    figure = lk.view.studies.compare_estimators(estimator_table(), along="behaviour")
    curve = next(e for e in next(iter(figure)) if isinstance(e, hv.Curve))
    assert list(curve["behaviour"]) == ["linear", "episodic"]


def test_rates_have_a_curve_for_each_coherence_and_estimator() -> None:
    assert names(lk.view.studies.rate_errors(rate_table())) == [{"0.3 lsq", "0.3 sum"}] * 4


def test_fast_slides_have_a_panel_for_each_length_and_window_with_both_limits() -> None:
    figure = lk.view.studies.fast_slides(fast_table())
    assert len(figure) == 4
    limits = [sorted(float(e.data) for e in panel if isinstance(e, hv.VLine)) for panel in figure]
    assert limits[0] == pytest.approx([281.4, 422.1], abs=0.2) and limits[3] == pytest.approx([56.3, 140.7], abs=0.2)
    assert hv.render(figure, backend="bokeh") is not None


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(LabkitError, match="these are missing: .*contrast"):
        lk.view.studies.compare_estimators(estimator_table().drop(columns="contrast"))
    with pytest.raises(LabkitError, match="once, instead 2 rows repeat one"):
        lk.view.studies.rate_errors(pd.concat([rate_table(), rate_table().iloc[:2]]))
    with pytest.raises(LabkitError, match="at least one row"):
        lk.view.studies.fast_slides(fast_table().iloc[:0])
