"""Work beside the kernel's own, so that the page answers meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from labkit.errors import LabkitError
from labkit.view import notebook

Result = TypeVar("Result")


class Background:
    """One piece of work at a time; what is begun later takes the place of what was begun before.

    Where there is a page, the work is done on a thread of its own and its result is taken on the kernel's main thread.
    Without a page it is done at once.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._number = 0
        self._waiting: Future[Any] | None = None

    def begin(
        self, work: Callable[[], Result], then: Callable[[Result], None], failed: Callable[[LabkitError], None]
    ) -> None:
        """Do this, and hand its result, or what it refused, on; unless something else was begun meanwhile."""
        self.drop()
        number = self._number

        def take(result: Callable[[], Result]) -> None:
            if number != self._number:
                return
            try:
                done = result()
            except LabkitError as error:
                failed(error)
            else:
                then(done)

        if not notebook.in_kernel():
            take(work)
            return
        loop = notebook.kernel_loop()

        def ended(future: Future[Result]) -> None:
            if not future.cancelled():
                loop.add_callback(take, future.result)

        self._waiting = future = self._pool.submit(work)
        future.add_done_callback(ended)

    def drop(self) -> None:
        """Take no result any more of what was begun."""
        self._number += 1
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
