"""One step of training, for Lightning: loss, optimizer, schedule and what is written down of each epoch."""

from __future__ import annotations

import math
import time
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.train.batches import Batch
from labkit.train.network import Network
from labkit.train.recipes import learning_rate_at, make_optimizer, optimizer_at
from labkit.train.settings import DetectorSettings, FitSettings


class LossError(LabkitError):
    """The loss or a weight is no longer a number."""


class DetectorModule(pl.LightningModule):
    """Trains any network of :mod:`labkit.train.network`.

    Parameters
    ----------
    network : Network
        With fresh weights.
    settings : DetectorSettings
        Its anchors.
    tuning : FitSettings
        Optimizer, schedule, learning rate and weight decay.
    seconds : float
        The training ends after this time, and the learning rate of "one-cycle" has come down by then; ``inf`` for no
        limit.
    """

    def __init__(
        self, network: Network, settings: DetectorSettings, tuning: FitSettings, seconds: float = math.inf
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.tuning = tuning
        self.seconds = seconds
        self.rows: list[dict[str, float]] = []
        self._losses: dict[str, list[Tensor]] = {}
        self._started = time.monotonic()
        self._before = 0.0

    @property
    def history(self) -> pd.DataFrame:
        """One row for each epoch."""
        return pd.DataFrame(self.rows)

    @property
    def elapsed(self) -> float:
        """Seconds of training, those before an interruption too."""
        return time.monotonic() - self._started

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Give the losses of a batch; a loss that is not a number stops the training and names the batch."""
        losses = self.network.losses(batch.images, batch.targets, batch.ignored)
        if not torch.isfinite(losses["total"]):
            raise LossError(
                f"loss must be finite, instead got loss={losses['total'].item()} at epoch {self.current_epoch} on the "
                f"chips {batch.words}. Look at these chips, or lower learning_rate={self.tuning.learning_rate}"
            )
        return losses

    def progress(self) -> float:
        """How far the training has come, 0 to 1: by steps or by time, whichever is further."""
        steps = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        if math.isinf(self.seconds):
            return min(1.0, steps)
        # by the clock of the first process, so that all step alike
        return float(self.trainer.strategy.broadcast(min(1.0, max(steps, self.elapsed / self.seconds))))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimizer of the first epoch."""
        return make_optimizer(self.tuning, self.network, 0)

    def use_optimizer(self, epoch: int) -> None:
        """Let the optimizer of an epoch begin, with nothing remembered, where it is another than the one before."""
        if optimizer_at(self.tuning, epoch) != optimizer_at(self.tuning, max(epoch - 1, 0)):
            self.trainer.strategy.optimizers = [make_optimizer(self.tuning, self.network, epoch)]

    def go_on(self, rows: list[dict[str, float]], elapsed: float, optimizer: dict[str, Any]) -> None:
        """Take up the records, the clock and the optimizer of an interrupted training; its weights are there already.

        Parameters
        ----------
        rows : list of dict
            Of the epochs that have ended.
        elapsed : float
            Seconds that they took.
        optimizer : dict
            What the optimizer of the last of them remembers.
        """
        self.rows, self._before = rows, elapsed
        made = make_optimizer(self.tuning, self.network, len(rows) - 1)
        made.load_state_dict(optimizer)
        self.trainer.strategy.optimizers = [made]

    def on_train_start(self) -> None:
        """Start the clock, and end a training that is taken up after its time."""
        self._started = time.monotonic() - self._before
        self.trainer.should_stop |= self._is_late()

    def on_train_epoch_start(self) -> None:
        """Start the records of an epoch, and its optimizer where a new one begins."""
        self._losses = {}
        self.use_optimizer(self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        rate = learning_rate_at(self.tuning, self.current_epoch, self.progress())
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a training batch."""
        losses = self.losses(batch)
        for name, value in losses.items():
            self._note("train_loss" if name == "total" else f"train_{name}", value)
        return losses["total"]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Stop when the time is up."""
        self.trainer.should_stop |= self._is_late()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of a validation batch."""
        self._note("val_loss", self.losses(batch)["total"])

    def finish_epoch(self) -> dict[str, float]:
        """Write the epoch down and give its row. Lightning has validated by now.

        Raises
        ------
        LossError
            A weight is no longer a number, which the next loss would show.
        """
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            raise LossError(
                f"weights must be finite, instead some are not at the end of epoch {self.current_epoch}. Lower "
                f"learning_rate={self.tuning.learning_rate}"
            )
        parts = sorted(set(self._losses) - {"train_loss", "val_loss"})
        means = {name: self._mean(name) for name in ("train_loss", *parts, "val_loss")}
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": self.current_epoch, **means, "learning_rate": rate, "seconds": self.elapsed})
        return self.rows[-1]

    def _is_late(self) -> bool:
        if math.isinf(self.seconds):
            return False
        return self.trainer.strategy.reduce_boolean_decision(self.elapsed >= self.seconds, all=False)

    def _note(self, name: str, value: Tensor) -> None:
        self._losses.setdefault(name, []).append(value.detach())

    def _mean(self, name: str) -> float:
        """Mean over the batches of this epoch, of all processes."""
        values = [float(value) for value in self._losses.get(name, [])]
        mean = sum(values) / len(values) if values else math.nan
        if self.trainer.world_size == 1:
            return mean
        together = self.trainer.strategy.reduce(torch.tensor(mean, device=self.device), reduce_op="mean")
        return float(together)
