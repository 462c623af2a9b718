"""Multilooking against the average written out, and the geometry that follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stack_scenes import interferograms, ramp, wrapped

import labkit as lk


def test_cells_are_coherence_weighted_means() -> None:
    rng = np.random.default_rng(3)
    phase, coherence = rng.uniform(-3, 3, (2, 7, 9)), rng.uniform(0.1, 0.9, (2, 7, 9))
    looked = lk.multilook(interferograms(phase, coherence), looks=(2, 3))
    z = (coherence * np.exp(1j * phase))[:, :6, :9].reshape(2, 3, 2, 3, 3).mean((2, 4))
    np.testing.assert_allclose(looked["phase"].values, np.angle(z), atol=1e-5)
    np.testing.assert_allclose(looked["coherence"].values, np.abs(z), atol=1e-6)


def test_unwrapped_phase_is_averaged_beside_it_and_loses_no_turns() -> None:
    rng = np.random.default_rng(5)
    whole = ramp(2, (8, 12), 1.1, -0.7) + 40.0
    coherence = rng.uniform(0.1, 0.9, whole.shape)
    ifgs = interferograms(whole, coherence)
    holed = whole.copy()
    holed[0, :2, :2], holed[1, 0, 0] = np.nan, np.nan
    ifgs = ifgs.assign(unwrapped=(("pair", "y", "x"), holed.astype(np.float32)))
    looked = lk.multilook(ifgs, looks=(2, 3))
    cells = (2, 4, 2, 4, 3)
    weight = np.where(np.isfinite(holed), coherence, 0)
    mean = (weight * np.nan_to_num(holed)).reshape(cells).sum((2, 4)) / weight.reshape(cells).sum((2, 4))
    mean[0, 0, 0] = np.nan  # four of six pixels are missing
    np.testing.assert_allclose(looked["unwrapped"].values, mean, rtol=1e-5)
    # Both are the same phase as long as a cell holds little of a turn.
    apart = wrapped(looked["unwrapped"].values - looked["phase"].values)
    assert np.nanmax(np.abs(apart)) < 0.5
    assert looked["unwrapped"].chunks is not None


def test_a_cell_without_any_coherence_keeps_its_unwrapped_phase() -> None:
    ifgs = interferograms(np.full((1, 2, 2), 9.0), np.zeros((2, 2)))
    ifgs = ifgs.assign(unwrapped=ifgs["phase"] * 0 + np.float32(9.0))
    assert lk.multilook(ifgs, looks=(2, 2))["unwrapped"].values.item() == pytest.approx(9.0)


def test_the_looks_of_the_published_method_can_be_named() -> None:
    sentinel = {"y_spacing": 13.98, "x_spacing": 2.33, "incidence_angle": 38.0}
    ifgs = interferograms(np.zeros((1, 40, 80)), np.ones((40, 80)), **sentinel)
    looked = lk.multilook(ifgs, looks=(2, 8))
    on_the_ground = looked.attrs["x_spacing"] / np.sin(np.radians(38.0))
    assert (looked.attrs["y_spacing"], on_the_ground) == (pytest.approx(28.0, abs=0.1), pytest.approx(30.3, abs=0.1))
    closest = lk.multilook(ifgs, 40)
    assert (closest.sizes["y"], closest.sizes["x"]) == (40 // 3, 80 // 11)


def test_looks_follow_from_the_ground_spacing() -> None:
    ifgs = interferograms(np.zeros((1, 40, 80)), np.ones((40, 80)), y_spacing=14.0, x_spacing=2.33)
    # 2.33 m of slant range at 37° are 3.87 m on the ground: 40 m are 3 × 10 looks.
    looked = lk.multilook(ifgs, 40)
    assert (looked.sizes["y"], looked.sizes["x"]) == (40 // 3, 80 // 10)
    assert looked.attrs["y_spacing"] == pytest.approx(42.0)
    assert looked.attrs["ground_spacing"] == pytest.approx(np.sqrt(42.0 * 23.3 / np.sin(np.radians(37.0))))


def test_a_gradient_grows_with_the_looks() -> None:
    ifgs = interferograms(ramp(4, (60, 60), 0.05, -0.02), np.full((60, 60), 0.9))
    looked = lk.stack_gradients(lk.multilook(ifgs, looks=(3, 2)), "sum", 1, progress=False)["gradient"]
    np.testing.assert_allclose(looked.sel(direction="azimuth")[:-1], 4 * 3 * 0.05, atol=1e-3)
    np.testing.assert_allclose(looked.sel(direction="range")[:, :-1], 4 * 2 * -0.02, atol=1e-3)


def test_a_cell_mostly_without_data_is_no_data() -> None:
    phase = np.ones((1, 4, 4))
    phase[0, 0, :2], phase[0, 1, 0] = np.nan, np.nan
    phase[0, 2, 2] = np.nan
    looked = lk.multilook(interferograms(phase, np.full((4, 4), 0.5)), looks=(2, 2))["phase"].values[0]
    assert np.isnan(looked[0, 0])
    np.testing.assert_allclose(wrapped(looked[np.isfinite(looked)]), 1.0, atol=1e-6)
    assert np.isfinite(looked).sum() == 3


@pytest.mark.real
def test_danba_pixels_stay_in_place(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    looked = lk.multilook(ifgs, 40)
    lon, lat = lk.geo.pixel_to_lonlat(ifgs, 30.0, 60.0)
    lon_looked, lat_looked = lk.geo.pixel_to_lonlat(looked, 10.0, 20.0)
    assert float(lon_looked) == pytest.approx(float(lon), abs=2e-4)
    assert float(lat_looked) == pytest.approx(float(lat), abs=2e-4)


@pytest.mark.parametrize("wrong", [0, -40, float("nan")])
def test_a_spacing_that_is_no_length_is_named(wrong: float) -> None:
    with pytest.raises(lk.LabkitError, match="ground_m must be a positive number"):
        lk.multilook(interferograms(np.zeros((1, 8, 8)), np.ones((8, 8))), wrong)


def test_looks_that_do_not_fit_are_named() -> None:
    with pytest.raises(lk.LabkitError, match="looks must fit into the scene of 8 × 8"):
        lk.multilook(interferograms(np.zeros((1, 8, 8)), np.ones((8, 8))), looks=(9, 1))
