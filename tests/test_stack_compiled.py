"""Compiled code that is kept on disk is that of the sources as they stand now."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from labkit.stack import compiled

PART = "from .compiled import compiled_within\n\n@compiled_within\ndef factor(x):\n    return {} * x\n"
IMPORTS = "from .compiled import compiled\nfrom .products import factor\n\n"
KERNEL = IMPORTS + "@compiled\ndef kernel(x):\n    return factor(x)\n"
RUN = "from kept.kernels import kernel; print(kernel(7), *kernel.stats.cache_hits.values())"


def test_a_change_in_a_module_that_was_compiled_in_is_not_missed(tmp_path: Path) -> None:
    package = tmp_path / "kept"
    package.mkdir()
    shutil.copy(compiled.__file__, package / "compiled.py")
    for name in ("__init__.py", "phasors.py", "filtered.py"):
        (package / name).touch()
    (package / "kernels.py").write_text(KERNEL)

    def result() -> list[str]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        words = [sys.executable, "-c", RUN]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120, env=environment)
        return done.stdout.split()

    (package / "products.py").write_text(PART.format(3))
    assert result() == ["21"]
    assert result() == ["21", "1"]
    (package / "products.py").write_text(PART.format(11))
    assert result() == ["77"]
