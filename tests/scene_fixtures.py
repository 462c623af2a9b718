"""Simulated scenes with known truth, made once for all test files; ``conftest.py`` hands them on."""

from __future__ import annotations

import pytest

from labkit.simulate import Scene, scene


@pytest.fixture(scope="session")
def tiny_scene() -> Scene:
    """Two tracks of 160 × 192 pixels over five landslides. Not to be changed by a test: all share it."""
    return scene("tiny", seed=0)
