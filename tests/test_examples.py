"""Every public name shows how it is used, by an example in its docstring; pytest runs these examples as doctests."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

PACKAGES = ("labkit", "labkit.read", "labkit.simulate", "labkit.stack", "labkit.chip", "labkit.detect", "labkit.maps",
            "labkit.view")  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example(package):
    module = import_module(package)
    public = {name: getattr(module, name) for name in module.__all__}
    called = {name: one for name, one in public.items() if callable(one)}
    assert called
    parser = doctest.DocTestParser()
    assert [name for name, one in called.items() if not parser.get_examples(one.__doc__ or "")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_example_is_skipped(package):
    module = import_module(package)
    for name in module.__all__:
        examples = doctest.DocTestParser().get_examples(getattr(module, name).__doc__ or "")
        assert not any(doctest.SKIP in example.options for example in examples), name
