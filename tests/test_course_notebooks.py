"""The course's notebooks: each runs with its answers left open, and with the solutions in their place."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from labkit.course import LESSONS, Material, prepare, read_progress
from labkit.course.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks" / "course").glob("*.ipynb"))

#: The first three walk with every change; all of them with the slow tests.
QUICK = ("c1_seeing", "c2_wrapping", "c3_stacking")

_CHECK = re.compile(r'lesson\.check\("(\w+)", (\w+)\)')


@dataclass(frozen=True)
class Walked:
    """What came out of a walk through lessons: their executed cells, and the progress that was kept."""

    cells: dict[str, list[nbformat.NotebookNode]]
    progress: Progress


def with_solutions(lesson: str, cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The check cells of a lesson, each with the worked solution in the place of the open answer."""
    solved = []
    for cell in cells:
        asked = _CHECK.search(cell.source) if cell.cell_type == "code" else None
        if asked:
            exercise = LESSONS[lesson].exercises[asked[1]]
            assert asked[2] == exercise.variable
            assert cell.source.startswith(f"{exercise.variable} = ...")
            solved.append(nbformat.v4.new_code_cell(f"{exercise.solution}\n{asked[0]}"))
    return solved


def walk(lessons: list[str], project: Path, material: Path, keep: Path) -> Walked:
    """Run lessons in one kernel: each as it stands, then its solutions, then its names are forgotten."""
    folder, progress = project / "notebooks" / "course", project / "progress"
    shutil.copytree(ROOT / "notebooks" / "course", folder)
    (project / "data").mkdir()
    (project / "data" / "course").symlink_to(material)
    whole, parts = nbformat.v4.new_notebook(), {}
    for lesson in lessons:
        cells = nbformat.read(folder / f"{lesson}.ipynb", as_version=4).cells
        parts[lesson] = [*cells, *with_solutions(lesson, cells)]
        whole.cells += [*parts[lesson], nbformat.v4.new_code_cell("%reset -f")]
    for number, cell in enumerate(whole.cells):
        cell.id = f"cell-{number}"
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(whole, timeout=400, kernel_name="python3", allow_errors=True, resources=resources)
    known = {"LABKIT_PROGRESS": str(progress), "JUPYTER_PREFER_ENV_PATH": "1"}
    client.execute(env=os.environ | known)
    keep.mkdir(parents=True, exist_ok=True)
    for lesson, cells in parts.items():
        nbformat.write(nbformat.v4.new_notebook(cells=cells), keep / f"{lesson}.ipynb")
    return Walked(parts, read_progress(progress))


@pytest.fixture(scope="module")
def quick_walk(tmp_path_factory: pytest.TempPathFactory, course_material: Material, test_output: Path) -> Walked:
    return walk(list(QUICK), tmp_path_factory.mktemp("course-walk"), course_material.folder, test_output / "course")


@pytest.fixture(scope="module")
def workshop_walk(tmp_path_factory: pytest.TempPathFactory, test_output: Path) -> Walked:
    """All lessons on the material that people have."""
    made = prepare(tmp_path_factory.mktemp("course-material") / "course", progress=False)
    project = tmp_path_factory.mktemp("course-workshop")
    return walk(list(LESSONS), project, made.folder, test_output / "course-workshop")


def words_of(cell: nbformat.NotebookNode) -> str:
    return " ".join(output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def look(lesson: str, walked: Walked) -> None:
    exercises = LESSONS[lesson].exercises
    code = [cell for cell in walked.cells[lesson] if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Traceback" not in said
    assert "Warning: " not in said
    checks = [cell for cell in code if "lesson.check(" in cell.source]
    left_open, solved = checks[: len(exercises)], checks[len(exercises) :]
    assert len(solved) == len(exercises)
    assert all(words_of(cell).startswith("Still open") for cell in left_open)
    assert [words_of(cell)[:6] for cell in solved] == ["Right."] * len(solved)
    reached = walked.progress[lesson]
    assert list(reached) == list(exercises)
    assert all(entry["tries"] == 1 and entry["right"] for entry in reached.values())


@pytest.mark.notebooks
@pytest.mark.parametrize("lesson", QUICK)
def test_a_lesson_runs_with_open_answers_and_with_the_solutions(lesson: str, quick_walk: Walked) -> None:
    look(lesson, quick_walk)


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_on_the_workshop_scene(lesson: str, workshop_walk: Walked) -> None:
    look(lesson, workshop_walk)


def test_every_lesson_has_its_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(LESSONS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_says_what_it_teaches_and_hides_its_answers(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, code = notebook.cells[0].source, [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    plan = LESSONS[path.stem]
    assert first.startswith(f"# Course {plan.title}")
    assert all(f"**{word}" in first for word in ("You will learn", "You need", "Time"))
    assert re.search(r"\*\*Time\*\* (\d+) minutes", first)
    assert len(code) <= 24
    for name, exercise in plan.exercises.items():
        assert f"**Exercise `{name}`.**" in words
        assert f'lesson.solution("{name}")' in code
        assert exercise.solution.splitlines()[-1] not in "\n".join([words, *code]), f"{name} gives its answer away"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_leads_on_to_notebooks_that_are_there(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    links = re.findall(r"\]\(([^)#]+\.(?:ipynb|md))\)", "\n".join(c.source for c in cells if c.cell_type == "markdown"))
    assert [link for link in links if not (path.parent / link).is_file()] == []
