"""Regions that a server may hold: what is certain is mended and said, what is not is refused, nothing else happens."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import box as rectangle

from labkit.label.convert import to_region
from labkit.label.regions import UnusableRegionError, from_region

CLASSES = {"azimuth": {"landslide", "unsure"}, "range": {"landslide", "unsure"}}


def region(box: tuple[float, float, float, float] = (10, 10, 20, 20), **value: object) -> dict:
    made = to_region("r1", "azimuth", box, 100)
    return made | {"value": made["value"] | value}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "polygonlabels"}, "type must be 'rectanglelabels'"),
        ({"value": None}, "type must be 'rectanglelabels'"),
        ({"to_name": "rate"}, "to_name must be one of"),
        ({"to_name": ["azimuth"]}, "to_name must be one of"),
        ({"from_name": "range_boxes"}, "from_name must be 'azimuth_boxes'"),
        ({"image_rotation": 90}, "image_rotation must be 0"),
    ],
)
def test_a_region_of_another_kind_or_control_is_refused_with_the_rule_it_breaks(change, reason):
    with pytest.raises(UnusableRegionError, match=reason):
        from_region(region() | change, 100, CLASSES)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"rectanglelabels": ["glacier"]}, "label must be one of"),
        ({"rectanglelabels": []}, "label must be one of"),
        ({"rectanglelabels": None}, "label must be one of"),
        ({"rectanglelabels": [["landslide"]]}, "label must be one of"),
        ({"rectanglelabels": ["landslide", "unsure"]}, "label must be one of"),
        ({"rotation": 12.5}, "rotation must be a multiple of 90°"),
        ({"rotation": "askew"}, "must be numbers"),
        ({"x": None}, "must be numbers"),
        ({"x": "nan"}, "must be numbers"),
        ({"width": math.inf}, "must be numbers"),
        ({"x": 120.0}, "box must lie on the image"),
        ({"width": 0.0}, "box must lie on the image"),
    ],
)
def test_an_unusable_value_is_refused_with_the_rule_it_breaks(value, reason):
    with pytest.raises(UnusableRegionError, match=reason):
        from_region(region(**value), 100, CLASSES)


def test_a_value_without_a_corner_is_refused():
    made = region()
    del made["value"]["x"]
    with pytest.raises(UnusableRegionError, match="'x' is missing"):
        from_region(made, 100, CLASSES)


def test_what_reaches_beyond_the_image_is_clipped_and_said():
    read = from_region(region((-20, 5, 30, 140)), 100, CLASSES)
    assert read.box == (0, 5, 30, 100)
    assert read.repairs == ("clipped",)


def test_rounding_at_the_edge_is_no_repair():
    read = from_region(region((0, 0, 100 + 1e-9, 50)), 100, CLASSES)
    assert read.box[2] == 100
    assert read.repairs == ()


@pytest.mark.parametrize("corners", [(50, 40, 20, 60), (20, 60, 50, 40), (50, 60, 20, 40)])
def test_a_box_drawn_backwards_is_turned_round_and_said(corners):
    read = from_region(region(corners), 100, CLASSES)
    assert read.box == pytest.approx((20, 40, 50, 60))
    assert read.repairs == ("turned round",)


@given(
    turns=st.integers(-8, 8),
    corner=st.tuples(st.floats(30, 60), st.floats(30, 60)),
    size=st.tuples(st.floats(1, 25), st.floats(1, 25)),
)
def test_a_quarter_turn_gives_the_box_that_shapely_turns_about_its_corner(turns, corner, size):
    drawn = (*corner, corner[0] + size[0], corner[1] + size[1])
    # y points down, so that clockwise on the screen is counter-clockwise in shapely's axes
    expected = affinity.rotate(rectangle(*drawn), 90 * turns, origin=corner).bounds
    read = from_region(region(drawn, rotation=90 * turns), 100, CLASSES)
    assert read.box == pytest.approx(expected, abs=1e-9)
    assert read.repairs == ((f"rotated by {90 * (turns % 4)}°",) if turns % 4 else ())


def test_a_full_turn_is_no_rotation():
    read = from_region(region(rotation=360), 100, CLASSES)
    assert read.box == pytest.approx((10, 10, 20, 20))
    assert read.repairs == ()


@pytest.mark.parametrize(
    ("word", "origin"),
    [("manual", "manual"), (None, "manual"), ("prediction", "accepted"), ("prediction-changed", "moved")],
)
def test_an_accepted_and_a_moved_prediction_say_so(word, origin):
    assert from_region(region() | {"origin": word}, 100, CLASSES).origin == origin


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_damage_gives_a_box_on_the_image_or_a_reason_and_nothing_else(data):
    damaged = json.loads(json.dumps(region()))
    for name in data.draw(st.lists(st.sampled_from(sorted(damaged)), max_size=2)):
        damaged[name] = data.draw(JSON)
    if isinstance(damaged["value"], dict):
        for name in data.draw(st.lists(st.sampled_from(["x", "y", "width", "height", "rotation"]), max_size=3)):
            damaged["value"][name] = data.draw(JSON)
    try:
        read = from_region(damaged, 100, CLASSES)
    except UnusableRegionError:
        return
    assert np.isfinite(read.box).all()
    assert 0 <= read.box[0] < read.box[2] <= 100
    assert 0 <= read.box[1] < read.box[3] <= 100


@given(JSON)
def test_anything_at_all_is_refused_with_a_reason(item):
    with pytest.raises(UnusableRegionError):
        from_region(item, 100, CLASSES)
