"""Boxes are linked as the definitions say, in whatever way the links are found."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labkit import LabkitError, geo, merge_detections, schema
from labkit.detect.groups import linked_groups
from labkit.detect.links import Places, join, strongest
from labkit.detect.links_compiled import NONE
from labkit.detect.overlaps import giou

GEOD = Geod(ellps="WGS84")
KM = 1000 / geo.metres_per_degree(np.float64(30.0))[1]


def ground(lon, lat, width_m, height_m, seed=0, scenes=3, min_giou=0.0, max_distance_m=500.0):
    """Boxes around places, of several scenes, each its own view."""
    east, north = geo.metres_per_degree(np.asarray(lat, float))
    half = np.column_stack([width_m / east, height_m / north]) / 2
    centre = np.column_stack([lon, lat])
    scene = np.random.default_rng(seed).integers(0, scenes, len(centre))
    none = np.zeros(len(centre), np.int64)
    boxes, scale = np.column_stack([centre - half, centre + half]), np.column_stack([east, north])
    return Places(boxes, none, scene, scene, scale, 360.0, min_giou, max_distance_m)


def every_link(places):
    """Strengths of all pairs by their definitions, with the geodesic's length as the distance."""
    n = len(places.boxes)
    i, j = np.triu_indices(n, 1)
    turned = places.boxes[j].copy()
    turned[:, [0, 2]] -= 360 * np.round((turned[:, [0]] - places.boxes[i][:, [0]]) / 360)
    overlap = giou(places.boxes[i], turned)
    middle = [(b[:, :2] + b[:, 2:]) / 2 for b in (places.boxes[i], turned)]
    apart_m = GEOD.inv(*middle[0].T, *middle[1].T)[2]
    strength = np.where(overlap > places.min_giou, overlap, NONE)
    near = (strength == NONE) & (apart_m <= places.max_distance_m)
    strength[near] = -apart_m[near] / places.max_distance_m
    strength[places.apart[i] == places.apart[j]] = NONE
    linked = strength > NONE
    return i[linked], j[linked], strength[linked]


def components(n, i, j):
    return connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)[1]


def same_partition(a, b):
    pairs = pd.DataFrame({"a": a, "b": b}).drop_duplicates()
    return pairs["a"].is_unique and pairs["b"].is_unique


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(3, 60),
    spread_km=st.sampled_from([0.3, 3.0, 30.0]),
    lat=st.sampled_from([-60.0, 0.0, 31.0, 80.0]),
    lon=st.sampled_from([102.0, 179.995, -180.0]),
    largest_km=st.sampled_from([0.2, 2.0, 60.0]),
)
def test_the_components_are_those_of_all_links_between_all_boxes(seed, count, spread_km, lat, lon, largest_km):
    rng = np.random.default_rng(seed)
    at = rng.uniform(-1, 1, (count, 2)) * spread_km * KM
    sizes = 50 + 1000 * largest_km * rng.uniform(0, 1, (2, count)) ** 4
    lons = (lon + at[:, 0] / np.cos(np.radians(lat)) + 180) % 360 - 180
    places = ground(lons, lat + at[:, 1], *sizes, seed)
    i, j, strength = every_link(places)
    if (np.abs(strength[strength < 0] + 1) < 1e-4).any():  # on the limit of the distance, where rounding decides
        return
    wanted = components(count, i, j)
    parent = np.arange(count)
    first, second, held = join(places, parent)
    assert same_partition(components(count, first, second), wanted)
    assert len(first) == count - wanted.max() - 1, "a link for each join, and no more"
    strengths = {(a, b): s for a, b, s in zip(i, j, strength, strict=True)}
    for a, b, s in zip(np.minimum(first, second), np.maximum(first, second), held, strict=True):
        assert s == pytest.approx(strengths[a, b], abs=1e-4)
    a, b, s = strongest(places, count)
    assert list(zip(a, b, strict=True)) == sorted(strengths), "with room for all, all links are kept"
    few, _, _ = strongest(places, 2)
    assert len(few) <= 2 * count


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    spread_km=st.sampled_from([0.1, 1.0, 8.0]),
    lon=st.sampled_from([102.0, 179.995, 0.0]),
    most=st.integers(1, 6),
    largest_km=st.sampled_from([0.3, 5.0, 4000.0]),
)
def test_the_strongest_links_of_boxes_that_lie_on_each_other_are_those_of_all(seed, spread_km, lon, most, largest_km):
    rng = np.random.default_rng(seed)
    at = rng.uniform(-1, 1, (70, 2)) * [spread_km, 0.05 * spread_km] * KM
    sizes = 100 + 1000 * largest_km * rng.uniform(0, 1, (2, 70)) ** (4 if largest_km < 100 else 30)
    places = ground((lon + at[:, 0] + 180) % 360 - 180, 30 + at[:, 1], *sizes, seed)
    i, j, _ = every_link(places)
    # strengths as the code has them, with room for all, which the test above holds against the definition
    a, b, strength = strongest(places, 70)
    assert list(zip(a, b, strict=True)) == list(zip(i, j, strict=True))
    kept = set()
    for box in range(70):
        mine = [
            (-s, other, (x, y))
            for x, y, s in zip(a, b, strength, strict=True)
            for other in {x, y} - {box}
            if box in (x, y)
        ]
        kept |= {pair for _, _, pair in sorted(mine)[:most]}
    few, others, held = strongest(places, most)
    assert list(zip(few, others, strict=True)) == sorted(kept)
    strengths = dict(zip(zip(a, b, strict=True), strength, strict=True))
    assert held.tolist() == [strengths[pair] for pair in zip(few, others, strict=True)]


