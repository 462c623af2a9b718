"""Regions where an answer is neither right nor wrong: labels cut by a window's edge, or that people were unsure of."""

from __future__ import annotations

import torch
from torch import Tensor


def within_regions(boxes: Tensor, regions: Tensor) -> Tensor:
    """Say which boxes have their centre in a region, the rule of every family of networks.

    Parameters
    ----------
    boxes : Tensor, shape (n, 4)
        xmin, ymin, xmax, ymax, px.
    regions : Tensor, shape (m, 4)
        Likewise, half-open; m may be 0.

    Returns
    -------
    Tensor
        (n,), bool.

    Examples
    --------
    >>> region = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    >>> within_regions(torch.tensor([[4.0, 4.0, 20.0, 12.0], [0.0, 0.0, 8.0, 8.0]]), region)
    tensor([False,  True])
    """
    if not len(regions):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    return ((centre >= regions[None, :, :2]) & (centre < regions[None, :, 2:])).all(dim=2).any(dim=1)
