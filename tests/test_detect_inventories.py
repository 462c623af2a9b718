"""Inventories and detections on a metric grid, where what matches what is plain arithmetic."""

from __future__ import annotations

import math
from io import StringIO

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from shapely.geometry import Point, Polygon, box

import labkit as lk
from labkit.detect import compare_methods, mcnemar
from labkit.detect.inventory_matching import near_pairs, pair_off
from labkit.errors import LabkitError

UTM = "EPSG:32647"
WEST, NORTH = 500_000.0, 3_400_000.0


def square(east: float, north: float = 0.0, edge: float = 100.0) -> Polygon:
    """A square of this edge whose lower left corner lies so many metres from a corner near 99° E, 30.7° N."""
    return box(WEST + east, NORTH + north, WEST + east + edge, NORTH + north + edge)


def found(*shapes, **columns: object) -> gpd.GeoDataFrame:
    """Detections of these outlines in metres, in longitude and latitude."""
    lonlat = gpd.GeoSeries(list(shapes), crs=UTM).to_crs("EPSG:4326")
    n = len(shapes)
    corners = {"xmin": np.arange(n), "ymin": np.zeros(n), "xmax": np.arange(n) + 1, "ymax": np.ones(n)}
    return lk.schema.boxes_table({"scene": "s", "direction": ["rate"] * n} | corners | {"geometry": lonlat} | columns)


def inventory(*shapes, crs: str = UTM, **columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=UTM).to_crs(crs)


def counts(one) -> tuple[int, int, int, int]:
    return one.correct, one.missed, one.new, one.total


def test_what_overlaps_is_detected_and_the_rest_is_missed_or_new():
    detections = found(square(50), square(1000), square(5000), square(5150))
    known = inventory(square(0), square(1050, 50), square(9000), name=["a", "b", "c"])
    one = lk.compare_inventories(detections, known)
    assert counts(one) == (2, 1, 2, 4)
    assert one.overlap_percent == pytest.approx(200 / 3)
    assert one.items[["name", "outcome"]].to_numpy().tolist() == [["a", "detected"], ["b", "detected"], ["c", "missed"]]
    assert one.items["found_by"].tolist() == [(0,), (1,), ()]
    assert one.detections["outcome"].tolist() == ["correct", "correct", "new", "new"]
    assert one.detections["matches"].tolist() == [(0,), (1,), (), ()]
    assert one.map["outcome"].tolist() == ["detected", "detected", "missed", "new", "new"]
    assert one.map["row"].tolist() == [0, 1, 2, 2, 3]
    assert one.map.crs == "EPSG:4326"
    assert str(one).startswith("2 of 3 known landslides detected (66.7 %, ")


def test_the_interval_is_wilsons():
    one = lk.compare_inventories(
        found(*(square(200 * i) for i in range(27))), inventory(*(square(200 * i) for i in range(29)))
    )
    expected = binomtest(27, 29).proportion_ci(method="wilson")
    assert one.interval() == pytest.approx((100 * expected.low, 100 * expected.high))
    assert one.interval(0.5)[0] > one.interval()[0]


def test_the_buffer_is_a_distance_on_the_ground():
    detections = found(square(0))
    points = inventory(*(Point(WEST + 100 + gap, NORTH + 50) for gap in (-10, 299, 301)))
    # UTM shortens by 0.04 % at its middle meridian, and distances here are those of the same zone
    assert lk.compare_inventories(detections, points, buffer_m=300).items["outcome"].tolist() == [
        "detected", "detected", "missed",
    ]  # fmt: skip
    assert lk.compare_inventories(detections, points).correct == 1


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32648"])
def test_the_system_of_coordinates_does_not_matter(crs: str):
    detections = found(square(50), square(3000))
    known = inventory(square(0), square(7000), crs=crs)
    one = lk.compare_inventories(detections.to_crs("EPSG:32646"), known, buffer_m=10)
    assert counts(one) == (1, 1, 1, 2)
    assert one.items.crs == known.crs


def test_many_boxes_on_one_landslide_are_correct_or_all_but_one_new():
    detections = found(square(-60), square(10), square(70))
    known = inventory(square(0))
    many, one = (lk.compare_inventories(detections, known, matching=rule) for rule in ("many", "one"))
    assert counts(many) == (1, 0, 0, 1)
    assert many.items["found_by"][0] == (0, 1, 2)
    assert counts(one) == (1, 0, 2, 3)
    assert one.items["found_by"][0] == (1,)  # the nearest centre


