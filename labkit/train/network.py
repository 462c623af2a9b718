"""The networks: an image in, raw boxes for each anchor at each stride out. A further network joins :data:`NETWORKS`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from labkit.train.settings import Anchors, DetectorSettings, require

#: Raw values for each anchor and cell: offset x, offset y, log width, log height, objectness.
CHANNELS = 5

#: Score of every anchor before training: most of an image is background.
PRIOR_SCORE = 0.01


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


class Network(nn.Module):
    """What every network here offers: the strides of its outputs in px, fine to coarse, and TinyYolo's ``forward``."""

    strides: tuple[int, ...]


class TinyYolo(Network):
    """A one-class detector of the YOLOv3 family, small enough to learn on two processor cores in two minutes.

    A residual backbone in steps of two down to stride 16; the stride-16 features return to stride 8 beside the finer
    ones; a head at each stride gives five values for each anchor. Fully convolutional: any image whose edges are
    multiples of 16 px will do. A landslide's couplet is seen whole up to about 250 px across.

    Parameters
    ----------
    anchors : tuple
        Prior boxes for strides 8 and 16 (:class:`~labkit.train.settings.DetectorSettings`).
    width : int
        Channels at stride 2; they double at each further step.

    References
    ----------
    Redmon and Farhadi (2018), YOLOv3; Fu et al. (2022), section 4.3.
    """

    strides = (8, 16)

    def __init__(self, anchors: Anchors, width: int = 16) -> None:
        super().__init__()
        require(len(anchors) == len(self.strides), "anchors", f"given for strides {self.strides}", anchors)
        w = width
        self.stem = ConvBlock(1, w, kernel=5, stride=2)
        self.to_stride_8 = nn.Sequential(
            ConvBlock(w, 2 * w, stride=2), Residual(2 * w), ConvBlock(2 * w, 4 * w, stride=2), Residual(4 * w)
        )
        self.to_stride_16 = nn.Sequential(
            ConvBlock(4 * w, 8 * w, stride=2), Residual(8 * w), Residual(8 * w), Residual(8 * w)
        )
        self.back = nn.Sequential(ConvBlock(8 * w, 4 * w, kernel=1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.fuse = nn.Sequential(ConvBlock(8 * w, 4 * w), Residual(4 * w))
        heads = [nn.Conv2d(c, len(a) * CHANNELS, 1) for c, a in zip((4 * w, 8 * w), anchors, strict=True)]
        for head in heads:
            values = torch.zeros(head.out_channels).view(-1, CHANNELS)
            values[:, 4] = math.log(PRIOR_SCORE / (1 - PRIOR_SCORE))
            head.bias = nn.Parameter(values.flatten())

        self.heads = nn.ModuleList(heads)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give the raw values of every anchor.

        Parameters
        ----------
        images : Tensor, shape (n, 1, height, width)
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
            head(features).unflatten(1, (-1, CHANNELS)).permute(0, 1, 3, 4, 2)
            for head, features in zip(self.heads, (fine, coarse), strict=True)
        ]


#: Name in the settings → how to build it from anchors and width.
NETWORKS: dict[str, Callable[[Anchors, int], Network]] = {"tiny": TinyYolo}


def build(settings: DetectorSettings) -> Network:
    """Build the network that the settings name, with fresh weights.

    Raises
    ------
    LabkitError
        There is no network of that name.
    """
    require(settings.network in NETWORKS, "network", f"among {sorted(NETWORKS)}", settings.network)
    return NETWORKS[settings.network](settings.anchors, settings.width)


def decode(raw: list[Tensor], anchors: Anchors, strides: tuple[int, ...]) -> list[Tensor]:
    """Turn raw values into boxes.

    Parameters
    ----------
    raw : list of Tensor
        What a network gives: for each stride (n, anchors, rows, cols, 5).
    anchors, strides : tuple
        Those of the network.

    Returns
    -------
    list of Tensor
        For each stride (n, anchors, rows, cols, 5): xmin, ymin, xmax, ymax in px and the objectness as a logit.

    Notes
    -----
    centre = (cell + 2 σ(t) − ½) · stride, so that a cell reaches half a cell beyond itself; edge = anchor · exp(t)
    with t kept within ±3 (a factor of 20).
    """
    decoded = []
    for values, sizes, stride in zip(raw, anchors, strides, strict=True):
        rows, cols = values.shape[2:4]
        cell_y = torch.arange(rows, device=values.device, dtype=values.dtype).view(1, 1, rows, 1)
        cell_x = torch.arange(cols, device=values.device, dtype=values.dtype).view(1, 1, 1, cols)
        prior = torch.tensor(sizes, device=values.device, dtype=values.dtype).view(1, -1, 1, 1, 2)
        offset = values[..., :2].sigmoid() * 2 - 0.5
        x, y = (cell_x + offset[..., 0]) * stride, (cell_y + offset[..., 1]) * stride
        half = prior * values[..., 2:4].clamp(-3, 3).exp() / 2
        corners = [x - half[..., 0], y - half[..., 1], x + half[..., 0], y + half[..., 1], values[..., 4]]
        decoded.append(torch.stack(corners, dim=-1))
    return decoded
