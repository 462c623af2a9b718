"""Label Studio's own environment: made with a real pip, made anew when broken, and never trusted half-made."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.label import environment
from labkit.label.environment import ENVIRONMENT_VARIABLE, MARKER, ensure_environment, is_whole


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture
def small_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of Label Studio's name and command but without its gigabyte, as pip finds it on a disk."""
    wheel = tmp_path / "label_studio-1.23.9-py3-none-any.whl"
    info = "label_studio-1.23.9.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("label_studio_small.py", "def main():\n    print('1.23.9')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: label-studio\nVersion: 1.23.9\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nlabel-studio = label_studio_small:main\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(environment, "REQUIREMENT", str(wheel))
    return wheel


def test_an_environment_is_made_once_and_then_found(bench, small_package):
    command = ensure_environment()
    assert subprocess.run([command], capture_output=True, text=True, check=True).stdout == "1.23.9\n"
    marker = command.parents[1] / MARKER
    assert json.loads(marker.read_text()) == {"requirement": str(small_package)}
    made = marker.stat().st_mtime_ns
    assert ensure_environment() == command
    assert marker.stat().st_mtime_ns == made


def test_an_interrupted_environment_is_made_anew(bench, small_package):
    left = bench / "label-studio-env"
    (left / "bin").mkdir(parents=True)
    (left / "bin" / "label-studio").write_text("half")
    assert not is_whole(left)
    command = ensure_environment()
    assert is_whole(left)
    assert command.read_text() != "half"


def test_an_environment_for_another_version_or_without_its_python_is_not_whole(bench, small_package):
    made = ensure_environment().parents[1]
    marker = (made / MARKER).read_text()
    (made / MARKER).write_text(json.dumps({"requirement": "label-studio==1.0"}))
    assert not is_whole(made)
    (made / MARKER).write_text("{")
    assert not is_whole(made)
    (made / MARKER).write_text(marker)
    assert is_whole(made)
    for python in (made / "bin").glob("python*"):
        python.unlink()
    assert not is_whole(made)


def test_a_failed_installation_ends_with_pips_words_and_is_not_taken_for_whole(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "REQUIREMENT", str(tmp_path / "nothing-here.whl"))
    with pytest.raises(LabkitError, match=r"(?s)must install, instead .*nothing-here\.whl.*ended with 1:.*Mend"):
        ensure_environment()
    assert not is_whole(bench / "label-studio-env")


def test_a_named_environment_is_used_as_it_is(tmp_path, monkeypatch, label_studio_environment):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(label_studio_environment))
    assert ensure_environment() == label_studio_environment / "bin" / "label-studio"


def test_a_named_environment_without_label_studio_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    with pytest.raises(LabkitError, match=f"{ENVIRONMENT_VARIABLE} must name an environment with Label Studio"):
        ensure_environment()
