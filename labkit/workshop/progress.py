"""Who is how far: what all people ran, which exercises are right, and a page of it for the teacher."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from labkit.wording import counted
from labkit.workshop.layout import PROGRESS, Workshop
from labkit.workshop.watching import RUN_FILE

#: Written by the exercises of the course: lesson → exercise → ``tries`` and ``right`` (time or null).
EXERCISE_FILE = "progress.json"

# Files of people are not trusted: a larger one is none of ours.
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Step:
    """One notebook of one person: cells that ran, of how many, how many ended in an error, and when the last ran."""

    ran: int
    cells: int
    errors: int
    last: str


@dataclass(frozen=True)
class Progress:
    """How far one person is: notebooks by name, and of each lesson the exercises that are right, tried and wrong."""

    account: str
    notebooks: Mapping[str, Step] = field(default_factory=dict)
    right: int = 0
    wrong: int = 0

    @property
    def last(self) -> str:
        """When the last cell ran, "" where none did."""
        return max((step.last for step in self.notebooks.values()), default="")


def code_cells(room: Workshop) -> dict[str, list[str]]:
    """Give the ids of the code cells of each notebook of a workshop, in the order of the notebooks' names."""
    found = {}
    for path in sorted(room.notebooks.rglob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        found[path.relative_to(room.notebooks).as_posix()] = [c["id"] for c in cells if c["cell_type"] == "code"]
    return found


def read_progress(room: Workshop, account: str, cells: Mapping[str, list[str]]) -> Progress:
    """Read how far one person is; what the files hold beside that, or instead of it, is passed over.

    Parameters
    ----------
    room : Workshop
    account : str
    cells : mapping
        Of :func:`code_cells`. Cells that a person added do not count.
    """
    folder = room.home(account) / PROGRESS
    steps = {}
    for name, entry in _content(folder / RUN_FILE).items():
        if name in cells and isinstance(entry, dict):
            ran = set(map(str, _listed(entry.get("cells")))) & set(cells[name])
            failed = set(map(str, _listed(entry.get("errors")))) & ran
            if ran:
                steps[name] = Step(len(ran), len(cells[name]), len(failed), str(entry.get("last", ""))[:25])
    exercises = [
        entry
        for lesson in _content(folder / EXERCISE_FILE).values()
        if isinstance(lesson, dict)
        for entry in lesson.values()
        if isinstance(entry, dict)
    ]
    right = sum(bool(entry.get("right")) for entry in exercises)
    return Progress(account, steps, right, len(exercises) - right)


def page(
    everybody: Mapping[str, Progress],
    notebooks: Mapping[str, list[str]],
    memory: Mapping[str, int],
    names: Mapping[str, str],
) -> str:
    """Give the teacher's page: a row for each person, a column for each notebook that somebody has begun.

    Parameters
    ----------
    everybody : mapping
        Account → progress, in the order of the rows.
    notebooks : mapping
        Of :func:`code_cells`.
    memory : mapping
        Of :func:`labkit.workshop.memory.memory_by_person`.
    names : mapping
        Account → the person's name.
    """
    begun = [name for name in notebooks if any(name in each.notebooks for each in everybody.values())]
    head = "".join(f"<th>{escape(name.removesuffix('.ipynb'))}</th>" for name in begun)
    rows = "\n".join(_row(each, begun, memory, names) for each in everybody.values())
    total = sum(memory.values()) / 1e6
    return (
        "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<meta http-equiv='refresh' content='10'>\n"
        f"<title>Who is how far</title>\n<style>{_STYLE}</style>\n<h1>Who is how far</h1>\n"
        f"<p>{counted(len(memory), 'server')} running, {total:.0f} MB in all. {time.strftime('%H:%M:%S')}, anew every "
        "10 s. A bar is the share of a notebook's cells that ran; red: so many of them ended in an error the last "
        "time.</p>\n"
        f"<table>\n<tr><th>Name</th><th>Last cell</th><th>Exercises right</th><th>Wrong so far</th>{head}"
        f"<th>Memory, MB</th></tr>\n{rows}\n</table>\n</html>\n"
    )


_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:24px;color:#222}table{border-collapse:collapse}"
    "th,td{padding:4px 10px;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}"
    "td.n{text-align:right}.bar{background:#e8e8e8;width:90px;height:12px;display:inline-block;vertical-align:middle}"
    ".bar i{display:block;height:12px;background:#2166ac}.bad{color:#b2182b;font-weight:bold;margin-left:6px}"
    "td.quiet{color:#767676}"
)


def _row(each: Progress, begun: list[str], memory: Mapping[str, int], names: Mapping[str, str]) -> str:
    cells = "".join(_bar(each.notebooks.get(name)) for name in begun)
    held = f"{memory[each.account] / 1e6:.0f}" if each.account in memory else "–"
    last = escape(each.last[11:16]) or "–"
    quiet = "" if each.last else " class='quiet'"
    return (
        f"<tr><td{quiet}>{escape(names[each.account])}</td><td>{last}</td><td class='n'>{each.right}</td>"
        f"<td class='n'>{each.wrong}</td>{cells}<td class='n'>{held}</td></tr>"
    )


def _bar(step: Step | None) -> str:
    if step is None:
        return "<td></td>"
    failed = f"<span class='bad'>{step.errors}</span>" if step.errors else ""
    return (
        f"<td title='{step.ran} of {step.cells} cells'><span class='bar'>"
        f"<i style='width:{100 * step.ran // step.cells}%'></i></span>{failed}</td>"
    )


def _content(path: Path) -> dict[str, Any]:
    """What a person's file says; nothing where it is missing, a link, too large or no table."""
    try:
        if path.is_symlink() or path.parent.is_symlink() or path.stat().st_size > _LARGEST:
            return {}
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _listed(thing: object) -> list[Any]:
    return thing if isinstance(thing, list) else []
