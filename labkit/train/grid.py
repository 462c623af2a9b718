"""Networks of the YOLO family: at each stride, every cell of a grid answers for its anchors."""

from __future__ import annotations

from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from labkit.train.network import Network
from labkit.train.settings import Anchors

#: Score of every anchor before training: most of an image is background.
PRIOR_SCORE = 0.01


class GridNetwork(Network):
    """A network whose ``forward`` gives raw values for each anchor and cell, at one or more strides.

    Attributes
    ----------
    strides : tuple of int
        Edges of the cells, px, from fine to coarse.
    reach : float
        Width, in cells, of the range in which a cell may place a box's centre: 1 the cell itself (YOLOv3), 2 half a
        cell beyond it on every side.
    """

    strides: ClassVar[tuple[int, ...]]
    reach: ClassVar[float] = 1.0

    def candidates(self, images: Tensor) -> list[Tensor]:
        """Give the box of every anchor and cell; the score is objectness, times the class where there is one."""
        return self.likely(images, 0.0)

    def likely(self, images: Tensor, score: float) -> list[Tensor]:
        """Give the boxes of at least this score: few of all cells, and only they are decoded."""
        which, found = [], []
        for raw, sizes, stride in zip(self(images), self.settings.anchors, self.strides, strict=True):
            scores = reduce(torch.mul, raw[..., 4:].float().sigmoid().unbind(dim=-1))
            image, anchor, row, col = torch.nonzero(scores >= score, as_tuple=True)
            prior = torch.tensor(sizes, device=raw.device)[anchor]
            values = raw[image, anchor, row, col].float()
            boxes = to_boxes(values, prior, row, col, stride, self.reach)
            which.append(image)
            found.append(torch.cat([boxes, scores[image, anchor, row, col, None]], dim=1))
        image, boxes = torch.cat(which), torch.cat(found)
        order = image.argsort(stable=True)
        return list(boxes[order].split(image.bincount(minlength=len(images)).tolist()))


def decode(raw: list[Tensor], anchors: Anchors, strides: tuple[int, ...], reach: float = 1.0) -> list[Tensor]:
    """Turn raw values into boxes.

    Parameters
    ----------
    raw : list of Tensor
        What a network gives: for each stride (n, anchors, rows, cols, v): offset x, offset y, log width, log height,
        objectness, and possibly classes.
    anchors, strides, reach
        Those of the network.

    Returns
    -------
    list of Tensor
        For each stride (n, anchors, rows, cols, v): xmin, ymin, xmax, ymax in px, and the logits as they came; always
        float32, so that mixed precision does not round corners to whole pixels.

    Notes
    -----
    centre = (cell + ½ + reach · (σ(t) − ½)) · stride; edge = anchor · exp(t) with t kept within ±3 (a factor of 20).

    References
    ----------
    Redmon and Farhadi (2018), YOLOv3, section 2.1.
    """
    decoded = []
    for half_precise, sizes, stride in zip(raw, anchors, strides, strict=True):
        values = half_precise.float()
        rows, cols = values.shape[2:4]
        cell_y = torch.arange(rows, device=values.device, dtype=values.dtype).view(1, 1, rows, 1)
        cell_x = torch.arange(cols, device=values.device, dtype=values.dtype).view(1, 1, 1, cols)
        prior = torch.tensor(sizes, device=values.device, dtype=values.dtype).view(1, -1, 1, 1, 2)
        boxes = to_boxes(values, prior, cell_y, cell_x, stride, reach)
        decoded.append(torch.cat([boxes, values[..., 4:]], dim=-1))
    return decoded


def to_boxes(values: Tensor, prior: Tensor, row: Tensor, col: Tensor, stride: int, reach: float) -> Tensor:
    """Turn raw values (…, 4 or more) of anchors (…, 2) at cells into boxes (…, 4), px; as :func:`decode` says."""
    offset = values[..., :2].sigmoid() * reach + (0.5 - reach / 2)
    x, y = (col + offset[..., 0]) * stride, (row + offset[..., 1]) * stride
    half = prior * values[..., 2:4].clamp(-3, 3).exp() / 2
    corners = [x - half[..., 0], y - half[..., 1], x + half[..., 0], y + half[..., 1]]
    return torch.stack(corners, dim=-1)
