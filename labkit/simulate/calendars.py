"""When the satellites came by: named acquisition calendars and the pairs they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.errors import LabkitError
from labkit.simulate.interferometry import REVISIT_DAYS, Pair, pairs_within

Dates = npt.NDArray[np.datetime64]

#: Steps between acquisitions in units of 12 days, one base-36 digit each. Fu et al. (2022, section 3 and Figure 2)
#: give the counts and say that the descending track was sampled thinly and irregularly before 2018; the single dates
#: are not published. These were chosen so that dates and pairs of at most 36 days come out in exactly their number
#: and every date is in a pair.
_FU2022 = {
    "ascending": (
        "2014-10-12",
        "111313342111124111111221121131111111111115111111111111111221111111121111"
        "111122111121212111111111111121112111111121211111111211111111211211111111",
    ),
    "descending": (
        "2014-10-17",
        "223351321161d282a1611532322912111111121111112211112111111111111111111211211211111411111111111222",
    ),
}

#: Steps of the scenes that ship: two years with a missing pass here and there, 120 ascending and 80 descending pairs.
_WORKSHOP = {
    "ascending": ("2018-03-05", "211112112111111111121131112111111111111112111111"),
    "descending": ("2018-03-10", "1112111112121111221112121121211311111"),
}


@dataclass(frozen=True)
class Calendar:
    """The acquisitions of the tracks of a scene.

    Attributes
    ----------
    name : str
        What it is called.
    dates : dict
        By track: dates (datetime64[D]) in order, each once.
    max_days : int
        Longest temporal baseline of a pair, days.

    Examples
    --------
    >>> dates = np.array(["2020-01-01", "2020-01-13", "2020-02-06"], "datetime64[D]")
    >>> [pair.days for pair in Calendar("short", {"ascending": dates}).pairs("ascending")]
    [12.0, 36.0, 24.0]
    """

    name: str
    dates: Mapping[str, Dates]
    max_days: int = 36

    def __post_init__(self) -> None:
        """Check the order of the dates, and that there is a pair."""
        for track, dates in self.dates.items():
            if len(dates) < 2 or (np.diff(dates) <= np.timedelta64(0, "D")).any():
                raise LabkitError(
                    f"dates must be at least two, in order and each once, instead got {len(dates)} for {track}"
                )
            if not self.pairs(track):
                raise LabkitError(f"max_days must allow a pair, instead got max_days={self.max_days} for {track}")

    def pairs(self, track: str) -> list[Pair]:
        """List the pairs of a track: all acquisitions at most ``max_days`` apart."""
        return pairs_within(self.dates[track], self.max_days)


def named_calendar(name: str) -> Calendar:
    """Give a calendar by name.

    Parameters
    ----------
    name : str
        "fu2022": the first paper's counts from October 2014 to October 2020, ascending 145 dates and 348 pairs,
        descending 97 dates (thin and irregular before 2018) and 191 pairs. "two-years": every 12 days from March 2018
        to March 2020 without a gap, 61 dates and 177 pairs of each track. "workshop": the same time with gaps, 49
        ascending dates and 120 pairs, 38 descending dates and 80 pairs.

    Raises
    ------
    LabkitError
        There is no calendar of that name.

    References
    ----------
    Fu et al. (2022), section 3 and Figure 2.

    Examples
    --------
    >>> calendar = named_calendar("fu2022")
    >>> len(calendar.dates["ascending"]), len(calendar.pairs("ascending"))
    (145, 348)
    """
    if name == "fu2022":
        return Calendar(name, {track: _from_steps(start, steps) for track, (start, steps) in _FU2022.items()})
    if name == "two-years":
        starts = {"ascending": "2018-03-05", "descending": "2018-03-10"}
        return Calendar(name, {track: _from_steps(start, "1" * 60) for track, start in starts.items()})
    if name == "workshop":
        return Calendar(name, {track: _from_steps(start, steps) for track, (start, steps) in _WORKSHOP.items()})
    raise LabkitError(f"calendar must be one of {CALENDARS}, instead got calendar={name!r}")


#: Names that :func:`named_calendar` knows.
CALENDARS = ("fu2022", "two-years", "workshop")


def _from_steps(start: str, steps: str) -> Dates:
    counts = np.array([0, *(int(step, 36) for step in steps)])
    return np.datetime64(start, "D") + (np.cumsum(counts) * REVISIT_DAYS).astype("timedelta64[D]")
