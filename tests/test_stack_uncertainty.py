"""The standard error against the spread of noise: air alone, decorrelation alone, both, and Danba's quiet ground."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from noise_scenes import stack

import labkit as lk
from labkit.stack.uncertainty import network_ratio, scores

ESTIMATORS = ("lsq", "circular", "sum")
WINDOWS = (1, 5, 7)

DATES = np.arange(np.datetime64("2020-01-01"), np.datetime64("2021-06-01"), np.timedelta64(12, "D"))


def spread(ratio: np.ndarray) -> float:
    """Robust standard deviation."""
    known = ratio[np.isfinite(ratio)]
    return float(1.4826 * np.median(np.abs(known - np.median(known))))


def ratios(ifgs: xr.Dataset, estimator: str, window: int) -> np.ndarray:
    stacked = lk.stack_gradients(ifgs, estimator, window, progress=False)
    return (stacked["gradient"] / stacked["standard_error"]).values


@pytest.fixture(scope="module")
def noise() -> dict[str, list[xr.Dataset]]:
    """Scenes without motion, two of each kind: a field of air has few independent places."""
    kinds: dict[str, dict] = {
        "air": {"coherence_12": None, "air_mm": 1.0},
        "decorrelation": {"coherence_12": 0.3, "air_mm": 0.0},
        "both": {"coherence_12": 0.5, "air_mm": 1.5},
    }
    return {kind: [stack(np.zeros((110, 120)), 36, seed=s, **how) for s in range(2)] for kind, how in kinds.items()}


@pytest.mark.parametrize("kind", ["air", "decorrelation", "both"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_noise_spreads_as_its_standard_error_says(
    noise: dict[str, list[xr.Dataset]], kind: str, estimator: str, window: int
) -> None:
    inner = np.stack([ratios(ifgs, estimator, window)[:, 8:-8, 8:-8] for ifgs in noise[kind]])
    assert np.mean([spread(part) for part in inner.reshape(4, -1)]) == pytest.approx(1.0, abs=0.2)


@pytest.mark.real
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_danbas_quiet_ground_spreads_as_its_standard_error_says(real_data: Path, estimator: str, window: int) -> None:
    ratio = ratios(lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")), estimator, window)
    for part in ratio:
        quiet = np.concatenate([part[5:20, 5:55].ravel(), part[60:90, 5:40].ravel()])
        assert spread(quiet) == pytest.approx(1.0, abs=0.2)


def scores_of(noise_of: str, max_steps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """ψ of many pixels, dates, and the true variance of their sum over that of independent pairs."""
    pairs = [(i, j) for i, j in itertools.combinations(range(len(DATES)), 2) if j - i <= max_steps]
    first, second = (np.array(ends) for ends in zip(*pairs, strict=True))
    random = np.random.default_rng(seed)
    shape = (60, 60)
    if noise_of == "pair":
        values, truth = random.normal(0, 1, (len(pairs), *shape)), 1.0
    else:
        sign = -1 if noise_of == "date" else 1
        dates = random.normal(0, 1, (len(DATES), *shape))
        values = dates[second] + sign * dates[first]
        weight = np.bincount(second, minlength=len(DATES)) + sign * np.bincount(first, minlength=len(DATES))
        truth = float((weight**2).sum() / (2 * len(pairs)))
    return values - values.mean(0), first, second, truth


@pytest.mark.parametrize(
    ("noise_of", "max_steps"),
    # Each pair's own noise; noise of dates that cancels between consecutive pairs; noise of dates that adds up.
    [("pair", 1), ("pair", 3), ("date", 2), ("date", 3), ("date added up", 2)],
)
def test_the_ratio_is_the_one_of_the_true_variances(noise_of: str, max_steps: int) -> None:
    psi, first, second, truth = scores_of(noise_of, max_steps)
    even = np.full(psi.shape, 1 / len(psi))
    measured = network_ratio(psi.astype(np.float32), even.astype(np.float32), DATES[first], DATES[second])
    # independent pairs keep what fitting their mean took; noise of dates keeps it nearly
    assert measured == pytest.approx(np.sqrt(truth), rel=0.04 if noise_of == "pair" else 0.15)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_scores_add_up_to_nothing_and_shares_to_one(estimator: str) -> None:
    random = np.random.default_rng(3)
    delta = random.normal(0.3, 0.7, (9, 20, 30)).astype(np.float32)
    size = random.uniform(0.1, 0.9, delta.shape).astype(np.float32)
    delta[2, 4:9], size[2, 4:9] = 0, 0
    delta[:, 0, 0], size[:, 0, 0] = 0, 0
    years = random.uniform(0.03, 0.1, 9).astype(np.float32)
    psi, shares = scores(delta, size, years, estimator, threads=2)
    np.testing.assert_allclose(psi.sum(0), 0, atol=1e-5)
    np.testing.assert_array_equal(psi[2, 4:9], 0)
    assert shares[:, 0, 0].sum() == 0
    np.testing.assert_allclose(shares.sum(0)[1:], 1, rtol=1e-5)
    weight = {"lsq": size / (1.02 - size) * years[:, None, None] ** 2, "circular": size, "sum": size > 0}[estimator]
    known = weight[:, 10:]
    np.testing.assert_allclose(shares[:, 10:], known / known.sum(0), rtol=1e-4)


def test_a_network_in_which_all_pairs_share_acquisitions_tells_nothing() -> None:
    psi = np.random.default_rng(0).normal(0, 1, (3, 40, 40))
    first, second = DATES[[0, 0, 1]], DATES[[1, 2, 2]]
    psi = (psi - psi.mean(0)).astype(np.float32)
    assert network_ratio(psi, np.full_like(psi, 1 / 3), first, second) == 1.0


def test_a_scene_without_data_keeps_the_error_as_it_is() -> None:
    nothing = np.zeros((5, 30, 30), np.float32)
    assert network_ratio(nothing, nothing, DATES[:5], DATES[1:6]) == 1.0
