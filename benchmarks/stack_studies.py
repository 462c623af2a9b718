"""The studies of estimators, windows, rates and fast slides at their full size; docs/studies.md holds what came out.

    python benchmarks/stack_studies.py coherence | air | motion | realistic | windows | rates | fast [--keep FOLDER]
    python benchmarks/stack_studies.py danba --pairs FOLDER

Simulated but for the last, which injects slides into the pairs of Danba. One to five minutes each on two cores, below
1.5 GB. --keep writes the table as CSV, for the figures of `lk.view.studies`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import labkit as lk
from labkit import studies
from labkit.studies import estimators, planted
from labkit.studies.shaped import Window, stack_shaped

SEEDS = 4
SHOWN = {
    "estimators": ["coherence_12", "air_mm", "air_share", "behaviour", "stacker", "contrast", "shown", "tail_99",
                   "tail_999", "recall", "recall_low", "recall_high"],
    "rates": ["coherence_12", "n_pairs", "estimator", "peak_bias", "peak_low", "peak_high", "within", "correlation",
              "rmse", "rmse_quiet", "error_ratio", "error_ratio_slides"],
    "fast": ["max_days", "window", "share", "mm_per_pair", "mm_per_year", "gradient_shown", "rate_shown", "wraps",
             "falls_short"],
}  # fmt: skip


def windows() -> pd.DataFrame:
    """Windows of several shapes and the candidate that weighs pairs, in decorrelation and in air."""
    conditions = [studies.Conditions(c) for c in (0.2, 0.4, 0.65)] + [studies.Conditions(0.65, air_mm=4.0)]
    stackers = estimators.window_stackers()
    table = studies.compare_estimators(conditions, stackers, seeds=range(2))
    edges = {name: estimators.blur(stack) for name, stack in stackers.items()}
    return table.assign(edge=table["stacker"].map(lambda name: edges[name][0]))


def danba(folder: Path) -> pd.DataFrame:
    """Slides of 15 mm/yr injected beside the landslide of Danba, and that landslide itself (azimuth)."""
    pairs = lk.select_pairs(lk.open_interferograms(folder)).compute()
    shape = (pairs.sizes["y"], pairs.sizes["x"])
    quiet, rising, falling = (np.zeros(shape, bool) for _ in range(3))
    quiet[5:20, 5:55] = quiet[60:90, 5:40] = True
    rising[28:44, 80:130] = falling[56:66, 70:120] = True
    y, x = np.indices(shape)
    slides = []
    for row, col in ((18, 14), (18, 44), (48, 14), (48, 44), (80, 14), (80, 40)):
        rho = np.hypot(y - row, x - col) / 10.0
        rate = (15.0 * np.clip(1 - rho**2, 0, None) ** 2).astype(np.float32)
        slides.append(planted.PlantedSlide(f"{row}, {col}", 20 * 14.0, rate))
    stackers = {f"{name}, box {w}": s for w in (5, 7) for name, s in estimators.estimator_stackers(w).items()}
    stackers |= {name: s for name, s in estimators.window_stackers().items() if "box 3" not in name}
    stackers["weighted pairs, box 7"] = lambda i: stack_shaped(i, Window(7, 7), estimator="circular", weigh_pairs=True)
    return studies.compare_on_pairs(pairs, slides, quiet, stackers, known=[(0, rising, falling)])


def print_markdown(table: pd.DataFrame) -> None:
    """Print a table with two decimals."""
    print("| " + " | ".join(map(str, table.columns)) + " |\n" + "|---" * len(table.columns) + "|")
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row) + " |")


def main() -> None:
    """Measure a study and print its table."""
    cases = estimators.estimator_cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*cases, "windows", "rates", "fast", "danba"])
    parser.add_argument("--pairs", type=Path, help="folder of the GAMMA pairs of Danba")
    parser.add_argument("--keep", type=Path, help="folder for the table as CSV")
    given = parser.parse_args()
    if given.study in cases:
        table = studies.compare_estimators(cases[given.study], seeds=range(SEEDS))
        columns = SHOWN["estimators"]
    elif given.study == "windows":
        table, columns = windows(), ["coherence_12", "air_mm", "stacker", "edge", *SHOWN["estimators"][5:]]
    elif given.study == "danba":
        if given.pairs is None:
            parser.error("danba needs --pairs, the folder of its GAMMA interferograms")
        table = danba(given.pairs)
        columns = list(table.columns)
    else:
        table = studies.rate_errors() if given.study == "rates" else studies.fast_slides()
        columns = SHOWN[given.study]
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        table.to_csv(given.keep / f"{given.study}.csv", index=False)
    print_markdown(table[columns])


if __name__ == "__main__":
    main()
