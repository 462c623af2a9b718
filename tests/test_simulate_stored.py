"""Scenes that are kept: made once, resumed where they stopped, refused where a byte has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from typer.testing import CliRunner

import labkit as lk
from labkit.cli import app
from labkit.errors import FileError
from labkit.simulate import Effects, presets, scene, stored, write
from labkit.simulate.layout import Layout
from labkit.simulate.manifest import fingerprint, recipe


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored("tiny", tmp_path_factory.mktemp("data"), progress=False)


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    """A scene of its own, to be spoilt."""
    home = tmp_path / "data" / "tiny"
    for path in kept.rglob("*"):
        if path.is_file():
            target = home / path.relative_to(kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return home


def again(home: Path, **how: object) -> Path:
    return stored("tiny", home.parent, progress=False, **how)  # type: ignore[arg-type]


def test_a_scene_is_made_once(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert again(copy) == copy
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    assert {path.name for path in copy.parent.iterdir()} == {"tiny"}


def test_what_is_kept_is_what_is_simulated(kept: Path) -> None:
    made = scene("tiny").interferograms["descending"]
    read = lk.open_interferograms(kept / "descending")
    np.testing.assert_allclose(read["phase"].values, made["phase"].values, atol=1e-5)
    manifest = json.loads((kept / "manifest.json").read_text())
    assert set(manifest["sha256"]) == set(manifest["files"])
    assert all(len(digest) == 64 for digest in manifest["sha256"].values())


def test_a_changed_byte_is_an_error_that_names_the_file_and_the_remedy(copy: Path) -> None:
    pair = sorted((copy / "ascending" / "diff").iterdir())[3]
    data = bytearray(pair.read_bytes())
    data[5000] ^= 1
    pair.write_bytes(data)
    with pytest.raises(FileError, match=rf"{pair.name} must be as it was written.*SHA-256.*Remove .*tiny, and the"):
        again(copy)
    assert again(copy, check=False) == copy
    pair.write_bytes(data[:-8])
    with pytest.raises(FileError, match=rf"{pair.name} must have \d+ bytes, instead it has \d+"):
        again(copy, check=False)
    pair.unlink()
    with pytest.raises(FileError, match=rf"{pair.name} must be there, as the manifest says, instead it is missing"):
        again(copy)


def test_a_file_that_is_no_part_of_the_scene_is_named(copy: Path) -> None:
    (copy / "ascending" / "diff" / "20990101_20990113.diff.ml.sm").write_bytes(b"foreign")
    with pytest.raises(FileError, match=r"no part of it: ascending/diff/20990101_20990113.*Move them elsewhere"):
        again(copy)


def test_hidden_files_that_file_managers_leave_do_no_harm(copy: Path) -> None:
    (copy / ".DS_Store").write_bytes(b"")
    assert again(copy) == copy


@pytest.mark.parametrize("text", ['{"name": "ti', "[]", "{}"])
def test_a_manifest_that_cannot_be_read_is_an_error(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(FileError, match=r"manifest\.json must hold the manifest of a scene.*Remove .*tiny"):
        again(copy)


def test_other_settings_and_another_version_make_it_anew(copy: Path) -> None:
    again(copy, effects=Effects.none())
    manifest = json.loads((copy / "manifest.json").read_text())
    assert Effects(**manifest["effects"]) == Effects.none() and manifest["calendar"] == "preset"
    manifest["recipe"] = "of an older version"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    again(copy, effects=Effects.none())
    assert json.loads((copy / "manifest.json").read_text())["recipe"] != "of an older version"
    assert again(copy, seed=2, effects=Effects.none()) == copy.parent / "tiny-2"
    assert {path.name for path in copy.parent.iterdir()} == {"tiny", "tiny-2"}


SOURCE = '''"""What it is."""

X = 1


def twice(x: float) -> float:
    """Give 2 x."""
    return 2 * x
'''


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("What it is.", "What it is, said better.", True),
        ("Give 2 x.", "Give x + x.", True),
        ("X = 1", "X = 1  # why", True),
        ("return 2 * x", "return (\n        2 * x\n    )", True),
        ("return 2 * x", "return 3 * x", False),
        ("X = 1", "X = 2", False),
        ("    return 2 * x", "    return None", False),
    ],
)
def test_only_what_changes_numbers_changes_the_fingerprint(before: str, after: str, same: bool) -> None:
    changed = SOURCE.replace(before, after)
    assert changed != SOURCE
    assert (fingerprint({"a.py": SOURCE}) == fingerprint({"a.py": changed})) == same


def test_the_recipe_is_that_of_the_package_s_own_source() -> None:
    home = Path(lk.simulate.__path__[0])
    sources = {path.name: path.read_text(encoding="utf-8") for path in home.glob("*.py")}
    assert recipe() == fingerprint(sources)
    sources["speckle.py"] += "\n_PI = 3.0\n"
    assert recipe() != fingerprint(sources)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.txt").write_text("two years of work")
    with pytest.raises(FileError, match="holds other files"):
        stored("tiny", tmp_path, progress=False)
    assert (tmp_path / "tiny" / "thesis.txt").exists()


@pytest.fixture
def in_bursts(monkeypatch: pytest.MonkeyPatch) -> str:
    small = replace(presets.PRESETS["tiny"], acquisitions=dict.fromkeys(("ascending", "descending"), 4))
    monkeypatch.setitem(presets.PRESETS, "small", replace(small, bursts=Layout((2, 1), (16, 0))))
    return "small"


def test_a_stopped_scene_goes_on_with_the_burst_at_which_it_stopped(
    in_bursts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"effects": Effects(), "progress": False}
    whole = stored(in_bursts, tmp_path / "whole", **how)  # type: ignore[arg-type]
    made: list[str] = []
    real = write.write_pair

    def until_the_third_folder(home: Path, pair: object) -> None:
        made.append(home.name)
        if len(set(made)) == 3:
            raise KeyboardInterrupt
        real(home, pair)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "write_pair", until_the_third_folder)
    with pytest.raises(KeyboardInterrupt):
        stored(in_bursts, tmp_path / "stopped", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "stopped" / in_bursts).exists()
    assert set(made) == {"ascending-IW1-1", "ascending-IW1-2", "descending-IW1-1"}

    made.clear()
    monkeypatch.setattr(write, "write_pair", lambda home, pair: (made.append(home.name), real(home, pair)))
    home = stored(in_bursts, tmp_path / "stopped", **how)  # type: ignore[arg-type]
    assert set(made) == {"descending-IW1-1", "descending-IW1-2"}
    assert {path.name for path in home.parent.iterdir()} == {in_bursts}
    first, second = (json.loads((folder / "manifest.json").read_text())["sha256"] for folder in (whole, home))
    assert {k: v for k, v in first.items() if "/diff/" in k} == {k: v for k, v in second.items() if "/diff/" in k}


def test_bursts_are_read_back_by_the_ordinary_reader_and_their_truth_names_them(in_bursts: str, tmp_path: Path) -> None:
    home = stored(in_bursts, tmp_path, effects=Effects(), progress=False)
    made = scene(in_bursts, effects=Effects())
    truth = gpd.read_file(home / "burst_truth.gpkg")
    for burst in made.bursts["ascending"]:
        name = f"ascending-{burst.attrs['burst']}"
        read = lk.open_interferograms(home / name)
        assert read.attrs["scene"] == name and read["pair"].values.tolist() == burst["pair"].values.tolist()
        np.testing.assert_allclose(read["phase"][1].values, burst["phase"][1].values, atol=1e-5)
        for axis in ("lon", "lat"):
            np.testing.assert_allclose(read[axis].values, burst[axis].values, atol=1e-6)
        assert made.burst_truth is not None
        of_burst = made.burst_truth[made.burst_truth["scene"] == burst.attrs["scene"]]
        assert (truth["scene"] == name).sum() == len(of_burst)
    assert set(truth["scene"]) <= {path.name for path in home.iterdir() if path.is_dir()}


def test_the_command_line_makes_a_scene(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["scene", "tiny", "--seed", "1", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"The scene is in {tmp_path / 'tiny-1'}" in done.output.replace("\n", "")
    assert (tmp_path / "tiny-1" / "truth.gpkg").is_file()
