"""Gaussian means against SciPy, planes against least squares solved at single pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from labkit.stack.gaussian import gaussian_sum, local_mean, local_plane
from labkit.stack.rows import RowThreads

SIGMA = (2.3, 1.4)


def values_and_mass(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(3, 1, shape), random.uniform(0, 1, shape) * (random.random(shape) < 0.7)


@pytest.mark.parametrize("shape", [(90, 130), (7, 60), (40, 3)])
def test_the_sum_is_scipys(shape: tuple[int, int]) -> None:
    image, mass = values_and_mass(shape)
    expected = gaussian_filter(image, SIGMA, mode="constant")
    weight = gaussian_filter(mass, SIGMA, mode="constant")
    with RowThreads(2) as shared:
        np.testing.assert_allclose(gaussian_sum(image, SIGMA, shared), expected, atol=1e-12)
        mean = local_mean(image, mass, SIGMA, shared)
    np.testing.assert_allclose(mean, gaussian_filter(image * mass, SIGMA, mode="constant") / weight, atol=1e-3)


@pytest.mark.parametrize("place", [(0, 0), (20, 30), (39, 12), (5, 59)])
def test_the_plane_is_that_of_weighted_least_squares(place: tuple[int, int]) -> None:
    values, mass = values_and_mass((40, 60))
    y, x = np.indices(values.shape)
    bell = np.exp(-0.5 * (((y - place[0]) / SIGMA[0]) ** 2 + ((x - place[1]) / SIGMA[1]) ** 2))
    root = np.sqrt(mass * bell).ravel()
    terms = np.stack([np.ones(y.size), (y - place[0]).ravel(), (x - place[1]).ravel()], axis=1)
    # the slope is held by 0.05 of the Gaussian's own variance, as by rows that want it to be nothing
    weight = float((root**2).sum())
    held = np.array([[0, np.sqrt(0.05 * weight) * SIGMA[0], 0], [0, 0, np.sqrt(0.05 * weight) * SIGMA[1]]])
    overall = float((values * mass).sum() / mass.sum())
    wanted = np.concatenate([(values.ravel() - overall) * root, [0, 0]])
    level = np.linalg.lstsq(np.vstack([terms * root[:, None], held]), wanted, rcond=None)[0][0]
    with RowThreads(1) as shared:
        got = local_plane(values, mass, SIGMA, shared)
    assert got[place] == pytest.approx(level + overall, abs=1e-3)


def test_a_plane_comes_back_whole_and_nothing_is_the_mean_of_all() -> None:
    y, x = np.indices((60, 70)).astype(float)
    plane = 0.3 * y - 0.2 * x + 5
    mass = np.ones_like(plane)
    mass[:, 20:50] = 0
    with RowThreads(3) as shared:
        got = local_plane(plane, mass, SIGMA, shared)
    overall = float((plane * mass).sum() / mass.sum())
    np.testing.assert_allclose(got[15:45, :10], plane[15:45, :10], atol=0.06)
    np.testing.assert_allclose(got[:, 34:36], overall, atol=1e-6)
