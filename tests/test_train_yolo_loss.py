import math

import numpy as np
import pytest
import torch
from torchvision.ops import complete_box_iou_loss

from labkit.train import build_detector
from labkit.train.anchors import TABLE_1, shape_iou
from labkit.train.grid import decode
from labkit.train.yolo import DropBlock
from labkit.train.yolo_loss import assign_best, yolo_loss

ANCHORS = (((12.0, 16.0), (20.0, 20.0)), ((40.0, 30.0), (60.0, 60.0)))
STRIDES = (8, 16)
NONE = torch.zeros(0, 4)
LABELS = [torch.tensor([[20.0, 26.0, 37.0, 45.0]]), torch.tensor([[12.0, 22.0, 72.0, 82.0], [50.0, 50.0, 61.0, 67.0]])]


def raw_values(images=2, classes=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    raw = [0.3 * torch.randn(images, 2, edge, edge, 5 + classes, generator=generator) for edge in (12, 6)]
    return [values.requires_grad_() for values in raw]


def entropy(logit, truth):
    p = 1 / (1 + math.exp(-logit))
    return -truth * math.log(p) - (1 - truth) * math.log(1 - p)


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def by_hand(raw, box_loss):
    """The formulas of the docstring, label by label and cell by cell."""
    boxes = [d.detach().double().numpy() for d in decode(raw, ANCHORS, STRIDES)]
    own, box, classes, objectness = set(), 0.0, 0.0, 0.0
    for i, labels in enumerate(LABELS):
        for label in labels.tolist():
            width, height = label[2] - label[0], label[3] - label[1]
            x, y = (label[0] + label[2]) / 2, (label[1] + label[3]) / 2
            best = int(shape_iou([[width, height]], np.reshape(ANCHORS, (-1, 2))).argmax())
            level, anchor = divmod(best, 2)
            stride, prior = STRIDES[level], ANCHORS[level][anchor]
            index = (i, anchor, int(y // stride), int(x // stride))
            own.add((level, *index))
            t = raw[level][index].detach().double().tolist()
            if box_loss == "mse":
                error = (1 / (1 + math.exp(-t[0])) - x / stride % 1) ** 2 + (
                    1 / (1 + math.exp(-t[1])) - y / stride % 1
                ) ** 2
                error += (t[2] - math.log(width / prior[0])) ** 2 + (t[3] - math.log(height / prior[1])) ** 2
                box += (2 - width * height / 96**2) * error
            else:
                pair = [torch.tensor([values]) for values in (boxes[level][index][:4].tolist(), label)]
                box += complete_box_iou_loss(*pair).item()
            classes += entropy(t[5], 1.0)
    for level, values in enumerate(boxes):
        for index in np.ndindex(values.shape[:4]):
            mine = (level, *index) in own
            if mine or max(iou(values[index], label) for label in LABELS[index[0]].tolist()) <= 0.5:
                objectness += entropy(values[index][4], float(mine))
    return box / len(own), objectness / len(own), classes / len(own)


@pytest.mark.parametrize(("box_loss", "weight"), [("mse", 1), ("ciou", 2)])
def test_the_loss_is_the_formulas_summed_by_hand(box_loss, weight):
    raw = raw_values()
    losses = yolo_loss(raw, LABELS, [NONE, NONE], ANCHORS, STRIDES, box_loss=box_loss)
    box, objectness, classes = by_hand(raw, box_loss)
    assert losses["box"].item() == pytest.approx(box, rel=1e-5)
    assert losses["objectness"].item() == pytest.approx(objectness, rel=1e-5)
    assert losses["classes"].item() == pytest.approx(classes, rel=1e-5)
    assert losses["total"].item() == pytest.approx(weight * box + objectness + classes, rel=1e-5)


def test_the_squared_errors_vanish_at_the_label_itself():
    raw = raw_values()
    (image, anchor, row, col, label), _ = assign_best(LABELS, ANCHORS, STRIDES)
    with torch.no_grad():
        centre = (label[:, :2] + label[:, 2:]) / 2 / 8
        edges = label[:, 2:] - label[:, :2]
        raw[0][image, anchor, row, col, :2] = torch.logit(centre - centre.floor())
        raw[0][image, anchor, row, col, 2:4] = (edges / torch.tensor(ANCHORS[0])[anchor]).log()
    small = [boxes[(boxes[:, 2] - boxes[:, 0]) < 30] for boxes in LABELS]
    assert yolo_loss(raw, small, [NONE, NONE], ANCHORS, STRIDES)["box"].item() < 1e-10
    at_labels = decode(raw, ANCHORS, STRIDES)[0][image, anchor, row, col, :4]
    torch.testing.assert_close(at_labels, label)


def test_labels_are_smoothed_anew_each_time_and_only_inward():
    raw = raw_values(classes=3)
    torch.manual_seed(0)
    args = (raw, LABELS, [NONE, NONE], ANCHORS, STRIDES)
    first, second = (yolo_loss(*args, smoothing=0.2)["classes"].item() for _ in range(2))
    assert first != second
    plain = yolo_loss(*args)["classes"].item()
    drawn = np.mean([yolo_loss(*args, smoothing=0.2)["classes"].item() for _ in range(200)])
    # the cross-entropy is linear in the label, so that its mean is that of the mean label, moved inward by 0.1
    taught = torch.cat([raw[i][a[:4]][:, 5:] for i, a in enumerate(assign_best(LABELS, ANCHORS, STRIDES))]).detach()
    moved = (0.1 * (taught * torch.tensor([1.0, -1.0, -1.0]))).sum().item() / 3
    assert drawn == pytest.approx(plain + moved, abs=0.01)


def test_labels_are_smoothed_while_training_only():
    torch.manual_seed(0)
    network = build_detector("a-yolov3-t", width="nano").network.eval()
    images, labels = torch.randn(1, 1, 64, 64), [torch.tensor([[20.0, 20.0, 40.0, 44.0]])]
    first, second = (network.losses(images, labels, [NONE])["total"] for _ in range(2))
    assert first == second


def test_an_image_without_labels_teaches_background_and_nothing_else():
    raw = raw_values(images=1)
    losses = yolo_loss(raw, [NONE], [NONE], ANCHORS, STRIDES)
    losses["total"].backward()
    assert losses["box"].item() == losses["classes"].item() == 0 < losses["objectness"].item()
    assert all((v.grad[..., 4] > 0).all() and not v.grad[..., :4].any() for v in raw)


def test_an_ignored_region_is_neither_right_nor_wrong():
    raw = raw_values(images=1)
    region = torch.tensor([[0.0, 0.0, 96.0, 40.0]])
    yolo_loss(raw, [NONE], [region], ANCHORS, STRIDES)["total"].backward()
    fine = raw[0].grad[0, 0, ..., 4]
    assert not fine[:5].any() and (fine[5:] > 0).all()


def test_a_cell_keeps_the_centre_of_its_box_within_itself():
    raw = [torch.zeros(1, 2, 4, 4, 6), torch.zeros(1, 2, 2, 2, 6)]
    raw[0][..., :2] = torch.tensor([-50.0, 50.0])
    boxes = decode(raw, ANCHORS, STRIDES)[0]
    np.testing.assert_allclose(((boxes[..., :2] + boxes[..., 2:4]) / 2)[0, 0, 2, 1], [8, 24], atol=1e-4)


@pytest.mark.parametrize("edge", [1, 2, 6, 13])
def test_dropblock_drops_its_share_while_training_and_nothing_afterwards(edge):
    torch.manual_seed(0)
    layer = DropBlock(0.1)
    features = torch.ones(8, 200, edge, edge)
    assert torch.equal(layer.eval()(features), features)
    dropped = layer.train()(features)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert dropped.mean().item() == pytest.approx(1.0, abs=1e-4)


def test_dropblock_stands_in_each_of_the_three_detection_layers():
    network = build_detector("a-yolov3-r", width="nano").network
    shares = [[m.share for m in layer.modules() if isinstance(m, DropBlock)] for layer in network.layers]
    assert shares == [[0.1], [0.1], [0.1]]


def test_table_1_goes_to_yolov3_as_it_stands():
    fitted = build_detector("yolov3", width="nano").settings.anchors
    assert [sorted(level) for level in fitted] == [sorted(level) for level in TABLE_1]
