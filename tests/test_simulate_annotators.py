"""Simulated annotators have the habits that they are given, as agreement and consensus then measure them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest

import labkit as lk
from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate import Annotator, annotate

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def ground(chips: int = 400) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Chips of 100 px in a row; every second one has a landslide of 20 × 30 px in its middle."""
    left = np.arange(chips) * 100
    names = [f"c{number:03d}" for number in range(chips)]
    table = {"chip_id": names, "scene": "s", "row": 0, "col": left, "size": 100, "valid_fraction": 1.0, "split": ""}
    middle = left[::2] + 50.0
    truth = schema.boxes_table(
        {"scene": ["s"] * len(middle), "direction": "range", "xmin": middle - 10, "xmax": middle + 10,
         "ymin": np.full(len(middle), 35.0), "ymax": np.full(len(middle), 65.0)}
    )  # fmt: skip
    return truth, gpd.GeoDataFrame(table, geometry=[None] * chips)


def test_the_perfect_annotator_draws_the_truth():
    truth, chips = ground(20)
    labels, looks = annotate(truth, chips, {"p": Annotator(misses=0, invents=0, jitter_px=0)})
    assert labels[CORNERS].equals(truth[CORNERS])
    assert len(looks) == 20


def test_habits_are_what_they_are_said_to_be():
    truth, chips = ground()
    careful = Annotator(misses=0.3, invents=0, jitter_px=2, grows=1.2, unsure=0.25)
    true, _ = annotate(truth, chips, {"a": careful})
    # three standard deviations of 200 and 400 trials
    assert len(true) / 200 == pytest.approx(0.7, abs=0.1)
    assert (true["label"] == "unsure").mean() == pytest.approx(0.25, abs=0.12)
    assert (true["xmax"] - true["xmin"]).mean() == pytest.approx(24, abs=0.8)
    assert (true["ymin"] - 32).std() == pytest.approx(2, abs=0.4)
    invented, _ = annotate(truth[:0], chips, {"a": Annotator(invents=0.2)})
    assert len(invented) / 400 == pytest.approx(0.2, abs=0.07)


def test_two_people_agree_as_their_misses_let_them():
    truth, chips = ground()
    people = {"a": Annotator(misses=0.2, invents=0), "b": Annotator(misses=0.1, invents=0)}
    (row,) = lk.label.agreement(*annotate(truth, chips, people), resamples=200).to_dict("records")
    # of half the chips: both see 0.8 · 0.9, only a 0.8 · 0.1, only b 0.2 · 0.9; on the others both see nothing
    expected = lk.label.cohen_kappa(0.36, 0.04, 0.09, 0.51)
    assert row["kappa_low"] <= expected <= row["kappa_high"]


def test_a_consensus_of_five_is_nearer_to_the_truth_than_each_of_them():
    truth, chips = ground(120)
    people = {name: Annotator(misses=0.1, invents=0.1, jitter_px=2) for name in "abcde"}
    labels, looks = annotate(truth, chips, people)
    fused = lk.label.consensus(labels, looks)
    assert len(fused) == len(truth)
    ordered = fused.sort_values("xmin")[CORNERS].to_numpy()
    assert np.abs(ordered - truth[CORNERS].to_numpy()).mean() < 1.1
    for _, own in labels.groupby("annotator"):
        assert len(own) != len(truth)


def test_what_a_person_draws_does_not_depend_on_who_else_is_there_and_stays_on_the_chip():
    truth, chips = ground(30)
    shifted = chips.assign(col=chips["col"] + 45)
    people = {"a": Annotator(jitter_px=20, invents=1), "b": Annotator()}
    labels, _ = annotate(truth, shifted, people, seed=3)
    alone, _ = annotate(truth, shifted, {"a": people["a"]}, seed=3)
    assert labels[labels["annotator"] == "a"].reset_index(drop=True).equals(alone)
    left = labels["chip_id"].map(shifted.set_index("chip_id")["col"])
    assert (labels["xmin"] >= left).all() and (labels["xmax"] <= left + 100).all()
    schema.check_boxes(labels)


def test_what_breaks_a_rule_is_refused():
    truth, chips = ground(2)
    for wrong in ({"misses": 2}, {"invents": -1}, {"jitter_px": np.nan}, {"grows": 0}, {"unsure": 1.5}):
        with pytest.raises(LabkitError, match=f"{next(iter(wrong))} must be"):
            Annotator(**wrong)
    with pytest.raises(LabkitError, match="at least one annotator"):
        annotate(truth, chips, {})
    assert len(annotate(truth[:0], chips, {"a": Annotator(invents=0)})[0]) == 0