def test_one_box_over_two_landslides_finds_both_or_one():
    detections, known = found(square(0, edge=500)), inventory(square(50), square(300))
    assert counts(lk.compare_inventories(detections, known)) == (2, 0, 0, 2)
    assert counts(lk.compare_inventories(detections, known, matching="one")) == (1, 1, 0, 1)


def test_one_to_one_gives_up_a_near_pair_for_one_pair_more():
    # the middle box is nearest to item 0, but only the right item can take it if the left box is to have one
    detections = found(square(-80), square(20))
    known = inventory(square(0), square(110))
    one = lk.compare_inventories(detections, known, matching="one")
    assert counts(one) == (2, 0, 0, 2)
    assert one.items["found_by"].tolist() == [(0,), (1,)]


@given(st.lists(st.integers(0, 60), max_size=7), st.lists(st.integers(0, 60), max_size=7))
@settings(max_examples=30, deadline=None)
def test_each_once_pairs_as_many_as_a_search_through_all_ways(left: list[int], right: list[int]):
    detections, known = (
        gpd.GeoSeries([square(20.0 * at + shift) for at in side], crs=UTM) for side, shift in ((left, 3), (right, 0))
    )
    touch = [[abs(20 * a + 3 - 20 * b) <= 100 for b in right] for a in left]

    def most(row: int, taken: frozenset[int]) -> int:
        if row == len(left):
            return 0
        ways = [1 + most(row + 1, taken | {j}) for j in range(len(right)) if touch[row][j] and j not in taken]
        return max([most(row + 1, taken), *ways])

    near = near_pairs(detections, known, 0)
    assert set(zip(*near, strict=True)) == {(i, j) for i, row in enumerate(touch) for j, one in enumerate(row) if one}
    first, second = pair_off(detections, known, near)
    assert len(set(first)) == len(set(second)) == len(first) == most(0, frozenset())
    assert set(zip(first, second, strict=True)) <= set(zip(*near, strict=True))


def test_views_tell_which_direction_and_orbit_saw_each_landslide():
    directions = ["azimuth", "range", "azimuth"]
    orbits = ["ascending", "ascending", "descending"]
    boxes = found(square(0), square(10), square(1000), direction=directions, orbit_direction=orbits)
    known = inventory(square(20), square(1020), square(4000))
    items = lk.compare_inventories(boxes, known).items
    seen = {name: items[name].tolist() for name in items if str(name).startswith("seen_")}
    assert seen == {
        "seen_azimuth_ascending": [True, False, False],
        "seen_azimuth_descending": [False, True, False],
        "seen_range_ascending": [True, False, False],
        "seen_range_descending": [False, False, False],
    }
    merged = lk.merge_detections(boxes.assign(scene=["a", "a", "d"]), max_distance_m=0)
    marginal = lk.compare_inventories(merged, known).items
    assert marginal["seen_azimuth"].tolist() == [True, True, False]
    assert marginal["seen_range"].tolist() == [True, False, False]
    assert marginal["seen_descending"].tolist() == [False, True, False]
    by_boxes = lk.compare_inventories(merged, known, boxes=boxes).items
    assert {name: by_boxes[name].tolist() for name in seen} == seen
    unknown = lk.compare_inventories(boxes.drop(columns="orbit_direction"), known).items
    assert unknown["seen_range"].tolist() == [True, False, False]


def image(name: str, values: np.ndarray, **attrs: object) -> xr.Dataset:
    """Values on a grid of 20 m whose upper left corner is the corner of the squares, 1000 m to the north."""
    x = WEST + 20 * (np.arange(values.shape[1]) + 0.5)
    y = NORTH + 1000 - 20 * (np.arange(values.shape[0]) + 0.5)
    return xr.Dataset({name: (("y", "x"), values)}, coords={"y": y, "x": x}, attrs={"crs": UTM, **attrs})


