"""Lesson 6: training, what a network is shown, and when it has learnt enough."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from labkit.chip import make_chips, split_chips
from labkit.course.answers import Choice, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import TRACKS, Material
from labkit.course.wrapping import true_phase

#: Edge of the chips, px, and the share that neighbours have in common.
SIZE, OVERLAP = 128, 0.25

#: Published precision and recall of the second paper's detector.
PRECISION, RECALL, PUBLISHED_F1 = 0.9356, 0.9715, 0.9360

#: Detections of a network at some score: right, wrong, and landslides that it missed.
RIGHT, WRONG, MISSED = 18, 6, 9


def chips_of(material: Material) -> gpd.GeoDataFrame:
    """Give the chips of both tracks with their splits, 8 : 1 : 1, by blocks of ground."""
    chips = [make_chips(material.gradients(track), SIZE, OVERLAP) for track in TRACKS]
    return split_chips(pd.concat(chips, ignore_index=True), (8, 1, 1), seed=0)


def two_losses() -> pd.DataFrame:
    """Give the losses of a training that goes on for too long: drawn by a formula, not measured.

    Returns
    -------
    pandas.DataFrame
        ``epoch`` 1 … 60, ``train_loss`` = 0.1 + 0.9 exp(−epoch / 12), ``validation_loss`` = 0.2 + 0.9 exp(−epoch / 9) +
        0.004 · epoch.
    """
    epoch = np.arange(1, 61)
    train, validation = 0.1 + 0.9 * np.exp(-epoch / 12), 0.2 + 0.9 * np.exp(-epoch / 9) + 0.004 * epoch
    return pd.DataFrame({"epoch": epoch, "train_loss": train, "validation_loss": validation})


def _samples(material: Material) -> float:
    return 2.0 * float((chips_of(material)["split"] == "train").sum())


def _turned(material: Material) -> str:
    """Which direction's gradient changes its sign when the scene is mirrored along azimuth, by trying it."""
    phase = true_phase()
    changed = [
        not np.allclose(np.diff(phase[::-1], axis=axis), np.flip(np.diff(phase, axis=axis), axis=0)) for axis in (0, 1)
    ]
    return {(True, False): "azimuth", (False, True): "range", (True, True): "both", (False, False): "neither"}[
        (changed[0], changed[1])
    ]


def _best_epoch(material: Material) -> float:
    losses = two_losses()
    return float(losses["epoch"][losses["validation_loss"].idxmin()])


PLAN = Plan(
    "c6_training",
    "6 · Training",
    {
        "samples": Exercise(
            Number("", relative=0.0, absolute=0.0),
            _samples,
            "Count the training chips of both tracks. Each is seen along azimuth and along range.",
            'samples = 2 * (chips["split"] == "train").sum()',
            "samples",
            {
                "each chip is two samples, azimuth and range.": lambda material: _samples(material) / 2,
                "that counts the chips of all splits.": lambda material: 2.0 * len(chips_of(material)),
            },
        ),
        "mirror": Exercise(
            Choice(("azimuth", "range", "both", "neither")),
            _turned,
            "Reverse the rows of a small array and take the differences from row to row, then from column to column.",
            'mirror = "azimuth"    # the next pixel of a row reversed is the one before: its difference changes sign',
            "mirror",
        ),
        "stop": Exercise(
            Number("", relative=0.0, absolute=0.0),
            _best_epoch,
            "Training chips teach, so their loss falls anyhow. Which chips tell whether anything is learnt that holds?",
            'stop = losses["epoch"][losses["validation_loss"].idxmin()]',
            "stop",
            {
                "that is where the training loss is least; it always falls.": lambda material: 60.0,
                "that is the row; epochs are counted from 1.": lambda material: _best_epoch(material) - 1,
            },
        ),
        "precision": Exercise(
            Number("share", relative=0.003),
            lambda material: RIGHT / (RIGHT + WRONG),
            "Of all that it drew, which share is right?",
            "precision = 18 / (18 + 6)",
            "precision",
            {
                "that is the recall: the share of landslides that were found.": lambda material: (
                    RIGHT / (RIGHT + MISSED)
                ),
            },
        ),
        "f1": Exercise(
            Number("share", relative=0.0, absolute=0.0001),
            lambda material: 2 * PRECISION * RECALL / (PRECISION + RECALL),
            "2 · precision · recall / (precision + recall), with four decimals.",
            "f1 = 2 * 0.9356 * 0.9715 / (0.9356 + 0.9715)",
            "f1",
            {
                "that is what the paper prints. Compute it.": lambda material: PUBLISHED_F1,
                "that is their plain mean; F1 is the harmonic one.": lambda material: (PRECISION + RECALL) / 2,
            },
        ),
    },
)
