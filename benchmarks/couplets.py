"""How many false boxes the couplet filter gives on noise, what both directions add, how fast it is, how sure on truth.

    python benchmarks/couplets.py

On scenes of known truth it prints what the boxes lie on: landslides, ice, mines, seams, still ground high and low.
Everything is simulated; nothing is written. `--side 2000` takes more noise, `--speed` a scene of 1500 × 5000 pixels.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr
from scipy.ndimage import gaussian_filter, uniform_filter

import labkit as lk
from labkit import intervals, schema, studies
from labkit.detect.couplets import snr_for
from labkit.detect.overlaps import iou
from labkit.simulate import Effects
from labkit.simulate.delays import place_first_seam, seam_cycles
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.interferometry import PHASE_SIGN
from labkit.simulate.landslides import reference_gradient
from labkit.simulate.truth import GRADIENT_THRESHOLD_RAD

SPACING_M = 40.0
RATES = (100.0, 10.0, 1.0, 0.1)
RUNS = 3
CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: What moves besides landslides, and what switches it off.
CAUSES = {"creeping ice": {"creep_mm": 0.0}, "mine": {"subsidence_mm": 0.0}}
RIGHT = "right at IoU 0.5"
ORDER = (
    "IoU 0.5", "IoU 0.3", "centre inside", RIGHT, "landslide, another box", *reversed(CAUSES), "burst seam",
    "still ground, the highest quarter", "still ground, other",
)  # fmt: skip


def stack(phase: np.ndarray) -> xr.Dataset:
    """Gradients of a phase at the reference; each direction has a standard error of 1 rad where nothing moves."""
    values = np.full((2, *phase.shape), np.nan, np.float32)
    values[0, :-1], values[1, :, :-1] = np.diff(phase, axis=0), np.diff(phase, axis=1)
    return xr.Dataset(
        {
            "gradient": (("direction", "y", "x"), values),
            "standard_error": (("direction", "y", "x"), np.ones_like(values)),
        },
        coords={"direction": ["azimuth", "range"]},
        attrs={"scene": "noise", "ground_spacing": SPACING_M, "sum_temporal_baseline": 20.0, "wavelength": 0.0555},
    )


def noise(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Phase as a window of 5 px leaves it, of speckle or of turbulent air, with gradients of 1 rad."""
    random = np.random.default_rng(seed)
    if kind == "decorrelation":
        phase = random.standard_normal(shape)
    else:
        phase = power_law_field(
            shape, SPACING_M, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3, lag_m=1000.0,
            rms_difference=1.0,
        )  # fmt: skip
    phase = uniform_filter(np.asarray(phase, float), 5)
    spread = [np.diff(phase, axis=axis).std() for axis in (0, 1)]
    return np.asarray(phase / np.sqrt(np.prod(spread)))


def false_boxes(side: int, seeds: int) -> None:
    """Print the boxes found where nothing moves, against those that the filter states."""
    area = side**2 * seeds * (SPACING_M / 1000) ** 2
    print(f"\n| noise, {area:.0f} km² | " + " | ".join(f"{rate:g} stated" for rate in RATES) + " |")
    print("|---|" + "---|" * len(RATES))
    for kind in ("decorrelation", "air"):
        found = [lk.couplets(stack(noise(kind, (side, side), s)), RATES[0], progress=False) for s in range(seeds)]
        ratios = pd.concat(found)["snr"].to_numpy(float)
        counts = [(ratios > snr_for(rate, SPACING_M)).sum() / area * 1000 for rate in RATES]
        print(f"| {kind}, boxes per 1000 km² | " + " | ".join(f"{count:.2f}" for count in counts) + " |", flush=True)


def both_directions(scenes: int) -> None:
    """Print how many faint slides are found in both directions together and in each alone."""
    side, centres = 620, [(y, x) for y in range(60, 600, 100) for x in range(60, 600, 100)]
    rows, cols = np.indices((side, side)) + 0.5
    print(f"\n| {len(centres) * scenes} faint slides in | both together | azimuth | range | either alone |")
    print("|---|---|---|---|---|")
    for kind, strength in (("decorrelation", 2.5), ("air", 10.0)):
        totals = np.zeros(4, int)
        for seed in range(scenes):
            random, phase = np.random.default_rng(100 + seed), noise(kind, (side, side), seed)
            for y, x in centres:
                sigma, part = random.uniform(2.5, 7.0), random.uniform(0.5, 1.5)
                phase = phase + strength * part * np.sqrt(sigma) * np.exp(
                    -((rows - y) ** 2 + (cols - x) ** 2) / (2 * sigma**2)
                )
            found = [hits(stack(phase), list(d), centres) for d in (["azimuth", "range"], ["azimuth"], ["range"])]
            totals += [*map(len, found), len(found[1] | found[2])]
        print(f"| {kind} | " + " | ".join(map(str, totals)) + " |", flush=True)


