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


@pytest.fixture
def page():
    """A select and a button of panel's as a page holds them, and what the button saw."""
    import panel as pn
    from bokeh.document import Document
    from panel.models.comm_manager import CommManager
    from pyviz_comms import Comm

    select = pn.widgets.Select(options=["landslide", "unsure"])
    button = pn.widgets.Button(label="Set class")
    seen = []
    button.on_click(lambda _: seen.append(select.value))
    column = pn.Column(select, button)
    document = Document()
    root = column.get_root(document, Comm())
    document.add_root(root)
    manager = CommManager(comm_id="page", plot_id=root.ref["id"])

    def say(message):
        column._on_msg(root.ref["id"], manager, message["content"]["data"])

    chosen = {"kind": "ModelChanged", "model": {"id": root.children[0].id}, "attr": "value", "new": "unsure"}
    click = {"type": "event", "name": "button_click"}
    click["values"] = {"type": "map", "entries": [["model", {"id": root.children[1].id}]]}
    pressed = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": click}
    return say, [chosen, pressed], seen


def message_of(events):
    header = {"msgid": "1", "msgtype": "PATCH-DOC"}
    data = {"header": header, "metadata": {}, "content": {"events": events}, "_buffers": {}}
    return {"content": {"data": data, "comm_id": "a"}, "buffers": []}


def test_a_button_pressed_while_the_kernel_was_busy_sees_what_was_chosen_before(page):
    from labkit.view import notebook

    say, events, seen = page
    for part in notebook.in_order(message_of(events)):
        say(part)
    assert seen == ["unsure"]


def test_what_was_said_stays_in_order_and_whole():
    from labkit.view import notebook

    kinds = ["ModelChanged", "ColumnDataChanged", "MessageSent", "ModelChanged", "MessageSent", "MessageSent"]
    said = message_of([{"kind": kind, "number": number} for number, kind in enumerate(kinds)])
    parts = list(notebook.in_order(said))
    numbers = [[e["number"] for e in part["content"]["data"]["content"]["events"]] for part in parts]
    assert numbers == [[0, 1], [2], [3], [4], [5]]
    assert all(part["content"]["comm_id"] == "a" and part["buffers"] == [] for part in parts)
    assert [e["number"] for e in said["content"]["data"]["content"]["events"]] == list(range(6))
    for other in ({"content": {"data": "words"}}, message_of([]), message_of([{"kind": "ModelChanged"}])):
        assert list(notebook.in_order(other)) == [other]
