"""Figures in a real JupyterLab in a real Chromium: drawn, coloured, and asking nothing of the network."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from browser import colours_in, run_notebook_in_browser, shares_of_red_and_blue
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

SCENE = """
import sys
sys.path.insert(0, {tests!r})
import labkit as lk
from couplet_scene import couplet_gradients, couplet_boxes, small_network
from labkit import maps
gradients = couplet_gradients({rows}, {cols})
boxes = couplet_boxes(gradients)
"""

pytestmark = pytest.mark.browser


def notebook(folder: Path, *cells: str, rows: int = 240, cols: int = 320, scene: bool = True) -> Path:
    first = SCENE.format(tests=str(ROOT / "tests"), rows=rows, cols=cols) if scene else "1 + 1"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in (first, *cells)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "figures.ipynb"
    nbformat.write(book, path)
    return path


def test_gradients_network_and_map_are_drawn_without_a_network(tmp_path):
    path = notebook(
        tmp_path,
        "lk.view.gradients(gradients, labels=boxes, detections=boxes.iloc[:1])",
        "lk.view.network(small_network())",
        "lk.view.map(boxes, lk.density(boxes, cell_m=200, bandwidth_m=800), gradients=gradients)",
    )
    words: list[str] = []

    def point_at_the_first_couplet(page: Any) -> None:
        figure = page.locator(".bk-Figure").first
        figure.scroll_into_view_if_needed()
        frame = figure.bounding_box()
        page.mouse.move(frame["x"] + frame["width"] * 0.7, frame["y"] + frame["height"] * 0.3, steps=3)
        page.wait_for_timeout(800)
        figure.screenshot(path=ROOT / "test-output" / "view" / "hover.png")
        words.extend(page.locator(".bk-Tooltip, .bk-tooltip-content").all_inner_texts())

    seen = run_notebook_in_browser(path, ROOT / "test-output" / "view", 180, then=point_at_the_first_couplet)
    assert seen.errors == []
    assert seen.outside_requests == []
    assert (seen.figures, seen.maps, seen.executed) == (3, 1, 4)
    for picture in seen.pictures("figure")[:2]:
        red, blue = shares_of_red_and_blue(picture)
        assert red > 0.01 and blue > 0.01, f"{picture} must show red and blue, instead {red:.3%} and {blue:.3%}"
    assert colours_in(seen.pictures("figure")[2]) > 100
    red, blue = shares_of_red_and_blue(seen.pictures("map")[0])
    assert red > 0.002 and blue > 0.002
    pointed = " ".join(words)
    assert "rad" in pointed and "standard error" in pointed and "lon, lat" in pointed
    assert not list(tmp_path.glob("*browser*")), "the copy that was run is removed"


@pytest.mark.slow
def test_zooming_into_a_large_scene_brings_back_its_full_resolution(tmp_path):
    path = notebook(
        tmp_path,
        "lk.view.gradients(gradients, max_pixels=10_000)",
        # The kernel reports what it last drew and where, so that the zoom is seen from its side too.
        "import threading\nfrom labkit.view import pixels\nsteps, threads = [], []\nwhole = pixels.shown\n"
        "def noted(*a, **k):\n    part = whole(*a, **k)\n    steps.append(part.step)\n"
        "    threads.append(threading.current_thread().name)\n    return part\npixels.shown = noted",
        rows=600,
        cols=800,
    )
    steps: list[int] = []
    threads: set[str] = set()

    def zoom(page: Any) -> None:
        figure = page.locator(".bk-Figure").first
        figure.scroll_into_view_if_needed()
        frame = figure.bounding_box()
        page.mouse.move(frame["x"] + 200, frame["y"] + 150)
        page.mouse.down()
        page.mouse.move(frame["x"] + 230, frame["y"] + 180, steps=5)
        page.mouse.up()
        ask = (
            "async () => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
            " const f = k.requestExecute({code: '', user_expressions: {s: '[steps, threads]'}});"
            " const r = await f.done; return r.content.user_expressions.s.data['text/plain']; }"
        )
        for _ in range(120):
            drawn, on = ast.literal_eval(page.evaluate(ask))
            if 1 in drawn:
                break
            page.wait_for_timeout(500)
        steps.extend(drawn)
        threads.update(on)
        figure.screenshot(path=ROOT / "test-output" / "view-zoom" / "zoomed.png")

    seen = run_notebook_in_browser(path, ROOT / "test-output" / "view-zoom", 180, then=zoom)
    assert seen.errors == [] and seen.figures == 2
    assert 1 in steps, f"the part zoomed to must be drawn in full, instead the steps are {steps}"
    assert threads == {"MainThread"}, "on a thread beside it, a zoom takes the changes that a redraw holds back"


def test_a_cell_that_fails_and_a_page_that_calls_home_are_reported(tmp_path):
    path = notebook(
        tmp_path,
        "from IPython.display import HTML\nHTML('<img src=\"https://example.org/pixel.png\">')",
        "1 / 0",
        scene=False,
    )
    seen = run_notebook_in_browser(path, ROOT / "test-output" / "view-errors", 120)
    assert set(seen.outside_requests) == {"https://example.org/pixel.png"}
    assert any("ZeroDivisionError" in e for e in seen.errors)
    assert seen.executed == 3


@pytest.mark.slow
def test_the_switchboard_follows_its_switches_and_keeps_the_zoom(tmp_path):
    path = notebook(tmp_path, "board = lk.view.switchboard(calendar=None, limit=0.3)\nboard")
    folder = ROOT / "test-output" / "view-switchboard"
    calls: list[str] = []
    ranges: list[list[list[float]]] = []
    pictures: list[np.ndarray] = []

    def switch(page: Any) -> None:
        figure = page.locator(".bk-Figure").nth(2)
        figure.scroll_into_view_if_needed()
        frame = figure.bounding_box()
        page.mouse.move(frame["x"] + 150, frame["y"] + 150)
        page.mouse.down()
        page.mouse.move(frame["x"] + 330, frame["y"] + 300, steps=5)
        page.mouse.up()

        def look(name: str) -> None:
            figure.scroll_into_view_if_needed()
            page.mouse.move(2, 2)
            page.wait_for_timeout(500)
            figure.screenshot(path=folder / f"{name}.png")
            pictures.append(np.asarray(Image.open(folder / f"{name}.png").convert("RGB"), int))
            calls.append(page.locator("pre", has_text="lk.simulate.scene").inner_text())
            ranges.append(
                page.evaluate(
                    "() => Bokeh.documents.flatMap(d => [...d._all_models.values()])"
                    ".filter(m => m.type === 'Figure').map(m => [m.x_range.start, m.x_range.end])"
                )
            )

        look("off")
        # by keyboard alone, as people do who use no mouse
        page.get_by_label("Turbulence").focus()
        page.keyboard.press("Space")
        page.locator("pre", has_text="turbulence_mm").wait_for(timeout=60_000)
        look("turbulence")
        page.get_by_role("button", name="All on").click()
        page.locator("pre", has_text="Effects()").wait_for(timeout=60_000)
        look("all")

    seen = run_notebook_in_browser(path, folder, 180, then=switch)
    assert seen.errors == [] and seen.outside_requests == [] and seen.figures == 4
    begin = 'lk.simulate.scene("tiny", seed=0, effects=lk.simulate.Effects'
    assert calls == [f"{begin}.none())", f"{begin}.only(turbulence_mm=1.0))", f"{begin}())"]
    for before, after in pairwise(pictures):
        changed = (np.abs(before - after).max(axis=2) > 20).mean()
        assert changed > 0.02, f"the stack must be drawn anew, instead {changed:.2%} of its pixels changed"
    first = ranges[0]
    assert len(first) == 4 and all(0 < low < high < 192 for low, high in first), "zoomed in, all four together"
    assert ranges == [first] * 3
