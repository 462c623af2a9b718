"""The loss of YOLOv3: boxes by squared errors or CIoU, objectness and classes by cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import box_iou, complete_box_iou_loss

from labkit.train.grid import decode
from labkit.train.ignored import counted
from labkit.train.settings import Anchors

#: Weight of the boxes beside objectness and classes.
BOX_WEIGHT = {"mse": 1.0, "ciou": 2.0}


def yolo_loss(
    raw: list[Tensor],
    targets: list[Tensor],
    ignored: list[Tensor],
    anchors: Anchors,
    strides: tuple[int, ...],
    *,
    box_loss: str = "mse",
    smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """Compare what YOLOv3 gives with the labels.

    Parameters
    ----------
    raw : list of Tensor
        For each stride (n, anchors, rows, cols, 5 + classes).
    targets : list of Tensor
        For each image the labels (k, 4): xmin, ymin, xmax, ymax in px; all of the first class.
    ignored : list of Tensor
        For each image the regions (m, 4) where an answer is neither right nor wrong.
    anchors, strides : tuple
        Those of the network.
    box_loss : str
        "mse" or "ciou".
    smoothing : float
        Class labels move inward by random values in [0, smoothing), drawn anew at each call, and so in each epoch:
        1 becomes 1 − u, 0 becomes u.

    Returns
    -------
    dict
        "box", "objectness", "classes" and "total", scalars with gradients.

    Notes
    -----
    A label is taught to one anchor, that of the most similar shape of all, at the cell that holds its centre. With
    means over the labels taught,

    * mse: box = mean (2 − w h / (W H)) Σ (σ(t) − offset)² + (t − ln(edge / anchor))², W and H those of the image;
      ciou: box = mean (1 − CIoU);
    * objectness = Σ cross-entropy / max(1, labels), over all anchors but those not its own that overlap a label by an
      IoU above ½, and those centred in an ignored region;
    * classes = mean Σ cross-entropy;
    * total = box (twice for ciou) + objectness + classes.

    Darknet sums where means stand here; what it means by its weights depends on the batch, this does not.

    References
    ----------
    Redmon and Farhadi (2018), section 2; Fu et al. (2022), sections 4.3 and 4.4; Zheng et al. (2020), CIoU.
    """
    decoded = decode(raw, anchors, strides)
    size = [edge * strides[0] for edge in (raw[0].shape[3], raw[0].shape[2])]
    box_parts, class_parts, objectness_parts, labels = [], [], [], 0
    assigned = assign_best(targets, anchors, strides)
    for values, boxes, sizes, stride, taught in zip(raw, decoded, anchors, strides, assigned, strict=True):
        image, anchor, row, col, label = taught
        truth = torch.zeros(boxes.shape[:-1], device=boxes.device)
        weight = counted(boxes.detach(), targets, ignored)
        if len(image):
            truth[image, anchor, row, col] = 1.0
            weight[image, anchor, row, col] = 1.0
            own = boxes[image, anchor, row, col]
            if box_loss == "ciou":
                box_parts.append(complete_box_iou_loss(own[:, :4], label, reduction="sum"))
            else:
                place = values[image, anchor, row, col, :4].float()
                priors = torch.tensor(sizes, device=label.device)[anchor]
                box_parts.append(_squared(place, label, priors, stride, size))
            class_parts.append(_classes(own[:, 5:], smoothing))
            labels += len(image)
        entropy = binary_cross_entropy_with_logits(boxes[..., 4], truth, reduction="none")
        objectness_parts.append((entropy * weight).sum())
    nothing = raw[0].sum() * 0
    box = torch.stack(box_parts).sum() / labels if labels else nothing
    classes = torch.stack(class_parts).sum() / labels if labels else nothing
    objectness = torch.stack(objectness_parts).sum() / max(labels, 1)
    total = BOX_WEIGHT[box_loss] * box + objectness + classes
    return {"box": box, "objectness": objectness, "classes": classes, "total": total}


def assign_best(
    targets: list[Tensor], anchors: Anchors, strides: tuple[int, ...]
) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Say which anchor at which cell is taught which label: one for each label.

    Returns
    -------
    list of tuple
        For each stride the indices image, anchor, row, col (p,) and the labels (p, 4).
    """
    device = targets[0].device
    boxes = torch.cat(targets)
    image = torch.cat([torch.full((len(t),), i, device=device) for i, t in enumerate(targets)]).long()
    edges = boxes[:, 2:] - boxes[:, :2]
    priors = torch.tensor([a for group in anchors for a in group], device=device, dtype=boxes.dtype)
    best = box_iou(*[torch.cat([-e / 2, e / 2], dim=1) for e in (edges, priors)]).argmax(dim=1)
    out, first = [], 0
    for group, stride in zip(anchors, strides, strict=True):
        here = (best >= first) & (best < first + len(group))
        cell = ((boxes[here, :2] + boxes[here, 2:]) / 2 / stride).long()
        out.append((image[here], best[here] - first, cell[:, 1], cell[:, 0], boxes[here]))
        first += len(group)
    return out


def _squared(place: Tensor, label: Tensor, priors: Tensor, stride: int, size: list[int]) -> Tensor:
    """Σ (2 − w h / (W H)) · squared errors of the offsets and log edges."""
    centre = (label[:, :2] + label[:, 2:]) / 2 / stride
    edges = label[:, 2:] - label[:, :2]
    offset = place[:, :2].sigmoid() - (centre - centre.floor())
    error = torch.cat([offset, place[:, 2:] - (edges / priors).log()], dim=1).square().sum(dim=1)
    return ((2 - edges.prod(dim=1) / (size[0] * size[1])) * error).sum()


def _classes(logits: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of the classes, the first being right."""
    truth = torch.zeros_like(logits)
    truth[:, 0] = 1.0
    moved = smoothing * torch.rand_like(truth) if smoothing else 0.0
    return binary_cross_entropy_with_logits(logits, truth + moved * (1 - 2 * truth), reduction="sum")
