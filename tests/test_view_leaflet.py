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


def pointed_at(shown, row: int, event: str = "mouseover") -> str:
    """What the corner says when the page says that the pointer is on a feature, or clicks on it."""
    (layer,) = layers_of(shown, "GeoJSON")
    feature = next(f for f in layer.data["features"] if f["properties"]["row"] == row)
    layer._handle_mouse_events(None, {"event": event, "feature": feature, "properties": feature["properties"]}, [])
    (info,) = [c.widget for c in shown.controls if hasattr(c, "widget") and c.position == "topright"]
    assert info.layout.display == "block"
    return info.value


def styles_of(shown) -> list[str]:
    return [f["properties"]["style"]["color"] for f in layers_of(shown, "GeoJSON")[0].data["features"]]


def test_detections_are_coloured_by_score_or_by_what_supports_them(boxes):
    plain = styles_of(lk.view.map(boxes))
    assert len(set(plain)) == 1
    scored = lk.view.map(boxes, colour_by="score")
    lightness = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in styles_of(scored)]
    assert lightness == sorted(lightness, reverse=True) and len(set(lightness)) == 4, "the best score is the brightest"
    assert "4 detections, by score" in legend_of(scored)
    alike = lk.view.map(boxes.assign(score=[1.0, 1.0, 1.0, np.nan]), colour_by="score")
    assert "score 1.00: 3" in legend_of(alike) and "linear-gradient" not in legend_of(alike), "no scale from 1 to 1"
    assert "by score" in legend_of(alike) and "seen in" not in legend_of(alike)
    assert len(set(styles_of(alike))) == 2, "the one without a score looks different"
    merged = boxes.assign(
        azimuth=True, range=False, ascending=[True, True, False, False], descending=[True, False, True, False]
    )
    by_track = lk.view.map(merged, colour_by="support")
    assert len(set(styles_of(by_track))) == 4
    for words in ("both tracks: 1", "ascending: 1", "descending: 1", "azimuth: 1"):
        assert words in legend_of(by_track)
    assert styles_of(lk.view.map(boxes, colour_by="support")) == ["#e69f00"] * 2 + ["#56b4e9"] * 2
    gaps = boxes.assign(ascending=[True, None, np.nan, False], descending=[None, True, None, False])
    assert styles_of(lk.view.map(gaps, colour_by="support")) == ["#d55e00", "#0072b2", "#56b4e9", "#56b4e9"]
    with pytest.raises(LabkitError, match="detections must be given to be coloured"):
        lk.view.map(labels=boxes, colour_by="score")
    with pytest.raises(LabkitError, match="must have the column 'score' to be coloured by it"):
        lk.view.map(boxes.drop(columns="score"), colour_by="score")
    with pytest.raises(LabkitError, match="colour_by must be one of .*, instead got colour_by='size'"):
        lk.view.map(boxes, colour_by="size")


def test_the_slider_hides_what_scores_less_and_brings_it_back(boxes):
    shown = lk.view.map(boxes.assign(score=[0.9, 0.8, np.nan, 0.5]))
    (layer,) = layers_of(shown, "GeoJSON")
    (slider,) = [c.widget.children[0] for c in shown.controls if getattr(c, "position", "") == "bottomleft"
                 and hasattr(getattr(c, "widget", None), "children")]  # fmt: skip
    assert (slider.min, slider.max) == (0.5, 0.9)
    for least, rows in ((0.81, [0, 2]), (0.8, [0, 1, 2]), (0.9, [0, 2]), (0.5, [0, 1, 2, 3])):
        slider.value = least
        assert [f["properties"]["row"] for f in layer.data["features"]] == rows
    slider.value = 0.81
    assert "score: 0.9" in pointed_at(shown, 0), "the words are those of the detection, whatever is hidden"


