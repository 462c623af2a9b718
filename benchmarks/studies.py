"""The studies of the first paper's discussion at their full size; docs/studies.md holds what came out.

    python benchmarks/studies.py interferograms
    python benchmarks/studies.py detector
    python benchmarks/studies.py rewrapped
    python benchmarks/studies.py seasons
    python benchmarks/studies.py directions

Everything is simulated, with every effect but snow, ice and mining, which a snow mask and a map of mines take out. The
table of each scene is kept in --keep as soon as it is measured, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import labkit as lk
from labkit import studies

EFFECTS = lk.simulate.Effects(snow_share=0.0, creep_mm=0.0, subsidence_mm=0.0)
RATES = (-10.0, -20.0, -40.0, -80.0, -160.0)
WINTERS = (-0.15, -0.4, -0.6, -0.72, -1.0)
COUNTS = (10, 20, 35, 50, 75, 100, 150, 250)
FEW_COUNTS = (50, 150)


def scene(seed: int, size: str) -> lk.simulate.Scene:
    """Landslides of every size, speed and course, over the first paper's dates."""
    return lk.simulate.scene(size, seed=seed, effects=EFFECTS, calendar="fu2022")


def interferograms(seed: int, size: str) -> pd.DataFrame:
    """Measure one scene for the number of interferograms."""
    made = scene(seed, size)
    strength = studies.classes_of(made, "ratio", [25.0, 75.0], ["faint", "clear", "strong"])
    return studies.number_of_interferograms(made, COUNTS, repeats=1, classes=strength, seed=seed)


def detector(seed: int, size: str) -> pd.DataFrame:
    """Measure one scene for the number of interferograms, by the detector that ships beside the couplet filter."""
    shipped = lk.load_detector("gradients-small")
    return studies.number_of_interferograms(
        scene(seed, size), COUNTS, estimators=("lsq",), repeats=1, detector=shipped, seed=seed
    )


def rewrapped(seed: int, size: str) -> pd.DataFrame:
    """Measure one scene for stacks that were wrapped again and unwrapped by SNAPHU, beside those that were not."""
    return studies.number_of_interferograms(
        scene(seed, size), FEW_COUNTS, estimators=("rewrapped", "sum", "lsq"), repeats=1, seed=seed
    )


def print_interferograms(table: pd.DataFrame) -> None:
    """Print recall and false boxes by estimator, order and number; then by how strongly a landslide shows."""
    print_counts(table)
    either = table[table["direction"] == studies.EITHER]
    grades = studies.pool(either[either["class"] != studies.ALL], ["estimator", "order", "class", "n_pairs"])
    for order, part in grades[grades["estimator"] == "circular"].groupby("order", sort=False):
        print(f"\n{order} pairs, circular, by the peak of the gradient over its standard error in the whole stack\n")
        print_markdown(part.assign(cell=shares(part)).pivot(index="n_pairs", columns="class", values="cell"))


def print_detector(table: pd.DataFrame) -> None:
    """Print recall and false boxes by finder, order and number."""
    print_counts(table, "finder")


def print_counts(table: pd.DataFrame, by: str = "estimator") -> None:
    """Print recall and false boxes of all landslides by estimator (or another column), order and number."""
    every = table[(table["direction"] == studies.EITHER) & (table["class"] == studies.ALL)]
    pooled = studies.pool(every, ["order", by, "n_pairs"])
    for order, part in pooled.groupby("order", sort=False):
        print(f"\n{order} pairs, {part['labels'].iloc[0]:.0f} landslides, {part['area_km2'].iloc[0]:.0f} km²\n")
        print_markdown(part.assign(cell=shares(part) + "; " + false(part)).pivot(
            index="n_pairs", columns=by, values="cell"))  # fmt: skip


def seasons(seed: int, size: str) -> pd.DataFrame:
    """Measure one scene for the temporal behaviour."""
    return studies.temporal_behaviour(scene(seed, size), RATES, WINTERS, each=3, seed=seed)


