"""Train a detector on labelled chips."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.seed import isolate_rng
from tqdm.auto import tqdm

from labkit import schema
from labkit.train.building import build, network_class
from labkit.train.checkpoint import save_detector
from labkit.train.data import ChipData
from labkit.train.detector import Detector
from labkit.train.module import DetectorModule
from labkit.train.samples import Scenes
from labkit.train.settings import DetectorSettings, FitSettings, require


def fit(
    chips: gpd.GeoDataFrame,
    scenes: Scenes,
    labels: gpd.GeoDataFrame,
    *,
    network: str = "tiny",
    out: str | os.PathLike[str] = "results/detector",
    max_epochs: int = 40,
    max_minutes: float = 2.0,
    seed: int = 0,
    settings: FitSettings | None = None,
) -> Detector:
    """Train a detector on chips with labels, and keep it in a folder.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        With ``split`` "train" and "validation" (:func:`labkit.split_chips`); other chips are never looked at.
    scenes : Dataset, or iterable or dict of Datasets
        The gradients or rates that the chips were cut from, found by their attribute ``scene``.
    labels : geopandas.GeoDataFrame
        The landslides: a release of a label store, pulled from Label Studio, or the truth of a simulated scene. The
        detector's ``made_by`` names the release, its hash, and whether it was taken as a whole.
    network : str
        A name among :func:`labkit.train.networks`; its anchors are fitted to the labels.
    out : path
        Folder of the detector; its name is the detector's name.
    max_epochs : int
        Rounds through the data.
    max_minutes : float
        The training ends by then; ``inf`` for no limit.
    seed : int
        Of everything that is drawn: weights, windows, augmentation. The same seed gives the same detector on the same
        machine, as long as the time limit does not bite.
    settings : FitSettings, optional
        Size of the network, batch size, learning rate and so on.

    Returns
    -------
    Detector
        With its ``history``; already saved in ``out`` (:func:`labkit.load_detector` opens it again).

    Raises
    ------
    LabkitError
        Chips or labels are empty or do not belong to the scenes, or the loss is no longer a number.

    Notes
    -----
    Azimuth and range are samples of their own, as published. Gradients enter at the reference of 40 m and 20 years,
    ±4 rad as ±1, no data as 0. Windows are augmented as the ground could have moved (:mod:`labkit.train.augment`).
    Interrupting (Ctrl-C, or Jupyter's stop button) writes nothing.

    References
    ----------
    Fu et al. (2022), section 4; Redmon and Farhadi (2018); Zheng et al. (2020).
    """
    require(max_epochs >= 1, "max_epochs", "at least 1", max_epochs)
    require(max_minutes > 0, "max_minutes", "positive", max_minutes)
    tuning = settings or FitSettings()
    with isolate_rng(), _quiet():
        pl.seed_everything(seed, verbose=False)
        data = ChipData(chips, scenes, labels, tuning, network_class(network).multiple)
        what = _describe(Path(out).name, network, data, tuning, seed)
        module = DetectorModule(build(what), what, tuning, seconds=60 * max_minutes)
        trainer = pl.Trainer(
            max_epochs=max_epochs,
            accelerator="auto",
            devices=1,
            deterministic="warn" if torch.cuda.is_available() else True,
            gradient_clip_val=10.0,
            callbacks=_callbacks(tuning, max_epochs, bool(data.validation)),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        with _interruptible():
            trainer.fit(module, datamodule=data)
    detector = Detector(module.network.cpu(), module.network.settings, module.history)
    made_by = {"seed": seed, "max_epochs": max_epochs, "max_minutes": _number(max_minutes), **asdict(tuning)}
    made_by |= {"scenes": sorted(set(map(str, chips["scene"]))), "chips": len(chips), "labels": len(labels)}
    made_by |= {"boxes_sha256": schema.boxes_hash(labels), "release": _release(labels)}
    save_detector(detector, out, made_by=made_by)
    return detector


def _release(labels: gpd.GeoDataFrame) -> dict[str, Any] | None:
    """The release that the labels came from, and whether they are still all of it, unchanged; None without one."""
    if not labels.attrs.get("release"):
        return None
    whole = labels.attrs.get("boxes_sha256") == schema.boxes_hash(labels)
    return {"name": labels.attrs["release"], "hash": labels.attrs.get("release_hash", ""), "as_released": whole}


def _describe(name: str, network: str, data: ChipData, tuning: FitSettings, seed: int) -> DetectorSettings:
    sizes = [[box[2] - box[0], box[3] - box[1]] for sample in data.training for box in sample.boxes]
    return DetectorSettings(
        name=name,
        kind=data.reader.kind,
        size=max(sample.size for sample in data.training),
        anchors=network_class(network).fit_anchors(sizes, seed),
        network=network,
        width=tuning.width,
    )


def _callbacks(tuning: FitSettings, max_epochs: int, validates: bool) -> list[Callback]:
    callbacks: list[Callback] = [Progress(max_epochs)]
    if tuning.patience and validates:
        callbacks.append(BestWeights(tuning.patience))
    return callbacks


class Progress(Callback):
    """Closes each epoch's record, and shows one bar for the whole training with the losses beside it."""

    def __init__(self, max_epochs: int) -> None:
        self._max_epochs = max_epochs
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        self._bar = tqdm(total=self._max_epochs, desc="training", unit="epoch")

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
    """Stop when the validation loss no longer falls, and go back to the weights that were best."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best = math.inf
        self._best_epoch = 0
        self._weights: dict[str, torch.Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare this epoch with the best."""
        module = cast(DetectorModule, pl_module)
        loss = module.rows[-1]["val_loss"]
        if loss < self._best:
            self._best, self._best_epoch = loss, trainer.current_epoch
            self._weights = {k: v.detach().clone() for k, v in module.network.state_dict().items()}
        elif trainer.current_epoch - self._best_epoch >= self._patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go back to the best."""
        if self._weights:
            cast(DetectorModule, pl_module).network.load_state_dict(self._weights)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from what a person cannot act on: tips, a word that torch has renamed, and two wishes."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # windows are cut from arrays in memory, which more worker processes would only copy
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # to train without validation chips is allowed
            warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")
            # Lightning asks torch for a name that torch has renamed
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt be an interrupt: Lightning turns it into SystemExit, at which a script would end."""
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
