"""Batches for training and validation: a Lightning data module straight from scenes, chips and labels."""

from __future__ import annotations

import geopandas as gpd
import pytorch_lightning as pl
import torch

from labkit import schema
from labkit.errors import LabkitError
from labkit.train.batches import Batch, Batches, Draws, InOrder
from labkit.train.keeping import DISK_BYTES, MEMORY_BYTES
from labkit.train.samples import Labels, Reader, Scenes, labels_table, make_samples
from labkit.train.settings import FitSettings
from labkit.train.sides import annotated_only, check_sides
from labkit.train.windows import Noise, RandomWindows, WholeChips

#: Whole chips in a batch of validation.
VALIDATION_BATCH = 4


class ChipData(pl.LightningDataModule):
    """Training and validation batches from chips, scenes and labels.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        With ``split`` "train" and "validation" (other chips are left out; so are chips without valid pixels).
    scenes : Dataset, or iterable or dict of Datasets
        All gradients or all rates; they may be lazy, since only windows of the chips are read.
    labels : geopandas.GeoDataFrame or LabelStore
        The landslides: a table, a release (:func:`labkit.label.load_release`), or a label store itself, whose labels
        are taken as they stand. Where several people labelled a chip, merge their boxes first
        (:func:`labkit.label.drop_duplicates`, :func:`labkit.label.consensus`).
    settings : FitSettings
        Crop, batch size, draws, channels, augmentation.
    multiple : int
        Edges of what the network sees are multiples of this many px (:class:`labkit.train.network.Network`).
    seed : int
        Of windows and augmentation. The same seed gives the same batches in each epoch, whatever the number of workers.
    noise : Dataset, or iterable or dict of Datasets, optional
        Scenes without deformation, of the same kind, for ``settings.noise``.
    memory_bytes, disk_bytes : int
        Chips that were read stay in memory up to this size in all, and further ones of lazy scenes in a temporary file
        in labkit's folder up to this size, and half of the free disk at most; of the rest each window is read anew, and
        a warning says so. Each layer of a chip takes 4 bytes per pixel.

    Raises
    ------
    LabkitError
        No chip is for training, no label lies on those that are, chips of different splits overlap, none of the chips
        was annotated, or noise is asked for without scenes of it.

    Notes
    -----
    Zhang et al. (2025) turn every sample by 90°, 180° and 270° *before* the samples are split; a chip and its turned
    copy may then lie on both sides. Here chips are split first, and only training windows are turned, anew each time.

    Examples
    --------
    With a Trainer of one's own: ``pl.Trainer(max_epochs=3).fit(module, datamodule=data)``.

    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.split_chips(lk.make_chips(rates, size=64, overlap=0), (2, 1, 0))
    >>> data = lk.train.ChipData(chips, rates, scene.rate_truth, lk.train.FitSettings(crop=64, batch_size=4, workers=0))
    >>> len(data.training), len(data.validation)
    (6, 3)
    >>> batch = next(iter(data.train_dataloader()))
    >>> tuple(batch.images.shape)
    (4, 1, 64, 64)
    """

    def __init__(
        self,
        chips: gpd.GeoDataFrame,
        scenes: Scenes,
        labels: Labels,
        settings: FitSettings,
        multiple: int = 16,
        *,
        seed: int = 0,
        noise: Scenes | None = None,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        super().__init__()
        self.settings, self.multiple, self.seed = settings, multiple, seed
        self.reader = Reader(scenes, memory_bytes, disk_bytes)
        labels = labels_table(labels)
        chips = schema.check_chips(chips)
        check_sides(chips)
        if settings.only_annotated:
            chips = annotated_only(chips, labels)
        used = chips[chips["split"].isin(["train", "validation"]) & (chips["valid_fraction"] > 0)]
        if not (used["split"] == "train").any():
            raise LabkitError(
                "chips must hold at least one with split='train' and valid pixels, instead got "
                f"split={sorted(set(map(str, chips['split'])))}. Split them with lk.split_chips(chips)"
            )
        samples = make_samples(
            used,
            self.reader.scenes,
            labels,
            settings.min_inside,
            directions=settings.directions,
            standard_error=settings.standard_error,
        )
        side = dict(zip(used["chip_id"].astype(str), used["split"], strict=True))
        self.training = [s for s in samples if side[s.chip_id] == "train"]
        self.validation = [s for s in samples if side[s.chip_id] == "validation"]
        if not any(len(s.boxes) for s in self.training):
            raise LabkitError(
                f"labels must hold at least one landslide on the training chips, instead got {len(labels)} labels of "
                f"which 0 lie there. Check that labels['scene'] and chips['scene'] name the same scenes"
            )
        self._windows = RandomWindows(self.training, self.reader, settings, multiple, self._noise(noise))

    def _noise(self, scenes: Scenes | None) -> Noise | None:
        if not self.settings.noise:
            return None
        if scenes is None:
            raise LabkitError(
                f"noise must be scenes without deformation, instead got noise=None with settings.noise="
                f"{self.settings.noise}. Stack some, such as simulated ones without landslides, or take noise=0"
            )
        noise = Noise(scenes, max(sample.size for sample in self.training))
        if noise.reader.kind != self.reader.kind:
            raise LabkitError(f"noise must be {self.reader.kind} as scenes are, instead got {noise.reader.kind}")
        return noise

    def train_dataloader(self) -> Batches:
        """Give windows in a random order in which every label is as likely as any other."""
        # of several processes each takes its share of every batch
        part = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        count = max(self.settings.draws * len(self.training), self.settings.batch_size * part[1])
        return Batches(
            self._windows,
            Draws(self._windows.weights, count, self.seed),
            self.settings.batch_size,
            workers=self.settings.workers,
            part=part,
            whole=True,
        )

    def val_dataloader(self) -> Batches | list[Batches]:
        """Give the whole validation chips; nothing where there is none."""
        if not self.validation:
            return []
        whole = WholeChips(self.validation, self.reader, self.settings, self.multiple)
        return Batches(whole, InOrder(len(whole)), VALIDATION_BATCH, workers=self.settings.workers)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, for Lightning."""
        return batch.to(device)
