"""Rate maps hold the truth, the trend of the very delays that the pairs saw, and noise of their standard error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from composed_scene import DATES, FRAME, observer_of
from test_simulate_visible import dataset

from labkit import schema
from labkit.simulate import Effects
from labkit.simulate.observing import Layers, draw_weather, spread_weather
from labkit.simulate.rate_maps import measured_rates, residual_atmosphere

OFF = Effects.none()


def test_without_effects_a_rate_map_is_the_truth() -> None:
    observer = observer_of(OFF)
    truth = np.random.default_rng(0).normal(size=FRAME.shape).astype(np.float32)
    rates = measured_rates(dataset(observer), truth, observer)
    np.testing.assert_allclose(rates["rate"].values, truth, atol=1e-5)
    schema.check_rates(rates)


def test_a_delay_that_grows_steadily_is_its_own_trend_and_looks_like_motion_away() -> None:
    observer = observer_of(OFF)
    path = np.linspace(0.5, 2.0, FRAME.shape[1], dtype=np.float32) * np.ones(FRAME.shape, np.float32)
    years = (DATES - DATES[0]).astype(float) / 365.25
    observer.layers = Layers(path, 0 * path, np.zeros(FRAME.shape[0]))
    observer.series = replace(observer.series, slopes=3.0 * years)
    np.testing.assert_allclose(residual_atmosphere(observer), 3.0 * path, rtol=1e-4)
    rates = measured_rates(dataset(observer), 0 * path, observer)["rate"].values
    np.testing.assert_allclose(rates, -3.0 * (path - path.mean()), atol=1e-4)


def test_turbulence_leaves_the_regression_of_the_dates_on_time() -> None:
    observer = observer_of(replace(OFF, turbulence_mm=1.0))
    fields = np.stack([spread_weather(draw_weather(FRAME, 1.0, date, 0), FRAME) for date in range(len(DATES))])
    years = (DATES - DATES[0]).astype(float) / 365.25
    expected = np.polyfit(years, fields.reshape(len(DATES), -1), 1)[0].reshape(FRAME.shape)
    np.testing.assert_allclose(residual_atmosphere(observer), expected, atol=1e-4)


def test_the_noise_is_that_of_the_standard_error() -> None:
    observer = observer_of(replace(OFF, looks=24.0))
    rates = measured_rates(dataset(observer), np.zeros(FRAME.shape, np.float32), observer)
    ratio = rates["rate"].values / rates["standard_error"].values
    assert ratio.std() == pytest.approx(1.0, rel=0.05)
