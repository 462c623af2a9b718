"""What lets test files run side by side in several processes: pytest-xdist's workers, which share one folder.

numba's cache is no place for two processes that compile at once: each numbers its files by what it has seen, and the
index of one can come to name the code of the other. So each worker has a cache of its own, kept from run to run, and
takes from the others', between two test files, the functions that it has not compiled itself.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]

#: Name of this worker, "gw0", "gw1"; "" where one process runs all tests.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

_CACHES = ROOT / ".pytest_cache"

if WORKER:
    os.environ["NUMBA_CACHE_DIR"] = str(_CACHES / f"numba-{WORKER}")

#: An index that was written this long ago, s, names no code that is still being written.
_SETTLED_S = 2.0


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


def take_compiled(own: Path, others: list[Path]) -> list[str]:
    """Copy compiled functions that this cache has not from other caches; give the names of their indices.

    A function of which there is anything here already is left alone: two indices cannot be made one.
    """
    taken = []
    for other in others:
        for index in sorted(other.glob("*/*.nbi")):
            target = own / index.relative_to(other)
            if target.exists() or time.time() - index.stat().st_mtime < _SETTLED_S:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            # The index last: what stands in it is there.
            for path in [*index.parent.glob(f"{index.stem}.*.nbc"), index]:
                shutil.copyfile(path, target.with_name(path.name))
            taken.append(index.name)
    return taken


def take_compiled_by_others() -> None:
    """Take what the other workers of this run have compiled since."""
    own = _CACHES / f"numba-{WORKER}"
    take_compiled(own, [path for path in sorted(_CACHES.glob("numba-*")) if path != own])


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort tests by what their file starts: the walk of notebooks, servers and browsers, other long work, nothing.

    The walk compiles nearly all kernels of labkit; servers and browsers beside it need few of them, and those who come
    later find them compiled.
    """

    def rank(item: pytest.Item) -> int:
        marks = {mark.name for mark in item.iter_markers()}
        serves = bool(marks & {"server", "browser"})
        if "notebooks" in marks:
            return 0 if serves else 2
        return 1 if serves else 3

    ranks: dict[Path, int] = {}
    for item in items:
        ranks[item.path] = min(ranks.get(item.path, 3), rank(item))
    return sorted(items, key=lambda item: ranks[item.path])
