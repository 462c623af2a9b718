"""Stacks with windows of any shape: equal to labkit's own where both can, and as noisy as theory has them elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import labkit as lk
from labkit import LabkitError
from labkit.studies.estimators import blur, spread_of
from labkit.studies.planted import Conditions, Noise, draw_noise, observe, plant_slides, total_rate
from labkit.studies.shaped import Window, stack_shaped

SHAPE = (80, 80)


@pytest.mark.parametrize("estimator", ["lsq", "circular"])
def test_a_plain_window_gives_what_the_compiled_kernel_gives(estimator: str) -> None:
    ifgs = observe(draw_noise(Conditions(0.4, dates=8), SHAPE, 0), total_rate(plant_slides(SHAPE, 0)))
    ours = stack_shaped(ifgs, Window(5, 5), estimator=estimator)["gradient"].values[:, 3:-4, 3:-4]
    kernel = lk.stack_gradients(ifgs, estimator, 5, progress=False)["gradient"].values[:, 3:-4, 3:-4]
    np.testing.assert_allclose(ours, kernel, atol=2e-4 * np.abs(kernel).max())


def test_a_window_turns_with_the_direction() -> None:
    ifgs = observe(draw_noise(Conditions(0.5, dates=5), SHAPE, 1))
    turned = ifgs.rename(y="x", x="y").transpose("pair", "y", "x")
    straight, crossed = (stack_shaped(i, Window(9, 3, "along"))["gradient"].values for i in (ifgs, turned))
    np.testing.assert_allclose(straight[0], crossed[1].T, atol=1e-4)


@pytest.mark.parametrize("window", [Window(5, 5), Window(9, 5, "along"), Window(7, 7, "both")])
def test_white_noise_is_damped_as_the_weights_say(window: Window) -> None:
    """The variance of a difference of neighbouring means is σ² Σ (w_i − w_{i−1})² along times Σ w² across."""
    random = np.random.default_rng(0)
    conditions = Conditions(0.7, air_mm=0.0, dates=3, max_days=12)
    phase = random.normal(0, 0.05, (2, 200, 200)).astype(np.float32)
    ifgs = observe(Noise(conditions, phase, np.full_like(phase, 0.7)))
    along, across = window.weights()
    expected = 0.05 * np.sqrt((np.diff(np.pad(along, 1)) ** 2).sum() * (across**2).sum())
    # two pairs of one length: the velocity's gradient is their mean times the two pairs' time
    found = stack_shaped(ifgs, window)["gradient"].values[:, 8:-8, 8:-8]
    for image in found:
        assert spread_of(image) == pytest.approx(np.sqrt(2) * expected, rel=0.05)


def test_a_parabola_is_quieter_than_a_plain_window_that_blurs_as_much() -> None:
    ifgs = observe(draw_noise(Conditions(0.4, dates=8), SHAPE, 2))
    stackers = [lambda i, w=w: stack_shaped(i, w) for w in (Window(5, 5), Window(7, 7, "both"))]
    plain, parabola = (spread_of(stack(ifgs)["gradient"].values) for stack in stackers)
    (edge, side), (soft_edge, soft_side) = (blur(stack) for stack in stackers)
    assert (edge, side) == pytest.approx((5, 5), abs=0.05)
    assert soft_edge == pytest.approx(edge, rel=0.06) and soft_side == pytest.approx(side, rel=0.06)
    assert parabola < 0.65 * plain


def test_noisy_pairs_count_less_where_pairs_are_weighed() -> None:
    conditions = Conditions(0.7, air_mm=0.0, dates=13, max_days=12)
    noise = draw_noise(conditions, SHAPE, 3)
    random = np.random.default_rng(0)
    noise.phase[::2] += random.normal(0, 1.2, noise.phase[::2].shape).astype(np.float32)
    ifgs = observe(noise)
    for estimator in ("lsq", "circular"):
        plain, weighed = (
            stack_shaped(ifgs, Window(5, 5), estimator=estimator, weigh_pairs=weigh) for weigh in (False, True)
        )
        assert spread_of(weighed["gradient"].values) < 0.95 * spread_of(plain["gradient"].values)
        assert spread_of(weighed["gradient"].values / weighed["standard_error"].values) == pytest.approx(1, abs=0.15)


def test_wrong_windows_and_estimators_are_refused_by_name() -> None:
    for values, name in (((4, 5), "along"), ((5, 0), "across")):
        with pytest.raises(LabkitError, match=f"{name} must be odd"):
            Window(*values)
    with pytest.raises(LabkitError, match="parabola must be"):
        Window(5, 5, "across")
    with pytest.raises(LabkitError, match="estimator must be 'lsq' or 'circular'"):
        stack_shaped(observe(draw_noise(Conditions(dates=3), (50, 50), 0)), Window(3, 3), estimator="sum")
