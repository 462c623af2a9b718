"""How much memory the server and the kernels of each person hold."""

from __future__ import annotations

from pathlib import Path

#: JupyterHub names the person in the environment of the server, which its kernels inherit.
_PERSON = b"JUPYTERHUB_USER="

_PROCESSES = Path("/proc")


def memory_by_person() -> dict[str, int]:
    """Give for each account with a server the bytes that its processes hold, as Linux's proportional set size (PSS).

    Returns
    -------
    dict
        Account → bytes. What several processes share (libraries, files of scenes in memory) is counted in equal parts,
        so that the sum over people is what they take together. Empty where there is no ``/proc`` (macOS, Windows).
    """
    held: dict[str, int] = {}
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            names = [item.removeprefix(_PERSON).decode() for item in variables if item.startswith(_PERSON)]
            if names:
                held[names[0]] = held.get(names[0], 0) + _proportional_bytes(process)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended meanwhile, or is another user's
    return held


def _proportional_bytes(process: Path) -> int:
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
