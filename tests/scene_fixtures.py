"""Simulated scenes with known truth, made once for all test files; ``conftest.py`` hands them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from labkit.simulate import Scene


@pytest.fixture(scope="session")
def tiny_scene() -> Scene:
    """Two tracks of 160 × 192 pixels over five landslides. Not to be changed by a test: all share it."""
    from labkit.simulate import scene

    return scene("tiny", seed=0)


@pytest.fixture(scope="session")
def planted_slides() -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Slides of known place, size and orientation in known noise. Not to be changed by a test: all share them."""
    from couplet_plants import plant_slides

    return plant_slides()
