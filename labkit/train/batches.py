"""Batches in the order of a seed, prepared in threads while the network learns from those before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labkit.train.windows import Draw, Item


@dataclass(frozen=True)
class Batch:
    """Images (n, channels, edge, edge) scaled to [−1, 1]; for each the labels (k, 4) and ignored regions (m, 4), px."""

    images: Tensor
    targets: list[Tensor]
    ignored: list[Tensor]
    words: list[str]

    def to(self, device: torch.device) -> Batch:
        """Give the same batch on another device."""
        return Batch(
            self.images.to(device),
            [t.to(device) for t in self.targets],
            [t.to(device) for t in self.ignored],
            self.words,
        )


def collate(items: Sequence[Item]) -> Batch:
    """Put single windows of one size together."""
    return Batch(
        torch.from_numpy(np.stack([item.image for item in items])),
        [torch.from_numpy(item.boxes).float() for item in items],
        [torch.from_numpy(item.ignored).float() for item in items],
        [item.words for item in items],
    )


class Draws:
    """The draws of an epoch: which samples, in which order, and the seed of each window.

    Parameters
    ----------
    weights : numpy.ndarray, shape (samples,)
        The share of each sample; they sum to 1.
    count : int
        Draws in one epoch.
    seed : int
        The same seed gives the same draws in an epoch, whatever was drawn before: a training that is taken up again in
        a later epoch goes on as if it had not stopped.
    """

    def __init__(self, weights: npt.NDArray[np.float64], count: int, seed: int) -> None:
        self._weights, self._count, self._seed = weights, count, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, as Lightning does."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng((self._seed, self.epoch))
        chosen = rng.choice(len(self._weights), self._count, p=self._weights)
        for place, index in enumerate(chosen):
            yield Draw(int(index), (self._seed, self.epoch, place))


class InOrder:
    """Every sample once, as they come."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Draw]:
        for index in range(self._count):
            yield Draw(index, (index,))


class Windows(Protocol):
    """What gives a window for a draw."""

    def __getitem__(self, draw: Draw) -> Item: ...


class Sampler(Protocol):
    """What gives the draws of an epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Draw]: ...


class Batches:
    """The batches of an epoch.

    Parameters
    ----------
    windows : RandomWindows or WholeChips
        Gives a window for a draw.
    sampler : Draws or InOrder
        The draws of an epoch.
    batch_size : int
        Windows in a batch.
    workers : int
        Threads that prepare batches ahead of their use, each one batch and one more; 0 prepares them when they are
        asked for. Batches and their order are the same.
    part : (int, int)
        Which of how many processes this is, each with its share of every batch.
    whole : bool
        Leave out a last batch that is not full.
    """

    def __init__(
        self,
        windows: Windows,
        sampler: Sampler,
        batch_size: int,
        *,
        workers: int = 0,
        part: tuple[int, int] = (0, 1),
        whole: bool = False,
    ) -> None:
        self.windows, self.sampler, self.batch_size, self.workers = windows, sampler, batch_size, workers
        self._part, self._whole = part, whole
        # where Lightning finds a sampler it asks for this, too
        self.batch_sampler = None

    def __len__(self) -> int:
        together = self.batch_size * self._part[1]
        return len(self.sampler) // together if self._whole else -(-len(self.sampler) // together)

    def __iter__(self) -> Iterator[Batch]:
        number, of = self._part
        draws = list(self.sampler)
        together = self.batch_size * of
        groups = [draws[i * together : (i + 1) * together][number::of] for i in range(len(self))]
        if not self.workers:
            yield from map(self._make, groups)
            return
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="batches") as pool:
            try:
                for group in groups:
                    waiting.append(pool.submit(self._make, group))
                    if len(waiting) > self.workers + 1:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, draws: Sequence[Draw]) -> Batch:
        return collate([self.windows[draw] for draw in draws])
