"""Chips per second of every network beside torchvision's, and what each way of using a network brings.

    python benchmarks/detection_speed.py [--networks faster-rcnn-fpn tiny] [--width nano] [--turns 5]
    python benchmarks/detection_speed.py --ways [--networks faster-rcnn-fpn tiny]

Chips of 416 px of noise in memory, one channel, a score of 0.5 on every side, fresh weights whose norms have seen
noise: without, features fade into denormal numbers, which are slow. All in one run and in turns, so that other work
slows all alike; ratios are medians over the turns.

Each Faster R-CNN stands beside torchvision's with the same backbone, weights, anchors and limits: equal work, and
whether the boxes are the same is printed, too. Torchvision has no YOLO. Those stand beside the single-shot networks
that it has, and those of ultralytics where a person has installed it (its licence is AGPL, labkit does not need it).
That work is not equal, so that GFLOP per second are compared, with the nearest in GFLOP of a chip. ``--ways`` measures
inference mode, folded norms with channels last, bfloat16 and batches of 1, 2 and 8. Nothing is written.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import detection
from torchvision.models.detection.faster_rcnn import FasterRCNN
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from labkit.train import Detector, build_detector, networks
from labkit.train.faster import FasterRcnn
from labkit.train.network import MAX_BOXES

SIZE, SCORE = 416, 0.5

#: Single-shot networks of torchvision, and of ultralytics.
SINGLE_SHOT: dict[str, Callable[..., nn.Module]] = {
    "SSDlite-MobileNetV3": detection.ssdlite320_mobilenet_v3_large,
    "SSD300-VGG16": detection.ssd300_vgg16,
    "RetinaNet-ResNet50-FPN": detection.retinanet_resnet50_fpn,
}
ULTRALYTICS = ("yolov8n", "yolov3-tiny", "yolov3")


@dataclass
class Contestant:
    """What is timed: a call that finds the boxes of a batch of chips."""

    call: Callable[[], Any]
    weights: int
    gflop: float = 0.0
    spent: list[tuple[float, float]] = field(default_factory=list)

    def rate(self, clock: int) -> float:
        """GFLOP per second, by the clock (0) or by the processor (1)."""
        return self.gflop / statistics.median(seconds[clock] for seconds in self.spent)


def settle(network: nn.Module, show: Callable[[torch.Tensor], Any]) -> None:
    """Give every norm the statistics of noise."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        show(torch.randn(2, 1, SIZE, SIZE))
    for norm in norms:
        norm.eval()


def count(network: nn.Module) -> int:
    """How many weights a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def ours(name: str, width: str) -> Detector:
    """A detector of that name."""
    torch.manual_seed(0)
    detector = build_detector(name, width=width)
    settle(detector.network, detector.network.candidates)
    return detector


def find(detector: Detector, precision: str, images: np.ndarray) -> list[np.ndarray]:
    """Find boxes in a precision; of the network itself only one copy is held."""
    return detector.to("cpu", precision=precision).predict(images, SCORE)


def as_torchvision(own: FasterRcnn, nms_iou: float) -> nn.Module:
    """Torchvision's Faster R-CNN with the backbone, weights and limits of ours."""
    levels = [str(level) for level in range(own.pooled_levels)]
    same = FasterRCNN(
        own.backbone,
        rpn_anchor_generator=own.rpn.anchor_generator,
        rpn_head=own.rpn.head,
        box_roi_pool=MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=2),
        box_head=own.roi_heads.box_head,
        box_predictor=own.roi_heads.box_predictor,
        box_score_thresh=SCORE,
        box_nms_thresh=nms_iou,
        box_detections_per_img=MAX_BOXES,
    )
    same.transform = GeneralizedRCNNTransform(SIZE, SIZE, [0.0], [1.0])
    return same.eval()


def single_shot(name: str) -> nn.Module:
    """One of torchvision's for one channel and one class, that takes images of 416 px as they are and finds nothing."""
    network = SINGLE_SHOT[name](weights=None, weights_backbone=None, num_classes=2, score_thresh=SCORE)
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight = nn.Parameter(first.weight.sum(dim=1, keepdim=True))
        first.in_channels = 1
        for layer in network.head.classification_head.modules() if name.startswith("SSD") else ():
            # the layers that say how likely background and the class are; else half of all boxes would be answers
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                layer.bias[::2] = 10.0
    network.transform = GeneralizedRCNNTransform(SIZE, SIZE, [0.0], [1.0])
    network.eval()
    settle(network.backbone, network.backbone)
    return network


def of_ultralytics(name: str, images: torch.Tensor) -> Contestant:
    """One of ultralytics' with norms folded, as its own predictor uses it."""
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.nms import non_max_suppression

    network = DetectionModel(f"{name}.yaml", ch=1, nc=1, verbose=False).eval()
    settle(network, network)
    weights = count(network)
    network.fuse(verbose=False)

    def call() -> Any:
        with torch.inference_mode():
            return non_max_suppression(network(images), SCORE, 0.4)

    return Contestant(call, weights)


def theirs(network: nn.Module, images: torch.Tensor) -> Contestant:
    """One of torchvision's, which takes a list of images."""
    listed = list(images)

    def call() -> Any:
        with torch.inference_mode():
            return network(listed)

    return Contestant(call, count(network))


def take_turns(contestants: dict[str, Contestant], turns: int) -> None:
    """Count the operations of each, and time it once in every turn; the first turn does not count."""
    for one in contestants.values():
        with FlopCounterMode(display=False) as counter:
            one.call()
        one.gflop = counter.get_total_flops() / 1e9
    for turn in range(turns + 1):
        for one in contestants.values():
            clock, processor = time.perf_counter(), time.process_time()
            one.call()
            if turn:
                one.spent.append((time.perf_counter() - clock, time.process_time() - processor))


