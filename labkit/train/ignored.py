"""Regions where an answer is neither right nor wrong: labels cut by a window's edge, or that people were unsure of."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

#: A box that overlaps a label by more than this IoU without being its own is neither right nor wrong.
IGNORE_IOU = 0.5


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


def counted(boxes: Tensor, targets: list[Tensor], ignored: list[Tensor]) -> Tensor:
    """Say where an answer of a grid counts as background.

    Parameters
    ----------
    boxes : Tensor, shape (n, anchors, rows, cols, ≥ 4)
        The box of each anchor and cell, px.
    targets, ignored : list of Tensor
        For each image the labels (k, 4) and the regions (m, 4).

    Returns
    -------
    Tensor
        (n, anchors, rows, cols): 1, or 0 where a box overlaps a label by an IoU above ½ or lies in an ignored region.
    """
    weight = torch.ones(boxes.shape[:-1], device=boxes.device)
    for i, (labels, regions) in enumerate(zip(targets, ignored, strict=True)):
        flat = boxes[i, ..., :4].reshape(-1, 4)
        closed = within_regions(flat, regions)
        if len(labels):
            closed |= box_iou(flat, labels).amax(dim=1) > IGNORE_IOU
        weight[i] = (~closed).view(boxes.shape[1:-1]).float()
    return weight
