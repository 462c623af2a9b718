"""How fast hot spot scores are, against esda with sparse weights, on the same rates.

    python benchmarks/hot_spots.py --side 200
    python benchmarks/hot_spots.py --side 1000 --strip 250 --weights Graph matrix

Needs esda and libpysal (``pip install -e ".[test]"``). The work is counted in processor time, the median of three runs
of labkit before and after one of esda, with each kind of weights (``--weights``): a ``Graph`` or a ``W``, which esda
takes, and a bare matrix. Weights are built apart. Their memory grows with the pixels: 200 px take 2 GB as a ``W`` and
300 px as a ``Graph``, and 700 px 11 GB; 1000 px ask for more than 20 GB as they are built.

With ``--strip`` esda scores only so many columns, and its time is multiplied by how many such strips make the square.
That is no more than the whole would take, since its time grows at least with the pixels (the mean and the variance are
then those of the strip, so the strip is compared with labkit's scores of the strip). The bare matrix, a subclass of
``W`` that holds nothing else, does fit at 1000 px, in 5 GB: of esda it leaves one product of a matrix with a vector,
which is the least that any way with explicit weights can take.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from esda.getisord import G_Local
from libpysal.graph import Graph
from libpysal.weights import WSP, W
from scipy.sparse import coo_array, csr_array

import labkit as lk


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=200, help="rows and columns of the rates")
    parser.add_argument("--distance", type=int, default=7, help="of the neighbours, px")
    parser.add_argument("--strip", type=int, help="columns that esda scores; by default all of them")
    parser.add_argument("--weights", nargs="+", choices=KINDS, default=["Graph", "W"])
    options = parser.parse_args()
    values = np.random.default_rng(0).normal(0, 8, (options.side, options.side))
    rates = xr.Dataset({"rate": (("y", "x"), values)})
    lk.hot_spot_scores(rates.isel(y=slice(20), x=slice(20)))  # compiles
    print(
        f"{options.side} × {options.side} px, distance {options.distance}; {os.cpu_count()} cores, {platform.machine()}"
    )
    for kind in options.weights:
        cols = options.side if kind == "matrix" or options.strip is None else options.strip
        times = options.side / cols
        part = rates.isel(x=slice(cols))
        sizes = np.abs(part["rate"].values).ravel()
        ours = [timed(lambda: lk.hot_spot_scores(rates, options.distance)) for _ in range(3)]
        built, weights = timed(lambda kind=kind, part=part: KINDS[kind](part["rate"].shape, options.distance))
        scored, theirs = timed(lambda y=sizes, w=weights: G_Local(y, w, transform="B", star=True, permutations=0))
        ours += [timed(lambda: lk.hot_spot_scores(rates, options.distance)) for _ in range(3)]
        same = lk.hot_spot_scores(part, options.distance)
        np.testing.assert_allclose(same.to_numpy().ravel(), theirs.Zs, rtol=1e-8, atol=1e-10)
        built, scored = built * times, scored * times
        seconds = float(np.median([one[0] for one in ours]))
        told = f"{times:g} strips of {cols} columns" if times > 1 else "the whole"
        print(f"labkit {seconds:.4f} s; esda with a {kind}, {told}: {scored:.2f} s, and {built:.2f} s for the weights")
        print(f"ratio {scored / seconds:,.0f} to the scores alone, {(scored + built) / seconds:,.0f} with the weights")
        del weights, theirs


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    answer = work()
    return time.process_time() - start, answer


def disc_pairs(shape: tuple[int, int], distance: int) -> csr_array:
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
    return coo_array((np.ones(len(first)), (first, second)), shape=(numbers.size, numbers.size)).tocsr()


def as_graph(shape: tuple[int, int], distance: int) -> Graph:
    """The weights as a ``Graph``."""
    return Graph.from_sparse(disc_pairs(shape, distance))


def as_w(shape: tuple[int, int], distance: int) -> W:
    """The weights as a ``W``."""
    return WSP(disc_pairs(shape, distance)).to_W(silence_warnings=True)


class Matrix(W):
    """Weights that are a sparse matrix, self included, and nothing else: what ``G_Local`` asks of a ``W`` at least."""

    def __init__(self, matrix: csr_array) -> None:
        self._matrix = matrix

    @property
    def sparse(self) -> csr_array:
        """The matrix."""
        return self._matrix

    @property
    def n(self) -> int:
        """How many pixels."""
        return int(self._matrix.shape[0])

    transform = "B"  # it is binary, whatever is asked


def as_matrix(shape: tuple[int, int], distance: int) -> Matrix:
    """The weights as a bare matrix, made row by row of the image, so that no list of all pairs is ever held."""
    rows, cols = shape
    steps = np.arange(-distance, distance + 1)
    dy, dx = (step.ravel() for step in np.meshgrid(steps, steps, indexing="ij"))
    near = dy**2 + dx**2 <= distance**2
    dy, dx = dy[near], dx[near]
    found, counts = [], [np.zeros(1, np.int64)]
    for row in range(rows):
        y, x = np.broadcast_to(row + dy, (cols, len(dy))), np.arange(cols)[:, None] + dx
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < cols)
        found.append((y * cols + x)[inside].astype(np.int32))
        counts.append(inside.sum(axis=1))
    starts = np.cumsum(np.concatenate(counts))
    columns = np.concatenate(found)
    return Matrix(csr_array((np.ones(len(columns)), columns, starts), shape=(rows * cols, rows * cols)))


KINDS: dict[str, Callable[[tuple[int, int], int], Any]] = {"Graph": as_graph, "W": as_w, "matrix": as_matrix}


if __name__ == "__main__":
    main()
