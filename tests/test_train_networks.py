"""What holds for every network, whatever its family."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet34
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import box_iou

from labkit import FileError, LabkitError, load_detector
from labkit.train import DetectorSettings, build_detector, network_class, networks, save_detector
from labkit.train.anchors import TABLE_1
from labkit.train.yolo import YoloV3

NAMES = [name for name in networks() if name != "cells"]  # the docstring's example of a network of one's own
YOLO = ("yolov3", "attention-yolov3", "a-yolov3-r", "a-yolov3-t")
FASTER = ("faster-rcnn", "faster-rcnn-fpn", "faster-rcnn-fpn-cbam")
QUICK = ("tiny", "yolov3", "a-yolov3-t")
NONE = torch.zeros(0, 4)


def weights(network):
    return sum(p.numel() for p in network.parameters())


def full(name, **fields):
    with torch.device("meta"):
        return build_detector(name, **fields).network


def couplet(image, row, col, size):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    image -= 0.7 * (y - row) / size * np.exp(0.5 - ((y - row) ** 2 + (x - col) ** 2) / (2 * size**2))
    return [col - 2 * size, row - 2.5 * size, col + 2 * size, row + 2.5 * size]


def four_chips(scale=1):
    """Couplets in noise, and the boxes around them."""
    edge = 64 * scale
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for places in ([(25, 34, 6)], [(45, 18, 4), (20, 44, 5)], [(40, 38, 6)], [(16, 16, 4), (40, 42, 6)]):
        image = rng.normal(0, 0.05, (edge, edge))
        boxes.append(torch.tensor([couplet(image, *scale * np.array(p)) for p in places], dtype=torch.float32))
        images.append(image)
    return torch.tensor(np.clip(images, -1, 1), dtype=torch.float32)[:, None], boxes


def nano(name, boxes=None, **fields):
    sizes = torch.cat([b[:, 2:] - b[:, :2] for b in boxes]).numpy() if boxes else list(TABLE_1)
    torch.manual_seed(0)
    return build_detector(name, width="nano", anchors=network_class(name).fit_anchors(sizes), **fields)


def average_precision(network, images, truth):
    """The area under the precision–recall curve at an IoU of ½ over all images, as COCO's without interpolation."""
    with torch.inference_mode():
        found = network.eval().boxes(images, 0.0, 0.4)
    ranked = sorted(((*box.tolist(), i) for i, boxes in enumerate(found) for box in boxes), key=lambda row: -row[4])
    taken, right, area = set(), 0, 0.0
    for rank, (*corners, _, i) in enumerate(ranked, start=1):
        overlap = box_iou(torch.tensor([corners]), truth[i])[0]
        best = int(overlap.argmax())
        if overlap[best] > 0.5 and (i, best) not in taken:
            taken.add((i, best))
            right += 1
            area += right / rank
    return area / sum(map(len, truth))


def test_yolov3_for_eighty_classes_and_colours_has_the_published_number_of_weights():
    settings = DetectorSettings("d", "gradients", 416, TABLE_1, "yolov3", width=32, directions=2, validity=True)
    with torch.device("meta"):
        network = YoloV3(settings, classes=80)
    assert weights(network) == 61_949_149


def test_one_class_and_one_channel_make_yolov3_smaller_by_the_last_layers_and_the_first():
    heads = 3 * (85 - 6) * sum(channels + 1 for channels in (1024, 512, 256))
    assert weights(full("yolov3")) == 61_949_149 - heads - 2 * 32 * 9


