"""Hillsides under given pairs: as the radar sees them, each from another place, with landslides where slopes are."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from labkit.errors import LabkitError
from labkit.simulate import Scene, pairs_like
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.hillsides import Hillside, _ground_seen, hillsides_like
from labkit.simulate.terrain import terrain_of


@pytest.fixture(scope="module")
def given(tiny_scene: Scene) -> xr.Dataset:
    return tiny_scene.interferograms["descending"].isel(pair=slice(0, 4), y=slice(0, 60), x=slice(0, 60))


@pytest.fixture(scope="module")
def sides(given: xr.Dataset) -> list[Hillside]:
    return hillsides_like(given, 3, seed=1)


def test_they_are_mountain_sides_of_other_places_with_a_landslide_each(
    sides: list[Hillside], given: xr.Dataset
) -> None:
    for side in sides:
        assert side.height.shape == (60, 60) and np.isfinite(side.height).all()
        assert 200 < np.ptp(side.height) < 3000
        (mover,) = side.movers
        assert 1 < np.abs(mover.rate).max() < 400
        assert mover.motion.behaviour == "linear"
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.corrcoef(sides[one].height.ravel(), sides[other].height.ravel())[0, 1] < 0.98
    again = hillsides_like(given, 1, seed=1)[0]
    np.testing.assert_array_equal(again.height, sides[0].height)
    np.testing.assert_array_equal(again.movers[0].rate, sides[0].movers[0].rate)


def test_pairs_are_made_over_them(sides: list[Hillside], given: xr.Dataset) -> None:
    made = pairs_like(given, height=sides[0].height, movers=sides[0].movers).compute()
    assert np.isfinite(made["phase"].values).all()


def test_a_slope_toward_the_radar_is_shortened_by_the_formula_and_one_away_from_it_stretched() -> None:
    """A hill with slopes α = 20° on either side, θ = 40°: a pixel holds 1 / (1 ∓ tan α / tan θ) of its level ground."""
    frame = Frame("ascending", 0.0, 40.0, (9, 120), 20.0)
    axis = np.arange(-3000.0, 3001.0, 10.0)
    tan = np.tan(np.radians(20.0))
    # the radar flies north and looks east: ground that rises eastward faces it
    height = np.broadcast_to(np.maximum(600.0 - np.abs(axis), 0.0) * tan, (len(axis), len(axis)))
    terrain = terrain_of(Place(0.0, 0.0), axis, -axis, height, [])
    east, _ = _ground_seen(terrain, frame)
    step = np.diff(east, axis=1)[4]
    middle = (east[4, 1:] + east[4, :-1]) / 2
    shortening = tan / np.tan(np.radians(40.0))
    facing, away = (middle > -560) & (middle < -40), (middle > 40) & (middle < 560)
    np.testing.assert_allclose(step[facing], 20.0 / (1 - shortening), rtol=0.01)
    np.testing.assert_allclose(step[away], 20.0 / (1 + shortening), rtol=0.01)


def test_layover_and_shadow_of_heights_at_pixels_lose_their_coherence(given: xr.Dataset) -> None:
    one = given.isel(pair=[0])
    spacing, flat = float(given.attrs["ground_spacing"]), np.tan(np.radians(float(given.attrs["incidence_angle"])))
    x = np.arange(60.0)
    # as steep as the incidence allows toward the radar from sample 30 on: a cliff between two pixels; shadow from 45 on
    height = np.where(x < 30, 0.0, 40 * spacing) - np.where(x > 45, (x - 45) * 1.02 * spacing / (flat + 1 / flat), 0.0)
    level = one["coherence"].values
    made = pairs_like(one, height=np.broadcast_to(height, (60, 60)), seed=3)["coherence"].values
    assert level.shape == made.shape
    columns = made.mean(axis=(0, 1))
    assert columns[30] < 0.8 * columns[10:25].mean()
    assert columns[50:58].mean() < 0.8 * columns[10:25].mean()


def test_what_does_not_fit_is_refused(given: xr.Dataset) -> None:
    with pytest.raises(LabkitError, match="count must be at least 1"):
        hillsides_like(given, 0)
    wide = given.assign_attrs(ground_spacing=200.0)
    with pytest.raises(LabkitError, match="ifgs must cover at most 8000 m"):
        hillsides_like(wide, 1)
    with pytest.raises(LabkitError, match="count must fit into the mountains"):
        hillsides_like(given, 200, slides=0, seed=1)
