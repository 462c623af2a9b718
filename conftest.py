"""What the examples in docstrings find beside them: a real Label Studio for those that speak to one.

``tests/conftest.py`` reaches the tests alone; this file also those in ``labkit``, and both share one server.
"""

from __future__ import annotations

import pytest

pytest_plugins = ["label_studio_fixture"]

#: Modules whose examples need a bench with Label Studio, and which: "label_studio", with the server of all tests
#: running, or "fresh_home", with one that was started once and stopped, where an example makes accounts or takes and
#: restores backups, which others would meet, or which a running server refuses. Readers see only what they would write.
EXAMPLES_WITH_LABEL_STUDIO = {
    "labkit.label.server": "label_studio",
    "labkit.label.studio": "label_studio",
    "labkit.label.apart": "label_studio",
    "labkit.label.environment": "fresh_home",
    "labkit.label.people": "fresh_home",
    "labkit.label.backup": "fresh_home",
    "labkit.label.restoring": "fresh_home",
}


def _needs(item: pytest.Item) -> str:
    """The fixture that an item's module asks for; "" for none, and for what is no example."""
    if not isinstance(item, pytest.DoctestItem):
        return ""
    return EXAMPLES_WITH_LABEL_STUDIO.get(item.dtest.globs["__name__"], "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the examples that start a server as tests that do."""
    for item in items:
        if _needs(item):
            item.add_marker(pytest.mark.server)


@pytest.fixture(autouse=True)
def _bench_of_an_example(request: pytest.FixtureRequest) -> None:
    """Let an example see the bench that it needs as its own."""
    if needed := _needs(request.node):
        request.getfixturevalue(needed)