def test_a_click_shows_what_a_detection_looks_like_in_its_own_scene(scene, boxes):
    shown = lk.view.map(boxes, gradients={"a": scene})
    words = pointed_at(shown, 1, "click")
    assert words.count("data:image/png;base64,") == 2 and 'alt="gradient along range"' in words
    corners = boxes.loc[1, ["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)
    uri = words.split('src="')[1].split('"')[0]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    size = picture.shape[0]
    col, row = round((corners[0] + corners[2]) / 2 - size / 2), round((corners[1] + corners[3]) / 2 - size / 2)
    window = lk.geo.read_window(scene["gradient"].sel(direction="azimuth", drop=True), row, col, size)
    expected = overlay.coloured(window.astype(float), "RdBu_r", -4, 4, 1.0)
    np.testing.assert_array_equal(picture, expected)
    assert f"left:{100 * (corners[0] - col) / size:.2f}%" in words
    assert "img" not in pointed_at(shown, 1), "the pointer alone brings no picture"


def test_scenes_of_both_tracks_are_layers_of_one_map(scene, boxes):
    other = couplet_gradients(scene="descending").assign_coords(lon=scene["lon"] + 0.02)
    shown = lk.view.map(boxes, gradients=[scene, other])
    names = [layer.name for layer in layers_of(shown, "ImageOverlay")]
    assert names == ["gradient along azimuth, formula", "gradient along azimuth, descending"]
    assert legend_of(shown).count("blue: phase falls along azimuth") == 1


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
    words = pointed_at(told_map := lk.view.map(told), 2)
    assert "img" not in pointed_at(told_map, 2, "click"), "no gradients, no picture"
    assert "score: 0.683" in words and "support: azimuth, range" in words and "scene: &lt;b&gt;&amp;" in words
    assert "xmin" not in words
    merged = boxes.assign(azimuth=True, range=False, ascending=True, descending=False, members=2)
    words = pointed_at(lk.view.map(merged), 0)
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


def test_every_pixel_of_a_scenes_picture_is_the_one_that_newton_steps_find(scene):
    """On a lookup table, on a map grid, and with a scene that lies across the date line."""
    y, x = np.indices((90, 110)) + 0.5
    values = xr.DataArray((1000 * np.floor(y) + np.floor(x)).astype(np.float32), dims=("y", "x"))
    lon, lat = 4e-4 * x + 1e-4 * y, 31.0 - 3e-4 * y + 5e-5 * x
    radar = {west: {"lon": (("y", "x"), west + lon), "lat": (("y", "x"), lat)} for west in (101.0, 179.98)}
    jumping = radar[179.98] | {"lon": (("y", "x"), (179.98 + lon + 180) % 360 - 180)}
    on_map = {"y": 3.45e6 - 40.0 * y[:, 0], "x": 4e5 + 40.0 * x[0]}
    # the date line is the eastern edge of zone 60: 784 km east of its origin at this latitude
    at_line = {"y": 3.45e6 - 40.0 * y[:, 0], "x": 7.84e5 + 40.0 * x[0]}
    in_degrees = {"y": 31.0 - 4e-4 * y[:, 0], "x": 179.98 + 4e-4 * x[0]}
    on_grids = [(on_map, {"crs": "EPSG:32648"}), (at_line, {"crs": "EPSG:32660"}), (in_degrees, {"crs": "EPSG:4326"})]
    for coords, attrs in [*((c, {}) for c in (*radar.values(), jumping)), *on_grids]:
        data = xr.Dataset({"rate": values}, coords, attrs)
        picture = overlay.from_layer(data, data["rate"], 160)
        west, south, east, north = picture.bounds
        rows, cols = picture.values.shape
        assert max(rows, cols) == 160 and 0 < east - west < 0.1
        low, high = (np.arctanh(np.sin(np.radians(v))) for v in (south, north))
        at_lon = west + (np.arange(cols) + 0.5) / cols * (east - west)
        at_lat = np.degrees(np.arcsin(np.tanh(high - (np.arange(rows) + 0.5) / rows * (high - low))))
        at_y, at_x = lk.geo.lonlat_to_pixel(data, *np.meshgrid(at_lon, at_lat))
        away = np.minimum(np.abs(at_y - np.rint(at_y)), np.abs(at_x - np.rint(at_x))) > 1e-3
        inside = away & (at_y > 0) & (at_y < 90) & (at_x > 0) & (at_x < 110)
        assert inside.sum() > 5000
        np.testing.assert_array_equal(
            picture.values[inside], (1000 * np.floor(at_y) + np.floor(at_x))[inside].astype(np.float32)
        )
        assert np.isnan(picture.values[away & ~inside]).all()


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
    with pytest.raises(LabkitError, match="gradients must be of different scenes, instead got 2 stacks"):
        lk.view.map(gradients=[scene, scene])
    with pytest.raises(LabkitError, match="labels must be a GeoDataFrame with a geometry and a coordinate system"):
        lk.view.map(labels=gpd.GeoDataFrame({"a": [1]}))
