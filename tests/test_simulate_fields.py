"""Random fields have the roughness that was asked for, and every part of a scene draws for itself."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.simulate.fields import power_law_field, stream


def structure(field: np.ndarray, lag: int) -> float:
    """Mean square difference of points ``lag`` columns apart."""
    return float(np.mean((field[:, lag:] - field[:, :-lag]) ** 2))


def fields(count: int, spacing_m: float = 40.0, **settings: float) -> list[np.ndarray]:
    return [power_law_field((200, 260), spacing_m, stream(seed, "test"), **settings) for seed in range(count)]


def test_points_a_lag_apart_differ_by_the_given_rms() -> None:
    drawn = fields(40, exponent=11 / 3, lag_m=1000.0, rms_difference=3.0)
    assert np.sqrt(np.mean([structure(f, 25) for f in drawn])) == pytest.approx(3.0, rel=0.1)


def test_the_rms_does_not_depend_on_the_size_of_the_field() -> None:
    small = [
        power_law_field((60, 60), 40.0, stream(s, "size"), exponent=3.0, lag_m=400.0, rms_difference=1.0)
        for s in range(60)
    ]
    large = fields(20, exponent=3.0, lag_m=400.0, rms_difference=1.0)
    for drawn in (small, large):
        assert np.mean([structure(f, 10) for f in drawn]) == pytest.approx(1.0, rel=0.15)


def test_a_spectrum_of_k_to_minus_eleven_thirds_has_a_structure_function_of_r_to_five_thirds() -> None:
    drawn = fields(40, exponent=11 / 3, lag_m=400.0, rms_difference=1.0)
    # well between the pixel and the size of the field, which cut the spectrum off
    ratio = np.mean([structure(f, 8) for f in drawn]) / np.mean([structure(f, 4) for f in drawn])
    assert ratio == pytest.approx(2 ** (5 / 3), rel=0.1)


def test_beyond_the_break_the_outer_exponent_takes_over() -> None:
    """8/3 gives r^(2/3): doubling a lag well beyond the break raises the structure function far less than 2^(5/3)."""
    drawn = fields(30, exponent=11 / 3, break_m=400.0, outer_exponent=8 / 3, lag_m=400.0, rms_difference=1.0)
    ratio = np.mean([structure(f, 80) for f in drawn]) / np.mean([structure(f, 40) for f in drawn])
    assert ratio == pytest.approx(2 ** (2 / 3), rel=0.2)


def test_streams_of_one_seed_are_repeatable_and_apart() -> None:
    assert stream(3, "a", 1).random(4).tolist() == stream(3, "a", 1).random(4).tolist()
    drawn = {tuple(stream(seed, *names).random(4)) for seed in (0, 1) for names in (("a",), ("b",), ("a", 1), ("a", 2))}
    assert len(drawn) == 8
