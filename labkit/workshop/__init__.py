"""A workshop: one folder that holds all that a room of people needs, a hub that opens it, and the way back.

``labkit workshop FOLDER --people 30`` makes the folder where there is a network, ``python3 install.py`` in it installs
all of it where there is none, ``labkit workshop open FOLDER`` lets the people in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

#: Public name → the module that holds it, loaded when it is first used: every kernel of a room imports this package.
_HOMES = {
    "Workshop": "layout",
    "make_workshop": "making",
    "open_workshop": "opening",
    "reset": "resetting",
    "reset_button": "resetting",
}

if TYPE_CHECKING:
    from labkit.workshop.layout import Workshop
    from labkit.workshop.making import make_workshop
    from labkit.workshop.opening import open_workshop
    from labkit.workshop.resetting import reset, reset_button

__all__ = ["Workshop", "make_workshop", "open_workshop", "reset", "reset_button"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.workshop' has no attribute {name!r}")
    value = getattr(import_module(f"labkit.workshop.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
