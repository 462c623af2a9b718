"""Tiling and seams, seen through a detector without a network: connected regions above a threshold."""

import couplets
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from local_detector import ThresholdDetector

from labkit import LabkitError, detect_landslides, geo, schema
from labkit.detect.seams import EDGE_PX, join_tiles


def scene(blocks, shape=(300, 420), value=6.0):
    """Gradients that are zero but for rectangles (ymin, xmin, ymax, xmax), the same in azimuth, none in range."""
    values = np.zeros((2, *shape), np.float32)
    for ymin, xmin, ymax, xmax in blocks:
        values[0, ymin:ymax, xmin:xmax] = value
    empty = couplets.gradients(shape, np.zeros((0, 5)))
    return empty.assign(gradient=(("direction", "y", "x"), values))


def found(data, detector, **options):
    table = detect_landslides(data, detector, 0.1, **options)
    return sorted(table[["ymin", "xmin", "ymax", "xmax"]].astype(int).itertuples(index=False, name=None))


BLOCKS = [(5, 5, 30, 40), (60, 80, 95, 150), (120, 20, 190, 60), (130, 200, 160, 230), (250, 330, 298, 419)]


@pytest.mark.parametrize("size", [64, 96, 130, 200, 416, 600])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_what_is_found_does_not_depend_on_the_tiles(size, overlap):
    assert found(scene(BLOCKS), ThresholdDetector(size), overlap=overlap) == sorted(BLOCKS)


@st.composite
def apart(draw):
    """Rectangles, one to each cell of a grid, at least 12 px from each other."""
    blocks = []
    for row in range(0, 300, 75):
        for col in range(0, 420, 84):
            if draw(st.booleans()):
                y, x = row + draw(st.integers(0, 20)), col + draw(st.integers(0, 20))
                blocks.append((y, x, y + draw(st.integers(3, 40)), x + draw(st.integers(3, 50))))
    return blocks


@given(apart(), st.integers(60, 200), st.sampled_from([0.1, 0.25, 0.4]))
@settings(max_examples=40, deadline=None)
def test_any_rectangles_are_found_whole_and_once_with_any_tiles(blocks, size, overlap):
    assert found(scene(blocks), ThresholdDetector(size), overlap=overlap) == sorted(blocks)


def test_a_landslide_larger_than_a_tile_is_put_together():
    block = (40, 30, 260, 400)
    assert found(scene([block]), ThresholdDetector(100)) == [block]


def test_couplets_are_found_alike_with_small_and_large_tiles():
    bumps = couplets.random_bumps((300, 420), 10, seed=2)
    data = couplets.gradients((300, 420), bumps).fillna(0)
    data["gradient"] = data["gradient"].where(np.abs(data["gradient"]) > 1.5, 0)
    assert found(data, ThresholdDetector(120, 1.5)) == found(data, ThresholdDetector(420, 1.5))


def test_batches_make_no_difference():
    one = found(scene(BLOCKS), ThresholdDetector(96), batch_size=1)
    assert one == found(scene(BLOCKS), ThresholdDetector(96), batch_size=50)


def test_the_detector_sees_gradients_at_the_reference():
    data = scene(BLOCKS, value=2.0)
    data.attrs |= {"ground_spacing": 80.0, "sum_temporal_baseline": 5.0}  # factor 0.5 × 4 = 2
    detector = ThresholdDetector(416)
    detect_landslides(data, detector)
    assert max(np.nanmax(image) for image in detector.seen) == pytest.approx(4.0)


def test_tiles_without_data_are_not_looked_at():
    data = scene(BLOCKS)
    data["gradient"][:, :, :210] = np.nan
    detector = ThresholdDetector(64)
    detect_landslides(data, detector)
    assert all(np.isfinite(image).any() for image in detector.seen)
    whole = len(list(geo.windows((300, 420), 64, 0.25))) * 2
    assert 0 < len(detector.seen) < 0.7 * whole


def test_each_direction_is_searched_by_itself():
    data = scene([])
    data["gradient"][1, 100:130, 50:90] = 5.0
    table = detect_landslides(data, ThresholdDetector(128), 0.1)
    assert table.direction.tolist() == ["range"]


def test_a_detector_of_two_directions_sees_the_other_one_beside_each():
    class Both(ThresholdDetector):
        directions = 2

        def predict(self, images, score=0.5):
            assert images.shape[1:] == (2, self.size, self.size)
            # what stands out in the first but not in the second
            return super().predict(np.where(np.abs(images[:, 1]) > self.threshold, 0, images[:, 0]), score)

    data = scene([(10, 10, 30, 40), (100, 50, 130, 90)])
    data["gradient"][1, 100:130, 50:90] = 5.0
    data["gradient"][1, 200:230, 50:90] = 5.0
    table = detect_landslides(data, Both(128), 0.1)
    rows = table[["direction", "ymin", "xmin", "ymax", "xmax"]].values.tolist()
    assert rows == [["azimuth", 10, 10, 30, 40], ["range", 200, 50, 230, 90]]
    with pytest.raises(LabkitError, match=r"detector must be one for azimuth, instead got detector\.directions=2"):
        detect_landslides(data.isel(direction=[0]), Both(128), 0.1)


