import math

import numpy as np
import pytest
import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import clip_boxes_to_image, remove_small_boxes

from labkit.train import build_detector
from labkit.train.proposals import FittedAnchors, roi_align

ANCHORS = tuple(tuple((w * 2**i, h * 2**i) for w, h in ((7.0, 4.5), (6.0, 6.0), (4.5, 7.25))) for i in range(5))
BOXES = [torch.tensor([[10.0, 12.0, 30.0, 33.0], [40.0, 5.0, 60.0, 20.0]]), torch.tensor([[20.0, 20.0, 50.0, 44.0]])]
NONE = torch.zeros(0, 4)


@pytest.fixture(scope="module")
def own():
    torch.manual_seed(1)
    return build_detector("faster-rcnn-fpn", anchors=ANCHORS, directions=2, validity=True).network


@pytest.fixture(scope="module")
def theirs(own):
    """Torchvision's own Faster R-CNN with the same weights."""
    body = resnet_fpn_backbone(
        backbone_name="resnet34", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5
    )
    model = FasterRCNN(
        body,
        num_classes=2,
        min_size=64,
        max_size=64,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        rpn_anchor_generator=FittedAnchors(ANCHORS),
        box_score_thresh=-1.0,
        box_nms_thresh=1.0,
        box_detections_per_img=2000,
    )
    model.load_state_dict(own.state_dict())
    return model


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def test_the_losses_are_torchvisions(own, theirs, images):
    targets = [{"boxes": b, "labels": torch.ones(len(b), dtype=torch.int64)} for b in BOXES]
    # torchvision draws numbers for the size of its images as well, before those for the sample of anchors
    seeding = theirs.rpn.register_forward_pre_hook(lambda *_: torch.manual_seed(5) and None)
    expected = theirs.train()(list(images), targets)
    seeding.remove()
    torch.manual_seed(5)
    losses = own.train().losses(images, BOXES, [NONE, NONE])
    names = {
        "proposal_objectness": "loss_objectness",
        "proposal_box": "loss_rpn_box_reg",
        "class": "loss_classifier",
        "box": "loss_box_reg",
    }
    for name, other in names.items():
        torch.testing.assert_close(losses[name], expected[other])
    torch.testing.assert_close(losses["total"], sum(expected.values()))


def test_the_boxes_are_torchvisions(own, theirs, images):
    theirs.load_state_dict(own.state_dict())
    with torch.inference_mode():
        expected = theirs.eval()(list(images))
        found = own.eval().candidates(images)
    for boxes, other in zip(found, expected, strict=True):
        corners = clip_boxes_to_image(boxes[:, :4], (64, 64))
        kept = remove_small_boxes(corners, 0.01)
        ours = torch.cat([corners[kept], boxes[kept, 4:]], dim=1)
        answers = torch.cat([other["boxes"], other["scores"][:, None]], dim=1)
        assert len(ours) == len(answers) > 500
        # the order of scores that are equal is rounding
        same = torch.cdist(answers, ours, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
        assert len(same.unique()) == len(ours)
        torch.testing.assert_close(ours[same], answers)


def test_validation_losses_are_the_same_each_time_and_leave_the_random_numbers_alone(own, images):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = (own.eval().losses(images, BOXES, [NONE, NONE])["total"] for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())


def test_only_background_inside_an_ignored_region_is_left_out(own):
    images = ImageList(torch.zeros(1, 3, 64, 64), [(64, 64)])
    maps = [torch.zeros(1, 1, 64 // s, 64 // s) for s in (4, 8, 16, 32, 64)]
    [anchors] = own.rpn.anchor_generator(images, maps)
    region = torch.tensor([[0.0, 0.0, 32.0, 64.0]])
    targets = [{"boxes": BOXES[0], "ignored": NONE}]
    [plain], _ = own.rpn.assign_targets_to_anchors([anchors], targets)
    [label], _ = own.rpn.assign_targets_to_anchors([anchors], [{"boxes": BOXES[0], "ignored": region}])
    centre = (anchors[:, 0] + anchors[:, 2]) / 2
    inside = (centre >= 0) & (centre < 32) & (anchors[:, 1] + anchors[:, 3] >= 0)
    assert ((plain == 1) & inside).any() and ((plain == 0) & inside).any()
    torch.testing.assert_close(label, torch.where(inside & (plain == 0), -1.0, plain))


def test_a_label_between_all_anchors_is_taught_to_none_of_them(own):
    images = ImageList(torch.zeros(1, 3, 64, 64), [(64, 64)])
    maps = [torch.zeros(1, 1, 64 // s, 64 // s) for s in (4, 8, 16, 32, 64)]
    [anchors] = own.rpn.anchor_generator(images, maps)
    label = torch.tensor([[200.0, 200.0, 206.0, 206.0]])
    touching = torch.tensor([[20.0, 20.0, 44.0, 44.0]])
    wanted = {0: label, 1: torch.cat([touching, label]), 2: touching}
    taught = {
        name: int((own.rpn.assign_targets_to_anchors([anchors], [{"boxes": boxes, "ignored": NONE}])[0][0] == 1).sum())
        for name, boxes in wanted.items()
    }
    assert taught[0] == 0
    assert taught[1] == taught[2] > 0


def test_no_proposal_of_an_ignored_region_is_drawn_as_background(own):
    corners = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) * 48
    proposals = [torch.cat([corners, corners + 16], dim=1)]
    targets = [{"boxes": BOXES[1], "ignored": torch.tensor([[0.0, 0.0, 64.0, 30.0]])}]
    drawn, _, labels, _ = own.roi_heads.select_training_samples(proposals, targets)
    centre_y = (drawn[0][:, 1] + drawn[0][:, 3]) / 2
    assert (labels[0] == 1).sum() >= 1 and (labels[0] == 0).sum() > 50
    assert (centre_y[labels[0] == 0] >= 30).all()


def test_regions_come_from_the_level_of_equation_1():
    pool = roi_align(4)
    edges = np.array([10.0, 60.0, 111.0, 113.0, 223.0, 225.0, 300.0, 500.0])
    boxes = [torch.tensor([[0.0, 0.0, edge, edge / 2] for edge in edges], dtype=torch.float32)]
    maps = {str(i): torch.full((1, 1, 512 // s, 512 // s), float(i + 2)) for i, s in enumerate((4, 8, 16, 32))}
    level = pool(maps, boxes, [(512, 512)]).amax(dim=(1, 2, 3))
    expected = [min(max(math.floor(4 + math.log2(math.sqrt(e * e / 2) / 224)), 2), 5) for e in edges]
    np.testing.assert_allclose(level, expected, rtol=1e-6)


def test_anchors_stand_on_the_cells_with_just_the_sizes_given():
    [anchors] = FittedAnchors(ANCHORS[:1])(ImageList(torch.zeros(1, 1, 8, 8), [(8, 8)]), [torch.zeros(1, 1, 2, 2)])
    assert anchors.shape == (12, 4)
    np.testing.assert_allclose(anchors[:3, 2:] - anchors[:3, :2], ANCHORS[0])
    np.testing.assert_allclose((anchors[3:6, :2] + anchors[3:6, 2:]) / 2, [[4, 0]] * 3)
