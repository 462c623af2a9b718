"""The network for the first hour: small, of the YOLOv3 family, learned on two processor cores in two minutes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labkit.train.grid import PRIOR_SCORE, GridNetwork
from labkit.train.loss import REACH, detection_loss
from labkit.train.settings import DetectorSettings

#: Raw values for each anchor and cell: offset x, offset y, log width, log height, objectness.
VALUES = 5


class ConvBlock(nn.Sequential):
    """Convolution, batch normalization, SiLU."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(inplace=True),
        )


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvBlock(channels, channels // 2, kernel=1), ConvBlock(channels // 2, channels))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class TinyYolo(GridNetwork):
    """A one-class detector of the YOLOv3 family.

    A residual backbone in steps of two down to stride 16; the stride-16 features return to stride 8 beside the finer
    ones; a head at each stride gives five values for each anchor. A landslide's couplet is seen whole up to about
    250 px across. ``width`` is the number of channels at stride 2; they double at each further step.

    References
    ----------
    Redmon and Farhadi (2018), YOLOv3; Fu et al. (2022), section 4.3.
    """

    strides = (8, 16)
    reach = REACH
    multiple = 16
    levels = 2

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__(settings)
        w = settings.width
        self.stem = ConvBlock(self.channels, w, kernel=5, stride=2)
        self.to_stride_8 = nn.Sequential(
            ConvBlock(w, 2 * w, stride=2), Residual(2 * w), ConvBlock(2 * w, 4 * w, stride=2), Residual(4 * w)
        )
        self.to_stride_16 = nn.Sequential(
            ConvBlock(4 * w, 8 * w, stride=2), Residual(8 * w), Residual(8 * w), Residual(8 * w)
        )
        self.back = nn.Sequential(ConvBlock(8 * w, 4 * w, kernel=1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.fuse = nn.Sequential(ConvBlock(8 * w, 4 * w), Residual(4 * w))
        heads = [nn.Conv2d(c, len(a) * VALUES, 1) for c, a in zip((4 * w, 8 * w), settings.anchors, strict=True)]
        for head in heads:
            values = torch.zeros(head.out_channels).view(-1, VALUES)
            values[:, 4] = math.log(PRIOR_SCORE / (1 - PRIOR_SCORE))
            head.bias = nn.Parameter(values.flatten())

        self.heads = nn.ModuleList(heads)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give the raw values of every anchor.

        Parameters
        ----------
        images : Tensor, shape (n, channels, height, width)
            Scaled to [−1, 1], no data as 0; edges multiples of 16.

        Returns
        -------
        list of Tensor
            For each stride s, (n, anchors, height / s, width / s, 5).
        """
        fine = self.to_stride_8(self.stem(images))
        coarse = self.to_stride_16(fine)
        fine = self.fuse(torch.cat([fine, self.back(coarse)], dim=1))
        return [
            head(features).unflatten(1, (-1, VALUES)).permute(0, 1, 3, 4, 2)
            for head, features in zip(self.heads, (fine, coarse), strict=True)
        ]

    def losses(self, images: Tensor, targets: list[Tensor], ignored: list[Tensor]) -> dict[str, Tensor]:
        """Give "box" and "objectness" of :func:`~labkit.train.loss.detection_loss`, and their "total"."""
        return detection_loss(self(images), targets, ignored, self.settings.anchors, self.strides)
