"""Say in one sentence whether an answer is right, and if it is not, in which way: unit, sign, wrap, shape, kind.

No sentence holds the right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Factor of a mistaken unit → what to say of it, by what the unit of the answer is about.
_FACTORS: dict[str, dict[float, str]] = {
    "m": {1e3: "m and mm", 1e2: "m and cm or cm and mm", 1e6: "km and mm"},
    "yr": {365.25: "days and years", 12.0: "months and years"},
    "share": {1e2: "a share and a percentage"},
    "rad": {180 / np.pi: "radians and degrees"},
    "°": {180 / np.pi: "radians and degrees"},
}

#: Beyond its tolerance, an answer within this share of the truth is called close.
_CLOSE = 0.1


@dataclass(frozen=True)
class Number:
    """One number is wanted.

    Attributes
    ----------
    unit : str
        "rad", "mm", "mm/yr", "yr", "share", "" …, as the lesson names it.
    relative, absolute : float
        Right is what differs by no more than ``absolute + relative · |truth|``.
    """

    unit: str = ""
    relative: float = 0.01
    absolute: float = 0.0


@dataclass(frozen=True)
class Values:
    """An array is wanted, of the truth's shape; NaN where the truth is. ``absolute``: how far a value may be off."""

    unit: str = ""
    absolute: float = 0.01


