"""What a panel shows of a large scene: means of blocks with the place of their middle."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from couplet_scene import couplet_gradients

from labkit import LabkitError, geo
from labkit.view.pixels import shown


def test_a_small_scene_is_shown_as_it_is():
    scene = couplet_gradients(20, 30)
    layer = scene["gradient"].sel(direction="azimuth")
    part = shown(scene, {"value": layer})
    np.testing.assert_array_equal(part.arrays["value"], layer.values)
    np.testing.assert_allclose(part.arrays["lon"], scene["lon"], rtol=1e-7)
    assert part.step == 1 and part.bounds == (0, 0, 30, 20)


def test_a_large_scene_is_averaged_without_its_no_data():
    image = np.arange(12.0).reshape(3, 4)
    image[0, 1] = np.nan
    part = shown(xr.Dataset(), {"value": xr.DataArray(image, dims=("y", "x"))}, max_pixels=4)
    assert part.step == 2
    # 3 rows make two blocks, of which the second holds one row.
    expected = [[np.nanmean(image[:2, :2]), image[:2, 2:].mean()], [image[2:, :2].mean(), image[2:, 2:].mean()]]
    np.testing.assert_allclose(part.arrays["value"], expected)
    assert part.bounds == (0, 0, 4, 4)


def test_a_block_without_data_stays_without():
    part = shown(xr.Dataset(), {"value": xr.DataArray(np.full((4, 4), np.nan), dims=("y", "x"))}, max_pixels=4)
    assert np.isnan(part.arrays["value"]).all()


@pytest.mark.parametrize(
    ("rows", "cols", "bounds"),
    [((3.2, 7.9), (0.5, 4.0), (0, 3, 4, 8)), ((-50, 4), (25, 99), (25, 0, 30, 4)), ((7.9, 3.2), None, (0, 3, 30, 8))],
)
def test_a_window_covers_what_was_asked_for_within_the_image(rows, cols, bounds):
    scene = couplet_gradients(20, 30)
    layer = scene["gradient"].sel(direction="range")
    part = shown(scene, {"value": layer}, rows=rows, cols=cols)
    assert part.bounds == bounds
    left, top, right, bottom = map(int, bounds)
    np.testing.assert_array_equal(part.arrays["value"], layer.values[top:bottom, left:right])


def test_places_on_a_map_grid_are_those_of_the_middle_of_each_block():
    grid = xr.Dataset(
        coords={"y": 31 - 0.001 * np.arange(8), "x": 102 + 0.001 * np.arange(8)}, attrs={"crs": "EPSG:4326"}
    )
    layer = xr.DataArray(np.zeros((8, 8)), dims=("y", "x"))
    part = shown(grid, {"value": layer}, max_pixels=16)
    lon, lat = geo.pixel_to_lonlat(grid, 3.0, 5.0)
    assert part.arrays["lon"][1, 2] == pytest.approx(float(lon), abs=1e-5)
    assert part.arrays["lat"][1, 2] == pytest.approx(float(lat), abs=1e-5)


def test_fewer_than_one_pixel_is_refused():
    with pytest.raises(LabkitError, match="max_pixels must be at least 1, instead got max_pixels=0"):
        shown(xr.Dataset(), {"value": xr.DataArray(np.zeros((2, 2)), dims=("y", "x"))}, max_pixels=0)
