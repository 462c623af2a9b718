"""A detector in use answers as its network does, only faster: folded norms, channels last, few boxes decoded."""

import copy

import couplets
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import nms

import labkit as lk
from labkit import LabkitError
from labkit.train import build_detector, networks
from labkit.train.inference import InUse, folded

SCORE = 1e-3


def settled(name, **settings):
    """A detector whose batch norms have statistics and weights of their own, as after training."""
    torch.manual_seed(1)
    detector = build_detector(name, width="nano", size=96, **settings)
    network = detector.network.train()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.momentum = None
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.2)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, network.channels, 96, 96) * 2 - 1)
    network.eval()
    return detector


def as_it_was(network, images, score, nms_iou):
    """The boxes by the network itself: every candidate decoded, then those of enough score."""
    answers = []
    with torch.no_grad():
        for boxes in network.candidates(images):
            corners, scores = boxes[:, :4].clamp(0, images.shape[-1]), boxes[:, 4]
            keep = torch.nonzero((scores >= score) & ((corners[:, 2:] - corners[:, :2]) >= 2).all(dim=1)).flatten()
            keep = keep[scores[keep].argsort(descending=True, stable=True)[:1000]]
            keep = keep[nms(corners[keep], scores[keep], nms_iou)]
            answers.append(torch.cat([corners[keep], scores[keep, None]], dim=1).numpy())
    return answers


@pytest.mark.parametrize("name", networks())
def test_the_boxes_are_those_of_the_network_itself(name):
    detector = settled(name)
    images = torch.rand(3, detector.network.channels, 96, 96) * 2 - 1
    given = images[:, 0].numpy() * detector.settings.limit
    expected = as_it_was(detector.network, images, SCORE, detector.settings.nms_iou)
    assert sum(map(len, expected))
    for found, wanted in zip(detector.predict(given, SCORE), expected, strict=True):
        # by score alone rounding may exchange two that are alike
        found, wanted = (boxes[np.lexsort(boxes.round(2).T)] for boxes in (found, wanted))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", networks())
def test_most_norms_are_folded_and_the_network_itself_keeps_its_own(name):
    network = settled(name).network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    ready = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert not any(weight.requires_grad for weight in ready.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(weight.requires_grad for weight in network.parameters())


def test_a_norm_that_follows_something_else_stays():
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
            self.shared = nn.Conv2d(4, 4, 1)
            self.one = nn.Sequential(self.shared, nn.BatchNorm2d(4))
            self.two = nn.Sequential(self.shared, nn.ReLU())

    kept = [name for name, module in folded(Apart()).named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert kept == ["bn1", "one.1"]


def test_changed_weights_are_seen_at_once():
    detector = settled("tiny")
    images = np.random.default_rng(0).normal(0, 2, (1, 96, 96))
    before = detector.predict(images, SCORE)[0]
    assert detector._in_use() is detector._in_use()
    with torch.no_grad():
        for weight in detector.network.parameters():
            weight.mul_(0.9)
    after = detector.predict(images, SCORE)[0]
    assert before.shape != after.shape or not np.allclose(before, after)
    other = settled("tiny")
    detector.network.load_state_dict(other.network.state_dict())
    np.testing.assert_array_equal(detector.predict(images, SCORE)[0], other.predict(images, SCORE)[0])


def test_a_replaced_weight_is_seen_too():
    network = settled("tiny").network
    in_use = InUse(network)
    first = in_use()
    network.stem[0].weight = nn.Parameter(network.stem[0].weight.detach() * 2)
    assert in_use() is not first
    second = in_use()
    network.stem[0].weight.data = network.stem[0].weight.detach() * 2
    assert in_use() is not second


def test_learning_goes_on_after_a_look_at_the_boxes():
    detector = settled("tiny")
    network = detector.network.train()
    statistics = copy.deepcopy(network.stem[1].running_mean)
    detector.predict(np.zeros((1, 96, 96)), SCORE)
    assert network.training and torch.equal(network.stem[1].running_mean, statistics)
    network.losses(torch.zeros(1, 1, 96, 96), [torch.zeros(0, 4)], [torch.zeros(0, 4)])["total"].backward()
    assert network.stem[0].weight.grad is not None


def test_half_precision_moves_most_boxes_by_fractions_of_a_pixel():
    detector = lk.load_detector("gradients-small")
    seen = couplets.gradients((224, 416), couplets.random_bumps((224, 416), 8, seed=3))["gradient"].to_numpy()
    # the scene's noise is 0.3 rad
    images = np.stack([seen, np.where(np.isnan(seen), np.nan, 0.3)], axis=1)
    exact = detector.predict(images, 0.3)
    half = detector.to("cpu", precision="bfloat16").predict(images, 0.3)
    assert sum(map(len, exact)) > 8
    moved = []
    for one, other in zip(exact, half, strict=True):
        assert abs(len(one) - len(other)) <= 1
        sure = one[one[:, 4] > 0.4, :4]
        moved += list(np.abs(other[:, None, :4] - sure).max(axis=2).min(axis=0))
    # a few of another anchor that answers almost as strongly
    assert np.median(moved) < 0.25 and max(moved) < 4
    assert not all(np.array_equal(a, b) for a, b in zip(exact, half, strict=True))
    again = detector.to("cpu").predict(images, 0.3)
    assert all(np.array_equal(a, b) for a, b in zip(exact, again, strict=True))


def test_an_unknown_precision_is_refused():
    with pytest.raises(LabkitError, match="precision must be among .* instead got precision='int8'"):
        build_detector("tiny", width="nano").to("cpu", precision="int8")
