"""Triplet closure: cancelled where it has to cancel, exact where it was planted, bounded in memory."""

from __future__ import annotations

import itertools
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from stack_scenes import interferograms

import labkit as lk
from labkit.stack import triplet_closure
from labkit.stack.closure import find_triplets

DATES = [f"{d:%Y%m%d}" for d in pd.date_range("2020-01-01", periods=6, freq="12D")]


def all_pairs(dates: list[str], reach: int) -> list[tuple[str, str]]:
    return [(a, b) for i, a in enumerate(dates) for b in dates[i + 1 : i + 1 + reach]]


def scene_of(delay: np.ndarray, reach: int, extra: dict[int, np.ndarray] | None = None) -> xr.Dataset:
    """Every pair is the difference of its two dates' phases (date, y, x), plus what is planted on some pairs."""
    pairs = all_pairs(DATES[: len(delay)], reach)
    phase = np.stack([delay[DATES.index(b)] - delay[DATES.index(a)] for a, b in pairs])
    for pair, planted in (extra or {}).items():
        phase[pair] += planted
    return interferograms(phase, np.ones_like(phase), pairs).assign(unwrapped=(("pair", "y", "x"), phase))


@pytest.fixture
def delay() -> np.ndarray:
    """Phases of the dates, beyond ±π, so that pairs wrap."""
    return np.random.default_rng(6).normal(0, 20, (6, 8, 9))


def test_every_triangle_of_dates_is_found_once(delay: np.ndarray) -> None:
    names = scene_of(delay, reach=5)["pair"].values
    found = {tuple(names[list(t)]) for t in find_triplets(scene_of(delay, reach=5))}
    expected = {(f"{a}_{b}", f"{b}_{c}", f"{a}_{c}") for a, b, c in itertools.combinations(DATES, 3)}
    assert found == expected
    # with two neighbours each, only consecutive triangles remain
    assert len(find_triplets(scene_of(delay, reach=2))) == 4


@pytest.mark.parametrize("wrapped_only", [True, False])
def test_displacement_and_atmosphere_close(delay: np.ndarray, wrapped_only: bool) -> None:
    ifgs = scene_of(delay, reach=3)
    closure = triplet_closure(ifgs.drop_vars("unwrapped") if wrapped_only else ifgs, progress=False)
    assert closure.attrs["closure_of"] == ("wrapped phase" if wrapped_only else "unwrapped phase")
    assert float(closure["closure_rms"].max()) < 1e-4
    assert not closure["masked"].any()
    assert closure.attrs["masked_fraction"] == 0


def test_a_planted_misclosure_gives_its_exact_rms(delay: np.ndarray) -> None:
    # 1 rad on the pair of dates 2–3 in one pixel: that pair is a side of 3 triangles of neighbours within reach 3.
    planted = np.zeros((8, 9))
    planted[2, 5] = 1.0
    ifgs = scene_of(delay, reach=3)
    pair = list(ifgs["pair"].values).index(f"{DATES[2]}_{DATES[3]}")
    ifgs = scene_of(delay, reach=3, extra={pair: planted})
    triangles = [t for t in itertools.combinations(range(6), 3) if t[2] - t[0] <= 3]
    with_it = [t for t in triangles if {2, 3} <= set(t)]
    for data in (ifgs, ifgs.drop_vars("unwrapped")):
        closure = triplet_closure(data, progress=False)
        assert closure.attrs["triplets"] == len(triangles)
        assert float(closure["closure_rms"][2, 5]) == pytest.approx(np.sqrt(len(with_it) / len(triangles)), abs=1e-4)
        assert float(closure["closure_rms"].where(planted == 0).max()) < 1e-4
        assert int(closure["pair_triplets"][pair]) == len(with_it)
        # all triangles of that pair miss by 1 rad in one of 72 pixels; no pair misses more
        assert float(closure["pair_closure_rms"][pair]) == pytest.approx(np.sqrt(1 / 72), abs=1e-4)
        assert int(np.argmax(closure["pair_closure_rms"].values)) == pair


def test_an_unwrapping_error_shows_in_unwrapped_phase_alone(delay: np.ndarray) -> None:
    island = np.zeros((8, 9))
    island[3:5, 3:6] = 2 * np.pi
    ifgs = scene_of(delay, reach=2, extra={2: island})
    closure = triplet_closure(ifgs, progress=False)
    np.testing.assert_array_equal(closure["masked"].values, island > 0)
    assert closure.attrs["masked_fraction"] == pytest.approx(6 / 72)
    assert not triplet_closure(ifgs.drop_vars("unwrapped"), progress=False)["masked"].any()


@pytest.mark.parametrize("constant", [6 * np.pi, 1.0, -3.0])
def test_the_reference_point_of_a_pair_does_not_count(delay: np.ndarray, constant: float) -> None:
    ifgs = scene_of(delay, reach=2, extra={1: np.full((8, 9), constant)})
    for data in (ifgs, ifgs.drop_vars("unwrapped")):
        assert float(triplet_closure(data, progress=False)["closure_rms"].max()) < 1e-4


