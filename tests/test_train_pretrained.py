import hashlib
import pickle

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import resnet34
from torchvision.models.detection import fasterrcnn_resnet50_fpn

from labkit import FileError, LabkitError
from labkit.train import build_detector, pretrained, start_from_coco
from labkit.train.pretrained import BODY, fetch_weights, take_over


@pytest.fixture(scope="module")
def imagenet():
    torch.manual_seed(11)
    return resnet34(weights=None).state_dict()


@pytest.fixture(scope="module")
def coco():
    torch.manual_seed(12)
    return fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()


def test_the_pyramid_takes_the_backbone_and_all_of_coco_that_fits(imagenet, coco):
    network = build_detector("faster-rcnn-fpn-cbam", kind="rates", size=512).network
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    report = take_over(network, imagenet, coco).set_index("weight")
    now = network.state_dict()
    assert set(report.index) == set(now)
    for name, source in report["source"].items():
        if name == f"{BODY}conv1.weight":
            torch.testing.assert_close(now[name][:, 0], imagenet["conv1.weight"].sum(dim=1))
        elif source == "ImageNet":
            torch.testing.assert_close(now[name], imagenet[name.removeprefix(BODY)])
        elif source == "COCO":
            torch.testing.assert_close(now[name], coco[name])
        else:
            torch.testing.assert_close(now[name], fresh[name])
    body = report[report.index.str.startswith(BODY) & ~report.index.str.contains("attention")]
    assert (body["source"] == "ImageNet").all()
    attention = report[report.index.str.contains("attention")]
    assert len(attention) == 6 and (attention["why"] == "ImageNet has no such weight").all()
    taken = set(report.index[report["source"] == "COCO"])
    assert {"rpn.head.conv.0.0.weight", "rpn.head.bbox_pred.weight", "roi_heads.box_head.fc6.weight"} <= taken
    assert {f"backbone.fpn.layer_blocks.{i}.0.weight" for i in range(4)} <= taken
    assert report.loc["backbone.fpn.inner_blocks.3.0.weight", "why"] == "COCO has it as (256, 2048, 1, 1)"
    assert report.loc["roi_heads.box_predictor.cls_score.weight", "why"] == "COCO has it as (91, 1024)"


def test_two_directions_share_the_colours_and_validity_begins_with_nothing(imagenet, coco):
    network = build_detector("faster-rcnn", directions=2, validity=True).network
    take_over(network, imagenet, coco)
    first = network.backbone.body.conv1.weight
    torch.testing.assert_close(first[:, 0], imagenet["conv1.weight"].sum(dim=1) / 2)
    torch.testing.assert_close(first[:, 1], first[:, 0])
    assert not first[:, 2].any()


def test_a_narrow_network_takes_nothing_and_says_so(imagenet, coco):
    report = take_over(build_detector("faster-rcnn-fpn", width="nano").network, imagenet, coco)
    shaped = report[report["shape"].map(len) > 0]
    assert (shaped["source"] == "fresh").all()
    assert shaped["why"].str.contains("has it as").all()


def as_source(monkeypatch, folder, content):
    """Serve these bytes as ImageNet's weights, from a file."""
    folder.mkdir(exist_ok=True)
    served = folder / f"resnet34-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    served.write_bytes(content)
    monkeypatch.setitem(pretrained.SOURCES, "ImageNet", served.as_uri())
    return served


def test_weights_are_downloaded_once_and_kept_as_safetensors(imagenet, tmp_path, monkeypatch):
    torch.save(imagenet, tmp_path / "weights.pth")
    served = as_source(monkeypatch, tmp_path / "served", (tmp_path / "weights.pth").read_bytes())
    kept = fetch_weights("ImageNet", folder=tmp_path / "kept")
    assert [path.name for path in kept.parent.iterdir()] == [f"{served.stem}.safetensors"]
    served.unlink()
    assert fetch_weights("ImageNet", folder=tmp_path / "kept") == kept
    stored = load_file(kept)
    assert set(stored) == set(imagenet)
    assert all(torch.equal(stored[name], imagenet[name]) for name in stored)


def test_without_a_network_the_word_says_what_to_copy_where(tmp_path, monkeypatch):
    url = (tmp_path / "nowhere" / "resnet34-b627a593.pth").as_uri()
    monkeypatch.setitem(pretrained.SOURCES, "ImageNet", url)
    with pytest.raises(LabkitError, match=r"weights must be reachable at .*copy that file to .*resnet34-b627a593.pth"):
        start_from_coco(build_detector("faster-rcnn", width="nano"), folder=tmp_path / "kept")


def test_a_download_that_is_not_what_its_name_says_is_refused(tmp_path, monkeypatch):
    served = as_source(monkeypatch, tmp_path / "served", b"weights")
    served.write_bytes(b"other weights")
    with pytest.raises(LabkitError, match="invalid hash value"):
        fetch_weights("ImageNet", folder=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_file_copied_by_hand_and_cut_on_the_way_is_refused(imagenet, tmp_path, monkeypatch):
    torch.save(imagenet, tmp_path / "weights.pth")
    served = as_source(monkeypatch, tmp_path / "kept", (tmp_path / "weights.pth").read_bytes())
    served.write_bytes(served.read_bytes()[:-100])
    with pytest.raises(FileError, match="must have a SHA-256 that begins as its name ends"):
        fetch_weights("ImageNet", folder=tmp_path / "kept")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["trap", "text", "another network"])
def test_a_file_that_holds_anything_else_is_refused_and_nothing_in_it_is_run(kind, tmp_path, monkeypatch):
    if kind == "another network":
        torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "x.pth")
        content = (tmp_path / "x.pth").read_bytes()
    else:
        content = pickle.dumps({"conv1.weight": Trap(tmp_path / "sprung")}) if kind == "trap" else b"no weights"
    as_source(monkeypatch, tmp_path / "served", content)
    with pytest.raises(FileError, match="must hold the weights of ResNet"):
        fetch_weights("ImageNet", folder=tmp_path / "kept")
    assert not (tmp_path / "sprung").exists()


def test_only_a_faster_rcnn_begins_with_coco():
    with pytest.raises(LabkitError, match="detector must be a Faster R-CNN, instead got network='yolov3'"):
        start_from_coco(build_detector("yolov3", width="nano"))
