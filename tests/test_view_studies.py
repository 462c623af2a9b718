"""Figures of the studies: the values of the table, each curve once, and a table that cannot be drawn is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import labkit as lk
from labkit.errors import LabkitError
from labkit.studies.detection import with_intervals


@pytest.fixture(scope="module")
def hv():
    """holoviews with its drawing back end."""
    from labkit.view import notebook

    notebook.ready()
    import holoviews

    return holoviews


def counts() -> pd.DataFrame:
    """Recall that grows with the pairs, of two estimators and orders."""
    rows = [
        {"order": order, "estimator": estimator, "n_pairs": pairs, "labels": 20, "detected": found + more,
         "boxes": found + more + 1, "false": 1, "area_km2": 500.0}
        for order in ("random", "consecutive")
        for more, estimator in enumerate(("sum", "lsq"))
        for pairs, found in ((10, 3), (50, 11), (348, 18))
    ]  # fmt: skip
    return with_intervals(pd.DataFrame(rows))


def test_the_curves_are_those_of_the_table(hv) -> None:
    table = counts().sample(frac=1, random_state=0)
    layout = lk.view.studies.number_of_interferograms(table)
    curves = [c for c in layout.traverse(lambda x: x, [hv.Curve]) if not isinstance(c, hv.Area)]
    assert len(curves) == 8
    for curve in curves:
        np.testing.assert_array_equal(curve.dimension_values(0), [10, 50, 348])
        if curve.vdims[0].name == "recall":
            expected = [0.15, 0.55, 0.9] if curve.label == "sum" else [0.2, 0.6, 0.95]
            np.testing.assert_allclose(curve.dimension_values(1), expected)
    for band in layout.traverse(lambda x: x, [hv.Area]):
        assert (band.dimension_values(1) < band.dimension_values(2)).all()
    titles = [plot.title.text for plot in hv.render(layout, backend="bokeh").select({"type": plots()})]
    assert sorted(titles) == ["consecutive pairs", "false boxes", "false boxes", "random pairs"]


def plots() -> type:
    from bokeh.models import Plot

    return Plot


def test_a_table_with_a_number_twice_or_a_column_too_few_is_refused() -> None:
    with pytest.raises(LabkitError, match="table must hold each n_pairs once"):
        lk.view.studies.number_of_interferograms(pd.concat([counts(), counts()]))
    with pytest.raises(LabkitError, match="missing: \\['order'\\]"):
        lk.view.studies.number_of_interferograms(counts().drop(columns="order"))


def seasons() -> pd.DataFrame:
    """Two winters, two periods, three rates."""
    rows = [
        {"winter_share": share, "period": period, "rate": rate, "recall": 0.5, "snr": share * rate, "shown": share}
        for share in (-0.15, -0.7)
        for period in ("summer", "all")
        for rate in (-20.0, -80.0, -40.0)
    ]
    return pd.DataFrame(rows)


def test_each_winter_has_its_panel_and_each_period_its_curve(hv) -> None:
    layout = lk.view.studies.temporal_behaviour(seasons(), value="snr")
    curves = layout.traverse(lambda x: x, [hv.Curve])
    assert [curve.label for curve in curves] == ["summer", "all"] * 2
    np.testing.assert_allclose(curves[0].dimension_values(0), [20, 40, 80])
    np.testing.assert_allclose(curves[3].dimension_values(1), [14, 28, 56])
    titles = [plot.title.text for plot in hv.render(layout, backend="bokeh").select({"type": plots()})]
    assert sorted(titles) == ["winter: -0.15 of the summer's speed", "winter: -0.70 of the summer's speed"]


def test_a_season_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(LabkitError, match="value must be one of"):
        lk.view.studies.temporal_behaviour(seasons(), value="colour")
    with pytest.raises(LabkitError, match="each rate once"):
        lk.view.studies.temporal_behaviour(pd.concat([seasons(), seasons()]))


def views() -> pd.DataFrame:
    """Two classes, three views."""
    rows = [
        {"class": word, "track": track, "direction": direction, "labels": 10, "detected": found, "boxes": found,
         "false": 0, "area_km2": 100.0}
        for word, more in (("all", 2), ("large", 0))
        for track, direction, found in (
            ("ascending", "azimuth", 4 + more), ("ascending", "range", 3 + more), ("merged", "merged", 7 + more),
        )
    ]  # fmt: skip
    return with_intervals(pd.DataFrame(rows))


def test_each_view_is_a_dot_with_its_interval(hv) -> None:
    layout = lk.view.studies.directions_and_tracks(views(), classes=("all", "large"))
    dots = layout.traverse(lambda x: x, [hv.Scatter])
    assert list(dots[0].dimension_values(0)) == ["ascending, azimuth", "ascending, range", "merged"]
    np.testing.assert_allclose(dots[1].dimension_values(1), [0.4, 0.3, 0.7])
    for dot, bar in zip(dots, layout.traverse(lambda x: x, [hv.ErrorBars]), strict=True):
        np.testing.assert_allclose(bar.dimension_values(1), dot.dimension_values(1))
        assert (bar.dimension_values(2) > 0).all()
    assert len(list(hv.render(layout, backend="bokeh").select({"type": plots()}))) == 2
    with pytest.raises(LabkitError, match="classes must be among"):
        lk.view.studies.directions_and_tracks(views(), classes=("small",))
