"""Coherence by land cover: time, seasons, snow, layover and water, each with its switch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from composed_scene import FRAME, plane

from labkit.simulate import Effects
from labkit.simulate.cover import (
    SNOW_SHARE_LEFT,
    aged_days,
    growing,
    make_cover,
    summer_snow_line,
    uneven_ages,
)
from labkit.simulate.geometry import Place
from labkit.simulate.terrain import make_terrain

OFF = Effects.none()
JANUARY, JULY = np.datetime64("2019-01-20"), np.datetime64("2019-07-22")


def coherence(effects: Effects, first: np.datetime64, days: int = 12, forest: float = 0.0, slope: float = 0.0) -> float:
    terrain = plane(slope, 258.0)
    cover = make_cover(FRAME, terrain, np.full_like(terrain.height, forest), effects)
    image = cover.coherence(first, first + days)
    assert np.ptp(image) < 1e-5
    return float(image.mean())


def test_with_everything_off_nothing_takes_coherence() -> None:
    for days in (12, 36):
        assert coherence(OFF, JULY, days, forest=1.0, slope=45.0) == pytest.approx(0.93)


def test_time_takes_coherence_from_forest_before_meadow() -> None:
    on = replace(OFF, decorrelation=True)
    meadow, forest = (coherence(on, JANUARY, 24, forest=share) for share in (0.0, 1.0))
    assert meadow == pytest.approx(0.45 + 0.48 * np.exp(-24 / 110), rel=1e-4)
    assert forest == pytest.approx(0.08 + 0.57 * np.exp(-24 / 14), rel=1e-4)


def test_midsummer_takes_the_share_that_was_asked_from_forest_and_half_of_it_from_grass() -> None:
    on = replace(OFF, season=0.6)
    summer = float(growing(np.array([JULY, JULY + 12])).mean())
    assert summer > 0.97
    assert coherence(on, JULY, forest=1.0) == pytest.approx(0.93 * (1 - 0.6 * summer), rel=1e-4)
    assert coherence(on, JULY, forest=0.0) == pytest.approx(0.93 * (1 - 0.3 * summer), rel=1e-4)
    assert coherence(on, JANUARY, forest=1.0) > 0.925


def test_summer_wears_the_ground_faster_by_the_growth_between_the_dates() -> None:
    """exp(−(days + k · Σ g) / memory), Σ g the sum over the days, each by the formula of the season."""
    on = replace(OFF, decorrelation=True, summer_decay=4.0)
    for start in (JANUARY, JULY, np.datetime64("2019-04-02")):
        days = np.arange(start, start + 24)
        worth = 24 + 4.0 * float((growing(days) + growing(days + 1)).sum() / 2)
        expected = 0.45 + 0.48 * np.exp(-worth / 110)
        assert coherence(on, start, 24) == pytest.approx(expected, rel=1e-3)
        assert aged_days(start, start + 24, 4.0) == pytest.approx(worth, rel=1e-4)
    assert coherence(on, JULY, 24) < coherence(on, JANUARY, 24) - 0.1


def test_uneven_ages_are_the_calendar_s_in_the_mean_and_take_coherence_between_dates_alone() -> None:
    dates = np.datetime64("2010-01-04") + 12 * np.arange(3000)
    ages = uneven_ages(dates, 4.0, 0.7, np.random.default_rng(0))
    aged = np.diff([float(ages[date][0]) for date in dates])
    expected = np.array([aged_days(a, a + 12, 4.0) for a in dates[:-1]])
    ratio = aged / expected
    assert ratio.mean() == pytest.approx(1.0, abs=4 * 0.7 / np.sqrt(3000)) and ratio.min() > 0
    assert ratio.std() == pytest.approx(0.7, rel=0.1)
    terrain = plane(0.0)
    even = make_cover(FRAME, terrain, np.zeros_like(terrain.height), replace(OFF, decorrelation=True))
    uneven = replace(even, ages=ages)
    for first, second in ((0, 1), (5, 8)):
        worth = float(ages[dates[second]][0] - ages[dates[first]][0])
        assert float(uneven.coherence(dates[first], dates[second]).mean()) == pytest.approx(
            0.45 + 0.48 * np.exp(-worth / 110), rel=1e-4
        )


def test_a_storm_ages_the_ground_by_its_pattern() -> None:
    dates = np.datetime64("2010-01-04") + 12 * np.arange(3000)
    ages = uneven_ages(dates, 0.0, 0.3, np.random.default_rng(0), local=0.4, patterns=2)
    steps = np.diff([ages[date] for date in dates], axis=0)
    # 0.4 of the mean over the ground, from two patterns together
    assert (steps[:, 1:] / steps[:, :1]).std(axis=0) == pytest.approx(0.4 / np.sqrt(2), rel=0.1)
    terrain = plane(0.0)
    even = make_cover(FRAME, terrain, np.zeros_like(terrain.height), replace(OFF, decorrelation=True))
    storms = np.zeros((2, *even.height.shape), np.float32)
    storms[0, :, 1:], storms[1, :, 2:] = 1.0, 1.0
    known = {dates[0]: np.zeros(3), dates[1]: np.array([12.0, 6.0, -60.0])}
    image = replace(even, ages=known, storms=storms).coherence(dates[0], dates[1])
    for column, days in ((0, 12.0), (1, 18.0), (2, 1.2)):  # never less than a tenth of the mean
        assert image[:, column] == pytest.approx(0.45 + 0.48 * np.exp(-days / 110), rel=1e-4)


def test_layover_takes_coherence_where_the_slope_faces_the_radar_too_steeply() -> None:
    """Incidence 38.6°, a slope of 45° toward the satellite."""
    assert coherence(replace(OFF, layover=True), JANUARY, slope=45.0) == pytest.approx(0.093)
    assert coherence(replace(OFF, layover=True), JANUARY, slope=30.0) == pytest.approx(0.93)


def test_snow_lies_above_its_line_which_comes_down_in_winter() -> None:
    terrain = make_terrain(Place(101.95, 30.85), 6000.0, 6000.0, 40.0, 2, 0)
    effects = replace(OFF, snow_share=0.4, snow_winter_m=500.0)
    assert (terrain.height > summer_snow_line(terrain, effects)).mean() == pytest.approx(0.4, abs=0.001)
    cover = make_cover(FRAME, terrain, np.zeros_like(terrain.height), effects)
    assert cover.snow_line(np.datetime64("2019-01-20")) == pytest.approx(cover.snow_line_m - 500.0)
    assert cover.snow_line(np.datetime64("2019-07-21")) == pytest.approx(cover.snow_line_m, abs=0.1)
    snowy = cover.coherence(JANUARY, JANUARY + 12) < 0.93 * float(SNOW_SHARE_LEFT) + 0.01
    line = cover.snow_line(JANUARY)
    assert (snowy == (cover.height > line)).mean() > 0.999
    summer = cover.coherence(JULY, JULY + 12) < 0.5
    assert 0 < summer.sum() < snowy.sum()


def test_snow_on_one_of_two_dates_is_enough() -> None:
    terrain = plane(0.0, height=3000.0)
    cover = replace(
        make_cover(FRAME, terrain, np.zeros_like(terrain.height), replace(OFF, snow_share=0.1)),
        snow_line_m=3300.0,
        snow_winter_m=600.0,
    )
    assert float(cover.coherence(JULY, JULY + 12).mean()) == pytest.approx(0.93)
    assert float(cover.coherence(JULY, JANUARY + 365).mean()) == pytest.approx(0.93 * float(SNOW_SHARE_LEFT))


def test_water_is_there_only_where_it_is_switched_on() -> None:
    terrain = plane(0.0)
    terrain.water[:, 40] = True
    for on in (True, False):
        cover = make_cover(FRAME, terrain, np.zeros_like(terrain.height), replace(OFF, water=on))
        assert cover.ground.water.any() == on
