"""Geocoding against ``scipy.interpolate.griddata`` on the same grid: ``python benchmarks/geocoding.py``.

Both lay the image of a simulated track on the same map. Process time, medians of the repeats, one run: one layer with
the table found anew, and one more layer with the table that is there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from pyproj import Transformer
from scipy.interpolate import griddata

import labkit as lk


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Process time of a call, median, s."""
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return median(taken)


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="demo", help="tiny or demo")
    parser.add_argument("--repeats", type=int, default=3)
    said = parser.parse_args()
    rates = lk.simulate.scene(said.scene).rates["ascending"]
    image = rates["rate"].fillna(0.0)
    table = lk.geocoding(rates)
    table(image)  # compiled before anything is measured
    place = Transformer.from_crs(4326, table.grid.crs, always_xy=True)

    def plain() -> object:
        points = np.column_stack([v.ravel() for v in place.transform(rates["lon"].values, rates["lat"].values)])
        return griddata(points, image.values.ravel(), tuple(np.meshgrid(table.grid.x, table.grid.y)))

    theirs = seconds(plain, said.repeats)
    first = seconds(lambda: lk.geocoding(rates)(image), said.repeats)
    further = seconds(lambda: table(image), said.repeats)
    rows, cols = table.grid.shape
    print(f"{image.shape[0]} × {image.shape[1]} px onto {rows} × {cols} cells, process time")
    print(f"griddata                     {theirs:8.3f} s")
    print(f"table and one layer          {first:8.3f} s   {theirs / first:6.1f} × griddata")
    print(f"one more layer               {further:8.4f} s   {theirs / further:6.0f} × griddata")


if __name__ == "__main__":
    main()
