"""Hot spot scores equal those of esda, and the formula where esda has none; hot spots lie where motion was planted."""

from __future__ import annotations

import math
import warnings

import dask.array
import numpy as np
import pytest
import xarray as xr
from esda.getisord import G_Local
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import DistanceBand

import labkit as lk
from labkit.detect.disc_sums import disc_sums
from labkit.errors import LabkitError


def scene(values: np.ndarray, **attrs: object) -> xr.Dataset:
    return xr.Dataset({"rate": (("y", "x"), values)}, attrs={"scene": "s", **attrs})


def noise(shape: tuple[int, int], holes: float = 0.0, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    values = chance.normal(0, 8, shape).astype(np.float32)
    values[chance.random(shape) < holes] = np.nan
    return values


def by_esda(values: np.ndarray, distance: float, star: bool) -> G_Local:
    """What esda says of the pixels with data, in their order."""
    known = np.isfinite(values)
    speed = np.abs(values[known]).astype(float)
    with warnings.catch_warnings():
        # pixels alone among no data: libpysal tells of them, and esda divides 0 by 0
        warnings.filterwarnings("ignore", "The weights matrix is not fully connected")
        warnings.filterwarnings("ignore", "invalid value encountered in divide")
        weights = DistanceBand(np.argwhere(known), distance, binary=True, silence_warnings=True)
        return G_Local(speed, weights, transform="B", star=star, permutations=0)


@pytest.mark.parametrize("star", [True, False])
@pytest.mark.parametrize("holes", [0.0, 0.35])
@pytest.mark.parametrize("distance", [1, 1.5, 7])
def test_scores_equal_those_of_esda(distance: float, holes: float, star: bool):
    values = noise((23, 31), holes)
    known = np.isfinite(values)
    expected = by_esda(values, distance, star)
    z = lk.hot_spot_scores(scene(values), distance, include_self=star).to_numpy()
    plain = lk.hot_spot_scores(scene(values), distance, include_self=star, statistic="G").to_numpy()
    assert np.isnan(z[~known]).all()
    assert np.isnan(plain[~known]).all()
    np.testing.assert_allclose(plain[known], expected.Gs, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(z[known], expected.Zs, rtol=1e-9, atol=1e-11)


def test_alone_among_no_data_a_pixel_has_its_own_score_with_itself_and_none_without():
    values = noise((20, 20))
    values[5:12, 5:12] = np.nan
    values[8, 8] = 20.0
    known = np.isfinite(values)
    speed = np.abs(values[known]).astype(float)
    z = lk.hot_spot_scores(scene(values), 2)
    assert float(z[8, 8]) == pytest.approx((20.0 - speed.mean()) / speed.std(), rel=1e-12)
    assert np.isnan(lk.hot_spot_scores(scene(values), 2, include_self=False)[8, 8])


def test_sign_does_not_matter_and_infinite_values_are_no_data():
    values = noise((15, 15), 0.1)
    expected = lk.hot_spot_scores(scene(np.abs(values)), 3)
    endless = np.where(np.isnan(values), np.inf, values)
    np.testing.assert_array_equal(lk.hot_spot_scores(scene(endless), 3), expected)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 15), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_disc_sums_equal_a_sum_over_all_pixels(rows: int, cols: int, distance: float, seed: int):
    chance = np.random.default_rng(seed)
    values, known = chance.normal(size=(rows, cols)), chance.random((rows, cols)) < 0.7
    y, x = (axis.ravel() for axis in np.indices((rows, cols)))
    near = (np.hypot(y[:, None] - y, x[:, None] - x) <= distance) & known.ravel()
    sums, counts = disc_sums(values, known, distance)
    np.testing.assert_allclose(sums.ravel(), near @ values.ravel(), atol=1e-12)
    np.testing.assert_array_equal(counts.ravel(), near.sum(axis=1))


def test_a_pixel_at_just_the_distance_is_a_neighbour_whatever_its_root_rounds_to():
    # √13 squared is less than 13: libpysal's DistanceBand leaves these eight neighbours out
    counts = disc_sums(np.zeros((9, 9)), np.ones((9, 9), bool), math.hypot(2, 3))[1]
    assert int(counts[4, 4]) == 45
    assert int(disc_sums(np.zeros((9, 9)), np.ones((9, 9), bool), 3.6)[1][4, 4]) == 37


def test_sums_of_a_tall_image_stay_right_where_rows_are_held_in_turn():
    values = np.random.default_rng(3).normal(size=(170, 9))
    sums, counts = disc_sums(values, np.ones(values.shape, bool), 2)
    assert int(counts[100, 4]) == 13
    cross = values[98:103, 4].sum() + values[100, 2:7].sum() - values[100, 4]
    corners = values[99, [3, 5]].sum() + values[101, [3, 5]].sum()
    assert float(sums[100, 4]) == pytest.approx(cross + corners, rel=1e-12)


@pytest.mark.parametrize(
    "values", [np.full((6, 6), np.nan), np.full((6, 6), 3.1), np.full((1, 1), 5.0), np.zeros((4, 4))]
)
def test_without_differences_there_is_no_score_and_no_hot_spot(values: np.ndarray):
    for include_self in (True, False):
        assert np.isnan(lk.hot_spot_scores(scene(values), 2, include_self=include_self)).all()
    assert len(lk.hot_spots(scene(values), 2)) == 0


def test_where_nothing_moves_there_is_no_plain_score_and_where_all_moves_alike_it_counts_pixels():
    assert np.isnan(lk.hot_spot_scores(scene(np.zeros((4, 4))), 1, statistic="G")).all()
    plain = lk.hot_spot_scores(scene(np.full((5, 5), -2.0)), 1, statistic="G")
    assert plain[2, 2] == pytest.approx(5 / 25)
    assert plain[0, 0] == pytest.approx(3 / 25)


@pytest.mark.parametrize("distance", [100, 1e9, 1e300])
def test_where_everything_is_a_neighbour_the_score_is_not_defined(distance: float):
    values = noise((9, 14), 0.2)
    known = np.isfinite(values)
    assert np.isnan(lk.hot_spot_scores(scene(values), distance)).all()
    plain = lk.hot_spot_scores(scene(values), distance, statistic="G").to_numpy()
    np.testing.assert_allclose(plain[known], 1.0, rtol=1e-12)


def test_without_the_one_pixel_that_differs_the_others_have_no_variance():
    values = np.zeros((7, 7))
    values[3, 3] = 9
    z = lk.hot_spot_scores(scene(values), 1.5, include_self=False)
    assert np.isnan(z[3, 3])
    assert int(np.isnan(z).sum()) == 1


@pytest.mark.parametrize("distance", [0, 0.99, -7, math.nan, math.inf])
def test_a_distance_that_is_none_is_refused(distance: float):
    with pytest.raises(LabkitError, match="distance must be a number of pixels of at least 1, instead got distance="):
        lk.hot_spot_scores(scene(noise((5, 5))), distance)


def test_other_wrong_arguments_are_refused():
    rates = scene(noise((5, 5)))
    with pytest.raises(LabkitError, match="statistic must be one of"):
        lk.hot_spot_scores(rates, statistic="p")
    with pytest.raises(LabkitError, match="z must be a positive number, instead got z=0"):
        lk.hot_spots(rates, z=0)
    with pytest.raises(LabkitError, match="min_rate must be a number of mm/yr ≥ 0, instead got min_rate=-1"):
        lk.hot_spots(rates, min_rate=-1)
    with pytest.raises(LabkitError, match="min_pixels must be a whole number of at least 1, instead got min_pixels=0"):
        lk.hot_spots(rates, min_pixels=0)
    with pytest.raises(LabkitError, match="rates must be a Dataset with the variable 'rate'"):
        lk.hot_spot_scores(xr.Dataset())


def test_scores_keep_the_grid_and_leave_the_rates_as_they_were():
    values = noise((12, 10), 0.1)
    rates = scene(values.copy(), crs="EPSG:32647").assign_coords(y=np.arange(12.0), x=np.arange(10.0))
    lazy = rates.assign(rate=(("y", "x"), dask.array.from_array(values.copy(), chunks=5)))
    scores = lk.hot_spot_scores(rates)
    np.testing.assert_array_equal(rates["rate"], values)
    np.testing.assert_array_equal(lk.hot_spot_scores(lazy), scores)
    assert scores.dims == ("y", "x")
    assert scores["y"].identical(rates["y"])
    assert scores.attrs["scene"] == "s"


def test_hot_spots_are_planted_motion_that_a_neighbourhood_shares():
    values = np.random.default_rng(1).normal(0, 2, (90, 120)).astype(np.float32)
    values[20:32, 40:60] -= 30
    values[70, 10] = 60  # a wrong pixel: fast, but alone
    found = lk.hot_spots(scene(values, orbit_direction="descending", track="62", ground_spacing=40.0))
    assert found[["xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist() == [[40, 20, 60, 32]]
    row = found.iloc[0]
    assert (row["scene"], row["direction"], row["label"], row["model"]) == ("s", "rate", "landslide", "hot-spots")
    assert (row["orbit_direction"], row["track"], row["pixels"]) == ("descending", "62", 240)
    assert row["area_m2"] == 240 * 1600
    assert row["mean_rate"] == pytest.approx(values[20:32, 40:60].mean(dtype=float))
    assert row["peak_rate"] == values[20:32, 40:60].min()
    greatest = float(lk.hot_spot_scores(scene(values))[20:32, 40:60].max())
    assert row["score"] == pytest.approx(1 - 2 ** (-greatest / 2.58))
    # neither a higher z nor a higher rate leaves more
    assert len(lk.hot_spots(scene(values), z=1000)) == 0
    assert len(lk.hot_spots(scene(values), min_rate=100)) == 0
    assert len(lk.hot_spots(scene(values), min_pixels=241)) == 0
