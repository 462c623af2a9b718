"""Stacked gradients against planted ramps, a plain NumPy version, and the real Danba pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from stack_scenes import interferograms, ramp, wrapped

import labkit as lk

ESTIMATORS = ("lsq", "circular", "sum", "rewrapped")


def noisy(pairs: int = 9, shape: tuple[int, int] = (40, 50), seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    coherence = rng.uniform(0.1, 0.95, (pairs, *shape))
    return interferograms(ramp(pairs, shape, 0.2, -0.1) + rng.normal(0, 0.8, (pairs, *shape)), coherence)


def by_numpy(ifgs: xr.Dataset, estimator: str, window: int) -> np.ndarray:
    """The formulas of the docstring, written as they stand, for a scene without no-data, away from its edges."""
    z = ifgs["coherence"].values.astype(complex) * np.exp(1j * ifgs["phase"].values.astype(float))
    z = np.stack([uniform_filter(p.real, window) + 1j * uniform_filter(p.imag, window) for p in z])
    years = ifgs["temporal_baseline"].values[:, None, None] / 365.25
    stacked = []
    for axis in (1, 2):
        product = np.roll(z, -1, axis) * np.conj(z)
        delta, size = np.angle(product), np.abs(product)
        weight = size / (1.02 - size)
        stacked.append(
            {
                "lsq": years.sum() * (weight * years * delta).sum(0) / (weight * years**2).sum(0),
                "circular": len(z) * np.angle(product.sum(0)),
                "sum": delta.sum(0),
                "rewrapped": wrapped(delta.sum(0)),
            }[estimator]
        )
    return np.stack(stacked)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("window", [1, 3, 7])
def test_the_kernel_equals_the_formulas_written_in_numpy(estimator: str, window: int) -> None:
    ifgs = noisy()
    got = lk.stack_gradients(ifgs, estimator, window, progress=False)["gradient"].values[:, 8:-8, 8:-8]
    expected = by_numpy(ifgs, estimator, window)[:, 8:-8, 8:-8]
    miss = wrapped(got - expected) if estimator == "rewrapped" else got - expected
    assert np.abs(miss).max() < 2e-4


def by_numpy_with_gaps(ifgs: xr.Dataset, window: int, floor: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of a scene with no-data, the mean taken over the pixels that a window finds; and the pairs used."""
    coherence, phase = (ifgs[name].values.astype(float) for name in ("coherence", "phase"))
    known = np.isfinite(phase) & (coherence >= floor)
    weight = np.where(known, np.where(coherence > 0, coherence, 0) ** power * (coherence > 0), 0)
    z = np.where(known, weight * np.exp(1j * np.where(known, phase, 0)), 0)
    mean = np.empty_like(z)
    for k, (values, inside) in enumerate(zip(z, known.astype(float), strict=True)):
        sums = [uniform_filter(v, window, mode="constant") for v in (values.real, values.imag, inside)]
        mean[k] = np.where(known[k], (sums[0] + 1j * sums[1]) / np.maximum(sums[2], 1e-9), 0)
    years = ifgs["temporal_baseline"].values[:, None, None] / 365.25
    stacked, used = [], []
    for axis in (1, 2):
        product = np.roll(mean, -1, axis) * np.conj(mean)
        inside = np.abs(product) > 1e-12
        w = np.abs(product) / (1.02 - np.abs(product))
        with np.errstate(invalid="ignore"):
            stacked.append(years.sum() * (w * years * np.angle(product)).sum(0) / (w * years**2).sum(0))
        used.append(inside.sum(0))
    return np.stack(stacked), np.stack(used)


