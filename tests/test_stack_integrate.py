"""LOS rates from stacked gradients against the rate that was planted, and the real Danba landslide."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from noise_scenes import bump, stack
from scipy.ndimage import gaussian_filter, label
from stack_scenes import interferograms

import labkit as lk

SHAPE = (96, 112)
CENTRES = ((30, 30), (66, 80))


def two_slides(peak: float = 60.0) -> np.ndarray:
    """One slide toward the satellite and one away, 800 m across."""
    return bump(SHAPE, CENTRES[0], 10, peak) - bump(SHAPE, CENTRES[1], 10, peak)


def rates_of(
    rate: np.ndarray, estimator: str = "lsq", window: int = 3, denoised: bool = True, **how: object
) -> xr.Dataset:
    gradients = lk.stack_gradients(stack(rate, **how), estimator, window, progress=False)  # type: ignore[arg-type]
    return lk.integrate_rate(gradients, denoised=denoised)


def peaks(rates: xr.Dataset) -> list[float]:
    """Mean of 3 × 3 pixels at each slide's centre."""
    image = rates["rate"].values
    return [float(image[y - 1 : y + 2, x - 1 : x + 2].mean()) for y, x in CENTRES]


@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
def test_planted_slides_come_back_with_sign_and_size(estimator: str) -> None:
    rate = two_slides()
    got = rates_of(rate, estimator, coherence_12=0.6, air_mm=0.5)
    toward, away = peaks(got)
    assert toward == pytest.approx(60, rel=0.1)
    assert away == pytest.approx(-60, rel=0.1)
    assert np.corrcoef(got["rate"].values.ravel(), rate.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("coherence", "estimator", "tolerance", "correlated"),
    [(0.3, "lsq", 0.10, 0.97), (0.3, "circular", 0.10, 0.97), (0.2, "circular", 0.15, 0.95)],
)
def test_landslides_of_all_sizes_come_back_from_eighty_dates_of_poor_coherence(
    coherence: float, estimator: str, tolerance: float, correlated: float
) -> None:
    """400 to 1200 m, 40 to 120 mm/yr: peaks that stand out of the least possible noise (benchmarks/rates.py)."""
    shape, places = (120, 160), list(itertools.product((30, 90), (30, 80, 130)))
    slides = list(zip(places, (5, 6, 8, 10, 12, 15), (60, -120, 40, -80, 100, -50), strict=True))
    parts = [bump(shape, centre, radius, peak) for centre, radius, peak in slides]
    rate = sum(parts)
    got = rates_of(rate, estimator, dates=80, coherence_12=coherence)["rate"].values
    correlation = []
    for ((y, x), radius, peak), part in zip(slides, parts, strict=True):
        around = np.s_[y - 2 * radius : y + 2 * radius + 1, x - 2 * radius : x + 2 * radius + 1]
        correlation.append(np.corrcoef(got[around].ravel(), rate[around].ravel())[0, 1])
        # both peaks as the 95th percentile within the outline
        highest = [np.percentile(np.sign(peak) * image[part != 0], 95) for image in (got, rate)]
        assert highest[0] == pytest.approx(highest[1], rel=tolerance)
    assert np.median(correlation) >= correlated


def test_the_phase_sign_turns_the_rate() -> None:
    ifgs = stack(two_slides(), coherence_12=0.6, air_mm=0.0)
    gradients = lk.stack_gradients(ifgs, window=3, progress=False)
    turned = lk.integrate_rate(gradients.assign_attrs(phase_sign=1))["rate"]
    np.testing.assert_allclose(turned, -lk.integrate_rate(gradients)["rate"], atol=1e-4)


@pytest.mark.parametrize(("coherence", "air_mm"), [(None, 1.0), (0.3, 0.0), (0.4, 1.0)])
def test_the_standard_error_is_the_spread_of_quiet_ground(coherence: float | None, air_mm: float) -> None:
    rate = two_slides()
    got = rates_of(rate, denoised=False, coherence_12=coherence, air_mm=air_mm)
    ratio = (got["rate"] / got["standard_error"]).values[rate == 0]
    assert 1.4826 * np.median(np.abs(ratio)) == pytest.approx(1.0, abs=0.2)


