"""Noisy images brought down to a spread that a network knows."""

from __future__ import annotations

import numpy as np
import pytest

import labkit as lk
from labkit.errors import LabkitError
from labkit.train import DetectorSettings, build_detector
from labkit.train.calming import calm


def test_normal_noise_comes_down_to_the_spread_and_quiet_images_stay() -> None:
    rng = np.random.default_rng(0)
    loud, quiet = rng.normal(0.0, 6.0, (200, 200)), rng.normal(0.0, 0.5, (200, 200))
    assert calm(loud, 1.0).std() == pytest.approx(1.0, rel=0.03)
    np.testing.assert_array_equal(calm(quiet, 1.0), quiet.astype(np.float32))
    np.testing.assert_array_equal(calm(loud, None), loud.astype(np.float32))


def test_no_data_neither_counts_nor_is_filled() -> None:
    image = np.full((20, 20), np.nan)
    assert np.isnan(calm(image, 1.0)).all()
    image[:10] = np.random.default_rng(1).normal(0.0, 8.0, (10, 20))
    made = calm(image, 1.0)
    assert np.isnan(made[10:]).all()
    assert 1.4826 * np.nanmedian(np.abs(made)) == pytest.approx(1.0, rel=1e-6)


def test_a_detector_with_a_spread_answers_alike_to_a_loud_image_and_a_louder_one() -> None:
    detector = build_detector("tiny", width=4, spread=1.0)
    image = np.random.default_rng(2).normal(0.0, 5.0, (1, 64, 64)).astype(np.float32)
    one, other = detector.predict(image, 0.0)[0], detector.predict(3 * image, 0.0)[0]
    np.testing.assert_allclose(one, other, atol=1e-3)
    plain = build_detector("tiny", width=4)
    plain.network.load_state_dict(detector.network.state_dict())
    assert not np.allclose(plain.predict(image, 0.0)[0][:5], plain.predict(3 * image, 0.0)[0][:5], atol=1e-3)


def test_a_spread_that_is_not_positive_is_refused() -> None:
    with pytest.raises(LabkitError, match="spread must be above 0, instead got spread=0"):
        DetectorSettings(name="a", kind="gradients", size=416, anchors=(), spread=0.0)
    assert lk.train.DetectorSettings(name="a", kind="gradients", size=416, anchors=()).spread is None
