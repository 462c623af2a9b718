"""What is said of an answer: right where it is right, to the point where it is not, and never the answer itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from labkit.course.answers import Choice, Names, Number, Rule, Values, judge

ANGLE = Number("rad")
TRUTH = np.array([[0.5, -1.0, 3.0], [0.2, 2.0, np.nan]])


@pytest.mark.parametrize(
    "answer", [np.pi / 3, np.float32(np.pi / 3), np.array([np.pi / 3]), xr.DataArray(np.pi / 3), 1.047]
)
def test_a_number_may_come_as_anything_that_holds_one(answer: Any) -> None:
    assert judge(answer, np.pi / 3, ANGLE, {}) == (True, "Right.")


@pytest.mark.parametrize(
    ("answer", "rule", "truth", "words"),
    [
        (60.0, ANGLE, np.pi / 3, "radians and degrees"),
        (np.pi / 3, Number("°"), 60.0, "radians and degrees"),
        (-np.pi / 3, ANGLE, np.pi / 3, "the sign is not"),
        (-60.0, ANGLE, np.pi / 3, "The sign is not right either"),
        (np.pi / 3 + 4 * np.pi, ANGLE, np.pi / 3, "whole turns of 2π"),
        (0.0277, Number("mm"), 27.7, "m and mm"),
        (55.4, Number("mm"), 27.7, "factor of two"),
        (27.7 * 365.25, Number("mm/yr"), 27.7, "days and years"),
        (25.0, Number("share"), 0.25, "a percentage"),
        (26.0, Number("mm"), 27.7, "close"),
        (9.0, Number("mm"), 27.7, "too small"),
        (90.0, Number("mm"), 27.7, "too large"),
        (-90.0, Number("mm"), 27.7, "neither the size nor the sign"),
        ("27.7", Number("mm"), 27.7, "this is a text"),
        (None, Number("mm"), 27.7, "None is no answer"),
        (float("nan"), Number("mm"), 27.7, "NaN"),
        (float("inf"), Number("mm"), 27.7, "infinite"),
        ([27.7, 27.7], Number("mm"), 27.7, r"an array of the shape (2,)"),
        (np.exp(1j), ANGLE, 1.0, "complex"),
        (True, Number("mm"), 1.0, "of the type bool"),
        ({"mm": 27.7}, Number("mm"), 27.7, "of the type dict"),
    ],
)
def test_a_wrong_number_is_told_in_which_way_it_is_wrong(answer: Any, rule: Rule, truth: float, words: str) -> None:
    right, said = judge(answer, truth, rule, {})
    assert not right
    assert words in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (-TRUTH, "the sign is not right"),
        (np.degrees(TRUTH), "degrees"),
        (TRUTH + 2 * np.pi, "not wrapped"),
        (TRUTH[:, :2], "its shape is (2, 2), (2, 3) is wanted"),
        (np.where(np.isnan(TRUTH), 0.0, TRUTH), "should be NaN"),
        (np.where(TRUTH > 2.5, np.nan, TRUTH), "1 values are NaN that should be numbers"),
        (np.full_like(TRUTH, np.nan), "every value is NaN"),
        (np.where(TRUTH > 2.5, 1.0, TRUTH), "5 of 6 values are right"),
        ([[1, 2], [3]], "rows have different lengths"),
        ([["a", "b", "c"], ["d", "e", "f"]], "of the type list"),
        ("0.5", "this is a text"),
        (None, "None is no answer"),
    ],
)
def test_a_wrong_array_is_told_in_which_way_it_is_wrong(answer: Any, words: str) -> None:
    right, said = judge(answer, TRUTH, Values("rad"), {})
    assert not right
    assert words in said


def test_exchanged_rows_and_columns_are_seen() -> None:
    square = np.arange(9.0).reshape(3, 3)
    assert "exchanged" in judge(square.T, square, Values(), {})[1]
    assert judge(square.tolist(), square, Values(), {}) == (True, "Right.")


@pytest.mark.parametrize(
    ("answer", "right", "words"),
    [
        (" Red ", True, "Right"),
        ("blue", False, "think again"),
        ("green", False, '"red", "blue"'),
        (1, False, "in quotation marks"),
        (None, False, "in quotation marks"),
    ],
)
def test_a_choice_is_one_of_its_words(answer: Any, right: bool, words: str) -> None:
    said = judge(answer, "red", Choice(("red", "blue")), {})
    assert said[0] is right
    assert words in said[1]


@pytest.mark.parametrize(
    ("answer", "right", "words"),
    [
        (["L02", "L01"], True, "Right"),
        (np.array(["L01", "L02", "L01"]), True, "Right"),
        ({"L01"}, False, "1 landslides are missing"),
        ({"L01", "L02", "L03"}, False, "1 of your names do not belong"),
        (["L01", "L09"], False, "1 landslides are missing, and 1 of your names do not belong"),
        ("L01", False, "a list of the names"),
        (None, False, "a list of the names"),
        (2, False, "a list of the names"),
    ],
)
def test_names_are_a_set(answer: Any, right: bool, words: str) -> None:
    said = judge(answer, {"L01", "L02"}, Names("landslides"), {})
    assert said[0] is right
    assert words in said[1]


def test_a_mistake_that_is_known_has_its_own_words() -> None:
    slips = {"that is the whole wavelength.": 55.4}
    assert judge(55.4, 27.7, Number("mm"), slips) == (False, "Not yet: that is the whole wavelength.")


@given(
    truth=st.floats(-1e6, 1e6).filter(lambda t: abs(t) > 1e-3),
    factor=st.floats(-10, 10).filter(lambda f: abs(f - 1) > 0.02),
    unit=st.sampled_from(["rad", "mm", "mm/yr", "yr", "share", "°", ""]),
)
def test_no_sentence_holds_the_answer(truth: float, factor: float, unit: str) -> None:
    right, said = judge(truth * factor, truth, Number(unit), {})
    assert not right
    assert f"{truth:.3g}" not in said.replace("2π", "").replace("between 0 and 1", "")
