"""Lesson 2: wrapped phase and its gradients, by hand on 5 × 5 pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labkit.course.answers import Choice, Number, Values
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material

Array = npt.NDArray[np.float64]

#: A true difference between neighbours that is too large, rad.
LARGE_RAD = 4.0


def true_phase() -> Array:
    """Give the phase of a small slide on a tilted plane before it is wrapped, (5, 5) rad, to two decimals.

    Notes
    -----
    5 exp(−r² / 2.2) + 0.1 y + 0.3 x, r the distance from the middle in pixels. No neighbours differ by π or more.
    """
    y, x = np.mgrid[:5, :5].astype(float)
    return np.round(5 * np.exp(-((y - 2) ** 2 + (x - 2) ** 2) / 2.2) + 0.1 * y + 0.3 * x, 2)


def wrap(phase: npt.ArrayLike) -> Array:
    """Wrap a phase into [−π, π), as interferograms have it.

    Examples
    --------
    >>> float(wrap(np.pi + 0.5).round(3))
    -2.642
    """
    return np.asarray((np.asarray(phase, float) + np.pi) % (2 * np.pi) - np.pi)


def _along_range(phase: Array, *, before: bool = False) -> Array:
    """Differences along range, NaN where there is no neighbour: in the last column, or in the first one."""
    edge = np.full((len(phase), 1), np.nan)
    return np.hstack([edge, np.diff(phase, axis=1)] if before else [np.diff(phase, axis=1), edge])


def _jump(material: Material) -> float:
    return float(true_phase()[2, 1] - true_phase()[2, 0])


def _limit_mm(material: Material) -> float:
    """λ / 4: the displacement that makes a phase of π."""
    return 1000 * float(material.pairs().attrs["wavelength"]) / 4


def _way(material: Material) -> str:
    """Where a bump of growing phase moves: displacement toward the satellite = phase_sign · λ / 4π · phase."""
    return "toward" if material.pairs().attrs["phase_sign"] > 0 else "away"


PLAN = Plan(
    "c2_wrapping",
    "2 · Wrapped phase and gradients by hand",
    {
        "wrap": Exercise(
            Values("rad", 0.006),
            lambda material: wrap(true_phase()),
            "Take away 2π as often as it needs: np.angle(np.exp(1j * x)) does it for all pixels at once.",
            "wrapped = np.angle(np.exp(1j * true))",
            "wrapped",
            {
                "that still runs beyond π; interferograms run from −π to π.": lambda material: true_phase(),
                "that cuts the phase off at ±π; it has to start again from the other side.": (
                    lambda material: np.clip(true_phase(), -np.pi, np.pi)
                ),
            },
        ),
        "jump": Exercise(
            Number("rad", relative=0.0, absolute=0.006),
            _jump,
            "A difference below −π gets one turn of 2π added, one above π gets one taken away.",
            "jump = np.angle(np.exp(1j * (given[2, 1] - given[2, 0])))",
            "jump",
            {
                "that is the plain difference of two wrapped values. It jumps; wrap the difference too.": (
                    lambda material: float(wrap(true_phase())[2, 1] - wrap(true_phase())[2, 0])
                ),
            },
        ),
        "range_gradient": Exercise(
            Values("rad", 0.006),
            lambda material: wrap(_along_range(wrap(true_phase()))),
            "np.diff(given, axis=1) has four columns. Wrap it, and put a column of NaN behind it.",
            "steps = np.angle(np.exp(1j * np.diff(given, axis=1)))\n"
            "range_gradient = np.hstack([steps, np.full((5, 1), np.nan)])",
            "range_gradient",
            {
                "these are plain differences of wrapped values; some of them jump by 2π. Wrap them too.": (
                    lambda material: _along_range(wrap(true_phase()))
                ),
                "the difference belongs to the first of its two pixels, so that the last column has none.": (
                    lambda material: wrap(_along_range(wrap(true_phase()), before=True))
                ),
                "the size is right, the sign is not: the next pixel minus this one.": (
                    lambda material: -wrap(_along_range(wrap(true_phase())))
                ),
                "that is along azimuth, from row to row; range runs from column to column.": (
                    lambda material: wrap(_along_range(wrap(true_phase().T)).T)
                ),
            },
        ),
        "colour": Exercise(
            Choice(("red", "blue")),
            lambda material: "red" if np.nansum(_along_range(true_phase())[2, :2]) > 0 else "blue",
            "Does the phase grow or fall from the left edge to the middle? The legend says which colour that is.",
            'colour = "red"    # the phase grows toward the middle: positive, red; behind it, it falls: blue',
            "colour",
        ),
        "way": Exercise(
            Choice(("toward", "away")),
            _way,
            "Displacement toward the satellite = phase_sign · λ / 4π · phase. Is it more or less in the middle?",
            'way = "toward" if pairs.attrs["phase_sign"] > 0 else "away"',
            "way",
        ),
        "limit": Exercise(
            Number("mm"),
            _limit_mm,
            "How much displacement makes a phase of π? A whole turn is half a wavelength.",
            'limit_mm = 1000 * pairs.attrs["wavelength"] / 4',
            "limit_mm",
            {"that makes a whole turn, 2π; a difference is lost from π on.": lambda material: 2 * _limit_mm(material)},
        ),
        "aliased": Exercise(
            Number("rad", relative=0.0, absolute=0.006),
            lambda material: LARGE_RAD - 2 * np.pi,
            "4 rad lie beyond π. What is left when a whole turn is taken away?",
            "aliased = 4.0 - 2 * np.pi    # a growing phase reads as a falling one",
            "aliased",
            {"that is the true difference; what does the wrapped one read?": lambda material: LARGE_RAD},
        ),
    },
)
