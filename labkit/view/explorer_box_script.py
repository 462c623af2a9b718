"""What runs in the page beside boxes that are drawn on the panels of an explorer: it follows the hand and the keys.

The page changes no box itself. It shows where one would come to lie, and tells the kernel what was done to which box.
"""

from __future__ import annotations

from typing import Any

#: Screen pixels from an edge of the chosen box at which a pull takes hold of it, and less than which is no drag.
_REACH, _SLIP = 7, 3

#: What all three scripts do: find a box, choose it, show where it would lie, and tell the kernel.
_WORDS = """
const tell = (what, key, box) => {
  wire.labkit_number = (wire.labkit_number ?? 0) + 1
  wire.data = {what: [what], way: [way], key: [key], box: [box ?? []], number: [wire.labkit_number]}
}
const choose = (key, box) => {
  for (const other of rings) { if (other !== ring) { other.data = {x: [], y: [], key: []} } }
  if (box == null) { ring.data = {x: [], y: [], key: []}; return }
  const [l, t, r, b] = box
  const [m, c] = [(l + r) / 2, (t + b) / 2]
  ring.data = {x: [l, m, r, r, r, m, l, l, l], y: [t, t, t, c, b, b, b, c, t], key: Array(9).fill(key)}
}
const chosen = () => {
  const {x, y, key} = ring.data
  return key.length === 0 ? null : {key: key[0], box: [x[0], y[0], x[2], y[4]]}
}
const found = (x, y) => {
  let best = null
  for (const source of sources) {
    const d = source.data
    for (let i = 0; i < d.key.length; i++) {
      if (d.key[i] === '' || x < d.left[i] || x > d.right[i] || y < d.top[i] || y > d.bottom[i]) { continue }
      const area = (d.right[i] - d.left[i]) * (d.bottom[i] - d.top[i])
      if (best == null || area < best.area) {
        best = {area, key: d.key[i], box: [d.left[i], d.top[i], d.right[i], d.bottom[i]]}
      }
    }
  }
  return best
}
const lay = (box) => {
  const sides = ['left', 'top', 'right', 'bottom']
  sides.forEach((side, k) => { draft.data[side][0] = box == null ? NaN : box[k] })
  draft.change.emit()
}
"""

#: A drag, also one that began with a long press, which is none for bokeh. Shift draws a box inside another.
_HAND = (
    _WORDS
    + """
const {x, y, event_name: event} = cb_obj
const scale = (range, px) => Math.abs(range.end - range.start) / px
const [across, along] = [scale(figure.x_range, figure.inner_width), scale(figure.y_range, figure.inner_height)]
const pull = draft.labkit_pull
const moved = pull != null && Math.hypot((x - pull.from[0]) / across, (y - pull.from[1]) / along) >= slip
const edges = () => pull.box.map((at, k) => pull.held[k] ? at + (k % 2 ? y - pull.from[1] : x - pull.from[0]) : at)
if (mode.tags[0] !== 'boxes') {
  if (pull != null) { draft.labkit_pull = null; lay(null) }
} else if (event === 'tap' || event === 'doubletap') {
  const one = found(x, y)
  choose(one?.key, one?.box)
  tell('choose', one?.key ?? '')
} else if (event === 'panstart' || event === 'press') {
  const one = chosen()
  draft.labkit_pull = {held: [0, 0, 1, 1], key: '', box: [x, y, x, y], from: [x, y]}
  if (cb_obj.modifiers?.shift) { return }
  if (one != null) {
    const [l, t, r, b] = one.box
    const [ex, ey] = [reach * across, reach * along]
    // of a small box a part in the middle stays to move it by
    const [ix, iy] = [Math.min(ex, (r - l) / 4), Math.min(ey, (b - t) / 4)]
    if (x > l - ex && x < r + ex && y > t - ey && y < b + ey) {
      const held = [x < l + ix, y < t + iy, x > r - ix, y > b - iy]
      draft.labkit_pull = {...one, from: [x, y], held: held.some(Boolean) ? held : [1, 1, 1, 1]}
      return
    }
  }
  const inside = found(x, y)
  if (inside != null) {
    draft.labkit_pull = {...inside, from: [x, y], held: [1, 1, 1, 1]}
    choose(inside.key, inside.box)
  }
} else if (pull != null && (event === 'pan' || event === 'mousemove')) {
  if (moved) { lay(edges()) }
} else if (pull != null && (event === 'panend' || event === 'pressup')) {
  draft.labkit_pull = null
  if (moved) {
    tell(pull.key === '' ? 'new' : 'put', pull.key, edges())
  } else {
    lay(null)
    const one = found(x, y)
    choose(one?.key, one?.box)
    tell('choose', one?.key ?? '')
  }
}
"""
)

#: The kernel has answered: what it has taken is drawn by now.
_ANSWERED = _WORDS + "if (draft.labkit_pull == null) { lay(null) }"

#: With the panel under the keys: delete, let go, move by a pixel, or by ten with Shift.
_KEYS = (
    _WORDS
    + """
const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}
figure.labkit_keys ??= {}
figure.labkit_keys.boxes = (event) => {
  const one = chosen()
  if (one == null) { return false }
  if (event.key === 'Backspace' || event.key === 'Delete') {
    choose()
    tell('delete', one.key)
  } else if (event.key === 'Escape') {
    choose()
    tell('choose', '')
  } else if (event.key in steps) {
    const by = steps[event.key].map(step => step * (event.shiftKey ? 10 : 1))
    const box = one.box.map((at, k) => at + by[k % 2])
    choose(one.key, box)
    tell('put', one.key, box)
  } else {
    return false
  }
  return true
}
"""
)


def let_edit(figure: Any, way: str, mode: Any, parts: dict[str, Any]) -> None:
    """Let the hand draw, choose, move, resize and delete boxes while the first tag of ``mode`` is "boxes".

    Parameters
    ----------
    figure : bokeh.models.Plot
        The panel.
    way : str
        Its direction.
    mode : bokeh.models.Plot
        Whose first tag says what the hand does.
    parts : dict
        ``sources``: what boxes are drawn from, with ``left``, ``right``, ``top``, ``bottom`` and ``key`` ("" of those
        that cannot be changed); ``ring``, ``rings``: the frame of the chosen box, here and on all panels; ``draft``:
        where a box would come to lie; ``wire``: what the kernel hears, ``what`` ("new", "put", "delete", "choose"),
        ``way``, ``key`` and ``box``.
    """
    from bokeh.events import DoubleTap, MouseMove, Pan, PanEnd, PanStart, Press, PressUp, Tap
    from bokeh.models import CustomJS

    args = {"figure": figure, "way": way, "mode": mode, **parts}
    hand = CustomJS(args=args | {"reach": _REACH, "slip": _SLIP}, code=_HAND)
    for event in (Tap, DoubleTap, PanStart, Press, Pan, MouseMove, PanEnd, PressUp):
        figure.js_on_event(event, hand)
    figure.js_on_change("inner_width", CustomJS(args=args, code=_KEYS))
    parts["draft"].js_on_change("tags", CustomJS(args=args, code=_ANSWERED))
