"""The networks of Fu et al. (2022): YOLOv3, and with attention, regularized or tiny."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.ops import drop_block2d

from labkit.train.darknet import DARKNET_53, Darknet, LeakyBlock
from labkit.train.grid import PRIOR_SCORE, GridNetwork
from labkit.train.settings import DetectorSettings
from labkit.train.yolo_loss import yolo_loss

#: Raw values for each anchor and cell before those of the classes: offset x, y, log width, height, objectness.
VALUES = 5

#: Edge of the squares that DropBlock drops, cells (Ghiasi et al. 2018).
BLOCK = 7


class DropBlock(nn.Module):
    """Drop squares of features while training: of 7 × 7 cells, or the largest odd square that the features hold.

    References
    ----------
    Ghiasi et al. (2018); Fu et al. (2022), Figure 5B.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, features: Tensor) -> Tensor:
        edge = min(BLOCK, *features.shape[2:])
        return drop_block2d(features, self.share, edge - (edge + 1) % 2, training=self.training)

    def extra_repr(self) -> str:
        """Say the share."""
        return f"share={self.share}"


class DetectionLayer(nn.Module):
    """From features to what continues to the next finer layer, and to the raw values of this one's anchors.

    Parameters
    ----------
    inputs, narrow : int
        Channels of the features, and of what continues; between lie convolutions of twice as many.
    depth : int
        Convolutions before the two ways part, 1 × 1 and 3 × 3 in turn; odd.
    dropblock : float
        Share dropped before the last convolution.
    outputs : tuple of (int, int)
        Anchors, and values for each.
    """

    def __init__(self, inputs: int, narrow: int, depth: int, dropblock: float, outputs: tuple[int, int]) -> None:
        super().__init__()
        blocks = [LeakyBlock(inputs, narrow, kernel=1)]
        for _ in range(depth // 2):
            blocks += [LeakyBlock(narrow, 2 * narrow), LeakyBlock(2 * narrow, narrow, kernel=1)]
        self.shared = nn.Sequential(*blocks)
        anchors, values = outputs
        last = nn.Conv2d(2 * narrow, anchors * values, 1)
        bias = torch.zeros(anchors, values)
        bias[:, 4] = math.log(PRIOR_SCORE / (1 - PRIOR_SCORE))
        last.bias = nn.Parameter(bias.flatten().to(last.weight.device))
        self.own = nn.Sequential(LeakyBlock(narrow, 2 * narrow), DropBlock(dropblock), last)
        self.values = values

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.shared(features)
        return shared, self.own(shared).unflatten(1, (-1, self.values)).permute(0, 1, 3, 4, 2)


class YoloV3(GridNetwork):
    """YOLOv3: Darknet-53, three scales, nine anchors, squared errors of the boxes.

    Its loss is :func:`~labkit.train.yolo_loss.yolo_loss`. Scores before training are 0.01, not ½ as in Darknet.

    Parameters
    ----------
    settings : DetectorSettings
        ``width`` 32 as published. ``attention`` False, ``box_loss`` "mse", ``dropblock`` and ``smoothing`` 0 when left
        out.
    classes : int
        Of things to find; labkit knows one.

    References
    ----------
    Redmon and Farhadi (2018), YOLOv3; Fu et al. (2022), section 4.3.
    """

    strides: ClassVar[tuple[int, ...]] = (8, 16, 32)
    multiple = 32
    levels = 3
    full_width = 32
    nano_width = 4
    defaults = MappingProxyType({"attention": False, "box_loss": "mse", "dropblock": 0.0, "smoothing": 0.0})
    depths: ClassVar[tuple[int, ...]] = DARKNET_53
    layer_depth: ClassVar[int] = 5

    def __init__(self, settings: DetectorSettings, classes: int = 1) -> None:
        super().__init__(settings)
        own = self.settings
        w = own.width
        self.backbone = Darknet(self.channels, w, self.depths, attention=bool(own.attention))
        outputs, dropblock = (self.anchors_each, VALUES + classes), float(own.dropblock or 0)
        layers, ways = [], []
        for step in range(self.levels):
            narrow = 16 * w // 2**step
            # the features of the backbone, and beside them those that come down from the coarser layer
            inputs = 2 * narrow + (narrow if step else 0)
            layers.append(DetectionLayer(inputs, narrow, self.layer_depth, dropblock, outputs))
            if step:
                ways.append(LeakyBlock(2 * narrow, narrow, kernel=1))
        self.layers, self.ways = nn.ModuleList(layers), nn.ModuleList(ways)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give the raw values of every anchor.

        Parameters
        ----------
        images : Tensor, shape (n, channels, height, width)
            Scaled to [−1, 1], no data as 0; edges multiples of 32.

        Returns
        -------
        list of Tensor
            For each stride s, fine to coarse, (n, 3, height / s, width / s, 5 + classes).
        """
        coarse_to_fine = self.backbone(images)[::-1]
        way, raw = self.layers[0](coarse_to_fine[0])
        answers = [raw]
        for layer, back, features in zip(self.layers[1:], self.ways, coarse_to_fine[1:], strict=False):
            risen = interpolate(back(way), scale_factor=2.0, mode="nearest")
            way, raw = layer(torch.cat([risen, features], dim=1))
            answers.append(raw)
        return answers[::-1]

    def losses(self, images: Tensor, targets: list[Tensor], ignored: list[Tensor]) -> dict[str, Tensor]:
        """Give "box", "objectness" and "classes" of :func:`~labkit.train.yolo_loss.yolo_loss`, and "total".

        Class labels are smoothed while training only.
        """
        own = self.settings
        return yolo_loss(
            self(images),
            targets,
            ignored,
            own.anchors,
            self.strides,
            box_loss=str(own.box_loss),
            smoothing=float(own.smoothing or 0) if self.training else 0.0,
        )


class AttentionYoloV3(YoloV3):
    """Attention-YOLOv3: YOLOv3 with CBAM exactly after each of Darknet-53's 23 residual blocks.

    References
    ----------
    Fu et al. (2022), section 4.3 and Figure 5A; Woo et al. (2018), CBAM.
    """

    defaults = MappingProxyType({**YoloV3.defaults, "attention": True})


class AttentionYoloV3R(YoloV3):
    """A-YOLOv3-R: Attention-YOLOv3 with DropBlock in its three detection layers, CIoU loss and smoothed labels.

    Choices where the paper is silent: DropBlock lies before the last convolution of each layer, drops 0.1 of the
    features in squares of 7 × 7 cells; labels are smoothed by up to 0.1.

    References
    ----------
    Fu et al. (2022), sections 4.3 and 4.4; Ghiasi et al. (2018), DropBlock; Zheng et al. (2020), CIoU.
    """

    defaults = MappingProxyType({"attention": True, "box_loss": "ciou", "dropblock": 0.1, "smoothing": 0.1})


class AttentionYoloV3Tiny(YoloV3):
    """A-YOLOv3-T: two detection layers on a shallow backbone with CBAM.

    Choices where the paper is silent: the backbone is Darknet with one residual block at each stride, half as wide,
    CBAM after each; the layers stand at the strides 16 and 32 as in YOLOv3-tiny, and are as shallow as there; the loss
    is that of A-YOLOv3-R, CIoU and smoothed labels, without DropBlock, since a small network needs no such curb.

    References
    ----------
    Fu et al. (2022), section 4.3.
    """

    strides = (16, 32)
    levels = 2
    full_width = 16
    defaults = MappingProxyType({"attention": True, "box_loss": "ciou", "dropblock": 0.0, "smoothing": 0.1})
    depths = (1, 1, 1, 1, 1)
    layer_depth = 1
