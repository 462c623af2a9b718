"""Share the rows of an image among threads, so that compiled loops use every core and no result depends on how many."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

_MIN_ROWS_PER_STRIP = 64


class RowThreads:
    """Threads that run a compiled function over strips of rows; a context that ends with its threads.

    Parameters
    ----------
    threads : int, optional
        All cores by default.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._workers = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)

    def __enter__(self) -> RowThreads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def over_rows(self, rows: int, kernel: Callable[..., None], *arguments: object) -> None:
        """Run ``kernel(first, last, *arguments)`` over strips of ``rows`` rows; it must let go of the interpreter."""
        strips = max(1, min(self._workers, rows // _MIN_ROWS_PER_STRIP))
        edges = [rows * i // strips for i in range(strips + 1)]
        if strips == 1:
            kernel(0, rows, *arguments)
            return
        for future in [self._pool.submit(kernel, edges[i], edges[i + 1], *arguments) for i in range(strips)]:
            future.result()