def test_a_detector_that_sees_standard_errors_gets_them_after_the_images_at_the_reference_too():
    class Clear(ThresholdDetector):
        directions, standard_error = 2, True

        def predict(self, images, score=0.5):
            assert images.shape[1:] == (4, self.size, self.size)
            return super().predict(np.where(np.abs(images[:, 0]) > 5 * images[:, 2], images[:, 0], 0), score)

    data = scene([(10, 10, 30, 40), (100, 50, 130, 90)])
    data.attrs["ground_spacing"] = 20.0  # factor 2
    with pytest.raises(LabkitError, match=r"data must hold standard_error for a detector that sees it"):
        detect_landslides(data, Clear(128), 0.1)
    error = xr.full_like(data["gradient"], 0.1)
    error[0, 100:130, 50:90] = 2.0
    table = detect_landslides(data.assign(standard_error=error), Clear(128), 0.1)
    assert table[["direction", "ymin", "xmin", "ymax", "xmax"]].values.tolist() == [["azimuth", 10, 10, 30, 40]]


def test_boxes_end_where_the_scene_ends():
    class Generous(ThresholdDetector):
        def predict(self, images, score=0.5):
            return [answer + np.array([-9, -9, 9, 9, 0]) for answer in super().predict(images, score)]

    data = scene([(2, 3, 20, 30)], shape=(25, 35))
    assert found(data, Generous(64)) == [(0, 0, 25, 35)]


def test_the_table_obeys_the_schema_and_lies_on_the_ground():
    data = scene(BLOCKS)
    table = detect_landslides(data, ThresholdDetector(128), 0.1)
    schema.check_boxes(table)
    assert set(table.model) == {"above-1.2"} and set(table.scene) == {"formula"}
    assert set(table.orbit_direction) == {"ascending"} and set(table.track) == {"26"}
    assert table.crs == geo.WGS84 and table.index.tolist() == list(range(5))
    metres = table.to_crs("EPSG:32648").geometry
    corners = table[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
    # pixel 0 is centred on 400 km E, 3400 km N, and is 40 m wide
    expected = shapely.box(
        399_980 + 40 * corners[:, 0], 3_400_020 - 40 * corners[:, 3], 399_980 + 40 * corners[:, 2],
        3_400_020 - 40 * corners[:, 1],
    )  # fmt: skip
    assert (metres.symmetric_difference(gpd.GeoSeries(expected, crs=metres.crs)).area < 1).all()


def test_nothing_to_find_gives_an_empty_table():
    table = detect_landslides(scene([]), ThresholdDetector(128))
    assert len(table) == 0
    schema.check_boxes(table)
    assert {"orbit_direction", "track"} <= set(table.columns) and table.crs == geo.WGS84


def test_rates_are_searched_as_they_are():
    values = np.zeros((100, 120), np.float32)
    values[20:50, 30:80] = -25.0
    rates = xr.Dataset({"rate": (("y", "x"), values)}, attrs={"scene": "rates"})
    table = detect_landslides(rates, ThresholdDetector(64, threshold=10.0, kind="rates"))
    assert table[["direction", "xmin", "ymin", "xmax", "ymax"]].values.tolist() == [["rate", 30, 20, 80, 50]]
    assert table.geometry.isna().all()


def test_a_detector_for_the_other_kind_is_refused():
    with pytest.raises(LabkitError, match=r"detector must be one for gradients.*detector\.kind='rates'"):
        detect_landslides(scene([]), ThresholdDetector(64, kind="rates"))


@pytest.mark.parametrize(
    ("options", "name"), [({"score": 1.5}, "score"), ({"overlap": 1.0}, "overlap"), ({"batch_size": 0}, "batch_size")]
)
def test_an_option_out_of_its_bounds_is_refused_by_name(options, name):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        detect_landslides(scene([]), ThresholdDetector(64), **options)


def test_an_answer_that_breaks_the_protocol_is_refused():
    class Forgetful(ThresholdDetector):
        def predict(self, images, score=0.5):
            return [answer[:, :4] for answer in super().predict(images, score)]

    with pytest.raises(LabkitError, match=r"detector\.predict must give an array \(k, 5\)"):
        detect_landslides(scene(BLOCKS), Forgetful(200))


def test_a_box_cut_by_an_inner_edge_goes_when_a_neighbour_sees_it_whole():
    windows = np.array([[0, 0], [0, 75]])
    seen = np.array([[79, 20, 100, 40, 0.9], [80, 21, 120, 41, 0.6]])
    joined = join_tiles(seen, np.array([0, 1]), windows, 100, (100, 175))
    np.testing.assert_array_equal(joined, [[80, 21, 120, 41, 0.6]])


def test_of_two_whole_views_the_better_stays():
    windows = np.array([[0, 0], [0, 50]])
    seen = np.array([[60, 20, 90, 40, 0.7], [61, 21, 91, 42, 0.8]])
    joined = join_tiles(seen, np.array([0, 1]), windows, 100, (100, 150))
    np.testing.assert_array_equal(joined, seen[1:])


def test_neighbours_that_one_tile_tells_apart_stay_apart():
    windows = np.array([[0, 0], [0, 50]])
    seen = np.array([[20, 20, 40, 40, 0.7], [30, 20, 48, 40, 0.8]])
    assert len(join_tiles(seen, np.array([0, 0]), windows, 100, (100, 150))) == 2


def test_the_edge_of_the_scene_cuts_nothing():
    windows = np.array([[0, 0], [0, 50]])
    seen = np.array([[0, 0, 20, 30, 0.7], [130, EDGE_PX, 150, 100, 0.8]])
    np.testing.assert_array_equal(join_tiles(seen, np.array([0, 1]), windows, 100, (100, 150)), seen[::-1])
