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
from labkit.train.data import Batch
from labkit.train.network import Network
from labkit.train.settings import DetectorSettings, FitSettings

#: Share of the training in which the learning rate rises.
WARM_UP = 0.05


class DetectorModule(pl.LightningModule):
    """Trains any network of :mod:`labkit.train.network`.

    Parameters
    ----------
    network : Network
        With fresh weights.
    settings : DetectorSettings
        Its anchors.
    tuning : FitSettings
        Learning rate and weight decay.
    seconds : float
        The training ends after this time, and the learning rate has come down by then; ``inf`` for no limit.
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
        self._sums: dict[str, list[float]] = {}
        self._started = time.monotonic()

    @property
    def history(self) -> pd.DataFrame:
        """One row for each epoch."""
        return pd.DataFrame(self.rows)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Give the losses of a batch; a loss that is not a number stops the training and names the batch."""
        losses = self.network.losses(batch.images, batch.targets, batch.ignored)
        if not torch.isfinite(losses["total"]):
            raise LabkitError(
                f"loss must be finite, instead got loss={losses['total'].item()} at epoch {self.current_epoch} on the "
                f"chips {batch.words}. Look at these chips, or lower learning_rate={self.tuning.learning_rate}"
            )
        return losses

    def progress(self) -> float:
        """How far the training has come, 0 to 1: by steps or by time, whichever is further."""
        steps = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        return min(1.0, max(steps, (time.monotonic() - self._started) / self.seconds))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; norms and biases do not decay."""
        decay = [p for p in self.network.parameters() if p.ndim > 1]
        free = [p for p in self.network.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decay, "weight_decay": self.tuning.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.tuning.learning_rate)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_epoch_start(self) -> None:
        """Start the sums of an epoch."""
        self._sums = {}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate: up to its peak, then down along half a cosine."""
        done = self.progress()
        share = done / WARM_UP if done < WARM_UP else (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.tuning.learning_rate * max(share, 0.01)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a training batch."""
        losses = self.losses(batch)
        for name, value in losses.items():
            self._note("train_loss" if name == "total" else f"train_{name}", value)
        return losses["total"]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Stop when the time is up."""
        if time.monotonic() - self._started >= self.seconds:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of a validation batch."""
        self._note("val_loss", self.losses(batch)["total"])

    def finish_epoch(self) -> dict[str, float]:
        """Write the epoch down and give its row. Lightning has validated by now."""
        parts = sorted(set(self._sums) - {"train_loss", "val_loss"})
        means = {name: _mean(self._sums.get(name, [])) for name in ("train_loss", *parts, "val_loss")}
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        seconds = time.monotonic() - self._started
        self.rows.append({"epoch": self.current_epoch, **means, "learning_rate": rate, "seconds": seconds})
        return self.rows[-1]

    def _note(self, name: str, value: Tensor) -> None:
        self._sums.setdefault(name, []).append(float(value.detach()))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
