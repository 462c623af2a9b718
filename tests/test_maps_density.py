"""The density map counts every landslide once and agrees with scipy's kernel density."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde
from shapely.geometry import Point, box

import labkit as lk
from labkit import LabkitError
from labkit.maps.points import landslide_points

UTM = "EPSG:32647"
CENTRE_E, CENTRE_N = 700_000.0, 3_430_000.0


def squares(easting: np.ndarray, northing: np.ndarray, size: float = 200.0) -> gpd.GeoDataFrame:
    """Landslides as squares about points in metres, given in lon/lat as detections are."""
    half = size / 2
    shapes = [box(x - half, y - half, x + half, y + half) for x, y in zip(easting, northing, strict=True)]
    return gpd.GeoDataFrame(geometry=shapes, crs=UTM).to_crs("EPSG:4326")


def test_the_map_equals_scipys_kernel_density_times_the_count():
    rng = np.random.default_rng(3)
    easting, northing = CENTRE_E + rng.normal(0, 6000, 40), CENTRE_N + rng.normal(0, 9000, 40)
    bandwidth = 4000.0
    field = lk.density(squares(easting, northing), cell_m=250, bandwidth_m=bandwidth)

    # gaussian_kde scales the covariance of the sample: whitened points and a factor give the isotropic kernel.
    points = np.vstack([easting, northing])
    kde = gaussian_kde(points)
    kde.set_bandwidth(1.0)
    kde.covariance = np.eye(2) * bandwidth**2
    kde.cho_cov = np.linalg.cholesky(kde.covariance)
    kde.log_det = 2 * np.log(np.diag(kde.cho_cov * np.sqrt(2 * np.pi))).sum()
    x, y = np.meshgrid(field.x.values, field.y.values)
    expected = kde(np.vstack([x.ravel(), y.ravel()])).reshape(x.shape) * len(easting) * 1e6

    # Three bandwidths from the outermost landslide the grid ends, so the edge correction is felt there only.
    core = (np.abs(x - CENTRE_E) < 8000) & (np.abs(y - CENTRE_N) < 8000)
    np.testing.assert_allclose(field.values[core], expected[core], rtol=3e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 30),
    cell=st.floats(200, 3000),
    bandwidth=st.one_of(st.just(0.0), st.floats(1, 20_000)),
)
def test_the_map_integrates_to_the_count_for_every_cell_and_bandwidth(seed, count, cell, bandwidth):
    rng = np.random.default_rng(seed)
    slides = squares(CENTRE_E + rng.uniform(-2e4, 2e4, count), CENTRE_N + rng.uniform(-2e4, 2e4, count))
    field = lk.density(slides, cell_m=cell, bandwidth_m=bandwidth)
    assert float(field.sum()) * (cell / 1000) ** 2 == pytest.approx(count, rel=1e-9)
    assert float(field.min()) >= 0
    assert field.attrs["n_landslides"] == count and field.attrs["n_outside"] == 0


def test_nothing_is_lost_where_a_kernel_reaches_beyond_the_extent():
    slides = squares(np.array([CENTRE_E + 100]), np.array([CENTRE_N + 100]))
    corner = gpd.GeoSeries([box(CENTRE_E, CENTRE_N, CENTRE_E + 8000, CENTRE_N + 6000)], crs=UTM)
    field = lk.density(slides, cell_m=1000, bandwidth_m=5000, extent=corner)
    assert float(field.sum()) == pytest.approx(1.0, rel=1e-9)
    assert field.values[-1, 0] == field.values.max(), "the landslide is in the lower left corner"


def test_bandwidth_zero_gives_the_plain_count_of_each_cell():
    easting = CENTRE_E + np.array([100, 200, 1500, 2999.0])
    northing = CENTRE_N + np.array([100, 900, 100, 1999.0])
    field = lk.density(squares(easting, northing, 20), cell_m=1000, bandwidth_m=0)
    assert field.values.tolist() == [[0, 0, 1], [2, 1, 0]]
    assert field.x.values.tolist() == [CENTRE_E + 500, CENTRE_E + 1500, CENTRE_E + 2500]
    assert field.y.values.tolist() == [CENTRE_N + 1500, CENTRE_N + 500]


def test_smaller_cells_give_density_per_square_kilometre_all_the_same():
    slides = squares(np.array([CENTRE_E + 130]), np.array([CENTRE_N + 130]), 20)
    assert float(lk.density(slides, cell_m=500, bandwidth_m=0).max()) == pytest.approx(4.0)


def test_the_grid_is_metric_with_y_from_north_to_south_and_edges_on_multiples_of_the_cell():
    field = lk.density(squares(np.array([CENTRE_E]), np.array([CENTRE_N])), cell_m=700, bandwidth_m=1000)
    assert field.dims == ("y", "x") and field.attrs["crs"] == UTM
    assert field.attrs["units"] == "landslides per km²"
    assert (np.diff(field.y) == -700).all() and (np.diff(field.x) == 700).all()
    np.testing.assert_allclose(((field.x.values - 350) / 700) % 1, 0, atol=1e-9)
    np.testing.assert_allclose(((field.y.values - 350) / 700) % 1, 0, atol=1e-9)


def test_like_puts_another_inventory_on_the_same_grid_and_counts_what_is_outside():
    first = lk.density(squares(np.array([CENTRE_E]), np.array([CENTRE_N])), cell_m=500, bandwidth_m=1000)
    far = squares(np.array([CENTRE_E + 400, CENTRE_E + 90_000]), np.array([CENTRE_N + 600, CENTRE_N]))
    second = lk.density(far, bandwidth_m=1000, like=first)
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.y, second.y)
    assert (second.attrs["n_landslides"], second.attrs["n_outside"]) == (1, 1)
    assert float(second.sum()) * 0.25 == pytest.approx(1.0)


def test_an_empty_inventory_needs_an_extent_and_then_is_zero():
    nothing = lk.schema.boxes_table()
    with pytest.raises(LabkitError, match=r"detections must hold at least one landslide.*extent="):
        lk.density(nothing)
    field = lk.density(nothing, extent=(101.9, 30.8, 102.0, 30.9))
    assert field.size > 50 and float(field.sum()) == 0.0


def test_the_centroid_is_that_of_the_polygon_on_the_ground():
    slides = squares(np.array([CENTRE_E, CENTRE_E + 5000]), np.array([CENTRE_N, CENTRE_N - 5000]), 3000)
    points = landslide_points(slides)
    np.testing.assert_allclose(points.x, [CENTRE_E, CENTRE_E + 5000], atol=1.0)
    np.testing.assert_allclose(points.y, [CENTRE_N, CENTRE_N - 5000], atol=1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cell_m": 0}, "cell_m must be a number of metres > 0, instead got cell_m=0"),
        ({"cell_m": float("nan")}, "cell_m must be"),
        ({"cell_m": 0.01}, "cells, instead got cell_m=0.01"),
        ({"bandwidth_m": -1}, "bandwidth_m must be a number of metres ≥ 0, instead got bandwidth_m=-1"),
        ({"bandwidth_m": float("inf")}, "bandwidth_m must be"),
        ({"extent": (102, 31, 101, 32)}, "extent must be .west, south, east, north."),
        ({"like": 3}, "like must be a density map"),
    ],
)
def test_sizes_out_of_range_are_named(change, words):
    with pytest.raises(LabkitError, match=words):
        lk.density(squares(np.array([CENTRE_E]), np.array([CENTRE_N])), **change)


def test_a_landslide_without_a_place_is_named_not_dropped():
    table = gpd.GeoDataFrame(geometry=[Point(102, 31).buffer(0.01), None], crs="EPSG:4326")
    with pytest.raises(LabkitError, match=r"1 of 2 have none \(first: row 1\)"):
        lk.density(table)
    with pytest.raises(LabkitError, match="crs=None"):
        lk.density(gpd.GeoDataFrame(geometry=[Point(102, 31).buffer(0.01)]))
    with pytest.raises(LabkitError, match="must be a GeoDataFrame with a geometry"):
        lk.density(gpd.GeoDataFrame({"a": [1]}))
