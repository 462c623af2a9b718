"""What a network is shown: windows cut out of the samples at random and varied to learn from, whole chips to be judged.

Each window is drawn with a generator of its own, so that it depends on nothing but its draw: neither on the windows
before it nor on who cuts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labkit import geo
from labkit.errors import LabkitError
from labkit.train.augment import Boxes, Image, Patch, add_noise, change, draw_change
from labkit.train.calming import calm
from labkit.train.channels import to_channels
from labkit.train.mosaic import corners, put_together, zoom
from labkit.train.samples import Reader, Sample, Scenes, clip_boxes
from labkit.train.settings import LIMITS, FitSettings, layer_limits


class Draw(NamedTuple):
    """Which sample is shown, and the seed of all else that is drawn for the window."""

    sample: int
    seed: tuple[int, ...]


class Item(NamedTuple):
    """An image (channels, edge, edge) as the network sees it, the labels and the ignored regions, px, and a name."""

    image: Image
    boxes: Boxes
    ignored: Boxes
    words: str


class Noise:
    """Windows of scenes without deformation.

    Parameters
    ----------
    scenes : Dataset, or iterable or dict of Datasets
        Of ground that does not move: simulated without landslides, or real and known to be quiet.
    size : int
        The windows are cut from tiles of this edge, px, which stay in memory.
    """

    def __init__(self, scenes: Scenes, size: int) -> None:
        self.reader = Reader(scenes)
        self._size = size
        self._tiles = [
            (name, row, col)
            for name, data in self.reader.scenes.items()
            for row, col in geo.windows((data.sizes["y"], data.sizes["x"]), size)
        ]

    def draw(self, sample: Sample, size: tuple[int, int], rng: np.random.Generator) -> Patch:
        """Give a window (height, width) with the directions of the sample, from anywhere."""
        scene, row, col = self._tiles[rng.integers(len(self._tiles))]
        tile = replace(sample, scene=scene, row=row, col=col, size=self._size)
        top, left = (int(rng.integers(max(self._size - edge, 0) + 1)) for edge in size)
        image = self.reader.read(tile, top, left, size)
        return Patch(image, np.zeros((0, 4)), sample.directions, sample.lag)


class RandomWindows:
    """Windows cut out of the samples at random, around a label where there is one, and augmented: for training.

    Parameters
    ----------
    samples : sequence of Sample
        Those to learn from.
    reader : Reader
        Reads their images.
    settings : FitSettings
        Crop, mosaic, noise, channels and so on.
    multiple : int
        Edges are multiples of this many px.
    noise : Noise, optional
        Where the settings ask for it.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        reader: Reader,
        settings: FitSettings,
        multiple: int = 16,
        noise: Noise | None = None,
    ) -> None:
        self.samples, self.reader, self.settings, self.noise = list(samples), reader, settings, noise
        largest = max(sample.size for sample in self.samples)
        self.edge = -(-min(settings.crop, largest) // multiple) * multiple
        self.weights = sample_weights(self.samples, settings.background)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw) -> Item:
        rng = np.random.default_rng(draw.seed)
        sample = self.samples[draw.sample]
        if rng.random() < self.settings.mosaic:
            image, boxes, ignored, words = self._mosaic(sample, rng)
        else:
            patch = self._cut(sample, (self.edge, self.edge), rng)
            boxes, ignored = self._inside(patch, len(sample.boxes), (0, 0), (self.edge, self.edge))
            image, words = patch.image, sample.words
        return Item(as_seen(image, self.reader.kind, self.settings), boxes, ignored, words)

    def _cut(self, sample: Sample, size: tuple[int, int], rng: np.random.Generator) -> Patch:
        """Give a varied window (height, width); its boxes are the labels, then the ignored regions."""
        what = draw_change(rng)
        size = size[::-1] if what.transpose else size
        row, col = random_corner(sample.boxes, (sample.size, sample.size), size, rng)
        boxes = np.concatenate([sample.boxes, sample.ignored]) - np.array([col, row, col, row], float)
        patch = Patch(self.reader.read(sample, row, col, size), boxes, sample.directions, sample.lag)
        if self.noise is not None and rng.random() < self.settings.noise:
            factor = float(rng.uniform(0, self.settings.noise_scale))
            patch = add_noise(patch, self.noise.draw(sample, size, rng), factor)
        return change(patch, what)

    def _mosaic(self, sample: Sample, rng: np.random.Generator) -> Item:
        """Put four windows together: one of the sample, three of others, drawn as the sample was."""
        others = rng.choice(len(self.samples), 3, p=self.weights)
        four = [sample, *(self.samples[i] for i in others)]
        margin = self.edge // 4
        centre = (int(rng.integers(margin, self.edge - margin + 1)), int(rng.integers(margin, self.edge - margin + 1)))
        images, kept, left = [], [], []
        for one, (row, col, height, width) in zip(four, corners(centre, self.edge), strict=True):
            factor = float(np.exp(rng.uniform(-1, 1) * np.log(self.settings.mosaic_zoom)))
            # the edge that a mirror leaves without data falls away
            whole = math.ceil(height / factor) + one.lag, math.ceil(width / factor) + one.lag
            patch = zoom(self._cut(one, whole, rng), factor)
            boxes, ignored = self._inside(patch, len(one.boxes), (0, 0), (height, width))
            shift = np.array([col, row, col, row], float)
            images.append(patch.image[:, :height, :width])
            kept.append(boxes + shift)
            left.append(ignored + shift)
        image = put_together(images, centre, self.edge)
        return Item(image, np.concatenate(kept), np.concatenate(left), " + ".join(one.words for one in four))

    def _inside(self, patch: Patch, taught: int, corner: tuple[int, int], size: tuple[int, int]) -> tuple[Boxes, Boxes]:
        """Give the labels of which enough lies in a part of the patch, and what is neither label nor background."""
        boxes = patch.boxes - np.array([corner[1], corner[0], corner[1], corner[0]], float)
        kept, cut = clip_boxes(boxes[:taught], size, self.settings.min_inside, self.settings.min_edge)
        ignored, _ = clip_boxes(boxes[taught:], size, 0.0)
        return kept, np.concatenate([cut, ignored])


