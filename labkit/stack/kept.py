"""Patches of some pairs, kept while all pairs go by, so that no pair has to be read a second time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.float32]

#: Edge of a patch, px, or this many windows if that is more: its border sees half a window only.
_EDGE, _WINDOWS = 96, 8


@dataclass(frozen=True)
class Patches:
    """Where to look, at which pairs, and what was there.

    ``pairs`` (n,) numbers of the pairs, ascending; ``places`` (row, col) of the upper left corners; ``phase`` and
    ``coherence`` (place, n, y, x) float32, as read.
    """

    pairs: npt.NDArray[np.intp]
    places: list[tuple[int, int]]
    phase: Images
    coherence: Images

    @classmethod
    def spread(cls, pairs: npt.NDArray[np.intp], shape: tuple[int, int], window: int, pixels: int) -> Patches:
        """Patches of about ``pixels`` pixels together, spread evenly over a scene of this shape, nothing in them yet.

        A scene that is not larger is one patch.
        """
        height, width = shape
        if height * width <= pixels:
            places, size = [(0, 0)], shape
        else:
            edge = max(_EDGE, _WINDOWS * window)
            size = (min(edge, height), min(edge, width))
            count = max(1, pixels // (size[0] * size[1]))
            down = min(max(1, round(float(np.sqrt(count * height / width)))), -(-height // size[0]), count)
            across = min(max(1, count // down), -(-width // size[1]))
            rows, cols = (
                ((np.arange(n) + 0.5) / n * (length - edge_px)).round().astype(int)
                for n, length, edge_px in ((down, height, size[0]), (across, width, size[1]))
            )
            places = [(int(row), int(col)) for row in rows for col in cols]
        images = (np.empty((len(places), len(pairs), *size), np.float32) for _ in range(2))
        return cls(np.sort(pairs), places, *images)

    def take(self, start: int, phase: Images, coherence: Images, *, top: int = 0) -> None:
        """Keep what belongs here of a batch of pairs (pairs, rows, x), from pair ``start`` and row ``top`` on."""
        bottom = top + phase.shape[1]
        for i in np.flatnonzero((self.pairs >= start) & (self.pairs < start + len(phase))):
            k = self.pairs[i] - start
            for j, (rows, cols) in enumerate(self.windows()):
                first, last = max(rows.start, top), min(rows.stop, bottom)
                if first < last:
                    here, there = (slice(first - rows.start, last - rows.start), slice(first - top, last - top))
                    self.phase[j, i, here] = phase[k, there, cols]
                    self.coherence[j, i, here] = coherence[k, there, cols]

    def take_phasors(self, start: int, real: Images, imag: Images, *, top: int = 0) -> None:
        """As :meth:`take`, from real and imaginary parts of coherence · exp(i phase)."""
        bottom = top + real.shape[1]
        for i in np.flatnonzero((self.pairs >= start) & (self.pairs < start + len(real))):
            k = self.pairs[i] - start
            for j, (rows, cols) in enumerate(self.windows()):
                first, last = max(rows.start, top), min(rows.stop, bottom)
                if first < last:
                    here, there = (slice(first - rows.start, last - rows.start), slice(first - top, last - top))
                    a, b = real[k, there, cols], imag[k, there, cols]
                    self.phase[j, i, here] = np.arctan2(b, a)
                    self.coherence[j, i, here] = np.hypot(a, b)

    def windows(self) -> list[tuple[slice, slice]]:
        """The patches' rows and columns in the scene."""
        height, width = self.phase.shape[2:]
        return [(slice(row, row + height), slice(col, col + width)) for row, col in self.places]
