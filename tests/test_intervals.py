"""Intervals of shares and counts, against SciPy's and against the distributions themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, poisson

from labkit.errors import LabkitError
from labkit.intervals import count_interval, share_interval


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (1, 20), (13, 24), (24, 24), (250, 1000)])
def test_the_interval_of_a_share_is_that_of_scipy(hits: int, total: int) -> None:
    expected = binomtest(hits, total).proportion_ci(0.95, "wilson")
    low, high = share_interval(hits, total)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


def test_a_share_of_nothing_has_no_interval() -> None:
    low, high = share_interval([0, 3], [0, 4])
    assert np.isnan([low[0], high[0]]).all()
    assert 0 < low[1] < 0.75 < high[1] < 1


def test_counts_beyond_the_interval_of_a_count_are_as_rare_as_it_says() -> None:
    low, high = count_interval([1, 4, 30], 0.9)
    assert poisson.sf(np.array([1, 4, 30]) - 1, low) == pytest.approx([0.05] * 3)
    assert poisson.cdf([1, 4, 30], high) == pytest.approx([0.05] * 3)


def test_nothing_counted_may_still_be_some() -> None:
    low, high = count_interval(0, 0.9)
    assert low == 0
    assert high == pytest.approx(-np.log(0.05))


def test_more_hits_than_there_can_be_are_refused() -> None:
    with pytest.raises(LabkitError, match="hits must be between 0 and total"):
        share_interval(5, 4)
    with pytest.raises(LabkitError, match="count must be at least 0"):
        count_interval(-1)
    with pytest.raises(LabkitError, match="confidence must be in"):
        share_interval(1, 2, 95)
