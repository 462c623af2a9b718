"""Compiled moving means over maps with holes, and the typical size of what a map holds."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]

#: A median is read from about this many pixels on a regular grid: more would not change it by what matters.
_JUDGED_PIXELS = 500_000

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def box_mean(values: Image, window: int, shared: RowThreads) -> Image:
    """Mean over the known pixels of ``window`` × ``window`` around each known one, (y, x) float32; NaN = no data."""
    mean = np.empty_like(values)
    shared.over_rows(len(values), _box_rows, np.ascontiguousarray(values), window // 2, mean)
    return mean


def typical(values: Image, known: npt.NDArray[np.bool_]) -> float:
    """Median of a map's known pixels, from a regular sample of them; 0 where the sample meets none."""
    step = max(1, round(float(np.sqrt(values.size / _JUDGED_PIXELS))))
    sample = values[::step, ::step][known[::step, ::step]]
    return float(np.median(sample)) if sample.size else 0.0


@_compiled
def _box_rows(first: int, last: int, values: Image, half: int, mean: Image) -> None:  # pragma: no cover
    rows, cols = values.shape
    # columns summed along y, with zeros on both sides for the sums along x
    total, count = np.zeros(cols + 2 * half, np.float32), np.zeros(cols + 2 * half, np.float32)
    wide, number = np.empty(cols, np.float32), np.empty(cols, np.float32)
    inner = np.uint64(half)
    for y in range(first, last):
        total[:], count[:] = np.float32(0), np.float32(0)
        for line in range(max(y - half, 0), min(y + half + 1, rows)):
            source = values[line]
            for x in range(np.uint64(cols)):
                known = source[x] == source[x]
                total[x + inner] += source[x] if known else np.float32(0)
                count[x + inner] += np.float32(1) if known else np.float32(0)
        wide[:], number[:] = np.float32(0), np.float32(0)
        for shift in range(np.uint64(2 * half + 1)):
            for x in range(np.uint64(cols)):
                wide[x] += total[x + shift]
                number[x] += count[x + shift]
        here, out = values[y], mean[y]
        for x in range(np.uint64(cols)):
            out[x] = wide[x] / number[x] if here[x] == here[x] else np.float32(np.nan)
