"""Masks of a region on the pixels of a burst: polygons and images on a map, in any coordinate system."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from couplet_scene import couplet_gradients
from pyproj import Transformer
from rasterio import Affine
from shapely.geometry import box

import labkit as lk
from labkit import FileError
from labkit.region.masks import observed_pixels, read_masks
from labkit.region.plan import Plan


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    return couplet_gradients(120, 160)


def plan(folder: Path, **masks: str) -> Plan:
    return Plan({"up": ("up-*",)}, "results", "couplets", masks=masks, folder=folder)


def middles(stack: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    return lk.geo.pixel_to_lonlat(stack, *(np.indices((stack.sizes["y"], stack.sizes["x"])) + 0.5))


def write_image(path: Path, values: np.ndarray, transform: Affine, crs: str | None, **more: object) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        transform=transform, crs=crs, **more,
    ) as file:  # fmt: skip
        file.write(values, 1)


@pytest.mark.parametrize(("name", "crs"), [("drawn.gpkg", 4326), ("drawn.geojson", 4326), ("drawn.parquet", 32648)])
def test_polygons_mask_the_pixels_whose_centres_they_hold(stack, tmp_path, name, crs):
    lon, lat = middles(stack)
    area = shapely.Point(lon.mean(), lat.mean()).buffer(0.01)
    lk.write_detections(gpd.GeoDataFrame(geometry=[area], crs=4326).to_crs(crs), tmp_path / name)
    (mask,) = read_masks(plan(tmp_path, snow=name), stack).values()
    inside = shapely.contains_xy(area, lon, lat)
    assert 0.05 < inside.mean() < 0.95 and mask.attrs["scene"] == stack.attrs["scene"]
    # a circle that was projected and back has its edge a hair's breadth beside
    assert (mask.values != inside).sum() <= (2 if crs == 32648 else 0)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32648"])
def test_an_image_masks_the_pixels_that_lie_in_its_cells(stack, tmp_path, crs):
    lon, lat = middles(stack)
    east, north = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    step = (east.max() - east.min()) / 12
    left, top = east.min() + 2 * step, north.max() - 2 * step  # ground beyond the image is not masked
    values = np.random.default_rng(0).integers(0, 3, (9, 9), np.uint8)  # 0 is free, 1 masked, 2 no data
    write_image(tmp_path / "layover.tif", values, Affine(step, 0, left, 0, -step, top), crs, nodata=2)
    (mask,) = read_masks(plan(tmp_path, layover="layover.tif"), stack).values()
    rows, cols = np.floor((top - north) / step).astype(int), np.floor((east - left) / step).astype(int)
    there = (rows >= 0) & (rows < 9) & (cols >= 0) & (cols < 9)
    expected = np.zeros(lon.shape, bool)
    expected[there] = values[rows[there], cols[there]] == 1
    assert not there.all() and 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(mask.values, expected)


def test_an_image_masks_a_burst_across_the_date_line_from_either_side(stack, tmp_path):
    lon, lat = middles(stack)
    turn = 180 - float(lon.mean())
    across = stack.assign_coords(lon=(stack["lon"] + turn + 180) % 360 - 180)
    masks = []
    for left in (float(lon.min()), float(lon.mean()), float(lon.mean()) + turn, float(lon.mean()) + turn - 360):
        # the eastern half, on a grid that begins at its western edge
        ones = np.ones((1, 1), np.uint8)
        write_image(tmp_path / "half.tif", ones, Affine(1, 0, left, 0, -1, float(lat.max()) + 0.5), "EPSG:4326")
        scene = across if left > 179 or left < -179 else stack
        masks.append(read_masks(plan(tmp_path, half="half.tif"), scene)["half"].values)
    assert masks[0].all()
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, lon >= lon.mean())


def test_what_any_mask_covers_was_not_observed(stack, tmp_path):
    lon, lat = middles(stack)
    for name, area in (("a", box(0, 0, lon.mean(), 90)), ("b", box(0, 0, 180, lat.mean()))):
        gpd.GeoDataFrame(geometry=[area], crs=4326).to_file(tmp_path / f"{name}.gpkg")
    holes = stack.where(np.random.default_rng(0).random((120, 160)) > 0.2)
    seen = observed_pixels(holes, read_masks(plan(tmp_path, a="a.gpkg", b="b.gpkg"), holes))
    known = holes["gradient"].notnull().any("direction").values
    np.testing.assert_array_equal(seen, known & (lon > lon.mean()) & (lat > lat.mean()))
    assert lk.geo.has_lonlat(seen) and seen.dtype == bool
    np.testing.assert_array_equal(observed_pixels(holes, {}), known)


@pytest.mark.parametrize(
    ("name", "words"),
    [("text.tif", "must be an image that GDAL can read"), ("nowhere.tif", "must say its coordinate system"),
     ("text.gpkg", "must be polygons that GDAL can read"), ("text.parquet", "must be polygons that GDAL can read")],
)  # fmt: skip
def test_a_mask_that_cannot_be_laid_down_is_named(stack, tmp_path, name, words):
    (tmp_path / name).write_text("no such thing")
    if name == "nowhere.tif":
        write_image(tmp_path / name, np.ones((2, 2), np.uint8), Affine(1, 0, 5, 0, -1, 5), None)
    with pytest.raises(FileError, match=f"{name} {words}"):
        read_masks(plan(tmp_path, snow=name), stack)
