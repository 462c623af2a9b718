"""Torchvision's region proposals and box heads, with ignored regions, and losses in validation as in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.ops import box_iou

from labkit.train.ignored import within_regions
from labkit.train.pooling import RegionAlign
from labkit.train.settings import Anchors

#: How torchvision marks a box that is neither right nor wrong.
IGNORED = -1

Target = dict[str, Tensor]


class FittedAnchors(AnchorGenerator):
    """Anchors of given widths and heights at each level, as they are: torchvision would round them to whole pixels."""

    def __init__(self, anchors: Anchors) -> None:
        # the numbers given here only say how many there are for each cell
        super().__init__(tuple((1,) * len(level) for level in anchors), ((1.0,),) * len(anchors))
        sizes = [torch.tensor(level, dtype=torch.float32) for level in anchors]
        self.cell_anchors = [torch.cat([-size, size], dim=1) / 2 for size in sizes]

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        """Keep them in single precision also where features come in half."""
        super().set_cell_anchors(torch.float32, device)


class Proposals(RegionProposalNetwork):
    """The region proposal network."""

    def propose(
        self, images: ImageList, features: dict[str, Tensor], targets: list[Target] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Give the proposals of each image (p, 4), and with targets the losses of their objectness and boxes.

        Parameters
        ----------
        images, features
            As torchvision's ``forward`` takes them.
        targets : list of dict
            For each image "boxes" (k, 4) and "ignored" (m, 4).
        """
        maps = list(features.values())
        objectness, deltas = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [int(level[0].numel()) for level in objectness]
        logits, codes = (values.float() for values in concat_box_prediction_layers(objectness, deltas))
        decoded = self.box_coder.decode(codes.detach(), anchors).view(len(anchors), -1, 4)
        proposals, _ = self.filter_proposals(decoded, logits, images.image_sizes, counts)
        if targets is None:
            return proposals, {}
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        if not torch.cat(labels).ge(0).any():  # all is ignored, and a mean over nothing would be no number
            return proposals, {"proposal_objectness": logits.sum() * 0, "proposal_box": codes.sum() * 0}
        wanted = self.box_coder.encode(matched, anchors)
        first, second = self.compute_loss(logits, codes, labels, wanted)
        return proposals, {"proposal_objectness": first, "proposal_box": second}

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match anchors to labels as torchvision does; background in an ignored region does not count.

        A label that lies between all anchors fits each of them equally, with an IoU of 0, and torchvision would teach
        it to all of them. Here it is taught to none.
        """
        met = [box_iou(own["boxes"], boxes).any(dim=1) for own, boxes in zip(targets, anchors, strict=True)]
        known = [{"boxes": own["boxes"][touched]} for own, touched in zip(targets, met, strict=True)]
        labels, matched = super().assign_targets_to_anchors(anchors, known)
        for label, boxes, target in zip(labels, anchors, targets, strict=True):
            label[(label == 0) & within_regions(boxes, target["ignored"])] = IGNORED
        return labels, matched


class BoxHeads(RoIHeads):
    """The box heads: what a proposal is, and where exactly."""

    def answer(self, features: dict[str, Tensor], proposals: list[Tensor], shape: tuple[int, int]) -> list[Tensor]:
        """Give for each image the box of each proposal and its score, (p, 5); not thinned out."""
        logits, codes = self._look(features, proposals, shape)
        boxes = self.box_coder.decode(codes, proposals)[:, 1]
        answers = torch.cat([boxes, logits.softmax(dim=1)[:, 1:]], dim=1)
        return list(answers.split([len(p) for p in proposals]))

    def losses(
        self, features: dict[str, Tensor], proposals: list[Tensor], shape: tuple[int, int], targets: list[Target]
    ) -> dict[str, Tensor]:
        """Give the losses of a sample of the proposals and the labels themselves."""
        sampled, _, labels, wanted = self.select_training_samples(proposals, targets)
        logits, codes = self._look(features, sampled, shape)
        if not len(logits):
            return {"class": logits.sum(), "box": codes.sum()}
        classes, box = fastrcnn_loss(logits, codes, labels, wanted)
        return {"class": classes, "box": box}

    def select_training_samples(self, proposals: list[Tensor], targets: Any) -> Any:
        """Draw proposals of landslides and of background; background in an ignored region is not drawn."""
        boxes = [target["boxes"] for target in targets]
        proposals = self.add_gt_proposals(proposals, boxes)
        classes = [torch.ones(len(b), dtype=torch.int64, device=b.device) for b in boxes]
        matched, labels = self.assign_targets_to_proposals(proposals, boxes, classes)
        for label, found, target in zip(labels, proposals, targets, strict=True):
            label[(label == 0) & within_regions(found, target["ignored"])] = IGNORED
        drawn = self.subsample(labels)
        proposals, labels, matched = (
            [value[index] for value, index in zip(values, drawn, strict=True)]
            for values in (proposals, labels, matched)
        )
        # an image without labels has only background, whose box does not count
        known = [b if len(b) else b.new_zeros(1, 4) for b in boxes]
        own = _picked(known, matched)
        return proposals, matched, labels, self.box_coder.encode(own, proposals)

    def _look(
        self, features: dict[str, Tensor], proposals: list[Tensor], shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        pooled = self.box_roi_pool(features, proposals, [shape] * len(proposals))
        logits, codes = self.box_predictor(self.box_head(pooled))
        return logits.float(), codes.float()


def _picked(values: list[Tensor], indices: list[Tensor]) -> list[Tensor]:
    return [value[index] for value, index in zip(values, indices, strict=True)]


def roi_align(levels: int) -> RegionAlign:
    """Pool 7 × 7 values of each region from the level of the pyramid that suits its size.

    Parameters
    ----------
    levels : int
        Maps to choose from: 4 with a pyramid (P2 to P5), 1 without.

    Notes
    -----
    k = ⌊k₀ + log₂(√(w h) / 224)⌋, kept between 2 and 5. Zhang et al. give the 224 and call k₀ "the reference level"
    without its value: 4 here, as Lin et al. have it and torchvision too. Landslides below 112 px then all lie on P2.

    References
    ----------
    Zhang et al. (2025), equation 1; Lin et al. (2017), equation 1.
    """
    return RegionAlign(
        [str(level) for level in range(levels)], output_size=7, sampling_ratio=2, canonical_scale=224, canonical_level=4
    )
