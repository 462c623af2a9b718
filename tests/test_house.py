"""The house: packaging in agreement, a light import, layers that do not cross, nothing committed that must not be."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import labkit as lk

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "pytorch_lightning", "matplotlib", "hvplot", "holoviews", "leafmap", "label_studio_sdk")

STAGES = ("read", "simulate", "stack", "chip", "label", "train", "detect", "maps")
FLOOR = {"errors", "schema", "geo", "geocode", "ground", "lookup", "home", "files", "intervals", "kml", "wording"}


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*words: str, folder: Path = ROOT, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)


def modules_after(statement: str, folder: Path) -> set[str]:
    """The top-level modules that a fresh Python has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = run(sys.executable, "-c", code, folder=folder)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_labkit_is_light(tmp_path: Path) -> None:
    loaded = modules_after("import labkit as lk; dir(lk)", tmp_path)
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"xarray", "rasterio", "numba", "geopandas"})


def test_no_help_of_the_command_line_is_swallowed_as_markup() -> None:
    import typer
    from rich.text import Text

    from labkit.cli import app

    def walk(command: Any) -> Iterator[tuple[str, str]]:
        yield from ((f"{command.name} {one.name}", one.help) for one in command.params if getattr(one, "help", None))
        for below in getattr(command, "commands", {}).values():
            yield from walk(below)

    said = dict(walk(typer.main.get_command(app)))
    assert len(said) > 20
    for where, words in said.items():
        assert Text.from_markup(words).plain == words, f"{where} must be shown whole"


def test_the_command_line_answers_without_loading_what_it_does_not_need(tmp_path: Path) -> None:
    loaded = modules_after("import labkit.cli", tmp_path)
    assert loaded.isdisjoint(HEAVY)
    assert "numpy" not in loaded


@pytest.mark.parametrize(
    "stage", ["schema", "geo", "read", "simulate", "stack", "chip", "label", "detect", "maps", "studies"]
)
def test_a_stage_is_imported_without_torch_plots_or_the_label_studio_sdk(stage: str, tmp_path: Path) -> None:
    assert modules_after(f"import labkit as lk; lk.{stage}", tmp_path).isdisjoint(HEAVY)


def test_every_public_name_is_there_and_described() -> None:
    for name in lk.__all__:
        thing = getattr(lk, name)
        if name != "__version__":
            assert (thing.__doc__ or "").strip(), f"lk.{name} has no docstring"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'landslidez'"):
        _ = lk.landslidez


