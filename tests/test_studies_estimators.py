"""The study of estimators: its measures on known images, and its shape on small scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import labkit as lk
from labkit import LabkitError
from labkit.studies.estimators import (
    blur,
    compare_estimators,
    couplet_signal,
    estimator_cases,
    estimator_stackers,
    spread_of,
    tails,
    window_stackers,
)
from labkit.studies.planted import Conditions, plant_slides

SHAPE = (120, 160)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    conditions = [Conditions(c, dates=17) for c in (0.15, 0.6)]
    return compare_estimators(conditions, shape=SHAPE, seeds=(0,), false_per_1000_km2=50.0, progress=False)


def of(table: pd.DataFrame, stacker: str, column: str) -> np.ndarray:
    return table[table["stacker"] == stacker][column].to_numpy(float)


def test_tails_are_one_for_a_gaussian_and_those_of_student_for_his() -> None:
    random = np.random.default_rng(0)
    assert all(value == pytest.approx(1, abs=0.02) for value in tails(random.normal(3, 7, 400_000)).values())
    heavy = tails(random.standard_t(3, 400_000))
    # quantiles of |t₃| at 0.5, 0.95 and 0.99, from its table: 0.7649, 3.1824, 5.8409
    assert heavy["tail_95"] == pytest.approx(3.1824 / 0.7649 / 1.4826 / 1.95996, rel=0.02)
    assert heavy["tail_99"] == pytest.approx(5.8409 / 0.7649 / 1.4826 / 2.57583, rel=0.03)


def test_the_signal_of_the_true_gradient_is_the_true_signal_and_noise_has_none() -> None:
    slide = plant_slides(SHAPE, 0)[0]
    for axis in (0, 1):
        true = np.diff(slide.rate, axis=axis, append=np.nan)
        assert couplet_signal(slide, axis, 0.5 * true) == pytest.approx(0.5 * couplet_signal(slide, axis))
        assert couplet_signal(slide, axis) > 0
        assert couplet_signal(slide, axis, np.full(SHAPE, 3.0)) == pytest.approx(0)


def test_more_coherence_brings_contrast_and_recall_to_every_estimator(table: pd.DataFrame) -> None:
    for stacker in ("lsq", "circular", "sum"):
        assert (np.diff(of(table, stacker, "contrast")) > 0).all()
        assert of(table, stacker, "recall")[-1] >= of(table, stacker, "recall")[0]
    assert ((table["recall_low"] <= table["recall"]) & (table["recall"] <= table["recall_high"])).all()
    assert (table["false_per_1000_km2"] <= 50.0).all()


def test_on_incoherent_ground_weights_beat_the_plain_sum_and_wrapping_it_again_loses_it(table: pd.DataFrame) -> None:
    lsq, circular, plain, rewrapped = (of(table, e, "contrast") for e in ("lsq", "circular", "sum", "rewrapped"))
    assert lsq[0] > 1.5 * plain[0] and circular[0] > 1.5 * plain[0]
    assert lsq[1] == pytest.approx(circular[1], rel=0.25)
    assert rewrapped[0] < 0.5 * plain[0]


def test_coherent_ground_shows_what_the_window_leaves_of_a_couplet(table: pd.DataFrame) -> None:
    shown = of(table, "lsq", "shown")
    assert shown[-1] == pytest.approx(0.7, abs=0.1) and (shown < 1).all()


def test_the_share_of_air_grows_with_the_air() -> None:
    calm = Conditions(0.6, air_mm=0.0, dates=13)
    conditions = [replace(calm, air_mm=a) for a in (0.0, 2.0, 8.0)]
    stackers = estimator_stackers(estimators=["lsq"])
    found = compare_estimators(conditions, stackers, shape=(90, 90), seeds=(0,), recall=False, progress=False)
    shares = found["air_share"].to_numpy()
    assert shares[0] == 0 and (np.diff(shares) > 0.02).all() and shares[-1] > 0.5
    assert "recall" not in found
    # speckle and air add up in the variance
    spreads = found["background"].to_numpy()
    assert spreads[0] ** 2 == pytest.approx((1 - shares[2]) * spreads[2] ** 2, rel=0.1)


def test_the_same_seeds_give_the_same_table() -> None:
    stackers = estimator_stackers(estimators=["lsq"])
    first, second = (
        compare_estimators([Conditions(dates=6)], stackers, shape=(80, 80), seeds=(5,), progress=False)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("window", [3, 5, 7])
def test_a_plain_window_blurs_by_its_edge(window: int) -> None:
    assert blur(estimator_stackers(window, ["lsq"])["lsq"]) == pytest.approx((window, window), abs=0.05)


def test_the_cases_and_windows_of_the_study_are_all_different() -> None:
    cases = estimator_cases()
    assert list(cases) == ["coherence", "air", "motion", "realistic"]
    assert all(len(set(case)) == len(case) > 3 for case in cases.values())
    assert len(window_stackers()) == 9


def test_the_spread_leaves_out_no_data() -> None:
    values = np.random.default_rng(1).normal(0, 2, 10_000)
    assert spread_of(np.append(values, [np.nan] * 5000)) == spread_of(values) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("rate", [0.0, 101.0])
def test_a_rate_of_false_boxes_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(LabkitError, match="false_per_1000_km2 must be"):
        compare_estimators([Conditions()], false_per_1000_km2=rate)
    with pytest.raises(LabkitError, match="conditions must hold at least one"):
        lk.studies.compare_estimators([])
