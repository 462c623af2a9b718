"""The explorer on JupyterLab's page in a real Chromium: the hand on the slider, the picture, and a kernel restarted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import run_notebook_in_browser, shares_of_red_and_blue
from page_hand import ASK, RESTART, write_notebook
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

CELLS = (
    """
import labkit as lk
ifgs = lk.simulate.scene("tiny", seed=0).interferograms["ascending"].compute()
""",
    """
from pathlib import Path
saved = Path("explorer.json")
explorer = lk.view.explore(ifgs, state=saved if saved.exists() else None)
explorer.change(limit=0.6)
explorer
""",
)

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_the_picture_follows_the_slider_and_comes_back_after_a_restart(tmp_path):
    write_notebook(tmp_path / "explore.ipynb", *CELLS)
    folder = ROOT / "test-output" / "explore"
    heard: dict[str, Any] = {}

    def hand(page: Any) -> None:
        def look(name: str) -> np.ndarray:
            figure = page.locator(".bk-Figure").nth(1)
            figure.scroll_into_view_if_needed()
            figure.screenshot(path=folder / f"{name}.png")
            return np.asarray(Image.open(folder / f"{name}.png").convert("RGB"), int)

        def wait_for(words: str) -> None:
            page.locator("p[role=status]", has_text=words).wait_for(timeout=120_000)

        page.mouse.move(2, 2)
        page.screenshot(path=folder / "page.png")
        before = look("before")
        # by keyboard alone: the handle of the window's slider
        handle = page.get_by_role("slider").nth(4)
        handle.focus()
        began = time.monotonic()
        page.keyboard.press("ArrowRight")
        changed = 0.0
        while changed < 0.02:
            assert time.monotonic() - began < 60, f"the picture must change, instead {changed:.2%} of its pixels did"
            now = look("after")
            changed = (np.abs(now - before).max(axis=2) > 20).mean()
        heard["seconds"] = time.monotonic() - began
        wait_for("window, px: 5 → 7")
        heard["window"] = page.evaluate(ASK, "explorer.settings.window")
        # a drag over the network's later dates
        network = page.locator(".bk-Figure").first
        network.scroll_into_view_if_needed()
        frame = network.bounding_box()
        page.mouse.move(frame["x"] + frame["width"] * 0.35, frame["y"] + 60)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] * 0.8, frame["y"] + 90, steps=8)
        page.mouse.up()
        wait_for("from: any →")
        heard["pairs"] = int(page.evaluate(ASK, "explorer.stack.attrs['n_pairs']"))
        page.get_by_role("button", name="Save state").click()
        wait_for("Saved explorer.json")
        page.get_by_role("button", name="Show code").click()
        page.locator("pre", has_text="lk.stack_gradients").last.wait_for(timeout=60_000)
        heard["state"] = page.evaluate(ASK, "explorer.state")
        page.wait_for_timeout(500)
        page.mouse.move(2, 2)
        page.screenshot(path=folder / "dragged.png")
        heard["left"] = look("left")
        page.evaluate(RESTART)
        page.wait_for_function("window.labkitDone", timeout=180_000)
        page.locator(".bk-Figure").nth(3).wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        heard["restored"] = page.evaluate(ASK, "explorer.state")
        page.mouse.move(2, 2)
        heard["back"] = look("back")

    seen = run_notebook_in_browser(tmp_path / "explore.ipynb", folder, 240, then=hand)
    assert seen.errors == [] and seen.outside_requests == [] and seen.figures == 7
    for picture in seen.pictures("figure")[1:3]:
        red, blue = shares_of_red_and_blue(picture)
        assert red > 0.01 and blue > 0.01, f"{picture} must show red and blue, instead {red:.3%} and {blue:.3%}"
    assert heard["window"] == "7" and 0 < heard["pairs"] < 21
    assert heard["restored"] == heard["state"]
    height, width = (min(heard["left"].shape[k], heard["back"].shape[k]) for k in (0, 1))
    apart = np.abs(heard["left"][:height, :width] - heard["back"][:height, :width]).max(axis=2) > 20
    assert apart.mean() < 0.02, f"the same picture must come back, instead {apart.mean():.2%} of its pixels differ"
    print(f"from the key to the new picture: {heard['seconds']:.2f} s")
