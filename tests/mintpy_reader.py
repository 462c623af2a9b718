"""MintPy's own reader, against which labkit's readers of several formats are held."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def mintpy_reader() -> ModuleType:
    """``mintpy.utils.readfile``; it needs no more of MintPy's requirements than labkit has."""
    return pytest.importorskip(
        "mintpy.utils.readfile",
        reason="MintPy's own reader is missing: python -m pip install --no-deps 'mintpy>=1.6' (make test does it)",
    )