class WholeChips:
    """Every sample as it is, padded with no data to what the network takes: for validation."""

    def __init__(self, samples: Sequence[Sample], reader: Reader, settings: FitSettings, multiple: int = 16) -> None:
        self.samples, self.reader, self.settings = list(samples), reader, settings
        self.edge = -(-max(sample.size for sample in self.samples) // multiple) * multiple

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw) -> Item:
        sample = self.samples[draw.sample]
        image = self.reader.read(sample, size=self.edge)
        return Item(as_seen(image, self.reader.kind, self.settings), sample.boxes, sample.ignored, sample.words)


def as_seen(image: Image, kind: str, settings: FitSettings) -> Image:
    """Give the channels of an image (layers, height, width) of a reader as the detector will see them."""
    limit = settings.rate_limit if kind == "rates" else LIMITS[kind]
    if settings.spread is not None:
        seen = [calm(layer, settings.spread) for layer in image[: settings.directions]]
        image = np.stack([*seen, *image[settings.directions :]])
    limits = layer_limits(limit, settings.directions, settings.standard_error)
    return to_channels(image, limits, validity=settings.validity)


def sample_weights(samples: Sequence[Sample], background: float) -> npt.NDArray[np.float64]:
    """Give each sample its share of the draws: every label as likely as any other, and so much without a label.

    Raises
    ------
    LabkitError
        No sample has a label.
    """
    labels = np.array([len(sample.boxes) for sample in samples], float)
    if not labels.any():
        raise LabkitError("samples must hold at least one label, instead got none")
    weights = labels / labels.sum()
    empty = labels == 0
    if empty.any():
        weights = (1 - background) * weights + background * empty / empty.sum()
    return np.asarray(weights / weights.sum(), np.float64)


def random_corner(
    boxes: Boxes, whole: tuple[int, ...], size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    """Choose the upper left corner (row, col) of a window: anywhere, or so that it holds the centre of some box.

    Parameters
    ----------
    boxes : numpy.ndarray, shape (k, 4)
        xmin, ymin, xmax, ymax in px of the whole; k may be 0.
    whole, size : (int, int)
        Height and width of the whole and of the window. A window that is larger begins at 0.
    rng : numpy.random.Generator
        Draws.
    """
    centre: list[float] | None = None
    if len(boxes):
        xmin, ymin, xmax, ymax = boxes[rng.integers(len(boxes))]
        centre = [(ymin + ymax) / 2, (xmin + xmax) / 2]
    corner = []
    for axis in (0, 1):
        room = max(whole[axis] - size[axis], 0)
        low, high = 0, room
        if centre is not None:
            low = min(max(0, int(np.ceil(centre[axis] - size[axis]))), room)
            high = max(low, min(room, int(centre[axis])))
        corner.append(int(rng.integers(low, high + 1)))
    return corner[0], corner[1]
