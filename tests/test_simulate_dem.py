"""Scenes over a real DEM: its heights, the rivers that its water makes, and tracks that fit on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from pyproj import Transformer
from rasterio.warp import Resampling, calculate_default_transform, reproject
from shapely import MultiPoint
from shapely.geometry import Polygon

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.simulate import Scene, scene
from labkit.simulate.dem import fitted, terrain_of_dem
from labkit.simulate.geometry import Frame
from labkit.simulate.presets import PRESETS
from labkit.simulate.terrain import Terrain


@pytest.fixture(scope="module")
def path(real_data: Path) -> Path:
    return real_data / "dem" / "bigtujunga.tif"


@pytest.fixture(scope="module")
def terrain(path: Path) -> Terrain:
    return terrain_of_dem(path, spacing_m=40.0, river_km2=3.0)


@pytest.fixture(scope="module")
def over_dem(path: Path) -> Scene:
    return scene("workshop", dem=path)


def valley(hole: bool = False) -> xr.DataArray:
    """A valley along a diagonal, 20 × 16 km in 100 m steps."""
    y, x = 3_400_000.0 - 100.0 * np.arange(160), 400_000.0 + 100.0 * np.arange(200)
    across = (x[None, :] - x.mean()) - (y[:, None] - y.mean())
    height = 1500.0 + 0.3 * np.abs(across) + 0.02 * (y[:, None] - y.min()) + 0.02 * (x[None, :] - x.min())
    if hole:
        height[70:75, 90:95] = np.nan
    return xr.DataArray(height, {"y": y, "x": x}, ("y", "x"), attrs={"crs": "EPSG:32648"})


def test_the_terrain_has_the_heights_of_the_file(terrain: Terrain, path: Path) -> None:
    """Asked of the file by rasterio; bilinear reading at 40 m blurs 30 m pixels on slopes by some metres."""
    random = np.random.default_rng(0)
    east = random.uniform(terrain.east[2], terrain.east[-3], 500)
    north = random.uniform(terrain.north[-3], terrain.north[2], 500)
    with rasterio.open(path) as raster:
        to_map = Transformer.from_crs("EPSG:4326", raster.crs, always_xy=True)
        x, y = to_map.transform(*terrain.place.to_lonlat(east, north))
        there = np.array([value[0] for value in raster.sample(zip(x, y, strict=True))], float)
    difference = terrain.at(terrain.height, east, north) - there
    assert np.abs(difference).max() < 45 and np.std(difference) < 10 and abs(difference.mean()) < 1.5


def test_its_rivers_run_in_its_valleys(terrain: Terrain) -> None:
    """Big Tujunga Creek drains some 300 km² of the San Gabriel Mountains; rivers fall from head to mouth."""
    main = terrain.rivers.iloc[0]
    assert 200 < main["area_km2"] < 400 and main["length_km"] > 25
    for line in terrain.rivers.geometry[:20]:
        if line.geom_type != "LineString":
            continue
        lon, lat = np.asarray(line.coords).T
        heights = terrain.at(terrain.height, *terrain.place.to_ground(lon, lat))
        assert heights[-1] < heights[0]
        # the file's whole metres, dams and smoothed bends leave steps
        assert (heights - np.minimum.accumulate(heights)).max() < 80
    beside = terrain.height[(terrain.river_distance > 300) & (terrain.river_distance < 500)].mean()
    assert terrain.height[terrain.river_distance == 0].mean() < beside - 60


def test_the_same_dem_in_degrees_gives_the_same_rivers(terrain: Terrain, path: Path) -> None:
    with rasterio.open(path) as raster:
        to, width, height = calculate_default_transform(
            raster.crs, "EPSG:4326", raster.width, raster.height, *raster.bounds
        )
        values = np.full((height, width), np.nan)
        reproject(
            raster.read(1).astype(float), values, src_transform=raster.transform, src_crs=raster.crs,
            dst_transform=to, dst_crs="EPSG:4326", dst_nodata=np.nan, resampling=Resampling.bilinear,
        )  # fmt: skip
    coords = {"y": to.f + to.e * (np.arange(height) + 0.5), "x": to.c + to.a * (np.arange(width) + 0.5)}
    degrees = xr.DataArray(values, coords, ("y", "x"), attrs={"crs": "EPSG:4326"})[12:-12, 12:-12]
    again = terrain_of_dem(degrees, spacing_m=40.0, river_km2=3.0)
    first, second = (t.rivers.geometry.iloc[0] for t in (terrain, again))
    assert second.hausdorff_distance(first.intersection(second.envelope.buffer(0.002))) < 0.012
    assert again.rivers.iloc[0]["area_km2"] == pytest.approx(terrain.rivers.iloc[0]["area_km2"], rel=0.1)


def test_a_scene_stands_on_it_whole(over_dem: Scene) -> None:
    ground = Polygon.from_bounds(
        float(over_dem.dem["x"].min()), float(over_dem.dem["y"].min()),
        float(over_dem.dem["x"].max()), float(over_dem.dem["y"].max()),
    )  # fmt: skip
    for ifgs in over_dem.interferograms.values():
        schema.check_interferograms(ifgs)
        corners = [(float(ifgs["lon"][i, j]), float(ifgs["lat"][i, j])) for i in (0, -1) for j in (0, -1)]
        assert ground.covers(MultiPoint(corners))
        pair = ifgs.isel(pair=3).compute()
        assert np.isfinite(pair["phase"]).mean() > 0.99
    # the DEM is 19 by 36 km: less than half of the workshop
    assert 200 < over_dem.interferograms["ascending"].sizes["y"] < 750
    assert 3 <= len(over_dem.landslides) < 25
    assert over_dem.landslides["slope"].between(10, 40).all()
    assert over_dem.counties.union_all().covers(over_dem.landslides.union_all())
    assert over_dem.place.lon == pytest.approx(-118.15, abs=0.02)


def test_the_simple_scene_takes_a_dem_too() -> None:
    small = scene("tiny", dem=valley())
    assert small.interferograms["ascending"]["phase"].shape[1:] == (160, 192)
    assert float(small.dem.max()) < 1500 + 0.3 * 18_000 + 800
    assert len(small.landslides) == 5


@pytest.mark.parametrize(("height", "width"), [(19_000.0, 35_000.0), (10_000.0, 60_000.0), (40_000.0, 12_000.0)])
def test_the_tracks_are_as_large_as_fits(height: float, width: float) -> None:
    """Their corners lie inside; and a tenth more would not."""
    east, north = np.arange(-width / 2, width / 2 + 1, 100.0), -np.arange(-height / 2, height / 2 + 1, 100.0)
    flat = np.zeros((len(north), len(east)))
    place = terrain_of_dem(valley(), spacing_m=100.0, river_km2=5.0).place
    terrain = Terrain(place, east, north, flat, flat, flat, flat, flat > 0, None)  # type: ignore[arg-type]
    frame = Frame("ascending", 348.0, 38.6, (10_000, 10_000), 40.0)
    huge = PRESETS["workshop"].__class__((10_000, 10_000), {}, 25, 0, 6, (5.0, 200.0))
    preset, (fit,) = fitted(huge, [frame], terrain)
    assert fit.shape == preset.shape

    def reaches(shape: tuple[float, float]) -> tuple[float, float]:
        lines, samples = (length * 40.0 for length in shape)
        sine, cosine = np.sin(np.radians(12.0)), np.cos(np.radians(12.0))
        return lines * cosine + samples * sine, lines * sine + samples * cosine

    down, across = reaches(fit.shape)
    assert down <= height and across <= width
    down, across = reaches((1.1 * fit.shape[0], 1.1 * fit.shape[1]))
    assert down > height or across > width


def test_what_is_no_dem_is_refused_with_a_word(tmp_path: Path) -> None:
    with pytest.raises(LabkitError, match=r"dem must have a height everywhere, instead 0\.\d% of it has none. Fill"):
        scene("tiny", dem=valley(hole=True))
    with pytest.raises(LabkitError, match="dem must have a CRS"):
        scene("tiny", dem=valley().drop_attrs())
    with pytest.raises(LabkitError, match="dem must have room for 96 × 96 pixels of 40 m"):
        scene("tiny", dem=valley()[:40, :40])
    with pytest.raises(LabkitError, match=r"dem must have even steps along x, instead got 100 to 200"):
        scene("tiny", dem=valley().isel(x=[*range(50), *range(51, 200)]))
    words = tmp_path / "words.tif"
    words.write_text("no raster")
    with pytest.raises(FileError, match=r"words\.tif must be a raster of heights"):
        scene("tiny", dem=words)
