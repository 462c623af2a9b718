"""What became of a model's boxes under people's hands, counted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from scipy.stats import binomtest

from labkit.errors import LabkitError
from labkit.label import count_proposals
from labkit.label.config import CLASSES
from labkit.label.convert import to_region
from labkit.label.proposals import FATES, fates_of

OFFERED = {"azimuth": set(CLASSES), "range": set(CLASSES)}
BOXES = [(10.0 * n, 10.0, 10.0 * n + 8, 20.0) for n in range(6)]


def task(result: list[dict[str, Any]], parent: int | None = 7, **more: Any) -> dict[str, Any]:
    proposed = [to_region(f"p{n}", "azimuth", box, 100) | {"score": 0.9 - 0.1 * n} for n, box in enumerate(BOXES)]
    annotation = {"id": 3, "result": result, "parent_prediction": parent, "completed_by": 1, **more}
    data = {"chip_id": "c", "scene": "s", "row": 1000, "col": 2000, "size": 100}
    prediction = {"id": 7, "model_version": "demo", "result": proposed}
    return {"id": 5, "data": data, "predictions": [prediction], "annotations": [annotation]}


def said(number: int, origin: str, label: str = "landslide", shift: float = 0.0) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = BOXES[number]
    box = (xmin + shift, ymin, xmax + shift, ymax)
    return to_region(f"p{number}", "azimuth", box, 100, label) | {"origin": origin}


def one_of_each() -> list[dict[str, Any]]:
    """0 accepted, 1 moved, 2 unsure, 3 called snow, 4 deleted, 5 deleted and drawn again, and one added."""
    again = to_region("anew", "azimuth", (51.0, 11.0, 59.0, 20.0), 100) | {"origin": "manual"}
    added = to_region("new", "range", (10.0, 10.0, 18.0, 20.0), 100) | {"origin": "manual"}
    changed = [said(2, "prediction-changed", "unsure"), said(3, "prediction-changed", "snow or ice")]
    return [said(0, "prediction"), said(1, "prediction-changed", shift=2.0), *changed, again, added]


def test_each_proposed_box_has_its_fate_and_what_was_drawn_besides_is_added():
    fates = fates_of([task(one_of_each())], OFFERED, {1: "li@example.org"}).set_index("region_id")
    assert fates["fate"].to_dict() == {
        "p0": "accepted",
        "p1": "moved",
        "p2": "relabelled",
        "p3": "relabelled",
        "p4": "deleted",
        "p5": "moved",
        "new": "added",
    }
    assert list(fates.loc["p1", ["xmin", "ymin", "xmax", "ymax"]]) == pytest.approx([2010, 1010, 2018, 1020])
    assert (fates.loc["p3", "proposed"], fates.loc["p3", "said"]) == ("landslide", "snow or ice")
    assert set(fates["annotator"]) == {"li@example.org"}
    assert fates.loc["p2", "score"] == pytest.approx(0.7)


def test_precision_counts_what_was_confirmed_among_what_was_judged_with_wilsons_interval():
    (row,) = count_proposals(fates_of([task(one_of_each())], OFFERED)).to_dict("records")
    assert [row[fate] for fate in FATES] == [1, 2, 2, 1, 1]
    assert (row["model"], row["unsure"]) == ("demo", 1)
    assert row["precision"] == pytest.approx(3 / 5)
    expected = binomtest(3, 5).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_two_peoples_words_on_the_same_boxes_are_not_twice_the_cases():
    both = task(one_of_each())
    both["annotations"].append(both["annotations"][0] | {"id": 4, "completed_by": 2})
    once = count_proposals(fates_of([task(one_of_each())], OFFERED)).iloc[0]
    twice = count_proposals(fates_of([both], OFFERED)).iloc[0]
    assert twice["accepted"] == 2 * once["accepted"]
    pd.testing.assert_series_equal(twice[["precision", "low", "high"]], once[["precision", "low", "high"]])


def test_annotations_that_began_without_proposals_and_skipped_ones_say_nothing_of_the_model():
    assert fates_of([task(one_of_each(), parent=None), task([], was_cancelled=True)], OFFERED).empty
    assert set(fates_of([task([])], OFFERED)["fate"]) == {"deleted"}


def test_a_higher_score_can_be_asked_for_and_nothing_judged_has_no_precision():
    fates = fates_of([task(one_of_each())], OFFERED)
    (row,) = count_proposals(fates, min_score=0.75).to_dict("records")
    assert (row["accepted"], row["moved"], row["deleted"], row["precision"]) == (1, 1, 0, 1.0)
    (row,) = count_proposals(fates[fates["fate"] == "added"]).to_dict("records")
    assert pd.isna(row["precision"])
    assert (row["low"], row["high"]) == (0.0, 1.0)
    assert count_proposals(fates.iloc[:0]).empty


def test_senseless_questions_are_refused():
    fates = fates_of([], OFFERED)
    with pytest.raises(LabkitError, match="by must name columns among"):
        count_proposals(fates, by=("colour",))
    with pytest.raises(LabkitError, match="min_score must be in 0..1"):
        count_proposals(fates, min_score=2.0)
