"""Stopped and taken up: a training that was killed gives what it would have given, and another one is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import couplets
import numpy as np
import pytest
import torch

from labkit import FileError, LabkitError, load_detector
from labkit.train import FitSettings, RunSettings, fit
from labkit.train.state import has_state, load_state, random_state, save_state, set_random_state

SHAPE = (192, 192)
BUMPS = couplets.random_bumps(SHAPE, 6, seed=5)
#: The optimizer changes in the middle, and the weights that were best are kept.
TUNING = FitSettings(
    width=4, crop=64, batch_size=4, draws=1, epochs=5, optimizer="adam", schedule="constant", sgd_from=4, patience=9
)


def data():
    scene = couplets.gradients(SHAPE, BUMPS, seed=5)
    chips = couplets.chips(scene, 96)
    chips.loc[3, "split"] = "validation"
    return chips, scene, couplets.truth(scene, BUMPS)


class StoppedError(Exception):
    """What a watcher raises to end a training where it stands."""


def stop_after(epochs):
    def watch(history):
        if len(history) == epochs:
            raise StoppedError

    return watch


def weights(detector):
    return detector.network.state_dict()


def assert_the_same(one, two):
    for (name, a), (other, b) in zip(weights(one).items(), weights(two).items(), strict=True):
        assert name == other and torch.equal(a, b), name
    columns = one.history.columns.drop("seconds")
    np.testing.assert_array_equal(one.history[columns], two.history[columns])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fit(*data(), out=tmp_path_factory.mktemp("whole") / "d", settings=TUNING)


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(whole, tmp_path, epochs):
    with pytest.raises(StoppedError):
        fit(*data(), out=tmp_path / "d", settings=TUNING, watch=stop_after(epochs))
    assert not (tmp_path / "d" / "detector.json").exists()
    assert_the_same(whole, fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True))
    assert not (tmp_path / "d" / "training").exists()


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
import test_train_resume as t

t.fit(*t.data(), out=sys.argv[1], settings=t.TUNING)
"""


def test_a_training_that_was_killed_goes_on_to_the_same_weights(whole, tmp_path):
    # sums of one thread and of two differ in their last bits: both processes train with as many
    threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS"], str(torch.get_num_threads()))
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "d"), str(Path(__file__).parent)]
    child = subprocess.Popen(program, env=os.environ | threads)
    running = tmp_path / "d" / "training"
    deadline = time.monotonic() + 120
    while not has_state(running):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert len(load_state(running)["rows"]) < TUNING.epochs
    assert_the_same(whole, fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True))


def test_an_interrupt_keeps_the_state_and_says_how_it_goes_on(whole, tmp_path):
    def interrupt(history):
        if len(history) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="with resume=True the training in .* goes on"):
        fit(*data(), out=tmp_path / "d", settings=TUNING, watch=interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    assert_the_same(whole, fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True))


def test_where_nothing_was_begun_it_begins_and_where_it_ended_the_detector_is_given(whole, tmp_path):
    seen = []
    made = fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True, watch=lambda history: seen.append(history))
    assert_the_same(whole, made)
    assert len(seen) == TUNING.epochs
    again = fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True, watch=lambda history: seen.append(history))
    assert_the_same(whole, again)
    assert len(seen) == TUNING.epochs, "not one epoch more"
    with pytest.raises(LabkitError, match=r"resume must go on .* instead got seed=1 \(was 0\)"):
        fit(*data(), out=tmp_path / "d", settings=TUNING, resume=True, seed=1)


def test_other_data_or_settings_are_refused_by_name(tmp_path):
    chips, scene, labels = data()
    with pytest.raises(StoppedError):
        fit(chips, scene, labels, out=tmp_path / "d", settings=TUNING, watch=stop_after(1))
    changed = scene.copy(deep=True)
    changed["gradient"][0, 100, 100] += 1e-3
    moved = chips.copy()
    moved.loc[0, "split"] = "test"
    other = FitSettings(**(TUNING.__dict__ | {"learning_rate": 0.5}))
    for given, settings, words in (
        ((chips, changed, labels), TUNING, "data.scenes.formula"),
        ((moved, scene, labels), TUNING, "data.chips="),
        ((chips, scene, labels.iloc[1:]), TUNING, "data.labels="),
        ((chips, scene, labels), other, r"settings.learning_rate=0.5 \(was 0.002\)"),
    ):
        with pytest.raises(LabkitError, match=f"resume must go on .*{words}.* Take them back"):
            fit(*given, out=tmp_path / "d", settings=settings, resume=True)


def test_a_state_that_was_cut_or_changed_is_refused(tmp_path):
    save_state(tmp_path, {"a": torch.arange(5.0)}, {})
    [tensors] = tmp_path.glob("*.safetensors")
    good = tensors.read_bytes()
    for bad in (good[:-1], good[:-1] + b"x", b""):
        tensors.write_bytes(bad)
        with pytest.raises(FileError, match="must have the SHA-256 .* Train anew"):
            load_state(tmp_path)
    tensors.unlink()
    with pytest.raises(FileError, match="must describe a running training"):
        load_state(tmp_path)
    tensors.write_bytes(good)
    text = (tmp_path / "state.json").read_text()
    for bad_text in (text[:-5], "[]", "{}", text.replace('"format": 1', '"format": 2')):
        (tmp_path / "state.json").write_text(bad_text)
        with pytest.raises(FileError, match="state.json must"):
            load_state(tmp_path)


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {
        "none": None, "list": [1, 2.5, float("inf"), True], "tuple": (1, (2,)), "words": "ü",
        "by number": {0: torch.eye(2), 1: torch.tensor(3, dtype=torch.uint8)}, "half": torch.ones(3).bfloat16(),
    }  # fmt: skip
    save_state(tmp_path, state, {"seed": 1})
    save_state(tmp_path, state, {"seed": 1})
    back = load_state(tmp_path, {"seed": 1})
    for name in ("none", "list", "tuple", "words"):
        assert back[name] == state[name] and type(back[name]) is type(state[name])
    assert torch.equal(back["by number"][0], torch.eye(2)) and back["by number"][1].dtype == torch.uint8
    assert torch.equal(back["half"], state["half"])
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(TypeError, match="a state cannot hold ndarray"):
        save_state(tmp_path, {"array": np.ones(2)}, {})


def test_every_generator_draws_again_what_it_drew(tmp_path):
    import random

    save_state(tmp_path, random_state(), {})
    drawn = [(torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) for _ in range(2)]  # noqa: NPY002
    set_random_state(load_state(tmp_path))
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == drawn[0]  # noqa: NPY002


def test_states_are_kept_as_often_as_asked(tmp_path):
    kept = []

    def watch(history):
        kept.append(
            len(load_state(tmp_path / "d" / "training")["rows"]) if has_state(tmp_path / "d" / "training") else 0
        )

    fit(*data(), out=tmp_path / "d", settings=TUNING, run=RunSettings(keep_every=2), watch=watch)
    assert kept == [0, 2, 2, 4, 4]
    assert json.loads((tmp_path / "d" / "detector.json").read_text())["made_by"]["run"]["keep_every"] == 2
    assert load_detector(tmp_path / "d").history.epoch.tolist() == [0, 1, 2, 3, 4]