@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize(("floor", "power"), [(0.3, 1.0), (0.0, 0.0), (0.0, 2.0), (0.4, 1.7)])
def test_floor_and_power_weigh_as_written_in_numpy(window: int, floor: float, power: float) -> None:
    ifgs = noisy(shape=(40, 300))
    ifgs["phase"].values[3:5, 10:20, 30:60] = np.nan
    ifgs["coherence"].values[2, 5:9, 100:140] = 0
    stacked = lk.stack_gradients(ifgs, "lsq", window, coherence_floor=floor, coherence_power=power, progress=False)
    assert (stacked.attrs["coherence_floor"], stacked.attrs["coherence_power"]) == (floor, power)
    expected, used = by_numpy_with_gaps(ifgs, window, floor, power)
    inner = (slice(None), slice(None, -1), slice(None, -1))
    np.testing.assert_array_equal(stacked["n_pairs"].values[inner], used[inner])
    np.testing.assert_allclose(stacked["gradient"].values[inner], expected[inner], atol=3e-4)
    # The mean coherence is that of the data, not of the filter.
    mean = ifgs["coherence"].where(np.isfinite(ifgs["phase"])).mean("pair")
    np.testing.assert_allclose(stacked["coherence"], mean, rtol=1e-5)


def test_the_unfiltered_sum_knows_the_floor_too() -> None:
    ifgs = noisy(shape=(40, 300))
    below = ifgs["coherence"].values < 0.5
    masked = ifgs.copy(deep=True)
    masked["phase"].values[below] = np.nan
    expected = lk.stack_gradients(masked, "sum", 1, progress=False)
    stacked = lk.stack_gradients(ifgs, "sum", 1, coherence_floor=0.5, coherence_power=2, progress=False)
    for name in ("gradient", "n_pairs"):
        np.testing.assert_array_equal(stacked[name], expected[name])


@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
def test_a_planted_ramp_gives_its_exact_gradient(estimator: str) -> None:
    stacked = lk.stack_gradients(
        interferograms(ramp(10, (30, 40), 0.3, -0.2), np.full((30, 40), 0.8)), estimator, progress=False
    )["gradient"]
    # Ten pairs of the same length: the stack is ten times the gradient of one.
    inner = stacked.isel(y=slice(3, -3), x=slice(3, -3))
    np.testing.assert_allclose(inner.sel(direction="azimuth"), 3.0, atol=1e-3)
    np.testing.assert_allclose(inner.sel(direction="range"), -2.0, atol=1e-3)


def test_a_lag_differences_pixels_that_far_apart() -> None:
    stacked = lk.stack_gradients(
        interferograms(ramp(4, (30, 40), 0.1, 0.2), np.full((30, 40), 0.8)), "sum", 1, lag=3, progress=False
    )["gradient"]
    np.testing.assert_allclose(stacked.sel(direction="azimuth")[:-3], 4 * 3 * 0.1, atol=1e-4)
    np.testing.assert_allclose(stacked.sel(direction="range")[:, :-3], 4 * 3 * 0.2, atol=1e-4)
    assert np.isnan(stacked.sel(direction="azimuth")[-3:]).all()
    assert np.isnan(stacked.sel(direction="range")[:, -3:]).all()


