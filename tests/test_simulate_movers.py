"""What moves besides landslides: a bowl sinks by its formula, ice creeps above the snow line, each in its own time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from composed_scene import FRAME, plane

from labkit.errors import LabkitError
from labkit.simulate import Effects
from labkit.simulate.geometry import Place
from labkit.simulate.motion import Motion
from labkit.simulate.movers import Bowl, Mover, creep_rate, displacement, place_bowl
from labkit.simulate.terrain import make_terrain

START, END = np.datetime64("2019-01-01"), np.datetime64("2020-12-31")


def test_a_bowl_sinks_straight_down_as_a_gaussian() -> None:
    """100 mm/yr at the centre, θ = 38.6°: −78.15 mm/yr in the line of sight; one σ away e^(−1/2) of it."""
    bowl = Bowl(100.0, -50.0, 350.0, 100.0)
    rate = bowl.rate(FRAME, np.array([100.0, 450.0, 100.0]), np.array([-50.0, -50.0, 3000.0]))
    assert rate[0] == pytest.approx(-100.0 * np.cos(np.radians(38.6)))
    assert rate[1] == pytest.approx(rate[0] * np.exp(-0.5))
    assert abs(rate[2]) < 1e-10


def test_a_displacement_is_rate_times_elapsed_time_summed_over_all_that_moves() -> None:
    linear, stopped = Motion("linear", START, END), Motion("stopped", START, END, phase=0.25)
    movers = [
        Mover(slice(0, 4), slice(0, 4), np.full((4, 4), 50.0, np.float32), linear),
        Mover(slice(2, 6), slice(2, 6), np.full((4, 4), -20.0, np.float32), stopped),
    ]
    moved = displacement(movers, (6, 6), np.datetime64("2020-06-01"), np.datetime64("2020-07-07"))
    assert moved[0, 0] == pytest.approx(50.0 * 36 / 365.25)
    assert moved[3, 3] == moved[0, 0] and moved[5, 5] == 0.0


def test_ice_creeps_downslope_by_the_third_power_of_the_stress() -> None:
    """A slope of 25° facing east at 300 mm/yr: in the middle of a patch the LOS sees downslope · line of sight."""
    effects = replace(Effects.none(), creep_mm=300.0, snow_share=0.1)
    steep = creep_rate(plane(25.0), FRAME, effects, 2000.0, seed=0)
    down = np.array([np.cos(np.radians(25.0)), 0.0, -np.sin(np.radians(25.0))])
    sensitivity = float(down @ FRAME.los)
    assert sensitivity < 0  # ascending looks east: this slope runs away from it
    assert steep.min() == pytest.approx(300.0 * sensitivity, rel=0.01) and steep.max() <= 0
    gentle = creep_rate(plane(10.0), FRAME, effects, 2000.0, seed=0)
    down10 = np.array([np.cos(np.radians(10.0)), 0.0, -np.sin(np.radians(10.0))])
    share = (np.sin(np.radians(10.0)) / np.sin(np.radians(25.0))) ** 3
    np.testing.assert_allclose(gentle / float(down10 @ FRAME.los), share * steep / sensitivity, rtol=1e-9)


def test_ice_creeps_above_the_snow_line_only() -> None:
    terrain = make_terrain(Place(101.95, 30.85), 6000.0, 6000.0, 40.0, 2, 0)
    line = float(np.quantile(terrain.height, 0.9))
    effects = replace(Effects.none(), creep_mm=300.0, snow_share=0.1)
    rate = creep_rate(terrain, FRAME, effects, line, seed=0)
    assert not rate[terrain.height <= line].any() and np.abs(rate[terrain.height > line + 100]).max() > 50
    assert not creep_rate(terrain, FRAME, replace(effects, creep_mm=0.0), line, seed=0).any()
    assert not creep_rate(terrain, FRAME, effects, np.inf, seed=0).any()


def test_a_bowl_lies_inside_the_frame_on_gentle_ground_or_says_that_there_is_none() -> None:
    effects = replace(Effects.none(), subsidence_mm=80.0, subsidence_radius_m=200.0)
    bowl = place_bowl(plane(5.0), [FRAME], [], effects, seed=0)
    assert bowl is not None
    y, x = FRAME.pixel(bowl.east, bowl.north)
    assert 12 < y < 48 and 12 < x < 68
    assert place_bowl(plane(5.0), [FRAME], [], Effects.none(), seed=0) is None
    with pytest.raises(LabkitError, match="subsidence_radius_m must fit"):
        place_bowl(plane(35.0), [FRAME], [], effects, seed=0)
