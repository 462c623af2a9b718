"""Fixtures that several test files share: the real files, simulated scenes; those of Label Studio: ../conftest.py.

Their modules import what is heavy only when a fixture is made: every run begins here, also that of a single test.
"""

from __future__ import annotations

import os
from pathlib import Path

import side_by_side  # before labkit, whose compiled functions ask at once where they are kept

# isort: split

import pytest
from bench_fixtures import demo_folder
from course_material import course_material, larger_material, own_progress
from detector_fixture import small_detector
from hypothesis import settings
from label_studio_projects import project, studio, two_chips
from mintpy_reader import mintpy_reader
from postgresql_fixture import migrated_postgresql, postgresql
from scene_fixtures import planted_slides, tiny_scene

__all__ = [
    "course_material",
    "demo_folder",
    "larger_material",
    "migrated_postgresql",
    "mintpy_reader",
    "own_progress",
    "planted_slides",
    "postgresql",
    "project",
    "small_detector",
    "studio",
    "tiny_scene",
    "two_chips",
]

ROOT = Path(__file__).resolve().parents[1]

# A deadline would measure the machine, not the code; every run tries the same examples.
settings.register_profile("labkit", deadline=None, derandomize=True)
settings.load_profile("labkit")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files where several processes share the tests, so that they end together."""
    if side_by_side.WORKER:
        items[:] = side_by_side.longest_first(items)


_LAST_FILE = [Path()]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before each file of tests, take what others have compiled meanwhile."""
    if side_by_side.WORKER and item.path != _LAST_FILE[0]:
        _LAST_FILE[0] = item.path
        side_by_side.take_compiled_by_others()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real interferograms; without it a test is skipped, or fails where CI requires it."""
    folder = Path(os.environ.get("LABKIT_REAL_DATA", ROOT.parent / "shared" / "data"))
    if folder.is_dir():
        return folder
    missing = f"no real interferograms at {folder}: set LABKIT_REAL_DATA to their folder"
    if os.environ.get("LABKIT_REQUIRE_REAL_DATA"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def test_output() -> Path:
    """A folder for pictures that people look at after the tests."""
    folder = ROOT / "test-output"
    folder.mkdir(exist_ok=True)
    return folder
