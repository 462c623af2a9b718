"""The tally of a review, against SciPy's intervals, published kappas and counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from labkit import LabkitError
from labkit.detect import ANSWERS, consensus_answers, review_agreement, review_shares
from labkit.label.agreeing import cohen_kappa


def said(**people: list[str]) -> pd.DataFrame:
    words = {"l": "landslide", "h": "human activity", "n": "not a landslide", "u": "unsure", "": ""}
    rows = [(f"d{i}", who, words[a]) for who, given in people.items() for i, a in enumerate(given) if a]
    return pd.DataFrame(rows, columns=["detection_id", "reviewer", "answer"])


def test_the_published_check_comes_out_with_wilsons_interval():
    shares = review_shares(said(fu=["l"] * 72 + ["h"] * 8 + ["n"] * 20)).set_index("answer")
    assert list(shares.index) == [*ANSWERS, "false alarm"]
    assert shares["count"].tolist() == [72, 8, 20, 0, 28] and (shares["of"] == 100).all()
    for answer, count in shares["count"].items():
        expected = binomtest(count, 100).proportion_ci(0.95, "wilson")
        assert shares.loc[answer, ["low", "high"]].tolist() == pytest.approx([expected.low, expected.high], abs=1e-12)
    # what statsmodels.stats.proportion.proportion_confint(28, 100, method="wilson") documents as its formula
    z, p, n = 1.959963984540054, 0.28, 100
    centre, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    limits = [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]
    assert shares.loc["false alarm", ["low", "high"]].tolist() == pytest.approx(limits)


def test_unsure_counts_among_all_and_is_no_false_alarm():
    shares = review_shares(said(a=["l", "u", "u", "n"])).set_index("answer")
    assert shares.loc["false alarm", "share"] == 0.25 and shares.loc["unsure", "share"] == 0.5


def test_several_reviewers_are_counted_each_and_together():
    answers = said(a=["l", "l", "n", "h"], b=["l", "n", "n", ""], c=["l", "n", "u", ""])
    assert consensus_answers(answers).values.tolist() == [
        ["d0", "landslide", 3, 3],
        ["d1", "not a landslide", 3, 2],
        ["d2", "not a landslide", 3, 2],
        ["d3", "human activity", 1, 1],
    ]
    shares = review_shares(answers)
    assert list(dict.fromkeys(shares["reviewer"])) == ["a", "b", "c", "together"]
    together = shares[shares["reviewer"] == "together"].set_index("answer")["count"]
    assert together.to_dict() == {
        "landslide": 1, "human activity": 1, "not a landslide": 2, "unsure": 0, "false alarm": 3
    }  # fmt: skip
    assert consensus_answers(said(a=["l"], b=["n"]))["answer"].tolist() == ["unsure"]


def test_kappa_of_two_answers_is_that_of_presence_and_of_more_that_of_cohen():
    # yes/no: 20 both, 5 only the first, 10 only the second, 15 neither
    first, second = ["l"] * 25 + ["n"] * 25, ["l"] * 20 + ["n"] * 5 + ["l"] * 10 + ["n"] * 15
    (row,) = review_agreement(said(a=first, b=second)).to_dict("records")
    assert row["kappa"] == pytest.approx(float(cohen_kappa(20, 5, 10, 15)))
    assert (row["detections"], row["agree"], row["share"]) == (50, 35, 0.7)
    expected = binomtest(35, 50).proportion_ci(0.95, "wilson")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    # Cohen (1960), Table 1: proportions of three categories by two judges, kappa 0.492
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first = [a for i, a in enumerate("lhn") for _ in range(table[i].sum())]
    second = [a for i in range(3) for j, a in enumerate("lhn") for _ in range(table[i, j])]
    (row,) = review_agreement(said(a=first, b=second)).to_dict("records")
    assert row["share"] == pytest.approx(0.70) and row["kappa"] == pytest.approx(0.492, abs=5e-4)


def test_people_without_a_detection_in_common_are_no_pair_and_chance_alone_has_no_kappa():
    apart = said(a=["l", ""], b=["", "l"])
    assert len(review_agreement(apart)) == 0 and "kappa" in review_agreement(apart)
    (row,) = review_agreement(said(a=["l", "l"], b=["l", "l"])).to_dict("records")
    assert row["share"] == 1.0 and np.isnan(row["kappa"])


def test_nothing_answered_gives_empty_tables():
    none = said()
    assert len(review_shares(none)) == 0 and len(review_agreement(none)) == 0 and len(consensus_answers(none)) == 0


def test_tables_that_break_a_rule_are_named():
    with pytest.raises(LabkitError, match=r"these are missing: \['reviewer'\]"):
        review_shares(said(a=["l"]).drop(columns="reviewer"))
    with pytest.raises(LabkitError, match="answer must be one of .*, instead got answer='maybe'"):
        review_shares(said(a=["l"]).assign(answer="maybe"))
    with pytest.raises(LabkitError, match="one row for each detection and reviewer, instead 'a' answers 'd0' twice"):
        review_agreement(pd.concat([said(a=["l"])] * 2))
    with pytest.raises(LabkitError, match="confidence must be in"):
        review_shares(said(a=["l"]), confidence=95)
