"""The boxes of planted slides: their place, size and orientation, once in each direction."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from couplet_plants import CORNERS, block, box_of, bump, overlap, scene, seen_through, white, with_error
from scipy.ndimage import uniform_filter

import labkit as lk
from labkit import schema
from labkit.detect.overlaps import iou
from labkit.stack.direction import to_azimuth_and_range


def test_planted_slides_are_found_once_in_each_direction_with_their_boxes(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, phases = planted_slides
    found = lk.couplets(data, progress=False)
    assert found["direction"].tolist() == ["azimuth"] * 5 + ["range"] * 5
    for name, phase in phases.items():
        for axis, direction in enumerate(schema.DIRECTIONS):
            best = overlap(found, direction, box_of(phase, axis)).max()
            assert best > 0.75, f"{name}, {direction}: {best}"


def test_a_slide_with_holes_in_it_keeps_its_box() -> None:
    shape = (160, 160)
    phase = 40 * bump(shape, 80.0, 80.0, 8.0, 8.0)
    data = with_error(scene(phase, 0.5 * white(shape, 6)), 0.5)
    holes = np.random.default_rng(6).random(shape) < 0.25
    found = lk.couplets(data.where(~holes), progress=False)
    assert len(found) == 2
    for axis, direction in enumerate(schema.DIRECTIONS):
        assert overlap(found, direction, box_of(phase, axis)).max() > 0.75


def test_a_block_with_sharp_edges_is_one_slide_with_the_box_of_its_rim() -> None:
    shape = (200, 240)
    phase = 80 * block(shape, 100.0, 120.0, 24.0, 17.0, 0.2)
    phase += 60 * block(shape, 94.0, 126.0, 8.0, 8.0, 0.3)
    found = lk.couplets(seen_through(phase, 5, 11), progress=False)
    assert found["direction"].tolist() == ["azimuth", "range"]
    for axis, direction in enumerate(schema.DIRECTIONS):
        assert overlap(found, direction, box_of(phase, axis)).max() > 0.65


def test_a_small_slide_has_its_own_size_and_not_that_of_the_window() -> None:
    shape = (160, 160)
    phase = 60 * block(shape, 80.0, 80.0, 4.0, 3.0, 0.6)
    found = lk.couplets(seen_through(phase, 5, 12), progress=False)
    assert found["direction"].tolist() == ["azimuth", "range"]
    for axis, direction in enumerate(schema.DIRECTIONS):
        truth = box_of(phase, axis)
        seen = box_of(uniform_filter(phase, 5), axis)
        assert overlap(found, direction, truth).max() > 0.6 > iou(np.array(seen, float), np.array(truth, float))


def test_a_transposed_scene_gives_transposed_boxes(planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted_slides
    turned = data.rename(y="x", x="y").transpose("direction", "y", "x").sel(direction=["range", "azimuth"])
    turned = turned.assign_coords(direction=["azimuth", "range"])
    straight, crossed = lk.couplets(data, progress=False), lk.couplets(turned, progress=False)
    for direction, other in (("azimuth", "range"), ("range", "azimuth")):
        a = straight[straight["direction"] == direction].sort_values("snr")[["ymin", "xmin", "ymax", "xmax"]]
        b = crossed[crossed["direction"] == other].sort_values("snr")[CORNERS]
        np.testing.assert_allclose(a.to_numpy(float), b.to_numpy(float), atol=1.0)


def test_slides_are_sought_by_their_size_on_the_ground_whatever_the_spacing() -> None:
    boxes = {}
    for spacing, shape in ((40.0, (150, 160)), (20.0, (300, 320))):
        per_km = 1000 / spacing
        phase = 60 * bump(shape, 2.8 * per_km, 3.1 * per_km, 0.28 * per_km, 0.2 * per_km)
        error = 0.4 * spacing / 40
        data = with_error(scene(phase, error * white(shape, 8), spacing=spacing), error)
        boxes[spacing] = lk.couplets(data, progress=False).sort_values("direction")
    assert boxes[40.0]["direction"].tolist() == boxes[20.0]["direction"].tolist() == ["azimuth", "range"]
    coarse, fine = (boxes[spacing].geometry.to_crs("EPSG:32648") for spacing in (40.0, 20.0))
    shared, union = coarse.intersection(fine, align=False).area, coarse.union(fine, align=False).area
    assert (shared / union).min() > 0.75


@pytest.mark.parametrize("heading", [348.0, 192.0])
def test_on_a_map_grid_the_directions_are_turned_by_the_heading(heading: float) -> None:
    shape = (160, 160)
    phase = 40 * bump(shape, 70.0, 90.0, 9.0, 5.0, 0.6)
    along_axes = with_error(scene(phase, 0.4 * white(shape, 9)), 0.4)
    spacing = {"heading": heading, "y_spacing": 40.0, "x_spacing": 40.0}
    counted = along_axes.assign(n_pairs=(("direction", "y", "x"), np.full((2, *shape), 9, np.int32)))
    turned = to_azimuth_and_range(counted.assign_attrs(spacing))
    straight, found = lk.couplets(along_axes, progress=False), lk.couplets(turned, progress=False)
    assert found["direction"].tolist() == ["azimuth", "range"]
    assert found["snr"].max() == pytest.approx(straight["snr"].max(), rel=0.05)
    x, y = (found["xmin"] + found["xmax"]) / 2, (found["ymin"] + found["ymax"]) / 2
    assert np.hypot(y - 70, x - 90).max() < 2.0
    # the stated rule on the derivative along the heading
    north, east = -np.gradient(phase, axis=0), np.gradient(phase, axis=1)
    h = np.radians(heading)
    for direction, gradient in (
        ("azimuth", east * np.sin(h) + north * np.cos(h)),
        ("range", east * np.cos(h) - north * np.sin(h)),
    ):
        peak = np.abs(gradient).max()
        rows, cols = np.nonzero(np.abs(gradient) > np.clip(1.2, 0.2 * peak, 0.5 * peak))
        assert overlap(found, direction, (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)).max() > 0.75