def test_attention_adds_two_perceptrons_and_one_look_for_each_block():
    stages = zip((1, 2, 8, 8, 4), (64, 128, 256, 512, 1024), strict=True)
    cbam = sum(depth * (2 * c * max(c // 16, 4) + 2 * 49) for depth, c in stages)
    assert weights(full("attention-yolov3")) - weights(full("yolov3")) == cbam
    assert weights(full("a-yolov3-r")) == weights(full("attention-yolov3"))


def test_the_tiny_one_is_smaller_than_yolov3_tiny():
    assert weights(full("a-yolov3-t")) < 8_852_366


def test_the_body_is_torchvisions_resnet_34_weight_by_weight():
    own = full("faster-rcnn", directions=2, validity=True).backbone.body.state_dict()
    with torch.device("meta"):
        theirs = resnet34(weights=None).state_dict()
    del theirs["fc.weight"], theirs["fc.bias"]
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs.items()}


def test_the_pyramid_network_is_torchvisions_weight_by_weight():
    own = full("faster-rcnn-fpn", directions=2, validity=True).state_dict()
    with torch.device("meta"):
        body = resnet_fpn_backbone(
            backbone_name="resnet34", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=5
        )
        theirs = FasterRCNN(body, num_classes=2).state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("name", YOLO)
def test_the_full_yolo_gives_values_for_three_anchors_at_each_stride(name):
    network = full(name)
    raw = network(torch.zeros(1, 1, 416, 416, device="meta"))
    assert [tuple(r.shape) for r in raw] == [(1, 3, 416 // s, 416 // s, 6) for s in network.strides]


@pytest.mark.parametrize(("name", "maps"), [("faster-rcnn", [16]), ("faster-rcnn-fpn-cbam", [128, 64, 32, 16, 8])])
def test_the_full_backbone_gives_its_maps_for_a_chip_of_512(name, maps):
    network = full(name, kind="rates", size=512)
    features = network.backbone(torch.zeros(1, 1, 512, 512, device="meta"))
    assert [tuple(f.shape[2:]) for f in features.values()] == [(edge, edge) for edge in maps]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns_and_every_part_of_the_loss_is_in_the_total(name):
    images, boxes = four_chips()
    network = nano(name, boxes, dropblock=0.0 if name in YOLO else None).network.train()
    losses = network.losses(images, boxes, [NONE] * 4)
    losses["total"].backward()
    idle = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []
    assert all(torch.isfinite(value) and value.ndim == 0 for value in losses.values())
    assert losses["total"] >= max(value for key, value in losses.items() if key != "total") > 0


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_four_chips_are_learned_to_an_average_precision_of_one(name):
    # a map at stride 32 alone does not tell couplets of 16 px apart
    images, boxes = four_chips(2 if name == "faster-rcnn" else 1)
    network = nano(name, boxes).network
    untrained = average_precision(network, images, boxes)
    steps = torch.optim.AdamW(network.parameters(), lr=3e-3)
    reached = 0.0
    for step in range(1, 241):
        losses = network.train().losses(images, boxes, [NONE] * 4)
        steps.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        steps.step()
        if step >= 40 and step % 20 == 0:
            reached = average_precision(network, images, boxes)
            if reached == 1.0:
                break
    assert untrained < 0.5 and reached == 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("directions", "validity"), [(2, True), (1, True)])
def test_channels_shapes_and_batches_are_alike_for_every_network(name, directions, validity):
    # before training many scores are equal but for rounding: nothing is dropped, and the order is not compared
    detector = nano(name, directions=directions, validity=validity, nms_iou=1.0)
    images = np.random.default_rng(1).normal(0, 2, (3, directions, 50, 77)).astype(np.float32)
    images[0, 0, :9] = np.nan
    found = detector.predict(images, 0.0)
    assert [boxes.shape[1] for boxes in found] == [5, 5, 5] and min(map(len, found)) > 0
    for boxes, image in zip(found, images, strict=True):
        assert (boxes[:, :4] >= 0).all() and (boxes[:, [0, 2]] <= 77).all() and (boxes[:, [1, 3]] <= 50).all()
        assert (np.diff(boxes[:, 4]) <= 0).all() and (boxes[:, 4] <= 1).all()
        [alone] = detector.predict(image[None], 0.0)
        assert np.abs(boxes - alone[0]).max(axis=1).min() <= 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_background_in_an_ignored_region_teaches_nothing(name):
    torch.manual_seed(3)
    images = torch.randn(2, 1, 64, 64)
    network = nano(name).network.eval()
    everywhere = torch.tensor([[-64.0, -64.0, 128.0, 128.0]])
    parts = network.losses(images, [NONE, NONE], [everywhere] * 2)
    counted = network.losses(images, [NONE, NONE], [NONE] * 2)
    assert counted["total"] > 0
    assert {key: value.item() for key, value in parts.items()} == dict.fromkeys(parts, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_detector_of_any_network_predicts_the_same_and_a_changed_one_is_refused(name, tmp_path):
    detector = nano(name)
    folder = save_detector(detector, tmp_path / name)
    images = np.random.default_rng(2).normal(0, 2, (2, 64, 64)).astype(np.float32)
    again = load_detector(folder)
    assert again.settings == detector.settings
    for before, after in zip(detector.predict(images, 0.0), again.predict(images, 0.0), strict=True):
        assert len(before)
        np.testing.assert_array_equal(before, after)
    other = next(n for n in NAMES if weights(nano(n).network) != weights(detector.network))
    description = folder / "detector.json"
    description.write_text(description.read_text().replace(f'"network": "{name}"', f'"network": "{other}"'))
    with pytest.raises(FileError, match="must "):
        load_detector(folder)
    save_detector(detector, folder)
    [stored] = folder.glob("*.safetensors")
    stored.write_bytes(stored.read_bytes()[:-8])
    with pytest.raises(FileError, match="cut or changed"):
        load_detector(folder)


def test_settings_say_all_that_a_network_is_made_of():
    assert build_detector("a-yolov3-r", width="nano").settings.dropblock == 0.1
    assert build_detector("a-yolov3-r", width="nano", attention=False).settings.attention is False
    assert build_detector("yolov3", width="nano").settings.box_loss == "mse"


@pytest.mark.parametrize(
    ("name", "fields", "rule"),
    [
        ("faster-rcnn", {"box_loss": "ciou"}, "box_loss must be left out for network='faster-rcnn'"),
        ("tiny", {"width": "huge"}, "width must be channels, 'full' or 'nano'"),
        ("yolov3", {"anchors": TABLE_1[:2]}, "anchors must be 3 for each of 3 levels"),
        ("yolov5", {}, "network must be among"),
    ],
)
def test_what_a_network_has_not_is_refused(name, fields, rule):
    with pytest.raises(LabkitError, match=rule):
        build_detector(name, **fields)


def test_the_page_on_networks_gives_the_counts_that_they_have():
    page = (Path(__file__).resolve().parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    # the first table; those of speed name the width as well
    rows = {row.split("|")[1].strip(" `"): row for row in page.splitlines() if re.match(r"\| `[\w-]+` \|", row)}
    assert set(rows) == set(NAMES)
    for name, row in rows.items():
        assert f"{weights(full(name)):,} (" in row and f"{weights(full(name, width='nano')):,} (" in row
