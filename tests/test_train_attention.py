import numpy as np
import pytest
import torch

from labkit.train.attention import Cbam
from labkit.train.darknet import DARKNET_53, Darknet, DarknetResidual
from labkit.train.resnet import ResNet34


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cbam_by_hand(features, first, second, look):
    """Woo et al. (2018), equations 1 to 3, place by place."""
    n, channels, height, width = features.shape
    out = np.empty_like(features)
    for i in range(n):
        ends = [features[i].reshape(channels, -1).mean(axis=1), features[i].reshape(channels, -1).max(axis=1)]
        gate = sigmoid(sum(second @ np.maximum(first @ end, 0) for end in ends))
        weighed = gate[:, None, None] * features[i]
        both = np.pad(np.stack([weighed.mean(axis=0), weighed.max(axis=0)]), ((0, 0), (3, 3), (3, 3)))
        for y in range(height):
            for x in range(width):
                place = sigmoid((look * both[:, y : y + 7, x : x + 7]).sum())
                out[i, :, y, x] = place * weighed[:, y, x]
    return out


@pytest.mark.parametrize(("channels", "middle"), [(128, 8), (16, 4)])
def test_cbam_is_the_published_equations(channels, middle):
    torch.manual_seed(channels)
    module = Cbam(channels).double()
    features = torch.randn(2, channels, 9, 11, dtype=torch.float64)
    first, second = (layer.weight.detach().numpy()[:, :, 0, 0] for layer in (module.channel.perceptron[0::2]))
    assert first.shape == (middle, channels)
    expected = cbam_by_hand(features.numpy(), first, second, module.spatial.look.weight.detach().numpy()[0])
    np.testing.assert_allclose(module(features).detach().numpy(), expected, rtol=1e-12)


def test_a_shortcut_joins_the_features_before_and_after_cbam():
    torch.manual_seed(0)
    block = DarknetResidual(16, attention=True).eval()
    features = torch.randn(2, 16, 8, 8)
    before = features + block.body(features)
    torch.testing.assert_close(block(features), before + block.attention(before))


@pytest.mark.parametrize("attention", [False, True])
def test_a_block_in_use_gives_what_it_gives_while_it_learns_and_leaves_its_input(attention):
    torch.manual_seed(0)
    block = DarknetResidual(16, attention=attention).eval()
    features = torch.randn(2, 16, 8, 8)
    given = features.clone()
    taught = block(given).detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(block(given), taught) and torch.equal(given, features)


def test_cbam_follows_each_of_the_23_residual_blocks_of_darknet_53_and_no_other_layer():
    with torch.device("meta"):
        network = Darknet(1, 32, DARKNET_53, attention=True)
    names = [name for name, module in network.named_modules() if isinstance(module, Cbam)]
    blocks = [name for name, module in network.named_modules() if isinstance(module, DarknetResidual)]
    assert len(blocks) == 23
    assert names == [f"{block}.attention" for block in blocks]


def test_cbam_of_the_second_paper_lies_between_layer1_and_layer3():
    torch.manual_seed(0)
    network = ResNet34(1, 8, attention=True).eval()
    images = torch.randn(1, 1, 64, 64)
    seen = {}
    for name in ("layer1", "attention1", "layer2", "attention2", "layer3"):
        module = getattr(network, name)
        module.register_forward_hook(lambda m, given, out, name=name: seen.update({name: (given[0], out)}))
    first, second, third, _ = network(images)
    assert isinstance(network.attention1, Cbam) and isinstance(network.attention2, Cbam)
    torch.testing.assert_close(seen["attention1"][0], seen["layer1"][1])
    torch.testing.assert_close(seen["layer2"][0], seen["attention1"][1])
    torch.testing.assert_close(seen["layer3"][0], seen["attention2"][1])
    assert (first.shape[1:], second.shape[1:], third.shape[1:]) == ((8, 16, 16), (16, 8, 8), (32, 4, 4))
