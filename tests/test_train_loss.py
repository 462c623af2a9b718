import math

import numpy as np
import pytest
import torch

from labkit.train.grid import decode
from labkit.train.loss import REACH, assign, detection_loss

ANCHORS = (((12.0, 16.0), (20.0, 20.0)), ((40.0, 30.0), (60.0, 60.0)))
STRIDES = (8, 16)
NONE = torch.zeros(0, 4)


def raw_values(images=1, score=-4.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    raw = [0.3 * torch.randn(images, 2, edge, edge, 5, generator=generator) for edge in (12, 6)]
    for values in raw:
        values[..., 4] += score
    return [values.requires_grad_() for values in raw]


def ciou(a, b):
    """Zheng et al. (2020), equations 5 and 8 to 11, one pair of boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    (wa, ha), (wb, hb) = [(s[2] - s[0], s[3] - s[1]) for s in (a, b)]
    iou = width * height / (wa * ha + wb * hb - width * height)
    distance = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    v = 4 / math.pi**2 * (math.atan(wb / hb) - math.atan(wa / ha)) ** 2
    return iou - distance / diagonal - v * v / (1 - iou + v)


def focal(logit, truth):
    """Lin et al. (2017), equation 5 with α = ½, γ = 2."""
    p = 1 / (1 + math.exp(-logit))
    p = p if truth else 1 - p
    return -0.5 * (1 - p) ** 2 * math.log(p)


def test_the_loss_is_the_published_formulas_summed_by_hand():
    raw = raw_values(images=2)
    with torch.no_grad():  # a cell that is not taught the second label, and yet gives just its box, and is sure of it
        raw[1][1, 1, 2, 3] = torch.tensor([-2.7, 1.95, 0.0, 0.0, 3.0])
    labels = [torch.tensor([[20.0, 26.0, 37.0, 45.0]]), torch.tensor([[12.0, 22.0, 72.0, 82.0]])]
    losses = detection_loss(raw, labels, [NONE, NONE], ANCHORS, STRIDES)
    boxes = [d.detach().numpy().astype(float) for d in decode(raw, ANCHORS, STRIDES, REACH)]
    taught = assign(labels, [(12, 12), (6, 6)], ANCHORS, STRIDES)
    box_sum, positives, objectness, left_out = 0.0, 0, 0.0, 0
    for values, (image, anchor, row, col, label) in zip(boxes, taught, strict=True):
        cells = set(zip(*(t.tolist() for t in (image, anchor, row, col)), strict=True))
        positives += len(cells)
        for index, truth in zip(zip(*(t.tolist() for t in (image, anchor, row, col)), strict=True), label, strict=True):
            box_sum += 1 - ciou(values[index][:4], truth.tolist())
        for index in np.ndindex(values.shape[:4]):
            own = labels[index[0]][0].tolist()
            a = values[index]
            width, height = min(a[2], own[2]) - max(a[0], own[0]), min(a[3], own[3]) - max(a[1], own[1])
            shared = max(0.0, width) * max(0.0, height)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (own[2] - own[0]) * (own[3] - own[1]) - shared
            if index in cells or shared / union <= 0.5:
                objectness += focal(a[4], index in cells)
            else:
                left_out += 1
    assert positives >= 6 and left_out >= 1
    assert losses["box"].item() == pytest.approx(box_sum / positives, rel=1e-4)
    assert losses["objectness"].item() == pytest.approx(objectness / positives, rel=1e-4)
    assert losses["total"].item() == pytest.approx(2 * losses["box"].item() + losses["objectness"].item(), rel=1e-6)


def test_a_label_is_taught_at_its_centre_and_the_two_nearest_cells():
    label = torch.tensor([[22.0, 22.0, 42.0, 42.0]])  # centre 32, 32: on the corner of four cells of 8 px
    (_, anchor, row, col, _), _ = assign([label + 1.0], [(12, 12), (6, 6)], ANCHORS, STRIDES)
    cells = set(zip(row[anchor == 1].tolist(), col[anchor == 1].tolist(), strict=True))
    assert cells == {(4, 4), (4, 3), (3, 4)}


def test_every_label_is_taught_somewhere_however_odd_its_shape():
    labels = [torch.tensor([[5.0, 5.0, 90.0, 9.0], [3.0, 3.0, 6.0, 6.0]])]
    taught = torch.cat([t[4] for t in assign(labels, [(12, 12), (6, 6)], ANCHORS, STRIDES)])
    assert {tuple(row) for row in taught.tolist()} == {tuple(row) for row in labels[0].tolist()}


def test_no_cell_outside_the_image_is_taught():
    labels = [torch.tensor([[0.0, 0.0, 12.0, 7.0], [84.0, 88.0, 96.0, 96.0]])]
    for (_, _, row, col, _), edge in zip(assign(labels, [(12, 12), (6, 6)], ANCHORS, STRIDES), (12, 6), strict=True):
        assert ((row >= 0) & (row < edge) & (col >= 0) & (col < edge)).all()


def test_an_image_without_labels_teaches_background_and_nothing_else():
    raw = raw_values()
    losses = detection_loss(raw, [NONE], [NONE], ANCHORS, STRIDES)
    losses["total"].backward()
    assert losses["box"].item() == 0 and losses["objectness"].item() > 0
    assert all((values.grad[..., 4] > 0).all() and not values.grad[..., :4].any() for values in raw)


def test_an_ignored_region_is_neither_right_nor_wrong():
    raw = raw_values()
    region = torch.tensor([[0.0, 0.0, 96.0, 40.0]])
    detection_loss(raw, [NONE], [region], ANCHORS, STRIDES)["total"].backward()
    fine = raw[0].grad[0, 0, ..., 4]
    assert not fine[:3].any() and (fine[7:] > 0).all()


def test_loss_falls_when_the_right_box_is_given_a_higher_score():
    label = torch.tensor([[22.0, 22.0, 42.0, 42.0]])
    (image, anchor, row, col, _), _ = assign([label], [(12, 12), (6, 6)], ANCHORS, STRIDES)
    doubtful, sure = raw_values(), raw_values()
    with torch.no_grad():
        sure[0][image, anchor, row, col, 4] = 4.0
    first, second = (detection_loss(r, [label], [NONE], ANCHORS, STRIDES)["objectness"] for r in (doubtful, sure))
    assert second < first
