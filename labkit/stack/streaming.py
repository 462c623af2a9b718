"""Pass once over the pairs: hand batches to the kernel, keep nothing but the sums."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR
from labkit.stack.ahead import Images, read_ahead
from labkit.stack.kernels import N_SUMS, WRAPPED_LIMIT_RAD, accumulate_strip

_STRIP_ROWS = 64

#: About this many pixels on a regular grid are kept for every pair, to see how pairs hang together.
_SAMPLED_PIXELS = 4096


@dataclass
class Sums:
    """What one pass over the pairs leaves behind.

    ``sums`` (2, N, y, x) and ``counts`` (2, y, x) by direction (azimuth, range) as the kernel defines them;
    ``coherence_sum``, ``coherence_count`` (y, x); ``samples`` (2, pair, y', x') the products P at every
    ``sample_step``-th pixel; ``years`` (pair,) temporal baselines.
    """

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int32]
    coherence_sum: npt.NDArray[np.float32]
    coherence_count: npt.NDArray[np.int32]
    samples: npt.NDArray[np.complex64]
    sample_step: int
    years: npt.NDArray[np.float32]


def accumulate(
    ifgs: xr.Dataset, kind: int, window: int, lag: int, *, threads: int | None = None, progress: bool = True
) -> Sums:
    """Sum the neighbour products of all pairs in one pass.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    kind : int
        Estimator of :mod:`labkit.stack.kernels`.
    window, lag : int
        Filter edge (odd) and neighbour distance, px.
    threads : int, optional
        Workers of the kernel; the number of cores by default. Results do not depend on it.
    progress : bool
        Show a bar where the work is long enough to wonder.
    """
    height, width = ifgs.sizes["y"], ifgs.sizes["x"]
    pairs = ifgs.sizes["pair"]
    years = (ifgs["temporal_baseline"].values / DAYS_PER_YEAR).astype(np.float32)
    step = max(1, round(float(np.sqrt(height * width / _SAMPLED_PIXELS))))
    sampled = (-(-height // step), -(-width // step))
    result = Sums(
        sums=np.zeros((2, N_SUMS[kind], height, width), np.float32),
        counts=np.zeros((2, height, width), np.int32),
        coherence_sum=np.zeros((height, width), np.float32),
        coherence_count=np.zeros((height, width), np.int32),
        samples=np.zeros((2, pairs, *sampled), np.complex64),
        sample_step=step,
        years=years,
    )
    workers = threads or os.cpu_count() or 1
    strips = [(row, min(row + _STRIP_ROWS, height)) for row in range(0, height, _STRIP_ROWS)]
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=pairs, desc="stacking", unit="pair", disable=not progress) as bar,
    ):
        for start, phase, coherence in read_ahead(ifgs):
            stop = start + len(phase)
            done = [
                pool.submit(
                    accumulate_strip,
                    phase,
                    coherence,
                    years[start:stop],
                    rows,
                    window,
                    lag,
                    kind,
                    result.sums,
                    result.counts,
                    result.coherence_sum,
                    result.coherence_count,
                    result.samples[:, start:stop],
                    step,
                )
                for rows in strips
            ]
            # All strips are waited for, before the batch may be forgotten.
            wrapped = [future.result() for future in done]
            if not all(wrapped):
                _refuse_unwrapped(ifgs["pair"].values[start:stop], phase)
            bar.update(stop - start)
    return result


def _refuse_unwrapped(names: npt.NDArray[np.str_], phase: Images) -> NoReturn:
    for name, image in zip(names, phase, strict=True):
        beyond = image[np.abs(image) > WRAPPED_LIMIT_RAD]
        if beyond.size:
            raise LabkitError(
                f"phase of pair {name} must be wrapped into [−π, π), instead got {float(beyond[0]):.4g} rad. "
                "Open the files with lk.open_interferograms, which re-wraps them"
            )
    raise AssertionError("the kernel saw phase that is not wrapped, and it is not there")
