"""A real workshop that is open: JupyterHub, its proxy, the teacher's page, and people with homes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Names an environment with labkit's packages and its extra "workshop", to test with where this one has not that extra.
HUB_VARIABLE = "LABKIT_HUB_ENV"

_LABKIT = "from labkit.cli import app; app()"

#: What everybody runs: the scene that all share, a file of one's own, and a look at the others' homes.
CELLS = (
    "from pathlib import Path\nimport os\nimport labkit as lk\n"
    "pairs = lk.open_interferograms(lk.simulate.demo('../data/demo') / 'descending')\n"
    "gradients = lk.stack_gradients(lk.select_pairs(pairs), progress=False)\n"
    "print('stacked', gradients.sizes['y'], 'rows')",
    "me = os.environ['JUPYTERHUB_USER']\n"
    "Path('mine.txt').write_text(me)\nprint('I am', me, 'in', Path.cwd().parent.name)",
    "for home in sorted(Path.home().parent.glob('[ab]*')):\n"
    "    try:\n        print(home.name, os.listdir(home) and 'open')\n"
    "    except PermissionError:\n        print(home.name, 'closed')",
    "1 / 0",
)


@dataclass(frozen=True)
class OpenWorkshop:
    """A workshop that people can log in to. ``passwords`` is account → password, ``apart`` whether files are."""

    folder: Path
    url: str
    passwords: dict[str, str]
    apart: bool
    python: str
    process: subprocess.Popen[str]


def hub_python() -> str:
    """Give the Python that has JupyterHub, or skip with what to do."""
    named = os.environ.get(HUB_VARIABLE)
    if named:
        return str(Path(named) / "bin" / "python")
    if all(importlib.util.find_spec(name) for name in ("jupyterhub", "configurable_http_proxy")):
        return sys.executable
    pytest.skip(f'JupyterHub is missing: pip install -e ".[workshop]", or name an environment in {HUB_VARIABLE}')


def labkit(python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of labkit in the hub's environment."""
    return subprocess.run([python, "-c", _LABKIT, *words], capture_output=True, text=True, check=False)


def write_notebook(path: Path) -> None:
    """Write the notebook that everybody runs."""
    path.parent.mkdir(parents=True)
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": words,
        }
        for n, words in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))


@contextmanager
def open_workshop(demo_folder: Path) -> Iterator[OpenWorkshop]:
    """Make a workshop of two people and a teacher, open it, and close it again."""
    python = hub_python()
    # not pytest's own folder: that one is closed to the system users of the people
    folder = Path(tempfile.mkdtemp(prefix="labkit-workshop-"))
    folder.chmod(0o755)
    try:
        room = folder / "room"
        write_notebook(folder / "notebooks" / "10_stack.ipynb")
        shutil.copytree(demo_folder, room / "data" / "demo")
        (room / "people.txt").write_text("Anna Rossi\nBo Chen\n")
        made = labkit(
            python, "workshop", str(room), "--notebooks", str(folder / "notebooks"), "--no-wheels", "--scene", "demo"
        )
        assert made.returncode == 0, made.stderr[-2000:]
        yield from _opened(python, room)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(python: str, room: Path) -> Iterator[OpenWorkshop]:
    code = "from labkit.workshop.homes import *; check_reach(Workshop(Path(sys.argv[1]))); sys.exit(not isolates())"
    apart = subprocess.run([python, "-c", code, str(room)], check=False, capture_output=True).returncode == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1] % 20_000 + 20_000
    words = [
        "workshop",
        "open",
        str(room),
        "--port",
        str(port),
        "--no-label-studio",
        *([] if apart else ["--one-user"]),
    ]
    log = room.parent / "open.log"
    with log.open("w") as said:
        process = subprocess.Popen([python, "-c", _LABKIT, *words], stdout=said, stderr=subprocess.STDOUT, text=True)
    try:
        began = time.monotonic()
        while "The workshop is open" not in log.read_text():
            assert process.poll() is None and time.monotonic() - began < 240, log.read_text()[-3000:]
            time.sleep(0.3)
        (url,) = re.findall(r"notebooks\s+(http\S+)", log.read_text())
        (sheet,) = (room / "private").glob("people-*.html")
        found = re.findall(r"user <b>([^@<]+)@[^<]*</b></p><p>password <b>([^<]+)</b>", sheet.read_text())
        yield OpenWorkshop(room, url, dict(found), apart, python, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
