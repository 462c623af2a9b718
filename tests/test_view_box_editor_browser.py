"""The box editor on JupyterLab's page in a real Chromium: what the mouse and the keys do is what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import run_notebook_in_browser
from page_hand import Hand, Keys, boxes, near, write_notebook

from labkit.label import open_store

ROOT = Path(__file__).resolve().parents[1]

CELLS = (
    f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import labkit as lk
from couplet_scene import couplet_gradients, couplet_boxes
gradients = couplet_gradients(240, 320)
detections = couplet_boxes(gradients).assign(model="m1")
""",
    """
import threading
editor = lk.view.box_editor(gradients, "labels", "ann", detections=detections.iloc[:1])
threads = set()
editor.said.param.watch(lambda _: threads.add(threading.current_thread().name), "value")
editor
""",
)

THREADS = (
    "async () => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
    " const r = await k.requestExecute({code: '', user_expressions: {s: 'sorted(threads)'}}).done;"
    " return r.content.user_expressions.s.data['text/plain']; }"
)

DIE = (
    "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute("
    "{code: 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'}) }"
)

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_what_is_drawn_moved_resized_and_deleted_on_the_page_is_in_the_store(tmp_path):
    write_notebook(tmp_path / "editor.ipynb", *CELLS)
    heard: list[str] = []
    store, folder = open_store(tmp_path / "labels"), ROOT / "test-output" / "box-editor"

    def edit(page: Any) -> None:
        hand = Hand(page, folder)
        page.locator(".bk-Figure").first.scroll_into_view_if_needed()
        # one box for both panels, drawn on the left one
        hand.drag("azimuth", (180, 100), (240, 150), draw=True)
        hand.hears("Not saved: 2 new, 0 changed, 0 deleted")
        hand.picture("drawn")
        assert store.revision == 0, "nothing is written before it is saved"
        hand.press("Save")
        hand.hears("Saved 2 new, 0 changed, 0 deleted as revision 1")
        assert boxes(store) == {way: near((180, 100, 240, 150)) for way in ("azimuth", "range")}
        # moved on the right panel, then made wider at a handle of the left one
        hand.drag("range", (210, 125), (220, 115))
        hand.hears("Not saved: 0 new, 2 changed, 0 deleted")
        hand.choose("azimuth", 220, 115, shows="190")
        hand.picture("chosen")
        hand.drag("azimuth", (250, 115), (280, 115))
        page.wait_for_timeout(1500)
        hand.press("Save")
        hand.hears("Saved 0 new, 2 changed, 0 deleted as revision 2")
        assert boxes(store) == {way: near((190, 90, 280, 140)) for way in ("azimuth", "range")}
        # another box for the right panel alone, of another class; the model's box is taken as it is
        page.get_by_role("checkbox", name="Both panels").uncheck()
        page.get_by_label("Class", exact=True).select_option("snow or ice")
        hand.drag("range", (20, 180), (80, 220), draw=True)
        hand.press("Accept all")
        hand.hears("Not saved: 2 new")
        hand.press("Save")
        hand.hears("as revision 3")
        # deleted by a key, on one panel
        hand.choose("azimuth", 240, 115, shows="280")
        page.keyboard.press("Backspace")
        hand.hears("Not saved: 0 new, 0 changed, 1 deleted")
        hand.press("Save")
        hand.hears("as revision 4")
        hand.picture("saved")
        # what is saved outlives the kernel, what is not goes with it
        hand.drag("range", (20, 20), (60, 60), draw=True)
        hand.hears("Not saved: 1 new")
        heard.append(page.evaluate(THREADS))
        page.evaluate(DIE)
        page.wait_for_timeout(1000)

    seen = run_notebook_in_browser(tmp_path / "editor.ipynb", folder, 180, then=edit)
    assert seen.errors == [] and seen.outside_requests == [] and seen.figures == 2
    assert heard == ["['MainThread']"], "what the page says is taken on one thread"
    proposed = (68.4, 44.4, 123.6, 99.6)
    assert boxes(store) == {
        "azimuth": [pytest.approx(proposed)],
        "range": near((20, 180, 80, 220), (190, 90, 280, 140)),
    }
    labels = store.labels().set_index("xmin").sort_index()
    assert labels["label"].tolist() == ["snow or ice", "landslide", "landslide"]
    assert labels["origin"].tolist() == ["manual", "accepted", "manual"]
    assert labels["annotator"].tolist() == ["ann"] * 3
    assert store.history()["change"].tolist() == ["added"] * 2 + ["changed"] * 2 + ["added"] * 2 + ["deleted"]