def imports_of(path: Path) -> set[str]:
    """The parts of labkit that a module imports: "geo" for labkit.geo, "read" for anything in labkit.read."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            assert not isinstance(node, ast.ImportFrom), f"{path} imports by a relative path, line {node.lineno}"
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("labkit.")}
    return found


def test_stages_meet_in_plain_objects_and_do_not_import_each_other() -> None:
    crossing = []
    for stage in STAGES:
        for path in sorted((ROOT / "labkit" / stage).rglob("*.py")):
            others = imports_of(path) - FLOOR - {stage, "__version__"}
            crossing += [f"{path.relative_to(ROOT)} imports labkit.{other}" for other in sorted(others)]
    assert crossing == []


def test_studies_look_across_the_stages_and_draw_nothing() -> None:
    seen = set().union(*(imports_of(path) for path in (ROOT / "labkit" / "studies").rglob("*.py")))
    assert seen <= FLOOR | {*STAGES, "studies"}


def test_the_floor_stands_on_nothing_but_itself() -> None:
    for name in FLOOR:
        assert imports_of(ROOT / "labkit" / f"{name}.py") - {"LabkitError", "FileError", "ServerError"} <= FLOOR


def test_heavy_packages_are_imported_where_they_live() -> None:
    """torch in train/ and detect/predict.py, the Label Studio SDK in label/, plots in view/."""
    homes = {
        "torch": ("train/", "detect/predict.py", "health.py"),
        "pytorch_lightning": ("train/",),
        "label_studio_sdk": ("label/",),
        "hvplot": ("view/",),
        "leafmap": ("view/",),
    }
    astray = []
    for path in sorted((ROOT / "labkit").rglob("*.py")):
        place = path.relative_to(ROOT / "labkit").as_posix()
        for package in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.MULTILINE):
            if package in homes and not place.startswith(homes[package]):
                astray.append(f"{place} imports {package}")
    assert astray == []


def test_conda_and_pip_users_get_the_same_thing() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = pyproject()["project"]
    assert environment["name"] == project["name"]
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    (by_pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    # everything but Python and pip comes by way of the project itself
    assert {Requirement(item).name for item in conda} == {"python", "pip"}
    assert by_pip == ["-e ."]
    (python,) = [Requirement(item).specifier for item in conda if item.startswith("python")]
    assert python == SpecifierSet(project["requires-python"])


def test_the_version_is_the_same_everywhere() -> None:
    version = pyproject()["project"]["version"]
    assert lk.__version__ == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_the_compromised_releases_of_lightning_cannot_be_installed() -> None:
    requirements = [Requirement(text) for text in pyproject()["project"]["dependencies"]]
    (lightning,) = [item for item in requirements if item.name == "pytorch-lightning"]
    for version in ("2.6.2", "2.6.3"):
        assert not lightning.specifier.contains(version)


def test_the_citation_names_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {reference["doi"] for reference in citation["references"]} == {
        "10.3389/fenvs.2022.963322",
        "10.3390/rs17183243",
    }
    assert all(reference["authors"] and reference["title"] for reference in citation["references"])


def test_the_license_is_the_one_that_the_packaging_names() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("BSD 3-Clause License")
    assert "The labkit developers" in text
    assert pyproject()["project"]["license"] == "BSD-3-Clause"


def test_make_offers_what_the_readme_promises() -> None:
    text = (ROOT / "Makefile").read_text()
    for target in ("lab", "test", "test-full", "lint", "figures", "clean"):
        assert re.search(rf"^{target}:", text, re.MULTILINE), f"make {target} is missing"


@pytest.mark.skipif(os.name != "posix", reason="make and the executable bit are of POSIX systems")
def test_a_host_that_the_shell_exports_does_not_open_the_bench_to_the_network() -> None:
    environment = os.environ | {"HOST": "0.0.0.0", "PORT": "1"}
    words = subprocess.run(
        ["make", "-n", "lab"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "--host 127.0.0.1 --port 8888" in words
    asked = run("make", "-n", "lab", "HOST=0.0.0.0").stdout
    assert "--host 0.0.0.0 --port 8888" in asked


@pytest.mark.skipif(os.name != "posix", reason="make and the executable bit are of POSIX systems")
def test_the_check_of_a_change_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_check_fails_where_the_real_interferograms_are_missing(tmp_path: Path) -> None:
    environment = os.environ | {"LABKIT_REAL_DATA": str(tmp_path / "nowhere")}
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "real interferograms must be in" in done.stderr


def tracked_files() -> list[Path]:
    listed = run("git", "ls-files", "-z")
    if listed.returncode:
        pytest.skip("this is no git checkout: what is committed can only be seen in one")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_large_is_committed() -> None:
    """Nothing beyond 1 MB, but for the weights that ship, which have 8 MB each."""
    sizes = {path: path.stat().st_size for path in tracked_files()}
    weights = {path for path in sizes if path.match("labkit/train/shipped/*/weights-*.safetensors")}
    assert len(weights) == 2
    assert {path.name: n for path, n in sizes.items() if n > (8_000_000 if path in weights else 1_000_000)} == {}


def test_notebooks_are_committed_without_outputs() -> None:
    for path in tracked_files():
        if path.suffix == ".ipynb":
            for cell in json.loads(path.read_text())["cells"]:
                assert not cell.get("outputs"), f"{path.name} holds outputs: clear them before committing"
                assert cell.get("execution_count") is None, f"{path.name} holds execution counts"
                assert cell["id"], f"{path.name} has a cell without an id"


def test_git_ignores_secrets_environments_scenes_and_results() -> None:
    names = (".labkit/secrets.json", ".venv/bin/python", "data/demo/truth.gpkg", "notebooks/results/chips.parquet")
    if run("git", "rev-parse").returncode:
        pytest.skip("this is no git checkout: what git ignores can only be seen in one")
    for name in names:
        assert run("git", "check-ignore", "-q", name).returncode == 0, f"git must ignore {name}"
    assert run("git", "check-ignore", "-q", "data/README.md").returncode == 1
