"""The map: everything at its place, nothing asked of the network, names from files escaped."""

from __future__ import annotations

import base64
import io

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from couplet_scene import couplet_boxes, couplet_gradients
from PIL import Image
from pyproj import Transformer
from shapely.geometry import LineString, box

import labkit as lk
from labkit import LabkitError
from labkit.view import overlay


@pytest.fixture(scope="module")
def scene() -> xr.Dataset:
    return couplet_gradients()


@pytest.fixture(scope="module")
def boxes(scene) -> gpd.GeoDataFrame:
    return couplet_boxes(scene)


def layers_of(shown, kind: str) -> list:
    return [layer for layer in shown.layers if type(layer).__name__ == kind]


def legend_of(shown) -> str:
    return " ".join(c.widget.value for c in shown.controls if hasattr(c, "widget") and hasattr(c.widget, "value"))


def test_nothing_is_fetched_unless_a_base_layer_is_asked_for(scene, boxes):
    shown = lk.view.map(boxes, lk.density(boxes), gradients=scene)
    assert not layers_of(shown, "TileLayer")
    assert all(layer.url.startswith("data:image/png;base64,") for layer in layers_of(shown, "ImageOverlay"))
    assert len(layers_of(lk.view.map(boxes, basemap="OpenTopoMap"), "TileLayer")) == 1


def test_ground_that_was_not_observed_is_grey_and_named(boxes):
    field = lk.density(boxes, cell_m=100, bandwidth_m=500)
    half = field.where(field["x"] > float(field["x"].mean()))
    assert "not observed" not in legend_of(lk.view.map(boxes, field))
    shown = lk.view.map(boxes, half)
    assert "not observed" in legend_of(shown)
    (blank,) = [layer for layer in layers_of(shown, "ImageOverlay") if layer.name == "not observed"]
    alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(blank.url.split(",")[1]))))[..., 3]
    assert alpha[:, : alpha.shape[1] // 3].mean() > 150 and alpha[:, -alpha.shape[1] // 3 :].max() == 0


def test_landslides_are_polygons_at_their_place_with_score_and_support(boxes):
    told = boxes.assign(support=[["azimuth"], ["range"], ["azimuth", "range"], []], scene="<b>&")
    shown = lk.view.map(told)
    (layer,) = layers_of(shown, "GeoJSON")
    assert len(layer.data["features"]) == 4
    np.testing.assert_allclose(
        np.array(layer.data["features"][0]["geometry"]["coordinates"][0])[:, 0].min(), boxes.geometry.iloc[0].bounds[0]
    )
    words = layer.data["features"][2]["properties"]["words"]
    assert "score: 0.683" in words and "support: azimuth, range" in words and "scene: &lt;b&gt;&amp;" in words
    assert "xmin" not in words
    merged = boxes.assign(azimuth=True, range=False, ascending=True, descending=False, members=2)
    words = layers_of(lk.view.map(merged), "GeoJSON")[0].data["features"][0]["properties"]["words"]
    assert "support: azimuth, ascending" in words and "descending" not in words and "members: 2" in words


def test_the_view_holds_all_that_is_shown(boxes):
    shown = lk.view.map(boxes, height="400px")
    west, south, east, north = boxes.total_bounds
    assert west < shown.center[1] < east and south < shown.center[0] < north
    degrees = 360 / 256 / 2**shown.zoom  # one pixel of the screen
    assert (east - west) / degrees <= 950 and (north - south) / degrees / np.cos(np.radians(31)) <= 400
    assert (north - south) / degrees / np.cos(np.radians(31)) > 150, "and does not leave it nearly empty"


def test_the_legend_explains_the_density_and_counts(scene, boxes):
    county = gpd.GeoDataFrame({"name": ["A"]}, geometry=[box(101.9, 30.9, 102.1, 31.1)], crs=4326)
    river = gpd.GeoDataFrame({"name": ["B"]}, geometry=[LineString([(102, 31), (102.1, 31)])], crs=4326)
    unplaced = boxes.copy()
    unplaced.loc[0, "geometry"] = None
    shown = lk.view.map(unplaced, lk.density(boxes), labels=boxes, counties=county, rivers=river, gradients=scene)
    words = legend_of(shown)
    for expected in ("landslides per km²", "blue: phase falls along azimuth", "1 county", "1 river", "4 labels"):
        assert expected in words
    assert "3 detections (1 without a place)" in words


def test_the_density_picture_puts_each_cell_where_it_is():
    slides = gpd.GeoDataFrame(geometry=[box(102.10, 31.05, 102.101, 31.051)], crs=4326)
    field = lk.density(slides, cell_m=500, bandwidth_m=0, extent=(102.0, 31.0, 102.2, 31.15))
    picture = overlay.from_density(field)
    rows, cols = np.nonzero(picture.values > 0)
    west, south, east, north = picture.bounds
    height, width = picture.values.shape
    lon = west + (cols.mean() + 0.5) / width * (east - west)
    # A web map is even in Mercator's northing, not in latitude.
    to_mercator = Transformer.from_crs(4326, 3857, always_xy=True)
    low, high = (to_mercator.transform(lon, v)[1] for v in (south, north))
    _, lat = Transformer.from_crs(3857, 4326, always_xy=True).transform(
        to_mercator.transform(lon, south)[0], high - (rows.mean() + 0.5) / height * (high - low)
    )
    assert lon == pytest.approx(102.1005, abs=0.003) and lat == pytest.approx(31.0505, abs=0.003)


def test_the_gradient_picture_agrees_with_the_scene(scene):
    picture = overlay.from_layer(scene, scene["gradient"].sel(direction="azimuth"))
    west, south, east, north = picture.bounds
    height, width = picture.values.shape
    found = np.unravel_index(np.nanargmax(picture.values), picture.values.shape)
    lon, lat = west + (found[1] + 0.5) / width * (east - west), north - (found[0] + 0.5) / height * (north - south)
    strongest = np.unravel_index(np.nanargmax(scene["gradient"].values[0]), (120, 160))
    y, x = lk.geo.lonlat_to_pixel(scene, lon, lat)
    assert abs(float(y) - strongest[0] - 0.5) < 1.5 and abs(float(x) - strongest[1] - 0.5) < 1.5
    assert np.isnan(picture.values[2, 2]), "no data stays no data"


def test_no_data_is_transparent_and_the_picture_is_a_png():
    rgba = overlay.coloured(np.array([[np.nan, 4.0], [-4.0, 0.0]]), "RdBu_r", -4, 4, opacity=0.8)
    uri = overlay.png_uri(rgba)
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    assert back[0, 0, 3] == 0 and back[0, 1, 3] == 204
    assert back[0, 1, 0] > back[0, 1, 2] and back[1, 0, 2] > back[1, 0, 0]


def test_nothing_to_show_is_named(scene):
    with pytest.raises(LabkitError, match="a map must have something with a place to show, instead got nothing"):
        lk.view.map()
    with pytest.raises(LabkitError, match="0 placed detections"):
        lk.view.map(lk.schema.boxes_table())
    with pytest.raises(LabkitError, match="direction must be one of .*, instead got direction='up'"):
        lk.view.map(gradients=scene, direction="up")
    with pytest.raises(LabkitError, match="labels must be a GeoDataFrame with a geometry and a coordinate system"):
        lk.view.map(labels=gpd.GeoDataFrame({"a": [1]}))
