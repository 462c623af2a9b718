"""The wheel: what it carries, and that it runs in a new environment, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: From files to landslides with what the wheel itself brings.
WALK = """
import labkit as lk
found = lk.survey("data/demo/ascending")
gradients = lk.quicklook(found, progress=False)
boxes = lk.detect_landslides(gradients, lk.load_detector("gradients-small"), progress=False)
landslides = lk.merge_detections([lk.filter_detections(boxes, gradients)])
lk.write_detections(landslides, "landslides.gpkg")
print(lk.__file__, found.product, gradients.attrs["n_pairs"], len(landslides), sep="|")
"""

pytestmark = pytest.mark.slow


def run(*words: str | Path, folder: Path) -> str:
    # away from the checkout: neither its path nor the bench that runs the tests is handed on
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LABKIT_"))}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment | {"LABKIT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; what builds it (hatchling) comes from where pip is set to take packages."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)
    (built,) = folder.glob("labkit-*.whl")
    return built


def test_the_wheel_carries_types_and_weights_and_nothing_of_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "labkit/py.typed" in names
    assert sum(name.endswith(".safetensors") for name in names) == 2
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "labkit").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}
    assert {name.split("/")[0] for name in names} == {
        "labkit",
        next(n for n in names if "dist-info" in n).split("/")[0],
    }


def test_the_wheel_runs_from_files_to_landslides_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", environment, folder=tmp_path)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    # What labkit needs is lent by the environment of the tests; its own .pth files, the checkout's among them, are not
    # followed from there.
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip())
    (own / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, folder=tmp_path)
    place = tmp_path / "somewhere"
    place.mkdir()
    run(python.with_name("labkit"), "demo", folder=place)
    assert (place / "data" / "demo" / "truth.gpkg").is_file()
    home, product, pairs, landslides = run(python, "-c", WALK, folder=place).strip().splitlines()[-1].split("|")
    assert Path(home).is_relative_to(own), "labkit must be the installed one"
    assert product == "gamma" and int(pairs) > 20 and int(landslides) >= 5
    assert (place / "landslides.gpkg").is_file()