def hits(data: xr.Dataset, directions: list[str], centres: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """The slides on which a box is centred."""
    boxes = lk.couplets(data.sel(direction=directions), progress=False)
    y, x = (boxes["ymin"] + boxes["ymax"]) / 2, (boxes["xmin"] + boxes["xmax"]) / 2
    return {c for c in centres if bool((np.hypot(y - c[0], x - c[1]) < 8).any())}


def on_truth(size: str, seeds: range) -> None:
    """Print recall and what the boxes lie on, on simulated scenes of known landslides, from the simple to the hard."""
    hard = Effects()
    kinds = {
        "bumps in air and decorrelation": None,
        "all but snow, ice and mining": replace(hard, snow_share=0.0, subsidence_mm=0.0),
        "all effects": hard,
    }
    recalls, boxes = {}, {}
    for kind, effects in kinds.items():
        counted: dict[str, list[tuple[pd.Series, pd.Series]]] = {}
        for seed in seeds:
            for masked, counts in counts_of_scene(size, seed, effects).items():
                counted.setdefault(f"{kind}{masked}", []).append(counts)
        for word, counts in counted.items():
            recalls[word], boxes[word] = (
                pd.concat(one, axis=1).fillna(0).sum(axis=1) for one in zip(*counts, strict=True)
            )
    print(
        f'\nscenes "{size}", seeds {seeds.start} to {seeds.stop - 1}; at one false box per 1000 km², 95 % intervals\n'
    )
    print_table(pd.DataFrame({word: told(counts, ["labels"]) for word, counts in recalls.items()}), "recall")
    print()
    print_table(pd.DataFrame({word: told(counts, ["boxes"]) for word, counts in boxes.items()}), "boxes")


def counts_of_scene(size: str, seed: int, effects: Effects | None) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Count found labels by rule and boxes by cause, of both tracks; where there is snow, with masks too."""
    scene = lk.simulate.scene(size, seed=seed, effects=effects)
    still = {
        cause: lk.simulate.scene(size, seed=seed, effects=replace(effects, **without)).true_rates
        for cause, without in CAUSES.items()
        if effects is not None and all(getattr(effects, name) for name in without)
    }
    masks = {"": None}
    if effects is not None and effects.snow_share:
        masks |= {", snow masked": snow, ", snow, layover and shadow masked": snow_and_layover}
    counts: dict[str, tuple[pd.Series, pd.Series]] = {}
    for track, pairs in scene.interferograms.items():
        data = lk.stack_gradients(lk.select_pairs(pairs), progress=False).compute()
        truth = scene.truth[scene.truth["scene"] == data.attrs["scene"]]
        rates = {cause: scene.true_rates[track].values - rates[track].values for cause, rates in still.items()}
        for word, mask in masks.items():
            found = lk.couplets(data, mask=None if mask is None else mask(scene, track, data), progress=False)
            new = found_labels(found, truth), causes_of(found, truth, scene, track, rates).value_counts()
            old = counts.get(word, (new[0] * 0, new[1] * 0))
            counts[word] = old[0] + new[0], old[1].add(new[1], fill_value=0)
    return counts


def snow(scene: lk.simulate.Scene, track: str, data: xr.Dataset) -> xr.DataArray:
    """What Sentinel-2 sees of snow in two summer months."""
    return lk.snow_mask(lk.simulate.sentinel2_looks(scene, ["2019-07-20", "2019-08-20"]), like=data, progress=False)


def snow_and_layover(scene: lk.simulate.Scene, track: str, data: xr.Dataset) -> xr.DataArray:
    """Snow, layover and shadow."""
    hidden = scene.masks(track)
    return snow(scene, track, data) | hidden["layover"].values | hidden["shadow"].values


def found_labels(found: pd.DataFrame, truth: pd.DataFrame) -> pd.Series:
    """How many labels are found by each rule, and how many there are."""
    by_iou = {f"IoU {least}": lk.evaluate(found, truth, iou=least).true_positives for least in (0.5, 0.3)}
    centre = int(studies.detected_labels(found, truth).sum())
    return pd.Series(by_iou | {"centre inside": centre, "labels": len(truth)})


def causes_of(
    found: pd.DataFrame, truth: pd.DataFrame, scene: lk.simulate.Scene, track: str, rates: dict[str, np.ndarray]
) -> pd.Series:
    """What each box lies on, the first that applies."""
    words = pd.Series("still ground, other", found.index)
    west, south, east, north = found.bounds.to_numpy().T
    heights = scene.dem.interp(x=("p", (west + east) / 2), y=("p", (south + north) / 2)).values
    words[heights > np.nanquantile(scene.dem.values, 0.75)] = "still ground, the highest quarter"
    frame = scene.frames[track]
    jumps = seam_cycles(frame, place_first_seam(frame, stream(scene.seed, track, "seams")))
    for line in np.flatnonzero(np.diff(jumps) < 0) + 1 if scene.effects is not None else ():
        words[((found["ymin"] <= line + 1) & (found["ymax"] >= line - 1)).to_numpy()] = "burst seam"
    for cause, rate in rates.items():
        moving = reference_gradient(rate, SPACING_M, PHASE_SIGN)
        words[[moves(moving[box.direction], box) for box in found.itertuples()]] = cause
    every = [truth] if scene.unseen is None else [truth, scene.unseen[scene.unseen["scene"].isin(found["scene"])]]
    landslides = schema.boxes_table({name: [*pd.concat(every)[name]] for name in ("scene", "direction", *CORNERS)})
    words[~studies.false_boxes(found, landslides)] = "landslide, another box"
    words[right_boxes(found, truth)] = RIGHT
    return words


def moves(gradient: np.ndarray, box: Any) -> bool:
    """Whether anything in a box moves so that it would be drawn: 1.2 rad at the reference."""
    part = gradient[int(box.ymin) : int(box.ymax) + 1, int(box.xmin) : int(box.xmax) + 1]
    return bool(np.abs(part).max() > GRADIENT_THRESHOLD_RAD)


def right_boxes(found: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """Boxes that take a label at IoU 0.5, best first, as :func:`labkit.evaluate` counts them."""
    right = np.zeros(len(found), bool)
    for direction in schema.DIRECTIONS:
        labels = truth[truth["direction"] == direction][CORNERS].to_numpy(float)
        free = np.ones(len(labels), bool)
        own = np.flatnonzero(found["direction"] == direction)
        for i in own[np.argsort(-found["score"].to_numpy(float)[own], kind="stable")] if len(labels) else ():
            overlap = iou(labels, found[CORNERS].to_numpy(float)[i]) * free
            if overlap.max() >= 0.5:
                right[i], free[overlap.argmax()] = True, False
    return right


def told(counts: pd.Series, total: list[str]) -> pd.Series:
    """Counts of a whole as words, each with its share and Wilson's interval."""
    whole = int(counts[total[0]] if total[0] in counts else counts.sum())
    words = {f"all {total[0]}": str(whole)}
    for name in [name for name in ORDER if name in counts]:
        low, high = intervals.share_interval(counts[name], whole)
        words[name] = f"{counts[name]:.0f}: {counts[name] / whole:.2f} ({low:.2f}–{high:.2f})"
    return pd.Series(words)


def print_table(table: pd.DataFrame, name: str) -> None:
    """Print a table of words, NaN as none."""
    print(f"| {name} | " + " | ".join(table.columns) + " |\n" + "|---" * (len(table.columns) + 1) + "|")
    for row in table.fillna("0").itertuples():
        print("| " + " | ".join(row) + " |", flush=True)


def speed(shape: tuple[int, int]) -> None:
    """Print the filter's work, also as a multiple of one Gaussian smoothing of the same images, and its memory."""
    data = stack(noise("decorrelation", shape, 0))
    images = np.nan_to_num(data["gradient"].values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        start = time.process_time()
        lk.couplets(data, progress=False)
        between = time.process_time()
        for image in images:
            gaussian_filter(image, 12.0)
        times[0].append(between - start)
        times[1].append(time.process_time() - between)
    ours, theirs = (statistics.median(taken) for taken in times)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"\n{shape[0]} × {shape[1]} px: {ours:.1f} s of the processor, {ours / theirs:.1f} times scipy's")
    print("gaussian_filter (σ = 12 px)", end=" ")
    print(f"of both directions; the peak of memory grew by {grown:.2f} GB")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1000, help="edge of the noise scenes, px")
    parser.add_argument("--seeds", type=int, default=2, help="noise scenes of each kind, and scenes with faint slides")
    parser.add_argument("--speed", action="store_true", help="time 1500 × 5000 pixels instead of 750 × 1500")
    parser.add_argument("--truth", type=int, default=1, help="scenes to evaluate, from seed 2 on")
    parser.add_argument("--size", default="demo", choices=lk.simulate.PRESETS, help="of these scenes")
    parser.add_argument("--only-truth", action="store_true", help="evaluate scenes, and nothing else")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, NumPy {np.__version__}, SciPy {scipy.__version__}")
    if not given.only_truth:
        false_boxes(given.side, given.seeds)
        both_directions(given.seeds)
        speed((1500, 5000) if given.speed else (750, 1500))
    on_truth(given.size, range(2, 2 + given.truth))


if __name__ == "__main__":
    main()
