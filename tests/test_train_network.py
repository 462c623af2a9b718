import numpy as np
import pytest
import torch

from labkit import LabkitError
from labkit.train import Network, register_network
from labkit.train.building import build
from labkit.train.grid import PRIOR_SCORE, decode
from labkit.train.settings import DetectorSettings

ANCHORS = (((12.0, 16.0), (20.0, 20.0), (24.0, 18.0)), ((40.0, 30.0), (50.0, 60.0), (90.0, 80.0)))


def tiny(width=16, **fields):
    return build(DetectorSettings("d", "gradients", 416, fields.pop("anchors", ANCHORS), width=width, **fields))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (416, 416), (32, 16)])
def test_each_stride_gives_five_values_for_each_anchor_and_cell(height, width):
    fine, coarse = tiny()(torch.zeros(2, 1, height, width))
    assert fine.shape == (2, 3, height // 8, width // 8, 5)
    assert coarse.shape == (2, 3, height // 16, width // 16, 5)


def test_every_weight_learns_from_one_step():
    torch.manual_seed(0)
    network = tiny(width=8)
    labels = [torch.tensor([[20.0, 20.0, 38.0, 40.0]]), torch.tensor([[10.0, 10.0, 80.0, 75.0]])]
    none = [torch.zeros(0, 4)] * 2
    network.losses(torch.randn(2, 1, 96, 96), labels, none)["total"].backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_an_untrained_network_sees_background_everywhere():
    torch.manual_seed(0)
    for values in tiny()(torch.randn(1, 1, 128, 128)):
        assert abs(values[..., 4].sigmoid().mean().item() - PRIOR_SCORE) < PRIOR_SCORE


def test_zero_raw_values_decode_to_the_anchors_on_the_cell_centres():
    raw = [torch.zeros(1, 3, 4, 6, 5), torch.zeros(1, 3, 2, 3, 5)]
    for boxes, sizes, stride in zip(decode(raw, ANCHORS, (8, 16), 2.0), ANCHORS, (8, 16), strict=True):
        centre = (boxes[..., :2] + boxes[..., 2:4]) / 2
        np.testing.assert_allclose(centre[0, 0, 1, 2], [2.5 * stride, 1.5 * stride])
        np.testing.assert_allclose((boxes[..., 2:4] - boxes[..., :2])[0, :, 1, 1], sizes, rtol=1e-6)


def test_a_cell_reaches_half_a_cell_beyond_itself():
    raw = torch.zeros(1, 3, 4, 4, 5)
    raw[..., :2] = torch.tensor([-50.0, 50.0])
    boxes = decode([raw, torch.zeros(1, 3, 2, 2, 5)], ANCHORS, (8, 16), 2.0)[0]
    centre = ((boxes[..., :2] + boxes[..., 2:4]) / 2)[0, 0, 2, 1]
    np.testing.assert_allclose(centre, [(1 - 0.5) * 8, (2 + 1.5) * 8], atol=1e-4)


def test_moving_the_image_by_a_cell_moves_the_answer_by_a_cell():
    torch.manual_seed(1)
    network = tiny(width=8).eval()
    # normalization looks at the whole image, which rolling leaves alike; the borders lie out of sight of the middle
    image = torch.zeros(1, 1, 640, 640)
    image[..., 300:330, 300:330] = torch.randn(30, 30)
    with torch.inference_mode():
        here, there = network(image)[1], network(image.roll((16, 32), (2, 3)))[1]
    torch.testing.assert_close(here[..., 18:22, 18:22, :], there[..., 19:23, 20:24, :], atol=2e-3, rtol=1e-3)


def test_a_network_that_does_not_exist_is_refused_with_those_that_do():
    settings = DetectorSettings("d", "gradients", 416, ANCHORS, network="huge")
    with pytest.raises(LabkitError, match=r"network must be among \[.*'tiny'.*\], instead got network='huge'"):
        build(settings)


def test_anchors_must_be_given_for_each_stride():
    with pytest.raises(LabkitError, match="anchors must be 3 for each of 2 levels"):
        tiny(anchors=ANCHORS[:1])


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(LabkitError, match="name must be free"):

        @register_network("tiny")
        class Other(Network):
            multiple = 1
