"""Configurations of the commands: TOML or JSON files of a few words, refused where they hold a wrong one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import FileError


def read_configuration(path: Path, known: Collection[str], needed: Sequence[str]) -> dict[str, Any]:
    """Read a file that says what a command shall do.

    Parameters
    ----------
    path : Path
        JSON where it ends in ``.json``, else TOML; UTF-8.
    known : collection of str
        The words that it may hold at its top level.
    needed : sequence of str
        Those that it must hold.

    Returns
    -------
    dict
        What it says.

    Raises
    ------
    FileError
        There is no such file, it is neither TOML nor JSON, or it lacks a word or has one too many.
    """
    try:
        text = path.read_text(encoding="utf-8")
        said = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileError(f"{path} must be a readable TOML or JSON file, instead got: {error}") from error
    strange = sorted(set(said) - set(known)) if isinstance(said, dict) else [type(said).__name__]
    if strange:
        raise FileError(f"{path} must hold only the words {', '.join(sorted(known))}, instead got {', '.join(strange)}")
    missing = [name for name in needed if name not in said]
    if missing:
        words = f"{', '.join(needed[:-1])} and {needed[-1]}"
        raise FileError(f"{path} must hold the words {words}, instead {missing} are missing")
    return dict(said)