def test_each_landslide_says_what_the_images_show_there():
    rate, coherence, layover = np.zeros((50, 50)), np.full((50, 50), 0.8), np.zeros((50, 50), bool)
    rate[40:45, 10:15] = -4  # the square at 200, 100: rows 40 to 44, columns 10 to 14
    rate[41, 11], rate[42, 12] = 15, np.nan
    coherence[40:45, 10:15] = 0.2
    layover[40:45, 10:12] = True
    known = inventory(square(200, 100), square(600, 500), Point(WEST + 210, NORTH + 190), square(90_000))
    one = lk.compare_inventories(
        found(square(600, 500)), known, rates=[image("rate", rate), image("rate", rate / 2)],
        coherence=image("coherence", coherence), layover=image("layover", layover)["layover"].assign_attrs(crs=UTM),
    )  # fmt: skip
    assert one.items["outcome"].tolist() == ["missed", "detected", "missed", "missed"]
    np.testing.assert_allclose(one.items["measured_rate"], [-4, 0, -4, np.nan])
    np.testing.assert_allclose(one.items["fastest_rate"], [15, 0, -4, np.nan])
    np.testing.assert_allclose(one.items["measured_coherence"], [0.2, 0.8, 0.2, np.nan])
    np.testing.assert_allclose(one.items["layover_share"], [0.4, 0, 1, np.nan])
    wide = lk.compare_inventories(found(), known.iloc[[2, 1]], buffer_m=45, coherence=image("coherence", coherence))
    near = np.array(
        [[math.hypot(20 * (c + 0.5) - 210, 1000 - 20 * (r + 0.5) - 190) <= 45 for c in range(50)] for r in range(50)]
    )
    assert wide.items["measured_coherence"].iloc[0] == pytest.approx(coherence[near].mean(), abs=0.05)


