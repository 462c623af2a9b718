"""Geocoding against ``scipy.interpolate.griddata`` on the same grid: ``python benchmarks/geocoding.py``.

Both lay the image of a simulated track on the same map, which has to come out alike. Process time, in turns, medians of
the repeats, one run: one layer with the table found anew, and one more layer with the table that is there. ``--burst``
does the same with 1500 × 5000 px, each of them moved by relief; griddata is then given the first lines alone and its
time is multiplied by the share, which is kind to it, since it grows faster than the pixels.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import scipy
import xarray as xr
from pyproj import Transformer
from scipy.interpolate import griddata

import labkit as lk
from labkit.geocode import Geocoding

BURST, PART = (1500, 5000), 100


def burst() -> xr.Dataset:
    """A wave over a burst of 40 m, turned by 12° and bent by relief of up to 60 m to and fro."""
    row, col = np.indices(BURST) + 0.5
    bent = col + 1.5 * np.sin(row / 37.0) * np.cos(col / 53.0)
    east = 500_000 + 40 * (np.cos(np.radians(12)) * bent + np.sin(np.radians(12)) * row)
    north = 3_400_000 + 40 * (np.sin(np.radians(12)) * bent - np.cos(np.radians(12)) * row)
    lon, lat = Transformer.from_crs(32648, 4326, always_xy=True).transform(east, north)
    wave = (np.sin(east / 900.0) * np.cos(north / 1100.0)).astype(np.float32)
    places = {"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}
    return xr.Dataset({"rate": (("y", "x"), wave)}, places, {"ground_spacing": 40.0})


def seconds(call: Callable[[], object]) -> float:
    """Process time of a call, s."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def by_griddata(rates: xr.Dataset, table: Geocoding) -> np.ndarray:
    """Lay the rates down as griddata does, on the cells of a table."""
    place = Transformer.from_crs(4326, table.grid.crs, always_xy=True)
    points = np.column_stack([v.ravel() for v in place.transform(rates["lon"].values, rates["lat"].values)])
    answer = griddata(points, rates["rate"].values.ravel(), tuple(np.meshgrid(table.grid.x, table.grid.y)))
    return np.asarray(answer)


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="demo", help="tiny or demo")
    parser.add_argument("--burst", action="store_true", help="1500 × 5000 px instead")
    parser.add_argument("--repeats", type=int, default=3)
    said = parser.parse_args()
    rates = burst() if said.burst else lk.simulate.scene(said.scene).rates["ascending"][["rate"]].fillna(0.0)
    shown = rates.isel(y=slice(PART)) if said.burst else rates
    share = rates["rate"].size / shown["rate"].size
    lk.geocoding(shown)(shown["rate"])  # compiled before anything is measured
    table = lk.geocoding(rates)
    theirs, first, further = [], [], []
    for _ in range(said.repeats):
        theirs.append(share * seconds(lambda: by_griddata(shown, lk.geocoding(shown))))
        first.append(seconds(lambda: lk.geocoding(rates)(rates["rate"])))
        further.append(seconds(lambda: table(rates["rate"])))
    here = lk.geocoding(shown)
    apart = np.abs(by_griddata(shown, here) - here(shown["rate"]).values) / np.ptp(rates["rate"].values)
    rows, cols = table.grid.shape
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}, SciPy {scipy.__version__}, process time")
    print(f"{rates.sizes['y']} × {rates.sizes['x']} px onto {rows} × {cols} cells")
    print(f"griddata                     {median(theirs):8.3f} s" + (f" (from {PART} lines)" if said.burst else ""))
    for name, taken in (("table and one layer", first), ("one more layer", further)):
        print(f"{name:<24}{median(taken):13.4f} s   {median(theirs) / median(taken):6.0f} × griddata")
    half, most = np.nanquantile(apart, [0.5, 0.99])
    print(f"half of the cells differ by less than {half:.1e} of the range, 99 % by less than {most:.1e}")


if __name__ == "__main__":
    main()
