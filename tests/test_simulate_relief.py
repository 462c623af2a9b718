"""Carved mountains: rivers of every order that run downhill into each other, and counties between ridges."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import LineString

from labkit.errors import LabkitError
from labkit.simulate.blocks import place_block_slides
from labkit.simulate.counties import ridge_counties
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.presets import PRESETS
from labkit.simulate.relief import Region, make_mountains
from labkit.simulate.rivers import river_width_m
from labkit.simulate.scenes import extent
from labkit.simulate.terrain import Terrain

PLACE = Place(101.95, 30.85)
REGION = Region(30_000.0, 24_000.0, 60.0, 120.0, (9000.0,), 3.0)
SPAN = np.datetime64("2018-01-01"), np.datetime64("2020-01-01")


@pytest.fixture(scope="module")
def mountains() -> Terrain:
    return make_mountains(PLACE, REGION, seed=3)


@pytest.fixture(scope="module")
def region() -> tuple[Terrain, list[Frame]]:
    """The terrain of the region scene, without any pair."""
    preset = PRESETS["region"]
    frames = [Frame("ascending", 348.0, 38.6, preset.shape, 40.0), Frame("descending", 192.0, 37.3, preset.shape, 40.0)]
    how = Region(*extent(frames), preset.terrain_m, preset.drainage_m, preset.trunks_km2, preset.river_km2)
    return make_mountains(PLACE, how, seed=0), frames


def parts(terrain: Terrain) -> list[LineString]:
    return [part for line in terrain.rivers.geometry for part in getattr(line, "geoms", [line])]


def test_rivers_run_downhill(mountains: Terrain) -> None:
    """Bilinear reading between carved cells leaves some metres of play."""
    for line in parts(mountains):
        lon, lat = np.asarray(line.coords).T
        heights = mountains.at(mountains.height, *PLACE.to_ground(lon, lat))
        rise = heights - np.minimum.accumulate(heights)
        assert rise.max() < 30.0
        assert heights[-1] < heights[0]


def test_rivers_lie_in_valleys_that_are_cut_below_their_slopes(mountains: Terrain) -> None:
    on_rivers = mountains.height[mountains.river_distance == 0].mean()
    assert on_rivers + 300 < mountains.height[mountains.river_distance > 1000].mean()


def test_the_great_river_crosses_the_region_and_all_others_are_of_lower_order(mountains: Terrain) -> None:
    main = mountains.rivers.iloc[0]
    assert main["area_km2"] > 9000 and main["order"] == mountains.rivers["order"].max() >= 3
    lat = np.asarray(main.geometry.coords)[:, 1]
    _, (north, south) = PLACE.to_lonlat(np.zeros(2), np.array([mountains.north[0], mountains.north[-1]]))
    assert lat.max() == pytest.approx(north, abs=1e-3) and lat.min() == pytest.approx(south, abs=1e-3)
    assert mountains.rivers["area_km2"].is_monotonic_decreasing
    assert set(mountains.rivers["order"]) >= {1, 2, 3}


def test_tributaries_end_on_the_river_they_join_or_at_the_edge(mountains: Terrain) -> None:
    lon, lat = PLACE.to_lonlat(mountains.east[[0, -1]], mountains.north[[-1, 0]])
    frame = np.array([lon[0], lat[0], lon[1], lat[1]])
    for index, line in enumerate(mountains.rivers.geometry):
        if line.geom_type != "LineString":
            continue
        mouth = line.interpolate(1.0, normalized=True)
        at_edge = min(np.abs(np.array([mouth.x, mouth.y] * 2) - frame)) < 1e-3
        others = shapely.union_all(np.delete(mountains.rivers.geometry.to_numpy(), index))
        assert at_edge or others.distance(mouth) < 1e-4


def test_names_are_each_given_once(mountains: Terrain) -> None:
    assert mountains.rivers["name"].is_unique and (mountains.rivers["name"].str.len() > 3).all()


def test_water_is_as_wide_as_the_river(mountains: Terrain) -> None:
    """Only the great river is wider than a cell of 60 m: 1.4 · √9000 = 133 m, and all cells that it touches are wet."""
    length = mountains.rivers.iloc[0]["length_km"] * 1000
    width = mountains.water.sum() * 60.0**2 / length
    assert float(river_width_m(9000.0)) == pytest.approx(132.8, abs=0.1)
    assert 100 < width < 270


def test_slopes_are_those_of_mountains_that_rivers_cut(mountains: Terrain) -> None:
    assert 20 < np.median(mountains.slope) < 35
    assert np.percentile(mountains.slope, 99) < 60
    assert ((mountains.slope > 10) & (mountains.slope < 40)).mean() > 0.6


def test_a_seed_tells_everything(mountains: Terrain) -> None:
    again, other = make_mountains(PLACE, REGION, seed=3), make_mountains(PLACE, REGION, seed=4)
    assert np.array_equal(again.height, mountains.height) and again.rivers.equals(mountains.rivers)
    assert not np.array_equal(other.height, mountains.height)


def test_counties_cover_the_terrain_once_and_are_uneven(region: tuple[Terrain, list[Frame]]) -> None:
    terrain, _ = region
    counties = ridge_counties(terrain, 10, seed=0)
    assert len(counties) == 10 and counties["name"].is_unique and counties.geometry.is_valid.all()
    areas = counties.to_crs("EPSG:32648").area
    union = counties.union_all()
    assert sum(shape.area for shape in counties.geometry) == pytest.approx(union.area, rel=1e-6)
    assert areas.max() > 2 * areas.min() and areas.min() > 0.02 * areas.sum()
    assert (counties.geom_type == "Polygon").all()
    assert union.area == pytest.approx(union.envelope.area, rel=0.01)


def test_borders_run_higher_than_the_land(region: tuple[Terrain, list[Frame]]) -> None:
    terrain, _ = region
    counties = ridge_counties(terrain, 10, seed=0)
    frame = counties.union_all().buffer(-0.01)
    heights = []
    for county in counties.geometry:
        line = county.exterior.intersection(frame)
        points = np.concatenate([np.asarray(part.coords) for part in getattr(line, "geoms", [line])])
        heights.append(terrain.at(terrain.height, *PLACE.to_ground(*points.T)))
    assert np.mean(np.concatenate(heights)) > terrain.height.mean() + 50


def test_too_many_counties_are_refused(mountains: Terrain) -> None:
    with pytest.raises(LabkitError, match="count must be between 1 and 14, instead got count=15"):
        ridge_counties(mountains, 15, seed=0)


def test_the_landslides_of_the_region_are_as_landslides_are(region: tuple[Terrain, list[Frame]]) -> None:
    """300: from 150 m to 2 km and from 5 to 200 mm/yr, evenly in the logarithm, on 10–40°, near rivers."""
    terrain, frames = region
    slides = place_block_slides(terrain, frames, 300, SPAN, seed=0)
    lengths = np.array([slide.length_m for slide in slides])
    rates = np.array([max(abs(slide.los_rate(frame)) for frame in frames) for slide in slides])
    slopes = np.array([slide.slope for slide in slides])
    for values, (least, most) in ((lengths, (150.0, 2000.0)), (rates, (5.0, 200.0))):
        assert values.min() >= least - 1e-6 and values.max() <= most + 1e-6
        share = np.log(values / least) / np.log(most / least)
        # small landslides find room more often than great ones: the draw is even, what fits is nearly so
        assert np.histogram(share, 4, (0, 1))[0].min() > 300 / 4 * 0.6
    assert slopes.min() >= 10 and slopes.max() <= 40 and 20 < np.median(slopes) < 32
    east, north = (np.array([getattr(slide, axis) for slide in slides]) for axis in ("east", "north"))
    distance = terrain.at(terrain.river_distance, east, north)
    assert distance.max() < 4000 and np.median(distance) < 1500
    ratio = [abs(slide.los_rate(frames[0])) / abs(slide.los_rate(frames[1])) for slide in slides]
    assert np.mean(np.array(ratio) > 4) > 0.05 and np.mean(np.array(ratio) < 0.25) > 0.05


def test_no_outline_is_a_circle_or_an_ellipse(region: tuple[Terrain, list[Frame]]) -> None:
    terrain, frames = region
    outlines = [slide.outline(PLACE) for slide in place_block_slides(terrain, frames, 40, SPAN, seed=0)]
    filled = [shape.area / shape.minimum_rotated_rectangle.area for shape in outlines]
    assert np.std(filled) > 0.02 and max(filled) < 0.9
    assert np.mean([shape.convex_hull.area / shape.area > 1.01 for shape in outlines]) > 0.3