@dataclass(frozen=True)
class Choice:
    """One of some words is wanted."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """A set of names is wanted, in any order. ``what``: of what they are the names, in the plural."""

    what: str


Rule = Number | Values | Choice | Names


def judge(answer: Any, truth: Any, rule: Rule, slips: Mapping[str, Any]) -> tuple[bool, str]:
    """Compare an answer with the truth.

    Parameters
    ----------
    answer : object
        Whatever a person assigned.
    truth : float, array, str or collection of str
        As ``rule`` says.
    rule : Rule
        What is wanted.
    slips : mapping
        What to say → the mistaken answer that it is said of.

    Returns
    -------
    (bool, str)
        Whether it is right, and a sentence.

    Examples
    --------
    >>> judge(1.5708, np.pi / 2, Number("rad"), {})
    (True, 'Right.')
    >>> judge(90, np.pi / 2, Number("rad"), {})
    (False, 'Not yet: it looks as if radians and degrees had been mixed up; the answer is wanted in rad.')
    >>> judge(-1.5708, np.pi / 2, Number("rad"), {})
    (False, 'Not yet: the size is right, the sign is not.')
    """
    if isinstance(rule, Choice):
        return _judge_choice(answer, str(truth), rule)
    if isinstance(rule, Names):
        return _judge_names(answer, set(map(str, truth)), rule)
    values, fault = _as_array(answer, rule)
    if values is None:
        return False, fault
    if isinstance(rule, Number):
        return _judge_number(float(values.reshape(-1)[0]), float(truth), rule, slips)
    return _judge_values(values, np.asarray(truth, float), rule, slips)


def _as_array(answer: Any, rule: Number | Values) -> tuple[Array | None, str]:
    """The answer as numbers, or what to say of its kind."""
    wanted = f"one number{_in(rule)}" if isinstance(rule, Number) else f"an array of numbers{_in(rule)}"
    if answer is None:
        return None, f"Not yet: None is no answer, {wanted} is wanted. Did a function forget its return?"
    if isinstance(answer, str):
        return (
            None,
            f"Not yet: this is a text, {wanted} is wanted. Write it without quotation marks and without a unit.",
        )
    try:
        values = np.asarray(answer)
    except ValueError:
        return None, f"Not yet: these rows have different lengths, {wanted} is wanted."
    if values.dtype.kind == "c":
        return None, f"Not yet: this is complex, {wanted} is wanted. Take its angle by np.angle, or its real part."
    if values.dtype.kind not in "iuf":
        return None, f"Not yet: this is of the type {type(answer).__name__}, {wanted} is wanted."
    values = values.astype(float)
    if isinstance(rule, Number):
        if values.size != 1:
            return None, f"Not yet: this is an array of the shape {values.shape}, {wanted} is wanted."
        if np.isnan(values).any():
            return None, "Not yet: this is NaN. Somewhere no data came in: np.nanmean and the like leave it out."
        if np.isinf(values).any():
            return None, "Not yet: this is infinite. Was something divided by zero?"
    return values, ""


def _judge_number(answer: float, truth: float, rule: Number, slips: Mapping[str, Any]) -> tuple[bool, str]:
    def same(value: float) -> bool:
        return abs(value - truth) <= rule.absolute + rule.relative * abs(truth)

    if same(answer):
        return True, "Right."
    for words, mistaken in slips.items():
        if abs(answer - mistaken) <= rule.absolute + rule.relative * abs(mistaken):
            return False, f"Not yet: {words}"
    if same(-answer):
        return False, "Not yet: the size is right, the sign is not."
    mixed = _mixed_up(answer, truth, rule, same)
    if mixed:
        return False, mixed
    if rule.unit == "rad" and same(truth + np.angle(np.exp(1j * (answer - truth)))):
        return False, "Not yet: it is off by whole turns of 2π. Wrap it into −π … π, or leave it unwrapped?"
    if rule.unit.startswith("mm") and any(same(answer * factor) for factor in (0.5, 2.0)):
        return False, "Not yet: it is off by a factor of two. The wave goes there and back."
    if abs(answer - truth) <= _CLOSE * abs(truth):
        return False, "Not yet, but close. Was something rounded on the way, or one pixel or pair too many counted?"
    if truth != 0 and np.sign(answer) not in (0, np.sign(truth)):
        return False, "Not yet: neither the size nor the sign is right."
    return False, f"Not yet: it is too {'large' if abs(answer) > abs(truth) else 'small'}."


def _mixed_up(answer: float, truth: float, rule: Number, same: Any) -> str:
    """What to say where the answer is right in another unit, also with the other sign."""
    for part, factors in _FACTORS.items():
        if part not in _parts(rule.unit):
            continue
        for factor, words in factors.items():
            for value in (answer * factor, answer / factor):
                if same(value) or same(-value):
                    sign = "" if same(value) else " The sign is not right either."
                    return f"Not yet: it looks as if {words} had been mixed up; the answer is wanted{_in(rule)}.{sign}"
    return ""


def _parts(unit: str) -> set[str]:
    """What a unit is about: "mm/yr" is about metres and years."""
    parts = set(unit.replace("²", "").split("/"))
    return parts | ({"m"} if parts & {"mm", "cm", "km", "m"} else set())


def _judge_values(answer: Array, truth: Array, rule: Values, slips: Mapping[str, Any]) -> tuple[bool, str]:
    if answer.shape != truth.shape:
        return False, (
            f"Not yet: its shape is {answer.shape}, {truth.shape} is wanted. Where a pixel has no neighbour, put NaN."
        )

    def same(values: Array, wanted: Array = truth) -> npt.NDArray[np.bool_]:
        return (np.abs(values - wanted) <= rule.absolute) | (np.isnan(values) & np.isnan(wanted))

    right = same(answer)
    if right.all():
        return True, "Right."
    if np.isnan(answer).all():
        return False, "Not yet: every value is NaN."
    for words, mistaken in slips.items():
        if same(answer, np.asarray(mistaken, float)).all():
            return False, f"Not yet: {words}"
    if (np.isnan(answer) != np.isnan(truth)).any():
        missing = int((np.isnan(answer) & ~np.isnan(truth)).sum())
        many = (
            f"{missing} values are NaN that should be numbers" if missing else "some values should be NaN and are not"
        )
        return False, f"Not yet: {many}. A pixel has no data where it or its neighbour has none."
    others = {"the sign is not right": -answer}
    if truth.shape == truth.T.shape:
        others["rows and columns are exchanged"] = answer.T
    if rule.unit == "rad":
        others["it is in degrees, radians are wanted"] = np.deg2rad(answer)
        others["it is not wrapped into −π … π"] = np.angle(np.exp(1j * answer))
    for words, value in others.items():
        if same(value).all():
            return False, f"Not yet: {words}."
    return False, f"Not yet: {int(right.sum())} of {right.size} values are right."


def _judge_choice(answer: Any, truth: str, rule: Choice) -> tuple[bool, str]:
    options = ", ".join(f'"{option}"' for option in rule.options)
    if not isinstance(answer, str):
        return False, f"Not yet: one of the words {options} is wanted, in quotation marks."
    word = answer.strip().lower()
    if word == truth.lower():
        return True, "Right."
    if word not in {option.lower() for option in rule.options}:
        return False, f"Not yet: one of the words {options} is wanted."
    return False, "Not yet: think again what would follow from it."


def _judge_names(answer: Any, truth: set[str], rule: Names) -> tuple[bool, str]:
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        return False, f'Not yet: a list of the names of {rule.what} is wanted, such as ["L01", "L02"].'
    given = {str(name).strip() for name in answer}
    if given == truth:
        return True, "Right."
    missing, besides = len(truth - given), len(given - truth)
    if not missing:
        return False, f"Not yet: all {rule.what} are there, but {besides} of your names do not belong."
    if not besides:
        return False, f"Not yet: all of your names belong, but {missing} {rule.what} are missing."
    return False, f"Not yet: {missing} {rule.what} are missing, and {besides} of your names do not belong."


def _in(rule: Number | Values) -> str:
    if rule.unit == "share":
        return " as a share between 0 and 1"
    return f" in {rule.unit}" if rule.unit else ""
