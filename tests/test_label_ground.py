"""Labels live on the ground: pixel → per cent → pixel → lon/lat → pixel, and on to the grid of another stack."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from label_tasks import annotation, task
from shapely.geometry import MultiPolygon, box

import labkit as lk
from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.label import drop_duplicates, move_labels
from labkit.label.columns import content_hash
from labkit.label.convert import to_region
from labkit.label.table import Source, place_on, to_tables

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def hills(heading: float, bend: float) -> xr.Dataset:
    """A lookup table of 90 × 110 px of 15 m, turned by the heading and bent by foreshortening of up to ``bend`` px."""
    rows, cols = np.indices((90, 110)).astype(float)
    across = cols + bend * np.sin(rows / 9.0) * np.sin(cols / 11.0)
    turn = np.radians(heading)
    east, north = rows * np.sin(turn) + across * np.cos(turn), rows * np.cos(turn) - across * np.sin(turn)
    lonlat = {"lon": (("y", "x"), 101.9 + 1.6e-4 * east), "lat": (("y", "x"), 30.8 + 1.4e-4 * north)}
    return xr.Dataset(coords=lonlat, attrs={"scene": "s"})


def boxes_on(shape: tuple[int, int], seed: int = 0, count: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.uniform(10, np.array(shape[::-1]) - 40, (count, 2))
    return np.concatenate([start, start + rng.uniform(8, 30, (count, 2))], axis=1)


def labels_of(corners: np.ndarray, data: xr.Dataset) -> gpd.GeoDataFrame:
    columns = dict(zip(CORNERS, corners.T, strict=True))
    return geo.with_geometry(schema.boxes_table({"scene": data.attrs["scene"], "direction": "range", **columns}), data)


@settings(max_examples=25)
@given(
    edges=st.tuples(*(st.tuples(st.floats(0, 48), st.floats(0, 48)) for _ in range(2))).filter(
        lambda pair: all(abs(a - b) > 1e-3 for a, b in pair)
    ),
    place=st.tuples(st.integers(0, 40), st.integers(0, 60)),
    heading=st.floats(0, 360),
    bend=st.floats(0, 2),
)
def test_a_box_is_exact_from_pixel_to_per_cent_to_pixel_to_the_ground_and_back(edges, place, heading, bend):
    (x0, x1), (y0, y1) = map(sorted, edges)
    scene = hills(heading, bend)
    region = json.loads(json.dumps(to_region("r", "range", (x0, y0, x1, y1), 48)))
    pushed = task(annotation(1, region), row=place[0], col=place[1], size=48)
    pulled = place_on(to_tables([pushed], Source({"range": {"landslide"}})).labels, scene)
    expected = np.array([x0 + place[1], y0 + place[0], x1 + place[1], y1 + place[0]])
    np.testing.assert_allclose(pulled[CORNERS].to_numpy()[0], expected, atol=1e-6)
    np.testing.assert_allclose(move_labels(pulled, scene)[CORNERS].to_numpy()[0], expected, atol=1e-6)


@pytest.mark.parametrize("looks", [(2, 2), (3, 3), (2, 5)])
def test_labels_follow_the_ground_to_a_stack_with_other_looks(tiny_scene, looks):
    ifgs = next(iter(tiny_scene.interferograms.values()))
    corners = boxes_on((ifgs.sizes["y"], ifgs.sizes["x"]))
    coarse = lk.multilook(ifgs, looks=looks)
    moved = move_labels(labels_of(corners, ifgs), coarse)
    np.testing.assert_allclose(moved[CORNERS], corners / np.array([looks[1], looks[0]] * 2), atol=1e-6)
    assert set(moved["scene"]) == {coarse.attrs["scene"]}
    back = move_labels(moved, ifgs)
    np.testing.assert_allclose(back[CORNERS], corners, atol=1e-6)


@pytest.mark.real
def test_labels_follow_the_ground_of_a_real_valley(real_data: Path):
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    corners = boxes_on((ifgs.sizes["y"], ifgs.sizes["x"]))
    labels = labels_of(corners, ifgs)
    np.testing.assert_allclose(move_labels(labels, ifgs)[CORNERS], corners, atol=1e-6)
    moved = move_labels(labels, lk.multilook(ifgs, looks=(3, 3)))
    # a mean of lon/lat over steep ground is not quite that of the cell's middle
    np.testing.assert_allclose(moved[CORNERS], corners / 3, atol=0.2)
    assert np.median(np.abs(moved[CORNERS].to_numpy() - corners / 3)) < 0.01


def test_the_label_stays_the_same_one_and_says_its_new_pixels():
    scene, finer = hills(10, 1.0), hills(10, 1.0).assign_attrs(scene="finer")
    pushed = task(annotation(1, to_region("r", "range", (1, 2, 30, 40), 48)), row=5, col=7, size=48)
    label = place_on(to_tables([pushed], Source({"range": {"landslide"}})).labels, scene.assign_attrs(scene="s"))
    moved = move_labels(label, finer)
    assert moved["label_id"][0] == label["label_id"][0]
    assert moved["hash"][0] == content_hash(moved.iloc[0].to_dict()) != label["hash"][0]
    assert moved.geometry[0].equals(label.geometry[0])
    assert len(drop_duplicates(moved)) == 1


def test_what_lies_beyond_the_scene_is_left_out_and_counted():
    scene = hills(0, 0)
    lon, lat = geo.pixel_to_lonlat(scene, [50.0, 300.0], [50.0, 50.0])
    shapes = [MultiPolygon([box(x - 1e-3, y - 1e-3, x + 1e-3, y + 1e-3)]) for x, y in zip(lon, lat, strict=True)]
    corners = {"xmin": [0, 0], "ymin": [0, 0], "xmax": [1, 1], "ymax": [1, 1]}
    moved = move_labels(schema.boxes_table({"direction": "range", **corners, "geometry": shapes}), scene)
    assert len(moved) == 1
    assert moved.attrs["outside"] == 1


def test_labels_or_scenes_without_a_place_are_named():
    nowhere = schema.boxes_table({"direction": "range", "xmin": [0], "ymin": [0], "xmax": [1], "ymax": [1]})
    with pytest.raises(LabkitError, match="labels must have a place on the Earth to be moved, instead 1 of 1"):
        move_labels(nowhere, hills(0, 0))
    placed = nowhere.set_geometry([box(0, 0, 1, 1)], crs="EPSG:4326")
    with pytest.raises(LabkitError, match="must have 2-D lon and lat"):
        move_labels(placed, xr.Dataset({"rate": (("y", "x"), np.zeros((3, 3)))}, attrs={"scene": "lost"}))
