"""Movement in time: its mean speed is kept, and each behaviour does what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import LabkitError
from labkit.simulate.motion import BEHAVIOURS, Motion

START, END = np.datetime64("2014-10-12"), np.datetime64("2020-10-04")
DAYS = np.arange(START, END + 1)
SPAN_YEARS = (END - START).astype(int) / 365.25


def speed(behaviour: str, **how: float) -> np.ndarray:
    """Over the mean speed, day by day."""
    return np.diff(Motion(behaviour, START, END, **how).years(DAYS)) * 365.25


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_rate_is_the_mean_over_the_observed_time(behaviour: str) -> None:
    motion = Motion(behaviour, START, END)
    # the seasons are cut eight days short of six years, at a time of little motion
    assert float(motion.between(START, END)) == pytest.approx(SPAN_YEARS, rel=0.006)
    assert float(motion.years(START)) == pytest.approx(0.0, abs=1e-12)


def test_linear_motion_is_elapsed_time() -> None:
    assert float(Motion("linear", START, END).between("2018-01-01", "2018-02-06")) == pytest.approx(36 / 365.25)


def test_the_seasonal_landslide_is_fast_from_april_to_september_and_slightly_back_in_winter() -> None:
    """As the Luri landslide (Fu et al. 2022, Figure 12D): every year sums to one, winter runs at −0.15 of summer."""
    rate = speed("seasonal")
    month = DAYS[:-1].astype("datetime64[M]").astype(int) % 12 + 1
    summer, winter = rate[(month >= 4) & (month <= 9)], rate[(month < 4) | (month > 9)]
    assert summer.min() > 2.0 and winter.max() < -0.3
    np.testing.assert_allclose(winter.mean() / summer.mean(), -0.15, rtol=1e-3)
    motion = Motion("seasonal", START, END)
    for year in range(2015, 2020):
        assert float(motion.between(f"{year}-01-01", f"{year + 1}-01-01")) == pytest.approx(1.0, abs=1e-12)


def test_a_stopped_landslide_moves_no_more() -> None:
    rate = speed("stopped", phase=0.5)
    half = len(rate) // 2
    assert rate[: half - 2] == pytest.approx(2.0) and not rate[half + 2 :].any()


def test_an_accelerating_landslide_is_eight_times_as_fast_at_the_end() -> None:
    rate = speed("accelerating")
    assert (np.diff(rate) > 0).all()
    assert rate[-1] / rate[0] == pytest.approx(8.0, rel=0.01)


def test_episodes_of_two_months_stand_out_of_quiet_creep() -> None:
    rate = speed("episodic", phase=1.0, period_years=1.5)
    fast = rate > 1.0
    assert fast.mean() == pytest.approx(0.2 / 1.5, abs=0.02)
    # 90 % of 1.5 years' motion in 0.2 years, 10 % spread over all of it
    assert rate[fast].mean() / rate[~fast].mean() == pytest.approx((0.9 / 0.2 + 0.1 / 1.5) / (0.1 / 1.5), rel=0.05)
    assert np.abs(np.diff(fast)).sum() >= 6


def test_no_behaviour_jumps() -> None:
    for behaviour in BEHAVIOURS:
        assert np.abs(np.diff(Motion(behaviour, START, END).years(DAYS))).max() < 0.06


@pytest.mark.parametrize(
    "wrong", [{"behaviour": "sudden"}, {"end": START}, {"phase": 0.0}, {"period_years": 0.1, "behaviour": "episodic"}]
)
def test_a_course_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(LabkitError, match="must be"):
        Motion(**({"behaviour": "linear", "start": START, "end": END} | wrong))
