"""Planted slides under known noise: the rate and the coherence that they were given, the same luck throughout."""

from __future__ import annotations

import numpy as np
import pytest

from labkit import LabkitError, schema
from labkit.simulate.interferometry import PHASE_SIGN, phase_per_mm
from labkit.studies.estimators import spread_of
from labkit.studies.planted import (
    Conditions,
    coherence_after,
    draw_noise,
    observe,
    plant_slides,
    total_rate,
    truth_boxes,
)

SHAPE = (90, 116)


def test_slides_have_the_rates_and_boxes_that_they_were_given() -> None:
    slides = plant_slides(SHAPE, 3, rates=(10.0, 20.0))
    assert len(slides) == 1 * 2
    assert all(10 * 0.9 < abs(slide.peak) <= 20.001 for slide in slides)
    boxes = truth_boxes(slides)
    schema.check_boxes(boxes)
    assert boxes["direction"].tolist() == ["azimuth", "range"] * 2
    for slide, (_, box) in zip(slides, boxes[boxes["direction"] == "azimuth"].iterrows(), strict=True):
        along = np.abs(np.diff(slide.rate, axis=0))
        rows, cols = np.nonzero(along > 0.5 * along.max())
        assert box["ymin"] <= rows.min() and box["ymax"] > rows.max()
        assert box["xmin"] <= cols.min() and box["xmax"] > cols.max()


def test_the_phase_holds_the_motion_and_nothing_but_the_noise_besides() -> None:
    conditions = Conditions(0.5, dates=6)
    noise, slides = draw_noise(conditions, SHAPE, 1), plant_slides(SHAPE, 1)
    still, moving = observe(noise), observe(noise, total_rate(slides))
    years = still["temporal_baseline"].values[:, None, None] / 365.25
    expected = PHASE_SIGN * phase_per_mm() * total_rate(slides) * years
    added = np.angle(np.exp(1j * (moving["phase"].values - still["phase"].values - expected)))
    np.testing.assert_allclose(added, 0, atol=1e-4)
    np.testing.assert_array_equal(still["coherence"], moving["coherence"])
    assert still.sizes["pair"] == 5 + 4 + 3


def test_a_seasonal_slide_moves_in_summer_and_a_little_back_in_winter() -> None:
    conditions = Conditions(0.7, air_mm=0.0, behaviour="seasonal", dates=31, max_days=12)
    noise = draw_noise(conditions, (72, 72), 0)
    slides = plant_slides((72, 72), 0, rates=(20.0, 20.0))
    difference = observe(noise, total_rate(slides))["phase"].values - observe(noise)["phase"].values
    y, x = np.unravel_index(np.abs(slides[0].rate).argmax(), (72, 72))
    moved = np.angle(np.exp(1j * difference[:, y, x])) * PHASE_SIGN * np.sign(slides[0].peak)
    months = conditions.days[:-1].astype("datetime64[M]").astype(int) % 12 + 1
    summer, winter = moved[(months > 4) & (months < 9)], moved[(months > 10) | (months < 3)]
    assert (summer > 0).all() and (winter < 0).all() and summer.min() > 3 * abs(winter).max()


def test_the_coherence_is_the_one_asked_for_and_patches_vary_about_it() -> None:
    assert coherence_after(24, 0.4) == pytest.approx(0.03 + 0.37**2 / 0.72)
    even, patchy = (draw_noise(Conditions(0.6, patchiness=p, dates=3, max_days=12), SHAPE, 2) for p in (0.0, 0.1))
    assert even.coherence[0].mean() == pytest.approx(0.6, abs=0.02)
    # the spread of 24 looks' sample coherence, and that of the patches besides
    assert np.hypot(even.coherence[0].std(), 0.1) == pytest.approx(patchy.coherence[0].std(), rel=0.15)


def test_the_same_luck_is_drawn_at_every_strength_of_the_air() -> None:
    calm, windy = (draw_noise(Conditions(0.6, air_mm=a, dates=3, max_days=12), SHAPE, 4) for a in (0.0, 2.0))
    air = np.angle(np.exp(1j * (windy.phase[0] - calm.phase[0])))
    # with the same speckle air is left, whose neighbours differ by less than other speckle would make them by itself
    other = draw_noise(Conditions(0.6, air_mm=0.0, dates=3, max_days=12), SHAPE, 5)
    speckle = np.angle(np.exp(1j * (other.phase[0] - calm.phase[0])))
    assert spread_of(np.diff(air, axis=1)) < 0.4 * spread_of(np.diff(speckle, axis=1))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"coherence_12": 0.8}, "coherence_12"),
        ({"air_mm": -1.0}, "air_mm"),
        ({"dates": 1}, "dates"),
        ({"max_days": 6}, "max_days"),
        ({"patchiness": -0.1}, "patchiness"),
    ],
)
def test_conditions_out_of_their_bounds_are_refused_by_name(values: dict, name: str) -> None:
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        Conditions(**values)


def test_a_scene_without_room_is_refused() -> None:
    with pytest.raises(LabkitError, match="shape must be at least 47 px each way"):
        plant_slides((40, 100), 0)
