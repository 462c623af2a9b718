"""Train a detector on labelled chips."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.seed import isolate_rng

from labkit import schema
from labkit.train.building import build, network_class
from labkit.train.callbacks import BestWeights, KeepState, Progress, Records, Watch
from labkit.train.checkpoint import DESCRIPTION, HISTORY, load_detector, save_detector
from labkit.train.data import ChipData
from labkit.train.detector import Detector
from labkit.train.hashes import data_hashes
from labkit.train.module import DetectorModule, LossError
from labkit.train.samples import Labels, Scenes, labels_table
from labkit.train.settings import DetectorSettings, FitSettings, RunSettings, require
from labkit.train.state import check_identity, has_state, load_state

#: Fields of a detector that follow from the data and from FitSettings.
OF_DATA = ("name", "kind", "size", "network", "directions", "validity", "standard_error", "rate_limit", "spread")

#: Folder, within that of the detector, of what is kept while it trains.
RUNNING = "training"

#: Folder, within that of the detector, of TensorBoard's event files.
EVENTS = "tensorboard"

#: Folder, within that of the detector, of the weights before the loss was no longer a number.
LAST_GOOD = "last-good"


def fit(
    chips: gpd.GeoDataFrame,
    scenes: Scenes,
    labels: Labels,
    *,
    noise: Scenes | None = None,
    network: str = "tiny",
    out: str | os.PathLike[str] = "results/detector",
    max_epochs: int | None = None,
    max_minutes: float = math.inf,
    seed: int = 0,
    settings: FitSettings | None = None,
    run: RunSettings | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    **of_network: Any,
) -> Detector:
    """Train a detector on chips with labels, and keep it in a folder.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        With ``split`` "train" and "validation" (:func:`labkit.split_chips`); other chips are never looked at.
    scenes : Dataset, or iterable or dict of Datasets
        The gradients or rates that the chips were cut from, found by their attribute ``scene``.
    labels : geopandas.GeoDataFrame or LabelStore
        The landslides: a release of a label store, the store itself, pulled from Label Studio, or the truth of a
        simulated scene. The detector's ``made_by`` names the release, its hash, and whether it was taken as a whole.
    noise : Dataset, or iterable or dict of Datasets, optional
        Scenes without deformation, for ``settings.noise``.
    network : str
        A name among :func:`labkit.train.networks`; its anchors are fitted to the labels.
    out : path
        Folder of the detector; its name is the detector's name.
    max_epochs : int, optional
        Rounds through the data, in the place of ``settings.epochs``.
    max_minutes : float
        A ceiling: the training ends by then, even if it has not seen all its epochs; ``inf`` for none.
    seed : int
        Of everything that is drawn: weights, windows, augmentation. The same seed gives the same detector on the same
        machine, as long as the ceiling of time does not bite.
    settings : FitSettings, optional
        Size of the network, batches, optimizer, schedule and so on; the papers' are made by
        :func:`labkit.train.recipe`.
    run : RunSettings, optional
        On which devices, in which precision, and what is kept meanwhile.
    resume : bool
        Go on where a training in this folder was stopped, to the same weights as if it had not been; begin where
        there is none; and give the detector where it had ended.
    watch : callable, optional
        Is given the records of all epochs so far after each one: ``lk.view.losses()`` draws them.
    **of_network
        Further fields of :class:`~labkit.train.settings.DetectorSettings`.

    Returns
    -------
    Detector
        With its ``history``; already saved in ``out`` (:func:`labkit.load_detector` opens it again).

    Raises
    ------
    LabkitError
        Chips or labels are empty or do not belong to the scenes; the loss is no longer a number (the weights of the
        last whole epoch are then kept, and the message says where); or a training is to be resumed with other data or
        settings.
    FileError
        The state of the training that is to be resumed is cut or changed.

    Notes
    -----
    Azimuth and range are samples of their own, as published, or see each other (``settings.directions``). Gradients
    enter at the reference of 40 m and 20 years, ±4 rad as ±1, rates ±50 mm/yr, no data as 0; over their standard errors
    too with ``settings.standard_error``. Windows are augmented as
    the ground could have moved (:mod:`labkit.train.augment`).
    After an interruption (Ctrl-C, Jupyter's stop button, a machine that went down) the state after the last whole
    epoch is in ``training/`` within ``out``; it goes when the detector is there.

    References
    ----------
    Fu et al. (2022), section 4; Redmon and Farhadi (2018); Zheng et al. (2020).

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.split_chips(lk.make_chips(rates, size=64, overlap=0), (2, 1, 0))
    >>> settings = lk.train.FitSettings(width="nano", crop=64, batch_size=4, epochs=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     detector = lk.train.fit(chips, rates, scene.rate_truth, out=f"{folder}/first", settings=settings)
    ...     lk.load_detector(f"{folder}/first")
    <Detector 'first': rates, 64 px, tiny, 120,486 weights>
    >>> detector.history["epoch"].tolist(), bool(detector.history["val_loss"].notna().all())
    ([0, 1], True)
    """
    tuning = settings or FitSettings()
    labels = labels_table(labels)
    if max_epochs is not None:
        require(max_epochs >= 1, "max_epochs", "at least 1", max_epochs)
        tuning = replace(tuning, epochs=max_epochs)
    require(max_minutes > 0, "max_minutes", "positive", max_minutes)
    run = run or RunSettings()
    folder = Path(out)
    with isolate_rng(), _quiet():
        pl.seed_everything(seed, verbose=False)
        data = ChipData(chips, scenes, labels, tuning, network_class(network).multiple, seed=seed, noise=noise)
        what = _describe(folder.name, network, data, tuning, seed, of_network)
        identity = {"seed": seed, "settings": asdict(tuning), "detector": asdict(what)}
        identity["data"] = data_hashes(chips, scenes, labels, noise, standard_error=tuning.standard_error)
        taken_up = resume and has_state(folder / RUNNING)
        if resume and not taken_up and (folder / DESCRIPTION).is_file():
            return _finished(folder, identity)
        if not taken_up:
            _begin_anew(folder)
        module = DetectorModule(build(what), what, tuning, seconds=60 * max_minutes)
        best = BestWeights(tuning.patience) if tuning.patience and data.validation else None
        keeping = KeepState(folder / RUNNING, identity, run.keep_every, best, resume=taken_up)
        records = Records(watch, folder / RUNNING / HISTORY, folder / EVENTS if run.tensorboard else None)
        callbacks: list[Callback] = [Progress(tuning.epochs), *([best] if best else []), keeping, records]
        trainer = _trainer(tuning, run, callbacks)
        with _interruptible(folder), _keeping_the_last_good(folder, module):
            trainer.fit(module, datamodule=data)
    if best is not None and best.weights:
        module.network.load_state_dict(best.weights)
    detector = Detector(module.network.cpu(), module.network.settings, module.history)
    if trainer.is_global_zero:
        save_detector(detector, folder, made_by=_made_by(chips, labels, identity, run, max_minutes))
        shutil.rmtree(folder / RUNNING, ignore_errors=True)
    return detector


def _begin_anew(folder: Path) -> None:
    """Remove what an earlier training has left on its way; a detector stays until the new one takes its place."""
    for left in (RUNNING, EVENTS, LAST_GOOD):
        shutil.rmtree(folder / left, ignore_errors=True)


def _trainer(tuning: FitSettings, run: RunSettings, callbacks: list[Callback]) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=tuning.epochs,
        accelerator=run.accelerator,
        devices=run.devices,
        precision=cast(Any, run.precision),
        strategy=run.strategy,
        deterministic="warn" if torch.cuda.is_available() else True,
        gradient_clip_val=tuning.clip,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _made_by(
    chips: gpd.GeoDataFrame, labels: gpd.GeoDataFrame, identity: dict[str, Any], run: RunSettings, max_minutes: float
) -> dict[str, Any]:
    """What is kept for the record, and compared when the training is to be resumed."""
    tuning = identity["settings"]
    made_by = {"seed": identity["seed"], "max_epochs": tuning["epochs"], "max_minutes": _number(max_minutes), **tuning}
    made_by |= {"scenes": sorted(set(map(str, chips["scene"]))), "chips": len(chips), "labels": len(labels)}
    made_by |= {"boxes_sha256": identity["data"]["labels"], "release": _release(labels)}
    return made_by | {"run": asdict(run), "pytorch_lightning": pl.__version__, "identity": identity}


def _finished(folder: Path, identity: dict[str, Any]) -> Detector:
    """The detector that an earlier training has made, if it was this one."""
    before = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["made_by"].get("identity", {})
    check_identity(before, identity, folder)
    return load_detector(folder.resolve())


def _release(labels: gpd.GeoDataFrame) -> dict[str, Any] | None:
    """The release that the labels came from, and whether they are still all of it, unchanged; None without one."""
    if not labels.attrs.get("release"):
        return None
    whole = labels.attrs.get("boxes_sha256") == schema.boxes_hash(labels)
    return {"name": labels.attrs["release"], "hash": labels.attrs.get("release_hash", ""), "as_released": whole}


def _describe(
    name: str, network: str, data: ChipData, tuning: FitSettings, seed: int, of_network: dict[str, Any]
) -> DetectorSettings:
    sizes = [[box[2] - box[0], box[3] - box[1]] for sample in data.training for box in sample.boxes]
    made = network_class(network)
    width = {"full": made.full_width, "nano": made.nano_width}.get(str(tuning.width), tuning.width)
    fields: dict[str, Any] = {"anchors": made.fit_anchors(sizes, seed), "width": width} | of_network
    known = DetectorSettings.__dataclass_fields__
    for field in of_network:
        rule = "an argument of fit or a field of DetectorSettings that FitSettings lacks"
        require(field in known and field not in OF_DATA, "argument", rule, field)
    return DetectorSettings(
        name=name,
        kind=data.reader.kind,
        size=max(sample.size for sample in data.training),
        network=network,
        directions=tuning.directions,
        validity=tuning.validity,
        standard_error=tuning.standard_error,
        rate_limit=tuning.rate_limit,
        spread=tuning.spread,
        **fields,
    )


@contextmanager
def _keeping_the_last_good(folder: Path, module: DetectorModule) -> Iterator[None]:
    """Where the loss is no longer a number, save the weights of the last whole epoch as a detector of its own."""
    try:
        yield
    except LossError as error:
        if not has_state(folder / RUNNING):
            raise
        state = load_state(folder / RUNNING)
        module.network.load_state_dict(state["network"])
        last = len(state["rows"]) - 1
        module.rows = state["rows"]
        good = Detector(module.network.cpu(), module.network.settings, module.history)
        save_detector(good, folder / LAST_GOOD, made_by={"stopped_by": str(error), "epochs": last + 1})
        raise LossError(f"{error}. The weights after epoch {last} are kept: {folder / LAST_GOOD}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from what a person cannot act on: tips, a word that torch has renamed, and two wishes."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # to train without validation chips is allowed
            warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")
            # Lightning asks torch for a name that torch has renamed
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Let an interrupt be an interrupt: Lightning turns it into SystemExit, at which a script would end."""
    try:
        yield
    except SystemExit as stop:
        kept = has_state(folder / RUNNING)
        raise KeyboardInterrupt(f"stopped; with resume=True the training in {folder} goes on" if kept else "") from stop


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
