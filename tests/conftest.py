"""Fixtures that several test files share: the real files, and simulated scenes with known truth."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real interferograms; a test that needs it is skipped where it is absent."""
    folder = Path(os.environ.get("LABKIT_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real interferograms at {folder}: set LABKIT_REAL_DATA to their folder")
    return folder
