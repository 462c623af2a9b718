"""Read pairs ahead in threads, while those before them are stacked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import dask
import numpy as np
import numpy.typing as npt
import xarray as xr

Images = npt.NDArray[np.float32]
#: Number of the first pair, and the pairs that are being read.
Ahead = deque[tuple[int, Future[tuple[Images, Images]]]]

#: Pairs are handed on in batches of about this size, of two pairs where they are larger: the kernel fetches and stores
#: its sums once for each batch. No more than two batches are in memory, so four pairs however large they are.
_BATCH_BYTES, _MOST_PAIRS = 16_000_000, 32
_BYTES_PER_PIXEL = 8
#: What lies in memory already is handed on in larger batches.
_READY_PAIRS = 256
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
        as the kernel wants them; what was in memory before is not copied, what is read lies where the batch before it
        lay.

    Raises
    ------
    FileError
        A pair turns out damaged. All threads have ended by then.
    """
    phase, coherence = ifgs["phase"].data, ifgs["coherence"].data
    pairs, height, width = phase.shape
    if _is_ready(phase) and _is_ready(coherence):
        for start in range(0, pairs, _READY_PAIRS):
            yield start, phase[start : start + _READY_PAIRS], coherence[start : start + _READY_PAIRS]
        return
    size = min(max(_BATCH_BYTES // (height * width * _BYTES_PER_PIXEL), _READERS), _MOST_PAIRS)
    batch = np.empty((2, min(size, pairs), height, width), np.float32)
    with ThreadPoolExecutor(_READERS) as readers:
        try:
            ahead = _begin(readers, ifgs, 0, size)
            for start in range(0, pairs, size):
                # Each is forgotten as soon as it is copied: the pairs in memory are counted.
                while ahead:
                    first, future = ahead.popleft()
                    parts = future.result()
                    place = slice(first - start, first - start + len(parts[0]))
                    list(readers.map(np.copyto, (image[place] for image in batch), parts))
                    del future, parts
                ahead = _begin(readers, ifgs, start + size, size)
                held = min(size, pairs - start)
                yield start, batch[0, :held], batch[1, :held]
        finally:
            readers.shutdown(wait=True, cancel_futures=True)


def _begin(readers: ThreadPoolExecutor, ifgs: xr.Dataset, start: int, size: int) -> Ahead:
    """Begin to read a batch, in as many parts as there are readers."""
    stop = min(start + size, ifgs.sizes["pair"])
    each = -(-size // _READERS)
    firsts = range(start, stop, each)
    return deque((first, readers.submit(_read, ifgs, slice(first, min(first + each, stop)))) for first in firsts)


def _is_ready(images: object) -> bool:
    """Whether the kernel can work on an array as it lies in memory."""
    return isinstance(images, np.ndarray) and images.dtype == np.float32 and images.flags.c_contiguous


def _read(ifgs: xr.Dataset, pairs: slice) -> tuple[Images, Images]:
    images = (ifgs["phase"].data[pairs], ifgs["coherence"].data[pairs])
    phase, coherence = dask.compute(*images, scheduler="synchronous")
    return np.ascontiguousarray(phase, np.float32), np.ascontiguousarray(coherence, np.float32)
