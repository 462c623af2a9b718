import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from labkit.train.pooling import RegionAlign

PLAIN = {"output_size": 7, "sampling_ratio": 2, "canonical_scale": 224, "canonical_level": 4}


def regions(count, edge, generator):
    """Regions of 1 px to four times the image, some of which reach beyond it on either side."""
    corner = torch.rand(count, 2, generator=generator) * 1.2 * edge - 0.2 * edge
    sizes = torch.exp(torch.rand(count, 2, generator=generator) * torch.tensor(4.0 * edge).log())
    return torch.cat([corner, corner + sizes], dim=1)


@pytest.mark.parametrize("edges", [(56, 28, 14, 7), (7,)])
def test_regions_and_their_derivatives_are_torchvisions(edges):
    draw = torch.Generator().manual_seed(0)
    maps = {str(i): torch.randn(3, 6, edge, edge + edge // 7, generator=draw) for i, edge in enumerate(edges)}
    boxes = [regions(count, 224, draw) for count in (150, 0, 90)]
    shapes = [(224, 256)] * 3
    ours, theirs = (kind([str(i) for i in range(len(edges))], **PLAIN) for kind in (RegionAlign, MultiScaleRoIAlign))
    values, gradients = [], []
    for pool in (ours, theirs):
        taught = {name: one.clone().requires_grad_() for name, one in maps.items()}
        values.append(pool(taught, boxes, shapes))
        wanted = torch.randn(values[-1].shape, generator=torch.Generator().manual_seed(1))
        gradients.append(torch.autograd.grad(values[-1], list(taught.values()), wanted))
    assert values[0].shape == (240, 6, 7, 7)
    # a coordinate of up to 56 cells is rounded at 4e-6, and what it interpolates between differs by a few units
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-4)
    for mine, other in zip(*gradients, strict=True):
        assert other.abs().max() > 1
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=5e-4)


def test_no_regions_give_no_values_and_teach_nothing():
    features = torch.randn(2, 4, 7, 7, requires_grad=True)
    pooled = RegionAlign(["0"], **PLAIN)({"0": features}, [torch.zeros(0, 4)] * 2, [(224, 224)] * 2)
    assert pooled.shape == (0, 4, 7, 7)
    pooled.sum().backward()
    assert not features.grad.any()


def test_maps_in_half_precision_are_pooled_in_single():
    features = torch.randn(1, 4, 7, 7).bfloat16()
    boxes, shapes = [regions(20, 224, torch.Generator().manual_seed(0))], [(224, 224)]
    pool = RegionAlign(["0"], **PLAIN)
    pooled = pool({"0": features}, boxes, shapes)
    assert pooled.dtype == torch.float32
    assert torch.equal(pooled, pool({"0": features.float()}, boxes, shapes))
