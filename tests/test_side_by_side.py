"""What the workers of a test run share: compiled functions, each taken whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from side_by_side import take_compiled

KERNELS = """
import sys
import numba

@numba.njit(cache=True)
def doubled(x):
    return 2 * x

@numba.njit(cache=True)
def halved(x):
    return x / 2

for call in sys.argv[1:]:
    name, number = call.split("=")
    kernel = globals()[name]
    kernel(float(number) if "." in number else int(number))
print(sum(sum(kernel.stats.cache_hits.values()) for kernel in (doubled, halved)))
"""


def run(kernels: Path, cache: Path, *calls: str) -> int:
    """Call kernels in a process of their own; how many came out of the cache."""
    known = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, str(kernels), *calls], env=known, capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)


def age(cache: Path, by_s: float) -> None:
    for path in cache.glob("*/*"):
        written = path.stat().st_mtime - by_s
        os.utime(path, (written, written))


def test_a_worker_takes_what_it_has_not_compiled_and_nothing_that_is_still_written(tmp_path: Path) -> None:
    kernels, own, other = tmp_path / "kernels.py", tmp_path / "numba-gw0", tmp_path / "numba-gw1"
    kernels.write_text(KERNELS)
    assert run(kernels, own, "halved=3") == 0
    assert run(kernels, other, "doubled=3", "doubled=3.5", "halved=4.5") == 0
    before = {path: path.read_bytes() for path in own.glob("*/*")}
    assert take_compiled(own, [other]) == []
    age(other, by_s=10)
    assert [name.split("-")[0] for name in take_compiled(own, [other])] == ["kernels.doubled"]
    # both variants of the one function are there; the other is as this worker had it, for whole numbers alone
    assert {path: path.read_bytes() for path in before} == before
    assert run(kernels, own, "doubled=3", "doubled=3.5", "halved=3", "halved=4.5") == 3
    assert take_compiled(own, [other, tmp_path / "numba-gw2"]) == []
