"""Make plots appear in notebooks, also where there is no network."""

from __future__ import annotations

import sys
import threading
from typing import Any

_loaded = False


def in_kernel() -> bool:
    """Whether this runs inside a Jupyter kernel, where there is a page to draw on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


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
    from IPython.core.getipython import get_ipython
    from panel.io.notebook import JupyterCommJSBinary, JupyterCommManagerBinary

    shell: Any = get_ipython()
    loop = shell.kernel.io_loop

    class Comm(JupyterCommJSBinary):
        def _handle_msg(self, msg: Any) -> None:
            if threading.current_thread() is threading.main_thread():
                super()._handle_msg(msg)
            else:
                loop.add_callback(super()._handle_msg, msg)

    # the one by which figures of holoviews and widgets of panel are both shown
    JupyterCommManagerBinary.client_comm = Comm


def _write_styles_in(viewable: Any, root: Any, changed: Any = None, old_models: Any = None) -> None:
    """Put the text of panel's own style sheets in the place of their addresses."""
    from bokeh.models.ui import UIElement
    from panel.io.notebook import patch_inline_stylesheets

    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