def chain(length_km, step_m=300.0, width_m=200.0, scenes=2):
    """Boxes along a river that flows east, seen by two scenes in turn."""
    count = int(1000 * length_km / step_m)
    lon = 102 + np.arange(count) * step_m / geo.metres_per_degree(np.float64(30.0))[0]
    places = ground(lon, np.full(count, 30.0), np.full(count, width_m), np.full(count, width_m))
    scene = np.arange(count) % scenes
    return Places(places.boxes, places.plane, scene, scene, places.scale, 360.0, 0.0, 500.0)


def test_a_chain_along_a_river_is_cut_into_pieces_within_the_limit():
    places = chain(40)
    assert linked_groups([places], places.boxes, np.inf).max() == 0, "without a limit the river is one landslide"
    group = linked_groups([places], places.boxes, 5000)
    ends = pd.DataFrame(places.boxes).groupby(group).agg({0: "min", 2: "max"})
    lengths = (ends[2] - ends[0]) * places.scale[0, 0]
    assert lengths.max() <= 5000
    # two neighbouring pieces would together be too long
    assert (lengths.to_numpy()[:-1] + lengths.to_numpy()[1:] > 5000 - 300).all()


def test_the_weakest_link_is_the_one_that_is_cut():
    places = chain(8)
    boxes = places.boxes.copy()
    boxes[13:, [0, 2]] += 150 / places.scale[0, 0]  # one gap of 450 m among gaps of 300 m
    gap = Places(boxes, places.plane, places.apart, places.view, places.scale, 360.0, 0.0, 500.0)
    assert linked_groups([gap], boxes, np.inf).max() == 0
    group = linked_groups([gap], boxes, 5000)
    assert group.tolist() == [0] * 13 + [1] * (len(boxes) - 13)


def test_two_overlapping_boxes_are_one_however_large_they_are():
    lon = np.array([102.0, 102.1])
    places = ground(lon, np.full(2, 30.0), np.full(2, 12_000.0), np.full(2, 6_000.0))
    apart = np.arange(2)
    places = Places(places.boxes, places.plane, apart, apart, places.scale, 360.0, 0.0, 500.0)
    assert linked_groups([places], places.boxes, 5000).tolist() == [0, 0]


def test_a_hundred_thousand_boxes_at_one_spot_are_one_landslide():
    rng = np.random.default_rng(0)
    at = 30 + rng.uniform(0, 0.3 * KM, (100_000, 2))
    sizes = rng.uniform(100, 2000, (2, 100_000))
    places = ground(72 + at[:, 0], at[:, 1], *sizes, scenes=8)
    assert len(np.unique(linked_groups([places], places.boxes, 5000))) == 1


