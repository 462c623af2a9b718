"""The loss of :class:`~labkit.train.tiny.TinyYolo`: 1 − CIoU of the boxes, focal cross-entropy of objectness."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import complete_box_iou_loss, sigmoid_focal_loss

from labkit.train.grid import decode
from labkit.train.ignored import counted
from labkit.train.settings import Anchors

#: An anchor is taught a label when neither edge differs by more than this factor; the best one always is.
MAX_EDGE_RATIO = 2.5


#: Width of the range in which a cell may place a box's centre, cells.
REACH = 2.0


def detection_loss(
    raw: list[Tensor],
    targets: list[Tensor],
    ignored: list[Tensor],
    anchors: Anchors,
    strides: tuple[int, ...],
    *,
    box_weight: float = 2.0,
) -> dict[str, Tensor]:
    """Compare what a network gives with the labels.

    Parameters
    ----------
    raw : list of Tensor
        What a network gives: for each stride (n, anchors, rows, cols, 5).
    targets : list of Tensor
        For each image the labels (k, 4): xmin, ymin, xmax, ymax in px; k may be 0.
    ignored : list of Tensor
        For each image the regions (m, 4) where an answer is neither right nor wrong.
    anchors, strides : tuple
        Those of the network.
    box_weight : float
        Weight of the boxes beside the objectness.

    Returns
    -------
    dict
        "box", "objectness" and "total", scalars with gradients.

    Notes
    -----
    total = box_weight · mean over positives (1 − CIoU) + Σ focal(objectness; α = ½, γ = 2) / max(1, positives).

    References
    ----------
    Zheng et al. (2020), CIoU; Lin et al. (2017), focal loss; Fu et al. (2022), section 4.3.
    """
    decoded = decode(raw, anchors, strides, REACH)
    box_parts, objectness_parts, positives = [], [], 0
    assigned = assign(targets, [tuple(d.shape[2:4]) for d in decoded], anchors, strides)
    for boxes, (image, anchor, row, col, label) in zip(decoded, assigned, strict=True):
        truth = torch.zeros(boxes.shape[:-1], device=boxes.device)
        weight = counted(boxes.detach(), targets, ignored)
        if len(image):
            own = boxes[image, anchor, row, col, :4]
            box_parts.append(complete_box_iou_loss(own, label, reduction="sum"))
            truth[image, anchor, row, col] = 1.0
            weight[image, anchor, row, col] = 1.0
            positives += len(image)
        focal = sigmoid_focal_loss(boxes[..., 4], truth, alpha=0.5, gamma=2, reduction="none")
        objectness_parts.append((focal * weight).sum())
    box = torch.stack(box_parts).sum() / positives if box_parts else raw[0].sum() * 0
    objectness = torch.stack(objectness_parts).sum() / max(positives, 1)
    return {"box": box, "objectness": objectness, "total": box_weight * box + objectness}


def assign(
    targets: list[Tensor], grids: list[tuple[int, ...]], anchors: Anchors, strides: tuple[int, ...]
) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Say which anchors at which cells are taught which label.

    Parameters
    ----------
    targets : list of Tensor
        For each image the labels (k, 4), px.
    grids : list of (int, int)
        Rows and columns at each stride.
    anchors, strides : tuple
        Those of the network.

    Returns
    -------
    list of tuple
        For each stride the indices image, anchor, row, col (p,) and the labels (p, 4).

    Notes
    -----
    A label is taught at the cell that holds its centre and at the nearest neighbours along each axis (three cells, as
    in YOLOv5), to anchors whose edges are within a factor of 2.5 of its own; at least to the best anchor of all.
    """
    device = targets[0].device
    boxes = torch.cat(targets)
    image = torch.cat([torch.full((len(t),), i, device=device) for i, t in enumerate(targets)]).long()
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    fits = _fitting_anchors(size, anchors)
    out = []
    for (rows, cols), fit, stride in zip(grids, fits, strides, strict=True):
        which, anchor = fit.nonzero(as_tuple=True)
        at = centre[which] / stride
        col, row = at[:, 0].floor(), at[:, 1].floor()
        beside = torch.where(at[:, 0] - col < 0.5, -1.0, 1.0)
        above = torch.where(at[:, 1] - row < 0.5, -1.0, 1.0)
        col3, row3 = torch.cat([col, col + beside, col]).long(), torch.cat([row, row, row + above]).long()
        which3, anchor3 = which.repeat(3), anchor.repeat(3)
        inside = (col3 >= 0) & (col3 < cols) & (row3 >= 0) & (row3 < rows)
        which3, anchor3, row3, col3 = which3[inside], anchor3[inside], row3[inside], col3[inside]
        out.append((image[which3], anchor3, row3, col3, boxes[which3]))
    return out


def _fitting_anchors(size: Tensor, anchors: Anchors) -> list[Tensor]:
    """For each stride a mask (labels, anchors)."""
    priors = torch.tensor([a for group in anchors for a in group], device=size.device, dtype=size.dtype)
    ratio = size[:, None] / priors[None]
    worst = torch.maximum(ratio, 1 / ratio).amax(dim=2)
    fits = worst < MAX_EDGE_RATIO
    if len(size):
        fits[torch.arange(len(size), device=size.device), worst.argmin(dim=1)] = True
    return list(fits.split([len(group) for group in anchors], dim=1))
