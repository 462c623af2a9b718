"""Pictures with boxes that somebody else made: colours become values again, and a detector can be trained on them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import couplets
import matplotlib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import labkit as lk
from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import Pictures, picture_scenes, read_voc, values_of, write_voc
from labkit.label.pictures import make_pictures
from labkit.train import FitSettings, fit
from labkit.train.samples import Reader, make_samples

OWN = lk.chip.colourize(np.linspace(-4, 4, 255))


def drawn(values: np.ndarray, scale: str) -> np.ndarray:
    """Values in the colours of a scale of Matplotlib's over ±4, as its own imshow draws them."""
    return np.rint(255 * matplotlib.colormaps[scale](matplotlib.colors.Normalize(-4, 4)(values))[..., :3]).astype(
        np.uint8
    )


@pytest.mark.parametrize("scale", ["RdBu_r", "seismic", "bwr", "coolwarm", "jet"])
@settings(max_examples=10)
@given(values=arrays.arrays(np.float64, (6, 7), elements=st.floats(-4, 4)))
def test_values_become_colours_and_values_again_to_one_step_of_a_scale(scale, values):
    found = values_of(drawn(values, scale), scale, 4.0)
    # jet and seismic have neighbours of one colour at their ends
    assert np.abs(found - values).max() <= 8 / 256 * 1.01


@settings(max_examples=20)
@given(values=arrays.arrays(np.float64, (6, 7), elements=st.floats(-6, 6) | st.just(float("nan"))))
def test_labkits_own_pictures_become_values_again_to_one_step(values):
    found = values_of(lk.chip.colourize(values), OWN)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    known = ~np.isnan(values)
    assert np.abs(found[known] - values[known].clip(-4, 4)).max(initial=0) <= 8 / 254


@pytest.mark.parametrize(("quality", "median", "worst_percent"), [(95, 0.05, 0.25), (75, 0.08, 0.5)])
def test_values_survive_jpeg(couplet_scene, quality, median, worst_percent):
    values = couplet_scene["gradient"].values[0, :416, :416]
    file = io.BytesIO()
    Image.fromarray(lk.chip.colourize(values)).save(file, "JPEG", quality=quality)
    found = values_of(np.asarray(Image.open(file)), OWN)
    error = np.abs(found - values.clip(-4, 4))
    assert np.isfinite(found).all()
    assert np.median(error) <= median
    assert np.percentile(error, 99) <= worst_percent


def test_frames_and_grey_have_no_value():
    picture = np.zeros((4, 4, 3), np.uint8) + np.uint8([[[128, 128, 128]]])
    picture[1:3, 1:3] = 250
    found = values_of(picture, OWN)
    assert np.isnan(found).sum() == 12
    assert np.abs(found[1:3, 1:3]).max() < 0.02


@pytest.mark.parametrize(
    ("colours", "limit", "rule"),
    [
        ("hsv", 4.0, "colours must tell values apart"),
        ("no such scale", 4.0, "colours must be a scale of Matplotlib's"),
        ([[0, 0, 0]], 4.0, r"colours must have the shape \(n, 3\)"),
        ([0, 1, 2], 4.0, r"colours must have the shape \(n, 3\)"),
        ("bwr", 0.0, "limit must be a positive number"),
    ],
)
def test_a_scale_that_cannot_be_read_back_is_refused(colours, limit, rule):
    with pytest.raises(LabkitError, match=rule):
        values_of(np.zeros((2, 2, 3), np.uint8), colours, limit)
    with pytest.raises(LabkitError, match="picture must have the shape"):
        values_of(np.zeros((2, 2)), "bwr")


@pytest.fixture(scope="module")
def original() -> tuple[xr.Dataset, list]:
    bumps = couplets.random_bumps((192, 192), 6, seed=5)
    return couplets.gradients((192, 192), bumps, seed=5), bumps


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """Two pictures of a paper's kind, azimuth and range of one chip, with their VOC files."""
    scene, bumps = original
    truth = couplets.truth(scene, bumps)
    shown, boxes = [], []
    for direction, layer in schema.layers(scene).items():
        Image.fromarray(lk.chip.colourize(layer.values)).save(tmp_path / f"{direction}.png")
        shown.append({"file": f"{direction}.png", "width": 192, "height": 192})
        for box in truth[truth["direction"] == direction][["xmin", "ymin", "xmax", "ymax", "label"]].to_dict("records"):
            boxes.append({"file": f"{direction}.png", **box})
    write_voc(make_pictures(shown, boxes, tmp_path), tmp_path / "voc")
    return tmp_path


def bring_in(folder: Path, pictures: Pictures | None = None):
    directions = {"azimuth.png": "azimuth", "range.png": "range"}
    return picture_scenes(pictures or read_voc(folder / "voc"), folder, direction=directions, colours=OWN)


def test_a_ready_made_set_gives_the_samples_of_the_stack_that_was_drawn(original, folder):
    scene, bumps = original
    brought = bring_in(folder)
    samples = {s.direction: s for s in make_samples(brought.chips, brought.scenes, brought.labels, 0.5)}
    reader = Reader(brought.scenes)
    truth = couplets.truth(scene, bumps)
    for direction, layer in schema.layers(scene).items():
        there = truth[truth["direction"] == direction][["xmin", "ymin", "xmax", "ymax"]].to_numpy().clip(0, 192)
        np.testing.assert_allclose(samples[direction].boxes, there, atol=1e-9)
        [image] = reader.read(samples[direction])
        assert np.nanmax(np.abs(image - layer.values.clip(-4, 4))) <= 8 / 254


def test_a_detector_is_trained_on_a_ready_made_set(folder, tmp_path):
    brought = bring_in(folder)
    chips = brought.chips.assign(split="train")
    settings_ = FitSettings(width=8, crop=96, batch_size=2, draws=1)
    detector = fit(chips, brought.scenes, brought.labels, out=tmp_path / "d", max_epochs=1, settings=settings_)
    assert np.isfinite(detector.history["train_loss"]).all()
    assert json.loads((tmp_path / "d" / "detector.json").read_text())["made_by"]["labels"] == len(brought.labels)


def test_pictures_that_are_not_square_are_padded_with_no_data(tmp_path):
    Image.new("RGB", (40, 30), (250, 250, 250)).save(tmp_path / "a.png")
    flat = make_pictures([{"file": "a.png", "width": 40, "height": 30}], [], tmp_path)
    brought = picture_scenes(flat, tmp_path, direction="rate", colours=OWN, limit=40.0)
    (sample,) = make_samples(brought.chips, brought.scenes, brought.labels, 0.5)
    [image] = Reader(brought.scenes).read(sample)
    assert image.shape == (40, 40)
    assert np.isnan(image[30:]).all()
    assert np.abs(image[:30]).max() <= 80 / 510
    assert brought.chips["valid_fraction"][0] == 0.75


def test_a_missing_picture_another_size_and_an_unknown_direction_are_named(folder):
    pictures = read_voc(folder / "voc")
    with pytest.raises(LabkitError, match="direction must be one of .* for 'azimuth.png'"):
        picture_scenes(pictures, folder, direction={}, colours=OWN)
    Image.new("RGB", (90, 96)).save(folder / "azimuth.png")
    (folder / "range.png").unlink()
    brought = bring_in(folder)
    for file, rule in (("azimuth.png", "must be of 192 × 192 px"), ("range.png", "must be a picture")):
        with pytest.raises(FileError, match=f"{file} {rule}"):
            brought.scenes[file].compute()
