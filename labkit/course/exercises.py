"""What a lesson asks: exercises with their truth, the mistakes that are made at them, a hint and a worked solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.course.answers import Rule
from labkit.course.material import Material

#: What is computed from the material: the right answer, or a mistaken one.
Computed = Callable[[Material], Any]


@dataclass(frozen=True)
class Exercise:
    """One question of a lesson.

    Attributes
    ----------
    rule : Rule
        What kind of answer is wanted, in which unit, and how close (:mod:`labkit.course.answers`).
    truth : callable
        Computes the right answer from the material.
    hint : str
        Shown with the second wrong try; it does not hold the answer.
    solution : str
        Code that finds the answer with what the notebook has, and assigns it to ``variable``.
    variable : str
        Name of the answer in the notebook.
    slips : mapping of str to callable
        What to say of a mistake that is often made → the answer that it leads to.

    Examples
    --------
    >>> from labkit.course.answers import Number
    >>> half = Exercise(Number("mm"), lambda material: 27.7, "There and back.", "answer = 55.4 / 2", "answer")
    >>> half.truth(None)
    27.7
    """

    rule: Rule
    truth: Computed
    hint: str
    solution: str
    variable: str
    slips: Mapping[str, Computed] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A lesson: its name, which is that of its notebook, its title, and its exercises in their order.

    Examples
    --------
    >>> Plan("c0_nothing", "0 · Nothing", {}).title
    '0 · Nothing'
    """

    name: str
    title: str
    exercises: Mapping[str, Exercise]
