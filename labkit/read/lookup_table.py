"""From a lookup table on the map (which radar pixel lies here?) to lon/lat on the radar grid (where is this pixel?)."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def invert_lookup_table(
    y: Array, x: Array, lon: Array, lat: Array, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give lon and lat at the centres of radar pixels from a lookup table on a map grid.

    Parameters
    ----------
    y, x : numpy.ndarray (rows, cols)
        Radar position of each map node, in pixel indices (0 = centre of the first pixel); NaN = outside the image.
    lon, lat : numpy.ndarray (rows, cols)
        Place of each map node, degrees.
    shape : (int, int)
        Lines and samples of the radar image.

    Returns
    -------
    lon, lat : numpy.ndarray (lines, samples)
        Degrees; NaN where no cell of the map falls.

    Notes
    -----
    Each map cell is two triangles in radar geometry; inside a triangle lon and lat are linear (barycentric). Where
    several triangles cover a pixel (layover) their mean is given. Nothing is searched, so the cost is that of
    drawing the triangles once.
    """
    total = np.zeros((3, *shape))
    _draw_cells(y, x, lon, lat, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total[0] / total[2], total[1] / total[2]


@numba.njit(cache=True, nogil=True)
def _draw_cells(y: Array, x: Array, lon: Array, lat: Array, total: Array) -> None:  # pragma: no cover (compiled)
    rows, cols = y.shape
    for i in range(rows - 1):
        for j in range(cols - 1):
            _draw_triangle(y, x, lon, lat, i, j, i + 1, j, i, j + 1, total, False)
            _draw_triangle(y, x, lon, lat, i + 1, j + 1, i, j + 1, i + 1, j, total, True)


@numba.njit(cache=True, nogil=True)
def _draw_triangle(
    y: Array, x: Array, lon: Array, lat: Array,
    ia: int, ja: int, ib: int, jb: int, ic: int, jc: int,
    total: Array, open_edge: bool,
) -> None:  # pragma: no cover (compiled)  # fmt: skip
    ya, xa, yb, xb, yc, xc = y[ia, ja], x[ia, ja], y[ib, jb], x[ib, jb], y[ic, jc], x[ic, jc]
    if not (np.isfinite(ya + yb + yc) and np.isfinite(xa + xb + xc)):
        return
    area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
    if area == 0.0:
        return
    top, bottom = max(int(np.ceil(min(ya, yb, yc))), 0), min(int(np.floor(max(ya, yb, yc))), total.shape[1] - 1)
    left, right = max(int(np.ceil(min(xa, xb, xc))), 0), min(int(np.floor(max(xa, xb, xc))), total.shape[2] - 1)
    for row in range(top, bottom + 1):
        for col in range(left, right + 1):
            wb = ((col - xa) * (yc - ya) - (xc - xa) * (row - ya)) / area
            wc = ((xb - xa) * (row - ya) - (col - xa) * (yb - ya)) / area
            wa = 1.0 - wb - wc
            # The diagonal that both triangles of a cell share is drawn by the first one only.
            inside = wb >= 0.0 and wc >= 0.0 and (wa > 0.0 if open_edge else wa >= 0.0)
            if inside:
                total[0, row, col] += wa * lon[ia, ja] + wb * lon[ib, jb] + wc * lon[ic, jc]
                total[1, row, col] += wa * lat[ia, ja] + wb * lat[ib, jb] + wc * lat[ic, jc]
                total[2, row, col] += 1.0
