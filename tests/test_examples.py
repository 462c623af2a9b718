"""Every public name shows how it is used, by an example in its docstring; pytest runs these examples as doctests."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

PACKAGES = (
    "labkit", "labkit.read", "labkit.simulate", "labkit.stack", "labkit.chip", "labkit.label", "labkit.train",
    "labkit.detect", "labkit.maps", "labkit.view", "labkit.studies", "labkit.region", "labkit.schema", "labkit.geo",
    "labkit.ground", "labkit.lookup", "labkit.course",
)  # fmt: skip


def public(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """What a package hands on, or what a module without such a list defines."""
    own = (name for name, one in vars(module).items() if getattr(one, "__module__", "") == module.__name__)
    names = getattr(module, "__all__", None) or [name for name in own if not name.startswith("_")]
    return {name: getattr(module, name) for name in names if callable(getattr(module, name))}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example_and_none_is_skipped(package):
    names = public(import_module(package))
    assert names
    shown = {name: doctest.DocTestParser().get_examples(one.__doc__ or "") for name, one in names.items()}
    assert [name for name, examples in shown.items() if not examples] == []
    assert [name for name, those in shown.items() if any(doctest.SKIP in one.options for one in those)] == []
