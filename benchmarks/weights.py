"""Train the weights that ship on simulated regions, choose their threshold, and measure them.

    nice python benchmarks/weights.py train FOLDER RUN --kind gradients --steps 5000 [--minutes 10] [--start DETECTOR]
    nice python benchmarks/weights.py threshold FOLDER RUN
    nice python benchmarks/weights.py measure FOLDER RUN
    nice python benchmarks/weights.py ship RUN labkit/train/shipped/gradients-small

FOLDER holds the regions of ``benchmarks/weights_regions.py``. ``train`` may be stopped and called again: it goes on
where RUN stands. ``--start`` begins with the weights of a detector of the same network, which may be narrower and may
not have seen standard errors. ``threshold`` chooses a score on the regions of validation and development, moves all
scores so that it becomes 0.5, and rounds the weights to float16, as they ship. ``measure`` takes the held-out regions
that nothing was chosen on, those without deformation, and, where LABKIT_REAL_DATA names the folder of real files, the
stack of Danba; what it finds is written to ``RUN/measured.json``. ``ship`` writes the detector with its card.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from tqdm.auto import tqdm
from weights_measures import curve, danba, held_out, labels_of, opened, searched, stacks, without_deformation

import labkit as lk
from labkit import files
from labkit.train import FitSettings
from labkit.train.card import write_card
from labkit.train.detector import Detector

#: Chips of 416 px; windows of 224 px are cut from them at random.
SIZE = 416

#: Patches of rates that lie close together are kept apart: their boxes overlap.
NMS_IOU = {"gradients": 0.2, "rates": 0.4}

#: Where nothing moves, at most so many boxes on 1,000 km² when the threshold is chosen.
MOST_EMPTY = 0.5

#: Weights are averaged over about so many steps.
AVERAGED_STEPS, EVERY = 300, 5

#: Noisier images are scaled down to this spread, rad; rates are seen as they are.
SPREAD = {"gradients": 1.0, "rates": None}


@dataclass(frozen=True)
class Plan:
    """How long and how fast: ``steps`` in all, at most ``minutes`` now, ``peak`` of the learning rate's cosine.

    ``background`` is the share of windows from stacks without deformation, or from chips without labels; maps of
    integrated gradients are drawn ``integrated`` times as often as those of time series; ``box_weight`` is that of
    :func:`labkit.train.loss.detection_loss`.
    """

    steps: int
    minutes: float
    peak: float
    seed: int
    start: str
    background: float
    integrated: float
    box_weight: float


def train(folder: Path, run: Path, kind: str, width: int, plan: Plan) -> None:
    """Train, or go on training."""
    import torch

    from labkit.train.building import build
    from labkit.train.loss import detection_loss

    samples, reader, tuning = _samples(folder, kind, width)
    what = _described(run, kind, samples, width, plan)
    torch.manual_seed(plan.seed)
    network = build(what).train().to(memory_format=torch.channels_last)
    if plan.start:
        _take_over(network, lk.load_detector(plan.start))
    averaged = build(what)
    averaged.load_state_dict(network.state_dict())
    decay = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 1e-3}, {"params": free, "weight_decay": 0.0}])
    done, rows = 0, []
    state = run / "state.pt"
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
        done, rows = kept["done"], kept["rows"]
    forward = network.forward

    def in_half(images: torch.Tensor) -> list[torch.Tensor]:
        """Convolutions in bfloat16, which halves their time; boxes are decoded in full."""
        with torch.autocast("cpu", torch.bfloat16):
            return [raw.float() for raw in forward(images.contiguous(memory_format=torch.channels_last))]

    # this one network alone, so that its losses go through it too; mypy wants methods left to their classes
    network.forward = in_half  # type: ignore[method-assign]
    batches = _batches(samples, reader, tuning, plan.seed + done, plan)
    started, noted, sums = time.monotonic(), time.monotonic(), []
    bar = tqdm(total=plan.steps, initial=done, desc="training", unit="step", mininterval=20)
    while done < plan.steps and time.monotonic() - started < 60 * plan.minutes:
        batch = next(batches)
        share = done / plan.steps
        rise = min(1.0, share / 0.03)
        for group in optimizer.param_groups:
            group["lr"] = plan.peak * rise * max(0.01, (1 + math.cos(math.pi * share)) / 2)
        losses = detection_loss(
            network(batch.images),
            batch.targets,
            batch.ignored,
            what.anchors,
            network.strides,
            box_weight=plan.box_weight,
        )
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        done += 1
        if done % EVERY == 0:
            _average(averaged, network, done)
        sums.append([losses[name].item() for name in ("total", "box", "objectness")])
        bar.update()
        if time.monotonic() - noted > 60 or done == plan.steps:
            rows.append([done, *np.mean(sums, axis=0).tolist()])
            print(f" step {done}: loss, box, objectness {np.round(rows[-1][1:], 3)}", flush=True)
            noted, sums = time.monotonic(), []
            _keep(run, what, averaged, network, optimizer, done, rows)
    bar.close()
    _keep(run, what, averaged, network, optimizer, done, rows)


def _take_over(network: Any, known: Detector) -> None:
    """Begin with the weights of a detector; where it did not see standard errors, they do not count at first.

    Nor do the channels that a wider network has besides: they begin as drawn, and what the known ones were taught
    does not look at them.
    """
    import torch

    weights = known.network.state_dict()
    missing = network.channels - known.network.channels
    first = weights["stem.0.weight"]
    weights["stem.0.weight"] = torch.cat([first, torch.zeros_like(first[:, :1]).repeat(1, missing, 1, 1)], dim=1)
    wider = network.state_dict()
    for name, value in weights.items():
        if value.shape == wider[name].shape:
            wider[name] = value
            continue
        rows = torch.arange(len(value))
        wider[name][rows] = value if value.ndim == 1 else 0.0
        if value.ndim > 1:
            # what is fused are two groups of channels, and each begins with the known ones
            groups = 2 if name == "fuse.0.0.weight" else 1
            known_each, each = value.shape[1] // groups, wider[name].shape[1] // groups
            columns = torch.cat([torch.arange(known_each) + group * each for group in range(groups)])
            wider[name][rows[:, None], columns] = value
    network.load_state_dict(wider)


def _average(averaged: Any, network: Any, done: int) -> None:
    """Move the averaged weights towards those of now."""
    import torch

    keep = min(1 - EVERY / AVERAGED_STEPS, done / (done + 10 * EVERY))
    with torch.no_grad():
        for value, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if value.is_floating_point():
                value.lerp_(now, 1 - keep)
            else:
                value.copy_(now)


def _keep(run: Path, what: Any, averaged: Any, network: Any, optimizer: Any, done: int, rows: list) -> None:
    import torch

    with files.whole(run / "state.pt") as beside:
        torch.save(
            {
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "done": done,
                "rows": rows,
            },
            beside,
        )
    history = pd.DataFrame(rows, columns=["step", "train_loss", "train_box", "train_objectness"])
    lk.train.save_detector(
        Detector(averaged, what, history), run, made_by=json.loads((run / "made_by.json").read_text())
    )


def _described(run: Path, kind: str, samples: list, width: int, plan: Plan) -> Any:
    """Settings of the detector; the anchors are kept, so that a run that goes on with more regions keeps its own."""
    from labkit.train.anchors import anchors_by_stride

    made_by = run / "made_by.json"
    sizes = [[box[2] - box[0], box[3] - box[1]] for sample in samples for box in sample.boxes]
    if made_by.is_file():
        record = json.loads(made_by.read_text())
    else:
        own = (
            lk.load_detector(plan.start).settings.anchors if plan.start else anchors_by_stride(sizes, 2, seed=plan.seed)
        )
        record = {"seed": plan.seed, "kind": kind, "width": width, "start": Path(plan.start).name, "anchors": own}
    record |= {"scenes": sorted({sample.scene for sample in samples}), "labels_on_chips": len(sizes)}
    with files.whole(made_by) as beside:
        beside.write_text(json.dumps(record))
    anchors = tuple(tuple((w, h) for w, h in group) for group in record["anchors"])
    return lk.train.DetectorSettings(
        name=f"{kind}-small",
        kind=kind,
        size=SIZE,
        anchors=anchors,
        width=record["width"],
        spread=SPREAD[kind],
        standard_error=True,
        nms_iou=NMS_IOU[kind],
    )


def _samples(folder: Path, kind: str, width: int) -> tuple[list, Any, FitSettings]:
    from labkit.train.samples import Reader, make_samples

    tuning = FitSettings(width=width, spread=SPREAD[kind], standard_error=True)
    scenes, labels, chips = [], [], []
    for path in stacks(folder, "train", kind):
        data, boxes = opened(path)
        scenes.append(data[["gradient" if kind == "gradients" else "rate", "standard_error"]])
        labels.append(boxes)
        chips.append(lk.make_chips(data, size=SIZE, overlap=0.25).assign(split="train"))
    tables = [gpd.GeoDataFrame(pd.concat(some, ignore_index=True), crs="EPSG:4326") for some in (chips, labels)]
    # the stacks are in memory already
    reader = Reader(scenes, memory_bytes=0)
    return make_samples(tables[0], scenes, tables[1], tuning.min_inside, standard_error=True), reader, tuning


def _batches(samples: list, reader: Any, tuning: FitSettings, seed: int, plan: Plan) -> Iterator[Any]:
    """Windows at random: a stack with many landslides is drawn more often, but by the root of their number."""
    from labkit.train.batches import collate
    from labkit.train.windows import Draw, RandomWindows

    windows = RandomWindows(samples, reader, tuning)
    weights = np.sqrt([len(sample.boxes) for sample in samples])
    weights *= [plan.integrated if sample.scene.endswith("integrated") else 1.0 for sample in samples]
    empty = weights == 0
    weights /= weights.sum()
    if empty.any():
        weights = (1 - plan.background) * weights + plan.background * empty / empty.sum()
    rng = np.random.default_rng(seed)
    for step in count():
        chosen = rng.choice(len(samples), tuning.batch_size, p=weights)
        yield collate([windows[Draw(int(i), (seed, step, place))] for place, i in enumerate(chosen)])


def choose_threshold(folder: Path, run: Path) -> None:
    """Move the scores of a run so that its threshold becomes 0.5, and keep it in float16 as ``RUN/chosen``.

    The threshold is the score of greatest F1 on the regions of validation and development, or a higher one where their
    stacks without any deformation would otherwise have more than one box on 2,000 km²: half of what is aimed at.
    """
    import torch

    detector = lk.load_detector(run)
    paths = [path for split in ("validation", "development") for path in stacks(folder, split, detector.kind)]
    moving = [path for path in paths if "-empty-" not in path.name]
    found, truth, _ = searched(moving, lambda data: lk.detect_landslides(data, detector, 0.05))
    measured = curve(found[~found["on_faint"]], labels_of(truth))
    highest = float(measured.loc[measured["f1"].idxmax(), "score"])
    still, _, area = searched(
        [path for path in paths if "-empty-" in path.name], lambda data: lk.detect_landslides(data, detector, 0.05)
    )
    worst = np.sort(still["score"])[::-1]
    allowed = int(MOST_EMPTY * area / 1000)
    score = max(highest, float(worst[allowed]) + 1e-4) if len(worst) > allowed else highest
    here = measured[measured["score"] >= score].iloc[-1]
    chosen = {"score": score, "score_of_best_f1": highest, "precision": here["precision"], "recall": here["recall"]}
    chosen |= {"stacks": len(moving), "empty_stacks": len(paths) - len(moving), "empty_km2": area}
    chosen["empty_boxes"] = int((worst >= score).sum())
    chosen["empty_boxes_at_best_f1"] = int((worst >= highest).sum())
    print("chosen on validation and development", chosen)
    with torch.no_grad():
        for head in detector.network.heads:
            head.bias.view(-1, 5)[:, 4] -= math.log(score / (1 - score))
    record = json.loads((run / "made_by.json").read_text()) | {"threshold": chosen}
    lk.train.save_detector(detector, run / "chosen", made_by=record, half=True)


def measure(folder: Path, run: Path) -> None:
    """Measure everything and keep it."""
    detector = lk.load_detector(run / "chosen")
    measured = {"held_out": held_out(folder, detector), "empty": without_deformation(folder, detector)}
    if detector.kind == "gradients":
        measured["danba"] = danba(lambda data: lk.detect_landslides(data, detector, 0.05), 0.5)
        measured["danba_by_couplet_filter"] = danba(lambda data: lk.couplets(data, progress=False), 0.0)
    with files.whole(run / "measured.json") as beside:
        beside.write_text(json.dumps(measured, indent=1))
    print(json.dumps(measured, indent=1))


def ship(run: Path, target: Path) -> None:
    """Write the detector as float16, with what was measured, and its card."""
    detector = lk.load_detector(run / "chosen")
    record = json.loads((run / "chosen" / "detector.json").read_text())["made_by"]
    record["measured"] = json.loads((run / "measured.json").read_text())
    lk.train.save_detector(detector, target, made_by=record, half=True)
    write_card(target, _main_measures(record["measured"]))
    print(f"{target}: {sum(path.stat().st_size for path in target.iterdir()):,} bytes")


def _main_measures(measured: dict[str, Any]) -> dict[str, str]:
    """Say of everything that was measured what a card tells."""
    whole, empty = measured["held_out"]["all"], measured["empty"]
    told = {
        "simulated regions never seen": f"AP50 {whole['ap50']:.3f}, AP50:95 {whole['ap']:.3f}\nrecall "
        f"{whole['recall_at_precision_0.9']['recall']:.3f} where precision is 0.90\nat score 0.5: precision "
        f"{whole['precision']:.3f}, recall {whole['recall']:.3f}\n{measured['held_out']['labels']:,} labels",
        "simulated regions without motion": f"boxes at score 0.5 on {empty['area_km2']:,.0f} km²: {empty['boxes']}",
    }
    danba_rows = [
        f"{word}: IoU {row['best_iou']:.2f}, boxes in all: {row['boxes']}"
        for word, row in measured.get("danba", {}).items()
    ]
    return told | ({"Danba, one landslide drawn by eye": "\n".join(danba_rows)} if danba_rows else {})


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "threshold", "measure", "ship"))
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--kind", choices=("gradients", "rates"), default="gradients")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--peak", type=float, default=2e-3, help="of the learning rate")
    parser.add_argument("--start", default="", help="a detector to begin with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--background", type=float, default=0.2, help="share of windows without labels")
    parser.add_argument("--integrated", type=float, default=1.0, help="how much more often integrated maps are drawn")
    parser.add_argument("--box-weight", type=float, default=2.0, help="of the boxes in the loss")
    chosen = parser.parse_args()
    chosen.second.mkdir(parents=True, exist_ok=True)
    if chosen.step == "train":
        names = ("steps", "minutes", "peak", "seed", "start", "background", "integrated", "box_weight")
        plan = Plan(**{name: getattr(chosen, name) for name in names})
        train(chosen.first, chosen.second, chosen.kind, chosen.width, plan)
    elif chosen.step == "threshold":
        choose_threshold(chosen.first, chosen.second)
    elif chosen.step == "measure":
        measure(chosen.first, chosen.second)
    else:
        ship(chosen.first, chosen.second)


if __name__ == "__main__":
    main()
