"""What became of a model's boxes under people's hands, counted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from scipy.stats import binomtest

from labkit.errors import LabkitError
from labkit.label import count_proposals
from labkit.label.config import CLASSES
from labkit.label.convert import to_pixels, to_region
from labkit.label.correcting import corrected
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


def test_an_annotation_corrected_to_what_is_known_has_the_fates_that_it_should():
    def moved(number: int, by: float) -> tuple[float, float, float, float]:
        xmin, ymin, xmax, ymax = BOXES[number]
        return (xmin + by, ymin, xmax + by, ymax)

    # of 8 px width, half a pixel aside has an IoU of 7.5 / 8.5, three pixels 5 / 11; seven pixels are another thing
    wanted = [
        ("azimuth", moved(0, 0.5), "landslide"),
        ("azimuth", moved(1, 3.0), "landslide"),
        ("azimuth", BOXES[2], "snow or ice"),
        ("range", BOXES[3], "landslide"),
        ("azimuth", moved(5, 7.0), "landslide"),
    ]
    proposed = task([])["predictions"][0]["result"]
    result = corrected(proposed, wanted, 100, OFFERED)
    fates = fates_of([task(result)], OFFERED).set_index("region_id")
    told = {"p0": "accepted", "p1": "moved", "p2": "relabelled", "p3": "deleted", "p4": "deleted", "p5": "deleted"}
    assert fates["fate"].to_dict() == told | {"b3": "added", "b4": "added"}
    after = {item["id"]: to_pixels(item["value"], 100) for item in result}
    assert after["p0"] == pytest.approx(BOXES[0]), "good enough is left as it is"
    assert after["p1"] == pytest.approx(moved(1, 3.0))
    assert all("score" not in item for item in result)


def test_proposals_that_are_no_boxes_are_refused():
    with pytest.raises(LabkitError, match="proposals must be boxes that labkit proposed"):
        corrected([{"id": "x", "type": "choices"}], [("range", BOXES[0], "landslide")], 100, OFFERED)
