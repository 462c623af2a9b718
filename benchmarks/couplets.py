"""How many false boxes the couplet filter gives on noise, what both directions add, how fast it is, how sure on truth.

    python benchmarks/couplets.py

Everything is simulated; nothing is written. `--side 2000` takes more noise, `--speed` a scene of 1500 × 5000 pixels.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import resource
import statistics
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import scipy
import xarray as xr
from scipy.ndimage import gaussian_filter, uniform_filter

import labkit as lk
from labkit.detect.couplets import snr_for
from labkit.simulate import Effects
from labkit.simulate.fields import power_law_field

SPACING_M = 40.0
RATES = (100.0, 10.0, 1.0, 0.1)
RUNS = 3


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


def on_truth(seeds: range) -> None:
    """Print precision and recall on simulated scenes whose landslides are known, from the simple to the hard."""
    hard = Effects()
    kinds = {
        "bumps in air and decorrelation": None,
        "all effects": hard,
        "all but snow, ice and mining": replace(hard, snow_share=0.0, subsidence_mm=0.0),
    }
    for (kind, effects), seed in itertools.product(kinds.items(), seeds):
        scene = lk.simulate.scene("demo", seed=seed, effects=effects)
        stacks = [
            lk.stack_gradients(lk.select_pairs(pairs), progress=False).compute()
            for pairs in scene.interferograms.values()
        ]
        found = pd.concat([lk.couplets(data, progress=False) for data in stacks], ignore_index=True)
        print(f"{kind}, seed {seed}: {lk.evaluate(found, scene.truth, bootstrap=200)}", flush=True)


def speed(shape: tuple[int, int]) -> None:
    """Print the time of the filter as a multiple of one Gaussian smoothing of the same images, and its memory."""
    data = stack(noise("decorrelation", shape, 0))
    images = np.nan_to_num(data["gradient"].values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        start = time.perf_counter()
        lk.couplets(data, progress=False)
        between = time.perf_counter()
        for image in images:
            gaussian_filter(image, 12.0)
        times[0].append(between - start)
        times[1].append(time.perf_counter() - between)
    ours, theirs = (statistics.median(taken) for taken in times)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"\n{shape[0]} × {shape[1]} px: {ours:.1f} s, {ours / theirs:.1f} times scipy's gaussian_filter (σ = 12 px)")
    print(f"of both directions; the peak of memory grew by {grown:.2f} GB")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1000, help="edge of the noise scenes, px")
    parser.add_argument("--seeds", type=int, default=2, help="noise scenes of each kind, and scenes with faint slides")
    parser.add_argument("--speed", action="store_true", help="time 1500 × 5000 pixels instead of 750 × 1500")
    parser.add_argument("--truth", type=int, default=1, help="demo scenes to evaluate, from seed 2 on")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, NumPy {np.__version__}, SciPy {scipy.__version__}")
    false_boxes(given.side, given.seeds)
    both_directions(given.seeds)
    speed((1500, 5000) if given.speed else (750, 1500))
    on_truth(range(2, 2 + given.truth))


if __name__ == "__main__":
    main()
