"""``labkit train``: a night from a file, in one process and in two, with its card and its event files."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import couplets
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import labkit as lk
from labkit import FileError, LabkitError, load_detector
from labkit.cli import app
from labkit.night import read_plan, train

SHAPE = (192, 192)
BUMPS = couplets.random_bumps(SHAPE, 6, seed=5)

CONFIG = """
scenes = "gradients_*.nc"
chips = "chips.parquet"
labels = "labels.parquet"
out = "detector"
recipe = "paper-2"
seed = 3

[settings]
width = 4
crop = 64
epochs = 2

[run]
accelerator = "cpu"
tensorboard = true
"""


@pytest.fixture
def folder(tmp_path):
    """Scene, chips with a validation chip, labels and a configuration, as a person leaves them."""
    scene = couplets.gradients(SHAPE, BUMPS, seed=5)
    lk.read.save_scene(scene, tmp_path / "gradients_a.nc")
    chips = couplets.chips(scene, 96)
    chips.loc[3, "split"] = "validation"
    chips.to_parquet(tmp_path / "chips.parquet")
    couplets.truth(scene, BUMPS).to_parquet(tmp_path / "labels.parquet")
    (tmp_path / "night.toml").write_text(CONFIG)
    return tmp_path


def events_in(path: Path):
    """Every scalar of a file of TensorBoard: (name, step) to value, by the format that TensorFlow gives for records."""
    from tensorboardX.proto.event_pb2 import Event

    data, place, found = path.read_bytes(), 0, {}
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        event = Event.FromString(data[place + 12 : place + 12 + length])
        place += 12 + length + 4
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


def test_a_night_leaves_a_detector_its_card_and_its_events(folder):
    done = CliRunner().invoke(app, ["train", str(folder / "night.toml")])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    out = folder / "detector"
    detector = load_detector(out)
    assert detector.history.learning_rate.tolist() == [0.01, 0.01]

    card = (out / "README.md").read_text()
    made_by = json.loads((out / "detector.json").read_text())["made_by"]
    for word in (
        made_by["identity"]["data"]["scenes"]["formula"], made_by["boxes_sha256"], "| optimizer | sgd |",
        "| seed | 3 |",
        f"{detector.history.val_loss.min():.4g}", "**validation chips**", "precision", "## Limits",
    ):  # fmt: skip
        assert word in card, word

    [events] = (out / "tensorboard").iterdir()
    told = events_in(events)
    for name in ("train_loss", "train_box", "val_loss", "learning_rate"):
        np.testing.assert_allclose([told[name, 0], told[name, 1]], detector.history[name], rtol=1e-6)


def test_a_night_that_had_ended_is_not_trained_again(folder):
    first = train(read_plan(folder / "night.toml"))
    before = (folder / "detector" / "detector.json").read_bytes()
    seen = []
    again = train(read_plan(folder / "night.toml"), resume=True, watch=seen.append)
    assert seen == [] and (folder / "detector" / "detector.json").read_bytes() == before
    pd.testing.assert_frame_equal(first.history, again.history)


def test_mixed_precision_learns_too(folder):
    config = CONFIG.replace('accelerator = "cpu"', 'accelerator = "cpu"\nprecision = "bf16-mixed"')
    (folder / "night.toml").write_text(config)
    history = train(read_plan(folder / "night.toml")).history
    assert np.isfinite(history[["train_loss", "val_loss"]]).all(axis=None)


def test_json_says_the_same_as_toml(folder):
    import tomllib

    (folder / "night.json").write_text(json.dumps(tomllib.loads(CONFIG)))
    assert read_plan(folder / "night.json") == read_plan(folder / "night.toml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed = 3", "sed = 3", "must hold only the words .*, instead got sed"),
        ('out = "detector"', "", r"instead \['out'\] are missing"),
        ("seed = 3", "seed = ", "must be a readable TOML or JSON file"),
        ("width = 4", "widht = 4", "changes must be fields of FitSettings.*'widht'"),
        ("tensorboard = true", "tensorbord = true", r"run must hold fields of RunSettings.*\['tensorbord'\]"),
        ("gradients_*", "rates_*", "scenes must be files, instead there is none for .*rates_"),
        ("chips.parquet", "labels.txt", "labels.txt must be chips"),
        ('"paper-2"', '"paper-9"', "name must be among .*paper-9"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_its_word(folder, old, new, words):
    assert CONFIG.count(old) == 1
    (folder / "night.toml").write_text(CONFIG.replace(old, new))
    with pytest.raises(LabkitError, match=words):
        train(read_plan(folder / "night.toml"))
    assert not (folder / "detector").exists()


def test_there_has_to_be_a_file(tmp_path):
    with pytest.raises(FileError, match="nothing.toml must be a readable TOML or JSON file"):
        read_plan(tmp_path / "nothing.toml")


@pytest.mark.slow
def test_two_processes_train_one_detector(folder):
    """Slow: two processes that load torch. DDP over gloo, each with its share of the batches."""
    config = CONFIG.replace('accelerator = "cpu"', 'accelerator = "cpu"\ndevices = 2\nstrategy = "ddp"')
    (folder / "night.toml").write_text(config)
    command = [str(Path(sys.executable).parent / "labkit"), "train", str(folder / "night.toml")]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 1:") == 1, "the first process alone speaks"
    detector = load_detector(folder / "detector")
    assert np.isfinite(detector.history[["train_loss", "val_loss"]]).all(axis=None)
    events = list((folder / "detector" / "tensorboard").iterdir())
    assert len(events) == 1