def print_seasons(table: pd.DataFrame) -> None:
    """Print what each period detects, and its signal-to-noise ratio, by rate and winter; then who does as Luri does."""
    by = ["winter_share", "rate", "period"]
    pooled = studies.pool(table, by).merge(table.groupby(by, sort=False)["snr"].median().reset_index(), on=by)
    for share, part in pooled.groupby("winter_share", sort=False):
        print(f"\nwinter {share:+g} of the summer's speed, {part['labels'].iloc[0]:.0f} landslides of each rate\n")
        cells = [f"{row.detected:.0f} ({row.snr:+.1f})" for row in part.itertuples()]
        by_rate = part.assign(cell=cells).pivot(index="period", columns="rate", values="cell")
        print_markdown(by_rate.loc[list(studies.PERIODS), [f for f in RATES if f in by_rate]])
    # of a scene's file nothing reads as NaN
    alike = studies.follow_the_paper(table.fillna({"found": ""}))
    cells = [f"{n} ({low:.2f}–{high:.2f})" for n, low, high in alike[["alike", "low", "high"]].itertuples(index=False)]
    print(f"\nmissed in all years and in 2017–2018, found in both seasons; of {alike['labels'].iloc[0]}\n")
    print_markdown(alike.assign(cell=cells).pivot(index="winter_share", columns="rate", values="cell")[list(RATES)])


def directions(seed: int, size: str) -> pd.DataFrame:
    """Measure one scene for directions and tracks."""
    return studies.directions_and_tracks(scene(seed, size))


def print_directions(table: pd.DataFrame) -> None:
    """Print what each view detects, by class, and its false boxes."""
    pooled = studies.pool(table, ["class", "track", "direction"])
    every = pooled[pooled["class"] == studies.ALL]
    cells = {"detected": shares(every).to_list(), "false boxes per 1000 km²": false(every).to_list()}
    views = pd.Index(every["track"] + ", " + every["direction"], name=f"of {every['labels'].iloc[0]:.0f} landslides")
    print_markdown(pd.DataFrame(cells, index=views))
    print()
    counts = [f"{d:.0f} of {n:.0f}" for d, n in pooled[["detected", "labels"]].to_numpy()]
    view = pooled["track"] + ", " + pooled["direction"]
    by_class = pooled.assign(cell=counts, view=view).pivot(index="view", columns="class", values="cell")
    print_markdown(by_class.loc[view[pooled["class"] == studies.ALL]].drop(columns=studies.ALL))


def shares(table: pd.DataFrame) -> pd.Series:
    """Recall with its interval, as words."""
    columns = ["recall", "recall_low", "recall_high"]
    return pd.Series([f"{r:.2f} ({a:.2f}–{b:.2f})" for r, a, b in table[columns].to_numpy()], table.index)


def false(table: pd.DataFrame) -> pd.Series:
    """False boxes per 1000 km², as words."""
    return table["false_per_1000_km2"].map("{:.1f}".format)


def print_markdown(table: pd.DataFrame) -> None:
    """Print a table with its index as the first column."""
    print("| " + " | ".join([str(table.index.name), *map(str, table.columns)]) + " |")
    print("|---" * (len(table.columns) + 1) + "|")
    for index, row in zip(table.index, table.to_numpy(), strict=True):
        print("| " + " | ".join([str(index), *map(str, row)]) + " |", flush=True)


STUDIES: dict[str, tuple[Callable[[int, str], pd.DataFrame], Callable[[pd.DataFrame], None]]] = {
    "interferograms": (interferograms, print_interferograms),
    "detector": (detector, print_detector),
    "rewrapped": (rewrapped, print_counts),
    "seasons": (seasons, print_seasons),
    "directions": (directions, print_directions),
}


def measured(study: str, seed: int, size: str, keep: Path) -> pd.DataFrame:
    """Measure one scene, or read what an earlier run measured."""
    path = keep / f"{study}_{size}_{seed}.csv"
    if not path.exists():
        table = STUDIES[study][0](seed, size)
        beside = path.with_suffix(".partial")
        table.to_csv(beside, index=False)
        beside.replace(path)
    return pd.read_csv(path)


def main() -> None:
    """Measure a study's scenes and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--scenes", type=int, default=4, help="how many scenes, of the seeds 0, 1, …")
    parser.add_argument("--size", default="demo", choices=lk.simulate.PRESETS, help="of a scene")
    parser.add_argument("--keep", type=Path, default=Path("benchmarks/results"), help="folder of the measured tables")
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    tables = [
        measured(given.study, seed, given.size, given.keep).assign(scene=f"{given.size}-{seed}")
        for seed in range(given.scenes)
    ]
    STUDIES[given.study][1](pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    main()
