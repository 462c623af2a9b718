"""What a result was made from and how its files were when it was complete, so that a restart knows what stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import labkit
from labkit.errors import FileError
from labkit.files import whole

FORMAT = 1

#: A change that concerns more than this many files is told by the first ones.
_TOLD = 3


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(folder: Path, *, contents: bool) -> dict[str, list[int | str]]:
    """Tell the files of a burst from others.

    Parameters
    ----------
    folder : Path
        The burst. Hidden files are no part of it.
    contents : bool
        By SHA-256, else by the time of the last change.

    Returns
    -------
    dict
        Path from the folder → [bytes, time in ns or SHA-256].
    """
    found: dict[str, list[int | str]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            told = path.stat()
            found[inside.as_posix()] = [told.st_size, sha256(path) if contents else told.st_mtime_ns]
    return found


def write_record(
    path: Path, made_from: Mapping[str, Any], outputs: Iterable[Path], summary: Mapping[str, Any], **told: Any
) -> dict[str, Any]:
    """Write the record of a result, last of all: with it the result is complete.

    Parameters
    ----------
    path : Path
        The record, JSON, beside the outputs.
    made_from : mapping
        All that the outputs depend on; another restart compares it.
    outputs : iterable of Path
        Files that are complete.
    summary : mapping
        What later steps want to know without opening the outputs.
    **told
        What else is kept for people: versions, seconds.

    Returns
    -------
    dict
        The record.
    """
    files = {output.name: {"bytes": output.stat().st_size, "sha256": sha256(output)} for output in outputs}
    record = {"format": FORMAT, "made_from": made_from, "outputs": files, "summary": dict(summary), **told}
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return dict(json.loads(text))


def read_record(path: Path) -> dict[str, Any] | None:
    """Give a record; None where there is none that this version can read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return record if isinstance(record, dict) and record.get("format") == FORMAT else None


def why_again(path: Path, made_from: Mapping[str, Any]) -> str:
    """Say why a result has to be made (again); "" where it stands.

    Parameters
    ----------
    path : Path
        Its record. The outputs that it names are hashed.
    made_from : mapping
        What the result would be made from now.
    """
    if not path.exists():
        return "it was not there"
    record = read_record(path)
    if record is None:
        return f"{path.name} could not be read"
    changed = _difference(record["made_from"], json.loads(json.dumps(made_from)))
    if changed:
        return changed
    for name, told in record["outputs"].items():
        output = path.with_name(name)
        if not output.is_file():
            return f"{name} was missing"
        if output.stat().st_size != told["bytes"] or sha256(output) != told["sha256"]:
            return f"{name} was not as it had been written"
    return ""


def same_file(path: Path, digest: str) -> Path:
    """Give a file back that has this SHA-256.

    Raises
    ------
    FileError
        It is missing or has another one.
    """
    if not path.is_file() or sha256(path) != digest:
        raise FileError(f"{path} must be as it was written (SHA-256), instead it has changed. Run the region again")
    return path


def versions(*packages: str) -> dict[str, str]:
    """Give the versions of labkit and of packages."""
    from importlib.metadata import version

    return {"labkit": labkit.__version__, **{name: version(name) for name in packages}}


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> str:
    """Say what differs, "" for nothing: settings with both values, inputs by their names."""
    told = []
    for name in sorted(set(before) | set(now)):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name == "inputs" and isinstance(old, dict) and isinstance(new, dict):
            files = [file for file in sorted(set(old) | set(new)) if old.get(file) != new.get(file)]
            told.append(f"other inputs: {', '.join(files[:_TOLD])}{' and more' if len(files) > _TOLD else ''}")
        elif isinstance(old, dict) and isinstance(new, dict):
            told.append(_difference(old, new, f"{within}{name}."))
        else:
            told.append(f"{within}{name} was {_word(old)} and is {_word(new)}")
    return "; ".join(told)


def _word(value: object) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 24 else f"{text[:12]}…"
