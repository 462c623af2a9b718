"""ResNet-34 and the feature pyramid of Zhang et al. (2025), on torchvision's parts and with its names of weights."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from labkit.train.attention import Cbam

#: Residual blocks of ``layer1`` to ``layer4`` (Zhang et al. 2025, Table 1: conv2_x to conv5_x).
RESNET_34 = (3, 4, 6, 3)


class ResNet34(nn.Module):
    """Features at the strides 4, 8, 16 and 32.

    Parameters
    ----------
    channels : int
        Of the images.
    width : int
        Channels of ``conv1`` and ``layer1``, 64 as published; they double at each further layer.
    attention : bool
        CBAM after ``layer1`` and after ``layer2``.

    References
    ----------
    He et al. (2016), Table 1; Zhang et al. (2025), sections 3.2.1 and 3.2.3.
    """

    def __init__(self, channels: int, width: int, *, attention: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _layer(width, width, RESNET_34[0], 1)
        self.layer2 = _layer(width, 2 * width, RESNET_34[1], 2)
        self.layer3 = _layer(2 * width, 4 * width, RESNET_34[2], 2)
        self.layer4 = _layer(4 * width, 8 * width, RESNET_34[3], 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.attention1 = Cbam(width) if attention else nn.Identity()
        self.attention2 = Cbam(2 * width) if attention else nn.Identity()

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        first = self.attention1(self.layer1(features))
        second = self.attention2(self.layer2(first))
        third = self.layer3(second)
        return [first, second, third, self.layer4(third)]


def _layer(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    down = None
    if stride != 1 or inputs != outputs:
        down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    rest = [BasicBlock(outputs, outputs) for _ in range(blocks - 1)]
    return nn.Sequential(BasicBlock(inputs, outputs, stride, down), *rest)


class LastMap(nn.Module):
    """ResNet-34's last features alone, at stride 32: the first of the second paper's three networks."""

    def __init__(self, channels: int, width: int, *, attention: bool) -> None:
        super().__init__()
        self.body = ResNet34(channels, width, attention=attention)
        self.out_channels = 8 * width

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"0": self.body(images)[-1]}


class Pyramid(nn.Module):
    """ResNet-34 with a feature pyramid: maps at the strides 4, 8, 16, 32 and 64, each of 4 · width channels.

    References
    ----------
    Lin et al. (2017), FPN; Zhang et al. (2025), section 3.2.2.
    """

    def __init__(self, channels: int, width: int, *, attention: bool) -> None:
        super().__init__()
        self.body = ResNet34(channels, width, attention=attention)
        self.out_channels = 4 * width
        self.fpn = FeaturePyramidNetwork(
            [width * 2**step for step in range(4)], self.out_channels, extra_blocks=LastLevelMaxPool()
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = self.fpn({str(i): features for i, features in enumerate(self.body(images))})
        return maps