WALK_CELLS = (
    CELLS[0],
    """
chips = lk.make_chips(gradients, 120, 0)
editor = lk.view.box_editor(gradients, "labels", "ann", chips=chips, detections=detections.iloc[:1])
editor
""",
)


@pytest.mark.slow
def test_by_keyboard_alone_chips_are_chosen_and_boxes_drawn_moved_named_accepted_and_saved(tmp_path):
    write_notebook(tmp_path / "keys.ipynb", *WALK_CELLS)
    store, folder = open_store(tmp_path / "labels"), ROOT / "test-output" / "box-editor"

    def edit(page: Any) -> None:
        hand = Hand(page, folder)
        key = Keys(page, folder)
        page.locator(".bk-Figure").first.scroll_into_view_if_needed()
        # into the cell's output
        page.evaluate("() => document.querySelector('.jp-OutputArea-output .bk-Row')?.scrollIntoView()")
        hand.picture("keys-begin")
        # a proposal is on the first chip: it is accepted, and saving goes on
        key.press("Accept all")
        hand.hears("Not saved: 1 new")
        key.press("Next", back=True)
        hand.hears("Saved")
        hand.picture("keys-second")
        # a box by typed corners, on the second chip, then another in the middle
        key.type("xmin, px", "140")
        key.type("ymin, px", "20")
        key.type("xmax, px", "170")
        key.type("ymax, px", "50")
        key.press("New box", back=True)
        hand.hears("Not saved: 2 new")
        # moved by arrow keys, made wider by one, given another class
        key.arrows("centre x, px", "ArrowUp", 3, begins="155", ends="158")
        key.arrows("xmax, px", "ArrowUp", 2, begins="173", ends="175", back=True)
        hand.picture("keys-box")
        key.to("Class", back=True)
        page.keyboard.type("unsure")
        key.reads("unsure")
        key.press("Set class")
        page.locator("option", has_text="azimuth, unsure").wait_for(state="attached")
        key.press("Save")
        hand.hears("Saved")
        assert boxes(store)["range"] == boxes(store)["azimuth"][1:] == near((143, 20, 175, 50))
        # another box, picked and deleted again
        key.press("New box")
        hand.hears("Not saved: 2 new")
        key.press("Delete", back=True)
        hand.hears("All is saved: 2 labels")
        # the third chip has nothing
        key.to("Chip", back=True)
        page.keyboard.press("ArrowDown")
        hand.hears("All is saved: 0 labels")
        key.press("Nothing here")
        hand.hears("with no boxes")
        hand.picture("keys-end")

    seen = run_notebook_in_browser(tmp_path / "keys.ipynb", folder, 180, then=edit)
    assert seen.errors == [] and seen.outside_requests == []
    labels = store.labels().sort_values(["direction", "xmin"])
    assert labels["label"].tolist() == ["landslide", "unsure", "unsure"]
    assert labels["origin"].tolist() == ["accepted", "manual", "manual"]
    looks = store.looks()
    assert looks["chip_id"].tolist() == ["formula-r0-c0-s120", "formula-r0-c120-s120", "formula-r0-c200-s120"]
    assert looks["labels"].tolist() == [1, 2, 0] and (looks["lead_time"] > 0).all()
