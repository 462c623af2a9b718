"""What every network here offers, whatever its family: losses from labelled images, and boxes from images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.ops import clip_boxes_to_image, nms

from labkit.train.anchors import anchors_by_stride
from labkit.train.settings import OWN_FIELDS, Anchors, DetectorSettings, require

#: Boxes with an edge shorter than this many px are no landslides.
MIN_EDGE_PX = 2.0

#: At most so many boxes, the best, are compared with each other in one image.
MAX_BOXES = 1000


class Network(nn.Module, ABC):
    """A network with its loss: the one thing that training, detectors and checkpoints know of every family.

    A network of your own says what stands below, and joins by :func:`labkit.train.register_network`.

    Parameters
    ----------
    settings : DetectorSettings
        What to build. Fields of the network's own that are None become its ``defaults``.

    Attributes
    ----------
    settings : DetectorSettings
        Completed, so that it builds the same network again.
    channels : int
        Of its images: 1, or 2 for azimuth and range together; one more with a validity channel.
    multiple : int
        Images that are taught have edges that are multiples of this many px. ``boxes`` takes any edge.
    levels, anchors_each : int
        How many groups of prior boxes it has, from fine to coarse, and how many in each; 0 for a network without.
    full_width, nano_width : int
        Its ``width`` as published, and one that learns on two processor cores in minutes.
    defaults : mapping
        Which of :data:`~labkit.train.settings.OWN_FIELDS` it has, and their values when nothing is said.

    Examples
    --------
    >>> import torch
    >>> import labkit as lk
    >>> network = lk.train.build_detector("tiny", width="nano").network
    >>> images, boxes = torch.zeros(1, 1, 64, 64), [torch.tensor([[8.0, 8.0, 40.0, 40.0]])]
    >>> sorted(network.losses(images, boxes, ignored=[torch.zeros(0, 4)]))
    ['box', 'objectness', 'total']
    >>> [tuple(found.shape) for found in network.boxes(images, score=0.9, nms_iou=0.4)]
    [(0, 5)]
    """

    multiple: ClassVar[int]
    levels: ClassVar[int] = 0
    anchors_each: ClassVar[int] = 3
    full_width: ClassVar[int] = 16
    nano_width: ClassVar[int] = 8
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self.settings = complete(settings, self.defaults)
        self.channels = settings.channels
        given = [len(group) for group in settings.anchors]
        rule = f"{self.anchors_each} for each of {self.levels} levels" if self.levels else "empty: it has no anchors"
        require(given == [self.anchors_each] * self.levels, "anchors", rule, settings.anchors)

    @classmethod
    def fit_anchors(cls, sizes: Any, seed: int = 0) -> Anchors:
        """Give prior boxes for labels of these widths and heights, (n, 2) px."""
        return anchors_by_stride(sizes, cls.levels, cls.anchors_each, seed=seed) if cls.levels else ()

    @abstractmethod
    def losses(self, images: Tensor, targets: list[Tensor], ignored: list[Tensor]) -> dict[str, Tensor]:
        """Compare what it gives with the labels, in training as in validation.

        Parameters
        ----------
        images : Tensor, shape (n, channels, height, width)
            Scaled to [−1, 1], no data as 0; edges multiples of ``multiple``.
        targets : list of Tensor
            For each image the labels (k, 4): xmin, ymin, xmax, ymax in px; k may be 0.
        ignored : list of Tensor
            For each image the regions (m, 4) where an answer is neither right nor wrong.

        Returns
        -------
        dict
            Scalars: its parts by name, and "total", what training makes small.
        """

    @abstractmethod
    def candidates(self, images: Tensor) -> list[Tensor]:
        """Give all boxes that it considers: for each image (c, 5), px and score in [0, 1], in any order.

        Images come with edges that are multiples of ``multiple``. Overlapping boxes are thinned out by ``boxes``.
        """

    def likely(self, images: Tensor, score: float) -> list[Tensor]:
        """Give the candidates of at least this score, and possibly others; a family may spare itself the others."""
        return self.candidates(images)

    def boxes(self, images: Tensor, score: float, nms_iou: float, max_boxes: int = MAX_BOXES) -> list[Tensor]:
        """Find the landslides of each image.

        Parameters
        ----------
        images : Tensor, shape (n, channels, height, width)
            Scaled to [−1, 1], no data as 0; any height and width.
        score : float
            Least score.
        nms_iou : float
            Of two boxes that overlap by more than this IoU, the one with the lower score goes.
        max_boxes : int
            So many boxes of an image, the best, are compared with each other.

        Returns
        -------
        list of Tensor
            For each image (k, 5): xmin, ymin, xmax, ymax in px within the image, and the score; best first.
        """
        height, width = images.shape[-2:]
        right, below = -width % self.multiple, -height % self.multiple
        padded = pad(images, (0, right, 0, below)) if right or below else images
        found = []
        for boxes in self.likely(padded, score):
            corners, scores = clip_boxes_to_image(boxes[:, :4], (height, width)), boxes[:, 4]
            large = ((corners[:, 2:] - corners[:, :2]) >= MIN_EDGE_PX).all(dim=1)
            keep = torch.nonzero((scores >= score) & large).flatten()
            keep = keep[scores[keep].argsort(descending=True, stable=True)[:max_boxes]]
            keep = keep[nms(corners[keep], scores[keep], nms_iou)]
            found.append(torch.cat([corners[keep], scores[keep, None]], dim=1))
        return found


def complete(settings: DetectorSettings, defaults: Mapping[str, Any]) -> DetectorSettings:
    """Fill the fields of a network's own that are None.

    Raises
    ------
    LabkitError
        A field is given that the network does not have.
    """
    missing = {}
    for name in OWN_FIELDS:
        value = getattr(settings, name)
        if name not in defaults:
            require(value is None, name, f"left out for network={settings.network!r}, which has none", value)
        elif value is None:
            missing[name] = defaults[name]
    return replace(settings, **missing) if missing else settings
