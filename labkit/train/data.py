"""Batches for training and validation: a Lightning data module over the samples of chips, scenes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from labkit.errors import LabkitError
from labkit.train.augment import Boxes, Image, random_augmentation
from labkit.train.samples import Reader, Sample, Scenes, clip_boxes, make_samples, scale
from labkit.train.settings import FitSettings


@dataclass(frozen=True)
class Batch:
    """Images (n, 1, edge, edge) scaled to [−1, 1]; for each the labels (k, 4) and the ignored regions (m, 4), px."""

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


Item = tuple[Image, Boxes, Boxes, str]


def collate(items: Sequence[Item]) -> Batch:
    """Put single windows of one size together."""
    images, boxes, ignored, words = zip(*items, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images))[:, None],
        [torch.from_numpy(b).float() for b in boxes],
        [torch.from_numpy(b).float() for b in ignored],
        list(words),
    )


class WholeChips(Dataset[Item]):
    """Every sample as it is, padded with no data to what the network takes: for validation."""

    def __init__(self, samples: Sequence[Sample], reader: Reader, multiple: int = 16) -> None:
        self.samples, self.reader, self.multiple = list(samples), reader, multiple

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        sample = self.samples[index]
        image = pad_to_multiple(self.reader.read(sample), self.multiple)
        return scale(image, self.reader.kind), sample.boxes, sample.ignored, sample.words


class RandomWindows(Dataset[Item]):
    """Windows cut out of the samples at random, around a label where there is one, and augmented: for training."""

    def __init__(self, samples: Sequence[Sample], reader: Reader, settings: FitSettings, multiple: int = 16) -> None:
        self.samples, self.reader, self.settings, self.multiple = list(samples), reader, settings, multiple

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        sample = self.samples[index]
        # torch's generator is the one that Lightning seeds, also in every worker of a loader
        rng = np.random.default_rng(int(torch.randint(2**31, ()).item()))
        edge = -(-min(self.settings.crop, sample.size) // self.multiple) * self.multiple
        row, col = random_corner(sample, edge, rng)
        image = pad_to_multiple(self.reader.read(sample), self.multiple)[row : row + edge, col : col + edge]
        shift = np.array([col, row, col, row], float)
        boxes = np.concatenate([sample.boxes, sample.ignored]) - shift
        image, boxes = random_augmentation(image, boxes, sample.direction, rng, sample.lag)
        taught, cut = clip_boxes(boxes[: len(sample.boxes)], edge, self.settings.min_inside)
        ignored, _ = clip_boxes(boxes[len(sample.boxes) :], edge, 0.0)
        return scale(image, self.reader.kind), taught, np.concatenate([cut, ignored]), sample.words


def random_corner(sample: Sample, edge: int, rng: np.random.Generator) -> tuple[int, int]:
    """Choose the upper left corner (row, col) of a window: anywhere, or so that it holds the centre of some label."""
    room = max(sample.size - edge, 0)
    if not len(sample.boxes):
        return int(rng.integers(room + 1)), int(rng.integers(room + 1))
    xmin, ymin, xmax, ymax = sample.boxes[rng.integers(len(sample.boxes))]
    corner = []
    for centre in ((ymin + ymax) / 2, (xmin + xmax) / 2):
        low, high = max(0, int(np.ceil(centre - edge))), min(room, int(centre))
        corner.append(int(rng.integers(low, max(low, high) + 1)))
    return min(corner[0], room), min(corner[1], room)


def pad_to_multiple(image: Image, multiple: int = 16) -> Image:
    """Pad below and to the right with NaN, up to multiples of so many px."""
    rows, cols = (-edge % multiple for edge in image.shape)
    return np.pad(image, ((0, rows), (0, cols)), constant_values=np.nan) if rows or cols else image


class ChipData(pl.LightningDataModule):
    """Training and validation batches from chips, scenes and labels.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        With ``split`` "train" and "validation" (other chips are left out; so are chips without valid pixels).
    scenes : Dataset, or iterable or dict of Datasets
        All gradients or all rates.
    labels : geopandas.GeoDataFrame
        The landslides.
    settings : FitSettings
        Crop, batch size, draws, share of background.
    multiple : int
        Edges of what the network sees are multiples of this many px (:class:`labkit.train.network.Network`).

    Raises
    ------
    LabkitError
        No chip is for training, or no label lies on those that are.
    """

    def __init__(
        self,
        chips: gpd.GeoDataFrame,
        scenes: Scenes,
        labels: gpd.GeoDataFrame,
        settings: FitSettings,
        multiple: int = 16,
    ) -> None:
        super().__init__()
        self.multiple = multiple
        self.settings = settings
        self.reader = Reader(scenes)
        samples = make_samples(chips, scenes, labels, settings.min_inside)
        split = dict(zip(chips["chip_id"].astype(str), chips["split"], strict=True))
        valid = dict(zip(chips["chip_id"].astype(str), chips["valid_fraction"] > 0, strict=True))
        self.training = [s for s in samples if split[s.chip_id] == "train" and valid[s.chip_id]]
        self.validation = [s for s in samples if split[s.chip_id] == "validation" and valid[s.chip_id]]
        if not self.training:
            raise LabkitError(
                "chips must hold at least one with split='train' and valid pixels, instead got "
                f"split={sorted(set(map(str, chips['split'])))}. Split them with lk.split_chips(chips)"
            )
        if not any(len(s.boxes) for s in self.training):
            raise LabkitError(
                f"labels must hold at least one landslide on the training chips, instead got {len(labels)} labels of "
                f"which 0 lie there. Check that labels['scene'] and chips['scene'] name the same scenes"
            )

    def train_dataloader(self) -> DataLoader[Item]:
        """Give windows in a random order in which every label is as likely as any other."""
        labels = np.array([len(s.boxes) for s in self.training], float)
        weights = labels / labels.sum()
        empty = labels == 0
        if empty.any():
            share = self.settings.background
            weights = (1 - share) * weights + share * empty / empty.sum()
        count = max(self.settings.draws * len(self.training), self.settings.batch_size)
        return DataLoader(
            RandomWindows(self.training, self.reader, self.settings, self.multiple),
            batch_size=self.settings.batch_size,
            sampler=WeightedRandomSampler(weights.tolist(), count),
            collate_fn=collate,
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Item] | list[DataLoader[Item]]:
        """Give the whole validation chips; nothing where there is none."""
        if not self.validation:
            return []
        return DataLoader(WholeChips(self.validation, self.reader, self.multiple), batch_size=4, collate_fn=collate)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, for Lightning."""
        return batch.to(device)
