"""The networks of Zhang et al. (2025): Faster R-CNN on ResNet-34, with a pyramid, and with attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead

from labkit.train.anchors import pyramid_anchors
from labkit.train.network import Network
from labkit.train.proposals import BoxHeads, FittedAnchors, Proposals, roi_align
from labkit.train.resnet import LastMap, Pyramid
from labkit.train.settings import Anchors, DetectorSettings

#: Proposals of an image that reach the box heads, in training and in use, as in torchvision.
MOST_PROPOSALS = {"training": 2000, "testing": 1000}


class FasterRcnn(Network):
    """Faster R-CNN on the last map of ResNet-34, at stride 32, with nine anchors.

    Batches are normalized as they come, and every layer learns (torchvision freezes both with weights from elsewhere,
    which know colours). ``width`` is that of ResNet-34, 64 as published; the pyramid and the heads follow it.

    Notes
    -----
    total = proposal_objectness + proposal_box + class + box: cross-entropy and smooth L1 of a sample of 256 anchors and
    512 proposals of each image, as in torchvision. The paper says nothing of them.

    References
    ----------
    Ren et al. (2015), Faster R-CNN; Zhang et al. (2025), sections 3.1 and 3.2.1.
    """

    multiple = 32
    levels = 1
    anchors_each = 9
    full_width = 64
    nano_width = 8
    defaults = MappingProxyType({"attention": False})
    backbone_class: ClassVar[type[LastMap] | type[Pyramid]] = LastMap
    pooled_levels: ClassVar[int] = 1

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__(settings)
        width = self.settings.width
        self.backbone = self.backbone_class(self.channels, width, attention=bool(self.settings.attention))
        maps = self.backbone.out_channels
        self.rpn = Proposals(
            FittedAnchors(self.settings.anchors),
            RPNHead(maps, self.anchors_each),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n=MOST_PROPOSALS,
            post_nms_top_n=MOST_PROPOSALS,
            nms_thresh=0.7,
        )
        self.roi_heads = BoxHeads(
            roi_align(self.pooled_levels),
            TwoMLPHead(maps * 7**2, 16 * width),
            FastRCNNPredictor(16 * width, num_classes=2),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=512,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            # what follows would thin out the answers, which Network.boxes does
            score_thresh=0.0,
            nms_thresh=self.settings.nms_iou,
            detections_per_img=MOST_PROPOSALS["testing"],
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give for each image the box of each proposal and its score, (p, 5), px."""
        shape, listed = _as_list(images)
        features = self.backbone(images)
        proposals, _ = self.rpn.propose(listed, features)
        return self.roi_heads.answer(features, proposals, shape)

    def candidates(self, images: Tensor) -> list[Tensor]:
        """Give what ``forward`` gives."""
        return self(images)

    def losses(self, images: Tensor, targets: list[Tensor], ignored: list[Tensor]) -> dict[str, Tensor]:
        """Give "proposal_objectness", "proposal_box", "class" and "box", and their sum, "total".

        Anchors and proposals are drawn at random; in validation the same each time, so that epochs can be compared.
        """
        shape, listed = _as_list(images)
        wanted = [{"boxes": boxes, "ignored": regions} for boxes, regions in zip(targets, ignored, strict=True)]
        with _same_draws(not self.training, images.device):
            features = self.backbone(images)
            proposals, parts = self.rpn.propose(listed, features, wanted)
            parts |= self.roi_heads.losses(features, proposals, shape, wanted)
        return parts | {"total": torch.stack(list(parts.values())).sum()}


class FasterRcnnFpn(FasterRcnn):
    """Faster R-CNN on ResNet-34 with a feature pyramid: five levels of three anchors.

    Regions are pooled from the level of equation 1 (:func:`~labkit.train.proposals.roi_align`).

    References
    ----------
    Lin et al. (2017), FPN; Zhang et al. (2025), section 3.2.2.
    """

    levels = 5
    anchors_each = 3
    backbone_class = Pyramid
    pooled_levels = 4

    @classmethod
    def fit_anchors(cls, sizes: Any, seed: int = 0) -> Anchors:
        """Give three shapes whose scale doubles from level to level (:func:`~labkit.train.anchors.pyramid_anchors`)."""
        return pyramid_anchors(sizes, cls.levels, cls.anchors_each)


class FasterRcnnFpnCbam(FasterRcnnFpn):
    """The improved Faster R-CNN: ResNet-34 with CBAM after ``layer1`` and ``layer2``, and a feature pyramid.

    The paper's text says where CBAM stands, and nothing of a shortcut around it: there is none.

    References
    ----------
    Zhang et al. (2025), section 3.2.3 and Figure 4; Woo et al. (2018), CBAM.
    """

    defaults = MappingProxyType({"attention": True})


def _as_list(images: Tensor) -> tuple[tuple[int, int], ImageList]:
    shape = (images.shape[2], images.shape[3])
    return shape, ImageList(images, [shape] * len(images))


@contextmanager
def _same_draws(wanted: bool, device: torch.device) -> Iterator[None]:
    if not wanted:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
