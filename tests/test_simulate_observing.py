"""Pairs made on demand: each term of the phase follows its formula, and neither order nor threads change a bit."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import dask
import numpy as np
import pytest
from composed_scene import DATES, FRAME, observer_of

from labkit.simulate import Effects
from labkit.simulate.motion import Motion
from labkit.simulate.movers import Mover
from labkit.simulate.observing import Layers, draw_weather, lazy_images, spread_weather, weather_step

OFF = Effects.none()


def test_motion_toward_the_satellite_lowers_the_phase_by_hand() -> None:
    """100 mm/yr for 12 days are 3.285 mm; 27.733 mm make one cycle; phase_sign is −1."""
    whole = slice(0, FRAME.shape[0]), slice(0, FRAME.shape[1])
    mover = Mover(*whole, np.full(FRAME.shape, 100.0, np.float32), Motion("linear", DATES[0], DATES[-1]))
    phase, coherence = observer_of(OFF, movers=[mover]).pair(0)
    np.testing.assert_allclose(phase, -2 * np.pi * (100 * 12 / 365.25) / 27.73288, rtol=1e-5)
    assert (coherence == np.float32(0.6)).all()


def test_a_dem_error_and_a_baseline_give_the_phase_by_formula() -> None:
    """4π/λ · B⊥ · δh / (R sin θ) with B⊥ = −80 − 40 m, δh = 12 m, R = 880 km, θ = 38.6°."""
    baselines = np.zeros(len(DATES))
    baselines[:2] = 40.0, -80.0
    phase, _ = observer_of(OFF, dem_error=12.0, baselines=baselines).pair(0)
    expected = 4 * np.pi / 0.05546576 * -120.0 * 12.0 / (880_000.0 * np.sin(np.radians(38.6)))
    np.testing.assert_allclose(phase, expected, rtol=1e-5)


def test_stratified_delay_is_slope_times_path_and_looks_like_motion_away() -> None:
    observer = observer_of(OFF)
    path = np.linspace(0.5, 2.0, FRAME.shape[1], dtype=np.float32) * np.ones(FRAME.shape, np.float32)
    slopes = np.zeros(len(DATES))
    slopes[:2] = 1.0, 3.0
    observer.layers = Layers(path, np.zeros(FRAME.shape, np.float32), np.zeros(FRAME.shape[0]))
    observer.series = replace(observer.series, slopes=slopes)
    np.testing.assert_allclose(observer.pair(0)[0], 2 * np.pi * 2.0 * path / 27.73288, rtol=1e-5)


def test_a_misregistration_adds_its_ramp_line_by_line() -> None:
    observer = observer_of(OFF)
    ramp = np.linspace(-1e-3, 1e-3, FRAME.shape[0])
    shifts = np.zeros(len(DATES))
    shifts[:2] = -5.0, 15.0
    observer.layers = replace(observer.layers, seams=ramp)
    observer.series = replace(observer.series, shifts_mm=shifts)
    phase, _ = observer.pair(0)
    np.testing.assert_allclose(phase, (2 * np.pi * 20.0 * ramp)[:, None] * np.ones(FRAME.shape), atol=1e-6)


def test_turbulence_is_that_of_the_two_dates() -> None:
    observer = observer_of(replace(OFF, turbulence_mm=1.0))
    drawn = [spread_weather(draw_weather(FRAME, 1.0, date, 0), FRAME) for date in (0, 1)]
    expected = 2 * np.pi * (drawn[1] - drawn[0]) / 27.73288
    np.testing.assert_allclose(observer.pair(0)[0], (expected + np.pi) % (2 * np.pi) - np.pi, atol=2e-5)


def test_turbulence_on_the_coarse_grid_keeps_its_roughness_at_one_kilometre() -> None:
    big = replace(FRAME, shape=(200, 260))
    steps = []
    for date in range(40):
        field = spread_weather(draw_weather(big, 1.0, date, 0), big)
        steps.append(np.sqrt(np.mean((field[:, 25:] - field[:, :-25]) ** 2)))
    # each date is from half to twice as strong: evenly in the logarithm, 1 in the median
    assert np.exp(np.mean(np.log(steps))) == pytest.approx(1.0, rel=0.15)
    assert weather_step(big) == 4


def test_interpolation_is_exact_for_a_plane() -> None:
    step = weather_step(FRAME)
    i, j = np.indices((-(-FRAME.shape[0] // step) + 2, -(-FRAME.shape[1] // step) + 2))
    spread = spread_weather((2.0 * i + 3.0 * j).astype(np.float32), FRAME)
    y, x = np.indices(FRAME.shape) + 0.5
    np.testing.assert_allclose(spread, 2.0 * (y / step + 0.5) + 3.0 * (x / step + 0.5), rtol=1e-5)


def test_neighbours_share_looks_only_where_that_is_switched_on() -> None:
    """At 14.7 m lines without coherence go together by four tenths; without the switch not at all; and every pixel by
    itself has the same law."""
    fine = replace(FRAME, shape=(300, 300), spacing_m=14.7)
    effects = [replace(OFF, looks=4.0, shared_looks=on) for on in (True, False)]
    shared, alone = (observer_of(each, coherence=0.0, frame=fine).pair(0) for each in effects)
    together = [float(np.mean(np.cos(phase[1:] - phase[:-1]))) for phase, _ in (shared, alone)]
    # of two complex normals of correlation 0.43 the unit phasors have π/4 · 0.43 and a little more
    assert together[0] == pytest.approx(np.pi / 4 * 0.43, rel=0.1) and abs(together[1]) < 5 / 300
    assert np.quantile(shared[1], [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(alone[1], [0.1, 0.5, 0.9]), rel=0.03)


def test_a_window_changes_the_coherence_and_leaves_the_phase_bit_for_bit() -> None:
    plain = replace(OFF, looks=4.0)
    phase, own = observer_of(plain).pair(0)
    for by_intensity in (False, True):
        windowed = replace(plain, coherence_window=5, coherence_by_intensity=by_intensity)
        same, wide = observer_of(windowed).pair(0)
        np.testing.assert_array_equal(phase, same)
        assert wide.std() < 0.6 * own.std()


def test_ways_of_measuring_do_nothing_where_there_is_no_speckle() -> None:
    ways = replace(OFF, shared_looks=True, coherence_window=5, coherence_by_intensity=True)
    for made, expected in zip(observer_of(ways).pair(0), observer_of(OFF).pair(0), strict=True):
        np.testing.assert_array_equal(made, expected)


def test_neither_order_nor_threads_nor_what_was_made_before_change_a_pair() -> None:
    effects = replace(Effects(), looks=8.0, coherence_window=5)
    first, second = observer_of(effects), observer_of(effects)
    forward = [first.pair(k) for k in range(20)]
    with ThreadPoolExecutor(4) as pool:
        backward = list(pool.map(second.pair, reversed(range(20))))[::-1]
    for made, again in zip(forward, backward, strict=True):
        for a, b in zip(made, again, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(forward[0][0], forward[1][0])


def test_memory_is_that_of_a_few_images_however_many_pairs_are_made() -> None:
    """Each pair is forgotten after it is made: the peak over 80 pairs is the peak over 10, some images of 4 bytes."""
    big = replace(FRAME, shape=(300, 400))
    peaks = []
    for count in (10, 80):
        observer = observer_of(Effects(), frame=big)
        observer.pair(0)
        tracemalloc.start()
        for k in range(count):
            observer.pair(k)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    image = 300 * 400 * 4
    assert peaks[1] < 8 * image and peaks[1] < 1.2 * peaks[0] + image


def test_few_dates_of_weather_are_kept() -> None:
    observer = observer_of(replace(OFF, turbulence_mm=1.0))
    for k in range(len(observer.series.pairs)):
        observer.pair(k)
    assert len(observer._weather) <= 8


def test_a_pair_is_made_once_for_both_images_and_only_when_it_is_wanted() -> None:
    observer = observer_of(replace(Effects(), turbulence_mm=0.0))
    made: list[int] = []
    original = observer.pair

    def counted(index: int) -> tuple:
        made.append(index)
        return original(index)

    observer.pair = counted  # type: ignore[method-assign]
    phase, coherence = lazy_images(observer)
    assert made == [] and phase.shape == (84, *FRAME.shape)
    dask.compute(phase[3:5], coherence[3:5])
    assert sorted(made) == [3, 4]
