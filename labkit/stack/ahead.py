"""Read pairs ahead in threads, while those before them are stacked."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import dask
import numpy as np
import numpy.typing as npt
import xarray as xr

Images = npt.NDArray[np.float32]

#: So many pairs are handed on at once, or fewer where they are large: two such batches are read at a time while one is
#: worked on, so that no more than four pairs are held however large they are.
_BATCH_PAIRS, _BATCH_BYTES = 32, 16_000_000
_BYTES_PER_PIXEL = 8
_READERS = 2


def read_ahead(ifgs: xr.Dataset) -> Iterator[tuple[int, Images, Images]]:
    """Read the pairs, some at a time, and the next ones while the caller works.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.

    Yields
    ------
    int, numpy.ndarray, numpy.ndarray
        Number of the first pair; phase (rad) and coherence (pairs, y, x) float32, NaN = no data. They lie in memory
        as the kernel wants them; what was in memory before is not copied.

    Raises
    ------
    FileError
        A pair turns out damaged. All threads have ended by then.
    """
    phase, coherence = ifgs["phase"].data, ifgs["coherence"].data
    pairs, height, width = phase.shape
    if _is_ready(phase) and _is_ready(coherence):
        for start in range(0, pairs, _BATCH_PAIRS):
            yield start, phase[start : start + _BATCH_PAIRS], coherence[start : start + _BATCH_PAIRS]
        return
    size = min(max(1, _BATCH_BYTES // (height * width * _BYTES_PER_PIXEL)), _BATCH_PAIRS)
    starts = iter(range(0, pairs, size))
    with ThreadPoolExecutor(_READERS) as reader:
        ahead: deque[tuple[int, Future[tuple[Images, Images]]]] = deque()
        try:
            for start in itertools.islice(starts, _READERS):
                ahead.append((start, reader.submit(_read, ifgs, slice(start, start + size))))
            while ahead:
                start, future = ahead.popleft()
                images = future.result()
                for following in itertools.islice(starts, 1):
                    ahead.append((following, reader.submit(_read, ifgs, slice(following, following + size))))
                yield start, *images
                # Forgotten before the next is waited for: the pairs in memory are counted.
                del images, future
        finally:
            reader.shutdown(wait=True, cancel_futures=True)


def _is_ready(images: object) -> bool:
    """Whether the kernel can work on an array as it lies in memory."""
    return isinstance(images, np.ndarray) and images.dtype == np.float32 and images.flags.c_contiguous


def _read(ifgs: xr.Dataset, pairs: slice) -> tuple[Images, Images]:
    images = (ifgs["phase"].data[pairs], ifgs["coherence"].data[pairs])
    phase, coherence = dask.compute(*images, scheduler="synchronous")
    return np.ascontiguousarray(phase, np.float32), np.ascontiguousarray(coherence, np.float32)
