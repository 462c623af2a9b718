"""Slides injected into pairs: exactly what was asked, on simulated pairs and on the real ones of Danba."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit import LabkitError
from labkit.studies.estimators import estimator_stackers
from labkit.studies.injected import compare_on_pairs, inject
from labkit.studies.planted import Conditions, PlantedSlide, draw_noise, observe, plant_slides, total_rate
from labkit.studies.shaped import Window, stack_shaped


def dome(shape: tuple[int, int], centre: tuple[float, float], radius: float, peak: float) -> PlantedSlide:
    y, x = np.indices(shape)
    rho = np.hypot(y - centre[0], x - centre[1]) / radius
    return PlantedSlide("dome", 0.0, (peak * np.clip(1 - rho**2, 0, None) ** 2).astype(np.float32))


def test_an_injected_slide_is_a_planted_one() -> None:
    shape = (80, 80)
    noise, rate = draw_noise(Conditions(0.5, dates=6), shape, 0), total_rate(plant_slides(shape, 0))
    planted, injected = observe(noise, rate), inject(observe(noise), rate)
    np.testing.assert_allclose(
        np.angle(np.exp(1j * (planted["phase"].values - injected["phase"].values))), 0, atol=1e-4
    )
    assert injected["phase"].dtype == np.float32
    lk.schema.check_interferograms(injected)


def test_no_data_stays_no_data_and_a_wrong_shape_is_refused() -> None:
    ifgs = observe(draw_noise(Conditions(dates=3), (50, 50), 0))
    holes = ifgs.assign(phase=ifgs["phase"].where(ifgs["coherence"] > 0.2))
    np.testing.assert_array_equal(np.isnan(inject(holes, np.ones((50, 50)))["phase"]), np.isnan(holes["phase"]))
    with pytest.raises(LabkitError, match=r"rate must be \(y, x\) of the scene's \(50, 50\) px"):
        inject(ifgs, np.ones((50, 49)))


@pytest.mark.real
def test_on_danba_weights_beat_the_sum_and_a_parabola_a_plain_window_that_blurs_as_much(real_data: Path) -> None:
    pairs: xr.Dataset = lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")).compute()
    shape = (pairs.sizes["y"], pairs.sizes["x"])
    quiet, rising, falling = (np.zeros(shape, bool) for _ in range(3))
    quiet[5:20, 5:55] = quiet[60:90, 5:40] = True
    rising[28:44, 80:130] = falling[56:66, 70:120] = True
    slides = [dome(shape, centre, 10.0, 15.0) for centre in ((18, 14), (18, 44), (48, 14), (48, 44), (80, 14))]
    stackers = estimator_stackers(5, ["lsq", "sum"]) | {"parabola 7": lambda i: stack_shaped(i, Window(7, 7, "both"))}
    seven = estimator_stackers(7, ["lsq"])["lsq"]
    table = compare_on_pairs(pairs, slides, quiet, {**stackers, "lsq 7": seven}, known=[(0, rising, falling)])
    lsq, plain_sum, parabola, wide = (row for _, row in table.iterrows())
    # the contrast that the data's own README gives for a window of 7
    assert wide["known_contrast"] == pytest.approx(11.7, abs=0.1)
    assert lsq["contrast"] > 3 * plain_sum["contrast"]
    assert parabola["edge_along"] == pytest.approx(lsq["edge_along"], rel=0.06)
    for column in ("contrast", "known_contrast"):
        assert parabola[column] > 1.15 * lsq[column]
    assert 0.6 < lsq["shown"] < 1
