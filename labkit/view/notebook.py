"""Make plots appear in notebooks, also where there is no network."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_loaded = False


def in_kernel() -> bool:
    """Whether this runs inside a Jupyter kernel, where there is a page to draw on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def kernel_loop() -> Any:
    """Give the loop of the kernel's main thread; there has to be a kernel (:func:`in_kernel`)."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    return shell.kernel.io_loop


def ready() -> None:
    """Load holoviews with bokeh, its scripts and styles written into the notebook instead of fetched from the network.

    Called by every figure of labkit; a notebook that draws with hvplot by itself calls it once **before**
    ``import hvplot.xarray``, which would otherwise point the page to scripts on the network and leave plots blank.
    Outside a kernel only the drawing back end is chosen. Later calls do nothing.
    """
    global _loaded
    if _loaded:
        return
    import holoviews as hv
    from panel.viewable import Viewable

    if in_kernel():
        hv.extension("bokeh", inline=True, logo=False)
        _answer_on_one_thread()
    else:
        import holoviews.plotting.bokeh

        hv.Store.set_current_backend("bokeh")
    # holoviews leaves four style sheets of every figure on the network even when scripts are inline.
    Viewable._preprocessing_hooks.append(_write_styles_in)
    _loaded = True


def _answer_on_one_thread() -> None:
    """Have the kernel's main thread take what the page says of a figure: a zoom, a box that was drawn.

    Since 4.4 JupyterLab hands it to a subshell, a thread of its own. There panel ends its hold on the document when it
    has taken a zoom, and with it go the changes that the main thread had held back to send: figures then keep old
    pictures (https://github.com/jupyterlab/jupyterlab/issues/19719). On one thread each waits for the other.
    """
    from panel.io.notebook import JupyterCommJSBinary, JupyterCommManagerBinary

    loop = kernel_loop()

    class Comm(JupyterCommJSBinary):
        def _handle_msg(self, msg: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                loop.add_callback(self._handle_msg, msg)
                return
            for part in in_order(msg):
                super()._handle_msg(part)

    # the one by which figures of holoviews and widgets of panel are both shown
    JupyterCommManagerBinary.client_comm = Comm


def in_order(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Part what a page says so that each pressed button comes by itself, in its turn.

    Parameters
    ----------
    message : dict
        Of a Jupyter comm; ``["content"]["data"]["content"]["events"]`` is a patch of bokeh's.

    Yields
    ------
    dict
        Messages of the same kind with the events in the same order.

    Notes
    -----
    While the kernel is busy a page gathers what people do, and sends it at once. Panel takes such a message under a
    hold: a pressed button acts at once, but what was chosen or typed before it is only heard when the hold ends, so
    that "Set class" would give the class that was there before.
    """
    data = message["content"]["data"]
    content = data.get("content") if isinstance(data, dict) else None
    if not isinstance(content, dict):
        yield message
        return
    events = content.get("events", [])
    starts = {0, len(events)}
    for place, event in enumerate(events):
        if event.get("kind") == "MessageSent":
            starts |= {place, place + 1}
    if len(starts) <= 2:
        yield message
        return
    for first, after in pairwise(sorted(starts)):
        part = data | {"content": content | {"events": events[first:after]}}
        yield message | {"content": message["content"] | {"data": part}}


def _write_styles_in(viewable: Any, root: Any, changed: Any = None, old_models: Any = None) -> None:
    """Put the text of panel's own style sheets in the place of their addresses."""
    from bokeh.models.ui import UIElement
    from panel.io.notebook import patch_inline_stylesheets

    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
