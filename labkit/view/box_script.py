"""What runs in the page beside a panel of boxes: names for new boxes, one choice at a time, edges to pull at.

The page does this itself because it has to follow the hand; what comes of it reaches the kernel as boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.view import colours

#: Columns of the page's boxes beside their corners: their names, their colours, and which drawing they came with.
KEY, COLOUR, DRAWING = "key", "colour", "drawing"

#: Milliseconds without a pull at an edge after which the box goes to the kernel.
_REST_MS = 250

#: A new box has 0 where others have their name. Random numbers as crypto gives them also where a page is not secure.
_NAME_NEW = """
const keys = source.get_array(key)
for (let i = 0; i < keys.length; i++) {
  if (typeof keys[i] !== 'string' || keys[i] === '') {
    keys[i] = Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0')).join('')
  }
}
"""

#: Lay the frame with the handles around the chosen box; hide it where none or several are chosen. A drawing of the
#: kernel's that comes while the hand pulls does not know of it yet: then the box follows the frame.
_FRAME = """
const chosen = source.selected.indices
const i = chosen[0]
if (chosen.length === 1 && i < source.get_length() && source.get_array(key)[i] === frame.labkit_pulled) {
  source.get_array('left')[i] = Math.min(frame.left, frame.right)
  source.get_array('right')[i] = Math.max(frame.left, frame.right)
  source.get_array('bottom')[i] = Math.min(frame.bottom, frame.top)
  source.get_array('top')[i] = Math.max(frame.bottom, frame.top)
  source.change.emit()
} else if (chosen.length !== 1 || !(i < source.get_length())) {
  frame.visible = false
} else {
  const d = source.data
  const [left, right] = [Math.min(d.left[i], d.right[i]), Math.max(d.left[i], d.right[i])]
  const [low, high] = [Math.min(d.bottom[i], d.top[i]), Math.max(d.bottom[i], d.top[i])]
  frame.setv({left: left, right: right, top: low, bottom: high, visible: true})
}
"""

#: Boxes are chosen on one panel at a time.
_ALONE = """
if (source.selected.indices.length > 0) {
  for (const name of others) {
    const other = source.document.get_model_by_name(name)
    if (other != null) { other.selected.indices = [] }
  }
}
"""

#: A pull at an edge moves the edge of the box at once; the kernel hears of it when the hand rests.
_PULL = """
const i = source.selected.indices[0]
if (!frame.visible || source.selected.indices.length !== 1 || !(i < source.get_length())) { return }
const [left, right] = [Math.min(frame.left, frame.right), Math.max(frame.left, frame.right)]
const [low, high] = [Math.min(frame.top, frame.bottom), Math.max(frame.top, frame.bottom)]
const is = [source.get_array('left'), source.get_array('right'), source.get_array('bottom'), source.get_array('top')]
const was = [Math.min(is[0][i], is[1][i]), Math.max(is[0][i], is[1][i]),
             Math.min(is[2][i], is[3][i]), Math.max(is[2][i], is[3][i])]
const now = [left, right, low, high]
if (now.every((value, k) => Math.abs(value - was[k]) < 1e-9)) { return }
now.forEach((value, k) => { is[k][i] = value })
source.change.emit()
frame.labkit_pulled = source.get_array(key)[i]
clearTimeout(frame.labkit_rest)
frame.labkit_rest = setTimeout(() => {
  frame.labkit_pulled = null
  source.setv({data: source.data}, {check_eq: false})
}, rest)
"""


def attach(figure: Any, source: Any, name: str, others: list[str], taken: Callable[[Any], None]) -> None:
    """Make a figure of boxes editable beyond what bokeh's tool does; a second call for one figure does nothing.

    Parameters
    ----------
    figure : bokeh.models.Plot
        The panel.
    source : bokeh.models.ColumnDataSource
        Its boxes: ``left``, ``right``, ``bottom``, ``top`` and :data:`KEY`.
    name : str
        Of the source in its document.
    others : list of str
        Names of the sources of the other panels.
    taken : callable
        Called with the source's columns in the moment in which they change, before anything else can change them.
    """
    from bokeh.models import CustomJS, Quad
    from bokeh.models.annotations import BoxAnnotation

    if source.name == name:
        return
    source.name = name
    source.on_change("data", lambda attribute, old, new: taken(new))
    lines: tuple[tuple[Any, float], ...] = ((colours.CASING, 4.5), ({"field": COLOUR}, 2.5))
    for colour, width in lines:
        stroke = Quad(
            left="left", right="right", bottom="bottom", top="top", fill_alpha=0.0, line_color=colour, line_width=width
        )
        figure.add_glyph(source, stroke, selection_glyph=stroke, nonselection_glyph=stroke)
    frame = BoxAnnotation(
        left=0, right=0, top=0, bottom=0, visible=False,
        editable=True, use_handles=True, movable="none", resizable="all",
        fill_alpha=0.0, line_color=colours.TRUTH, line_dash="dotted", line_width=1.5, level="overlay",
    )  # fmt: skip
    figure.add_layout(frame)
    near = {"source": source, "frame": frame, "key": KEY}
    source.js_on_change("data", CustomJS(args={"source": source, "key": KEY}, code=_NAME_NEW))
    source.js_on_change("data", CustomJS(args=near, code=_FRAME))
    source.selected.js_on_change("indices", CustomJS(args={"source": source, "others": others}, code=_ALONE))
    source.selected.js_on_change("indices", CustomJS(args=near, code=_FRAME))
    for edge in ("left", "right", "bottom", "top"):
        frame.js_on_change(edge, CustomJS(args={**near, "rest": _REST_MS}, code=_PULL))


def begin_with_boxes(plot: Any, element: Any) -> None:
    """Let a figure begin with the tool for boxes in the hand instead of the zoom, a hook."""
    from bokeh.models import BoxEditTool

    toolbar = plot.state.toolbar
    (tool,) = [tool for tool in toolbar.tools if isinstance(tool, BoxEditTool)]
    # in a layout holoviews leaves the tools to the layout's own bar
    plot.state.toolbar_location = "right"
    if toolbar.active_multi is not tool:
        toolbar.active_drag, toolbar.active_tap, toolbar.active_multi = None, None, tool
        # what the pointer reads would lie over the boxes; a click on its tool brings it back
        toolbar.active_inspect = None
