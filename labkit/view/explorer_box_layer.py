"""The boxes of an explorer under the hand, on one page: a frame around the chosen one, and where one would lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit import schema
from labkit.view import colours, explorer_box_script

_SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class Gesture:
    """What was done to a box on a page.

    ``what`` is "new", "put" (moved or resized), "delete" or "choose"; ``way`` the direction of the panel; ``key`` the
    box, "" for none; ``box`` where it is to lie, xmin, ymin, xmax, ymax, px, in any order.
    """

    what: str
    way: str
    key: str
    box: tuple[float, ...]


class BoxLayer:
    """What one page draws and says of boxes under the hand.

    Parameters
    ----------
    figures : mapping of str to bokeh figure
        By direction.
    sources : mapping of str to mapping
        By direction and kind, what the boxes themselves are drawn from.
    mode : bokeh figure
        Whose first tag says what the hand does.
    """

    def __init__(self, figures: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], mode: Any) -> None:
        from bokeh.models import ColumnDataSource

        ways = schema.DIRECTIONS
        self.rings = {way: ColumnDataSource({"x": [], "y": [], "key": []}) for way in ways}
        self.drafts = {way: ColumnDataSource({side: [math.nan] for side in _SIDES}, tags=[0]) for way in ways}
        self.wire = ColumnDataSource({"what": [], "way": [], "key": [], "box": [], "number": []})
        for way in ways:
            figure = figures[way]
            for width, colour, dash in ((4, colours.CASING, "solid"), (2, colours.TRUTH, "4 3")):
                figure.quad(
                    *("left", "right", "bottom", "top"), source=self.drafts[way], fill_alpha=0, line_color=colour,
                    line_width=width, line_dash=dash,
                )  # fmt: skip
            figure.line("x", "y", source=self.rings[way], line_color=colours.TRUTH, line_dash="2 3", line_width=1.5)
            figure.scatter(
                "x", "y", source=self.rings[way], marker="square", size=7, fill_color=colours.CASING,
                line_color=colours.TRUTH,
            )  # fmt: skip
            parts = {
                "sources": list(sources[way].values()), "ring": self.rings[way], "rings": list(self.rings.values()),
                "draft": self.drafts[way], "wire": self.wire,
            }  # fmt: skip
            explorer_box_script.let_edit(figure, way, mode, parts)

    def hear(self, did: Callable[[Gesture], None]) -> None:
        """Call this with what somebody does."""

        def said(_: str, old: Any, new: Mapping[str, Any]) -> None:
            box = tuple(map(float, new["box"][0]))
            did(Gesture(str(new["what"][0]), str(new["way"][0]), str(new["key"][0]), box))
            for draft in self.drafts.values():
                draft.tags = [draft.tags[0] + 1]

        self.wire.on_change("data", said)

    def choose(self, way: str, key: str, box: tuple[float, float, float, float] | None) -> None:
        """Show this box of this direction as the chosen one, None for none."""
        for name, ring in self.rings.items():
            columns: dict[str, list[Any]] = {"x": [], "y": [], "key": []}
            if box is not None and name == way:
                left, top, right, bottom = box
                x, y = (left + right) / 2, (top + bottom) / 2
                columns = {
                    "x": [left, x, right, right, right, x, left, left, left],
                    "y": [top, top, top, y, bottom, bottom, bottom, y, top],
                    "key": [key] * 9,
                }
            if dict(ring.data) != columns:
                ring.data = columns
