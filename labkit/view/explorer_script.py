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

#: A drag draws a line on all panels, and the kernel hears of it at its end. One that begins with a long press is no pan
#: for bokeh.
_LINE = """
const {x, y, event_name: event} = cb_obj
if (event === 'panstart' || event === 'press') {
  draft.labkit_begun = mode.tags[0] === 'line' ? [x, y] : null
}
const begun = draft.labkit_begun
if (begun == null) { return }
const line = {x: [begun[0], x], y: [begun[1], y]}
const long = begun[0] !== x || begun[1] !== y
if (long && (event === 'pan' || event === 'mousemove')) { draft.data = line }
if (event === 'panend' || event === 'pressup') {
  draft.labkit_begun = null
  if (long) { wire.data = line }
}
"""

#: Who draws boxes or masks does not ask for the history of each place.
_CLICK = "if (['zoom', 'line'].includes(mode.tags[0])) { wire.data = {x: [cb_obj.x], y: [cb_obj.y]} }"

#: With the pen in the hand a drag does not zoom, and nothing lies between the pen and the ground.
_MODE = """
for (const tool of drags) { tool.active = false }
drags[0].active = mode.tags[0] === 'zoom'
for (const tool of hovers) { tool.active = ['zoom', 'line'].includes(mode.tags[0]) }
"""

#: Keys on a panel go first to what is drawn on it, else they move the view.
_KEYS = """
const element = Bokeh.index.find_one(figure)?.canvas_view.events_el
if (element == null || element.labkit_hears) { return }
element.labkit_hears = true
element.setAttribute('role', 'application')
element.setAttribute('aria-label', name)
const [across, along] = [figure.x_range, figure.y_range]
const shift = (range, share) => {
  const by = share * (range.end - range.start)
  range.setv({start: range.start + by, end: range.end + by})
}
const scale = (range, factor) => {
  const [middle, half] = [(range.start + range.end) / 2, factor * (range.end - range.start) / 2]
  range.setv({start: middle - half, end: middle + half})
}
const views = {
  ArrowLeft: () => shift(across, -0.1), ArrowRight: () => shift(across, 0.1),
  ArrowUp: () => shift(along, 0.1), ArrowDown: () => shift(along, -0.1),
  '+': () => { scale(across, 0.8); scale(along, 0.8) }, '-': () => { scale(across, 1.25); scale(along, 1.25) },
  '0': () => { across.reset(); along.reset() },
}
element.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) { return }
  const taken = figure.labkit_keys?.[mode.tags[0]]?.(event) ?? false
  if (!taken && !(event.key in views)) { return }
  if (!taken) { views[event.key]() }
  event.preventDefault()
  event.stopPropagation()
})
"""

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
    from bokeh.events import MouseMove, Pan, PanEnd, PanStart, Press, PressUp
    from bokeh.models import CustomJS

    heard = CustomJS(args={"mode": mode, "draft": draft, "wire": wire}, code=_LINE)
    for event in (PanStart, Press, Pan, MouseMove, PanEnd, PressUp):
        figure.js_on_event(event, heard)


def let_click(figure: Any, mode: Any, wire: Any) -> None:
    """Write where somebody clicks to ``wire``, while the first tag of ``mode`` is "zoom" or "line"."""
    from bokeh.events import Tap
    from bokeh.models import CustomJS

    figure.js_on_event(Tap, CustomJS(args={"mode": mode, "wire": wire}, code=_CLICK))


def hear_keys(figure: Any, mode: Any, name: str) -> None:
    """Let keys on a panel pan and zoom, and do what is drawn on it wants of them; ``name`` is read out on the panel."""
    from bokeh.models import CustomJS

    figure.js_on_change("inner_width", CustomJS(args={"figure": figure, "mode": mode, "name": name}, code=_KEYS))


def follow_mode(mode: Any, drags: Sequence[Any], hovers: Sequence[Any]) -> None:
    """Take the first tool that drags into the hand when the first tag of ``mode`` becomes "zoom", else none.

    ``hovers`` rest while boxes or masks are drawn.
    """
    from bokeh.models import CustomJS

    args = {"mode": mode, "drags": list(drags), "hovers": list(hovers)}
    mode.js_on_change("tags", CustomJS(args=args, code=_MODE))


def place_formatter(places: Any) -> Any:
    """Give what reads lon/lat, or the height, under the pointer.

    ``places`` holds ``lon``, ``lat`` and ``height`` as flat arrays, their ``shape``, and ``corner``: the first row and
    column and the edge of a cell, px of the scene.
    """
    from bokeh.models import CustomJSHover

    return CustomJSHover(args={"places": places}, code=_PLACE)
