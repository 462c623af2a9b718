"""The couplet filter: planted slides at known places, noise without any, real Danba, and the demo scene's truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import noise_scenes
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import uniform_filter
from scipy.special import gammaincc

import labkit as lk
from labkit import LabkitError, geo, schema
from labkit.detect.couplet_field import make_field
from labkit.detect.couplet_filter import FLAT_ORDERS, Shape, find_candidates, rim, shapes_between
from labkit.detect.couplet_fit import Bump
from labkit.detect.couplets import snr_for
from labkit.detect.overlaps import iou
from labkit.label import tasks
from labkit.simulate.fields import power_law_field
from labkit.stack.direction import to_azimuth_and_range

CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: The boxes that were drawn by eye on Danba, at its native spacing.
DANBA = {"azimuth": (62.0, 16.0, 161.0, 72.0), "range": (60.0, 25.0, 158.0, 68.0)}


def scene(phase: np.ndarray, noise: np.ndarray | None = None, *, spacing: float = 40.0, **attrs: object) -> xr.Dataset:
    """A stack at 20 years whose gradients are the next pixel minus this one, on a UTM grid in the array's own frame."""
    values = np.full((2, *phase.shape), np.nan, np.float32)
    values[0, :-1], values[1, :, :-1] = np.diff(phase, axis=0), np.diff(phase, axis=1)
    values = values if noise is None else values + noise.astype(np.float32)
    words = {"geometry": "map", "crs": "EPSG:32648", "orbit_direction": "ascending", "track": "26", "phase_sign": -1}
    numbers = {"ground_spacing": spacing, "sum_temporal_baseline": 20.0, "wavelength": 0.0555, "lag": 1}
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), values)},
        coords={
            "direction": list(schema.DIRECTIONS),
            "y": 3_400_000.0 - spacing * (np.arange(phase.shape[0]) + 0.5),
            "x": 400_000.0 + spacing * (np.arange(phase.shape[1]) + 0.5),
        },
        attrs={"scene": "formula", **words, **numbers, **attrs},
    )


def with_error(data: xr.Dataset, error: float) -> xr.Dataset:
    return data.assign(standard_error=xr.full_like(data["gradient"], error))


def bump(shape: tuple[int, int], y: float, x: float, long: float, short: float, angle: float = 0.0) -> np.ndarray:
    """A Gaussian bump of height 1; the long axis is turned by ``angle`` from x toward y."""
    rows, cols = np.indices(shape) + 0.5
    along = (rows - y) * np.sin(angle) + (cols - x) * np.cos(angle)
    across = (rows - y) * np.cos(angle) - (cols - x) * np.sin(angle)
    return np.exp(-(along**2) / (2 * long**2) - across**2 / (2 * short**2))