def test_noisy_ground_has_the_larger_error() -> None:
    coherence = np.full(SHAPE, 0.6)
    coherence[:, 60:] = 0.25
    got = rates_of(np.zeros(SHAPE), denoised=False, coherence_12=coherence, air_mm=0.0)
    error = got["standard_error"].values
    assert np.median(error[:, 65:]) > 2 * np.median(error[:, :55])
    ratio = (got["rate"] / got["standard_error"]).values
    for half in (ratio[:, :55], ratio[:, 65:]):
        assert np.std(half) == pytest.approx(1.0, abs=0.25)


def test_patches_of_poor_coherence_are_denoised_by_their_own_noise() -> None:
    poor = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 6) < 0
    rate = two_slides()
    gradients = lk.stack_gradients(
        stack(rate, 60, coherence_12=np.where(poor, 0.22, 0.6)), "circular", 3, progress=False
    )
    with_noise, without = (lk.integrate_rate(gradients, denoised=d)["rate"].values for d in (False, True))
    for ground in (poor & (rate == 0), ~poor & (rate == 0)):
        assert np.std(without[ground]) < 0.6 * np.std(with_noise[ground])
    assert np.std(without[~poor & (rate == 0)]) < 0.5 * np.std(without[poor & (rate == 0)])
    for sign in (1, -1):
        slide = sign * rate > 0
        found, true = (np.percentile(sign * image[slide], 95) for image in (without, rate))
        assert found == pytest.approx(true, rel=0.1)


def test_long_wavelengths_go_and_a_slide_upon_them_stays() -> None:
    y = np.indices(SHAPE)[0]
    swell = 30.0 * np.sin(2 * np.pi * y / 200)  # 8 km
    got = rates_of(two_slides() + swell, coherence_12=0.6, air_mm=0.0)
    quiet = got["rate"].values[two_slides() == 0]
    assert np.std(quiet) < 0.15 * np.std(swell)
    toward, away = peaks(got)
    assert toward == pytest.approx(60, rel=0.15)
    assert away == pytest.approx(-60, rel=0.15)


@pytest.mark.parametrize("radius", [25, 35])
def test_slides_wider_than_half_the_cutoff_keep_their_peak(radius: int) -> None:
    """2 and 2.8 km across, with waves longer than 2.5 km taken out."""
    rate = bump((130, 130), (64, 66), radius, -60.0)
    got = rates_of(rate, coherence_12=0.5, air_mm=1.0)["rate"].values
    assert np.percentile(-got[rate != 0], 95) == pytest.approx(np.percentile(-rate[rate != 0], 95), rel=0.1)


def test_holes_are_no_data_and_islands_have_their_own_zero() -> None:
    ifgs = stack(two_slides(), coherence_12=0.6, air_mm=0.0)
    phase = ifgs["phase"].values.copy()
    phase[:, :, 54:57] = np.nan  # cuts the scene in two
    phase[:, 2:8, 90:96] = np.nan
    phase[:, 80:92, 8:20] = np.nan
    phase[:, 84:88, 12:16] = ifgs["phase"].values[:, 84:88, 12:16]  # an island of 16 pixels
    got = lk.integrate_rate(
        lk.stack_gradients(ifgs.assign(phase=ifgs["phase"].copy(data=phase)), window=3, progress=False)
    )
    image = got["rate"].values
    assert np.isnan(image[:, 54:57]).all()
    assert np.isnan(image[3:7, 91:95]).all()
    assert np.isnan(image[80:92, 8:20]).all()
    for half in (image[:, :54], image[:, 57:]):
        assert abs(float(np.nanmedian(half))) < 1.0
    toward, away = peaks(got)
    assert toward == pytest.approx(60, rel=0.1)
    assert away == pytest.approx(-60, rel=0.1)
    assert np.isfinite(got["standard_error"].values[np.isfinite(image)]).all()


def test_a_slide_that_wraps_within_a_pair_is_flagged_and_a_slow_one_is_not() -> None:
    slow = rates_of(two_slides(), coherence_12=0.6, air_mm=0.0)
    assert not slow["aliased"].any()
    # 600 mm/yr over 10 pixels: up to 92 mm/yr per pixel, 2.1 rad within 36 days.
    fast = rates_of(two_slides(600.0), coherence_12=0.6, air_mm=0.0)
    assert fast["aliased"].values[20:41, 20:41].any()
    assert not fast["aliased"].values[:15].any()


