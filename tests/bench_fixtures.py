"""Fixtures for tests that walk the whole bench; ``conftest.py`` hands them on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from side_by_side import made_once


def labkit_command() -> str:
    """The ``labkit`` command of this environment."""
    return str(Path(sys.executable).parent / "labkit")


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo scene, made once by its command. Not to be changed by a test: all share it."""

    def make(folder: Path) -> None:
        subprocess.run([labkit_command(), "demo", str(folder)], check=True, capture_output=True, timeout=300)

    return made_once(tmp_path_factory, "demo", make)
