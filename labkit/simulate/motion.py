"""How ground moves in time: steadily, with the seasons, in episodes, faster and faster, or not any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR

Array = npt.NDArray[np.float64]

#: What :class:`Motion` can do.
BEHAVIOURS = ("linear", "seasonal", "episodic", "accelerating", "stopped")

#: Back-motion in winter, as a share of the summer's speed.
_WINTER_SHARE = -0.15
_SUMMER = (4, 9)

#: Length of an episode, and of the quiet between (years); the share of the speed that is left in the quiet.
_EPISODE_YEARS = 0.2
_QUIET_SHARE = 0.1

#: How much faster an accelerating landslide is at the end than at the beginning.
_ACCELERATION = 8.0


@dataclass(frozen=True)
class Motion:
    """The course of one movement over an observed time, of mean speed 1.

    Attributes
    ----------
    behaviour : str
        "linear"; "seasonal": fast from April to September, slightly back from October to March, as the Luri landslide
        [1]_; "episodic": two months of motion in each cycle of ``period_years``; "accelerating": the speed grows
        exponentially eightfold; "stopped": steady until ``phase`` of the time has passed, then nothing.
    start, end : numpy.datetime64
        The observed time.
    phase : float
        0..1: where in its cycle an episodic movement begins; at which share of the time a stopped one stops.
    period_years : float
        Cycle of an episodic movement, above 0.2 years.

    Notes
    -----
    :meth:`years` is the displacement in units of the mean speed, s(t): s(end) − s(start) is the observed time in years
    (for "seasonal" a whole number of years gives exactly that many), so that a rate in mm/yr is a mean over that time.
    Linear: s = t. Seasonal: ds/dt = v in summer and −0.15 v in winter, v such that a year sums to 1. Accelerating:
    ds/dt ∝ 8^(t/T). All are continuous.

    References
    ----------
    .. [1] Fu et al. (2022), section 6.1 and Figure 12D.

    Raises
    ------
    LabkitError
        A value breaks its rule.
    """

    behaviour: str
    start: np.datetime64
    end: np.datetime64
    phase: float = 0.5
    period_years: float = 1.6

    def __post_init__(self) -> None:
        """Check the values."""
        if self.behaviour not in BEHAVIOURS:
            raise LabkitError(f"behaviour must be one of {BEHAVIOURS}, instead got behaviour={self.behaviour!r}")
        if not self.end > self.start:
            raise LabkitError(f"end must be after start, instead got start={self.start}, end={self.end}")
        if not 0 < self.phase <= 1:
            raise LabkitError(f"phase must be above 0 and at most 1, instead got phase={self.phase}")
        if not self.period_years > _EPISODE_YEARS:
            raise LabkitError(f"period_years must be above {_EPISODE_YEARS}, instead got {self.period_years}")

    def years(self, dates: npt.ArrayLike) -> Array:
        """Give s at dates (datetime64): the displacement since ``start`` over the mean speed, in years."""
        days = np.asarray(dates, "datetime64[D]")
        t = (days - self.start.astype("datetime64[D]")).astype(float) / DAYS_PER_YEAR
        total = float((self.end - self.start) / np.timedelta64(1, "D")) / DAYS_PER_YEAR
        if self.behaviour == "linear":
            return np.asarray(t)
        if self.behaviour == "seasonal":
            return _seasonal(days) - _seasonal(self.start.astype("datetime64[D]"))
        if self.behaviour == "accelerating":
            return np.asarray(total * (_ACCELERATION ** (t / total) - 1) / (_ACCELERATION - 1))
        if self.behaviour == "stopped":
            return np.minimum(t, self.phase * total) / self.phase
        course = self._episodes(t) - self._episodes(np.zeros(()))
        whole = float(self._episodes(np.asarray(total)) - self._episodes(np.zeros(())))
        return np.asarray(course * total / whole)

    def between(self, reference: npt.ArrayLike, secondary: npt.ArrayLike) -> Array:
        """Give s(secondary) − s(reference), years: times the mean rate (mm/yr), the displacement of a pair in mm."""
        return self.years(secondary) - self.years(reference)

    def _episodes(self, t: Array) -> Array:
        cycles = np.asarray(t) / self.period_years + self.phase
        whole, part = np.floor(cycles), cycles - np.floor(cycles)
        moving = np.minimum(part * self.period_years / _EPISODE_YEARS, 1.0)
        return (1 - _QUIET_SHARE) * (whole + moving) + _QUIET_SHARE * cycles


def _seasonal(days: npt.NDArray[np.datetime64]) -> Array:
    """Displacement since 1970 in years of mean speed: piecewise linear, exactly 1 for every calendar year."""
    year = days.astype("datetime64[Y]")
    since_april, since_october = (_since(year, days, month) for month in (_SUMMER[0], _SUMMER[1] + 1))
    whole_summer = since_april - since_october
    summer = np.clip(since_april, 0.0, whole_summer)
    passed = (days - year.astype("datetime64[D]")).astype(float)
    length = ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(float)
    whole_year = whole_summer + _WINTER_SHARE * (length - whole_summer)
    share = (summer + _WINTER_SHARE * (passed - summer)) / whole_year
    return np.asarray(year.astype(int) + share)


def _since(year: npt.NDArray[np.datetime64], days: npt.NDArray[np.datetime64], month: int) -> Array:
    """Days that have passed since the first of a month of the same year; negative before it."""
    first = (year.astype("datetime64[M]") + np.timedelta64(month - 1, "M")).astype("datetime64[D]")
    return np.asarray((days - first).astype(float))
