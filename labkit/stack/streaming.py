"""Pass once over the pairs: hand batches to the kernel, keep nothing but the sums."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR
from labkit.stack.ahead import Images, read_ahead
from labkit.stack.bands import BandedPass
from labkit.stack.by_rows import row_readers
from labkit.stack.kept import Patches
from labkit.stack.kernels import WRAPPED_LIMIT_RAD, Filter, Sums, add_pairs

#: Rows of a strip, at most, and how many strips each worker is to have at least: they end at about the same time then.
_STRIP_ROWS, _STRIPS_EACH = 64, 12
#: Strips are of whole tiles of the kernel, whose margins are filtered twice.
_TILE_ROWS = 16


def accumulate(
    ifgs: xr.Dataset,
    how: Filter,
    *,
    patches: Patches | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Sums:
    """Sum the neighbour products of all pairs in one pass.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    how : Filter
        Estimator, window, lag and weights.
    patches : Patches, optional
        To be filled with what they keep of the pairs.
    threads : int, optional
        Workers of the kernel; the number of cores by default. Results do not depend on it.
    progress : bool
        Show a bar where the work is long enough to wonder.

    Notes
    -----
    Complex values in files are filtered as they are, without taking their phase. What comes out is that of their phase
    and coherence within the rounding of float32 (2e-7 rad before the filter, more where phasors nearly cancel), and the
    same to the bit for any number of threads.
    """
    height, width = ifgs.sizes["y"], ifgs.sizes["x"]
    years = (ifgs["temporal_baseline"].values / DAYS_PER_YEAR).astype(np.float32)
    result = Sums.empty(how.kind, years, (height, width))
    workers = threads or os.cpu_count() or 1
    names = ifgs["pair"].values
    readers = row_readers(ifgs)
    if readers is not None:

        def refuse(start: int, phase: Images) -> None:
            _refuse_unwrapped(names[start : start + len(phase)], phase)

        with tqdm(total=height, desc="stacking", unit="row", disable=not progress) as bar:
            BandedPass(result, readers, how, patches, refuse).run(workers, bar.update)
        return result
    each = min(max(height // (workers * _STRIPS_EACH * _TILE_ROWS), 1) * _TILE_ROWS, _STRIP_ROWS)
    strips = [(row, min(row + each, height)) for row in range(0, height, each)]
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(years), desc="stacking", unit="pair", disable=not progress) as bar,
    ):
        for start, phase, coherence in read_ahead(ifgs):
            done = [pool.submit(add_pairs, result, phase, coherence, how, rows, start=start) for rows in strips]
            if patches is not None:
                patches.take(start, phase, coherence)
            # All strips are waited for, before the batch may be forgotten.
            wrapped = [future.result() for future in done]
            if not all(wrapped):
                _refuse_unwrapped(names[start : start + len(phase)], phase)
            bar.update(len(phase))
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
