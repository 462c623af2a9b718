"""The masks of an explorer on one page: hatched ground, and the outline that is being drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.view import colours, explorer_outline_script
from labkit.view.explorer_settings import Mask


class MaskLayer:
    """What one page draws and says of masks.

    Parameters
    ----------
    figures : sequence of bokeh figure
        All panels.
    mode : bokeh figure
        Whose first tag says what the hand does.
    """

    def __init__(self, figures: Sequence[Any], mode: Any) -> None:
        from bokeh.models import ColumnDataSource

        self.masks = ColumnDataSource({"xs": [], "ys": [], "reason": []})
        self.draft = ColumnDataSource({"x": [], "y": []})
        self.wire = ColumnDataSource({"xs": [], "ys": [], "number": []})
        for figure in figures:
            figure.patches(
                "xs", "ys", source=self.masks, fill_alpha=0, line_color=colours.TRUTH, line_width=1.5,
                hatch_pattern="/", hatch_color=colours.TRUTH, hatch_alpha=0.35, hatch_scale=10,
            )  # fmt: skip
            for width, colour in ((4, colours.CASING), (1.5, colours.TRUTH)):
                figure.line("x", "y", source=self.draft, line_color=colour, line_width=width)
            figure.scatter("x", "y", source=self.draft, size=6, fill_color=colours.CASING, line_color=colours.TRUTH)
        explorer_outline_script.let_outline(figures, mode, self.draft, self.wire)

    def hear(self, outlined: Callable[[list[tuple[float, float]]], None]) -> None:
        """Call this with the corners (x, y) of an outline that somebody has drawn."""

        def said(_: str, old: Any, new: Mapping[str, Any]) -> None:
            outlined([(float(x), float(y)) for x, y in zip(new["xs"][0], new["ys"][0], strict=True)])

        self.wire.on_change("data", said)

    def draw(self, masks: Sequence[Mask]) -> None:
        """Draw these masks."""
        axes = [[[corner[axis] for corner in mask.outline] for mask in masks] for axis in (0, 1)]
        columns = {"xs": axes[0], "ys": axes[1], "reason": [mask.reason for mask in masks]}
        if dict(self.masks.data) != columns:
            self.masks.data = columns
