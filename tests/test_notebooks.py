"""Every notebook, executed from top to bottom in its order as a person walks them, each on what the others left."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from label_studio_fixture import free_port
from nbclient import NotebookClient
from test_notebooks_browser import DRAWN_SLOWLY

from labkit.label import start_server

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: The walk, in its order.
WALK = (
    "00_tour",
    "10_read",
    "15_simulate",
    "20_gradients",
    "25_explore",
    "30_chips",
    "40_label",
    "41_agreement",
    "50_train",
    "51_compare_detectors",
    "60_detect",
    "61_baselines",
    "62_review",
    "70_density",
    "80_how_many_interferograms",
    "81_seasonal_landslides",
    "90_my_data",
)

#: Settings that this walk changes, as a person in a hurry would: less training, smaller scenes, fewer repetitions. Each
#: of these notebooks is opened as it stands by the slow tests, in a real browser (test_notebooks_browser.py).
HURRIED = {
    "00_tour": {"MINUTES": "0.2"},
    "15_simulate": {"SCENE, SEED": '"tiny", 0'},
    "50_train": {"MAX_EPOCHS": "6", "MAX_MINUTES": "5.0"},
    "51_compare_detectors": {"MAX_MINUTES": "0.1"},
    "61_baselines": {"SCENE": 'lk.simulate.scene("tiny", seed=5)'},
    "80_how_many_interferograms": {"SEEDS": "(2,)", "COUNTS": "(10, 50)"},
    "81_seasonal_landslides": {"RATES": "(-15.0, -60.0)", "WINTERS": "(-0.72,)"},
}


@dataclass(frozen=True)
class Walk:
    """A copy of the project in which notebooks run, and what they find in their environment."""

    folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def walk(
    tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, migrated_home: Path, label_studio_environment: Path
) -> Iterator[Walk]:
    """A fresh copy of the notebooks beside the demo scene, with a Label Studio of their own that runs."""
    project = tmp_path_factory.mktemp("walk")
    shutil.copytree(ROOT / "notebooks", project / "notebooks", ignore=shutil.ignore_patterns("results", ".ipynb_*"))
    (project / "data").mkdir()
    (project / "data" / "demo").symlink_to(demo_folder)
    shutil.copytree(migrated_home, project / "home")
    known = {"LABKIT_HOME": str(project / "home"), "LABKIT_LABEL_STUDIO_ENV": str(label_studio_environment)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setenv(name, value)
        server = start_server(port=free_port())
    environment = os.environ | known | {"LABKIT_LABEL_STUDIO_URL": server.url, "JUPYTER_PREFER_ENV_PATH": "1"}
    yield Walk(project / "notebooks", environment)
    server.stop()


def hurried(notebook: nbformat.NotebookNode, changes: dict[str, str]) -> None:
    """Change settings in the cell below the heading "Settings", each of which has to be there once."""
    (at,) = [n for n, cell in enumerate(notebook.cells) if cell.source.startswith("## Settings")] if changes else [0]
    for name, value in changes.items():
        settings = notebook.cells[at + 1]
        settings.source, count = re.subn(
            rf"^{re.escape(name)} = [^#\n]*", f"{name} = {value}  ", settings.source, flags=re.MULTILINE
        )
        assert count == 1, f"{name} is no setting of this notebook"


@pytest.mark.notebooks
@pytest.mark.server
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_from_top_to_bottom(source: Path, walk: Walk, test_output: Path) -> None:
    notebook = nbformat.read(source, as_version=4)
    hurried(notebook, HURRIED.get(source.stem, {}))
    client = NotebookClient(
        notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(walk.folder)}}
    )
    try:
        client.execute(env=walk.environment)
    finally:
        # left for people to look at, also when a cell failed
        executed = test_output / "notebooks"
        executed.mkdir(exist_ok=True)
        nbformat.write(notebook, executed / source.name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    words = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Traceback" not in words
    assert "Warning: " not in words


def test_the_walk_is_whole() -> None:
    assert tuple(path.stem for path in NOTEBOOKS) == WALK


def test_a_notebook_that_is_hurried_here_is_opened_as_it_stands_by_the_slow_tests() -> None:
    assert set(HURRIED) <= set(DRAWN_SLOWLY)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_thin_and_narrated(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert notebook.cells[0].source.startswith("# "), "a notebook begins with its title"
    assert len(code) <= 24, "code wanted in a notebook moves into labkit, with a test"
    assert len(words) >= len(code) / 2, "a notebook says what each figure shows"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_leads_on_to_notebooks_that_are_there(path: Path) -> None:
    words = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    names = {word.split(")")[0] for word in words.split("](")[1:]}
    linked = {name for name in names if name.endswith(".ipynb")}
    assert [name for name in linked if not (path.parent / name).is_file()] == []
