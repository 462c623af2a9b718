"""RoIAlign as products with sparse weights: on a processor, torchvision's takes more of a step than all the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper


class RegionAlign(MultiScaleRoIAlign):
    """Torchvision's ``MultiScaleRoIAlign``, with values and derivatives equal to it but for rounding.

    On a processor each value is a weighted sum of 16 places of a map, so that all of them are one product with sparse
    weights, and the derivatives the product with these weights transposed. Elsewhere torchvision's own code runs.

    Notes
    -----
    A bin is the mean of 2 × 2 samples, each interpolated linearly between four places; a sample up to one cell beyond
    the map has the value of its edge, one farther out is 0. A region is at least one cell wide and high.

    References
    ----------
    He et al. (2017), Mask R-CNN, section 3; torchvision's ``roi_align`` with ``aligned=False``.
    """

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Pool the regions.

        Parameters
        ----------
        x : dict
            Maps (n, channels, height, width) by name, fine to coarse.
        boxes : list of Tensor
            For each image the regions (r, 4): xmin, ymin, xmax, ymax, px.
        image_shapes : list of (int, int)
            Height and width of each image, px.

        Returns
        -------
        Tensor
            (all regions, channels, 7, 7), float32.
        """
        maps = [x[name] for name in self.featmap_names if name in x]
        if maps[0].device.type != "cpu":
            pooled: Tensor = super().forward(x, boxes, image_shapes)
            return pooled
        tallest = max(height for height, _ in image_shapes)
        steps = [round(math.log2(tallest / one.shape[2])) for one in maps]
        if len(maps) > 1:
            choose = LevelMapper(steps[0], steps[-1], self.canonical_scale, self.canonical_level)
            levels = choose(boxes)
        else:
            levels = torch.zeros(sum(map(len, boxes)), dtype=torch.int64)
        image = torch.cat([torch.full((len(own),), i) for i, own in enumerate(boxes)])
        places, weights = _samples(maps, steps, levels, image, torch.cat(boxes), self.output_size, self.sampling_ratio)
        flat = torch.cat([one.float().permute(0, 2, 3, 1).flatten(0, 2) for one in maps])
        values: Tensor = _WeightedSums.apply(flat, places, weights)
        return values.view(-1, *self.output_size, flat.shape[1]).permute(0, 3, 1, 2)


class _WeightedSums(torch.autograd.Function):
    """Rows of a table, weighed and summed: (p, k) places and weights of a table (m, channels) give (p, channels)."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(places, weights)
        ctx.rows = len(table)
        if not len(places):
            return table.new_zeros(0, table.shape[1])
        return embedding_bag(places, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor, None, None]:
        places, weights = (values.numpy() for values in ctx.saved_tensors)
        starts = np.arange(len(places) + 1) * places.shape[1]
        shape = (len(places), ctx.rows)
        sums = csr_array((weights.ravel(), places.ravel(), starts), shape=shape)
        return torch.from_numpy(sums.T @ wanted[0].contiguous().numpy()), None, None


def _samples(
    maps: list[Tensor],
    steps: list[int],
    levels: Tensor,
    image: Tensor,
    regions: Tensor,
    bins: tuple[int, int],
    ratio: int,
) -> tuple[Tensor, Tensor]:
    """Give for each bin of each region the places in the table of all maps, one after the other, and their weights."""
    heights, widths = (torch.tensor([one.shape[axis] for one in maps])[levels] for axis in (2, 3))
    starts = np.cumsum([0, *(len(one) * one.shape[2] * one.shape[3] for one in maps[:-1])])
    first = torch.from_numpy(starts)[levels] + image * heights * widths
    scaled = regions.detach().float() * torch.tensor([0.5**step for step in steps])[levels, None]
    row, row_weights = _along(scaled[:, 1], scaled[:, 3], heights, bins[0], ratio)
    col, col_weights = _along(scaled[:, 0], scaled[:, 2], widths, bins[1], ratio)
    beginning = first[:, None, None] + row * widths[:, None, None]
    places = beginning[:, :, None, :, None] + col[:, None, :, None, :]
    weights = row_weights[:, :, None, :, None] * col_weights[:, None, :, None, :]
    count = len(regions) * bins[0] * bins[1]
    return places.reshape(count, 4 * ratio**2), weights.reshape(count, 4 * ratio**2)


def _along(low: Tensor, high: Tensor, size: Tensor, bins: int, ratio: int) -> tuple[Tensor, Tensor]:
    """Give along one axis the cells that each bin looks at and how much it takes of each, (regions, bins, 2 · ratio).

    ``low`` and ``high`` are the ends of the regions and ``size`` the length of their maps, cells.
    """
    length = (high - low).clamp(min=1.0)
    at = low[:, None] + (torch.arange(bins * ratio) + 0.5) * (length[:, None] / (bins * ratio))
    share = ((at >= -1) & (at <= size[:, None])).float() / ratio
    at = torch.minimum(at.clamp(min=0), size[:, None] - 1.0)
    below = at.floor()
    above = torch.minimum(below + 1, size[:, None] - 1.0)
    cells = torch.stack([below, above], dim=-1).long()
    weights = torch.stack([(1 - (at - below)) * share, (at - below) * share], dim=-1)
    return cells.view(len(low), bins, 2 * ratio), weights.view(len(low), bins, 2 * ratio)