def test_a_radar_scene_is_read_through_its_lookup_table():
    flat = image("rate", np.zeros((40, 40)))
    lon, lat = lk.geo.pixel_to_lonlat(flat, *(np.indices((40, 40)) + 0.5))
    rate = np.zeros((40, 40))
    rate[10:15, 20:25] = 30
    radar = xr.Dataset({"rate": (("y", "x"), rate)}, coords={"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)})
    items = lk.compare_inventories(found(), inventory(square(400, 700)), rates=radar).items
    assert items["measured_rate"].tolist() == [30]


@pytest.mark.parametrize("matching", ["many", "one"])
def test_empty_tables_are_answers(matching: str):
    known, nothing = inventory(square(0)), inventory()
    assert counts(lk.compare_inventories(found(), known, matching=matching)) == (0, 1, 0, 0)
    assert counts(lk.compare_inventories(found(square(0)), nothing, matching=matching)) == (0, 0, 1, 1)
    neither = lk.compare_inventories(
        lk.schema.boxes_table(), nothing, matching=matching, rates=image("rate", np.zeros((2, 2)))
    )
    assert counts(neither) == (0, 0, 0, 0)
    assert math.isnan(neither.overlap_percent)
    assert math.isnan(neither.interval()[0])
    assert len(neither.map) == 0
    assert str(neither) == "an empty inventory; 0 new from 0 detections"


def test_what_cannot_be_compared_is_refused_with_a_remedy():
    detections, known = found(square(0)), inventory(square(0))
    with pytest.raises(LabkitError, match="buffer_m must be a number of metres ≥ 0, instead got buffer_m=-1"):
        lk.compare_inventories(detections, known, -1)
    with pytest.raises(LabkitError, match="matching must be one of"):
        lk.compare_inventories(detections, known, matching="all")
    with pytest.raises(LabkitError, match="inventory must say their coordinate system"):
        lk.compare_inventories(detections, known.set_crs(None, allow_override=True))
    with pytest.raises(LabkitError, match="inventory must be a GeoDataFrame with a geometry, instead got DataFrame"):
        lk.compare_inventories(detections, pd.DataFrame(known.drop(columns="geometry")))
    with pytest.raises(LabkitError, match=r"detections must all have a place on the Earth, instead 1 of 1 have none"):
        lk.compare_inventories(detections.set_geometry([None], crs=4326), known)
    with pytest.raises(LabkitError, match="inventory must have rows of different names"):
        lk.compare_inventories(detections, pd.concat([known, known]))
    with pytest.raises(LabkitError, match="rates must hold the variable 'rate'"):
        lk.compare_inventories(detections, known, rates=image("gradient", np.zeros((3, 3))))
    with pytest.raises(LabkitError, match="must have 2-D lon and lat, or y and x with a CRS"):
        lk.compare_inventories(detections, known, layover=xr.DataArray(np.zeros((3, 3), bool), dims=("y", "x")))


def test_a_polygon_that_crosses_itself_is_mended():
    bow = Polygon([(WEST, NORTH), (WEST + 100, NORTH + 100), (WEST + 100, NORTH), (WEST, NORTH + 100)])
    assert lk.compare_inventories(found(square(80, 40, 20)), inventory(bow)).correct == 1
    assert lk.compare_inventories(found(square(40, 90, 20)), inventory(bow)).correct == 0


def test_the_tables_given_stay_as_they_were():
    detections, known = found(square(0)), inventory(square(0), outcome=["as before"])
    before = detections.copy(), known.copy()
    lk.compare_inventories(detections, known)
    pd.testing.assert_frame_equal(detections, before[0])
    pd.testing.assert_frame_equal(known, before[1])


def test_methods_stand_side_by_side_as_in_the_second_papers_table_4():
    """Its 29 landslides: 27, 28 and 24 detected, 12, 12 and 10 new."""
    known = inventory(*(square(200 * i) for i in range(29)))
    fresh = [square(200 * i, 9000) for i in range(12)]
    published = {
        "Improved Faster R-CNN": (range(27), 12),
        "Hot Spot Analysis": (range(28), 12),
        "K-Means": (range(5, 29), 10),
    }
    methods = {
        name: found(*(square(200 * i + 50) for i in hits), *fresh[:new]) for name, (hits, new) in published.items()
    }
    all_three = compare_methods(methods, known)
    table = all_three.table
    assert table.index.tolist() == [*published]
    assert table.iloc[:, :4].to_numpy().tolist() == [[27, 2, 12, 39], [28, 1, 12, 40], [24, 5, 10, 34]]
    assert table["overlap (%)"].tolist() == pytest.approx([2700 / 29, 2800 / 29, 2400 / 29])
    assert all_three.shared_percent == pytest.approx(100 * 22 / 29)
    assert all_three.detected.sum().tolist() == [27, 28, 24]
    pairs = all_three.differences
    assert pairs["only first"].tolist() == [0, 5, 5]
    assert pairs["only second"].tolist() == [1, 2, 1]
    # p = 2 Σ C(n, k) / 2ⁿ over k up to the lesser: 1; of 7, 2 · (1 + 7 + 21) / 128; of 6, 2 · (1 + 6) / 64
    assert pairs["p"].tolist() == pytest.approx([1.0, 58 / 128, 14 / 64])
    assert repr(all_three).startswith("<MethodComparison: Improved Faster R-CNN: 27 of 29, 12 new; Hot Spot")
    shown, tested = pd.read_html(StringIO(all_three._repr_html_()), index_col=0)
    assert shown["overlap (%)"].tolist() == [93.1, 96.6, 82.8]
    assert tested["p"].tolist() == [1.0, 0.453, 0.219]


def test_a_comparison_is_a_line_in_python_and_a_table_on_a_page_and_never_its_tables_of_shapes():
    one = lk.compare_inventories(found(square(0), square(9000)), inventory(square(0), square(200)))
    assert repr(one) == f"<Comparison: {one}>" and "from 2 detections" in str(one)
    (shown,) = pd.read_html(StringIO(one._repr_html_()))
    assert shown.iloc[0, :3].tolist() == [1, 1, 1]
    assert shown["share detected (95 %)"].item() == "50.0 % (9.5 to 90.5)"
    assert "POLYGON" not in one._repr_html_()


def test_mcnemar_counts_whom_only_one_method_found_and_refuses_other_inventories():
    known = inventory(*(square(200 * i) for i in range(12)))
    a = lk.compare_inventories(found(*(square(200 * i) for i in range(9))), known)
    b = lk.compare_inventories(found(square(200 * 8), square(200 * 10)), known)
    test = mcnemar(a, b)
    assert (test.both, test.only_first, test.only_second, test.neither) == (1, 8, 1, 2)
    assert test.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar(a, a).p_value == 1
    other = lk.compare_inventories(found(square(0)), known.iloc[::-1].reset_index(drop=True))
    with pytest.raises(LabkitError, match="first and second must be compared with the same inventory"):
        mcnemar(a, other)
    with pytest.raises(LabkitError, match="methods must name at least one table of detections"):
        compare_methods({}, known)
    assert math.isnan(compare_methods({"none": found()}, known).shared_percent)
