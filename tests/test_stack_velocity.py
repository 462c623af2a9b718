"""Velocity gradients and weights against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit.stack.poisson import Links
from labkit.stack.velocity import link_weights, pixel_variance, velocity_gradients


def planted(shape: tuple[int, int] = (40, 50)) -> xr.Dataset:
    random = np.random.default_rng(0)
    gradient, error = random.normal(0, 1, (2, *shape)), random.uniform(0.5, 2, (2, *shape))
    gradient[0, 3, 4], error[1, 5, 6], error[0, 7, 8] = np.nan, np.nan, np.inf
    return xr.Dataset(
        {
            "gradient": (("direction", "y", "x"), gradient.astype(np.float32)),
            "standard_error": (("direction", "y", "x"), error.astype(np.float32)),
            "response": (("y", "x"), random.uniform(0.5, 1, shape).astype(np.float32)),
        },
        coords={"direction": ["azimuth", "range"]},
        attrs={"sum_temporal_baseline": 12.5, "geometry": "radar"},
    )


def test_the_velocity_is_the_gradient_over_response_and_years() -> None:
    gradients = planted()
    slope, variance = velocity_gradients(gradients)
    years = 12.5 * gradients["response"].values
    unknown = np.zeros(slope.shape, bool)
    unknown[0, 3, 4] = unknown[1, 5, 6] = unknown[0, 7, 8] = True
    np.testing.assert_array_equal(np.isnan(variance), unknown)
    np.testing.assert_allclose(slope[~unknown], (gradients["gradient"].values / years)[~unknown], rtol=1e-5)
    expected = (gradients["standard_error"].values / years) ** 2
    np.testing.assert_allclose(variance[~unknown], expected[~unknown], rtol=1e-5)


def test_directions_are_taken_by_name() -> None:
    gradients = planted()
    straight, turned = velocity_gradients(gradients), velocity_gradients(gradients.isel(direction=[1, 0]))
    for one, other in zip(straight, turned, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_inverse_variances_and_none_is_ten_times_the_typical() -> None:
    variance = np.full((2, 30, 40), 4.0, np.float32)
    variance[0, :10] = 1.0
    variance[0, 20:] = 1e-6
    variance[1, :, 20] = np.nan
    links = link_weights(variance)
    assert links.along_y.shape == (29, 40)
    assert links.along_x.shape == (30, 39)
    np.testing.assert_allclose(links.along_y[:8], 1.0, rtol=1e-5)
    np.testing.assert_allclose(links.along_y[12:18], 0.25, rtol=1e-5)
    np.testing.assert_allclose(links.along_y[22:], 1 / 0.4, rtol=1e-5)
    assert (links.along_x[:, 20] == 0).all()
    np.testing.assert_allclose(np.delete(links.along_x, 20, axis=1), 0.25, rtol=1e-5)


def test_a_stack_without_noise_weighs_all_links_alike() -> None:
    variance = np.zeros((2, 30, 40), np.float32)
    variance[:, 5, 5] = np.nan
    links = link_weights(variance)
    assert links.along_y[5, 5] == links.along_x[5, 5] == 0
    assert links.along_y.sum() == links.along_y.size - 1


def test_nothing_to_weigh_is_named() -> None:
    with pytest.raises(lk.LabkitError, match="must have a standard error"):
        link_weights(np.full((2, 5, 6), np.nan, np.float32))


def test_the_variance_of_a_pixel_is_that_of_its_links_in_the_mean() -> None:
    along_y, along_x = np.full((4, 6), 2.0, np.float32), np.full((5, 5), 4.0, np.float32)
    along_y[1, 2] = 0
    along_x[:, 3:], along_y[:, 4:] = 0, 0
    variance = pixel_variance(Links(along_y, along_x))
    assert variance[0, 0] == pytest.approx(2 / 6)
    assert variance[2, 1] == pytest.approx(4 / 12)
    assert variance[2, 2] == pytest.approx(3 / 10)
    assert (variance[:, 4:] == 0).all()
