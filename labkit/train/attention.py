"""CBAM, the attention of both papers: first which channels matter, then which places."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

#: The middle of the shared perceptron has this many times fewer channels than its ends, ...
REDUCTION = 16

#: ... but not fewer than this: narrow networks would have one or none.
LEAST_MIDDLE = 4


class ChannelAttention(nn.Module):
    """Weigh the channels.

    Notes
    -----
    M(F) = σ(W₁ ReLU(W₀ mean(F)) + W₁ ReLU(W₀ max(F))), mean and maximum over all places, (n, c, 1, 1), in (0, 1).

    References
    ----------
    Woo et al. (2018), equation 2; Zhang et al. (2025), equation 2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(channels // REDUCTION, LEAST_MIDDLE)
        first = nn.Conv2d(channels, middle, 1, bias=False)
        # so few values may all be cut off by the ReLU and then never learn; of two opposite ones, one always passes
        with torch.no_grad():
            half = middle // 2
            first.weight[half : 2 * half] = -first.weight[:half]
        self.perceptron = nn.Sequential(first, nn.ReLU(), nn.Conv2d(middle, channels, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        first, second = (cast(nn.Conv2d, self.perceptron[layer]) for layer in (0, 2))
        # on single values a convolution is a matrix product, which is cheaper when said so
        both = torch.stack([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))])
        middle = linear(both, first.weight.flatten(1)).relu()
        return linear(middle.sum(dim=0), second.weight.flatten(1)).sigmoid()[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weigh the places.

    Notes
    -----
    M(F) = σ(f⁷ˣ⁷([mean(F); max(F)])), mean and maximum over the channels, (n, 1, height, width), in (0, 1).

    References
    ----------
    Woo et al. (2018), equation 3; Zhang et al. (2025), equation 3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        both = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        # two channels to one: with the channels last the derivatives cost a fifth on a processor
        return self.look(both.contiguous(memory_format=torch.channels_last)).sigmoid()


class Cbam(nn.Module):
    """Weigh the channels, then the places.

    Parameters
    ----------
    channels : int
        Of the features.

    Notes
    -----
    F′ = M_c(F) · F, F″ = M_s(F′) · F′. As in the equations, neither attention has a bias or a normalization (the code
    that Woo et al. published has both).

    References
    ----------
    Woo et al. (2018), equation 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention()

    def forward(self, features: Tensor) -> Tensor:
        weighed = self.channel(features) * features
        places = self.spatial(weighed)
        # where nothing is learned no value is needed again, and large new arrays take long
        return places * weighed if torch.is_grad_enabled() else weighed.mul_(places)
