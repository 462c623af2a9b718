"""One lesson at work: it gives the material, checks answers, counts tries and folds solutions out when asked."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from labkit.course import (
    agreement,
    limits,
    mapping,
    measuring,
    noise,
    seeing,
    stacking,
    training,
    wrapping,
)
from labkit.course.answers import Rule, judge
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material, prepare
from labkit.course.progress import read_progress, record
from labkit.errors import LabkitError
from labkit.wording import counted

_PLANS = (seeing, wrapping, stacking, noise, agreement, training, measuring, mapping, limits)

#: Name → lesson, in the order of the course.
LESSONS: dict[str, Plan] = {part.PLAN.name: part.PLAN for part in _PLANS}

#: The edge of a box that says something, by what it says: colours that differ in lightness too.
_EDGES = {"right": "#2e7d32", "wrong": "#e69f00", "open": "#8c8c8c"}

#: A wrong try of this number and each later one comes with the hint.
_HINT_FROM = 2


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer: ``state`` "right", "wrong" or "open", and the sentence."""

    state: str
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return _boxed(html.escape(self.words), _EDGES[self.state])


@dataclass(frozen=True)
class Solution:
    """A worked solution: folded in a notebook until somebody opens it; ``code`` is what it holds."""

    title: str
    code: str

    def __repr__(self) -> str:
        return f"{self.title}: folded away. print(….code) shows it."

    def _repr_html_(self) -> str:
        inside = f"<pre style='margin:0.5em 0 0 0'>{html.escape(self.code)}</pre>"
        return f"<details><summary style='cursor:pointer'>{html.escape(self.title)}</summary>{inside}</details>"


class Lesson:
    """One of the lessons, opened on its material (:func:`open_lesson`).

    Attributes
    ----------
    plan : Plan
        Title and exercises.
    material : Material
        The simulated scene.

    Examples
    --------
    >>> from pathlib import Path
    >>> lesson = Lesson(LESSONS["c1_seeing"], Material(Path("data/course"), "workshop", (0, 0)))
    >>> lesson.check("fringe", ...)
    Still open: put your answer in the place of the three dots of fringe_mm.
    """

    def __init__(self, plan: Plan, material: Material) -> None:
        self.plan = plan
        self.material = material
        self._computed: dict[str, tuple[Any, Rule, dict[str, Any]]] = {}

    def check(self, name: str, answer: Any) -> Verdict:
        """Say whether an answer is right; if it is not, in which way, with a hint from the second try on.

        Parameters
        ----------
        name : str
            Of the exercise.
        answer : object
            Anything. ``...`` is an answer that is still open: it is not counted as a try.

        Raises
        ------
        LabkitError
            The lesson has no exercise of that name.
        """
        exercise = self._exercise(name)
        if isinstance(answer, EllipsisType):
            return Verdict(
                "open", f"Still open: put your answer in the place of the three dots of {exercise.variable}."
            )
        right, words = judge(answer, *self.known(name))
        tries = record(self.plan.name, name, right)
        if right:
            return Verdict("right", f"{words} {self._count()}")
        hint = f" Hint: {exercise.hint}" if tries >= _HINT_FROM else ""
        return Verdict("wrong", f"{words}{hint}")

    def solution(self, name: str) -> Solution:
        """Give the worked solution of an exercise, folded: it opens with a click."""
        return Solution(f"A solution of “{name}”", self._exercise(name).solution)

    def progress(self) -> dict[str, str]:
        """Say of each exercise whether it is "right", was tried, or is "open"."""
        known = read_progress().get(self.plan.name, {})
        states = {}
        for name in self.plan.exercises:
            entry = known.get(name)
            states[name] = (
                "open" if entry is None else "right" if entry["right"] else counted(int(entry["tries"] or 0), "try")
            )
        return states

    def __repr__(self) -> str:
        return f"{self.plan.title}: {self._count()}"

    def _repr_html_(self) -> str:
        states = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td style='text-align:left'>"
            f"{html.escape(state)}</td></tr>"
            for name, state in self.progress().items()
        )
        title = f"<b>{html.escape(self.plan.title)}</b>: {html.escape(self._count())}"
        return _boxed(f"{title}<table>{states}</table>", _EDGES["open"])

    def _exercise(self, name: str) -> Exercise:
        if name not in self.plan.exercises:
            raise LabkitError(f"name must be one of {tuple(self.plan.exercises)}, instead got name={name!r}")
        return self.plan.exercises[name]

    def _count(self) -> str:
        states = list(self.progress().values())
        return f"{states.count('right')} of {len(states)} exercises of this lesson are right."

    def known(self, name: str) -> tuple[Any, Rule, dict[str, Any]]:
        """Give the right answer of an exercise, what kind it is of, and the mistaken ones; computed once."""
        if name not in self._computed:
            exercise = self._exercise(name)
            slips = {words: mistaken(self.material) for words, mistaken in exercise.slips.items()}
            self._computed[name] = exercise.truth(self.material), exercise.rule, slips
        return self._computed[name]


def open_lesson(name: str, folder: str | os.PathLike[str] = "../../data/course", *, progress: bool = True) -> Lesson:
    """Open a lesson of the course; the first one that is opened makes the material, in about a minute.

    Parameters
    ----------
    name : str
        One of :data:`LESSONS`, such as "c1_seeing".
    folder : path-like
        Where the material is, or is to be (:func:`labkit.course.prepare`).
    progress : bool
        Show bars while the material is made.

    Raises
    ------
    LabkitError
        There is no lesson of that name, or the folder holds something else.

    Examples
    --------
    >>> list(LESSONS["c1_seeing"].exercises)
    ['fringe', 'toward', 'slope', 'one_side', 'coherence']
    >>> open_lesson("c0_nothing")
    Traceback (most recent call last):
    labkit.errors.LabkitError: name must be one of ('c1_seeing', ...
    """
    if name not in LESSONS:
        raise LabkitError(f"name must be one of {tuple(LESSONS)}, instead got name={name!r}")
    return Lesson(LESSONS[name], prepare(folder, progress=progress))


def _boxed(inside: str, edge: str) -> str:
    return f"<div style='border-left:5px solid {edge};padding:0.4em 0.8em;max-width:52em'>{inside}</div>"
