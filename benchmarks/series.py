"""How honest the errors of displacement series are: series of simulated landslides against their true motion.

    python benchmarks/series.py

Every landslide of the scenes that some direction of a track shows is followed by ``lk.displacement_series``; its motion
is steady, with the true rate of the scene.
"""

from __future__ import annotations

import argparse

import numpy as np

import labkit as lk


def errors(name: str, seed: int) -> tuple[int, np.ndarray]:
    """Landslides of a scene, and (displacement − truth) / standard error of all their dates but the first."""
    scene = lk.simulate.scene(name, seed=seed)
    found = []
    for (track, _), boxes in scene.truth.groupby(["track", "landslide_id"]):
        box = (boxes["xmin"].min(), boxes["ymin"].min(), boxes["xmax"].max(), boxes["ymax"].max())
        series = lk.displacement_series(scene.interferograms[track], tuple(map(float, box)), progress=False)
        years = (series["date"].values - series["date"].values[0]) / np.timedelta64(1, "D") / 365.25
        window = scene.true_rates[track].values[np.ix_(series["row"].values, series["col"].values)]
        truth = years * window[series["moving"].values].mean()
        found.append((series["displacement"].values - truth)[1:] / series["standard_error"].values[1:])
    return len(found), np.concatenate(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--scenes", nargs="+", default=["demo", "tiny"])
    given = parser.parse_args()
    print("| scene | landslides × tracks | displacements | within 3 standard errors | rms of error / standard error |")
    print("|---|---|---|---|---|")
    for name in given.scenes:
        counts, parts = zip(*(errors(name, seed) for seed in given.seeds), strict=True)
        all_errors = np.concatenate(parts)
        within, rms = (np.abs(all_errors) <= 3).mean(), np.sqrt((all_errors**2).mean())
        print(f"| {name} | {sum(counts)} | {all_errors.size} | {within:.3f} | {rms:.2f} |", flush=True)


if __name__ == "__main__":
    main()