def white(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Independent noise of 1 rad in every pixel and direction."""
    return np.random.default_rng(seed).standard_normal((2, *shape))


def phase_noise(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Phase as a window of 5 px leaves it, of speckle or of turbulent air, with gradients of 1 rad."""
    random = np.random.default_rng(seed)
    if kind == "speckle":
        phase = random.standard_normal(shape)
    else:
        phase = power_law_field(
            shape, 40.0, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3, lag_m=1000.0,
            rms_difference=1.0,
        )  # fmt: skip
    phase = uniform_filter(phase.astype(float), 5)
    return phase / np.diff(phase, axis=0).std()


def box_of(phase: np.ndarray, axis: int) -> tuple[float, float, float, float]:
    """The stated rule on the noise-free gradient: above 1.2 rad, kept within 0.2 and 0.5 of the peak."""
    gradient = np.abs(np.diff(phase, axis=axis))
    rows, cols = np.nonzero(gradient > np.clip(1.2, 0.2 * gradient.max(), 0.5 * gradient.max()))
    return cols.min(), rows.min(), cols.max() + 1, rows.max() + 1


def overlap(found: gpd.GeoDataFrame, direction: str, box: tuple[float, float, float, float]) -> np.ndarray:
    chosen = found[found["direction"] == direction]
    return iou(chosen[CORNERS].to_numpy(float), np.array(box, float))


SLIDES = {
    "small and round": (60.0, 80.0, 2.0, 2.0, 0.0),
    "round": (140.0, 60.0, 6.0, 6.0, 0.0),
    "long across": (60.0, 200.0, 10.0, 5.0, 0.0),
    "long and turned": (150.0, 170.0, 8.0, 4.5, 0.9),
    "2 km": (125.0, 280.0, 12.0, 11.0, 0.3),
}


@pytest.fixture(scope="module")
def planted() -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Slides of known place, size and orientation with peak gradients of about 4 rad, in noise of 0.3 rad."""
    shape = (220, 340)
    phases = {}
    for number, (name, (y, x, long, short, angle)) in enumerate(SLIDES.items()):
        phases[name] = (-1) ** number * 4 / 0.607 * np.sqrt(long * short) * bump(shape, y, x, long, short, angle)
    data = scene(sum(phases.values()), 0.3 * white(shape, 1))
    return with_error(data, 0.3), phases


def test_planted_slides_are_found_once_in_each_direction_with_their_boxes(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, phases = planted
    found = lk.couplets(data, progress=False)
    assert found["direction"].tolist() == ["azimuth"] * 5 + ["range"] * 5
    for name, phase in phases.items():
        for axis, direction in enumerate(schema.DIRECTIONS):
            best = overlap(found, direction, box_of(phase, axis)).max()
            assert best > 0.75, f"{name}, {direction}: {best}"


def test_the_table_obeys_the_schema_and_lies_on_the_ground(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted
    found = lk.couplets(data, progress=False)
    schema.check_boxes(found)
    assert set(found["model"]) == {"couplets"} and set(found["scene"]) == {"formula"}
    assert set(found["orbit_direction"]) == {"ascending"} and set(found["track"]) == {"26"}
    first = found.iloc[0]
    west, south, east, north = found.geometry.to_crs("EPSG:32648").iloc[0].bounds
    np.testing.assert_allclose([west, east], 400_000 + 40 * first[["xmin", "xmax"]].to_numpy(float), atol=0.01)
    np.testing.assert_allclose([south, north], 3_400_000 - 40 * first[["ymax", "ymin"]].to_numpy(float), atol=0.01)


def mask_of(data: xr.Dataset, rows: slice, cols: slice) -> xr.DataArray:
    mask = xr.zeros_like(data["gradient"].isel(direction=0), bool).drop_vars("direction")
    mask[rows, cols] = True
    return mask


def test_what_stands_under_a_mask_changes_nothing_and_no_box_has_its_centre_there(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    """The mask's edge runs through the slide of 2 km; rougher ground and steps stand under it, or nothing."""
    data, phases = planted
    mask = mask_of(data, slice(None), slice(270, None))
    found = lk.couplets(data, mask=mask, progress=False)
    covered = mask.values
    rough = data["gradient"].values + np.where(
        covered, 5 * white(covered.shape, 7) + 9 * (np.indices(covered.shape)[0] > 80), 0
    )
    for values in (rough, np.where(covered, np.nan, data["gradient"].values)):
        again = lk.couplets(
            data.assign(gradient=(data["gradient"].dims, values.astype(np.float32))), mask=mask, progress=False
        )
        pd.testing.assert_frame_equal(again, found)
    y, x = ((found[low] + found[high]) / 2 for low, high in (("ymin", "ymax"), ("xmin", "xmax")))
    assert not covered[y.astype(int), x.astype(int)].any()
    for name in ("small and round", "round", "long across", "long and turned"):
        assert all(overlap(found, d, box_of(phases[name], i)).max() > 0.75 for i, d in enumerate(schema.DIRECTIONS)), (
            name
        )


def test_a_small_masked_place_hides_the_slide_on_it_and_no_other(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, phases = planted
    whole = lk.couplets(data, progress=False)
    found = lk.couplets(data, mask=mask_of(data, slice(122, 158), slice(42, 78)), progress=False)
    assert len(whole) == 10 and len(found) == 8
    assert max(overlap(found, d, box_of(phases["round"], i)).max() for i, d in enumerate(schema.DIRECTIONS)) < 0.1


def test_rough_ground_under_a_mask_is_not_taken_for_noise() -> None:
    """Two thirds of the scene are three times as rough: they set the noise of all, unless they are masked."""
    shape = (200, 300)
    noise, slide = 0.3 * white(shape, 3), 3 * bump(shape, 100, 50, 4, 4)
    quiet = with_error(scene(slide, noise), 0.3)
    rough = with_error(scene(slide, noise * np.where(np.arange(300) < 100, 1, 3)), 0.3)
    mask = mask_of(quiet, slice(None), slice(100, None))

    def ratio(data: xr.Dataset, mask: xr.DataArray | None = None) -> float:
        found = lk.couplets(data, mask=mask, progress=False)
        return float(found["snr"][overlap(found, "azimuth", box_of(slide, 0)).argmax()])

    assert ratio(rough, mask) == pytest.approx(ratio(quiet), rel=0.05)
    assert ratio(rough) < 0.8 * ratio(quiet)


def test_a_mask_that_does_not_fit_is_refused(planted: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted
    mask = mask_of(data, slice(0, 9), slice(0, 9))
    with pytest.raises(LabkitError, match="mask must be a boolean DataArray over y and x, instead got mask=int64"):
        lk.couplets(data, mask=mask.astype(int), progress=False)
    for wrong in (mask[:, 1:], mask.assign_coords(x=mask["x"] + 40)):
        with pytest.raises(LabkitError, match="mask must lie on the grid of gradients"):
            lk.couplets(data, mask=wrong, progress=False)
    with pytest.raises(LabkitError, match="gradients must have data somewhere outside mask"):
        lk.couplets(data, mask=xr.ones_like(mask), progress=False)


def test_filter_merge_evaluate_and_density_take_the_boxes_as_they_are(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted
    found = lk.couplets(data, progress=False)
    kept = lk.filter_detections(found, data)
    assert len(kept) == 10
    landslides = lk.merge_detections([kept])
    assert len(landslides) == 5 and landslides[["azimuth", "range"]].all(axis=None)
    assert lk.evaluate(found, kept).f1 == 1.0
    density = lk.density(landslides, cell_m=200, bandwidth_m=1000)
    assert float(density.sum()) * 0.04 == pytest.approx(5, rel=0.01)


def test_the_score_grows_with_the_ratio_and_is_a_half_at_one_false_box_per_1000_km2(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted
    found = lk.couplets(data, 50.0, progress=False)
    usual = snr_for(1.0, 40.0)
    np.testing.assert_allclose(found["score"], 1 - 0.5 ** (found["snr"] / usual))
    for _, group in found.groupby("direction"):
        assert (group["snr"].diff().dropna() <= 0).all()
    fewer = lk.couplets(data, 1.0, progress=False)
    assert set(fewer["score"]) <= set(found["score"]) and fewer["score"].min() >= 0.5


def test_label_studio_shows_them_as_predictions_of_the_model_couplets(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted
    found = lk.couplets(data, progress=False)
    chips = lk.make_chips(data, size=220, overlap=0.25)
    sent = [
        prediction
        for _, chip in chips.iterrows()
        for prediction in tasks.predictions_on(tasks.task_data(chip, {}), found, schema.DIRECTIONS)
    ]
    assert {prediction["model_version"] for prediction in sent} == {"couplets"}
    assert sum(len(prediction["result"]) for prediction in sent) >= len(found)


def test_on_independent_noise_the_ratio_is_the_amplitude_over_its_error() -> None:
    shape = (400, 400)
    phase = 4.0 * bump(shape, 200.0, 200.0, 6.0, 6.0)
    data = with_error(scene(phase, white(shape, 0)), 1.0)
    ratio = lk.couplets(data, progress=False)["snr"].max()
    energy = sum(np.sum(np.diff(phase, axis=axis) ** 2) for axis in (0, 1))
    # the amplitude's own error is one part in √energy; the sizes sought are √2 apart
    assert ratio == pytest.approx(np.sqrt(energy), abs=2.0)


@pytest.mark.parametrize("kind", ["speckle", "air"])
def test_noise_alone_gives_no_more_false_boxes_than_stated(kind: str) -> None:
    data = with_error(scene(phase_noise(kind, (800, 800), 5)), 1.0)
    expected = 100 * 800 * 800 * 0.0016 / 1000
    false = len(lk.couplets(data, 100.0, progress=False))
    assert 0 < false <= expected + 3 * np.sqrt(expected)
    # one per 1000 km² on 1024 km²: three or fewer with a probability of 98 %
    assert len(lk.couplets(data, 1.0, progress=False)) <= 3


@pytest.mark.parametrize("kind", ["speckle", "air"])
def test_rough_ground_beside_smooth_ground_gives_no_more_false_boxes_than_stated(kind: str) -> None:
    loud = np.where(np.arange(800) < 200, 2.5, 1.0)  # a quarter of the scene, unknown to its standard errors
    data = with_error(scene(phase_noise(kind, (800, 800), 7) * loud), 1.0)
    assert len(lk.couplets(data, 100.0, progress=False)) <= 100 * 800 * 800 * 0.0016 / 1000


def test_stacks_of_simulated_pairs_without_slides_give_no_more_false_boxes_than_stated() -> None:
    still = np.zeros((160, 240))
    kinds = {"both": (0.3, 1.0), "air": (None, 1.5), "speckle": (0.3, 0.0)}
    false = 0
    for coherence, air in kinds.values():
        pairs = noise_scenes.stack(still, dates=12, coherence_12=coherence, air_mm=air, seed=3)
        false += len(lk.couplets(lk.stack_gradients(pairs, progress=False), 30.0, progress=False))
    expected = 30 * len(kinds) * still.size * 0.0016 / 1000
    assert false <= expected + 3 * np.sqrt(expected)


def test_both_directions_together_find_more_faint_slides_than_either_alone() -> None:
    shape = (620, 620)
    centres = [(y, x) for y in range(60, 600, 100) for x in range(60, 600, 100)]
    random = np.random.default_rng(7)
    phase = phase_noise("speckle", shape, 5)
    for y, x in centres:
        sigma = random.uniform(2.5, 7.0)
        phase = phase + 2.5 * np.sqrt(sigma) * random.uniform(0.5, 1.5) * bump(shape, y, x, sigma * 1.2, sigma / 1.2)
    data = with_error(scene(phase), 1.0)

    def found(directions: list[str]) -> int:
        boxes = lk.couplets(data.sel(direction=directions), progress=False)
        y, x = (boxes["ymin"] + boxes["ymax"]) / 2, (boxes["xmin"] + boxes["xmax"]) / 2
        return sum((np.hypot(y - centre[0], x - centre[1]) < 8).any() for centre in centres)

    both, azimuth, across = found(["azimuth", "range"]), found(["azimuth"]), found(["range"])
    assert both >= 1.2 * max(azimuth, across) > 5


def test_what_is_no_gradient_of_anything_hardly_answers(planted: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    """Turning the gradient by 90° makes its curl out of its divergence: the same lobes and noise, and no slide."""
    data, _ = planted
    along, across = np.nan_to_num(data["gradient"].values)
    turned = data.copy(deep=True)
    # the means of four put each difference where the other one was
    turned["gradient"][0, :-1, 1:] = -(across[:-1, 1:] + across[1:, 1:] + across[:-1, :-1] + across[1:, :-1]) / 4
    turned["gradient"][1, 1:, :-1] = (along[1:, :-1] + along[1:, 1:] + along[:-1, :-1] + along[:-1, 1:]) / 4
    straight, crossed = lk.couplets(data, progress=False), lk.couplets(turned, progress=False)
    assert crossed["snr"].max() < 0.1 * straight.groupby("direction")["snr"].max().min()


def test_pixels_without_data_do_not_count_as_no_gradient() -> None:
    """With a share of 0.8 of the pixels the ratio falls to √0.8; zeros in their place would leave 0.8 of it."""
    shape = (400, 400)
    phase = 12.0 * bump(shape, 200.0, 200.0, 9.0, 9.0)
    data = with_error(scene(phase, white(shape, 3)), 1.0)
    holes = np.random.default_rng(6).random(shape) < 0.2
    whole = lk.couplets(data, progress=False)["snr"].max()
    with_holes = lk.couplets(data.where(~holes), progress=False)["snr"].max()
    assert with_holes / whole == pytest.approx(np.sqrt(0.8), abs=0.03)


def test_a_slide_with_holes_in_it_keeps_its_box() -> None:
    shape = (160, 160)
    phase = 40 * bump(shape, 80.0, 80.0, 8.0, 8.0)
    data = with_error(scene(phase, 0.5 * white(shape, 6)), 0.5)
    holes = np.random.default_rng(6).random(shape) < 0.25
    found = lk.couplets(data.where(~holes), progress=False)
    assert len(found) == 2
    for axis, direction in enumerate(schema.DIRECTIONS):
        assert overlap(found, direction, box_of(phase, axis)).max() > 0.75


def block(shape: tuple[int, int], y: float, x: float, long: float, short: float, edge: float) -> np.ndarray:
    """A slide that moves as one: 1 inside an ellipse, falling to 0 over a share ``edge`` of its radius (smoothstep)."""
    rows, cols = np.indices(shape) + 0.5
    t = np.clip((1 - np.hypot((rows - y) / short, (cols - x) / long)) / edge, 0, 1)
    return t * t * (3 - 2 * t)


def seen_through(phase: np.ndarray, window: int, seed: int) -> xr.Dataset:
    """The stack of a phase and of speckle (0.5 rad in a gradient) after a moving mean of ``window`` pixels."""
    speckle = uniform_filter(np.random.default_rng(seed).standard_normal(phase.shape), window)
    smooth = uniform_filter(phase, window) + 0.5 * speckle / np.diff(speckle, axis=0).std()
    return with_error(scene(smooth, window=window), 0.5)


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


def test_a_seam_has_one_lobe_and_is_no_couplet() -> None:
    shape = (200, 200)
    step = np.where(np.indices(shape)[0] >= 100, 6.0, 0.0)
    data = with_error(scene(step, 0.5 * white(shape, 7)), 0.5)
    assert len(lk.couplets(data, progress=False)) == 0


def test_a_transposed_scene_gives_transposed_boxes(planted: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted
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


def test_one_direction_alone_is_searched_as_well(planted: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted
    found = lk.couplets(data.sel(direction=["range"]), progress=False)
    assert found["direction"].tolist() == ["range"] * 5


def test_without_a_standard_error_the_spread_of_the_gradients_stands_in(
    planted: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted
    found = lk.couplets(data.drop_vars("standard_error"), progress=False)
    known = lk.couplets(data, progress=False)
    assert lk.evaluate(found, known, iou=0.8).f1 == 1.0


def test_a_scene_in_which_nothing_moves_gives_an_empty_table() -> None:
    found = lk.couplets(with_error(scene(np.zeros((60, 80))), 1.0), progress=False)
    assert len(found) == 0
    schema.check_boxes(found)
    assert {"snr", "orbit_direction", "track"} <= set(found.columns) and found.crs == geo.WGS84


def test_the_input_is_not_changed(planted: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted
    before = data.copy(deep=True)
    lk.couplets(data, progress=False)
    xr.testing.assert_identical(data, before)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"false_per_1000_km2": 0.0}, "false_per_1000_km2"),
        ({"false_per_1000_km2": 101.0}, "false_per_1000_km2"),
        ({"false_per_1000_km2": float("nan")}, "false_per_1000_km2"),
        ({"lengths_m": (0.0, 100.0)}, "lengths_m"),
        ({"lengths_m": (200.0, 100.0)}, "lengths_m"),
    ],
)
def test_an_option_out_of_its_bounds_is_refused_by_name(options: dict, name: str) -> None:
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        lk.couplets(scene(np.zeros((40, 40))), progress=False, **options)


def test_a_stack_without_data_is_refused() -> None:
    data = scene(np.zeros((40, 40))).where(False)
    with pytest.raises(LabkitError, match="gradients must have data somewhere"):
        lk.couplets(data, progress=False)


def test_sizes_are_root_two_apart_from_the_least_that_a_window_leaves() -> None:
    shapes = shapes_between(3.0, 50.0)
    sizes = sorted({round(shape.sigma, 6) for shape in shapes})
    np.testing.assert_allclose(sizes, 1.5 * 2 ** (np.arange(7) / 2), rtol=1e-5)
    assert sum(shape.long == shape.short and shape.order == 0 for shape in shapes) == 7
    # the rim of a flat one lies within the greatest length
    assert max(shape.radius for shape in shapes if shape.order) <= 25.0 < np.sqrt(2) * 25.0
    covariance = Shape(4.0, 2.0, np.pi / 6).covariance()
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [4.0, 16.0])
    np.testing.assert_allclose(covariance @ [0.5, np.sqrt(0.75)], 16 * np.array([0.5, np.sqrt(0.75)]))


@pytest.mark.parametrize("order", [0, *FLAT_ORDERS])
def test_a_flat_bump_is_level_inside_its_rim_and_its_couplet_is_its_derivative(order: int) -> None:
    shape, centre = (81, 91), (40.0, 44.0)
    spread = Shape(7.0 / rim(order) * 1.5, 7.0 / rim(order), 0.4, order)
    inverse = np.linalg.inv(spread.covariance())

    def plateau(moved: np.ndarray) -> np.ndarray:
        """e^−s (1 + s + … + sⁿ/n!), an incomplete gamma function, of the scene moved by (y, x)."""
        away = np.indices(shape) + 0.5 + moved[:, None, None] - np.array(centre)[:, None, None]
        return gammaincc(order + 1, 0.5 * np.einsum("iyx,ij,jyx->yx", away, inverse, away))

    fitted = Bump(*centre, spread.covariance(), 1.0, order)
    everywhere = slice(0, shape[0]), slice(0, shape[1])
    for vector in np.eye(2):
        couplet = fitted.couplet(everywhere, vector, lag=0)
        derivative = (plateau(0.001 * vector) - plateau(-0.001 * vector)) / 0.002
        np.testing.assert_allclose(couplet, derivative, atol=1e-5)
        assert np.abs(couplet).max() == pytest.approx(fitted.peak(vector), rel=0.02)


@pytest.mark.parametrize("sought", [Shape(2.8, 2.8, 0.0, 3), Shape(3.5, 2.5, 0.8, 3), Shape(2.0, 2.0, 0.0, 10)])
def test_the_filter_answers_to_flat_bumps_as_the_plain_sums_do(sought: Shape) -> None:
    shape = (120, 120)
    centre = Bump(60.5, 60.5, sought.covariance(), 1.0, sought.order)
    window = centre.window(shape, 4.0)
    images = np.zeros((2, *shape))
    for image, vector in zip(images, np.eye(2), strict=True):
        image[window] = 20 * centre.couplet(window, vector, lag=1)
    data = with_error(scene(np.zeros(shape), images + white(shape, 4)), 1.0)
    (best, *_) = find_candidates(make_field(data), [sought], 5.0, False)
    place = replace(centre, y=best.y, x=best.x)
    window = place.window(shape, 4.0)
    answer = energy = 0.0
    for direction, vector in zip(schema.DIRECTIONS, np.eye(2), strict=True):
        couplet = place.couplet(window, vector, lag=1)
        values = np.nan_to_num(data["gradient"].sel(direction=direction).values)[window]
        answer, energy = answer + (values * couplet).sum(), energy + (couplet**2).sum()
    assert best.snr * best.gain == pytest.approx(answer / np.sqrt(energy), rel=0.01)


def test_a_large_block_with_a_sharp_rim_answers_more_to_flat_bumps(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (640, 640)
    data = seen_through(8 * block(shape, 320.0, 320.0, 18.0, 16.0, 0.15), 5, 3)
    with_flat = lk.couplets(data, progress=False)["snr"].max()
    monkeypatch.setattr("labkit.detect.couplet_filter.FLAT_ORDERS", ())
    assert with_flat > 1.05 * lk.couplets(data, progress=False)["snr"].max() > 5


def test_the_filter_answers_as_the_plain_sums_do() -> None:
    """N / √D of a round bump at one place, added up pixel by pixel, against the filter's answer there."""
    shape = (90, 90)
    phase = 30 * bump(shape, 45.0, 47.0, 2.5, 2.5)
    data = with_error(scene(phase, white(shape, 2)), 1.0)
    (best, *_) = find_candidates(make_field(data), [Shape(2.5, 2.5, 0.0)], 5.0, False)
    rows, cols = np.indices(shape) + 0.5
    answer = energy = 0.0
    for axis, direction in enumerate(schema.DIRECTIONS):
        y, x = rows + 0.5 * (axis == 0) - best.y, cols + 0.5 * (axis == 1) - best.x
        template = -(y, x)[axis] * np.exp(-(y**2 + x**2) / 12.5) / 6.25
        values = np.nan_to_num(data["gradient"].sel(direction=direction).values)
        answer, energy = answer + (values * template).sum(), energy + (template**2).sum()
    assert best.snr * best.gain == pytest.approx(answer / np.sqrt(energy), rel=0.01)


def test_the_demo_scene_is_found_nearly_whole_and_with_few_false_boxes(demo_folder: Path) -> None:
    stacks = [
        lk.stack_gradients(lk.select_pairs(lk.open_interferograms(demo_folder / track)), progress=False).compute()
        for track in ("ascending", "descending")
    ]
    found = gpd.GeoDataFrame(pd.concat([lk.couplets(stack, progress=False) for stack in stacks], ignore_index=True))
    truth = gpd.read_file(demo_folder / "truth.gpkg")
    measured = lk.evaluate(found, truth, bootstrap=200)
    assert measured.intervals["recall"][0] > 0.85, str(measured)
    assert measured.intervals["precision"][0] > 0.6, str(measured)


@pytest.fixture(scope="module")
def danba(real_data: Path) -> xr.Dataset:
    return lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma"))


@pytest.mark.real
def test_the_landslide_of_danba_is_found_at_its_native_spacing(danba: xr.Dataset) -> None:
    found = lk.couplets(lk.stack_gradients(danba, window=7, progress=False), progress=False)
    for direction, box in DANBA.items():
        assert overlap(found, direction, box)[0] > 0.5


@pytest.mark.real
def test_the_landslide_of_danba_is_found_at_40_m(danba: xr.Dataset) -> None:
    found = lk.couplets(lk.stack_gradients(lk.multilook(danba, 40), progress=False), progress=False)
    for direction, box in DANBA.items():
        assert overlap(found, direction, tuple(np.array(box) / 3))[0] > 0.5


@pytest.mark.real
def test_what_the_two_halves_of_danba_do_not_share_is_no_landslide(danba: xr.Dataset) -> None:
    """Half the difference of two halves in time has the noise of their mean, and no steady motion."""
    pairs = lk.multilook(danba, 40)
    middle = np.sort(pairs["reference"].values)[pairs.sizes["pair"] // 2]
    parts = [pairs["secondary"].values <= middle, pairs["reference"].values >= middle]
    halves = [lk.stack_gradients(pairs.isel(pair=part), progress=False).compute() for part in parts]
    first, second = (schema.at_reference(half) for half in halves)
    error = np.hypot(*(half["standard_error"] * schema.reference_factor(half) for half in halves)) / 2
    attrs = halves[0].attrs | {"sum_temporal_baseline": schema.REFERENCE_YEARS, "ground_spacing": 40.0}
    found = {
        name: lk.couplets(halves[0].assign(gradient=gradient, standard_error=error).assign_attrs(attrs), progress=False)
        for name, gradient in (("mean", (first + second) / 2), ("difference", (first - second) / 2))
    }
    assert found["mean"]["direction"].tolist() == ["azimuth", "range"]
    assert len(found["difference"]) == 0
