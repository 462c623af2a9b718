"""The density map counts every landslide once and agrees with scipy's kernel density."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import gaussian_kde, norm
from shapely.geometry import Point, box

import labkit as lk
from labkit import LabkitError
from labkit.maps.points import landslide_points
from labkit.maps.smoothing import spread

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


@settings(max_examples=15, deadline=None)
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


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10_000),
    cell=st.sampled_from([250.0, 1000.0]),
    bandwidth=st.sampled_from([0.0, 10.0, 900.0, 3000.0, 30_000.0]),
)
def test_over_observed_ground_alone_the_map_integrates_to_the_count(seed, cell, bandwidth):
    rng = np.random.default_rng(seed)
    slides = squares(CENTRE_E + rng.uniform(-1e4, 1e4, 25), CENTRE_N + rng.uniform(-1e4, 1e4, 25))
    corners = np.array([CENTRE_E, CENTRE_N]) + rng.uniform(-9e3, 3e3, (6, 2))
    seen = gpd.GeoSeries([box(x, y, x + 7000, y + 5000) for x, y in corners], crs=UTM)
    extent = seen.buffer(9000)  # covers all that was observed
    field = lk.density(slides, cell_m=cell, bandwidth_m=bandwidth, extent=extent, observed=seen.to_crs("EPSG:4326"))
    area_km2 = float(field.observed.sum()) * (cell / 1000) ** 2
    assert area_km2 == pytest.approx(seen.union_all().area / 1e6, rel=0.02) == field.attrs["observed_km2"]
    assert float((field * field.observed).sum()) * (cell / 1000) ** 2 == pytest.approx(
        field.attrs["n_landslides"], rel=1e-9
    )
    assert sum(field.attrs[name] for name in ("n_landslides", "n_outside", "n_unobserved")) == 25
    assert (field.isnull() == (field.observed == 0)).all()


def test_evenly_strewn_landslides_are_evenly_dense_up_to_the_edge_of_what_was_observed():
    step = np.arange(-10_000, 10_000, 200) + 100.0
    easting, northing = (axis.ravel() for axis in np.meshgrid(CENTRE_E + step, CENTRE_N + step))
    seen = gpd.GeoSeries([box(CENTRE_E - 10_000, CENTRE_N - 10_000, CENTRE_E + 10_000, CENTRE_N + 10_000)], crs=UTM)
    slides = gpd.GeoDataFrame(geometry=gpd.points_from_xy(easting, northing), crs=UTM)
    extent = seen.buffer(20_000)
    field = lk.density(slides, cell_m=500, bandwidth_m=3000, extent=extent, observed=seen)
    inside = field.values[(field.observed == 1).values]
    assert inside.mean() == pytest.approx(25.0, rel=1e-3) and inside.min() > 12 and inside.max() < 30
    edge = float(field.sel(x=CENTRE_E - 9750, y=CENTRE_N + 250))
    x = np.linspace(0, 10, 100_001)  # ∫ φ(x − c) / Φ(x) dx, in bandwidths from the edge, c the middle of the cell
    assert edge == pytest.approx(25 * np.trapezoid(norm.pdf(x - 250 / 3000) / norm.cdf(x), x), rel=0.02)
    blind = lk.density(slides, cell_m=500, bandwidth_m=3000, extent=extent)
    assert blind.values[(field.observed == 1).values].min() < 8, "a quarter of the kernel is left in the corner"


def test_a_scene_says_which_of_its_pixels_were_observed():
    known = xr.DataArray(
        np.arange(200)[None, :] < np.full((150, 1), 80),
        dims=("y", "x"),
        coords={"y": CENTRE_N + 3000 - 40 * np.arange(150), "x": CENTRE_E - 4000 + 40 * np.arange(200)},
        attrs={"crs": UTM},
    )
    slides = squares(CENTRE_E + np.array([-3000.0, 3000.0]), CENTRE_N + np.array([0.0, 0.0]))
    extent = gpd.GeoSeries([box(CENTRE_E - 4000, CENTRE_N - 3000, CENTRE_E + 4000, CENTRE_N + 3000)], crs=UTM)
    field = lk.density(slides, cell_m=500, bandwidth_m=0, extent=extent, observed=[known])
    assert (field.attrs["n_landslides"], field.attrs["n_unobserved"]) == (1, 1)
    assert field.attrs["observed_km2"] == pytest.approx(3.2 * 6, rel=0.1), "cells on the scene's border count whole"
    with pytest.raises(LabkitError, match="cell_m must be larger than the pixels of observed, instead got cell_m=10"):
        lk.density(slides, cell_m=10, bandwidth_m=0, extent=extent, observed=known)
    with pytest.raises(LabkitError, match="instead got float64"):
        lk.density(slides, cell_m=500, extent=extent, observed=known.astype(float))


@pytest.mark.parametrize("bandwidth", [1.99, 2.01, 4.3, 40.0])
def test_nodes_and_fft_give_what_the_sum_over_landslides_gives(bandwidth):
    rng = np.random.default_rng(1)
    rows, cols = rng.uniform(0, 60, 400), rng.uniform(0, 90, 400)
    observed = (rng.uniform(0, 1, (60, 90)) < 0.8).astype(float)
    observed[rows.astype(int), cols.astype(int)] = 1
    edges = [np.arange(size + 1) for size in observed.shape]
    down, across = (
        np.diff(ndtr((e[None, :] - at[:, None]) / bandwidth), axis=1) for e, at in zip(edges, (rows, cols), strict=True)
    )
    held = np.einsum("ky,kx,yx->k", down, across, observed, optimize=True)
    expected = (down / held[:, None]).T @ across
    field = spread(rows, cols, observed, bandwidth)
    # within a node of the map's edge and far out in a tail the nodes cost up to two per cent; nothing is lost
    np.testing.assert_allclose(field, expected, rtol=2e-2)
    assert (field * observed).sum() == pytest.approx(400, rel=1e-9)
