"""Pairs like given ones have their dates, pixels and line of sight, and each effect by its formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit.errors import LabkitError
from labkit.simulate import Effects, Scene, pairs_like
from labkit.simulate.delays import dem_phase_per_m, layered_path
from labkit.simulate.motion import Motion
from labkit.simulate.movers import Mover


@pytest.fixture(scope="module")
def given(tiny_scene: Scene) -> xr.Dataset:
    return tiny_scene.interferograms["descending"].isel(pair=slice(0, 6))


def test_they_have_the_dates_pixels_and_geometry_of_what_was_given(given: xr.Dataset) -> None:
    made = pairs_like(given)
    assert made.sizes == given.sizes and list(made["pair"].values) == list(given["pair"].values)
    for name in ("reference", "secondary", "temporal_baseline", "lon", "lat"):
        np.testing.assert_array_equal(made[name], given[name])
    kept = ("geometry", "wavelength", "heading", "incidence_angle", "y_spacing", "x_spacing", "ground_spacing")
    assert {name: made.attrs[name] for name in kept} == {name: given.attrs[name] for name in kept}
    assert made["phase"].chunks is not None and np.isfinite(made["phase"].values).all()
    assert float(made["coherence"].min()) > 0 and float(made["coherence"].max()) <= 1
    gradients = lk.stack_gradients(made, progress=False)
    assert np.isfinite(gradients["gradient"].values).any()


def test_the_same_seed_gives_the_same_pairs_and_another_one_others(given: xr.Dataset) -> None:
    first, again, other = (pairs_like(given, seed=seed).isel(pair=2).compute() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["phase"], again["phase"])
    assert not np.array_equal(first["phase"], other["phase"])


def test_with_all_effects_off_only_what_moves_is_seen(given: xr.Dataset) -> None:
    shape = given.sizes["y"], given.sizes["x"]
    whole = slice(0, shape[0]), slice(0, shape[1])
    start, end = np.datetime64("2010-01-01"), np.datetime64("2030-01-01")
    mover = Mover(*whole, np.full(shape, 50.0, np.float32), Motion("linear", start, end))
    made = pairs_like(given, Effects.none(), movers=[mover]).compute()
    days = given["temporal_baseline"].values
    expected = -4 * np.pi / 55.46576 * 50.0 * days / 365.25
    np.testing.assert_allclose(made["phase"].values[:, 10, 10], expected, rtol=1e-4)
    assert float(np.ptp(made["phase"].values, axis=(1, 2)).max()) < 1e-5
    assert float(made["coherence"].min()) == pytest.approx(float(made["coherence"].max()))


def test_a_height_gives_the_layered_delay_and_the_dem_error_the_baseline_s_phase(given: xr.Dataset) -> None:
    height = np.linspace(2500.0, 3500.0, given.sizes["x"]) * np.ones((given.sizes["y"], 1))
    made = pairs_like(given, replace(Effects.none(), stratified_mm_per_km=4.8), height=height).compute()
    path = layered_path(height, given.attrs["incidence_angle"])
    for pair in range(3):
        phase = np.unwrap(made["phase"].values[pair], axis=1)
        slope = np.polyfit(path[0], phase[0], 1)
        np.testing.assert_allclose(phase[0], np.polyval(slope, path[0]), atol=1e-4)
    missed = pairs_like(given, replace(Effects.none(), dem_error_m=5.0, baseline_m=50.0)).compute()
    per_m = dem_phase_per_m(missed["perpendicular_baseline"].values, given.attrs["incidence_angle"])
    spread = missed["phase"].values.std(axis=(1, 2))
    np.testing.assert_allclose(spread, np.abs(per_m) * 5.0, rtol=0.02)


def test_known_baselines_are_kept_and_unknown_ones_drawn(given: xr.Dataset) -> None:
    unknown = given.assign_coords(perpendicular_baseline=("pair", np.full(given.sizes["pair"], np.nan)))
    drawn = pairs_like(unknown)["perpendicular_baseline"].values
    assert np.isfinite(drawn).all() and drawn.std() > 5


def test_summer_pairs_are_less_coherent_than_winter_pairs(given: xr.Dataset) -> None:
    one = given.isel(pair=[0, 1])
    dates = np.array(["2019-01-05", "2019-07-05"], "datetime64[ns]")
    moved = one.assign_coords(
        reference=("pair", dates),
        secondary=("pair", dates + np.timedelta64(12, "D")),
        temporal_baseline=("pair", [12.0, 12.0]),
        pair=["20190105_20190117", "20190705_20190717"],
    )
    winter, summer = np.mean(
        [pairs_like(moved, seed=seed)["coherence"].mean(("y", "x")).values for seed in range(4)], axis=0
    )
    assert winter > summer + 0.1


def test_valleys_keep_their_coherence_longer_than_the_slopes_above(given: xr.Dataset) -> None:
    height = np.where(np.arange(given.sizes["x"]) < given.sizes["x"] // 2, 2500.0, 3500.0)
    height = np.broadcast_to(height, (given.sizes["y"], given.sizes["x"]))
    made = [pairs_like(given, height=height, seed=seed)["coherence"].values for seed in range(4)]
    low, high = (np.mean([c[..., part].mean() for c in made]) for part in (height[0] < 3000, height[0] > 3000))
    assert low > high + 0.05


def test_a_height_of_another_shape_and_map_geometry_are_refused(given: xr.Dataset) -> None:
    with pytest.raises(LabkitError, match="height must have the shape of ifgs"):
        pairs_like(given, height=np.zeros((3, 3)))
