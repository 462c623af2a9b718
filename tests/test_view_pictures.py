"""Pictures for print: written whole, in the right colours, with boxes."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from browser import colours_in, shares_of_red_and_blue
from couplet_scene import couplet_boxes, couplet_gradients
from PIL import Image
from shapely.geometry import LineString, box

import labkit as lk
from labkit import LabkitError
from labkit.view import save_gradients_png, save_map_png


def share_of(picture, colour: tuple[int, int, int]) -> float:
    rgb = np.asarray(Image.open(picture).convert("RGB"), int)
    return float((np.abs(rgb - np.array(colour)).max(axis=-1) < 12).mean())


def test_a_couplet_is_red_and_blue_and_no_data_is_grey(tmp_path):
    path = save_gradients_png(couplet_gradients(), tmp_path / "a" / "gradients.png")
    red, blue = shares_of_red_and_blue(path)
    assert red > 0.01 and blue > 0.01
    assert share_of(path, (0xB3, 0xB3, 0xB3)) > 0.002
    assert [p.name for p in path.parent.iterdir()] == ["gradients.png"]


def test_boxes_of_people_and_of_the_model_are_drawn(tmp_path):
    scene = couplet_gradients()
    boxes = couplet_boxes(scene)
    bare = save_gradients_png(scene, tmp_path / "bare.png")
    drawn = save_gradients_png(scene, tmp_path / "drawn.png", labels=boxes.iloc[[0]], detections=boxes.iloc[[1]])
    for colour in ((0xD4, 0x00, 0x1A), (0x00, 0x47, 0xFF)):
        assert share_of(drawn, colour) > share_of(bare, colour) + 1e-4


def test_the_map_shows_density_landslides_counties_and_rivers(tmp_path):
    boxes = couplet_boxes(couplet_gradients())
    county = gpd.GeoDataFrame({"name": ["Ash"]}, geometry=[box(101.9, 30.9, 102.1, 31.1)], crs=4326)
    river = gpd.GeoDataFrame(geometry=[LineString([(102.0, 30.95), (102.06, 31.0)])], crs=4326)
    field = lk.density(boxes, cell_m=100, bandwidth_m=500)
    path = save_map_png(boxes, field, tmp_path / "map.png", counties=county, rivers=river, title="Density")
    assert colours_in(path) > 500
    assert share_of(path, (0x00, 0x47, 0xFF)) > 1e-4 and share_of(path, (0x4A, 0x90, 0xC2)) > 1e-4
    assert save_map_png(boxes, None, tmp_path / "without.png").exists()
    assert save_map_png(lk.schema.boxes_table(), field, tmp_path / "none.png").exists()


def test_ground_that_was_not_observed_is_grey_on_the_map(tmp_path):
    field = lk.density(couplet_boxes(couplet_gradients()), cell_m=100, bandwidth_m=500)
    seen = field.where(field["x"] > float(field["x"].mean()))
    whole, half = (save_map_png(None, f, tmp_path / f"{n}.png", title="") for n, f in enumerate((field, seen)))
    assert share_of(half, (0xB3, 0xB3, 0xB3)) > share_of(whole, (0xB3, 0xB3, 0xB3)) + 0.2
    # also where nothing was observed at all
    assert share_of(save_map_png(None, field.where(field < 0), tmp_path / "2.png"), (0xB3, 0xB3, 0xB3)) > 0.4


def test_a_failure_leaves_nothing_behind(tmp_path):
    boxes = couplet_boxes(couplet_gradients())
    with pytest.raises(LabkitError, match="limit must be"):
        save_gradients_png(couplet_gradients(), tmp_path / "x.png", limit=-1)
    with pytest.raises(LabkitError, match=r"path must end with \.png, instead got path='x.jpg'"):
        save_map_png(boxes, None, tmp_path / "x.jpg")
    with pytest.raises(LabkitError, match="neither"):
        save_map_png(None, None, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
