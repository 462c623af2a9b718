import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import generalized_box_iou

from labkit import LabkitError, merge_detections, schema

UTM = "EPSG:32648"
#: Where pixel (0, 0) of each scene lies, m in UTM; pixels are 40 m and scenes may lie upon each other.
CORNER = np.array([400_000.0, 3_400_000.0])
ORBIT = {"up": "ascending", "down": "descending"}


def boxes(corners, scene="up", direction="azimuth", score=0.9, placed=True):
    """Boxes in pixels, laid out on the ground with y to the south."""
    corners = np.asarray(corners, float).reshape(-1, 4)
    metres = shapely.box(
        CORNER[0] + 40 * corners[:, 0],
        CORNER[1] - 40 * corners[:, 3],
        CORNER[0] + 40 * corners[:, 2],
        CORNER[1] - 40 * corners[:, 1],
    )
    columns = dict(zip(("xmin", "ymin", "xmax", "ymax"), corners.T, strict=True))
    columns |= {"scene": scene, "direction": direction, "score": np.broadcast_to(score, len(corners)), "model": "m"}
    columns["orbit_direction"] = [ORBIT.get(scene, "")] * len(corners)
    if placed:
        columns["geometry"] = list(gpd.GeoSeries(metres, crs=UTM).to_crs("EPSG:4326"))
    return schema.boxes_table(columns)


def bounds_px(merged):
    """Bounds of the geometries in pixels of the ground grid."""
    west, south, east, north = merged.geometry.to_crs(UTM).bounds.to_numpy().T
    return np.column_stack([west - CORNER[0], CORNER[1] - north, east - CORNER[0], CORNER[1] - south]) / 40


def test_azimuth_and_range_of_one_landslide_become_one():
    merged = merge_detections(
        [boxes([10, 10, 30, 30], score=0.7), boxes([14, 12, 34, 31], direction="range", score=0.8)]
    )
    [row] = merged.itertuples()
    assert (row.azimuth, row.range, row.ascending, row.descending, row.members) == (True, True, True, False, 2)
    assert (row.xmin, row.ymin, row.xmax, row.ymax) == (10, 10, 34, 31)
    assert (row.score, row.direction, row.scene, row.model) == (0.8, "range", "up", "m")
    np.testing.assert_allclose(bounds_px(merged), [[10, 10, 34, 31]], atol=0.01)
    assert row.member_boxes == "up/azimuth/10.0,10.0,30.0,30.0; up/range/14.0,12.0,34.0,31.0"


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(3, 30), st.integers(3, 30)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(corners, corners, st.sampled_from([0.0, 0.1, 0.4]))
def test_within_a_scene_the_giou_of_torchvision_decides(a, b, min_giou):
    overlap = generalized_box_iou(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)).item()
    merged = merge_detections([boxes(a), boxes(b, direction="range")], min_giou)
    if abs(overlap - min_giou) > 1e-9:
        assert len(merged) == (1 if overlap > min_giou else 2)


def test_boxes_of_one_direction_of_one_scene_stay_apart():
    assert len(merge_detections(boxes([[10, 10, 30, 30], [15, 10, 35, 30]]))) == 2


@pytest.mark.parametrize(("apart_m", "landslides"), [(480, 1), (520, 2)])
def test_across_tracks_centres_within_500_m_are_one_landslide(apart_m, landslides):
    a, b = boxes([0, 0, 4, 4]), boxes(np.array([0, 0, 4, 4]) + np.array([1, 0, 1, 0]) * apart_m / 40, scene="down")
    assert len(merge_detections([a, b])) == landslides
    assert len(merge_detections([a, b], max_distance_m=0)) == 2


def test_neighbours_in_two_bursts_of_one_track_stay_two_landslides():
    # Two landslides 320 m apart, in the overlap of two bursts that both see both.
    both = [[0, 0, 6, 6], [8, 0, 14, 6]]
    tables = [boxes(both, scene=burst).assign(track="26", orbit_direction="ascending") for burst in ("IW1", "IW2")]
    merged = merge_detections(tables)
    assert merged["members"].tolist() == [2, 2]
    assert merged["scenes"].tolist() == ["IW1; IW2", "IW1; IW2"]
    # Of two tracks, or of tracks that nobody knows, nothing tells them apart.
    other = tables[1].assign(orbit_direction="descending")
    assert merge_detections([tables[0], other])["members"].tolist() == [4]
    assert merge_detections([tables[0].assign(track=""), tables[1].assign(track="")])["members"].tolist() == [4]


def test_a_landslide_longer_than_the_overlap_of_two_bursts_is_put_together():
    northern, southern = boxes([0, 0, 20, 60], scene="IW1"), boxes([0, 25, 20, 90], scene="IW2")
    [row] = merge_detections([table.assign(track="26") for table in (northern, southern)]).itertuples()
    assert (row.scenes, row.members) == ("IW1; IW2", 2)
    np.testing.assert_allclose(bounds_px(merge_detections([northern, southern])), [[0, 0, 20, 90]], atol=0.01)


