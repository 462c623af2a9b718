"""The laws of the measurement: phase and its sign, the distribution of speckle, decay of coherence, shared weather."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from scipy import stats
from scipy.special import gamma as gamma_function
from scipy.special import gammaln, hyp2f1

from labkit.simulate import Scene
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.interferometry import (
    Ground,
    atmosphere,
    calendar,
    interferogram,
    make_ground,
    multilook_noise,
    pairs_within,
    phase_per_mm,
    wrap,
)
from labkit.simulate.terrain import Terrain

FRAME = Frame("ascending", 348.0, 38.6, (120, 150), 40.0)


def quiet_ground(shape: tuple[int, int], coherence: float = 0.99999) -> Ground:
    same = np.full(shape, coherence, np.float32)
    return Ground(same, same, np.full(shape, 50.0, np.float32), np.zeros(shape, bool))


def phase_density(phase: np.ndarray, coherence: float, looks: float) -> np.ndarray:
    """Probability density of the multilook phase (Lee, Hoppel, Mango and Miller 1994, equation 21)."""
    beta = coherence * np.cos(phase)
    first = np.exp(gammaln(looks + 0.5) - gammaln(looks)) * (1 - coherence**2) ** looks * beta
    first = first / (2 * np.sqrt(np.pi) * (1 - beta**2) ** (looks + 0.5))
    second = (1 - coherence**2) ** looks / (2 * np.pi) * hyp2f1(looks, 1, 0.5, beta**2)
    return first + second


@pytest.mark.parametrize(("coherence", "looks"), [(0.2, 24.0), (0.5, 24.0), (0.8, 24.0), (0.6, 4.0)])
def test_coherence_gives_the_phase_spread_of_the_multilook_distribution(coherence: float, looks: float) -> None:
    phase, _ = multilook_noise(np.full((250, 250), coherence), looks, np.random.default_rng(1))
    grid = np.linspace(-np.pi, np.pi, 4001)
    density = phase_density(grid, coherence, looks)
    spread = np.sqrt(np.trapezoid(grid**2 * density, grid))
    assert phase.std() == pytest.approx(spread, rel=0.02)
    cumulated = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    assert stats.kstest(phase.ravel()[:20_000], lambda p: np.interp(p, grid, cumulated)).pvalue > 1e-3


def test_speckle_is_that_of_averaged_complex_gaussian_signals() -> None:
    """The slow way, look by look, gives the same distributions of phase and sample coherence."""
    random = np.random.default_rng(2)
    looks, coherence, count = 8, 0.55, 20_000
    first, other = ((random.normal(size=(2, looks, count)) * [[[1]], [[1j]]]).sum(axis=0) for _ in range(2))
    second = coherence * first + np.sqrt(1 - coherence**2) * other
    product = (second * first.conj()).sum(axis=0)
    sample = np.abs(product) / np.sqrt((np.abs(first) ** 2).sum(axis=0) * (np.abs(second) ** 2).sum(axis=0))
    phase, estimated = multilook_noise(np.full(count, coherence), float(looks), random)
    assert stats.ks_2samp(phase, np.angle(product)).pvalue > 1e-3
    assert stats.ks_2samp(estimated, sample).pvalue > 1e-3


def test_without_any_coherence_the_sample_coherence_keeps_its_known_bias() -> None:
    """E|γ̂| = Γ(L) Γ(3/2) / Γ(L + 1/2) for γ = 0 (Touzi and others 1999), and every phase is as likely."""
    looks = 24.0
    phase, coherence = multilook_noise(np.zeros((200, 200)), looks, np.random.default_rng(3))
    expected = np.exp(gammaln(looks) - gammaln(looks + 0.5)) * gamma_function(1.5)
    assert coherence.mean() == pytest.approx(expected, rel=0.01)
    assert stats.kstest(phase.ravel()[:5000], stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_motion_toward_the_satellite_lowers_the_phase() -> None:
    """36 days of 100 mm/yr are 9.856 mm, of which half a wavelength (27.733 mm) makes one cycle; phase_sign is −1."""
    shape = (8, 9)
    rate = np.full(shape, 100.0, np.float32)
    phase, _ = interferogram(rate, 36.0, np.zeros(shape, np.float32), quiet_ground(shape), np.random.default_rng(0))
    assert phase == pytest.approx(np.full(shape, -2 * np.pi * (100 * 36 / 365.25) / 27.73288), abs=5e-3)


def test_a_longer_path_looks_like_motion_away() -> None:
    shape = (8, 9)
    delay = np.full(shape, 3.0, np.float32)
    phase, _ = interferogram(np.zeros(shape, np.float32), 12.0, delay, quiet_ground(shape), np.random.default_rng(0))
    assert phase == pytest.approx(np.full(shape, 2 * np.pi * 3.0 / 27.73288), abs=5e-3)


def test_water_has_no_data() -> None:
    ground = quiet_ground((4, 4))
    ground.water[1] = True
    images = interferogram(
        np.zeros((4, 4), np.float32), 12.0, np.zeros((4, 4), np.float32), ground, np.random.default_rng()
    )
    for image in images:
        assert np.isnan(image[1]).all() and np.isfinite(image[[0, 2, 3]]).all()


def test_wrapping_keeps_the_angle_and_stays_in_the_half_open_interval() -> None:
    phase = np.linspace(-20, 20, 1001)
    wrapped = wrap(phase)
    assert wrapped.min() >= -np.float32(np.pi) and wrapped.max() < np.float32(np.pi)
    assert np.exp(1j * wrapped.astype(float)) == pytest.approx(np.exp(1j * phase), abs=1e-6)
    assert wrap(np.array([np.pi]))[0] == -np.float32(np.pi)


def test_one_millimetre_is_four_pi_over_lambda() -> None:
    assert phase_per_mm() == pytest.approx(2 * np.pi / 27.73288)


def test_coherence_decays_to_what_lasts() -> None:
    one = np.ones((1, 1), np.float32)
    ground = Ground(0.9 * one, 0.3 * one, 20 * one, np.zeros((1, 1), bool))
    assert ground.coherence(0.0).item() == pytest.approx(0.9)
    assert ground.coherence(20.0).item() == pytest.approx(0.3 + 0.6 / np.e)
    assert ground.coherence(1e4).item() == pytest.approx(0.3)


def slope_facing(azimuth: float, slope: float) -> Terrain:
    """A plane that faces one way."""
    axis = np.arange(-6000.0, 6001.0, 200.0)
    same = np.ones((len(axis), len(axis)))
    return Terrain(
        Place(0.0, 0.0), axis, axis[::-1], 0 * same, slope * same, azimuth * same, 9e3 * same, same < 0,
        gpd.GeoDataFrame(geometry=[], crs="EPSG:4326"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("azimuth", "slope", "hidden"),
    [(258.0, 45.0, True), (258.0, 30.0, False), (78.0, 45.0, False), (78.0, 60.0, True), (168.0, 60.0, False)],
)
def test_layover_and_shadow_follow_from_slope_and_incidence(azimuth: float, slope: float, hidden: bool) -> None:
    """Incidence 38.6°, satellite at azimuth 258°: layover from 38.6° toward it, shadow from 51.4° away from it."""
    terrain = slope_facing(azimuth, slope)
    ground = make_ground(FRAME, terrain, np.zeros_like(terrain.height))
    assert (ground.coherence(12.0).max() < 0.2) == hidden


def test_forest_forgets_faster_than_open_ground() -> None:
    terrain = slope_facing(0.0, 0.0)
    forest = make_ground(FRAME, terrain, np.ones_like(terrain.height)).coherence(24.0)
    meadow = make_ground(FRAME, terrain, np.zeros_like(terrain.height)).coherence(24.0)
    assert forest.max() < 0.4 < 0.7 < meadow.min()


def test_dates_are_multiples_of_twelve_days_apart_with_gaps() -> None:
    dates = calendar("2018-03-05", 200, 0.1, np.random.default_rng(0))
    steps = np.diff(dates).astype(int)
    assert set(steps.tolist()) == {12, 24}
    assert (steps == 24).mean() == pytest.approx(0.1, abs=0.06)


def test_all_pairs_up_to_the_limit_are_made() -> None:
    dates = np.datetime64("2020-01-01") + 12 * np.arange(10)
    pairs = pairs_within(dates, 36)
    assert len(pairs) == 9 + 8 + 7
    assert {p.days for p in pairs} == {12.0, 24.0, 36.0}


def test_weather_differs_from_date_to_date_in_pattern_and_strength() -> None:
    delay = atmosphere(FRAME, 30, 1.0, seed=4)
    assert delay.mean(axis=(1, 2)) == pytest.approx(np.zeros(30), abs=1e-4)
    rms = np.sqrt(((delay[:, :, 25:] - delay[:, :, :-25]) ** 2).mean(axis=(1, 2)))
    assert 0.8 < np.median(rms) < 1.25
    assert rms.max() / rms.min() > 2
    assert abs(np.corrcoef(delay[0].ravel(), delay[1].ravel())[0, 1]) < 0.9


def test_pairs_that_share_dates_share_their_weather(tiny_scene: Scene) -> None:
    """Around a triangle of three pairs motion and atmosphere cancel: only speckle is left."""
    ifgs = tiny_scene.interferograms["ascending"]
    name = {
        (str(a), str(b)): k
        for k, (a, b) in enumerate(zip(ifgs["reference"].values, ifgs["secondary"].values, strict=True))
    }
    a, b = next(iter(name))
    c = next(second for first, second in name if first == b and (a, second) in name)
    first, second, long = (ifgs["phase"].values[name[key]].astype(float) for key in ((a, b), (b, c), (a, c)))
    good = (ifgs["coherence"].mean("pair") > 0.75).values
    closure = np.angle(np.exp(1j * (first + second - long)))[good]
    assert abs(closure.mean()) < 0.02
    assert closure.std() < 0.4
    assert np.nanstd(long[good]) > 2 * closure.std()
