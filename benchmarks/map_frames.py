"""How fluent a map with 10,000 detections is: ``python benchmarks/map_frames.py``.

``view.map`` is opened in a real JupyterLab in a headless Chromium, which draws without a graphics card and asks the
network for nothing, and is panned and zoomed with the mouse. What is measured are the gaps between animation frames:
their median and their worst, as a rate too, beside those of the same map with ten detections on the same machine. The
processor time of the page's own thread says what of it is not the fault of other work. Needs Chromium, JupyterLab and
two minutes; ``--pictures FOLDER`` keeps what was seen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browser import run_notebook_in_browser

CELL = """
import geopandas as gpd
import numpy as np
import shapely

import labkit as lk

random, count = np.random.default_rng(0), {count}
lon, lat = 101.6 + random.random(count), 30.5 + random.random(count)
side = random.uniform(0.002, 0.006, count)
detections = gpd.GeoDataFrame(
    {{"scene": "a", "direction": "azimuth", "score": random.uniform(0.3, 1, count)}}
    | {{word: random.random(count) < 0.6 for word in ("azimuth", "range", "ascending", "descending")}},
    geometry=shapely.box(lon, lat, lon + side, lat + 0.8 * side),
    crs=4326,
)
lk.view.map(detections, colour_by="support")
"""

#: Notes the gaps between animation frames, ms.
WATCH = """() => {
  window.gaps = []
  let last = performance.now()
  const note = () => {
    const now = performance.now()
    window.gaps.push(now - last)
    last = now
    requestAnimationFrame(note)
  }
  requestAnimationFrame(note)
}"""


def task_seconds(session: Any) -> float:
    """Processor time of the page's thread, s."""
    told = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in told if one["name"] == "TaskDuration"))


def measured(page: Any) -> dict[str, tuple[np.ndarray, float]]:
    """Gaps between frames, ms, and the thread's share of the time, of each thing done."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    view = page.locator(".leaflet-container").first
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    x, y = box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"]
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)

    def pan() -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(40):
            page.mouse.move(x + 150 * np.sin(step / 6), y + 80 * np.sin(step / 9))
        page.mouse.up()

    def zoom(by: int) -> None:
        page.mouse.move(x, y)
        page.mouse.wheel(0, by)
        page.wait_for_timeout(600)

    answers = {}
    for name, moves in {
        "at rest": [lambda: page.wait_for_timeout(2000)],
        "panned": [pan] * 3,
        "zoomed in": [lambda: zoom(-120)] * 4,
        "panned within": [pan] * 3,
        "zoomed out": [lambda: zoom(120)] * 4,
    }.items():
        page.wait_for_timeout(1000)
        begun = task_seconds(session)
        page.evaluate("window.gaps.length = 0")
        for move in moves:
            move()
        gaps = np.array(page.evaluate("window.gaps"))
        answers[name] = gaps, 1000 * (task_seconds(session) - begun) / gaps.sum()
    return answers


def main() -> None:
    """Print the frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 10_000], help="detections")
    parser.add_argument("--pictures", type=Path, help="folder for what was seen")
    said = parser.parse_args()
    print(f"{os.cpu_count()} cores, of which the system is asked for {os.getloadavg()[0]:.1f}")
    for count in said.counts:
        with tempfile.TemporaryDirectory() as folder:
            out = said.pictures or Path(folder)
            out.mkdir(parents=True, exist_ok=True)
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(count=count))])
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
            path = Path(folder) / f"map-{count}.ipynb"
            nbformat.write(notebook, path)
            answers: dict[str, tuple[np.ndarray, float]] = {}
            seen = run_notebook_in_browser(path, out, 300, then=lambda page, kept=answers: kept.update(measured(page)))
        if seen.errors or seen.outside_requests:
            sys.exit(f"the page had errors {seen.errors} and asked for {seen.outside_requests}")
        print(f"{count:,} detections")
        for name, (gaps, busy) in answers.items():
            middle, worst = np.median(gaps), gaps.max()
            rates = f"{1000 / middle:3.0f} frames/s, median gap {middle:4.0f} ms, worst {worst:5.0f} ms"
            print(f"  {name:<14} {rates}, {len(gaps):4} frames, thread busy {100 * busy:3.0f} %")


if __name__ == "__main__":
    main()
