"""Pass once over pairs in files, band by band: each worker reads a band of all pairs and adds it while it is cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from labkit.stack.by_rows import PhasorReader, RowReader
from labkit.stack.kept import Patches
from labkit.stack.kernels import GROUP, Filter, Sums, add_pairs

Images = npt.NDArray[np.float32]

#: Rows of a band, of which few allow more pairs at once. The rows beside it that a filter reaches are read twice.
_ROWS = 32
#: What a worker holds of the pairs, at most; the kernel fetches and stores its sums once for so many.
_BUFFER_BYTES, _MOST_PAIRS = 20_000_000, 16
_BYTES_PER_PIXEL = 8
#: Workers besides one for each core: it works while another waits for the disk.
_MORE_WORKERS = 1

#: An interrupt from the keyboard is noticed between two looks at the workers.
_PATIENCE_S = 0.5

_Refuse = Callable[[int, Images], None]


@dataclass(frozen=True)
class BandedPass:
    """Adds all pairs to ``sums``, without any image of a pair in memory.

    ``readers`` of the pairs, in order; ``how`` they are filtered and added; ``patches`` to be filled; ``refuse(number
    of the first pair, phase)`` raises an error for phase that is not wrapped.
    """

    sums: Sums
    readers: Sequence[RowReader]
    how: Filter
    patches: Patches | None
    refuse: _Refuse
    stopped: threading.Event = field(default_factory=threading.Event)
    memory: threading.local = field(default_factory=threading.local)

    def run(self, workers: int, advance: Callable[[int], object]) -> None:
        """Add all pairs; ``advance`` is told how many rows of the scene are done.

        Raises
        ------
        LabkitError
            A pair turns out damaged or not wrapped, or holds no data at all. All threads have ended by then.
        """
        height = self.sums.counts.shape[1]
        bands = [(row, min(row + _ROWS, height)) for row in range(0, height, _ROWS)]
        seen = np.zeros(len(self.readers), bool)
        with ThreadPoolExecutor(workers + _MORE_WORKERS) as pool:
            try:
                waiting = {pool.submit(self._add_band, band) for band in bands}
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_EXCEPTION, timeout=_PATIENCE_S)
                    for future in done:
                        rows, found = future.result()
                        seen |= found
                        advance(rows)
            finally:
                # An error or an interrupt ends what runs at its next pairs; what waits never begins.
                self.stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
        for reader in [reader for reader, any_data in zip(self.readers, seen, strict=True) if not any_data]:
            reader.refuse_empty()

    def _add_band(self, band: tuple[int, int]) -> tuple[int, npt.NDArray[np.bool_]]:
        """Add one band of all pairs; return its rows, and which pairs have data in it."""
        height, width = self.sums.counts.shape[1:]
        half, lag = self.how.window // 2, self.how.lag
        first, last = max(band[0] - half, 0), min(band[1] + half + lag, height)
        pairs = len(self.readers)
        size = min(max(_BUFFER_BYTES // ((last - first) * width * _BYTES_PER_PIXEL), 1), _MOST_PAIRS, pairs)
        # The kernel takes pairs in groups: one that is not full costs as much.
        size = max(size // GROUP * GROUP, min(size, GROUP))
        images = self._buffer(size, last - first, width)
        phasors = self.how.takes_phasors and all(isinstance(reader, PhasorReader) for reader in self.readers)
        seen = np.zeros(pairs, bool)
        for start in range(0, pairs, size):
            if self.stopped.is_set():
                break
            stop = min(start + size, pairs)
            for k in range(start, stop):
                self._read(k, first, images[:, k - start], phasors)
                seen[k] = _has_data(images[0, k - start])
            batch = images[0, : stop - start], images[1, : stop - start]
            if not add_pairs(self.sums, *batch, self.how, band, start=start, top=first, polar=not phasors):
                self.refuse(start, batch[0])
            if self.patches is not None:
                own = slice(band[0] - first, band[1] - first)
                take = self.patches.take_phasors if phasors else self.patches.take
                take(start, batch[0][:, own], batch[1][:, own], top=band[0])
        return band[1] - band[0], seen

    def _read(self, k: int, first: int, images: Images, phasors: bool) -> None:
        """Fill (2, rows, x) with phase and coherence of a pair, or with its phasors."""
        reader = self.readers[k]
        read = reader.read_phasors if phasors and isinstance(reader, PhasorReader) else reader.read_into
        read(first, images[0], images[1])

    def _buffer(self, size: int, rows: int, width: int) -> Images:
        """Memory for some rows of some pairs: each worker has its own, and fills it again and again."""
        needed = 2 * size * rows * width
        held: Images | None = getattr(self.memory, "held", None)
        if held is None or held.size < needed:
            held = self.memory.held = np.empty(needed, np.float32)
        return held[:needed].reshape(2, size, rows, width)


def _has_data(phase: Images) -> bool:
    # Most have data at one of some hundred places: the whole is looked at where none has.
    return bool(np.isfinite(phase[::8, ::32]).any() or np.isfinite(phase).any())
