"""A person on JupyterLab's page: a hand that points at pixels of a scene, and one who has the keys alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import FRAMES

from labkit.label import LabelStore

#: Gives what an expression is in the notebook's kernel, as text.
ASK = (
    "async code => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
    " const r = await k.requestExecute({code: '', user_expressions: {s: code}}).done;"
    " return r.content.user_expressions.s.data['text/plain']; }"
)

#: Starts the kernel anew and runs all cells; ``window.labkitDone`` says when they have ended.
RESTART = (
    "async () => { const s = window.jupyterapp.shell.currentWidget.sessionContext;"
    " await s.session.kernel.restart(); window.labkitDone = false;"
    " const end = () => { window.labkitDone = true; };"
    " window.jupyterapp.commands.execute('notebook:run-all-cells').then(end, end); }"
)


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of these code cells."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
    return path


class Hand:
    """A person's hand on the page: it points at pixels of the scene."""

    def __init__(self, page: Any, pictures: Path) -> None:
        self.page, self.pictures = page, pictures

    def at(self, direction: str, x: float, y: float) -> tuple[float, float]:
        # after a colon a title says what is compared
        (frame,) = [f for f in self.page.evaluate(FRAMES) if f["title"].split(":")[0].endswith(direction)]
        (x0, x1), (y0, y1) = frame["x"], frame["y"]
        return (
            frame["left"] + (x - x0) / (x1 - x0) * frame["width"],
            frame["top"] + (y - y0) / (y1 - y0) * frame["height"],
        )

    def drag(self, direction: str, begin: tuple[float, float], end: tuple[float, float], *, draw: bool = False) -> None:
        if draw:
            self.page.keyboard.down("Shift")
        self.page.mouse.move(*self.at(direction, *begin))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(direction, *end), steps=5)
        self.page.mouse.up()
        if draw:
            self.page.keyboard.up("Shift")

    def choose(self, direction: str, x: float, y: float, *, shows: str) -> None:
        """Click on a box, and wait until its left edge is shown in the widgets below."""
        self.page.mouse.click(*self.at(direction, x, y))
        self.shows(shows)

    def shows(self, number: str) -> None:
        """Wait until a field shows this number, within 1 px."""
        end = time.monotonic() + 30
        while all(abs(one - float(number)) >= 1 for one in self._numbers()):
            assert time.monotonic() < end, f"the widgets must show {number}, instead they show {self._numbers()}"
            self.page.wait_for_timeout(200)

    def _numbers(self) -> list[float]:
        words = [one.input_value() for one in self.page.locator("input.bk-input:visible").all()]
        return [float(one) for one in words if one.replace(".", "", 1).replace("-", "", 1).isdigit()]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def hears(self, words: str) -> None:
        """Wait until the line below the panels says this."""
        end = time.monotonic() + 60
        line = self.page.locator("p[role=status], p[role=alert]")
        while words not in (said := " ".join(line.all_inner_texts())):
            if time.monotonic() > end:
                self.picture("silent")
                pytest.fail(f"the line below the panels must say {words!r}, instead it says {said!r}")
            self.page.wait_for_timeout(200)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png")


def boxes(store: LabelStore) -> dict[str, list[list[float]]]:
    labels = store.labels().sort_values("xmin")
    corners = ["xmin", "ymin", "xmax", "ymax"]
    return {way: labels.loc[labels["direction"] == way, corners].values.tolist() for way in ("azimuth", "range")}


def near(*expected: tuple[float, float, float, float]) -> list[Any]:
    """Boxes within 1 px of what the hand drew."""
    return [pytest.approx(box, abs=1.0) for box in expected]


class Keys:
    """A person without a mouse: goes from widget to widget by the Tab key, and reads where he is."""

    def __init__(self, page: Any, pictures: Path) -> None:
        self.page, self.pictures = page, pictures

    def to(self, name: str, back: bool = False) -> None:
        """Press Tab until the widget of this name has the focus."""
        for _ in range(80):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            found = self.page.evaluate(FOCUSED)
            if found["name"] == name:
                return
        pytest.fail(f"the Tab key must come to {name!r}")

    def press(self, name: str, back: bool = False) -> None:
        self.to(name, back)
        self.page.keyboard.press("Enter")

    def type(self, name: str, words: str, back: bool = False) -> None:
        self.to(name, back)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")

    def arrows(self, name: str, key: str, times: int, *, begins: str, ends: str, back: bool = False) -> None:
        """Press an arrow key in a field, as one who reads what it shows before and after."""
        self.to(name, back)
        self.reads(begins)
        for _ in range(times):
            self.page.keyboard.press(key)
        self.reads(ends)

    def reads(self, number: str) -> None:
        """Wait until the field that has the focus shows a number."""
        end = time.monotonic() + 60
        while (found := self.page.evaluate(FOCUSED)["value"]) != number:
            assert time.monotonic() < end, f"the field must show {number}, instead it shows {found}"
            self.page.wait_for_timeout(100)


#: What has the focus, through all shadow roots: its name as it is read out, and its value.
FOCUSED = """() => {
  let e = document.activeElement
  while (e?.shadowRoot?.activeElement) { e = e.shadowRoot.activeElement }
  const label = e.labels?.length ? e.labels[0].textContent : ''
  const name = (e.getAttribute('aria-label') || label || e.getAttribute('title') || e.textContent).trim()
  return {value: e.value ?? '', name}
}"""
