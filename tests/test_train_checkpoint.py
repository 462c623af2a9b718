import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from labkit import FileError, LabkitError, load_detector
from labkit.train.building import build
from labkit.train.checkpoint import save_detector
from labkit.train.detector import Detector
from labkit.train.settings import DetectorSettings

ANCHORS = (((12.0, 16.0), (20.0, 20.0), (24.0, 18.0)), ((40.0, 30.0), (50.0, 60.0), (90.0, 80.0)))


def make(name="first", seed=0, width=8):
    settings = DetectorSettings(name, "gradients", 96, ANCHORS, width=width)
    torch.manual_seed(seed)
    network = build(settings)
    with torch.no_grad():
        for head in network.heads:
            head.bias.view(-1, 5)[:, 4] = 0.0
    return Detector(network, settings, pd.DataFrame({"epoch": [0, 1], "train_loss": [3.0, 2.0]}))


@pytest.fixture
def folder(tmp_path):
    return save_detector(make(), tmp_path / "first", made_by={"seed": 0})


def weights_of(folder):
    [weights] = folder.glob("*.safetensors")
    return weights


def change(folder, **changes):
    path = folder / "detector.json"
    description = json.loads(path.read_text())
    for key, value in changes.items():
        description[key] = {**description[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(description))


def test_a_detector_that_was_saved_predicts_the_same(folder):
    images = np.random.default_rng(0).standard_normal((3, 96, 96)).astype(np.float32)
    again = load_detector(folder)
    for before, after in zip(make().predict(images, 0.3), again.predict(images, 0.3), strict=True):
        assert len(before)
        np.testing.assert_array_equal(before, after)
    assert again.settings == make().settings
    pd.testing.assert_frame_equal(again.history, make().history)


def test_the_folder_says_versions_and_how_it_was_made(folder):
    description = json.loads((folder / "detector.json").read_text())
    assert description["made_by"] == {"seed": 0}
    assert description["versions"]["torch"] == torch.__version__
    assert {p.name for p in folder.iterdir()} == {"detector.json", "history.csv", weights_of(folder).name}


def test_a_new_detector_takes_the_place_of_the_old_one(folder):
    old = weights_of(folder).name
    save_detector(make("second", seed=1), folder)
    assert load_detector(folder).name == "second"
    assert weights_of(folder).name != old


def test_a_save_that_fails_leaves_the_old_detector_standing(folder):
    broken = make("second", seed=1)
    with pytest.raises(TypeError):
        save_detector(broken, folder, made_by={"a thing that JSON cannot hold": object()})
    assert load_detector(folder).name == "first"


def test_the_name_of_a_folder_in_results_is_enough(folder, monkeypatch):
    results = folder.parent / "results"
    results.mkdir()
    folder.rename(results / "first")
    monkeypatch.chdir(results.parent)
    assert load_detector("first").name == "first"
    assert load_detector(results / "first" / "detector.json").name == "first"


def test_an_unknown_name_is_refused_with_those_that_exist(folder, monkeypatch):
    (folder.parent / "results").mkdir()
    save_detector(make("second"), folder.parent / "results" / "second")
    monkeypatch.chdir(folder.parent)
    known = "first, results.second, gradients-small, rates-small"
    with pytest.raises(LabkitError, match=rf"instead got detector='frist'. There are: {known}. Train"):
        load_detector("frist")


def test_cut_weights_are_refused(folder):
    path = weights_of(folder)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=rf"{path.name} must have the SHA-256 .* cut or changed"):
        load_detector(folder)


def test_a_single_changed_byte_is_refused(folder):
    path = weights_of(folder)
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match="SHA-256"):
        load_detector(folder)


def test_missing_weights_are_refused(folder):
    path = weights_of(folder)
    path.unlink()
    with pytest.raises(FileError, match=f"{path.name} must be there"):
        load_detector(folder)


def test_weights_outside_the_folder_are_refused(folder):
    change(folder, weights={"file": f"../{weights_of(folder).name}"})
    with pytest.raises(FileError, match="must be there"):
        load_detector(folder)


def test_weights_of_another_network_are_refused(folder):
    change(folder, settings={"width": 16})
    with pytest.raises(FileError, match="must fit the network .* size mismatch"):
        load_detector(folder)


def test_a_pickle_is_never_opened(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    import hashlib

    content = pickle.dumps({"stem": Trap()})
    path = weights_of(folder)
    path.write_bytes(content)
    change(folder, weights={"sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(FileError, match="must fit the network"):
        load_detector(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"format": 1, "settings"', "must be whole JSON"),
        ("\x00\xff", "must be whole JSON"),
        ("[]", "must be of format 1"),
        ('{"format": 99}', "must be of format 1, instead got format=99"),
        ('{"format": 1}', "must describe a detector"),
        ('{"format": 1, "settings": {"anchors": [], "colour": 3}}', "must describe a detector"),
    ],
)
def test_a_description_that_is_not_one_is_refused(folder, text, rule):
    (folder / "detector.json").write_text(text, encoding="latin-1")
    with pytest.raises(FileError, match=rule):
        load_detector(folder)


def test_settings_that_break_a_rule_are_refused_with_the_rule(folder):
    change(folder, settings={"kind": "phase"})
    with pytest.raises(FileError, match="kind must be among"):
        load_detector(folder)


def test_a_detector_of_a_version_without_the_newer_settings_still_opens(folder):
    path = folder / "detector.json"
    description = json.loads(path.read_text())
    for name in ("directions", "validity", "attention", "box_loss", "dropblock", "smoothing"):
        del description["settings"][name]
    path.write_text(json.dumps(description))
    assert load_detector(folder).settings == make().settings


def test_a_network_that_is_not_there_is_refused_with_those_that_are(folder):
    change(folder, settings={"network": "huge"})
    with pytest.raises(FileError, match="must describe a network that there is, instead network must be among .*tiny"):
        load_detector(folder)
