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


def lines_of(drawn, hv):
    """The straight lines of all pairs, those of an arc one after the other."""
    (segments,) = drawn.traverse(lambda x: x, [hv.Segments])
    return segments.dframe()


def test_the_title_counts_and_the_isolated_are_named(hv):
    whole = small_network(max_step=1)
    drawn = lk.view.network(whole.isel(pair=[0, 1, 4]), among=whole)
    title = hv.render(drawn, backend="bokeh").title.text
    assert title == (
        "network: 3 pairs of 7 acquisitions, in 2 parts that no pair joins\n2 without a pair, 2 gaps in time"
    )
    labels = [layer for layer in drawn.traverse(lambda x: x, [hv.Labels]) if "date" in layer.vdims]
    assert sorted(n.strip() for layer in labels for n in layer.dimension_values("date")) == ["2020-02-06", "2020-03-13"]
    # The one at the top hangs below its dot, so that it stays within the frame.
    above = [layer.dimension_values("baseline").max() for layer in labels]
    aligned = [hv.Store.lookup_options("bokeh", layer, "style").kwargs["text_align"] for layer in labels]
    assert aligned[int(np.argmax(above))] == "right"


def test_unknown_baselines_become_arcs_and_the_figure_says_so(hv):
    drawn = lk.view.network(small_network(known=False))
    figure = hv.render(drawn, backend="bokeh")
    assert "perpendicular baselines unknown" in figure.title.text
    arcs = lines_of(drawn, hv).groupby("pair")
    assert len(arcs) == 11
    for name, pieces in arcs:
        start, stop = (np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}") for day in name.split("_"))
        assert pieces["time"].iloc[0] == start and pieces["until"].iloc[-1] == stop
        assert pieces["baseline"].iloc[0] == 0 and pieces["end"].iloc[-1] == pytest.approx(0, abs=1e-9)
        assert pieces["end"].max() == pytest.approx((stop - start) / np.timedelta64(1, "D"))
        # each piece begins where the one before it ends
        assert (pieces["time"].to_numpy()[1:] == pieces["until"].to_numpy()[:-1]).all()
        assert (pieces["baseline"].to_numpy()[1:] == pieces["end"].to_numpy()[:-1]).all()


def test_a_line_of_each_pair_joins_its_two_acquisitions(hv):
    ifgs = small_network()
    lines, solved = lines_of(lk.view.network(ifgs), hv), solve_network(ifgs)
    height = dict(zip(solved.dates, solved.baselines, strict=True))
    assert lines["pair"].tolist() == ifgs["pair"].values.tolist()
    assert lines["time"].tolist() == ifgs["reference"].to_series().tolist()
    assert lines["until"].tolist() == ifgs["secondary"].to_series().tolist()
    np.testing.assert_allclose(lines["baseline"], [height[date] for date in ifgs["reference"].values])
    np.testing.assert_allclose(lines["end"], [height[date] for date in ifgs["secondary"].values])


def test_a_gap_is_the_whole_time_that_no_pair_spans():
    whole = small_network(max_step=1)
    assert solve_network(whole).gaps == []
    # Pairs 1–2, 2–3 and 5–6 of the seven dates: nothing reaches from the 3rd to the 5th, nor from the 6th to the 7th.
    gaps = solve_network(whole.isel(pair=[0, 1, 4]), whole).gaps
    assert [tuple(str(d)[:10] for d in gap) for gap in gaps] == [
        ("2020-01-25", "2020-02-18"),
        ("2020-03-01", "2020-03-13"),
    ]
    # A longer pair over the missing date leaves no gap.
    longer = small_network(max_step=2)
    kept = [name not in ("20200125_20200206", "20200206_20200218") for name in longer["pair"].values]
    assert solve_network(longer.isel(pair=kept), longer).gaps == []


def test_gaps_are_shaded_and_named_with_their_dates(hv):
    whole = small_network(max_step=1)
    drawn = lk.view.network(whole.isel(pair=[0, 1, 4]), among=whole)
    (bands,) = drawn.traverse(lambda x: x, [hv.VSpans])
    np.testing.assert_array_equal(
        [np.datetime_as_string(np.array(bands.dimension_values(d), "M8[ns]"), unit="D") for d in ("start", "stop")],
        [["2020-01-25", "2020-03-01"], ["2020-02-18", "2020-03-13"]],
    )
    words = drawn.traverse(lambda x: x, [hv.Labels])[-1].dimension_values("gap")
    assert list(words) == ["no pair 2020-01-25 to 2020-02-18", "no pair 2020-03-01 to 2020-03-13"]
    # The bands leave the axis as the acquisitions set it, with room at both ends.
    axis = hv.render(drawn, backend="bokeh").x_range
    assert axis.start < np.datetime64("2020-01-01") and axis.end > np.datetime64("2020-03-13")
    assert not lk.view.network(whole).traverse(lambda x: x, [hv.VSpans])


@pytest.mark.parametrize("known", [True, False])
def test_names_of_gaps_stand_below_everything_else(hv, known):
    whole = small_network(known, max_step=1)
    drawn = lk.view.network(whole.isel(pair=[0, 1, 4]), among=whole)
    names = drawn.traverse(lambda x: x, [hv.Labels])[-1]
    figure = hv.render(drawn, backend="bokeh")
    dots = np.concatenate([d.dimension_values("baseline") for d in drawn.traverse(lambda x: x, [hv.Scatter])])
    axis = figure.y_range
    assert axis.start < names.dimension_values("baseline").max() < dots.min() <= dots.max() < axis.end
    # A name is about 190 px long; it ends before the lowest dot begins.
    pixel = (axis.end - axis.start) / figure.frame_height
    assert dots.min() - names.dimension_values("baseline").max() > 185 * pixel
    assert hv.render(lk.view.network(whole), backend="bokeh").frame_height < figure.frame_height


def test_the_figure_says_what_thick_lines_are(hv):
    assert hv.render(lk.view.network(small_network(max_step=2)), backend="bokeh").title.text == (
        "network: 11 pairs of 7 acquisitions\nthick lines join consecutive acquisitions"
    )
    assert "thick" not in hv.render(lk.view.network(small_network(max_step=1)), backend="bokeh").title.text


def test_pairs_of_consecutive_acquisitions_stand_out_from_redundant_ones(hv):
    ifgs = small_network(max_step=2)
    widths = lines_of(lk.view.network(ifgs), hv)["width"].to_numpy()
    consecutive = ifgs["temporal_baseline"].values == 12
    assert widths[consecutive].min() > 2 * widths[~consecutive].max()


@pytest.mark.parametrize("colour_by", ["auto", "coherence", "temporal_baseline"])
def test_pairs_are_coloured_by_coherence_or_by_days(hv, colour_by):
    ifgs = small_network()
    values = lines_of(lk.view.network(ifgs, colour_by=colour_by), hv)["value"]
    expected = ifgs["temporal_baseline"] if colour_by == "temporal_baseline" else ifgs["coherence"].mean(("y", "x"))
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_lazy_coherence_is_not_read_unasked(hv):
    assert lines_of(lk.view.network(small_network().chunk()), hv)["value"].max() == 24


def test_an_unknown_colour_is_named():
    with pytest.raises(LabkitError, match=r"colour_by must be one of .*, instead got colour_by='rainbow'"):
        lk.view.network(small_network(), colour_by="rainbow")
