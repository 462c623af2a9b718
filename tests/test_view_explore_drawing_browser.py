"""Boxes and masks in the explorer on JupyterLab's page in a real Chromium: by mouse, by keys, after a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import run_notebook_in_browser
from page_hand import ASK, FOCUSED, RESTART, Hand, Keys, boxes, near, write_notebook
from PIL import Image

from labkit.label import open_store

ROOT = Path(__file__).resolve().parents[1]

CELLS = (
    """
import labkit as lk
import numpy as np
scene = lk.simulate.scene("tiny", seed=0)
ifgs = scene.interferograms["ascending"].compute()
truth = scene.truth[(scene.truth["scene"] == ifgs.attrs["scene"]) & (scene.truth["direction"] == "azimuth")]
detections = truth.iloc[3:4].assign(score=0.8, model="m1")
""",
    """
from pathlib import Path
saved = Path("explorer.json")
explorer = lk.view.explore(ifgs, labels="labels", detections=detections, annotator="ann",
                           state=saved if saved.exists() else None)
explorer
""",
)

pytestmark = pytest.mark.browser


#: Whether the panels know what the hand does.
TAKEN = """mode => {
  const figures = []
  const walk = view => { figures.push(view.model); for (const child of view.children()) { walk(child) } }
  for (const view of Object.values(Bokeh.index.roots)) { walk(view) }
  return figures.some(one => one.name === 'azimuth' && one.tags[0] === mode)
}"""

MODES = {"zooms": "zoom", "draws a line": "line", "draws boxes": "boxes", "outlines a mask": "mask"}


class ExplorerHand(Hand):
    """A person's hand on an explorer."""

    def take(self, what: str, *, then: str = "") -> None:
        """Take another tool into the hand, and wait until its widgets are seen."""
        self.page.get_by_role("button", name=what, exact=True).click()
        self.page.wait_for_function(TAKEN, arg=MODES[what], timeout=60_000)
        if then:
            self.page.get_by_text(then).first.wait_for(timeout=60_000)

    def click(self, direction: str, x: float, y: float, *, count: int = 1) -> None:
        self.page.mouse.click(*self.at(direction, x, y), click_count=count)

    def ask(self, words: str) -> str:
        return str(self.page.evaluate(ASK, words))

    def becomes(self, words: str, value: str) -> None:
        """Wait until an expression in the kernel is this."""
        end = time.monotonic() + 60
        while (found := self.ask(words)) != value:
            assert time.monotonic() < end, f"{words} must become {value}, instead it is {found}"
            self.page.wait_for_timeout(200)

    def pixels(self, direction: str, corners: tuple[float, float, float, float]) -> np.ndarray:
        """A picture of a part of a panel."""
        self.page.mouse.move(2, 2)
        (x0, y0), (x1, y1) = self.at(direction, *corners[:2]), self.at(direction, *corners[2:])
        path = self.pictures / "part.png"
        self.page.screenshot(path=path, clip={"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0})
        return np.asarray(Image.open(path).convert("RGB"), int)


def look_at_panels(page: Any) -> None:
    page.locator(".bk-Figure").nth(1).scroll_into_view_if_needed()
    page.locator(".bk-Figure").nth(1).evaluate("e => e.scrollIntoView({block: 'center'})")


def draw_boxes(hand: ExplorerHand, store: Any) -> None:
    """Draw, move, resize and delete by the mouse; after each step the store holds what the hand did."""
    hand.take("draws boxes", then="All is saved: 0 labels")
    hand.drag("azimuth", (20, 100), (60, 140))
    hand.hears("Not saved: 2 new, 0 changed, 0 deleted")
    hand.picture("drawn")
    hand.press("Save")
    hand.hears("as revision 1")
    assert boxes(store) == {way: near((20, 100, 60, 140)) for way in ("azimuth", "range")}
    # moved on the right panel, then made wider at an edge on the left one
    hand.drag("range", (40, 120), (50, 110))
    hand.hears("Not saved: 0 new, 2 changed, 0 deleted")
    hand.press("Save")
    hand.hears("as revision 2")
    assert boxes(store) == {way: near((30, 90, 70, 130)) for way in ("azimuth", "range")}
    hand.choose("azimuth", 50, 110, shows="30")
    hand.drag("azimuth", (70, 110), (90, 104))
    hand.hears("Not saved: 0 new, 2 changed, 0 deleted")
    hand.picture("resized")
    hand.press("Save")
    hand.hears("as revision 3")
    assert boxes(store) == {way: near((30, 90, 90, 130)) for way in ("azimuth", "range")}


def outline_by_slow_clicks(hand: ExplorerHand) -> None:
    """Outline a mask whose double click comes too late to be one."""
    hand.take("outlines a mask", then="click its corners")
    for x, y in ((120, 20), (170, 20), (170, 60), (120, 60)):
        hand.click("azimuth", x, y)
        hand.page.wait_for_timeout(450)
    hand.click("azimuth", 120, 60)
    hand.hears("masks: none → snow with 4 corners")


def test_boxes_and_masks_drawn_on_the_panels_are_in_store_stack_and_picture(tmp_path):
    notebook = write_notebook(tmp_path / "drawing.ipynb", *CELLS)
    folder, store = ROOT / "test-output" / "explore-drawing", open_store(tmp_path / "labels")

    def use(page: Any) -> None:
        hand = ExplorerHand(page, folder)
        look_at_panels(page)
        draw_boxes(hand, store)
        hand.click("azimuth", 60, 110)
        page.keyboard.press("Backspace")
        hand.hears("Not saved: 0 new, 0 changed, 2 deleted")
        hand.press("Save")
        hand.hears("as revision 4")
        assert boxes(store) == {"azimuth": [], "range": []}
        before = hand.pixels("range", (125, 25, 165, 55))
        outline_by_slow_clicks(hand)
        after = hand.pixels("range", (125, 25, 165, 55))
        changed = (np.abs(after - before).max(axis=2) > 20).mean()
        assert changed > 0.5, f"masked ground must look otherwise, instead {changed:.1%} of it does"
        assert hand.ask("explorer.state['settings']['masks'][0]['reason']") == "'snow'"
        hand.picture("masked")

    seen = run_notebook_in_browser(notebook, folder, 180, then=use)
    assert seen.errors == [] and seen.outside_requests == []


@pytest.mark.slow
def test_line_boxes_masks_and_swipe_come_back_after_a_restart(tmp_path):
    notebook = write_notebook(tmp_path / "whole.ipynb", *CELLS)
    folder, store = ROOT / "test-output" / "explore-whole", open_store(tmp_path / "labels")
    heard: dict[str, Any] = {}

    def use(page: Any) -> None:
        hand = ExplorerHand(page, folder)
        look_at_panels(page)
        hand.take("draws a line")
        hand.drag("azimuth", (20, 80), (60, 110))
        hand.hears("line: any → 20, 80, 60, 110")
        page.locator(".bk-Figure").nth(4).wait_for(timeout=60_000)
        assert float(hand.ask("len(explorer.profile.table)")) == 51
        hand.picture("line")
        hand.take("draws boxes", then="To be decided on")
        proposed = json.loads(hand.ask("detections[['xmin', 'ymin', 'xmax', 'ymax']].values[0].tolist()"))
        # the model's box is accepted; one goes beyond the scene, and one begins with a long press
        hand.click("azimuth", (proposed[0] + proposed[2]) / 2, (proposed[1] + proposed[3]) / 2)
        hand.shows(f"{round(proposed[0], 2):g}")
        hand.press("Accept")
        hand.hears("Not saved: 1 new")
        page.get_by_role("checkbox", name="Both panels").uncheck()
        hand.drag("azimuth", (150, 120), (260, 150))
        hand.hears("Not saved: 2 new")
        page.mouse.move(*hand.at("range", 20, 20))
        page.mouse.down()
        page.wait_for_timeout(900)
        page.mouse.move(*hand.at("range", 50, 45), steps=5)
        page.mouse.up()
        hand.hears("Not saved: 3 new")
        hand.drag("range", (100, 100), (100.2, 130))
        hand.hears("must enclose at least 1 px")
        hand.press("Save")
        hand.hears("as revision 1")
        assert boxes(store) == {
            "azimuth": [pytest.approx(one) for one in sorted([proposed])] + near((150, 120, 192, 150)),
            "range": near((20, 20, 50, 45)),
        }
        # a fourth box is taken back by the explorer's own undo
        hand.drag("range", (60, 20), (90, 45))
        hand.hears("Not saved: 1 new")
        hand.press("Undo")
        hand.hears("All is saved: 3 labels")
        outline_by_slow_clicks(hand)
        page.get_by_label("Reason", exact=True).select_option("water")
        for x, y in ((20, 140), (60, 140), (60, 155)):
            hand.click("range", x, y)
            page.wait_for_timeout(450)
        hand.page.mouse.dblclick(*hand.at("range", 20, 155))
        hand.hears("water with 4 corners")
        hand.take("zooms")
        hand.press("Keep for comparing")
        page.get_by_role("slider").nth(4).focus()
        page.keyboard.press("ArrowRight")
        hand.hears("window, px: 5 → 7")
        hand.press("Save state")
        hand.hears("Saved explorer.json")
        hand.picture("before")
        heard["state"] = hand.ask("explorer.state")
        heard["left"] = hand.pixels("azimuth", (5, 5, 185, 150))
        page.evaluate(RESTART)
        page.wait_for_function("window.labkitDone", timeout=180_000)
        page.locator(".bk-Figure").nth(3).wait_for(timeout=60_000)
        page.get_by_text("masked (snow, water)").first.wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        look_at_panels(page)
        hand.picture("after")
        heard["restored"] = hand.ask("explorer.state")
        heard["back"] = hand.pixels("azimuth", (5, 5, 185, 150))

    seen = run_notebook_in_browser(notebook, folder, 180, then=use)
    assert seen.errors == [] and seen.outside_requests == []
    assert heard["restored"] == heard["state"] and "'kept': {" in heard["state"]
    height, width = (min(heard["left"].shape[k], heard["back"].shape[k]) for k in (0, 1))
    apart = np.abs(heard["left"][:height, :width] - heard["back"][:height, :width]).max(axis=2) > 20
    assert apart.mean() < 0.02, f"the same picture must come back, instead {apart.mean():.2%} of its pixels differ"


#: What a person without a mouse has to come to, beside sliders.
REACHED = {
    "Estimator", "Undo", "Jan", "Dec", "Third panel", "Pair", "Colours", "zooms", "draws a line", "draws boxes",
    "outlines a mask", "Line: x0, y0, x1, y1, px", "Place: x, y, or a box, px", "Edge of a place, px",
    "Keep for comparing", "Show code", "File of the state", "Save state", "Restore state", "File of the picture",
    "Save picture", "Project", "Send view to Label Studio",
}  # fmt: skip


@pytest.mark.slow
def test_by_keyboard_alone_everything_is_reached_and_boxes_masks_line_and_view_are_made(tmp_path):
    notebook = write_notebook(tmp_path / "keys.ipynb", *CELLS)
    folder, store = ROOT / "test-output" / "explore-keys", open_store(tmp_path / "labels")

    def use(page: Any) -> None:
        hand, key = ExplorerHand(page, folder), Keys(page, folder)
        look_at_panels(page)
        page.get_by_role("slider").first.focus()
        found: list[dict[str, str]] = [page.evaluate(FOCUSED)]
        while found[-1]["name"] != "Send view to Label Studio" and len(found) < 120:
            page.keyboard.press("Tab")
            found.append(page.evaluate(FOCUSED))
        names = [one["name"] for one in found]
        assert set(names) >= REACHED, f"the Tab key must come to {sorted(REACHED - set(names))}, it came to {names}"
        panels = [name for name in names if name.startswith("Panel ")]
        assert [name.split(":")[0] for name in panels] == ["Panel azimuth", "Panel range", "Panel third"]
        # a box by typed corners, then moved by the arrows with its panel in focus
        key.press("draws boxes", back=True)
        hand.hears("All is saved: 0 labels")
        for name, words in (("xmin", "120"), ("ymin", "60"), ("xmax", "150"), ("ymax", "90")):
            key.type(f"{name}, px", words)
        key.press("New box", back=True)
        hand.hears("Not saved: 2 new")
        key.press("Save", back=True)
        hand.hears("as revision 1")
        key.to(panels[0], back=True)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        hand.shows("122")
        hand.shows("70")
        # the tools of the panels have a button of that name as well
        key.to("xmin, px")
        key.press("Save", back=True)
        hand.hears("as revision 2")
        assert boxes(store) == {way: [[122, 70, 152, 100]] for way in ("azimuth", "range")}
        hand.picture("keys-box")
        key.press("outlines a mask", back=True)
        key.type("Corners: x, y, x, y, …, px", "10, 20, 50, 20, 50, 40, 10, 40")
        hand.hears("masks: none → snow with 4 corners")
        key.type("Line: x0, y0, x1, y1, px", "20, 80, 60, 110", back=True)
        hand.hears("line: any → 20, 80, 60, 110")
        key.press("zooms", back=True)
        key.to(panels[0])
        page.keyboard.press("+")
        hand.becomes("[round(y, 1) for y in explorer.settings.rows or ()]", "[16.0, 144.0]")
        page.keyboard.press("ArrowRight")
        hand.becomes("[round(x, 1) for x in explorer.settings.cols]", "[34.6, 188.2]")
        hand.picture("keys-zoomed")
        page.keyboard.press("0")
        hand.becomes("explorer.settings.rows", "None")

    seen = run_notebook_in_browser(notebook, folder, 180, then=use)
    assert seen.errors == [] and seen.outside_requests == []
