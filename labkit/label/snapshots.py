"""A copy of Label Studio's database every ten minutes while it runs: those of the last hour, one an hour, one a day.

The copies are made by a small process of their own, which ends when the server does: ``snapshots/`` in labkit's home.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labkit import home
from labkit.errors import LabkitError
from labkit.label import dumps
from labkit.label.backup import back_up
from labkit.label.database import remembered_database

FOLDER = "snapshots"
LOG_FILE = "snapshots.log"
EVERY_S = 600.0

_FORM = "%Y%m%dT%H%M%SZ"
_SUFFIX = ".tar"
_LOOK_S = 0.5

# The watchers that this process started, by the server that they watch: it has to take their exit status.
_WATCHERS: dict[int, subprocess.Popen[bytes]] = {}


def snapshots_folder() -> Path:
    """Give the folder of the snapshots, made when absent, for its owner alone."""
    folder = home.folder() / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def list_snapshots() -> list[Path]:
    """Give the snapshots of this bench, the oldest first; :func:`labkit.label.restore` takes any of them."""
    return sorted(path for path in snapshots_folder().glob(f"*{_SUFFIX}") if _moment(path) is not None)


def take_snapshot(now: datetime | None = None) -> Path:
    """Take a snapshot: a backup without images, named by its time (UTC); older ones that are too many are removed."""
    moment = now or datetime.now(UTC)
    path = back_up(snapshots_folder() / f"{moment:{_FORM}}{_SUFFIX}", images=False, progress=False)
    kept = snapshots_to_keep((found for found in map(_moment, list_snapshots()) if found is not None), moment)
    for old in list_snapshots():
        if _moment(old) not in kept:
            old.unlink()
    return path


def snapshots_to_keep(moments: Iterable[datetime], now: datetime) -> set[datetime]:
    """Choose which snapshots stay: all of the last hour, the last of each hour of a day, the last of each of 30 days.

    Examples
    --------
    >>> now = datetime(2024, 5, 1, 12, tzinfo=UTC)
    >>> moments = [now - timedelta(minutes=10 * k) for k in range(6 * 48)]
    >>> len(snapshots_to_keep(moments, now))  # 7 of the last hour, 23 hours, 2 days
    32
    """
    kept: set[datetime] = set()
    last: dict[str, datetime] = {}
    for moment in sorted(moments):
        age = now - moment
        if age <= timedelta(hours=1):
            kept.add(moment)
        elif age <= timedelta(days=1):
            last[f"{moment:%Y%m%d%H}"] = moment
        elif age <= timedelta(days=30):
            last[f"{moment:%Y%m%d}"] = moment
    return kept | set(last.values())


def keep_snapshots(pid: int, every_s: float = EVERY_S) -> None:
    """Start the process that takes a snapshot every ``every_s`` seconds while the process ``pid`` lives."""
    with (home.folder() / LOG_FILE).open("ab") as words:
        _WATCHERS[pid] = subprocess.Popen(
            [sys.executable, "-m", "labkit.label.snapshots", str(pid), str(every_s)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"LABKIT_HOME": str(home.folder())},
            start_new_session=True,
        )


def end_snapshots(pid: int) -> None:
    """Wait for the process that watches ``pid``, if this one started it; it is asked to end with a snapshot undone."""
    watcher = _WATCHERS.pop(pid, None)
    if watcher is not None:
        watcher.terminate()
        watcher.wait()


def watch(pid: int, every_s: float) -> None:
    """Take snapshots until a process has ended; nothing is written while the database stays as it is.

    What goes wrong with one (a full disk) is said in ``snapshots.log``, and the next is tried in its time.
    """
    database, seen, due = remembered_database(), "", time.monotonic() + every_s
    born = _born(pid)
    while born and _born(pid) == born:
        time.sleep(_LOOK_S)
        if time.monotonic() < due:
            continue
        due = time.monotonic() + every_s
        try:
            change = dumps.last_change(database)
            if change != seen:
                take_snapshot()
                seen = change
        except LabkitError as error:
            print(f"{datetime.now(UTC):{_FORM}} {error}", flush=True)


def _moment(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem, _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def _born(pid: int) -> str:
    """Give when a process started, "" where it has ended: it tells a process from a later one of the same number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return "alive"  # a system without /proc
    return "" if fields[0] == "Z" else fields[19]


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]))