def test_across_tracks_overlap_counts_however_far_the_centres_are():
    merged = merge_detections([boxes([0, 0, 100, 40]), boxes([40, 0, 140, 40], scene="down")])
    [row] = merged.itertuples()
    assert row.ascending and row.descending and row.members == 2
    np.testing.assert_allclose(bounds_px(merged), [[0, 0, 140, 40]], atol=0.01)
    assert (row.xmin, row.xmax) == ((0, 100) if row.scene == "up" else (40, 140)), "pixels are those of one scene"


def test_what_is_linked_over_a_third_box_is_one():
    chain = [boxes([0, 0, 4, 4]), boxes([11, 0, 15, 4], scene="down"), boxes([22, 0, 26, 4], scene="third")]
    assert len(merge_detections(chain)) == 1
    assert len(merge_detections([chain[0], chain[2]])) == 2


@st.composite
def tables(draw):
    rows = draw(
        st.lists(
            st.tuples(
                corners, st.sampled_from(["up", "down"]), st.sampled_from(["azimuth", "range"]), st.integers(1, 9)
            ),
            min_size=1,
            max_size=9,
        )
    )
    return [boxes(c, scene, direction, score / 10) for c, scene, direction, score in rows]


@given(tables(), st.randoms(use_true_random=False))
@settings(max_examples=12)
def test_the_order_of_rows_and_tables_makes_no_difference(given_tables, random):
    first = merge_detections(given_tables)
    shuffled = list(given_tables)
    random.shuffle(shuffled)
    second = merge_detections(shuffled)
    third = merge_detections(pd.concat(shuffled, ignore_index=True))
    for other in (second, third):
        pd.testing.assert_frame_equal(first.drop(columns="geometry"), other.drop(columns="geometry"))
        assert first.geometry.geom_equals(other.geometry).all()


@given(tables())
@settings(max_examples=12)
def test_every_box_belongs_to_one_landslide_that_covers_it(given_tables):
    merged = merge_detections(given_tables)
    distinct = pd.concat(given_tables).drop_duplicates(
        ["scene", "direction", "xmin", "ymin", "xmax", "ymax", "score", "model"]
    )
    assert merged.members.sum() == len(distinct)
    assert sum(len(words.split("; ")) for words in merged.member_boxes) == len(distinct)
    covers = bounds_px(merged)
    for box in distinct[["xmin", "ymin", "xmax", "ymax"]].to_numpy():
        assert ((covers[:, :2] <= box[:2] + 0.01) & (covers[:, 2:] >= box[2:] - 0.01)).all(axis=1).any()
    assert merged.score.max() == distinct.score.max() and (np.diff(merged.score) <= 0).all()


def test_a_landslide_seen_once_keeps_its_own_outline():
    turned = boxes([10, 10, 30, 30])
    turned = turned.set_geometry(turned.geometry.rotate(12))
    merged = merge_detections([turned, boxes([200, 200, 210, 210], scene="down")])
    own = merged[merged.scene == "up"].geometry.iloc[0]
    assert own.equals(turned.geometry.iloc[0])


@pytest.mark.parametrize("nothing", [[], [schema.boxes_table()], [schema.boxes_table(), schema.boxes_table()]])
def test_nothing_gives_an_empty_table_with_every_column(nothing):
    merged = merge_detections(nothing)
    assert len(merged) == 0
    schema.check_boxes(merged)
    full = merge_detections(boxes([1, 1, 5, 5]))
    assert list(merged.columns) == list(full.columns)
    assert merged.azimuth.dtype == full.azimuth.dtype == bool and merged.members.dtype == full.members.dtype


def test_empty_tables_among_full_ones_do_no_harm():
    assert len(merge_detections([schema.boxes_table(), boxes([1, 1, 5, 5]), schema.boxes_table()])) == 1


def test_the_same_box_twice_is_one_member():
    table = boxes([1, 1, 5, 5])
    assert merge_detections([table, table]).members.tolist() == [1]


def test_without_lonlat_one_scene_is_merged_in_pixels():
    merged = merge_detections(
        [boxes([10, 10, 30, 30], placed=False), boxes([14, 12, 34, 31], direction="range", placed=False)]
    )
    [row] = merged.itertuples()
    assert (row.xmin, row.ymin, row.xmax, row.ymax, row.members) == (10, 10, 34, 31, 2)
    assert row.geometry is None


def test_without_lonlat_several_scenes_are_refused():
    with pytest.raises(LabkitError, match=r"detections must have a geometry .* over the scenes \['down', 'up'\]"):
        merge_detections([boxes([1, 1, 5, 5], placed=False), boxes([1, 1, 5, 5], scene="down")])


@pytest.mark.parametrize("option", [{"min_giou": -0.1}, {"min_giou": 1.0}, {"max_distance_m": -1.0}])
def test_a_threshold_out_of_its_bounds_is_refused_by_name(option):
    [name] = option
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        merge_detections(boxes([1, 1, 5, 5]), **option)


def test_tables_with_reasons_for_what_was_dropped_can_be_merged():
    tables = [boxes([1, 1, 5, 5]), boxes([1, 1, 5, 5], scene="down")]
    for table in tables:
        table.attrs["dropped"] = [{"index": 3, "reason": "weak"}]
    assert len(merge_detections(tables)) == 1
