"""Radar images on a map grid: against the geometry that the simulator made them with, and against griddata."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from scipy.interpolate import griddata

import labkit as lk
from labkit import LabkitError, geo
from labkit.geocode import Grid, geocoding


def true_position(scene, track, table):
    """Where the simulator says that the centres of the cells lie in the image: pixel edges (y, x)."""
    to_lonlat = Transformer.from_crs(table.grid.crs, 4326, always_xy=True)
    lon, lat = to_lonlat.transform(*np.meshgrid(table.grid.x, table.grid.y))
    return scene.frames[track].pixel(*scene.place.to_ground(lon, lat))


@pytest.mark.parametrize("track", ["ascending", "descending"])
@pytest.mark.parametrize(("crs", "spacing"), [(None, 25.0), ("EPSG:4326", 0.0003), ("EPSG:3857", 60.0)])
def test_every_cell_finds_the_pixel_that_the_simulator_put_there(tiny_scene, track, crs, spacing):
    rates = tiny_scene.rates[track]
    table = geocoding(rates, spacing, crs)
    y, x = true_position(tiny_scene, track, table)
    lines, samples = rates["rate"].shape
    inside = (y > 0.01) & (y < lines - 0.01) & (x > 0.01) & (x < samples - 0.01)
    outside = (y < -0.01) | (y > lines + 0.01) | (x < -0.01) | (x > samples + 0.01)
    assert inside.sum() > 5000 and outside.sum() > 5000
    assert np.isfinite(table.y[inside]).all() and np.isnan(table.y[outside]).all(), "NaN outside, and there alone"
    assert np.abs(table.y - y)[inside].max() < 0.01 and np.abs(table.x - x)[inside].max() < 0.01, "of half a pixel"


def test_a_field_on_the_ground_comes_out_at_its_place(tiny_scene):
    """A wave of 800 m over the ground, seen by the radar and laid back, is the wave again, on either track."""

    def wave(east, north):
        return np.sin(2 * np.pi * east / 800.0) * np.cos(2 * np.pi * north / 800.0)

    grid = None
    for track, frame in tiny_scene.frames.items():
        rates = tiny_scene.rates[track]
        seen = rates["rate"].copy(data=wave(*frame.pixel_centres()))
        table = geocoding(rates, 20.0) if grid is None else geocoding(rates, like=grid)
        grid = table.grid
        on_map = table(seen)
        true = wave(*frame.ground(*true_position(tiny_scene, track, table)))
        known = np.isfinite(on_map.values)
        # bilinear between pixels of 40 m: at most (2π · 40 / 800)² / 8 for each axis, and the flat edge of half a pixel
        assert np.abs(on_map.values - true)[known].max() < 0.17 and np.abs(on_map.values - true)[known].mean() < 0.02
        nearest = table(seen, "nearest")
        y, x = (
            np.floor(v[known]).astype(int).clip(0, n - 1) for v, n in zip((table.y, table.x), seen.shape, strict=True)
        )
        np.testing.assert_array_equal(nearest.values[known], seen.values[y, x])


def test_it_is_what_griddata_gives_inside(tiny_scene):
    rates = tiny_scene.rates["ascending"].isel(y=slice(0, 60), x=slice(0, 70))
    table = geocoding(rates, 30.0)
    to_map = Transformer.from_crs(4326, table.grid.crs, always_xy=True)
    east, north = to_map.transform(rates["lon"].values, rates["lat"].values)
    smooth = rates["rate"].copy(data=np.sin(east / 500.0) + np.cos(north / 700.0))
    points = np.column_stack([east.ravel(), north.ravel()])
    plain = griddata(points, smooth.values.ravel(), tuple(np.meshgrid(table.grid.x, table.grid.y)))
    # griddata goes to the centres of the outermost pixels and no further, and fills dents of the edge with slivers
    inner = (table.y > 0.5) & (table.y < 59.5) & (table.x > 0.5) & (table.x < 69.5)
    assert inner.sum() > 5000 and np.isfinite(plain[inner]).all()
    # two flat triangles there, one bent cell here
    assert np.abs(plain - table(smooth).values)[inner].max() < 2 * (40 / 500) ** 2 / 4


def test_a_pixel_without_data_stays_without_and_spoils_no_neighbour(tiny_scene):
    rates = tiny_scene.rates["ascending"]
    image = xr.full_like(rates["rate"], 3.0)
    image[40, 50] = np.nan
    table = geocoding(rates, 10.0)
    on_map = table(image)
    hit = (np.floor(table.y) == 40) & (np.floor(table.x) == 50)
    assert hit.sum() >= 9 and np.isnan(on_map.values[hit]).all()
    np.testing.assert_array_equal(on_map.values[~hit & np.isfinite(table.y)], 3.0)


def test_a_hole_in_the_lookup_table_is_a_hole_in_the_map(tiny_scene):
    rates = tiny_scene.rates["ascending"].copy()
    lon = rates["lon"].values.copy()
    lon[30:60, 40:80] = np.nan
    holed = rates.assign_coords(lon=(("y", "x"), lon))
    whole, table = geocoding(rates, 40.0), None
    table = geocoding(holed, like=whole)
    lost = np.isfinite(whole.y) & np.isnan(table.y)
    assert 1000 < lost.sum() < 1500
    assert (whole.y[lost] > 29).all() and (whole.y[lost] < 61).all()
    np.testing.assert_array_equal(table.y[~lost], whole.y[~lost])


def test_all_layers_of_an_object_go_at_once(tiny_scene):
    stacked = lk.stack_gradients(tiny_scene.interferograms["ascending"], progress=False)
    table = lk.geocoding(stacked)
    on_map = table(stacked)
    assert table.grid.spacing == stacked.attrs["ground_spacing"]
    assert on_map["gradient"].dims == ("direction", "y", "x") and on_map["coherence"].shape == table.grid.shape
    one = table(stacked["gradient"].sel(direction="range"))
    np.testing.assert_array_equal(on_map["gradient"].sel(direction="range"), one)
    # what is on the map knows its place as every scene on a grid does
    y, x = geo.lonlat_to_pixel(on_map, *geo.pixel_to_lonlat(stacked, 80.5, 90.5))
    assert abs(table.y[int(y), int(x)] - 80.5) < 1.0 and abs(table.x[int(y), int(x)] - 90.5) < 1.0


@given(turn=st.floats(-180, 180), shear=st.floats(-0.5, 0.5), spacing=st.floats(0.4, 3.0))
def test_any_straight_image_is_laid_down_exactly_and_without_a_gap(turn, shear, spacing):
    """Lines and samples that run straight over UTM: position and inside are a formula."""
    shape, cos, sin = (12, 9), np.cos(np.radians(turn)), np.sin(np.radians(turn))
    ahead = np.array([[cos, -sin + shear * cos], [sin, cos + shear * sin]]) * 100.0
    y, x = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    east, north = 500_000 + ahead[0, 0] * x + ahead[0, 1] * y, 3_400_000 + ahead[1, 0] * x + ahead[1, 1] * y
    lon, lat = Transformer.from_crs(32648, 4326, always_xy=True).transform(east, north)
    scene = xr.Dataset({"rate": (("y", "x"), y)}, {"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)})
    table = geocoding(scene, spacing * 100.0, "EPSG:32648")
    at = np.stack(np.meshgrid(table.grid.x - 500_000, table.grid.y - 3_400_000))
    true_x, true_y = np.einsum("ij,jrc->irc", np.linalg.inv(ahead), at)
    inside = (true_y > 0.001) & (true_y < shape[0] - 0.001) & (true_x > 0.001) & (true_x < shape[1] - 0.001)
    outside = (true_y < -0.001) | (true_y > shape[0] + 0.001) | (true_x < -0.001) | (true_x > shape[1] + 0.001)
    assert np.isfinite(table.y[inside]).all() and np.isnan(table.y[outside]).all()
    assert inside.any()
    np.testing.assert_allclose(table.y[inside], true_y[inside], atol=1e-4)
    np.testing.assert_allclose(table.x[inside], true_x[inside], atol=1e-4)


def test_a_map_is_laid_on_another_map():
    y, x = 3_400_000.0 - 50.0 * np.arange(40), 500_000.0 + 50.0 * np.arange(30)
    values = np.add.outer(np.arange(40.0), 0.1 * np.arange(30.0))
    rates = xr.Dataset({"rate": (("y", "x"), values)}, {"y": y, "x": x}, {"crs": "EPSG:32648", "ground_spacing": 50.0})
    table = geocoding(rates, like=Grid(CRS.from_epsg(32648), 499_975.0, 3_400_025.0, 50.0, (40, 30)))
    np.testing.assert_allclose(table(rates["rate"]), values, atol=1e-3)


def test_what_cannot_be_geocoded_is_refused(tiny_scene):
    rates = tiny_scene.rates["ascending"]
    table = geocoding(rates)
    for call, words in (
        (lambda: geocoding(rates.drop_vars(["lon", "lat"])), "data must have lon/lat"),
        (lambda: geocoding(rates, -1.0), "spacing must be above 0.*spacing=-1.0"),
        (lambda: geocoding(rates, 0.001), "spacing must give at most"),
        (lambda: geocoding(rates.assign_coords(lon=rates["lon"] * np.nan)), "must place some pixels"),
        (lambda: table(rates["rate"], "cubic"), "method must be one of .*cubic"),
        (lambda: table(rates["rate"][1:]), r"data must have the shape .*\(160, 192\).*\(159, 192\)"),
        (lambda: table(xr.Dataset({"a": ("pair", [1.0])})), "data must hold an image"),
    ):
        with pytest.raises(LabkitError, match=words):
            call()