def ratio(own: Contestant, other: Contestant) -> str:
    """How many times as fast the first is as the second, in the same turns, by GFLOP."""
    work = own.gflop / other.gflop
    medians = [
        statistics.median(b[i] / a[i] for a, b in zip(own.spent, other.spent, strict=True)) * work for i in (0, 1)
    ]
    return f"{medians[0]:.2f} x by the clock, {medians[1]:.2f} x by the processor"


def show(contestants: dict[str, Contestant], batch: int) -> None:
    """Print a row for each."""
    print(f"{'':40s} {'weights':>11s} {'GFLOP':>7s} {'chips/s':>8s} {'by CPU':>8s} {'GFLOP/s by CPU':>15s}")
    for name, one in contestants.items():
        clock, processor = (batch * one.rate(i) / one.gflop for i in (0, 1))
        print(
            f"{name:40s} {one.weights:11,d} {one.gflop / batch:7.2f} {clock:8.2f} {processor:8.2f} {one.rate(1):15.1f}"
        )


def agree(found: list[np.ndarray], same: list[dict[str, torch.Tensor]]) -> str:
    """Say whether two detectors gave the same boxes."""
    numbers = [sum(map(len, found)), sum(len(one["boxes"]) for one in same)]
    if numbers[0] != numbers[1]:
        return f"{numbers[0]} boxes against {numbers[1]}"
    # boxes of equal scores come in any order
    pairs = [(torch.from_numpy(a[:, :4]).float(), b["boxes"]) for a, b in zip(found, same, strict=True) if len(a)]
    apart = [float(torch.cdist(a, b, p=torch.inf).amin(dim=1).max()) for a, b in pairs]
    return f"the same {numbers[0]} boxes within {max(apart, default=0):.4f} px"


def compare(names: list[str], beside: list[str], width: str, turns: int, batch: int) -> None:
    """Print how fast each network is, and how fast beside the nearest other."""
    images = np.random.default_rng(0).normal(0, 2, (batch, SIZE, SIZE)).astype(np.float32)
    scaled = torch.from_numpy(images[:, None] / 4).clamp(-1, 1)
    own: dict[str, Contestant] = {}
    half: dict[str, Contestant] = {}
    equal: dict[str, Contestant] = {}
    for name in names:
        detector = ours(name, width)
        for precision, into in (("float32", own), ("bfloat16", half)):
            word = name if precision == "float32" else f"{name}, {precision}"
            into[word] = Contestant(partial(find, detector, precision, images), count(detector.network))
        if isinstance(detector.network, FasterRcnn):
            equal[name] = theirs(as_torchvision(detector.network, detector.settings.nms_iou), scaled)
    others = {name: theirs(single_shot(name), scaled) for name in beside}
    if importlib.util.find_spec("ultralytics"):
        others |= {f"ultralytics {name}": of_ultralytics(name, scaled) for name in ULTRALYTICS}
    everything = own | half | {f"{name} of torchvision": one for name, one in equal.items()} | others
    take_turns(everything, turns)
    show(everything, batch)
    for name, one in own.items():
        if name in equal:
            print(f"{name}, equal work: {ratio(one, equal[name])}; {agree(one.call(), equal[name].call())}")
        elif others:
            nearest = min(others, key=lambda other: abs(np.log(others[other].gflop / one.gflop)))
            print(f"{name} beside {nearest}, by GFLOP: {ratio(one, others[nearest])}")


def unfolded(detector: Detector, images: torch.Tensor, mode: Callable[[], Any]) -> list[torch.Tensor]:
    """Find boxes with the network as it was trained, in a mode without derivatives."""
    with mode():
        return detector.network.boxes(images, SCORE, detector.settings.nms_iou)


def ways(names: list[str], width: str, turns: int) -> None:
    """Print what each way of using a network brings."""
    images = np.random.default_rng(0).normal(0, 2, (8, SIZE, SIZE)).astype(np.float32)
    scaled = torch.from_numpy(images[:, None] / 4).clamp(-1, 1)
    for name in names:
        detector = ours(name, width)
        calls = {
            "2: as trained, without derivatives": partial(unfolded, detector, scaled[:2], torch.no_grad),
            "2: inference mode": partial(unfolded, detector, scaled[:2], torch.inference_mode),
            "2: norms folded, channels last": partial(find, detector, "float32", images[:2]),
            "1: the same": partial(find, detector, "float32", images[:1]),
            "8: the same": partial(find, detector, "float32", images[:8]),
            "2: bfloat16": partial(find, detector, "bfloat16", images[:2]),
            "8: bfloat16": partial(find, detector, "bfloat16", images[:8]),
        }
        contestants = {f"{name} {word}": Contestant(call, count(detector.network)) for word, call in calls.items()}
        take_turns(contestants, turns)
        first = next(iter(contestants.values()))
        for word, one in contestants.items():
            print(f"{word:60s} {ratio(one, first)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--networks", nargs="*", default=list(networks()))
    parser.add_argument("--beside", nargs="*", default=list(SINGLE_SHOT), choices=list(SINGLE_SHOT))
    parser.add_argument("--width", default="full", choices=["full", "nano"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(
        f"{given.width} width, {platform.machine()}, {os.cpu_count()} cores, {given.threads} threads, "
        f"torch {torch.__version__}"
    )
    if given.ways:
        ways(given.networks, given.width, given.turns)
    else:
        compare(given.networks, given.beside, given.width, given.turns, given.batch)


if __name__ == "__main__":
    main()
