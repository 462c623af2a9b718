"""Lesson 5: labels and agreement, what several people see on the same chips."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from labkit.chip import make_chips
from labkit.course.answers import Choice, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.detect import evaluate
from labkit.detect.overlaps import iou
from labkit.label import cohen_kappa, consensus
from labkit.simulate import Annotator, annotate

#: Edge of the chips, px.
SIZE = 128

#: SIMULATED people, each with habits: no person's judgement.
PEOPLE = {
    "ann": Annotator(misses=0.05, invents=0.1, jitter_px=1.0),
    "bo": Annotator(misses=0.35, invents=0.05, jitter_px=1.0),
    "cy": Annotator(misses=0.10, invents=0.8, jitter_px=1.5, grows=1.3),
}

#: Two boxes, xmin, ymin, xmax, ymax, px.
BOXES = ((10.0, 10.0, 30.0, 30.0), (20.0, 15.0, 40.0, 35.0))

#: Chips on which both of two people drew something, the first alone, the second alone, nobody.
COUNTS = (20, 5, 10, 65)


def drawn(material: Material) -> tuple[gpd.GeoDataFrame, pd.DataFrame, gpd.GeoDataFrame]:
    """Give what the simulated people drew on the ascending stack: labels, who looked at which chip, and the chips."""
    chips = make_chips(material.gradients("ascending"), SIZE, 0)
    labels, looks = annotate(_truth(material), chips, PEOPLE)
    return labels, looks, chips


def _truth(material: Material) -> gpd.GeoDataFrame:
    truth = material.table("truth")
    return truth[truth["track"] == "ascending"].reset_index(drop=True)


def _overlap(material: Material, *, over: str = "union") -> float:
    first, second = (np.array(box) for box in BOXES)
    if over == "union":
        return float(iou(first, second))
    area = float((first[2:] - first[:2]).prod())
    shared = float((np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])).prod())
    return shared / (area if over == "first" else 2 * area)


def _least_recall(material: Material) -> str:
    labels, _, _ = drawn(material)
    truth = _truth(material)
    recalls = {who: evaluate(labels[labels["annotator"] == who], truth).recall for who in PEOPLE}
    return min(recalls, key=lambda who: recalls[who])


def _most_invented(material: Material) -> str:
    labels, _, _ = drawn(material)
    truth = _truth(material)
    precisions = {who: evaluate(labels[labels["annotator"] == who], truth, iou=0.1).precision for who in PEOPLE}
    return min(precisions, key=lambda who: precisions[who])


def _three_voices(material: Material) -> float:
    labels, looks, _ = drawn(material)
    return float((consensus(labels, looks)["voices"] == len(PEOPLE)).sum())


PLAN = Plan(
    "c5_agreement",
    "5 · Labels and agreement",
    {
        "overlap": Exercise(
            Number("", relative=0.005),
            _overlap,
            "The area that both cover, over the area that at least one of them covers.",
            "width, height = 30 - 20, 30 - 15\n"
            "shared = width * height\noverlap = shared / (20 * 20 + 20 * 20 - shared)",
            "overlap",
            {
                "that is the shared area over that of one box; divide by the area that at least one covers.": (
                    lambda material: _overlap(material, over="first")
                ),
                "the shared area is counted twice below the line: take it away once.": (
                    lambda material: _overlap(material, over="both")
                ),
            },
        ),
        "kappa": Exercise(
            Number("", relative=0.005),
            lambda material: float(cohen_kappa(*COUNTS)),
            "p_o: both or neither, of all. p_e: (share of yes of the one × that of the other) + (the same of no).",
            "p_o = (20 + 65) / 100\np_e = 0.25 * 0.30 + 0.75 * 0.70\nkappa = (p_o - p_e) / (1 - p_e)",
            "kappa",
            {
                "that is how often they agree; take away what chance alone would give.": (
                    lambda material: (COUNTS[0] + COUNTS[3]) / sum(COUNTS)
                ),
            },
        ),
        "passes_over": Exercise(
            Choice(tuple(PEOPLE)),
            _least_recall,
            "Whose recall, the share of the known boxes that was found, is the least?",
            'passes_over = table["recall"].idxmin()',
            "passes_over",
        ),
        "invents": Exercise(
            Choice(tuple(PEOPLE)),
            _most_invented,
            "Whose precision, the share of the drawn boxes that is right, is the least?",
            'invents = table["precision"].idxmin()',
            "invents",
        ),
        "all_voices": Exercise(
            Number("", relative=0.0, absolute=0.0),
            _three_voices,
            "Count the rows of `together` whose column voices is 3.",
            'all_voices = (together["voices"] == 3).sum()',
            "all_voices",
        ),
    },
)