def table(lon, lat, seed, **more):
    """Detections of four bursts on two tracks, 1 km wide."""
    rng = np.random.default_rng(seed)
    n = len(lon)
    burst = rng.integers(0, 4, n)
    x, y = (np.asarray(lon) - 102) * 2500, (31 - np.asarray(lat)) * 2500
    half = rng.uniform(0.002, 0.006, (2, n))
    columns = {
        "scene": [f"Rutsch·{b} 滑坡" for b in burst],
        "direction": rng.choice(["azimuth", "range"], n),
        "xmin": x - 2500 * half[0],
        "xmax": x + 2500 * half[0],
        "ymin": y - 2500 * half[1],
        "ymax": y + 2500 * half[1],
        "score": rng.integers(0, 4, n) / 4,
        "track": (burst // 2).astype(str),
        "geometry": shapely.box(lon - half[0], lat - half[1], lon + half[0], lat + half[1]),
    }
    return schema.boxes_table(columns | more)


@given(
    seed=st.integers(0, 10_000), count=st.integers(1, 80), parts=st.integers(1, 5), limit=st.sampled_from([1500, 5000])
)
@settings(max_examples=15)
def test_any_order_and_any_parting_into_tables_gives_the_same_landslides(seed, count, parts, limit):
    rng = np.random.default_rng(seed)
    whole = table(102 + rng.uniform(0, 0.1, count), 30 + rng.uniform(0, 0.03, count), seed)
    first = merge_detections(whole, max_extent_m=limit)
    shuffled = whole.iloc[rng.permutation(count)]
    given_tables = [shuffled[owner == k] for owner in [rng.integers(0, parts, count)] for k in range(parts)]
    given_tables = [t.to_crs("EPSG:32647") if k % 2 else t for k, t in enumerate(given_tables)]
    second = merge_detections(given_tables, max_extent_m=limit)
    pd.testing.assert_frame_equal(first.drop(columns="geometry"), second.drop(columns="geometry"))
    assert first.geometry.geom_equals_exact(second.geometry, 1e-8).all()
    size = first.geometry.to_crs("EPSG:32648").bounds
    longest = np.maximum(size.maxx - size.minx, size.maxy - size.miny)
    # envelopes are in the zone's metres, which are up to half a percent larger than the ellipsoid's so near its border
    assert (longest <= max(limit, 2 * 1350) * 1.03).all()


def test_across_the_date_line_the_ground_goes_on():
    lon, lat = np.array([179.999, -179.999, 179.95]), np.array([-17.0, -17.0, -17.5])
    west, east, south, north = lon - 0.002, lon + 0.002, lat - 0.002, lat + 0.002
    columns = {"scene": ["up", "down", "up"], "direction": "range", "geometry": shapely.box(west, south, east, north)}
    corners = {"xmin": [0.0, 0, 50], "xmax": [9.0, 9, 59], "ymin": [0.0, 0, 50], "ymax": [9.0, 9, 59]}
    merged = merge_detections(schema.boxes_table(columns | corners))
    assert merged["members"].tolist() == [2, 1]
    shape = merged.geometry.iloc[0]
    assert shape.bounds[2] - shape.bounds[0] == pytest.approx(0.006, rel=0.03)  # along the zone's north
    # a box that itself crosses, its corners on both sides, is no box around the Earth
    crossing = shapely.Polygon([(179.998, -17.002), (-179.998, -17.002), (-179.998, -16.998), (179.998, -16.998)])
    columns["geometry"] = [crossing, *columns["geometry"][1:]]
    again = merge_detections(schema.boxes_table(columns | corners))
    assert again["members"].tolist() == [2, 1]
    assert again.geometry.iloc[0].bounds[2] - again.geometry.iloc[0].bounds[0] < 0.01


def test_next_to_a_pole_nothing_is_measured():
    with pytest.raises(LabkitError, match=r"detections must lie between 89° south and north, instead got.*'Rutsch"):
        merge_detections(table(np.array([10.0, 12.0, 14.0]), np.array([89.9, 89.9, 89.9]), 0))
    assert merge_detections(table(np.array([10.0, 12.0]), np.array([86.0, -79.0]), 0))["members"].tolist() == [1, 1]


def test_an_unknown_score_stands_behind_every_known_one():
    two = table(np.array([102.0, 102.001]), np.array([30.0, 30.0]), 3, scene=["a", "b"], track=["1", "2"])
    two["score"] = [np.nan, 0.2]
    [row] = merge_detections(two).itertuples()
    assert (row.score, row.scene, row.member_scores) == (0.2, "b", "nan; 0.20")
    two["score"] = np.nan
    assert merge_detections(two)["score"].isna().tolist() == [True]


def test_what_cannot_be_placed_is_named():
    two = table(np.array([102.0, 102.001]), np.array([30.0, 30.0]), 3, scene=["a", "a"], track=["1", "2"])
    with pytest.raises(LabkitError, match=r"detections of a scene must be of one track, instead 'a' is of"):
        merge_detections([two, two.assign(scene="b", track="1")])
    with pytest.raises(LabkitError, match="crs=None. Set detections.crs"):
        merge_detections(two.set_crs(None, allow_override=True))
    for option in ({"max_extent_m": 0}, {"max_extent_m": np.nan}, {"max_distance_m": np.inf}):
        with pytest.raises(LabkitError, match=f"{next(iter(option))} must be"):
            merge_detections(two, **option)


def test_boxes_that_say_the_same_but_are_drawn_differently_come_out_the_same_in_any_order():
    one = table(np.array([102.0]), np.array([30.0]), 0)
    other = one.set_geometry(one.geometry.rotate(20))
    first, second = merge_detections([one, other]), merge_detections([other, one])
    assert first["members"].tolist() == [1] and first.geometry.geom_equals(second.geometry).all()
