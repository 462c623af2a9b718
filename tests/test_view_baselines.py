"""The network plot: positions from pairs, arcs where baselines are unknown, names for what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from couplet_scene import POSITIONS, small_network

import labkit as lk
from labkit import LabkitError
from labkit.view.baselines import solve_network


@pytest.fixture(scope="module")
def hv():
    """holoviews with its drawing back end."""
    from labkit.view import notebook

    notebook.ready()
    import holoviews

    return holoviews


def test_acquisitions_stand_where_their_pairs_put_them():
    solved = solve_network(small_network())
    np.testing.assert_allclose(solved.baselines, np.array(POSITIONS) - POSITIONS[0], atol=1e-9)
    assert solved.n_parts == 1 and len(solved.isolated) == 0


def test_contradicting_pairs_are_met_in_the_least_squares_sense():
    ifgs = small_network(max_step=2).isel(pair=[0, 1, 2])  # 1-2, 1-3, 2-3
    ifgs["perpendicular_baseline"][:] = [10.0, 33.0, 20.0]  # a loop that misses closure by 3 m
    np.testing.assert_allclose(solve_network(ifgs.isel(pair=[0, 1, 2])).baselines[:3], [0, 11, 32], atol=1e-9)


def test_what_a_selection_leaves_alone_is_isolated_and_keeps_its_place():
    whole = small_network(max_step=1)
    chosen = whole.isel(pair=[0, 1, 4])
    solved = solve_network(chosen, whole)
    assert solved.n_parts == 2
    assert [str(d)[:10] for d in solved.isolated] == ["2020-02-06", "2020-03-13"]
    np.testing.assert_allclose(solved.baselines, np.array(POSITIONS), atol=1e-9)


def test_the_title_counts_and_the_isolated_are_named(hv):
    whole = small_network(max_step=1)
    drawn = lk.view.network(whole.isel(pair=[0, 1, 4]), among=whole)
    title = hv.render(drawn, backend="bokeh").title.text
    assert title == "network: 3 pairs of 7 acquisitions, in 2 parts that no pair joins, 2 without a pair"
    names = drawn.traverse(lambda x: x, [hv.Labels])[0].dimension_values("date")
    assert [n.strip() for n in names] == ["2020-02-06", "2020-03-13"]


def test_unknown_baselines_become_arcs_and_the_figure_says_so(hv):
    drawn = lk.view.network(small_network(known=False))
    figure = hv.render(drawn, backend="bokeh")
    assert "perpendicular baselines unknown" in figure.title.text
    for path in drawn.traverse(lambda x: x, [hv.Path])[0].split():
        heights = path.dimension_values("baseline")
        assert heights[0] == 0 and heights.max() > 10 and heights[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("colour_by", ["auto", "coherence", "temporal_baseline"])
def test_pairs_are_coloured_by_coherence_or_by_days(hv, colour_by):
    ifgs = small_network()
    paths = lk.view.network(ifgs, colour_by=colour_by).traverse(lambda x: x, [hv.Path])[0].split()
    values = [p.dimension_values("value", expanded=False)[0] for p in paths]
    expected = ifgs["temporal_baseline"] if colour_by == "temporal_baseline" else ifgs["coherence"].mean(("y", "x"))
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_lazy_coherence_is_not_read_unasked(hv):
    paths = lk.view.network(small_network().chunk()).traverse(lambda x: x, [hv.Path])[0].split()
    assert max(p.dimension_values("value", expanded=False)[0] for p in paths) == 24


def test_an_unknown_colour_is_named():
    with pytest.raises(LabkitError, match=r"colour_by must be one of .*, instead got colour_by='rainbow'"):
        lk.view.network(small_network(), colour_by="rainbow")
