"""Loading the drawing back end, and keeping `import labkit.view` light."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_importing_view_imports_nothing_that_draws():
    code = (
        "import sys, labkit.view; "
        "print([m for m in ('holoviews', 'bokeh', 'panel', 'matplotlib', 'leafmap', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_outside_a_kernel_there_is_no_page_to_draw_on():
    from labkit.view import notebook

    assert not notebook.in_kernel()


def test_figures_carry_their_style_sheets_with_them():
    from labkit.view import notebook

    notebook.ready()
    import holoviews as hv

    layout = hv.Layout([hv.Curve([1, 2]), hv.Curve([2, 1])])
    data, _ = hv.Store.renderers["bokeh"].components(layout)
    page = "".join(data.values())
    assert "cdn." not in page and ".css" not in page


@pytest.mark.parametrize("times", [1, 3])
def test_later_calls_do_nothing(times):
    from panel.viewable import Viewable

    from labkit.view import notebook

    notebook.ready()
    before = list(Viewable._preprocessing_hooks)
    for _ in range(times):
        notebook.ready()
    assert before == Viewable._preprocessing_hooks
