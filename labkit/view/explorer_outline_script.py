"""What runs in the page beside the outlines of masks: each click sets a corner, and no corner is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Ends an outline: with three corners or more it goes to the kernel.
_FINISH = """
const finish = (keep) => {
  const [x, y] = [draft.data.x, draft.data.y]
  draft.labkit_last = null
  if (keep && x.length > 2) {
    wire.labkit_number = (wire.labkit_number ?? 0) + 1
    wire.data = {xs: [[...x]], ys: [[...y]], number: [wire.labkit_number]}
  }
  draft.data = {x: [], y: []}
}
"""

#: A click on the last corner, or the first, ends the outline: so does a double click whose halves came too late to be
#: one. Held for long, a click is a press.
_POINT = (
    _FINISH
    + """
if (mode.tags[0] !== 'mask') { return }
const [x, y] = [draft.data.x, draft.data.y]
const scale = (range, px) => Math.abs(range.end - range.start) / px
const [across, along] = [scale(figure.x_range, figure.inner_width), scale(figure.y_range, figure.inner_height)]
const near = (k) => k >= 0 && k < x.length && Math.hypot((x[k] - cb_obj.x) / across, (y[k] - cb_obj.y) / along) < reach
if (cb_obj.event_name === 'doubletap' && !near(x.length - 1) && !near(0)) {
  // two quick clicks at two places: the second sets a corner as well
  draft.data = {x: [...x, cb_obj.x], y: [...y, cb_obj.y]}
} else if (cb_obj.event_name === 'doubletap' || (x.length > 2 && (near(x.length - 1) || near(0)))) {
  if (x.length > 2) { finish(true) }
} else if (!near(x.length - 1)) {
  draft.data = {x: [...x, cb_obj.x], y: [...y, cb_obj.y]}
}
"""
)

_KEYS = (
    _FINISH
    + """
figure.labkit_keys ??= {}
figure.labkit_keys.mask = (event) => {
  const length = draft.data.x.length
  if (length === 0) { return false }
  if (event.key === 'Enter') {
    if (length > 2) { finish(true) }
  } else if (event.key === 'Escape') {
    finish(false)
  } else if (event.key === 'Backspace') {
    draft.data = {x: draft.data.x.slice(0, -1), y: draft.data.y.slice(0, -1)}
  } else {
    return false
  }
  return true
}
"""
)

#: Whoever puts the pen down has ended the outline.
_LEAVE = _FINISH + "if (mode.tags[0] !== 'mask') { finish(true) }"

#: Screen pixels within which two clicks are at one place.
_REACH = 5


def let_outline(figures: Sequence[Any], mode: Any, draft: Any, wire: Any) -> None:
    """Let clicks outline ground while the first tag of ``mode`` is "mask".

    A double click, a click on the first or last corner, Enter, or another tag ends the outline; Escape drops it, and
    Backspace takes the last corner away.

    Parameters
    ----------
    figures : sequence of bokeh.models.Plot
        Of one outline at a time: its corners may be set on any of them.
    mode : bokeh.models.Plot
        Whose first tag says what the hand does.
    draft, wire : bokeh.models.ColumnDataSource
        The outline that is being drawn, ``x`` and ``y``; and what the kernel hears, ``xs`` and ``ys``.
    """
    from bokeh.events import DoubleTap, Press, Tap
    from bokeh.models import CustomJS

    args = {"mode": mode, "draft": draft, "wire": wire}
    for figure in figures:
        point = CustomJS(args=args | {"figure": figure, "reach": _REACH}, code=_POINT)
        for event in (Tap, Press, DoubleTap):
            figure.js_on_event(event, point)
        figure.js_on_change("inner_width", CustomJS(args=args | {"figure": figure}, code=_KEYS))
    mode.js_on_change("tags", CustomJS(args=args, code=_LEAVE))
