"""What one person has tried and got right, in one small file that a teacher's page can read.

``progress.json`` lies in the folder that the environment variable ``LABKIT_PROGRESS`` names, else in labkit's own
(:func:`labkit.home.folder`): ``{"c1_seeing": {"fringe": {"tries": 2, "right": "2026-05-04T09:12:31+00:00"}}}``.
``tries`` counts up to the first right answer, ``right`` is when it came (UTC), null until then.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from labkit import home
from labkit.errors import FileError
from labkit.files import whole

FILE = "progress.json"

#: Lesson → exercise → {"tries": int, "right": str or None}.
Progress = dict[str, dict[str, dict[str, int | str | None]]]

#: Seconds that a notebook waits while another writes, which takes milliseconds.
_WAIT_S = 20


def progress_file(folder: str | os.PathLike[str] | None = None) -> Path:
    """Say where the progress is kept: in ``folder``, else as the module docstring says."""
    named = folder or os.environ.get("LABKIT_PROGRESS")
    return (Path(named).absolute() if named else home.folder()) / FILE


def read_progress(folder: str | os.PathLike[str] | None = None) -> Progress:
    """Read what a person has tried; nothing yet is an empty dict.

    Parameters
    ----------
    folder : path-like, optional
        That of ``progress.json``; by default this person's.

    Raises
    ------
    FileError
        The file cannot be read, or holds something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_progress(folder), record("c1_seeing", "fringe", False, folder), read_progress(folder)
    ({}, 1, {'c1_seeing': {'fringe': {'tries': 1, 'right': None}}})
    """
    path = progress_file(folder)
    try:
        words = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"{path} must be readable, instead got: {error}") from error
    try:
        known = json.loads(words)
        return {
            str(lesson): {str(name): {"tries": int(e["tries"]), "right": e["right"]} for name, e in exercises.items()}
            for lesson, exercises in known.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(
            f"{path} must hold the progress of the course, instead got {type(error).__name__}: {error}. "
            "Move it away, and a new one is begun"
        ) from error


def record(lesson: str, exercise: str, right: bool, folder: str | os.PathLike[str] | None = None) -> int:
    """Write down one try and give how many there were; what was right once stays right.

    Raises
    ------
    FileError
        The file cannot be written, or holds something else.
    """
    path = progress_file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # two notebooks of one person may answer at once
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT_S):
            return _count(path, lesson, exercise, right)
    except Timeout as error:
        raise FileError(
            f"{path} must be free to write, instead another notebook held it for {_WAIT_S} s. Restart its kernel"
        ) from error
    except OSError as error:
        raise FileError(f"{path} must be writable, instead got: {error}") from error


def _count(path: Path, lesson: str, exercise: str, right: bool) -> int:
    known = read_progress(path.parent)
    entry = known.setdefault(lesson, {}).setdefault(exercise, {"tries": 0, "right": None})
    tries = int(entry["tries"] or 0)
    if entry["right"] is None:
        tries += 1
        entry["tries"] = tries
        entry["right"] = datetime.now(UTC).isoformat(timespec="seconds") if right else None
        with whole(path) as partial:
            partial.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return tries
