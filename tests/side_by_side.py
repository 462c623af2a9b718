"""What lets test files run side by side in several processes: pytest-xdist's workers, which share one folder.

numba's cache is no place for two processes that compile at once: each numbers its files by what it has seen, and the
index of one can come to name the code of the other. So each worker has a cache of its own, kept from run to run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]

#: Name of this worker, "gw0", "gw1"; "" where one process runs all tests.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

if WORKER:
    os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / f"numba-{WORKER}")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that ``make`` fills once for all workers of a run; those who come later wait for it."""
    own = factory.mktemp(name) / name
    if not WORKER:
        make(own)
        return own
    shared = factory.getbasetemp().parent / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            make(own)
            own.rename(shared)
    return shared


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort tests by what their file starts: notebooks, then servers and browsers, then nothing."""

    def rank(item: pytest.Item) -> int:
        marks = {mark.name for mark in item.iter_markers()}
        return 0 if "notebooks" in marks else 1 if marks & {"server", "browser"} else 2

    ranks: dict[Path, int] = {}
    for item in items:
        ranks[item.path] = min(ranks.get(item.path, 2), rank(item))
    return sorted(items, key=lambda item: ranks[item.path])