def test_wrapped_noise_comes_close_to_its_law() -> None:
    phase = np.random.default_rng(3).uniform(-np.pi, np.pi, (12, 120, 100))
    pairs = all_pairs(DATES, 3)
    noise = interferograms(phase, np.ones_like(phase), pairs)
    closure = triplet_closure(noise, progress=False)
    assert float(np.sqrt((closure["closure_rms"] ** 2).mean())) == pytest.approx(np.pi / np.sqrt(3), rel=0.01)
    np.testing.assert_allclose(closure["pair_closure_rms"], np.pi / np.sqrt(3), rtol=0.03)


def test_no_data_is_neither_closed_nor_open(delay: np.ndarray) -> None:
    hole = np.zeros((8, 9))
    hole[0, 0] = np.nan
    # pair 0 is 1–2: with reach 1 + 2 it is a side of the first triangle only; pixel (1, 1) is nowhere known
    ifgs = scene_of(delay, reach=2, extra={0: hole})
    ifgs["phase"][:, 1, 1] = np.nan
    closure = triplet_closure(ifgs.drop_vars("unwrapped"), progress=False)
    assert int(closure["n_triplets"][0, 0]) == 3
    assert int(closure["n_triplets"][1, 1]) == 0
    assert int(closure["n_triplets"][5, 5]) == 4
    assert np.isnan(closure["closure_rms"][1, 1])
    assert not closure["masked"][1, 1]


def test_lazy_pairs_are_read_once_and_a_few_are_held_at_a_time() -> None:
    dates = [f"{d:%Y%m%d}" for d in pd.date_range("2020-01-01", periods=40, freq="12D")]
    pairs = all_pairs(dates, 3)
    read: list[int] = []

    def load(block: np.ndarray, block_info: dict) -> np.ndarray:
        read.append(block_info[0]["chunk-location"][0])
        return block

    phase = np.zeros((len(pairs), 4, 5), np.float32)
    ifgs = interferograms(phase, np.ones_like(phase), pairs)
    lazy = da.from_array(phase, chunks=(1, 4, 5)).map_blocks(load, dtype=np.float32, meta=np.empty((0, 0, 0), "f4"))
    triplet_closure(ifgs.assign(phase=(("pair", "y", "x"), lazy)), progress=False)
    # the last dates' longest pairs close triangles, so that every pair is part of one
    assert sorted(read) == list(range(len(pairs)))


def test_what_breaks_a_rule_is_named(delay: np.ndarray) -> None:
    chain = scene_of(delay, reach=1)
    with pytest.raises(lk.LabkitError, match="none of 5 pairs closes a triplet. Keep longer pairs"):
        triplet_closure(chain)
    with pytest.raises(lk.LabkitError, match="max_rms_rad must be above 0"):
        triplet_closure(scene_of(delay, reach=2), max_rms_rad=0)
    with pytest.raises(lk.LabkitError, match="unwrapped must have the dims"):
        triplet_closure(scene_of(delay, reach=2).assign(unwrapped=(("y", "x"), np.zeros((8, 9)))))


@pytest.mark.real
def test_real_unwrapped_triplets_close_as_a_plain_loop_says(real_data: Path) -> None:
    folder = real_data / "mexico_city_geotiff"
    ifgs = lk.open_interferograms(folder)
    unwrapped = []
    for name in ifgs["pair"].values:
        with rasterio.open(next(folder.glob(f"*{name.replace('_', '-')}*_unw.tif"))) as source:
            layer = source.read(1)
        unwrapped.append(np.where(layer == 0, np.nan, layer))
    stack = np.stack(unwrapped)
    closure = triplet_closure(ifgs.assign(unwrapped=(("pair", "y", "x"), stack)), progress=False)
    position = {name: k for k, name in enumerate(ifgs["pair"].values)}
    dates = sorted({d for name in position for d in name.split("_")})
    misses = []
    for a, b, c in itertools.combinations(dates, 3):
        sides = [f"{a}_{b}", f"{b}_{c}", f"{a}_{c}"]
        if all(side in position for side in sides):
            ab, bc, ac = (stack[position[side]].astype(float) for side in sides)
            miss = ab + bc - ac
            misses.append(miss - np.nanmedian(miss))
    assert closure.attrs["triplets"] == len(misses) > 5
    counts = np.isfinite(misses).sum(0)
    np.testing.assert_array_equal(closure["n_triplets"].values, counts)
    expected = np.sqrt(np.nansum(np.square(misses), 0)[counts > 0] / counts[counts > 0])
    np.testing.assert_allclose(closure["closure_rms"].values[counts > 0], expected, atol=2e-5)
    # These pairs are mostly unwrapped without error: wrapped, they close about as well, and nowhere worse than ±π.
    again = triplet_closure(ifgs, progress=False)
    assert float(again["closure_rms"].max()) <= np.pi
    assert float(again["closure_rms"].median()) <= float(closure["closure_rms"].median()) + 0.01


@pytest.mark.real
def test_danba_closes_on_quiet_ground(real_data: Path) -> None:
    closure = triplet_closure(lk.open_interferograms(real_data / "danba_gamma"), progress=False)
    assert closure.attrs["triplets"] > 50
    assert 0 <= closure.attrs["masked_fraction"] < 1
    assert float(closure["closure_rms"].max()) <= np.pi
