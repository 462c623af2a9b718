"""What a person has run: each kernel of a workshop's server writes it to a small file in that person's home.

A line in the home's IPython profile starts it. The file says which notebooks were opened, how many of their cells ran,
how many of those ended in an error, and when the last one did; never what stands in them.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from labkit.files import whole

#: Names the folder that a person's progress is written to; the exercises of the course write theirs there, too.
PROGRESS_VARIABLE = "LABKIT_PROGRESS"

#: Notebook → ``cells`` (ids of those that ran), ``errors`` (ids of those that ended in one), ``last`` (time).
RUN_FILE = "notebooks.json"

#: What an IPython profile's ``startup`` folder holds.
STARTUP = "from labkit.workshop.watching import watch\n\nwatch(get_ipython())\n"


def watch(shell: Any) -> None:
    """Note from now on each cell that this kernel runs, where the environment says in which folder and which notebook.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        Of ``get_ipython()``.
    """
    folder, session = os.environ.get(PROGRESS_VARIABLE), os.environ.get("JPY_SESSION_NAME", "")
    if folder and session.endswith(".ipynb"):
        place, notebook = Path(folder), _name_of(session)
        shell.events.register("post_run_cell", lambda result: _note(place, notebook, result))


def _name_of(session: str) -> str:
    """The notebook as the teacher knows it: its path below the folder of notebooks."""
    path = Path(session)
    parts = path.parts
    return "/".join(parts[parts.index("notebooks") + 1 :]) if "notebooks" in parts[:-1] else path.name


def _note(folder: Path, notebook: str, result: Any) -> None:
    cell = getattr(result.info, "cell_id", None)
    if not cell:
        return  # what a widget or a console runs is no cell
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / RUN_FILE
    with FileLock(folder / f".{RUN_FILE}.lock"):  # several kernels of one person write here
        known = _read(target)
        entry = known.setdefault(notebook, {"cells": [], "errors": []})
        entry["cells"] = sorted({*entry["cells"], cell})
        failed = {*entry["errors"]} - {cell}
        entry["errors"] = sorted(failed if result.success else failed | {cell})
        entry["last"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with whole(target) as partial:
            partial.write_text(json.dumps(known, indent=1) + "\n")


def _read(target: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(target.read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}  # the person may have removed or changed it: it begins anew
