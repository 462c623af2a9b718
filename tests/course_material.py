"""The material of the course, made once for all test files; ``conftest.py`` hands it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from side_by_side import made_once

if TYPE_CHECKING:
    from labkit.course import Material


@pytest.fixture(scope="session")
def course_material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """That of the smallest scene, which takes seconds. Not to be changed by a test."""
    return _material("tiny", tmp_path_factory)


@pytest.fixture(scope="session")
def larger_material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """That of the demo scene, which takes a third of the workshop scene's time. Not to be changed by a test."""
    return _material("demo", tmp_path_factory)


@pytest.fixture
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the progress of one test alone."""
    folder = tmp_path / "progress"
    monkeypatch.setenv("LABKIT_PROGRESS", str(folder))
    return folder


def _material(scene: str, factory: pytest.TempPathFactory) -> Material:
    from labkit.course import open_material, prepare

    def make(folder: Path) -> None:
        prepare(folder, scene=scene, progress=False)

    return open_material(made_once(factory, f"course-{scene}", make))
