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
