"""The picture of an explorer as JSON: a small table of its settings, with the scene that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.view.explorer_settings import Settings, from_table, to_table

#: Of the files of states; a newer form gets another number.
_FORM = 1


@dataclass(frozen=True)
class State:
    """What an explorer shows: its settings, those kept for comparing, and how far the swipe goes, per cent."""

    settings: Settings
    kept: Settings | None = None
    swipe: float = 50

    def __post_init__(self) -> None:
        if not (isinstance(self.swipe, int | float) and 0 <= self.swipe <= 100):
            raise LabkitError(f"swipe must be in 0..100, instead got swipe={self.swipe!r}")


def as_table(state: State, scene: str) -> dict[str, Any]:
    """Give a state and its scene as JSON holds them."""
    table = {"form": _FORM, "scene": scene, "settings": to_table(state.settings)}
    return table | {"kept": None if state.kept is None else to_table(state.kept), "swipe": state.swipe}


def write_state(state: Mapping[str, Any], path: str | Path) -> Path:
    """Write a state, whole or not at all, and give the file's name."""
    with whole(path) as partial:
        partial.write_text(json.dumps(state, indent=1) + "\n")
    return Path(path)


def read_state(state: str | Path | Mapping[str, Any], scene: str) -> State:
    """Read a state, or a file of one.

    Raises
    ------
    LabkitError
        It is none, or of another scene.
    """
    if isinstance(state, Mapping):
        table: Any = state
        name = "state"
    else:
        name = str(state)
        try:
            table = json.loads(Path(state).read_text())
        except (OSError, ValueError) as error:
            raise FileError(f"{state} must be a file of Explorer.save, instead got: {error}") from error
    if not isinstance(table, Mapping) or table.get("form") != _FORM or not isinstance(table.get("settings"), Mapping):
        raise LabkitError(f"{name} must be a state of an explorer, form {_FORM}, instead got {str(table)[:80]!r}")
    if table.get("scene") != scene:
        raise LabkitError(
            f"{name} must be of the scene {scene!r}, instead got scene={table.get('scene')!r}. "
            'Change "scene" in it to use its settings here'
        )
    # files from before there was a swipe in them have neither
    kept = table.get("kept")
    return State(
        from_table(table["settings"]), None if kept is None else from_table(kept), table.get("swipe", State.swipe)
    )
