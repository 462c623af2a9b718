"""Landslides of several blocks: sizes, rates, edges, courses, and motion down the slope projected on each LOS."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from labkit.errors import LabkitError
from labkit.simulate.blocks import BlockSlide, block_outlines, place_block_slides
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import BEHAVIOURS
from labkit.simulate.terrain import Terrain, make_terrain

SPAN = np.datetime64("2018-01-01"), np.datetime64("2020-01-01")
FRAMES = [Frame("ascending", 348.0, 38.6, (400, 500), 40.0), Frame("descending", 192.0, 37.3, (400, 500), 40.0)]
PLACE = Place(101.95, 30.85)


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    return make_terrain(PLACE, 26_000.0, 24_000.0, 80.0, 6, 0)


@pytest.fixture(scope="module")
def slides(terrain: Terrain) -> list[BlockSlide]:
    return place_block_slides(terrain, FRAMES, 40, SPAN, seed=0)


def test_sizes_rates_slopes_and_courses_are_as_asked(slides: list[BlockSlide]) -> None:
    best = [max(abs(slide.los_rate(frame)) for frame in FRAMES) for slide in slides]
    lengths = [slide.length_m for slide in slides]
    assert 150 <= min(lengths) < 300 and 1200 < max(lengths) <= 2000
    assert 5 <= min(best) < 15 and 100 < max(best) <= 200.001
    assert all(10 <= slide.slope <= 40 for slide in slides)
    assert {slide.course.behaviour for slide in slides} == set(BEHAVIOURS)
    assert {len(slide.blocks) for slide in slides} == {1, 2, 3}
    edges = np.array([slide.edge for slide in slides])
    assert (edges < 0.3).any() and (edges > 0.5).any() and not ((edges > 0.3) & (edges < 0.5)).any()


def test_a_known_slope_and_speed_give_the_los_rate_by_hand() -> None:
    """100 mm/yr down 30° to the east; ascending (348°, 38.6°) stands at (−0.610, −0.130, 0.782): −92.0 mm/yr."""
    block = Landslide("L", 0.0, 0.0, 400.0, 300.0, 90.0, 30.0, 100.0, 0.5, np.zeros((1, 2)))
    slide = BlockSlide("L", 0.0, 0.0, 400.0, 300.0, 90.0, 30.0, 100.0, 0.5, block.harmonics, (block,))
    sin_i, cos_i = np.sin(np.radians(38.6)), np.cos(np.radians(38.6))
    east = -sin_i * np.cos(np.radians(348.0))
    expected = 100.0 * (np.cos(np.radians(30.0)) * east - np.sin(np.radians(30.0)) * cos_i)
    assert slide.los_rate(FRAMES[0]) == pytest.approx(expected)
    assert expected == pytest.approx(-91.9, abs=0.1)


def test_some_are_seen_in_one_track_only(slides: list[BlockSlide]) -> None:
    ratio = np.array([abs(s.los_rate(FRAMES[0])) / abs(s.los_rate(FRAMES[1])) for s in slides])
    assert (ratio > 4).any() and (ratio < 1 / 4).any()


def test_where_blocks_overlap_the_fastest_holds() -> None:
    flat = np.zeros((1, 2))
    body = Landslide("L", 0.0, 0.0, 1000.0, 1000.0, 0.0, 20.0, 40.0, 0.2, flat)
    toe = Landslide("L", 0.0, 200.0, 300.0, 300.0, 0.0, 20.0, 100.0, 0.2, flat)
    slide = BlockSlide("L", 0.0, 0.0, 1000.0, 1000.0, 0.0, 20.0, 100.0, 0.2, flat, (body, toe))
    share = slide.share(np.array([0.0, 0.0, 0.0, 700.0]), np.array([-200.0, 200.0, 0.0, 0.0]))
    assert share.tolist() == [0.4, 1.0, 0.4, 0.0]


def test_a_sharp_edge_falls_within_its_share_of_the_radius() -> None:
    slide = Landslide("L", 0.0, 0.0, 1000.0, 1000.0, 0.0, 20.0, 40.0, 0.1, np.zeros((1, 2)))
    share = slide.share(np.zeros(3), np.array([449.0, 475.0, 501.0]))
    assert share == pytest.approx([1.0, 0.5, 0.0], abs=1e-9)


def test_landslides_do_not_touch_and_their_outlines_hold_their_motion(slides: list[BlockSlide]) -> None:
    table = block_outlines(slides, FRAMES, PLACE)
    assert table.geometry.is_valid.all()
    assert len(table.sindex.query(table.geometry, predicate="intersects")[0]) == len(table)
    random = np.random.default_rng(0)
    for slide, outline in zip(slides[:10], table.geometry, strict=False):
        east, north = slide.east + random.normal(0, slide.length_m, 200), slide.north + random.normal(0, 300.0, 200)
        moving = slide.share(east, north) > 0.02
        inside = shapely.contains_xy(outline.buffer(2e-5), *PLACE.to_lonlat(east, north))
        assert not (moving & ~inside).any()


def test_the_table_names_the_los_rate_of_each_track(slides: list[BlockSlide]) -> None:
    table = block_outlines(slides, FRAMES, PLACE)
    assert table["los_ascending"].tolist() == [slide.los_rate(FRAMES[0]) for slide in slides]
    assert table["los_descending"].tolist() == [slide.los_rate(FRAMES[1]) for slide in slides]


def test_too_many_landslides_and_unknown_courses_are_refused(terrain: Terrain) -> None:
    small = make_terrain(PLACE, 6000.0, 6000.0, 100.0, 2, 0)
    with pytest.raises(LabkitError, match="count must fit the terrain"):
        place_block_slides(small, [Frame("ascending", 348.0, 38.6, (100, 100), 40.0)], 300, SPAN, seed=0)
    with pytest.raises(LabkitError, match="behaviour must be one of"):
        place_block_slides(terrain, FRAMES, 3, SPAN, seed=0, behaviours=("sudden",))
    with pytest.raises(LabkitError, match="motion must be given to L"):
        _ = BlockSlide("L", 0.0, 0.0, 9.0, 9.0, 0.0, 20.0, 1.0, 0.2, np.zeros((1, 2))).course
