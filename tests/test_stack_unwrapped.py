"""Stacked unwrapped phase against planted rates, the sums written out, noise of known kind, and Mexico City's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from noise_scenes import bump, stack
from stack_scenes import interferograms

import labkit as lk
from labkit.simulate.interferometry import phase_per_mm
from labkit.stack import stack_unwrapped

ESTIMATORS = ("lsq", "sum")
#: Pairs of 12, 24 and 36 days, some of which share acquisitions.
PAIRS = [
    ("20200101", "20200113"),
    ("20200101", "20200125"),
    ("20200113", "20200125"),
    ("20200125", "20200301"),
    ("20200301", "20200313"),
]


def with_unwrapped(phase: np.ndarray, coherence: float = 0.7, **attrs: object) -> xr.Dataset:
    """Interferograms that carry this phase unwrapped; their wrapped phase follows from it."""
    ifgs = interferograms(phase, np.full(phase.shape[1:], coherence), PAIRS[: len(phase)], **attrs)
    return ifgs.assign(unwrapped=(("pair", "y", "x"), phase.astype(np.float32)))


def years(ifgs: xr.Dataset) -> np.ndarray:
    return (ifgs["temporal_baseline"] / 365.25).values[:, None, None]


def moving(rate: np.ndarray, sign: int = -1) -> xr.Dataset:
    """All pairs see a steady LOS rate (mm/yr), each with a constant of its own."""
    ifgs = interferograms(np.zeros((len(PAIRS), *rate.shape)), np.ones(rate.shape), PAIRS, phase_sign=sign)
    wavelength_mm = 1000 * ifgs.attrs["wavelength"]
    phase = sign * 4 * np.pi / wavelength_mm * rate * years(ifgs) + 7.0 * np.arange(len(PAIRS))[:, None, None]
    return ifgs.assign(unwrapped=(("pair", "y", "x"), phase.astype(np.float32)))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_steady_slide_gives_its_rate_however_far_the_phase_goes(estimator: str, sign: int) -> None:
    rate = bump((60, 70), (30, 35), 15, 900.0)
    stacked = stack_unwrapped(moving(rate, sign), estimator, progress=False)
    np.testing.assert_allclose(stacked["rate"], rate, atol=2e-3)
    assert float(stacked["standard_error"].max()) < 0.01
    assert (stacked["n_pairs"] == len(PAIRS)).all()


def test_a_reference_box_sets_where_zero_is() -> None:
    rate = np.broadcast_to(np.linspace(0, 50, 70), (40, 70)).copy()
    whole = stack_unwrapped(moving(rate), progress=False)
    np.testing.assert_allclose(whole["rate"], rate - 25, atol=2e-3)
    boxed = stack_unwrapped(moving(rate), reference=(0, 5, 1, 20), progress=False)
    np.testing.assert_allclose(boxed["rate"], rate, atol=2e-3)
    assert boxed.attrs["reference"] == "median in the box (0, 5, 1, 20) px"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_sums_are_those_written_out_and_no_data_never_counts(estimator: str) -> None:
    rng = np.random.default_rng(4)
    phase = rng.normal(0, 6, (5, 30, 40))
    phase[rng.uniform(size=phase.shape) < 0.3] = np.nan
    phase[:, :2, :3] = np.nan
    phase[2] = np.nan
    ifgs = with_unwrapped(phase)
    stacked = stack_unwrapped(ifgs, estimator, progress=False)
    with pytest.warns(RuntimeWarning, match="All-NaN slice"):
        referenced = phase - np.nanmedian(phase, axis=(1, 2), keepdims=True)
    t = np.where(np.isfinite(referenced), years(ifgs), np.nan)
    a = t if estimator == "lsq" else t * 0 + 1
    velocity = np.nansum(a * referenced, 0) / np.where(np.isnan(t).all(0), np.nan, np.nansum(a * t, 0))
    mm = 1000 * ifgs.attrs["wavelength"] / (4 * np.pi)
    np.testing.assert_allclose(stacked["rate"], -mm * velocity, rtol=2e-5, atol=1e-3)
    n = np.isfinite(referenced).sum(0)
    several = n > 1
    spread = np.sqrt(np.nansum((a * (referenced - velocity * t)) ** 2, 0)[several]) / np.nansum(a * t, 0)[several]
    error = spread * np.sqrt(n[several] / (n[several] - 1)) * mm * stacked.attrs["network_ratio"]
    np.testing.assert_allclose(stacked["standard_error"].values[several], error, rtol=1e-3)
    assert np.isnan(stacked["rate"].values[:2, :3]).all()
    assert np.isnan(stacked["standard_error"].values[~several]).all()
    np.testing.assert_array_equal(stacked["n_pairs"], n)


def test_pixels_below_the_coherence_floor_do_not_count() -> None:
    rate = np.zeros((20, 30))
    ifgs = moving(rate)
    wrong = ifgs["unwrapped"].values.copy()
    wrong[0, :5] += 6 * np.pi
    coherence = ifgs["coherence"].values.copy()
    coherence[0, :5] = 0.1
    ifgs = ifgs.assign(unwrapped=(("pair", "y", "x"), wrong), coherence=(("pair", "y", "x"), coherence))
    assert float(np.abs(stack_unwrapped(ifgs, progress=False)["rate"]).max()) > 10
    floored = stack_unwrapped(ifgs, min_coherence=0.2, progress=False)
    np.testing.assert_allclose(floored["rate"], 0, atol=2e-3)
    assert (floored["n_pairs"].values[:5] == len(PAIRS) - 1).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["decorrelation", "both"])
def test_noise_spreads_as_its_standard_error_says(kind: str, estimator: str) -> None:
    how = {"decorrelation": {"coherence_12": 0.5, "air_mm": 0.0}, "both": {"coherence_12": 0.5, "air_mm": 1.5}}[kind]
    spreads = []
    for seed in range(2):
        ifgs = stack(np.zeros((100, 110)), 30, seed=seed, **how)
        stacked = stack_unwrapped(ifgs.assign(unwrapped=ifgs["phase"]), estimator, progress=False)
        ratio = (stacked["rate"] / stacked["standard_error"]).values
        spreads.append(1.4826 * np.median(np.abs(ratio - np.median(ratio))))
    assert np.mean(spreads) == pytest.approx(1.0, abs=0.2)


def test_snaphu_unwraps_every_pair_first_where_it_is_asked_to(capfd: pytest.CaptureFixture[str]) -> None:
    # Four turns within the longest pair, and steps between neighbours well below half a turn.
    rate = bump((110, 110), (55, 55), 36, 260.0 / phase_per_mm())
    phase = moving(rate)["unwrapped"].values - 7.0 * np.arange(len(PAIRS))[:, None, None]
    assert np.abs(phase).max() > 6 * np.pi
    ifgs = interferograms(phase, np.full(rate.shape, 0.9), PAIRS)
    lazily = lk.unwrap(ifgs)
    assert lazily["unwrapped"].chunks is not None
    whole = lazily["unwrapped"].values
    assert capfd.readouterr().out == "", "SNAPHU's own words stay out of the notebook"
    np.testing.assert_allclose(whole - np.median(whole, (1, 2), keepdims=True), phase, atol=0.02)
    stacked = stack_unwrapped(ifgs, unwrap_first=True, progress=False)
    np.testing.assert_allclose(stacked["rate"], rate, atol=0.5)


def test_a_pair_without_any_data_stays_without_when_unwrapped() -> None:
    phase = np.zeros((2, 40, 40))
    phase[1] = np.nan
    whole = lk.unwrap(interferograms(phase, np.full((40, 40), 0.9)))["unwrapped"].values
    assert np.isnan(whole[1]).all()
    np.testing.assert_allclose(whole[0], 0, atol=1e-6)


def test_many_lazy_pairs_keep_a_small_graph() -> None:
    pairs = 30
    ifgs = interferograms(np.zeros((pairs, 12, 16)), np.full((12, 16), 0.9)).chunk({"pair": 1})
    looked = lk.multilook(ifgs, looks=(2, 2))
    tasks = [
        len(dict(data["unwrapped"].data.__dask_graph__()))
        for data in (lk.unwrap(looked.isel(pair=slice(10))), lk.unwrap(looked))
    ]
    # One pair more is some tasks more, not as many as all the others have.
    assert tasks[1] < 4 * tasks[0]
    assert tasks[1] < 40 * pairs


def test_a_river_without_data_does_not_part_its_banks() -> None:
    rate = bump((100, 120), (50, 60), 45, 260.0 / phase_per_mm())
    phase = moving(rate)["unwrapped"].values[3:4] - 21.0
    phase[:, :, 57:62] = np.nan
    whole = lk.unwrap(interferograms(phase, np.full(rate.shape, 0.9)))["unwrapped"].values
    assert (np.isnan(whole) == np.isnan(phase)).all()
    apart = whole - phase
    assert np.nanmax(apart) - np.nanmin(apart) < 0.05


def test_wrapped_phase_alone_is_refused_with_the_ways_out() -> None:
    ifgs = moving(np.zeros((8, 8))).drop_vars("unwrapped")
    with pytest.raises(lk.LabkitError, match=r"must carry unwrapped phase .* unwrap_first=True, or stack gradients"):
        stack_unwrapped(ifgs, progress=False)


def test_unwrapping_what_is_unwrapped_is_refused() -> None:
    with pytest.raises(lk.LabkitError, match="drop_vars"):
        stack_unwrapped(moving(np.zeros((8, 8))), unwrap_first=True, progress=False)


def test_a_pair_without_data_in_the_reference_box_is_named() -> None:
    ifgs = moving(np.zeros((8, 9)))
    holed = ifgs["unwrapped"].values.copy()
    holed[3, :3, :3] = np.nan
    ifgs = ifgs.assign(unwrapped=(("pair", "y", "x"), holed))
    with pytest.raises(lk.LabkitError, match=r"pair 20200125_20200301 has none in reference=\(0, 0, 3, 3\)"):
        stack_unwrapped(ifgs, reference=(0, 0, 3, 3), progress=False)


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ({"estimator": "circular"}, "estimator must be one of"),
        ({"min_coherence": 1.5}, "min_coherence must be in"),
        ({"reference": (0, 0, 10, 3)}, "reference must be a box"),
        ({"reference": (3, 2, 3, 5)}, "reference must be a box"),
    ],
)
def test_an_argument_out_of_its_bounds_is_refused_by_name(option: dict, rule: str) -> None:
    with pytest.raises(lk.LabkitError, match=rule):
        stack_unwrapped(moving(np.zeros((8, 9))), progress=False, **option)


def test_an_unknown_wavelength_is_named() -> None:
    ifgs = moving(np.zeros((8, 9))).assign_attrs(wavelength=float("nan"))
    with pytest.raises(lk.LabkitError, match="wavelength must be a positive number"):
        stack_unwrapped(ifgs, progress=False)


@pytest.mark.real
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_mexico_city_sinks_as_a_plain_loop_over_its_files_says(real_data: Path, estimator: str) -> None:
    folder = real_data / "mexico_city_geotiff"
    ifgs = lk.open_interferograms(folder)
    signal, time = 0.0, 0.0
    for name, days in zip(ifgs["pair"].values, ifgs["temporal_baseline"].values, strict=True):
        with rasterio.open(next(folder.glob(f"*{name.replace('_', '-')}*_unw.tif"))) as source:
            layer = source.read(1).astype(float)
        layer[layer == 0] = np.nan
        weight = days / 365.25 if estimator == "lsq" else 1.0
        signal = signal + np.nan_to_num(weight * (layer - np.nanmedian(layer)))
        time = time + np.isfinite(layer) * weight * days / 365.25
    stacked = stack_unwrapped(ifgs, estimator, progress=False)
    expected = np.where(time > 0, -55.465759531 / (4 * np.pi) * signal / np.where(time > 0, time, 1), np.nan)
    np.testing.assert_allclose(stacked["rate"], expected, rtol=1e-4, atol=0.01)
    # The lake bed sinks by several hundred mm a year against the hills; the radar sees it go away.
    low, high = np.nanpercentile(stacked["rate"], [2, 98])
    assert high - low > 200 and low < -150


@pytest.mark.real
def test_sydneys_pairs_give_one_rate_from_the_files_of_two_processors(real_data: Path) -> None:
    gamma, roipac = (lk.open_interferograms(real_data / name) for name in ("sydney_gamma", "sydney_roipac"))
    rates = [stack_unwrapped(ifgs, progress=False)["rate"].values for ifgs in (gamma, roipac)]
    # Their headers differ by 0.07 % in the wavelength, and so do the rates.
    ratio = roipac.attrs["wavelength"] / gamma.attrs["wavelength"]
    assert np.isfinite(rates[0]).all() and np.abs(rates[0]).max() > 5
    np.testing.assert_allclose(rates[1], rates[0] * ratio, rtol=1e-4, atol=1e-4)