def test_lsq_weighs_unequal_baselines_to_the_same_velocity() -> None:
    pairs = [("20200101", "20200113"), ("20200101", "20200125"), ("20200113", "20200206"), ("20200206", "20200218")]
    days = np.array([12, 24, 24, 12])
    phase = np.stack([ramp(1, (20, 20), 0.01 * d, 0)[0] for d in days])
    stacked = lk.stack_gradients(interferograms(phase, np.full((20, 20), 0.7), pairs), progress=False)
    assert stacked.attrs["sum_temporal_baseline"] == pytest.approx(days.sum() / 365.25)
    inner = stacked["gradient"].sel(direction="azimuth")[3:-3, 3:-3]
    np.testing.assert_allclose(inner, 0.01 * days.sum(), rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(threads=st.integers(1, 5), chunk=st.integers(1, 9), estimator=st.sampled_from(ESTIMATORS))
def test_results_are_the_same_to_the_bit_for_any_threads_and_chunks(threads: int, chunk: int, estimator: str) -> None:
    ifgs = noisy(shape=(150, 37))
    whole = lk.stack_gradients(ifgs, estimator, threads=1, progress=False)
    parts = lk.stack_gradients(ifgs.chunk(pair=chunk), estimator, threads=threads, progress=False)
    for variable in ("gradient", "standard_error", "n_pairs", "coherence"):
        np.testing.assert_array_equal(whole[variable].values, parts[variable].values)


def test_rows_at_strip_borders_equal_those_of_a_crop() -> None:
    ifgs = noisy(shape=(140, 30))
    whole = lk.stack_gradients(ifgs, window=5, progress=False)["gradient"]
    crop = lk.stack_gradients(ifgs.isel(y=slice(50, 80)), window=5, progress=False)["gradient"]
    np.testing.assert_array_equal(whole.values[:, 53:76], crop.values[:, 3:26])


def test_no_data_is_left_out_and_never_counts_as_zero_phase() -> None:
    phase = ramp(6, (30, 30), 0.3, 0.1)
    phase[2:, 10:14, 12:16] = np.nan
    ifgs = interferograms(phase, np.full((30, 30), 0.8))
    stacked = lk.stack_gradients(ifgs, "lsq", window=5, progress=False)
    azimuth = stacked.sel(direction="azimuth")
    assert int(azimuth["n_pairs"][11, 13]) == 2
    # Where a window is one-sided its gradient is pulled toward zero (the docstring says so); elsewhere it is exact.
    one_sided = np.zeros((30, 30), bool)
    one_sided[7:17, 9:19] = True
    one_sided[10:13, 12:16] = False
    inner = np.zeros((30, 30), bool)
    inner[3:-3, 3:-3] = True
    np.testing.assert_allclose(azimuth["gradient"].values[inner & ~one_sided], 6 * 0.3, atol=1e-3)
    near = azimuth["gradient"].values[one_sided]
    assert near.min() > 0.5 * 6 * 0.3
    assert near.max() < 1.35 * 6 * 0.3
    phase[:, 10:14, 12:16] = np.nan
    hole = lk.stack_gradients(interferograms(phase, np.full((30, 30), 0.8)), "lsq", progress=False)
    assert np.isnan(hole["gradient"].sel(direction="azimuth")[9:14, 12:16]).all()
    assert np.isnan(hole["gradient"].sel(direction="range")[10:14, 11:16]).all()
    assert np.isfinite(hole["gradient"].sel(direction="azimuth")[14:-1, 12:16]).all()


@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
def test_the_standard_error_is_the_spread_over_repeated_noise(estimator: str) -> None:
    # Decorrelation only: independent pixels and pairs, so that the spread over pixels is the error itself.
    rng = np.random.default_rng(5)
    phase = rng.normal(0, 0.5, (40, 120, 120))
    stacked = lk.stack_gradients(interferograms(phase, np.full((120, 120), 0.6)), estimator, 1, progress=False)
    ratio = (stacked["gradient"] / stacked["standard_error"]).values
    assert np.nanstd(ratio) == pytest.approx(1.0, abs=0.2)


def test_noise_that_consecutive_pairs_share_shrinks_the_standard_error() -> None:
    # One noise image for each date: in a chain of pairs all but the first and the last cancel.
    rng = np.random.default_rng(6)
    dates = rng.normal(0, 0.3, (31, 96, 96))
    stacked = lk.stack_gradients(
        interferograms(np.diff(dates, axis=0), np.full((96, 96), 0.9)), "sum", 1, progress=False
    )
    independent = np.sqrt(30 * 2 * 2) * 0.3
    truth = np.sqrt(2 * 2) * 0.3
    error = float(np.nanmedian(stacked["standard_error"]))
    assert error < 0.5 * independent
    assert error > 0.5 * truth
    assert max(stacked.attrs["network_ratio"]) < 0.5


def test_a_map_grid_is_turned_into_azimuth_and_range_by_the_heading() -> None:
    y, x = np.indices((30, 30))
    # The phase grows by 0.02 rad per pixel toward north and 0.05 toward east; rows run south.
    phase = np.broadcast_to(-0.02 * y + 0.05 * x, (5, 30, 30))
    grid = {"y": 4e6 - 40.0 * np.arange(30), "x": 3e5 + 40.0 * np.arange(30)}
    ifgs = interferograms(
        phase, np.full((30, 30), 0.8), geometry="map", crs="EPSG:32648", heading=192.0, x_spacing=40.0
    ).assign_coords(grid)
    stacked = lk.stack_gradients(ifgs, progress=False)["gradient"].isel(y=slice(3, -3), x=slice(3, -3))
    h = np.radians(192.0)
    azimuth = 5 * (0.05 * np.sin(h) + 0.02 * np.cos(h))
    across = 5 * (0.05 * np.cos(h) - 0.02 * np.sin(h))
    np.testing.assert_allclose(stacked.sel(direction="azimuth"), azimuth, atol=1e-3)
    np.testing.assert_allclose(stacked.sel(direction="range"), across, atol=1e-3)


def test_a_map_grid_without_heading_warns_and_says_so() -> None:
    ifgs = interferograms(ramp(3, (12, 12), 0.1, 0.1), np.full((12, 12), 0.8), geometry="map", heading=np.nan)
    ifgs = ifgs.assign_coords(y=-1.0 * np.arange(12), x=1.0 * np.arange(12))
    with pytest.warns(UserWarning, match="heading must be known"):
        stacked = lk.stack_gradients(ifgs, progress=False)
    assert stacked.attrs["direction_frame"] == "grid"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimator": "mean"}, "estimator must be one of"),
        ({"window": 4}, "window must be an odd number"),
        ({"window": 0}, "window must be an odd number"),
        ({"lag": 0}, "lag must be at least 1"),
        ({"window": 41}, "must fit into the scene of 40 × 50"),
        ({"coherence_floor": 1.0}, "coherence_floor must be in \\[0, 1\\)"),
        ({"coherence_floor": -0.1}, "coherence_floor must be in"),
        ({"coherence_power": 4.5}, "coherence_power must be in \\[0, 4\\]"),
        ({"coherence_power": float("nan")}, "coherence_power must be in"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(lk.LabkitError, match=message):
        lk.stack_gradients(noisy(), progress=False, **arguments)  # type: ignore[arg-type]


def test_phase_that_was_never_wrapped_is_refused() -> None:
    ifgs = noisy()
    ifgs["phase"] = ifgs["phase"] * 4
    with pytest.raises(lk.LabkitError, match=r"phase of pair 20200101_20200113 must be wrapped"):
        lk.stack_gradients(ifgs, progress=False)


def contrast(azimuth: np.ndarray) -> float:
    """The contrast of the Danba landslide as defined with the data (lines and samples inclusive)."""
    quiet = np.concatenate([azimuth[5:20, 5:55].ravel(), azimuth[60:90, 5:40].ravel()])
    deviation = np.nanmedian(np.abs(quiet - np.nanmedian(quiet)))
    return float((np.nanmean(azimuth[28:44, 80:130]) - np.nanmean(azimuth[56:66, 70:120])) / (1.4826 * deviation))


@pytest.mark.real
@pytest.mark.parametrize(
    ("estimator", "lowest", "highest"),
    [("lsq", 9.5, 14), ("circular", 9, 12), ("sum", 2, 3.5), ("rewrapped", -0.6, 0.6)],
)
def test_the_danba_landslide_stands_out_as_measured(
    real_data: Path, estimator: str, lowest: float, highest: float
) -> None:
    pairs = lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma"))
    assert pairs.sizes["pair"] == 79
    stacked = lk.stack_gradients(pairs, estimator, window=7, progress=False)
    assert lowest < contrast(stacked["gradient"].sel(direction="azimuth").values) < highest


@pytest.mark.real
def test_mexico_city_stacks_on_its_map_grid(real_data: Path) -> None:
    pairs = lk.select_pairs(lk.open_interferograms(real_data / "mexico_city_geotiff"), max_days=60)
    stacked = lk.stack_gradients(pairs, progress=False)
    assert stacked.attrs["direction_frame"] == "radar"
    assert float(np.isfinite(stacked["gradient"]).mean()) > 0.9
