"""How fast detections are merged and landslides become a density map: `python benchmarks/maps.py`.

Merging: processor seconds and memory for detections strewn over 600 km × 660 km, and at one spot. Density: against
`scipy.stats.gaussian_kde` with the same kernel on the same grid, in turns, the median of three. gaussian_kde is given
all landslides, but only as many cells as it does in a few seconds: its time grows with the cells, so that the whole
grid is the measured time over the share of cells that were taken. Needs 2 GB of memory and some minutes.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import scipy
import shapely
from scipy.stats import gaussian_kde

import labkit as lk

LANDSLIDES, CELLS, TURNS = 1_000_000, 400, 3
BANDWIDTH_M, CELL_M = 5000.0, 1000.0


def detections(count: int, degrees: float, seed: int = 0) -> gpd.GeoDataFrame:
    """Boxes of 8 bursts on 4 tracks, 200 m to 2 km wide."""
    random = np.random.default_rng(seed)
    lon, lat = 100 + random.uniform(0, degrees, count), 30 + random.uniform(0, degrees, count)
    width, height = random.uniform(0.002, 0.02, (2, count))
    burst = random.integers(0, 8, count)
    x, y = (lon - 100) * 2500, (30 + degrees - lat) * 2500
    return lk.schema.boxes_table(
        {
            "scene": [f"burst {number}" for number in burst],
            "direction": random.choice(["azimuth", "range"], count),
            "xmin": x,
            "ymin": y,
            "xmax": x + 2500 * width,
            "ymax": y + 2500 * height,
            "score": random.uniform(0.5, 1, count),
            "track": (burst // 2).astype(str),
            "geometry": shapely.box(lon, lat, lon + width, lat + height),
        }
    )


def processor(work: Callable[..., Any], *given: object, **options: object) -> tuple[float, Any]:
    """Processor seconds of a call, and what it gives."""
    before = time.process_time()
    answer = work(*given, **options)
    return time.process_time() - before, answer


def merging() -> None:
    """Print what merging takes."""
    lk.merge_detections(detections(100, 1.0))
    for count, degrees, where in ((25_000, 3.0, "strewn"), (100_000, 6.0, "strewn"), (100_000, 0.001, "at one spot")):
        seconds, merged = processor(lk.merge_detections, detections(count, degrees))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count:,} detections {where}: {len(merged):,} landslides, {seconds:.1f} s, at most {most:.0f} MB held")


def mapping() -> None:
    """Print how a density map compares with gaussian_kde."""
    random = np.random.default_rng(0)
    places = np.array([[700_000.0], [3_400_000.0]]) + random.normal(0, 60_000, (2, LANDSLIDES))
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*places), crs="EPSG:32647").to_crs("EPSG:4326")
    lk.density(points[:1000], CELL_M, BANDWIDTH_M)
    field = lk.density(points, CELL_M, BANDWIDTH_M)
    on_the_map = points.to_crs(field.attrs["crs"]).geometry
    kernel = gaussian_kde(np.vstack([on_the_map.x, on_the_map.y]), bw_method=1.0)
    kernel.covariance = np.eye(2) * BANDWIDTH_M**2
    kernel.cho_cov = np.linalg.cholesky(kernel.covariance)
    kernel.log_det = 2 * np.log(np.diag(kernel.cho_cov * np.sqrt(2 * np.pi))).sum()
    dense = np.argwhere(field.values > 0.5 * float(field.max()))
    row, col = dense[random.integers(0, len(dense), CELLS)].T
    cells = np.vstack([field.x.values[col], field.y.values[row]])
    fast, slow = [], []
    for _ in range(TURNS):
        fast.append(processor(lk.density, points, CELL_M, BANDWIDTH_M)[0])
        seconds, at_cells = processor(kernel, cells)
        slow.append(seconds * field.size / CELLS)
    expected = np.asarray(at_cells) * LANDSLIDES * 1e6
    apart = np.abs(field.values[row, col] / expected - 1).max()
    print(f"{LANDSLIDES:,} landslides on {field.sizes['y']} × {field.sizes['x']} cells: {np.median(fast):.1f} s;")
    ratio = np.median(np.divide(slow, fast))
    print(f"gaussian_kde {np.median(slow):,.0f} s for all, from {CELLS} of them: {ratio:,.0f} times as long")
    print(f"(densities at these cells differ by at most {100 * apart:.2f} %)")


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}, SciPy {scipy.__version__}, processor seconds")
    merging()
    mapping()
