"""Darknet, the backbone of YOLOv3, with or without attention after each residual block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.train.attention import Cbam

#: Residual blocks at the strides 2, 4, 8, 16 and 32 of Darknet-53.
DARKNET_53 = (1, 2, 8, 8, 4)


class LeakyBlock(nn.Sequential):
    """Convolution, batch normalization, leaky ReLU with the slope 0.1."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1, inplace=True),
        )


class DarknetResidual(nn.Module):
    """A 1 × 1 and a 3 × 3 convolution whose result is added to their input; with attention CBAM follows.

    Notes
    -----
    y = x + body(x); with attention z = y + CBAM(y): a shortcut joins the features before and after CBAM.

    References
    ----------
    Redmon and Farhadi (2018), section 2.4; Fu et al. (2022), section 4.3 and Figure 5A.
    """

    def __init__(self, channels: int, *, attention: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            LeakyBlock(channels, channels // 2, kernel=1),
            LeakyBlock(channels // 2, channels),
        )
        self.attention = Cbam(channels) if attention else None

    def forward(self, features: Tensor) -> Tensor:
        joined = _sum(features, self.body(features))
        return joined if self.attention is None else _sum(joined, self.attention(joined))


def _sum(features: Tensor, changed: Tensor) -> Tensor:
    """Add to features what was made of them: in the place of the latter where nothing is learned."""
    return features + changed if torch.is_grad_enabled() else changed.add_(features)


class Darknet(nn.Module):
    """Features at the strides 2, 4, 8, 16 and 32.

    Parameters
    ----------
    channels : int
        Of the images.
    width : int
        Channels at stride 1; they double at each step: 2 · width at stride 2, …, 32 · width at stride 32.
    depths : tuple of int
        Residual blocks at each of the five strides.
    attention : bool
        CBAM after each residual block.
    """

    def __init__(self, channels: int, width: int, depths: tuple[int, ...] = DARKNET_53, *, attention: bool) -> None:
        super().__init__()
        self.stem = LeakyBlock(channels, width)
        stages = []
        for step, depth in enumerate(depths):
            inputs = width * 2**step
            blocks = [DarknetResidual(2 * inputs, attention=attention) for _ in range(depth)]
            stages.append(nn.Sequential(LeakyBlock(inputs, 2 * inputs, stride=2), *blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.stem(images)
        out = []
        for stage in self.stages:
            features = stage(features)
            out.append(features)
        return out
