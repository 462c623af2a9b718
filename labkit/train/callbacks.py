"""What happens around the epochs of a training: bar, best weights, the state that is kept, records, the eyes on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from tqdm.auto import tqdm

from labkit import files
from labkit.train.module import DetectorModule
from labkit.train.state import load_state, random_state, save_state, set_random_state

#: Given after each epoch the records of all epochs so far.
Watch = Callable[[pd.DataFrame], Any]


class Progress(Callback):
    """Closes each epoch's record, and shows one bar for the whole training with the losses beside it."""

    def __init__(self, max_epochs: int) -> None:
        self._max_epochs = max_epochs
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        done = trainer.current_epoch
        self._bar = tqdm(
            total=self._max_epochs, initial=done, desc="training", unit="epoch", disable=not trainer.is_global_zero
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """One epoch further."""
        row = cast(DetectorModule, pl_module).finish_epoch()
        losses = {name: f"{row[name]:.3f}" for name in ("train_loss", "val_loss")}
        self._bar.set_postfix(losses, refresh=False)
        self._bar.update()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar, however the training ended."""
        if self._bar is not None:
            self._bar.close()


class BestWeights(Callback):
    """Stop when the validation loss no longer falls, and know the weights that were best."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best = math.inf
        self._best_epoch = 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End a training that is taken up where its patience had ended."""
        trainer.should_stop |= self._is_over(trainer.current_epoch - 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare this epoch with the best."""
        module = cast(DetectorModule, pl_module)
        loss = module.rows[-1]["val_loss"]
        if loss < self._best:
            self._best, self._best_epoch = loss, trainer.current_epoch
            self.weights = {k: v.detach().clone() for k, v in module.network.state_dict().items()}
        trainer.should_stop |= self._is_over(trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        """What is remembered."""
        return {"best": self._best, "best_epoch": self._best_epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember it again."""
        self._best, self._best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.weights = state_dict["weights"]

    def _is_over(self, epoch: int) -> bool:
        return epoch - self._best_epoch >= self._patience


class KeepState(Callback):
    """Keep the state of the training after an epoch, and take up the one that is there.

    What is drawn in an epoch follows from the state of the generators at its start, so that a training that is taken up
    draws what it would have drawn.

    Parameters
    ----------
    folder : Path
        Where the state lies.
    identity : mapping
        What the training is (:func:`labkit.train.state.check_identity`).
    every : int
        Keep it after every so many epochs; 0 never.
    best : BestWeights or None
        Is kept with it.
    resume : bool
        Take up the state that lies there.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], every: int, best: BestWeights | None, *, resume: bool
    ) -> None:
        self._folder, self._identity, self._every, self._best = folder, identity, every, best
        self._resume = resume
        self._random: Mapping[str, Any] | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take up what was kept."""
        if not self._resume:
            return
        module = cast(DetectorModule, pl_module)
        state = load_state(self._folder, self._identity)
        module.network.load_state_dict(state["network"])
        module.go_on(state["rows"], state["elapsed"], state["optimizer"])
        trainer.precision_plugin.load_state_dict(state["precision"])
        if self._best is not None:
            self._best.load_state_dict(state["best"])
        epochs: Any = trainer.fit_loop.epoch_progress
        steps = _optimizer_steps(trainer)
        for progress in (epochs.current, epochs.total):
            progress.ready = progress.started = progress.processed = progress.completed = len(state["rows"])
        steps.ready = steps.completed = state["steps"]
        self._random = state["random"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw in the first epoch what would have been drawn."""
        if self._random is not None:
            set_random_state(self._random)
            self._random = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep it."""
        module = cast(DetectorModule, pl_module)
        if not self._every or len(module.rows) % self._every or not trainer.is_global_zero:
            return
        state = {
            "network": module.network.state_dict(),
            "optimizer": trainer.strategy.optimizer_state(trainer.optimizers[0]),
            "precision": trainer.precision_plugin.state_dict(),
            "best": self._best.state_dict() if self._best is not None else {},
            "rows": module.rows,
            "elapsed": module.elapsed,
            "steps": _optimizer_steps(trainer).completed,
            "random": random_state(),
        }
        save_state(self._folder, state, self._identity)


class Records(Callback):
    """Hand each epoch's record on: to whoever watches, into a CSV, and to TensorBoard.

    Parameters
    ----------
    watch : callable, optional
        Is given the records of all epochs so far.
    table : Path
        A CSV that is renewed with all of them, so that another program can look on.
    tensorboard : Path, optional
        Folder of TensorBoard's event files.
    """

    def __init__(self, watch: Watch | None, table: Path, tensorboard: Path | None) -> None:
        self._watch, self._table, self._tensorboard = watch, table, tensorboard
        self._writer: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the event file; epochs that are trained again take the place of those that were cut."""
        if self._tensorboard is not None and trainer.is_global_zero:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._tensorboard), purge_step=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hand it on."""
        module = cast(DetectorModule, pl_module)
        if not trainer.is_global_zero:
            return
        with files.whole(self._table) as partial:
            module.history.to_csv(partial, index=False)
        if self._writer is not None:
            row = module.rows[-1]
            for name in (name for name in row if name != "epoch" and math.isfinite(row[name])):
                self._writer.add_scalar(name, row[name], int(row["epoch"]))
            self._writer.flush()
        if self._watch is not None:
            self._watch(module.history)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


def _optimizer_steps(trainer: pl.Trainer) -> Any:
    """Lightning's count of all steps of the optimizer."""
    return trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
