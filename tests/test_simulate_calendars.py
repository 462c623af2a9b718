"""Calendars give the dates and pairs that they promise."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import LabkitError
from labkit.simulate.calendars import Calendar, named_calendar


@pytest.mark.parametrize(("track", "dates", "pairs"), [("ascending", 145, 348), ("descending", 97, 191)])
def test_the_paper_s_counts_come_out_exactly(track: str, dates: int, pairs: int) -> None:
    """Fu et al. (2022), section 3: 145 and 97 images, 348 and 191 pairs of at most 36 days, October 2014 to 2020."""
    calendar = named_calendar("fu2022")
    passes = calendar.dates[track]
    assert len(passes) == len(np.unique(passes)) == dates
    days = np.subtract.outer(passes, passes).astype(int)
    assert ((days > 0) & (days <= 36)).sum() == len(calendar.pairs(track)) == pairs
    assert passes[0].astype("datetime64[M]") == np.datetime64("2014-10")
    assert passes[-1].astype("datetime64[M]") == np.datetime64("2020-10")
    assert (np.diff(passes).astype(int) % 12 == 0).all()


def test_the_descending_track_is_thin_before_2018() -> None:
    passes = named_calendar("fu2022").dates["descending"]
    early = (passes < np.datetime64("2018-01-01")).sum()
    assert early / 3.2 < (len(passes) - early) / 2.8 / 2
    assert np.diff(passes).max() > np.timedelta64(100, "D")


def test_two_years_have_every_pass() -> None:
    calendar = named_calendar("two-years")
    for track in ("ascending", "descending"):
        assert set(np.diff(calendar.dates[track]).astype(int).tolist()) == {12}
        # n dates of equal steps have (n − 1) + (n − 2) + (n − 3) pairs of at most three steps
        assert len(calendar.pairs(track)) == 3 * 61 - 6


def test_the_workshop_s_calendar_gives_its_pairs_with_gaps_between() -> None:
    calendar = named_calendar("workshop")
    for track, pairs in (("ascending", 120), ("descending", 80)):
        passes = calendar.dates[track]
        assert len(calendar.pairs(track)) == pairs
        assert {12, 24} < set(np.diff(passes).astype(int).tolist()) and passes[0] >= np.datetime64("2018-03-01")


def test_a_calendar_that_cannot_be_says_why() -> None:
    days = np.array(["2020-01-01", "2020-03-01"], "datetime64[D]")
    with pytest.raises(LabkitError, match="max_days must allow a pair"):
        Calendar("own", {"ascending": days})
    with pytest.raises(LabkitError, match="in order and each once"):
        Calendar("own", {"ascending": days[::-1]})
    with pytest.raises(LabkitError, match="calendar must be one of"):
        named_calendar("fu2023")
