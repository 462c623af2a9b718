"""A network as it is used rather than taught: norms folded into the convolutions before them, channels last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import chain, pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock

from labkit.train.network import Network
from labkit.train.resnet import ResNet34


class InUse:
    """Keeps a copy of a network that answers alike and faster, and makes it anew when the weights have changed.

    Parameters
    ----------
    network : Network
        Stays as it is. The copy takes as much memory again.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._copy: Network | None = None
        self._made_from: list[tuple[Tensor, int]] = []

    def __call__(self) -> Network:
        """Give the copy."""
        weights = list(chain(self._network.parameters(), self._network.buffers()))
        same = len(weights) == len(self._made_from) and all(
            kept.data_ptr() == now.data_ptr() and version == _version(now)
            for (kept, version), now in zip(self._made_from, weights, strict=True)
        )
        if self._copy is None or not same:
            # what is kept shares the memory of the weights, so that its place is not given to others meanwhile
            self._made_from = [(weight.detach(), _version(weight)) for weight in weights]
            self._copy = folded(self._network)
        return self._copy


def _version(weight: Tensor) -> int:
    """How often it was changed in place; those of inference mode cannot be."""
    return 0 if weight.is_inference() else weight._version


def folded(network: Network) -> Network:
    """Copy a network for use.

    Parameters
    ----------
    network : Network
        Any. Batch norms are folded where it is known what they follow: in ``nn.Sequential``, whose layers have to be
        called in order, and in the blocks of ResNet; others stay.

    Returns
    -------
    Network
        Of the same answers but for rounding, in evaluation, with weights laid out channels last, which cannot learn.

    Notes
    -----
    In evaluation a batch norm is linear: γ (w ∗ x + b − μ) / √(σ² + ε) + β = (s w) ∗ x + s (b − μ) + β, with
    s = γ / √(σ² + ε).
    """
    copied = deepcopy(network).eval().requires_grad_(False)
    used = Counter(id(module) for _, module in copied.named_modules(remove_duplicate=False))
    for parent in list(copied.modules()):
        for first, second in _in_a_row(parent):
            convolution, norm = getattr(parent, first), getattr(parent, second)
            known = type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats
            if known and used[id(convolution)] == used[id(norm)] == 1:
                setattr(parent, first, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, second, nn.Identity())
    return copied.to(memory_format=torch.channels_last)


def _in_a_row(parent: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of layers of which the second takes what the first gives, and nothing else does."""
    if isinstance(parent, nn.Sequential):
        names = [name for name, _ in parent.named_children()]
        yield from pairwise(names)
    elif isinstance(parent, (BasicBlock, ResNet34)):
        yield from ((f"conv{i}", f"bn{i}") for i in (1, 2) if hasattr(parent, f"conv{i}"))
