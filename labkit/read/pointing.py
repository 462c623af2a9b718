"""From what a person typed as a folder to a place on the disk, or to a sentence that says how to write it."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from labkit.errors import FileError

_DRIVE = re.compile(r"^([A-Za-z]):[\\/]*(.*)$", re.DOTALL)
#: Characters that a backslash makes of the letter after it: "C:\new" holds a line break.
_ESCAPED = {"\n": "n", "\t": "t", "\r": "r", "\a": "a", "\b": "b", "\f": "f", "\v": "v"}
_SHOWN = 6


def place_of(typed: str | os.PathLike[str]) -> Path:
    """Give the absolute path that a person means by what they typed or pasted.

    Parameters
    ----------
    typed : path-like
        ``~`` and ``$NAME`` are replaced, quotes and blanks around it left out, ``file://`` addresses understood.

    Returns
    -------
    Path
        Of something that is there.

    Raises
    ------
    FileError
        It is empty, an address on the web, a path of Windows on another system, or there is nothing at it; the message
        says what to write instead.

    Examples
    --------
    >>> place_of(' "~" ') == Path.home()
    True
    """
    if not isinstance(typed, str | os.PathLike):
        raise FileError(f"folder must be the path of a folder, instead got folder={typed!r}. Write it in quotes")
    words = os.fspath(typed).strip().strip("\"'").strip()
    if not words:
        raise FileError("folder must be the path of a folder, instead it is empty. Name the folder of your pairs")
    _refuse_escaped(words)
    address = urlsplit(words)
    if address.scheme == "file":
        words = unquote(address.path)
    elif address.scheme in ("http", "https", "ftp", "s3"):
        raise FileError(
            f"folder must be on this machine, instead got the address {words}. Download the files first "
            "(labkit fetch ADDRESS), then name their folder"
        )
    if os.name != "nt":
        _refuse_windows(words)
    # What cannot be replaced (an unknown user, an unset variable) stays and is not found below; pathlib raises for the
    # one, and follows links where it should only take ".." out, so that a scene would lose its name.
    place = Path(os.path.abspath(os.path.expandvars(os.path.expanduser(words))))  # noqa: PTH100, PTH111
    if not place.exists():
        raise FileError(f"folder must exist, instead there is nothing at {place}. {_near(place)}")
    return place


def _refuse_escaped(words: str) -> None:
    if any(character in words for character in _ESCAPED):
        meant = "".join("\\" + _ESCAPED[c] if c in _ESCAPED else c for c in words)
        raise FileError(
            f"folder must be a path, instead a backslash in it was taken for a special character: {words!r}. "
            f"Put an r before the quotes: r'{meant}', or write / in place of \\"
        )


def _refuse_windows(words: str) -> None:
    drive = _DRIVE.match(words)
    if drive:
        letter, rest = drive[1].lower(), drive[2].replace("\\", "/")
        raise FileError(
            f"folder must be a path of this machine, instead got the path of Windows {words}. Here runs Linux or "
            f"macOS: under WSL the folder is /mnt/{letter}/{rest}, on another machine copy or mount it first"
        )
    if words.startswith("\\\\"):
        raise FileError(
            f"folder must be a path of this machine, instead got the network path of Windows {words}. Mount it first, "
            "and name the folder where it is mounted"
        )


def _near(place: Path) -> str:
    """What there is in the nearest folder that exists, and what may have been meant."""
    above = next(parent for parent in place.parents if parent.is_dir())
    missing = place.relative_to(above).parts[0]
    names = sorted(p.name for p in above.iterdir() if not p.name.startswith("."))
    alike = difflib.get_close_matches(missing, names, n=2, cutoff=0.6)
    alike = alike or [name for name in names if name.lower() == missing.lower()]
    if alike:
        return f"In {above} there is {' and '.join(alike)}: is that it?"
    holds = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{above} is there and holds {holds or 'nothing'}"
