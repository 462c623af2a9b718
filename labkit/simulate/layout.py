"""How a track's image is cut into bursts that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: A burst's name, the lines and samples that it sees, and those of them that a mosaic takes from it.
Window = tuple[str, tuple[slice, slice], tuple[slice, slice]]


@dataclass(frozen=True)
class Layout:
    """How a track's image is cut into bursts.

    Attributes
    ----------
    count : (int, int)
        Bursts along azimuth, and sub-swaths across it.
    overlap : (int, int)
        Lines that neighbouring bursts have in common, and samples that neighbouring sub-swaths have: even numbers. The
        bursts of the first paper overlap by 1.5 km.

    References
    ----------
    Fu et al. (2022), section 4.
    """

    count: tuple[int, int]
    overlap: tuple[int, int]

    def windows(self, shape: tuple[int, int]) -> list[Window]:
        """Give each burst's name, the lines and samples it sees, and those that a mosaic takes from it."""
        starts, ends = zip(*(self._along(axis, shape[axis]) for axis in (0, 1)), strict=True)
        bursts = []
        for i, j in np.ndindex(*self.count):
            sees = slice(starts[0][i], ends[0][i]), slice(starts[1][j], ends[1][j])
            owns = tuple(self._owned(axis, k, sees[axis]) for axis, k in ((0, i), (1, j)))
            bursts.append((f"IW{j + 1}-{i + 1}", sees, (owns[0], owns[1])))
        return bursts

    def _along(self, axis: int, length: int) -> tuple[list[int], list[int]]:
        """First and last pixel edges; starts lie on multiples of four, where the grid of the weather has its points."""
        count, overlap = self.count[axis], self.overlap[axis]
        size = (length + (count - 1) * overlap) / count
        starts = [int((size - overlap) * k) // 4 * 4 for k in range(count)]
        return starts, [*(start + overlap for start in starts[1:]), length]

    def _owned(self, axis: int, index: int, sees: slice) -> slice:
        half = self.overlap[axis] // 2
        first = sees.start + (half if index else 0)
        return slice(first, sees.stop - (half if index < self.count[axis] - 1 else 0))
