"""Masks become boxes and outlines along the edges of their pixels; K-means and thresholds find what was planted."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import labkit as lk
from labkit.detect import threshold_regions
from labkit.detect.kmeans import two_means
from labkit.errors import LabkitError

WEST, NORTH, SPACING = 500_000.0, 3_400_000.0, 20.0


def placed(values: np.ndarray, **attrs: object) -> xr.Dataset:
    """Rates on a grid of 20 m in UTM zone 47 N."""
    x = WEST + SPACING * (np.arange(values.shape[1]) + 0.5)
    y = NORTH - SPACING * (np.arange(values.shape[0]) + 0.5)
    known = {"scene": "s", "crs": "EPSG:32647", "ground_spacing": SPACING}
    return xr.Dataset({"rate": (("y", "x"), values)}, coords={"y": y, "x": x}, attrs=known | attrs)


def drawn(picture: str) -> np.ndarray:
    """Rates of 0 (.), 20 (#) and no data (?) mm/yr."""
    words = {".": 0.0, "#": 20.0, "?": np.nan}
    return np.array([[words[letter] for letter in line] for line in picture.split()])


def metres(outline: shapely.Geometry) -> shapely.Geometry:
    return gpd.GeoSeries([outline], crs="EPSG:4326").to_crs("EPSG:32647").iloc[0]


def test_a_region_has_the_box_and_the_outline_of_its_pixels_with_its_hole():
    found = threshold_regions(placed(drawn("....... .####.. .#..#.. .####.. .......")), min_pixels=1)
    assert found[["xmin", "ymin", "xmax", "ymax", "pixels"]].to_numpy().tolist() == [[1, 1, 5, 4, 10]]
    box, outline = metres(found.geometry[0]), metres(found["outline"][0])
    assert box.bounds == pytest.approx((WEST + 20, NORTH - 80, WEST + 100, NORTH - 20), abs=1e-3)
    assert outline.area == pytest.approx(10 * SPACING**2, rel=1e-6)
    assert shapely.get_num_interior_rings(outline) == 1


def test_pixels_that_touch_in_a_corner_are_one_region_with_a_valid_outline():
    found = threshold_regions(placed(drawn("##... ##... ..##. ..##. .#... #...#")), min_pixels=2)
    assert found[["xmin", "ymin", "xmax", "ymax", "pixels"]].to_numpy().tolist() == [[0, 0, 4, 6, 10]]
    assert shapely.is_valid(found["outline"][0])
    assert metres(found["outline"][0]).area == pytest.approx(10 * SPACING**2, rel=1e-6)


def test_no_data_parts_regions_and_edges_of_the_scene_hold_them():
    found = threshold_regions(placed(drawn("##?## ##?## ??.?? #####")), min_pixels=4)
    boxes = {tuple(row) for row in found[["xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist()}
    assert boxes == {(0, 0, 2, 2), (3, 0, 5, 2), (0, 3, 5, 4)}


def test_outlines_take_the_place_of_boxes_and_go_to_files(tmp_path):
    values = np.zeros((30, 30))
    values[2:8, 3:12], values[20:25, 1:6] = 15, -40
    found = threshold_regions(placed(values))
    assert found["score"].tolist() == pytest.approx([1 - 2**-4.0, 1 - 2**-1.5])
    outlines = found.set_geometry("outline", crs="EPSG:4326")
    assert outlines.geometry.to_crs("EPSG:32647").area.tolist() == pytest.approx([25 * 400, 54 * 400], rel=1e-6)
    for name in ("x.gpkg", "x.geojson", "x.parquet", "x.kml"):
        lk.write_detections(found, tmp_path / name)
    again = gpd.read_file(tmp_path / "x.gpkg")
    assert shapely.from_wkt(again["outline"][0]).equals_exact(found["outline"][0], 1e-9)
    assert len(lk.merge_detections(found)) == 2


def test_radar_geometry_lays_outlines_on_the_earth_and_without_lonlat_there_are_none():
    values = np.zeros((20, 30))
    values[5:10, 5:10] = 30
    row, col = np.indices(values.shape)
    lon, lat = 101 + 1e-3 * col + 2e-4 * row, 31 - 1e-3 * row
    bare = xr.Dataset({"rate": (("y", "x"), values)}, attrs={"scene": "r"})
    found = threshold_regions(bare.assign_coords(lon=(("y", "x"), lon), lat=(("y", "x"), lat)))
    # five by five pixels of a linear map: its determinant per pixel
    assert found["outline"][0].area == pytest.approx(25 * 1e-6, rel=1e-6)
    assert found["outline"][0].equals_exact(found.geometry[0], 1e-9, normalize=True)
    nowhere = threshold_regions(bare)
    assert nowhere["outline"].tolist() == [None]
    assert np.isnan(nowhere["area_m2"][0])
    assert len(lk.merge_detections(nowhere)) == 1


@pytest.mark.parametrize("find", [threshold_regions, lk.kmeans_regions, lk.hot_spots])
@pytest.mark.parametrize("values", [np.zeros((0, 0)), np.zeros((1, 1)), np.full((5, 4), np.nan), np.zeros((30, 30))])
def test_where_nothing_moves_nothing_is_found_with_every_column(find, values: np.ndarray):
    found = find(xr.Dataset({"rate": (("y", "x"), values)}))
    assert len(found) == 0
    assert set(lk.schema.BOX_COLUMNS) | {"outline", "pixels", "mean_rate", "peak_rate", "area_m2"} <= set(found.columns)
    assert len(lk.merge_detections([found])) == 0


def test_one_pixel_is_a_region_when_one_is_enough():
    found = threshold_regions(placed(np.array([[-12.0]])), min_pixels=1)
    assert found[["xmin", "ymin", "xmax", "ymax", "pixels", "peak_rate"]].to_numpy().tolist() == [[0, 0, 1, 1, 1, -12]]
    assert len(threshold_regions(placed(np.array([[-12.0]])))) == 0


def test_a_threshold_is_reached_and_wrong_ones_are_refused():
    values = np.full((4, 4), 10.0)
    assert len(threshold_regions(placed(values))) == 1
    assert len(threshold_regions(placed(values), 10.001)) == 0
    with pytest.raises(LabkitError, match="min_rate must be above 0 mm/yr to be a threshold, instead got min_rate=0"):
        threshold_regions(placed(values), 0)
    with pytest.raises(LabkitError, match="min_rate must be a number of mm/yr ≥ 0, instead got min_rate=nan"):
        threshold_regions(placed(values), np.nan)
    with pytest.raises(
        LabkitError, match="min_pixels must be a whole number of at least 1, instead got min_pixels=1.5"
    ):
        threshold_regions(placed(values), min_pixels=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_two_means_have_no_more_inertia_than_those_of_scikit_learn(seed: int):
    chance = np.random.default_rng(seed)
    values = np.concatenate([chance.gamma(2, 4, 900) + 10, chance.normal(60, 5 + 5 * seed, 40)])
    theirs = KMeans(2, n_init=20, random_state=0).fit(values[:, None])
    ours = two_means(values)
    assert ours is not None
    assert ours.inertia <= theirs.inertia_ * (1 + 1e-12)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-3)
    again = ((values[:, None] - [ours.low, ours.high]) ** 2).min(axis=1).sum()
    assert ours.inertia == pytest.approx(again, rel=1e-12)


@given(st.lists(st.integers(-50, 50), min_size=0, max_size=12))
@settings(max_examples=100, deadline=None)
def test_two_means_are_the_best_of_all_ways_to_split(numbers: list[int]):
    ours = two_means(numbers)
    if len(set(numbers)) < 2:
        assert ours is None
        return
    x = np.array(numbers, float)
    ways = [np.array([(way >> i) & 1 for i in range(len(x))], bool) for way in range(1, 2 ** len(x) - 1)]
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in (x[way], x[~way])) for way in ways[: 2 ** (len(x) - 1)]
    )
    assert ours is not None
    assert ours.inertia == pytest.approx(best, abs=1e-9)
    assert ours.low < ours.boundary < ours.high


def test_numbers_that_are_none_cannot_be_split():
    with pytest.raises(LabkitError, match="values must be finite numbers"):
        two_means([1.0, np.nan])


def test_the_faster_cluster_is_found_and_what_is_slow_does_not_count():
    values = np.zeros((40, 40))
    values[:10, :10], values[20:30, 20:30] = 12, -50
    values[35, 35] = np.nan
    found = lk.kmeans_regions(placed(values))
    assert found[["xmin", "ymin", "xmax", "ymax", "peak_rate"]].to_numpy().tolist() == [[20, 20, 30, 30, -50]]
    assert found.attrs["centres"] == (12, 50)
    assert found["score"][0] == pytest.approx(1 - 2 ** (-50 / 31))
    # one very fast slide hides the others
    values[0, 20:36] = 3000
    assert lk.kmeans_regions(placed(values))["peak_rate"].tolist() == [3000]
    assert lk.kmeans_regions(placed(values), min_rate=0).attrs["centres"][0] < 10


def test_where_all_that_moves_is_equally_fast_there_is_no_faster_cluster():
    values = np.zeros((20, 20))
    values[:8, :8] = 12
    found = lk.kmeans_regions(placed(values))
    assert len(found) == 0
    assert np.isnan(found.attrs["boundary"])
