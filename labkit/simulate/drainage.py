"""Where water runs: depressions filled, each cell's way downhill, the area above it, the order of its streams."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]

#: A filled depression rises by this much from cell to cell toward its rim, so that it has a way out, m.
_LEAST_FALL_M = 1e-4

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

_ROWS = np.array([-1, -1, -1, 0, 0, 1, 1, 1])
_COLS = np.array([-1, 0, 1, -1, 1, -1, 0, 1])
_STEPS = np.hypot(_ROWS, _COLS)


@dataclass(frozen=True)
class Drainage:
    """The way of the water over a grid.

    Attributes
    ----------
    filled : numpy.ndarray (rows, cols)
        Heights with every depression filled to its rim, m.
    order : numpy.ndarray (cells,)
        All cells (row · cols + col), each after the one into which it drains.
    receiver : numpy.ndarray (cells,)
        The cell into which each one drains; outlets drain into themselves.
    area : numpy.ndarray (rows, cols)
        Drained by each cell, itself included, in the unit of what was put in.
    """

    filled: Array
    order: Indices
    receiver: Indices
    area: Array


def drain(height: Array, outlets: Flags, supply: Array) -> Drainage:
    """Find the way of the water over a relief.

    Parameters
    ----------
    height : numpy.ndarray (rows, cols)
        m, finite.
    outlets : numpy.ndarray (rows, cols)
        True where water leaves; at least one cell, and each cell has a way to one.
    supply : numpy.ndarray (rows, cols)
        What each cell adds: its own area, and at a river's entry the area above it.

    Notes
    -----
    Depressions are filled by priority flood [1]_ with a least fall of 0.1 mm per cell; then each cell drains into that
    of its eight neighbours to which the filled relief falls most steeply [2]_.

    References
    ----------
    .. [1] Barnes, Lehman and Mulla (2014), Priority-flood, Computers & Geosciences 62.
    .. [2] O'Callaghan and Mark (1984), The extraction of drainage networks from digital elevation data.

    Examples
    --------
    A tilted plane of three rows drains row by row to its lower edge:

    >>> height = np.array([[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    >>> outlets = np.array([[False, False], [False, False], [True, True]])
    >>> drain(height, outlets, np.ones((3, 2))).area.tolist()
    [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    """
    filled, order = _flood(np.asarray(height, np.float64), outlets)
    receiver = _steepest(filled, outlets)
    area = np.array(supply, np.float64)
    _gather(order, receiver, area.ravel())
    return Drainage(filled, order, receiver, area)


def stream_order(drainage: Drainage, channel: Flags) -> Indices:
    """Give Strahler's order of every channel cell, (rows, cols): 0 off the channels, 1 from the heads on.

    Notes
    -----
    Where two streams of the highest order meet, the order grows by one.

    References
    ----------
    Strahler (1957), Quantitative analysis of watershed geomorphology.
    """
    return _strahler(drainage.order, drainage.receiver, channel.ravel()).reshape(channel.shape)


def carve(drainage: Drainage, height: Array, channel: Flags) -> Array:
    """Give the heights with channels cut so deep that no cell of one lies above the cell that drains into it."""
    cut = np.array(height, np.float64)
    _carve(drainage.order, drainage.receiver, channel.ravel(), cut.ravel())
    return cut


def steady_relief(drainage: Drainage, base: Array, fall: Array, spacing_m: float) -> Array:
    """Give the relief that falls by ``fall`` (m per m) on every cell's way to the outlets, where it is ``base``.

    Notes
    -----
    z(cell) = z(receiver) + fall(cell) · distance: the integral of the slope along the water's way, which for the slope
    of a river in balance with uplift, k_s · A^(−m), is the river's long profile.

    References
    ----------
    Perron and Royden (2013), An integral approach to bedrock river profile analysis.
    """
    relief = np.array(base, np.float64)
    _raise(drainage.order, drainage.receiver, fall.ravel(), float(spacing_m), relief.shape[1], relief.ravel())
    return relief


@_compiled
def push(keys: Array, cells: Indices, size: int, key: float, cell: int) -> int:
    """Put a cell into a heap (the least key on top), which has room; give its new size."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if keys[above] <= key:
            break
        keys[place] = keys[above]
        cells[place] = cells[above]
        place = above
    keys[place] = key
    cells[place] = cell
    return size + 1


@_compiled
def pop(keys: Array, cells: Indices, size: int) -> int:
    """Take the top, which the caller has read, from a heap; give its new size."""
    size -= 1
    key, cell = keys[size], cells[size]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[place] = keys[below]
        cells[place] = cells[below]
        place = below
    keys[place] = key
    cells[place] = cell
    return size


@_compiled
def _flood(height: Array, outlets: Flags) -> tuple[Array, Indices]:
    rows, cols = height.shape
    filled = height.copy()
    done = outlets.copy()
    keys = np.empty(rows * cols)
    cells = np.empty(rows * cols, np.int32)
    order = np.empty(rows * cols, np.int32)
    size = 0
    for row in range(rows):
        for col in range(cols):
            if outlets[row, col]:
                size = push(keys, cells, size, height[row, col], row * cols + col)
    count = 0
    while size > 0:
        cell = cells[0]
        size = pop(keys, cells, size)
        order[count] = cell
        count += 1
        row, col = cell // cols, cell % cols
        rim = filled[row, col] + _LEAST_FALL_M
        for k in range(8):
            y, x = row + _ROWS[k], col + _COLS[k]
            if 0 <= y < rows and 0 <= x < cols and not done[y, x]:
                done[y, x] = True
                filled[y, x] = max(filled[y, x], rim)
                size = push(keys, cells, size, filled[y, x], y * cols + x)
    return filled, order


@_compiled
def _steepest(filled: Array, outlets: Flags) -> Indices:
    rows, cols = filled.shape
    receiver = np.empty(rows * cols, np.int32)
    for row in range(rows):
        for col in range(cols):
            best, into = 0.0, row * cols + col
            if not outlets[row, col]:
                for k in range(8):
                    y, x = row + _ROWS[k], col + _COLS[k]
                    if 0 <= y < rows and 0 <= x < cols:
                        fall = (filled[row, col] - filled[y, x]) / _STEPS[k]
                        if fall > best:
                            best, into = fall, y * cols + x
            receiver[row * cols + col] = into
    return receiver


@_compiled
def _gather(order: Indices, receiver: Indices, area: Array) -> None:
    for k in range(len(order) - 1, -1, -1):
        cell = order[k]
        if receiver[cell] != cell:
            area[receiver[cell]] += area[cell]


@_compiled
def _strahler(order: Indices, receiver: Indices, channel: Flags) -> Indices:
    highest = np.zeros(len(order), np.int32)
    times = np.zeros(len(order), np.int32)
    for k in range(len(order) - 1, -1, -1):
        cell = order[k]
        if not channel[cell]:
            continue
        if highest[cell] == 0:
            highest[cell] = 1
        elif times[cell] > 1:
            highest[cell] += 1
        into = receiver[cell]
        if into != cell:
            if highest[cell] > highest[into]:
                highest[into] = highest[cell]
                times[into] = 1
            elif highest[cell] == highest[into]:
                times[into] += 1
    for cell in range(len(order)):
        if not channel[cell]:
            highest[cell] = 0
    return highest


@_compiled
def _carve(order: Indices, receiver: Indices, channel: Flags, height: Array) -> None:
    for k in range(len(order) - 1, -1, -1):
        cell = order[k]
        if channel[cell] and height[receiver[cell]] > height[cell]:
            height[receiver[cell]] = height[cell]


@_compiled
def _raise(order: Indices, receiver: Indices, fall: Array, spacing_m: float, cols: int, height: Array) -> None:
    for k in range(len(order)):
        cell = order[k]
        into = receiver[cell]
        if into != cell:
            across, down = cell % cols - into % cols, cell // cols - into // cols
            height[cell] = height[into] + fall[cell] * spacing_m * np.sqrt(float(across * across + down * down))
