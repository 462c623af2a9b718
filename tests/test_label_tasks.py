"""What a task holds, which boxes a chip shows, and how images get into the served folder."""

from __future__ import annotations

import hashlib
import html
import re
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Polygon

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import tasks


def chip(geometry: Polygon | None = None) -> pd.Series:
    return pd.Series({"chip_id": "a 7/b", "scene": "s", "row": 100, "col": 200, "size": 50, "geometry": geometry})


def boxes(*corners: tuple[float, float, float, float], scene: str = "s", model: str = "m") -> gpd.GeoDataFrame:
    columns = dict(zip(("xmin", "ymin", "xmax", "ymax"), np.array(corners, float).T, strict=True))
    return schema.boxes_table(
        {"scene": [scene] * len(corners), "direction": "azimuth", **columns, "model": model, "score": 0.5}
    )


def test_a_task_says_where_its_chip_lies():
    corners = Polygon([(10, 50), (12, 50.2), (12.2, 49.2), (10.2, 49)])
    data = tasks.task_data(chip(corners), {"rate": "/data/x.png"})
    assert data["corners"] == [[10, 50], [12, 50.2], [12.2, 49.2], [10.2, 49]]
    assert (data["lon"], data["lat"]) == pytest.approx((11.1, 49.6))
    assert data["title"] == "s: row 100, column 200, 50 px (49.600° N, 11.100° E)"
    assert data["rate"] == "/data/x.png"


def test_a_task_without_a_place_leaves_it_out():
    data = tasks.task_data(chip(), {})
    assert not {"corners", "lon", "lat"} & set(data)


def test_places_in_a_chip_are_the_corners_at_the_corners():
    corners = [(10, 50), (12, 50.2), (12.2, 49.2), (10.2, 49)]
    lon, lat = tasks.place_in_chip(corners, 50, [0, 0, 50, 50], [0, 50, 50, 0])
    np.testing.assert_allclose(np.column_stack([lon, lat]), corners)


def test_a_box_is_shown_where_half_of_it_lies_and_cut_to_the_chip():
    data = tasks.task_data(chip(), {})
    table = boxes((210, 110, 220, 130), (240, 110, 260, 130), (241, 110, 261, 130), (0, 0, 9, 9))
    found = [box for _, box in tasks.boxes_on(data, table, ["azimuth"])]
    assert found == [(10, 10, 20, 30), (40, 10, 50, 30)]


def test_boxes_of_other_scenes_and_directions_are_not_shown():
    data = tasks.task_data(chip(), {})
    assert tasks.boxes_on(data, boxes((210, 110, 220, 130), scene="t"), ["azimuth"]) == []
    assert tasks.boxes_on(data, boxes((210, 110, 220, 130)), ["rate"]) == []


def test_each_model_gives_a_prediction_of_its_own_scored_by_its_surest_box():
    data = tasks.task_data(chip(), {})
    table = pd.concat(
        [
            boxes((210, 110, 220, 130), (225, 110, 235, 130), model="b").assign(score=[0.6, 0.8]),
            boxes((210, 110, 220, 130), model=""),
        ]
    )
    first, second = tasks.predictions_on(data, gpd.GeoDataFrame(table), ["azimuth"])
    assert (first["model_version"], first["score"], len(first["result"])) == ("b", 0.8, 2)
    assert (second["model_version"], second["score"], len(second["result"])) == ("unnamed", 0.5, 1)


def test_a_served_image_has_a_safe_name_and_an_equal_one_is_left_alone(tmp_path):
    source = tmp_path / "source.png"
    source.write_bytes(b"one")
    folder = tmp_path / "served"
    folder.mkdir()
    served = tasks.serve_image(source, folder, "a 7/b", "range")
    assert served.name == f"a_7_b_range-{hashlib.sha256(b'one').hexdigest()[:12]}.png"
    assert served.read_bytes() == b"one"
    before = served.stat().st_mtime_ns
    assert tasks.serve_image(source, folder, "a 7/b", "range").stat().st_mtime_ns == before
    source.write_bytes(b"two")
    other = tasks.serve_image(source, folder, "a 7/b", "range")
    assert other.read_bytes() == b"two"
    assert served.read_bytes() == b"one"
    assert {path.name for path in folder.iterdir()} == {served.name, other.name}


def test_a_task_links_to_its_place_on_a_public_map_which_can_be_told_back():
    corners = Polygon([(10, 50), (12, 50.2), (12.2, 49.2), (10.2, 49)])
    data = tasks.task_data(chip(corners), {})
    query = parse_qs(urlsplit(data["map"]).query)
    assert (float(query["mlon"][0]), float(query["mlat"][0])) == pytest.approx((11.1, 49.6), abs=1e-5)
    (href,) = re.findall('href="([^"]*)"', data["place"])
    assert html.unescape(href) == data["map"]
    assert "href" not in tasks.task_data(chip(), {})["place"]


def test_a_chip_that_comes_again_renews_images_and_adds_what_its_task_lacked_and_nothing_else():
    old = {"chip_id": "c", "scene": "s", "row": 1, "col": 2, "size": 50, "title": "mine", "rate": "/a.png"}
    assert tasks.renewed_data(old, old | {"title": "other"}, ["rate"]) is None
    new = old | {"title": "other", "rate": "/b.png", "map": "https://m"}
    assert tasks.renewed_data(old, new, ["rate"]) == old | {"rate": "/b.png", "map": "https://m"}


@pytest.mark.parametrize("name", ["scene", "row", "col", "size", "corners"])
def test_a_chip_that_moved_is_refused(name):
    corners = [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    old = {"chip_id": "c", "scene": "s", "row": 1, "col": 2, "size": 50, "corners": corners}
    near = [[lon + 0.005, lat] for lon, lat in corners]
    assert tasks.renewed_data(old, old | {"corners": near}, []) is None
    other = {"scene": "t", "row": 2, "col": 3, "size": 51, "corners": [[lon + 0.02, lat] for lon, lat in corners]}
    with pytest.raises(LabkitError, match="chip 'c' must lie where it lay"):
        tasks.renewed_data(old, old | {name: other[name]}, [])


def test_a_chip_that_comes_twice_is_refused(tmp_path):
    chips = gpd.GeoDataFrame([chip(), chip()])
    with pytest.raises(LabkitError, match="comes twice"):
        tasks.image_paths(chips, pd.DataFrame(columns=["chip_id", "direction", "path"]))


def test_images_without_a_column_are_refused():
    with pytest.raises(LabkitError, match="instead \\['path'\\] are missing"):
        tasks.image_paths(gpd.GeoDataFrame([chip()]), pd.DataFrame(columns=["chip_id", "direction"]))


def test_pictures_to_look_at_are_found_beside_the_images_and_only_when_asked_for(tmp_path):
    names = ("rate", "coherence", "range", "azimuth")
    images = pd.DataFrame({"chip_id": "a 7/b", "direction": names, "path": [tmp_path / name for name in names]})
    for path in images["path"]:
        path.write_bytes(b"image")
    chips = gpd.GeoDataFrame([chip()])
    assert list(tasks.image_paths(chips, images)["a 7/b"]) == ["azimuth", "range"]
    assert list(tasks.image_paths(chips, images, pictures=True)["a 7/b"]) == ["azimuth", "range", "coherence", "rate"]
    with pytest.raises(LabkitError, match="images must hold"):
        tasks.image_paths(chips, images.assign(direction=["slope", "coherence", "range", "azimuth"]))
