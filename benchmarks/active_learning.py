"""How many chips and boxes a detector needs that chooses what is labelled next, against chips by lot.

    python benchmarks/active_learning.py

Everything is simulated; nothing is kept. Label some chips, train, propose, correct, choose the next: once with
`label.next_chips`, once with all chips by lot, from the same first chips, over several seeds. `--seeds 1 --rounds 3` is
a quick look.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass

os.environ["TQDM_DISABLE"] = "1"

import geopandas as gpd
import numpy as np
import pandas as pd
import torch
import xarray as xr

import labkit as lk
from labkit.label import match_boxes, next_chips
from labkit.train import Detector, FitSettings

#: Edge of the chips; of the tiles that are searched, px (the network takes any size, and is worse at edges); the least
#: score of a detection.
CHIP, TILE, SCORE = 64, 240, 0.1
CORNERS = ["xmin", "ymin", "xmax", "ymax"]
#: How the others are chosen: by lot alone, by what next_chips does unless told otherwise, by doubt alone.
ARMS = {
    "by lot": {"random_share": 1.0},
    "active": {"random_share": 0.25},
    "active, doubt alone": {"random_share": 0.25, "weights": {"uncertainty": 1.0}},
}
TARGETS = (0.6, 0.7, 0.8)


@dataclass(frozen=True)
class Ground:
    """Stacks with their truth; every scene has another valley or another track."""

    stacks: list[xr.Dataset]
    truth: gpd.GeoDataFrame

    @property
    def chips(self) -> gpd.GeoDataFrame:
        """Chips that do not overlap."""
        chips = pd.concat([lk.make_chips(stack, CHIP, 0) for stack in self.stacks], ignore_index=True)
        return gpd.GeoDataFrame(chips.assign(split="train"))


def valleys(seeds: Iterable[int]) -> Ground:
    """Simulate demo scenes of several seeds and stack them; each gets a name of its own."""
    stacks, truths = [], []
    for seed in seeds:
        simulated = lk.simulate.scene("demo", seed=seed)
        for ifgs in simulated.interferograms.values():
            stack = lk.stack_gradients(lk.select_pairs(ifgs), progress=False).compute()
            name = stack.attrs["scene"]
            of_scene = simulated.truth[simulated.truth["scene"] == name]
            truths.append(of_scene.assign(scene=f"{name}-{seed}"))
            stacks.append(stack.assign_attrs(scene=f"{name}-{seed}"))
    return Ground(stacks, gpd.GeoDataFrame(pd.concat(truths, ignore_index=True)))


def boxes_on(chips: gpd.GeoDataFrame, boxes: gpd.GeoDataFrame) -> pd.DataFrame:
    """The boxes of each chip, cut to it, of which it holds at least half, as a careful person would draw them."""
    rows = []
    for chip in chips.itertuples():
        here = boxes[boxes["scene"] == chip.scene]
        corners = here[CORNERS].to_numpy(float)
        inside = corners.clip([chip.col, chip.row] * 2, [chip.col + CHIP, chip.row + CHIP] * 2)
        share = (inside[:, 2:] - inside[:, :2]).prod(axis=1) / (corners[:, 2:] - corners[:, :2]).prod(axis=1)
        found = here.assign(chip_id=chip.chip_id)
        found[CORNERS] = inside
        rows.append(found[share >= 0.5])
    return pd.DataFrame(pd.concat(rows, ignore_index=True))


def train(ground: Ground, chips: gpd.GeoDataFrame, steps: int, seed: int) -> Detector:
    """Train a small detector on the labelled chips; as many steps, however few chips there are."""
    tuning = FitSettings(width=8, crop=CHIP, batch_size=8, draws=2)
    epochs = max(1, round(steps * tuning.batch_size / (tuning.draws * 2 * len(chips))))
    with tempfile.TemporaryDirectory() as folder:
        detector = lk.train.fit(
            chips, ground.stacks, ground.truth, out=f"{folder}/detector", max_epochs=epochs, max_minutes=20, seed=seed,
            settings=tuning,
        )  # fmt: skip
    detector.size = TILE
    return detector


def detect(ground: Ground, detector: Detector) -> gpd.GeoDataFrame:
    """Find the landslides of all scenes, sure and unsure ones."""
    found = [lk.detect_landslides(stack, detector, SCORE, batch_size=32) for stack in ground.stacks]
    return gpd.GeoDataFrame(pd.concat(found, ignore_index=True))


def accepted(chips: gpd.GeoDataFrame, proposals: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> tuple[int, int]:
    """Boxes that are on these chips, and how many of them a proposal gets right.

    Right: an IoU of at least a half; the person leaves it, or moves an edge.
    """
    there, proposed = boxes_on(chips, truth), boxes_on(chips, proposals[proposals["score"] >= 0.5])
    right = 0
    for key, own in there.groupby(["chip_id", "direction"]):
        same = (proposed["chip_id"] == key[0]) & (proposed["direction"] == key[1])
        right += len(match_boxes(own[CORNERS].to_numpy(float), proposed.loc[same, CORNERS].to_numpy(float))[0])
    return len(there), right


@dataclass
class Campaign:
    """One arm and seed: what is labelled so far, and the detector that it has taught."""

    arm: str
    seed: int
    done: gpd.GeoDataFrame
    detector: Detector
    #: Boxes that a person had to draw, those of the first round included: nothing was proposed then.
    drawn: int

    def row(self, ground: Ground, held_out: Ground) -> dict[str, object]:
        """Measure it on ground that taught nothing."""
        measured = lk.evaluate(detect(held_out, self.detector), held_out.truth)
        boxes = len(boxes_on(self.done, ground.truth))
        row = {"arm": self.arm, "seed": self.seed, "chips": len(self.done), "boxes": boxes, "drawn": self.drawn}
        print(f"# {row | {'ap50': measured.ap50}}", flush=True)
        return row | {"ap50": measured.ap50}

    def label_more(self, ground: Ground, options: argparse.Namespace, number: int) -> None:
        """Propose, choose, correct, and train anew on all that is labelled."""
        proposals = detect(ground, self.detector)
        chips = ground.chips
        seed = 1000 * self.seed + number
        chosen = next_chips(chips, proposals, self.done["chip_id"], options.chips, seed=seed, **ARMS[self.arm])
        there, right = accepted(chosen, proposals, ground.truth)
        self.drawn += there - right
        self.done = gpd.GeoDataFrame(pd.concat([self.done, chosen[chips.columns]], ignore_index=True))
        self.detector = train(ground, self.done, options.steps, self.seed)


def run(ground: Ground, held_out: Ground, options: argparse.Namespace, seed: int) -> list[dict[str, object]]:
    """Go through the rounds of all arms from the same first chips and detector: a row for each round and arm."""
    chips = ground.chips
    first = next_chips(chips, lk.schema.boxes_table(), (), options.chips, random_share=1.0, seed=seed)
    first = gpd.GeoDataFrame(first[chips.columns])
    detector = train(ground, first, options.steps, seed)
    rows = []
    for arm in options.arms:
        campaign = Campaign(arm, seed, first, detector, len(boxes_on(first, ground.truth)))
        rows.append(campaign.row(ground, held_out))
        for number in range(1, options.rounds):
            begun = time.monotonic()
            campaign.label_more(ground, options, number)
            rows.append(campaign.row(ground, held_out))
            print(f"# round {number}: {time.monotonic() - begun:.0f} s", flush=True)
    return rows


def needed(rows: pd.DataFrame, target: float, by: str) -> float:
    """How many chips (or boxes) the curve needs to reach an AP for good, by straight lines; NaN: it does not."""
    reached, amount = rows["ap50"].to_numpy(float), rows[by].to_numpy(float)
    below = np.flatnonzero(reached < target)
    if not len(below):
        return float(amount[0])
    last = int(below[-1])
    if last + 1 == len(reached):
        return float("nan")
    part = (target - reached[last]) / (reached[last + 1] - reached[last])
    return float(amount[last] + part * (amount[last + 1] - amount[last]))


def told(values: pd.Series, digits: int) -> str:
    """Mean and range over the seeds; how many of them do not reach it."""
    known = values.dropna()
    if not len(known):
        return "not reached"
    text = f"{known.mean():.{digits}f} ({known.min():.{digits}f}–{known.max():.{digits}f})"
    return text + (f", {len(values) - len(known)} of {len(values)} not" if len(known) < len(values) else "")


def report(table: pd.DataFrame) -> None:
    """Print the curves and what is needed, seed by seed in the mean with the range."""
    arms = list(dict.fromkeys(table["arm"]))
    print("\nAP50 on valleys that taught nothing, mean over the seeds (range), and boxes on the labelled chips\n")
    print("| chips | " + " | ".join(f"{arm}: AP50 | boxes" for arm in arms) + " |")
    print("|---|" + "---|---|" * len(arms))
    for chips, of_size in table.groupby("chips"):
        cells = []
        for arm in arms:
            own = of_size[of_size["arm"] == arm]
            cells += [told(own["ap50"], 2), f"{own['boxes'].mean():.0f}"]
        print(f"| {chips} | " + " | ".join(cells) + " |")
    for by, words in (("chips", "chips"), ("boxes", "boxes"), ("drawn", "boxes drawn by hand, the others accepted")):
        print(f"\n| {words} needed for AP50 | " + " | ".join(arms) + " |")
        print("|---|" + "---|" * len(arms))
        for target in TARGETS:
            cells = []
            for arm in arms:
                runs = table[table["arm"] == arm].groupby("seed")
                cells.append(told(pd.Series([needed(own, target, by) for _, own in runs]), 0))
            print(f"| {target} | " + " | ".join(cells) + " |")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="repetitions, each with other first chips and weights")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them: more can be added to a run")
    parser.add_argument("--rounds", type=int, default=4, help="times that a detector is trained")
    parser.add_argument("--chips", type=int, default=40, help="chips labelled in each round")
    parser.add_argument("--steps", type=int, default=200, help="training steps of each round")
    parser.add_argument("--arms", nargs="+", default=["by lot", "active"], choices=list(ARMS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    ground, held_out = valleys((0, 1)), valleys((2,))
    print(
        f"{len(ground.chips)} chips of {CHIP} px on {len(ground.stacks)} scenes with {len(ground.truth)} boxes; held "
        f"out {len(held_out.stacks)} scenes with {len(held_out.truth)} boxes; {options.steps} steps a round, "
        f"one thread; {platform.machine()}, torch {torch.__version__}, labkit {lk.__version__}",
        flush=True,
    )
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = [row for seed in seeds for row in run(ground, held_out, options, seed)]
    report(pd.DataFrame(rows))
    print(f"\n{(time.monotonic() - begun) / 60:.0f} minutes in all")


if __name__ == "__main__":
    main()
