"""Relief that water has cut: rivers lie lowest, the main one falls from north to south."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.simulate.geometry import Place
from labkit.simulate.terrain import Terrain, make_terrain, slope_and_aspect


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    return make_terrain(Place(101.95, 30.85), 9000.0, 7000.0, 40.0, 2, seed=1)


@pytest.mark.parametrize("aspect", [0.0, 45.0, 90.0, 200.0, 315.0])
@pytest.mark.parametrize("slope", [10.0, 35.0])
def test_a_plane_has_the_slope_and_aspect_it_was_built_with(aspect: float, slope: float) -> None:
    rows, cols = np.indices((9, 9)) * 40.0
    downhill = cols * np.sin(np.radians(aspect)) - rows * np.cos(np.radians(aspect))
    got_slope, got_aspect = slope_and_aspect(-downhill * np.tan(np.radians(slope)), 40.0)
    assert got_slope == pytest.approx(np.full((9, 9), slope))
    assert np.cos(np.radians(got_aspect - aspect)) == pytest.approx(np.ones((9, 9)))


def test_valleys_lie_below_their_slopes(terrain: Terrain) -> None:
    floor = terrain.height[terrain.river_distance < 60].mean()
    assert floor + 500 < terrain.height[terrain.river_distance > 1500].mean()


def test_the_main_river_runs_downhill(terrain: Terrain) -> None:
    lon, lat = np.asarray(terrain.rivers.geometry.iloc[0].coords).T
    heights = terrain.at(terrain.height, *terrain.place.to_ground(lon, lat))
    thirds = [part.mean() for part in np.array_split(heights, 3)]
    assert thirds[0] > thirds[1] > thirds[2]


def test_slopes_are_those_of_mountains(terrain: Terrain) -> None:
    assert 12 < np.median(terrain.slope) < 35
    assert np.percentile(terrain.slope, 99) < 65


def test_water_follows_the_main_river_only(terrain: Terrain) -> None:
    assert 0.002 < terrain.water.mean() < 0.06
    assert terrain.river_distance[terrain.water].max() < 200


def test_the_dem_is_north_up_in_degrees(terrain: Terrain) -> None:
    dem = terrain.dem()
    assert dem.dims == ("y", "x") and dem.attrs["crs"] == "EPSG:4326"
    assert (np.diff(dem["y"]) < 0).all() and (np.diff(dem["x"]) > 0).all()
    lon, lat = terrain.place.to_lonlat(np.array(0.0), np.array(0.0))
    middle = float(dem.interp(x=float(lon), y=float(lat)))
    assert middle == pytest.approx(terrain.at(terrain.height, [0.0], [0.0])[0], abs=0.01)


def test_tributaries_join_the_main_river(terrain: Terrain) -> None:
    main, *others = terrain.rivers.geometry
    assert len(others) == 2
    for tributary in others:
        assert tributary.distance(main) < 1e-4