def test_threads_change_no_bit() -> None:
    tall = bump((260, 70), (120, 30), 10, 60.0)  # threads share rows from 64 each
    gradients = lk.stack_gradients(stack(tall, dates=12), window=3, progress=False)
    one, three = (lk.integrate_rate(gradients, threads=n) for n in (1, 3))
    xr.testing.assert_identical(one, three)


def test_a_map_grid_gives_the_same_rates_as_its_axes() -> None:
    rate = two_slides()
    ifgs = stack(rate, coherence_12=0.6, air_mm=0.0).assign_attrs(
        geometry="map", crs="EPSG:32648", y_spacing=40.0, x_spacing=40.0
    )
    ifgs = ifgs.assign_coords(y=4e6 - 40.0 * np.arange(SHAPE[0]), x=3e5 + 40.0 * np.arange(SHAPE[1]))
    toward, away = peaks(lk.integrate_rate(lk.stack_gradients(ifgs, window=3, progress=False)))
    assert toward == pytest.approx(60, rel=0.1)
    assert away == pytest.approx(-60, rel=0.1)


def stacked(estimator: str = "lsq", **attrs: object) -> xr.Dataset:
    ifgs = interferograms(np.zeros((4, 30, 30)), np.full((30, 30), 0.8))
    return lk.stack_gradients(ifgs, estimator, 3, progress=False).assign_attrs(attrs)


def test_what_cannot_be_integrated_is_named() -> None:
    with pytest.raises(lk.LabkitError, match="estimator='rewrapped'"):
        lk.integrate_rate(stacked("rewrapped"))
    with pytest.raises(lk.LabkitError, match="cutoff_km must be above 0"):
        lk.integrate_rate(stacked(), cutoff_km=0)
    with pytest.raises(lk.LabkitError, match="must hold azimuth and range"):
        lk.integrate_rate(stacked().isel(direction=[0]))
    with pytest.raises(lk.LabkitError, match="x_spacing must be known"):
        lk.integrate_rate(stacked(x_spacing=np.nan))
    with pytest.raises(lk.LabkitError, match="must carry standard_error and response"):
        lk.integrate_rate(stacked().drop_vars("response"))
    with pytest.raises(lk.LabkitError, match="lag must be 1"):
        lk.integrate_rate(stacked(lag=2))
    with pytest.raises(lk.LabkitError, match="at least two pairs"):
        lk.integrate_rate(lk.stack_gradients(stack(np.zeros((30, 30)), dates=2), window=3, progress=False))


@pytest.mark.real
def test_danba_shows_one_coherent_slide(real_data: Path) -> None:
    pairs = lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma"))
    rates = lk.integrate_rate(lk.stack_gradients(pairs, window=3, progress=False))
    rate = rates["rate"].values
    quiet = np.concatenate([rate[5:20, 5:55].ravel(), rate[60:90, 5:40].ravel()])
    pieces, _ = label(np.abs(rate) > 45)
    sizes = np.bincount(pieces.ravel())[1:]
    slide = pieces == 1 + int(np.argmax(sizes))
    # One slide, where the couplet is (its outline: lines 15–80, samples 65–160), and next to nothing else that is fast.
    assert sizes.max() > 0.99 * sizes.sum()
    assert np.nanmax(np.abs(rate[~slide])) < 60
    centre_y, centre_x = np.argwhere(slide).mean(0)
    assert 30 < centre_y < 65
    assert 75 < centre_x < 145
    assert (rate[slide] < 0).all()
    assert 60 < np.percentile(np.abs(rate[slide]), 95) < 100
    assert np.std(quiet) < 8


@pytest.mark.real
def test_danbas_slide_hardly_wraps_but_its_steep_edge_is_flagged(real_data: Path) -> None:
    flags = lk.stack.flag_aliasing(lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")), progress=False)
    wraps, falls_short = flags["wraps"].values, flags["falls_short"].values
    assert wraps.mean() < 0.0005
    # where the slide is steepest, at its lower edge (lines 45–60, samples 105–130), and one in 500 pixels at most
    assert falls_short[45:60, 105:130].sum() >= 5
    assert falls_short.mean() < 0.002
