"""What runs in the page beside the panels of an explorer: it follows the hand, and tells the kernel when it rests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Milliseconds without a zoom or a pan after which the kernel hears what is in view.
_REST_MS = 200

_VIEW = """
clearTimeout(wire.labkit_rest)
wire.labkit_rest = setTimeout(() => {
  wire.data = {x: [across.start, across.end], y: [along.start, along.end]}
}, rest)
"""

#: A drag draws a line on all panels, and the kernel hears of it at its end.
_LINE = """
if (cb_obj.event_name === 'panstart') {
  draft.labkit_begun = mode.tags[0] === 'line' ? [cb_obj.x, cb_obj.y] : null
}
if (draft.labkit_begun == null) { return }
const [x, y] = draft.labkit_begun
draft.data = {x: [x, cb_obj.x], y: [y, cb_obj.y]}
if (cb_obj.event_name === 'panend') {
  draft.labkit_begun = null
  wire.data = {x: [x, cb_obj.x], y: [y, cb_obj.y]}
}
"""

_CLICK = "wire.data = {x: [cb_obj.x], y: [cb_obj.y]}"

#: With the pen in the hand a drag does not zoom.
_MODE = "for (const tool of drags) { tool.active = false }; drags[0].active = mode.tags[0] === 'zoom'"

#: Where the pointer is, from the one table of places that all panels share.
_PLACE = """
const [height, width] = places.data.shape[0]
const [top, left, step] = places.data.corner[0]
const i = Math.floor((special_vars.y - top) / step)
const j = Math.floor((special_vars.x - left) / step)
if (!(i >= 0 && i < height && j >= 0 && j < width)) { return '–' }
const read = name => places.data[name][0][i * width + j]
if (format === 'height') {
  const metres = read('height')
  return Number.isFinite(metres) ? metres.toFixed(0) + ' m' : '–'
}
const [lon, lat] = [read('lon'), read('lat')]
return Number.isFinite(lon) ? lon.toFixed(5) + ', ' + lat.toFixed(5) : '–'
"""


def follow_view(across: Any, along: Any, wire: Any) -> None:
    """Write what is in view to ``wire`` (columns x and y, both ends) when zoom and pan rest."""
    from bokeh.models import CustomJS

    heard = CustomJS(args={"across": across, "along": along, "wire": wire, "rest": _REST_MS}, code=_VIEW)
    for axis in (across, along):
        for end in ("start", "end"):
            axis.js_on_change(end, heard)


def let_draw(figure: Any, mode: Any, draft: Any, wire: Any) -> None:
    """Let a drag draw the line ``draft`` while the first tag of ``mode`` is "line", and write it to ``wire``."""
    from bokeh.events import Pan, PanEnd, PanStart
    from bokeh.models import CustomJS

    for event in (PanStart, Pan, PanEnd):
        figure.js_on_event(event, CustomJS(args={"mode": mode, "draft": draft, "wire": wire}, code=_LINE))


def let_click(figure: Any, wire: Any) -> None:
    """Write where somebody clicks to ``wire``."""
    from bokeh.events import Tap
    from bokeh.models import CustomJS

    figure.js_on_event(Tap, CustomJS(args={"wire": wire}, code=_CLICK))


def follow_mode(mode: Any, drags: Sequence[Any]) -> None:
    """Take the first tool that drags into the hand when the first tag of ``mode`` becomes "zoom", else none."""
    from bokeh.models import CustomJS

    mode.js_on_change("tags", CustomJS(args={"mode": mode, "drags": list(drags)}, code=_MODE))


def place_formatter(places: Any) -> Any:
    """Give what reads lon/lat, or the height, under the pointer.

    ``places`` holds ``lon``, ``lat`` and ``height`` as flat arrays, their ``shape``, and ``corner``: the first row and
    column and the edge of a cell, px of the scene.
    """
    from bokeh.models import CustomJSHover

    return CustomJSHover(args={"places": places}, code=_PLACE)
