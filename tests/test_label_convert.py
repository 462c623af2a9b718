"""Pixels of a chip ↔ per cents of Label Studio: exact both ways, and nothing unusable gets through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.label.convert import clip_box, to_percent, to_pixels, to_region
from labkit.label.regions import from_region

CLASSES = {"azimuth": {"landslide", "unsure"}, "range": {"landslide", "unsure"}}


@st.composite
def boxes_in_chips(draw: st.DrawFn) -> tuple[tuple[float, float, float, float], int]:
    size = draw(st.integers(2, 4096))
    edges = [sorted(draw(st.tuples(st.floats(0, size), st.floats(0, size)))) for _ in range(2)]
    (xmin, xmax), (ymin, ymax) = edges
    return (xmin, ymin, xmax, ymax), size


@given(boxes_in_chips())
def test_a_box_comes_back_from_per_cents_to_a_millionth_of_a_pixel(case):
    box, size = case
    there_and_back = to_pixels(json.loads(json.dumps(to_percent(box, size))), size)
    assert there_and_back == pytest.approx(box, abs=1e-6)


@given(boxes_in_chips(), st.sampled_from(["azimuth", "range"]))
def test_a_region_read_again_is_the_box_that_was_written(case, direction):
    box, size = case
    region = json.loads(json.dumps(to_region("r1", direction, box, size, "unsure")))
    if box[2] - box[0] < 1e-6 or box[3] - box[1] < 1e-6:
        return
    read = from_region(region, size, CLASSES)
    assert read.box == pytest.approx(box, abs=1e-6)
    assert (read.region_id, read.direction, read.label, read.origin) == ("r1", direction, "unsure", "manual")


def test_per_cents_count_from_the_upper_left_corner():
    assert to_percent((0, 0, 200, 100), 200) == {"x": 0, "y": 0, "width": 100, "height": 50}


def test_a_box_drawn_backwards_is_turned_round():
    assert to_pixels({"x": 50, "y": 40, "width": -30, "height": -20}, 100) == (20, 20, 50, 40)


def test_a_box_beyond_the_image_is_cut_to_it():
    assert clip_box((-10, 20, 30, 500), 100) == (0, 20, 30, 100)


def test_a_box_that_only_touches_the_image_has_no_area_in_it():
    assert clip_box((100, 20, 130, 50), 100) is None
