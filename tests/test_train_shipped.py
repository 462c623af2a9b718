"""The weights that ship: there by name, small, whole or refused, and of use on scenes that they never saw."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

import labkit as lk
from labkit.errors import FileError, LabkitError
from labkit.train.checkpoint import DESCRIPTION, SHIPPED

NAMES = {"gradients-small": "gradients", "rates-small": "rates"}


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_that_ship_open_by_their_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    detector = lk.load_detector(name)
    assert (detector.name, detector.kind) == (name, NAMES[name])


@pytest.mark.parametrize("name", NAMES)
def test_they_are_half_precise_and_small(name: str) -> None:
    description = json.loads((SHIPPED / name / DESCRIPTION).read_text(encoding="utf-8"))
    path = SHIPPED / name / description["weights"]["file"]
    assert path.stat().st_size <= 8e6
    with safe_open(path, "np") as tensors:
        kinds = {str(tensors.get_tensor(key).dtype) for key in tensors.keys()}  # noqa: SIM118 - no mapping
    assert kinds <= {"float16", "int64"}


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_is_refused(name: str, tmp_path: Path) -> None:
    copy = tmp_path / name
    shutil.copytree(SHIPPED / name, copy)
    (weights,) = copy.glob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(FileError, match="the file was cut or changed"):
        lk.load_detector(copy)


@pytest.mark.parametrize("name", NAMES)
def test_their_cards_say_what_they_see_and_how_good_they_are(name: str) -> None:
    card = (SHIPPED / name / "README.md").read_text(encoding="utf-8")
    assert "and their standard errors, chips of 416 px" in card
    measured = json.loads((SHIPPED / name / DESCRIPTION).read_text(encoding="utf-8"))["made_by"]["measured"]
    assert f"AP50 {measured['held_out']['all']['ap50']:.3f}," in card
    assert f"km²: {measured['empty']['boxes']}\n" in card


@pytest.mark.parametrize("name", NAMES)
def test_the_page_tells_what_was_measured(name: str) -> None:
    measured = json.loads((SHIPPED / name / DESCRIPTION).read_text(encoding="utf-8"))["made_by"]["measured"]
    page = (Path(__file__).parents[1] / "docs" / "weights.md").read_text(encoding="utf-8")
    rows = {
        "AP50 |": f"{measured['held_out']['all']['ap50']:.3f}",
        "recall where precision is 0.90 |": f"{measured['held_out']['all']['recall_at_precision_0.9']['recall']:.3f}",
        "boxes for 1,000 km² without deformation |": f"{measured['empty']['per_1000_km2']:.2f}",
    }
    for start, figure in rows.items():
        (line,) = [row for row in page.splitlines() if row.startswith(f"| {start}")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2 + list(NAMES).index(name)].split()[0].strip(",") == figure, start


def test_a_wrong_name_is_told_the_names_that_ship() -> None:
    with pytest.raises(LabkitError, match="gradients-small, rates-small"):
        lk.load_detector("gradients-tiny")


def test_the_gradient_detector_finds_the_landslides_of_a_scene_that_it_never_saw() -> None:
    tiny = lk.simulate.scene("tiny", seed=0)
    detector = lk.load_detector("gradients-small")
    ifgs = tiny.interferograms["ascending"]
    gradients = lk.stack_gradients(ifgs, progress=False)
    truth = tiny.truth[tiny.truth["scene"] == ifgs.attrs["scene"]]
    measured = lk.evaluate(lk.detect_landslides(gradients, detector), truth, iou=0.3)
    assert measured.labels == 7
    assert measured.recall >= 0.7
    assert measured.precision >= 0.7


def test_the_rate_detector_finds_the_landslides_of_a_scene_that_it_never_saw() -> None:
    tiny = lk.simulate.scene("tiny", seed=0)
    detector = lk.load_detector("rates-small")
    rates, true = tiny.rates["ascending"], tiny.true_rates["ascending"].values
    truth = tiny.rate_truth[tiny.rate_truth["scene"] == rates.attrs["scene"]]
    found = lk.detect_landslides(rates, detector)
    measured = lk.evaluate(found, truth, iou=0.3)
    assert measured.labels == 3
    assert measured.recall >= 0.6
    # landslides too incoherent for the table are no mistakes: the ground below the box moves
    inside = [abs(true[int(b.ymin) : int(b.ymax), int(b.xmin) : int(b.xmax)]).max() for b in found.itertuples()]
    assert sum(rate > 5.0 for rate in inside) >= 0.7 * len(found)
