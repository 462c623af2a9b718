"""Noisy images brought down to a spread that a network knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import labkit as lk
from labkit.errors import LabkitError
from labkit.train import DetectorSettings, build_detector
from labkit.train.calming import calm, calming_factor
from labkit.train.channels import over_error, to_channels
from labkit.train.presenting import present


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


@given(arrays.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32)), st.integers(0, 6))
def test_the_spread_is_that_of_numpys_median_to_the_bit(values: np.ndarray, alike: int) -> None:
    image = np.concatenate([values, np.repeat(values[:1], alike)])[None]
    sizes = np.abs(image[np.isfinite(image)])
    with np.errstate(over="ignore", divide="ignore"):
        sigma = 1.4826 * float(np.median(sizes)) if len(sizes) else 0.0
        expected = np.float32(0.5 / sigma) if sigma > 0.5 else np.float32(1)
    assert calming_factor(image, 0.5) == expected


def test_a_large_image_is_as_exact() -> None:
    image = np.random.default_rng(3).normal(0.0, 3.0, (301, 299)).astype(np.float32)
    image[:50] = np.nan
    assert calming_factor(image, 1.0) == np.float32(1 / (1.4826 * float(np.median(np.abs(image[50:])))))


@pytest.mark.parametrize("validity", [False, True])
@pytest.mark.parametrize("standard_error", [False, True])
@pytest.mark.parametrize("spread", [None, 1.0])
def test_what_a_network_in_use_is_shown_is_what_it_was_taught_with_to_the_bit(validity, standard_error, spread) -> None:
    rng = np.random.default_rng(4)
    stack = rng.normal(0.0, 3.0, (3, 2 + 2 * standard_error, 37, 41)).astype(np.float32)
    stack[:, 2:] = np.abs(stack[:, 2:])
    stack[rng.random(stack.shape) < 0.1] = np.nan
    stack[rng.random(stack.shape) < 0.02] = 0.0
    stack[0, 0, 0, :2] = np.inf, -np.inf
    stack[1] = np.nan
    own = {"validity": validity, "standard_error": standard_error, "spread": spread, "directions": 2}
    detector = DetectorSettings(name="a", kind="gradients", size=416, anchors=(), **own)
    images, errors = stack[:, :2], stack[:, 2:]
    ratios = over_error(images, errors) if standard_error else errors
    calmed = np.stack([[calm(image, spread) for image in several] for several in images])
    taught = to_channels(np.concatenate([calmed, ratios], axis=1), detector.limits, validity=validity)
    shown = present(stack, detector)
    np.testing.assert_array_equal(shown, taught)
    assert shown.transpose(0, 2, 3, 1).flags.c_contiguous


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
