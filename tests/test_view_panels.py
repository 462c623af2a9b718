"""Panels: right side up, right colours, the right boxes on the right panel."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from couplet_scene import couplet_boxes, couplet_gradients

import labkit as lk
from labkit import LabkitError
from labkit.view.panels import frame_height, rate_limit


@pytest.fixture(scope="module")
def hv():
    """holoviews with its drawing back end."""
    from labkit.view import notebook

    notebook.ready()
    import holoviews

    return holoviews


def drawn_figures(hv, layout):
    """The bokeh figures that a layout becomes, azimuth before range."""
    from bokeh.models import Plot

    root = hv.render(layout, backend="bokeh")
    return sorted(root.select({"type": Plot}), key=lambda figure: figure.title.text)


def images_of(hv, layout):
    return layout.traverse(lambda x: x, [hv.Image])


def test_each_direction_has_its_panel_with_row_zero_at_the_top(hv):
    scene = couplet_gradients()
    layout = lk.view.gradients(scene)
    azimuth, along_range = images_of(hv, layout)
    for image, direction in ((azimuth, "azimuth"), (along_range, "range")):
        values = scene["gradient"].sel(direction=direction).values
        at = image.dimension_values("y", expanded=False)
        assert at[0] == 0.5 and at[-1] == 119.5
        np.testing.assert_array_equal(image.dimension_values("value", flat=False), values)
    for figure in drawn_figures(hv, layout):
        assert (figure.y_range.start, figure.y_range.end) == (120, 0)
        assert (figure.x_range.start, figure.x_range.end) == (0, 160)


def test_the_colours_are_symmetric_red_positive_with_the_ends_in_words(hv):
    from bokeh.models import ColorBar

    for figure, direction in zip(
        drawn_figures(hv, lk.view.gradients(couplet_gradients())), ("azimuth", "range"), strict=True
    ):
        bar = figure.select_one({"type": ColorBar})
        mapper = bar.color_mapper
        assert (mapper.low, mapper.high) == (-4, 4)
        low, high = (tuple(int(mapper.palette[i][k : k + 2], 16) for k in (1, 3, 5)) for i in (20, -20))
        assert low[2] > low[0] and high[0] > high[2], "blue falls, red grows"
        assert bar.title == f"rad  ·  blue: phase falls along {direction}, red: it grows"
        assert mapper.nan_color == "#b3b3b3"


def test_panels_share_their_ranges_so_that_they_move_together(hv):
    first, second = drawn_figures(hv, lk.view.gradients(couplet_gradients()))
    assert first.x_range is second.x_range and first.y_range is second.y_range


def test_the_pointer_reads_value_error_and_place(hv):
    from bokeh.models import HoverTool

    figure = drawn_figures(hv, lk.view.gradients(couplet_gradients()))[0]
    words = dict(figure.select_one({"type": HoverTool}).tooltips)
    assert set(words) == {"gradient along azimuth", "standard error", "lon, lat"}
    bare = couplet_gradients().drop_vars(["lon", "lat", "standard_error"])
    figure = drawn_figures(hv, lk.view.gradients(bare))[0]
    assert set(dict(figure.select_one({"type": HoverTool}).tooltips)) == {"gradient along azimuth"}


def test_boxes_lie_on_the_panel_of_their_direction_and_others_are_counted(hv):
    scene = couplet_gradients()
    labels = couplet_boxes(scene)
    detections = labels.iloc[[0]].assign(score=0.9)
    merged = labels.iloc[:2].assign(azimuth=[True, False], range=[True, True])
    foreign = labels.iloc[[2]].assign(scene="elsewhere")
    layout = lk.view.gradients(scene, labels=labels, detections=detections)
    first, second = (panel.traverse(lambda x: x, [hv.Rectangles]) for panel in layout)
    # Each table is drawn twice, as casing and as line.
    assert [len(r) for r in first] == [2, 2, 1, 1] and [len(r) for r in second] == [2, 2]
    np.testing.assert_allclose(first[1].array([0, 1, 2, 3])[0], labels[["xmin", "ymin", "xmax", "ymax"]].iloc[0])
    both = lk.view.gradients(scene, detections=merged)
    assert [len(r) for r in both.traverse(lambda x: x, [hv.Rectangles])] == [1, 1, 2, 2]
    words = [
        t.text
        for f in drawn_figures(hv, lk.view.gradients(scene, labels=foreign))
        for t in f.above
        if hasattr(t, "text")
    ]
    assert "0 labels (1 of other scenes not shown)" in words


def test_a_large_scene_stays_small_and_says_so(hv):
    scene = couplet_gradients(300, 400)
    layout = lk.view.gradients(scene, max_pixels=10_000)
    assert all(np.prod(i.dimension_values("value", flat=False).shape) <= 10_000 for i in images_of(hv, layout))
    words = [t.text for t in drawn_figures(hv, layout)[0].above if hasattr(t, "text")]
    assert "means of 4 × 4 px" in words


def test_pixels_are_square_on_the_ground():
    radar = {"geometry": "radar", "y_spacing": 40.0, "x_spacing": 20.0, "incidence_angle": 30.0}
    assert frame_height(xr.Dataset(attrs=radar), (100, 100), 400) == 400
    on_map = {"geometry": "map", "y_spacing": -80.0, "x_spacing": 40.0, "incidence_angle": 30.0}
    assert frame_height(xr.Dataset(attrs=on_map), (50, 100), 400) == 400
    assert frame_height(xr.Dataset(), (50, 100), 400) == 200, "unknown spacings: square in pixels"


def test_rates_are_blue_toward_the_radar(hv):
    from bokeh.models import ColorBar

    rate = xr.DataArray(np.linspace(-30, 30, 400).reshape(20, 20).astype("f4"), dims=("y", "x"))
    layout = lk.view.rates(xr.Dataset({"rate": rate}, attrs={"scene": "r"}))
    (figure,) = drawn_figures(hv, layout)
    bar = figure.select_one({"type": ColorBar})
    low, high = (tuple(int(bar.color_mapper.palette[i][k : k + 2], 16) for k in (1, 3, 5)) for i in (20, -20))
    assert low[0] > low[2] and high[2] > high[0]
    assert bar.title == "mm/yr  ·  red: away from the radar, blue: toward it"
    assert bar.color_mapper.high == -bar.color_mapper.low == 30


def test_the_rate_limit_is_a_round_number_that_holds_ninety_nine_percent():
    values = np.random.default_rng(0).normal(0, 12.3, 10_000)
    limit = rate_limit(values)
    assert 0.985 < np.mean(np.abs(values) <= limit) < 0.995 and limit == round(limit)
    assert rate_limit(np.full(3, np.nan)) == 1.0


def test_wrong_arguments_are_named():
    with pytest.raises(LabkitError, match="limit must be a number > 0, instead got limit=0"):
        lk.view.gradients(couplet_gradients(), limit=0)
    with pytest.raises(LabkitError, match="gradients must be a Dataset"):
        lk.view.gradients(xr.Dataset())
    with pytest.raises(LabkitError, match="labels must have the columns"):
        lk.view.gradients(couplet_gradients(), labels=couplet_boxes(couplet_gradients()).drop(columns="scene"))
    with pytest.raises(LabkitError, match="rates must be a Dataset"):
        lk.view.rates(couplet_gradients())
