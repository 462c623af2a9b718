"""What runs in the page beside a review: the keys that answer, and that no detection is answered before it is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Finds the element of the notebook's page that holds the whole review, and lets it hear keys. What JupyterLab would do
#: on the same keys (l: line numbers) it leaves undone inside. A second answer waits until the next detection is shown;
#: the first ends a line that is being drawn, so that the line goes to the kernel before the answer.
_LISTEN = """
const view = Bokeh.index.find_one(figure)
if (view == null) { return }
let element = view.el
while (element.getRootNode() instanceof ShadowRoot) { element = element.getRootNode().host }
const home = element.closest('.jp-OutputArea-output') ?? element.parentElement ?? element
home.labkit_waits = false
if (home.labkit_hears) { return }
home.labkit_hears = true
home.tabIndex = 0
home.setAttribute('data-lm-suppress-shortcuts', 'true')
home.setAttribute('role', 'group')
home.setAttribute('aria-label', 'Review of detections')

const button = (root, name) => {
  for (const one of root.querySelectorAll('*')) {
    if (one.tagName === 'BUTTON' && one.textContent.trim() === name) { return one }
    const found = one.shadowRoot == null ? null : button(one.shadowRoot, name)
    if (found != null) { return found }
  }
  return null
}
home.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) { return }
  const at = event.composedPath()[0]
  if (['INPUT', 'TEXTAREA', 'SELECT'].includes(at.tagName)) {
    if (event.key === 'Escape' || (event.key === 'Enter' && at.tagName === 'INPUT')) { setTimeout(() => home.focus()) }
    return
  }
  const name = keys[event.key.toLowerCase()]
  const pressed = name == null ? null : button(home, name)
  if (pressed == null) { return }
  event.preventDefault()
  event.stopPropagation()
  pressed.click()
})
home.addEventListener('click', (event) => {
  const pressed = event.composedPath().find(one => one.tagName === 'BUTTON')
  if (pressed == null || !answers.includes(pressed.textContent.trim())) { return }
  if (home.labkit_waits) {
    event.stopImmediatePropagation()
    event.preventDefault()
  } else {
    home.labkit_waits = true
    figure.labkit_finish?.(true)
  }
}, true)
"""

#: Ends a line: with three points or more it goes to the kernel as an outline, with the number of what the page shows.
_FINISH = """
const finish = (keep) => {
  for (const [kind, draft] of drafts) {
    const [x, y] = [draft.data.xs[0] ?? [], draft.data.ys[0] ?? []]
    draft.data = {xs: [], ys: []}
    if (keep && x.length > 2) { wire.data = {kind: [kind], shown: [figure.tags[0]], xs: [x], ys: [y]} }
  }
  figure.labkit_draws = false
  for (const hover of hovers) { hover.active = true }
}
"""

#: Each click adds a point to the line on the panel where it is. A click on the last point ends the line: so does
#: a double click whose halves came too late to be one. Held for long, a click is a press.
_POINT = """
if (!figure.labkit_draws) { return }
const [x, y] = [draft.data.xs[0] ?? [], draft.data.ys[0] ?? []]
const last = figure.labkit_last
figure.labkit_last = {draft, sx: cb_obj.sx, sy: cb_obj.sy}
if (x.length > 2 && last?.draft === draft && Math.hypot(last.sx - cb_obj.sx, last.sy - cb_obj.sy) < 4) {
  figure.labkit_finish(true)
  return
}
draft.data = {xs: [[...x, cb_obj.x]], ys: [[...y, cb_obj.y]]}
"""

_TAKE_UP = """
if (figure.labkit_draws) {
  finish(true)
} else {
  figure.labkit_draws = true
  figure.labkit_last = null
  figure.labkit_finish = (keep) => { if (figure.labkit_draws) { finish(keep) } }
  for (const hover of hovers) { hover.active = false }
}
"""


def listen(figure: Any, keys: Mapping[str, str], answers: Sequence[str]) -> None:
    """Let keys press buttons as soon as a figure is drawn, and whenever its ``tags`` change.

    Parameters
    ----------
    figure : bokeh.models.Plot
        One of the review's.
    keys : mapping of str to str
        A key as the page names it, lower case, to the words on the button that it presses.
    answers : sequence of str
        Words on the buttons of which the next press waits until ``tags`` of the figure change.
    """
    from bokeh.models import CustomJS

    heard = CustomJS(args={"figure": figure, "keys": dict(keys), "answers": list(answers)}, code=_LISTEN)
    figure.js_on_change("inner_width", heard)
    figure.js_on_change("tags", heard)


def let_draw(button: Any, first: Any, panels: Sequence[tuple[str, Any, Any]], wire: Any, hovers: Sequence[Any]) -> None:
    """Let people draw outlines: a button takes up the pen, clicks set points.

    A double click, a click on the last point, the button or an answer ends the line.

    Parameters
    ----------
    button : panel.widgets.Button
        To press.
    first : bokeh.models.Plot
        What was begun is dropped when its ``tags`` change, whose first number says what the page shows.
    panels : sequence of (str, Plot, ColumnDataSource)
        Kind, figure, and the line that is being drawn there, with the columns ``xs`` and ``ys``.
    wire : bokeh.models.ColumnDataSource
        Written by the page alone, with each outline that was drawn: ``kind``, ``shown``, ``xs``, ``ys``.
    hovers : sequence of bokeh.models.HoverTool
        Those that rest meanwhile.
    """
    from bokeh.events import DoubleTap, Press, Tap
    from bokeh.models import CustomJS

    drafts = [[kind, draft] for kind, _, draft in panels]
    args = {"figure": first, "drafts": drafts, "wire": wire, "hovers": list(hovers)}
    button.js_on_click(args=args, code=_FINISH + _TAKE_UP)
    first.js_on_change("tags", CustomJS(args=args, code=_FINISH + "finish(false)"))
    for _, figure, draft in panels:
        for one in (Tap, Press):
            figure.js_on_event(one, CustomJS(args={"figure": first, "draft": draft}, code=_POINT))
        figure.js_on_event(DoubleTap, CustomJS(args={"figure": first}, code="figure.labkit_finish?.(true)"))
