"""Stacks side by side: one scale, one zoom, a name on each."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from couplet_scene import couplet_boxes, couplet_gradients

import labkit as lk
from labkit import LabkitError


@pytest.fixture(scope="module")
def hv():
    """holoviews with its drawing back end."""
    from labkit.view import notebook

    notebook.ready()
    import holoviews

    return holoviews


def rates(peak: float, shape: tuple[int, int] = (120, 160)) -> xr.Dataset:
    values = np.zeros(shape, np.float32)
    values[40:80, 60:100] = peak
    return xr.Dataset({"rate": (("y", "x"), values)}, attrs={"scene": "formula", "geometry": "radar"})


def figures_of(hv, layout):
    """The bokeh figures by their titles."""
    from bokeh.models import ColorBar, Plot

    plots = hv.render(layout, backend="bokeh").select({"type": Plot})
    return {p.title.text: (p, p.select_one({"type": ColorBar}).color_mapper) for p in plots}


def test_each_stack_has_its_panel_with_its_values_and_all_share_one_scale(hv):
    scenes = {"lsq": couplet_gradients(), "half": couplet_gradients().assign(gradient=couplet_gradients().gradient / 2)}
    layout = lk.view.compare(scenes, limit=3.0)
    for image, data in zip(layout.traverse(lambda x: x, [hv.Image]), scenes.values(), strict=True):
        shown = data["gradient"].sel(direction="azimuth").values
        np.testing.assert_array_equal(image.dimension_values("value", flat=False), shown)
    drawn = figures_of(hv, layout)
    assert set(drawn) == {"lsq", "half"}
    assert {(colour.low, colour.high) for _, colour in drawn.values()} == {(-3.0, 3.0)}
    assert len({id(plot.x_range) for plot, _ in drawn.values()}) == 1, "all zoom together"


def test_gradients_stand_beside_rates_in_their_own_units(hv):
    layout = lk.view.compare(
        {"stack": couplet_gradients(), "unwrapped": rates(30.0), "integrated": rates(-80.0)},
        directions=("azimuth", "range"),
    )
    drawn = figures_of(hv, layout)
    assert set(drawn) == {"stack, azimuth", "stack, range", "unwrapped", "integrated"}
    ends = {title: colour.high for title, (_, colour) in drawn.items()}
    assert ends["stack, azimuth"] == ends["stack, range"] == 4.0
    assert ends["unwrapped"] == ends["integrated"] == 80.0


def test_three_in_a_row_take_no_more_room_than_two(hv):
    scenes = {name: couplet_gradients() for name in "abc"}
    widths = {
        columns: {plot.frame_width for plot, _ in figures_of(hv, lk.view.compare(scenes, columns=columns)).values()}
        for columns in (1, 2, 3)
    }
    assert widths[1] == widths[2]
    [two], [three] = widths[2], widths[3]
    assert 3 * three <= 2 * two + 3


def test_boxes_are_drawn_on_the_panels_of_their_direction(hv):
    scene = couplet_gradients()
    boxes = couplet_boxes(scene)
    layout = lk.view.compare({"a": scene, "rate": rates(20.0)}, directions=("range",), labels=boxes)
    drawn = layout.traverse(lambda x: x, [hv.Rectangles])
    counts = [len(r) for r in drawn if "box" in r.vdims]
    assert counts == [int((boxes["direction"] == "range").sum())], "none over the rates"


@pytest.mark.parametrize(
    ("scenes", "options", "rule"),
    [
        ({}, {}, "scenes must name at least one"),
        ({"a": couplet_gradients()}, {"directions": "azimuth"}, "directions must be among"),
        ({"a": couplet_gradients()}, {"directions": ("up",)}, "directions must be among"),
        ({"a": couplet_gradients()}, {"columns": 0}, "columns must be at least 1"),
        ({"a": couplet_gradients()}, {"limit": -1.0}, "limit must be a number > 0"),
        ({"a": couplet_gradients(), "b": rates(1.0, (60, 80))}, {}, r"one shape .* 'b': \(60, 80\)"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(scenes, options, rule):
    with pytest.raises(LabkitError, match=rule):
        lk.view.compare(scenes, **options)
