"""The copies of a figure on the pages that show it: each is told what changes, as long as its page is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import panel as pn

Copy = TypeVar("Copy")


class Copies(Generic[Copy]):
    """Figures that show the same thing.

    A bokeh figure belongs to one page; an explorer that is shown twice has two of each.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[pn.pane.Bokeh, Copy]] = []
        self._seen: set[int] = set()

    def add(self, pane: pn.pane.Bokeh, copy: Copy) -> None:
        """Keep a copy and the pane that shows it."""
        self._kept.append((pane, copy))

    def __iter__(self) -> Iterator[Copy]:
        """Go over the copies; those whose page has gone are dropped."""
        alive = []
        for pane, copy in self._kept:
            if pane._models:
                self._seen.add(id(pane))
            if pane._models or id(pane) not in self._seen:
                alive.append((pane, copy))
        self._seen &= {id(pane) for pane, _ in alive}
        self._kept = alive
        return iter([copy for _, copy in alive])

    def push(self) -> None:
        """Send what has changed to the pages."""
        from panel.io.notebook import push_notebook

        push_notebook(*[pane for pane, _ in self._kept if pane._models])
