"""How fast hot spot scores are, against esda with sparse weights, on the same rates.

    python benchmarks/hot_spots.py --side 200

Needs esda and libpysal (``pip install -e ".[test]"``). The work is counted in processor time, the median of three runs
of labkit and one of esda, whose weights are built apart. Their memory grows with the pixels: keep the side small.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from esda.getisord import G_Local
from libpysal.weights import WSP, W
from scipy.sparse import coo_array

import labkit as lk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=200, help="rows and columns of the rates")
    parser.add_argument("--distance", type=int, default=7, help="of the neighbours, px")
    options = parser.parse_args()
    values = np.random.default_rng(0).normal(0, 8, (options.side, options.side))
    rates = xr.Dataset({"rate": (("y", "x"), values)})
    lk.hot_spot_scores(rates.isel(y=slice(20), x=slice(20)))  # compiles
    ours = [timed(lambda: lk.hot_spot_scores(rates, options.distance)) for _ in range(3)]
    built, weights = timed(lambda: disc_weights(values.shape, options.distance))
    scored, theirs = timed(lambda: G_Local(np.abs(values).ravel(), weights, transform="B", star=True, permutations=0))
    np.testing.assert_allclose(ours[0][1].to_numpy().ravel(), theirs.Zs, rtol=1e-8, atol=1e-10)
    seconds = float(np.median([one[0] for one in ours]))
    print(
        f"{options.side} × {options.side} px, distance {options.distance}; {platform.processor() or platform.machine()}"
    )
    print(f"labkit {seconds:.4f} s, esda {scored:.2f} s and {built:.2f} s for its weights, of processor time")
    print(f"ratio {scored / seconds:.0f} to the scores alone, {(scored + built) / seconds:.0f} with the weights")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    answer = work()
    return time.process_time() - start, answer


def disc_weights(shape: tuple[int, int], distance: int) -> W:
    """Binary weights of all pixels within the distance, by shifted copies of the grid: faster than by a search."""
    numbers = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = []
    for dy in range(-distance, distance + 1):
        for dx in range(-distance, distance + 1):
            if 0 < dy**2 + dx**2 <= distance**2:
                here = numbers[max(-dy, 0) : shape[0] - max(dy, 0), max(-dx, 0) : shape[1] - max(dx, 0)]
                there = numbers[max(dy, 0) : shape[0] + min(dy, 0), max(dx, 0) : shape[1] + min(dx, 0)]
                pairs.append((here.ravel(), there.ravel()))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    sparse = coo_array((np.ones(len(first)), (first, second)), shape=(numbers.size, numbers.size)).tocsr()
    return WSP(sparse).to_W(silence_warnings=True)


if __name__ == "__main__":
    main()
