"""The solver against a direct sparse solution, holes, islands, and any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

import labkit as lk
from labkit.stack.poisson import Links, integrate


def directly(difference_y: np.ndarray, difference_x: np.ndarray, links: Links) -> np.ndarray:
    """The same least squares by a sparse direct solver, the first pixel held at zero."""
    rows, cols = links.along_x.shape[0], links.along_y.shape[1]
    number = np.arange(rows * cols).reshape(rows, cols)
    here = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    ahead = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    weight = np.concatenate([links.along_y.ravel(), links.along_x.ravel()]).astype(float)
    wanted = np.concatenate([difference_y.ravel(), difference_x.ravel()]).astype(float)
    link = np.arange(len(here))
    matrix = sp.csr_matrix(
        (np.r_[np.ones(len(link)), -np.ones(len(link))], (np.r_[link, link], np.r_[ahead, here])),
        (len(link), rows * cols),
    )
    normal = (matrix.T @ sp.diags(weight) @ matrix).tolil()
    normal[0, 0] += 1.0
    return spsolve(normal.tocsc(), matrix.T @ (weight * wanted)).reshape(rows, cols)


def noisy_grid(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, Links]:
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    image = 5 * np.sin(y / 9) * np.cos(x / 7)
    along_y = np.diff(image, axis=0) + rng.normal(0, 0.2, (shape[0] - 1, shape[1]))
    along_x = np.diff(image, axis=1) + rng.normal(0, 0.2, (shape[0], shape[1] - 1))
    weights = Links(
        rng.uniform(0.05, 1, along_y.shape).astype(np.float32), rng.uniform(0.05, 1, along_x.shape).astype(np.float32)
    )
    return along_y.astype(np.float32), along_x.astype(np.float32), weights


@pytest.mark.parametrize("shape", [(31, 44), (64, 64), (5, 90), (47, 3)])
def test_the_solution_equals_a_direct_one(shape: tuple[int, int]) -> None:
    along_y, along_x, links = noisy_grid(shape)
    got = integrate(along_y, along_x, links, tolerance=2e-5).image
    expected = directly(along_y, along_x, links)
    assert np.abs((got - got.mean()) - (expected - expected.mean())).max() < 5e-3


def test_exact_differences_give_the_image_back_around_a_hole() -> None:
    y, x = np.indices((60, 70))
    image = (0.1 * y * np.sin(x / 10)).astype(np.float32)
    hole = (np.hypot(y - 30, x - 35) < 9).astype(bool)
    along_y = np.diff(image, axis=0)
    along_x = np.diff(image, axis=1)
    weights = Links((~(hole[1:] | hole[:-1])).astype(np.float32), (~(hole[:, 1:] | hole[:, :-1])).astype(np.float32))
    # What stands at a link without weight is never read.
    along_y[weights.along_y == 0], along_x[weights.along_x == 0] = np.nan, np.nan
    got = integrate(along_y, along_x, weights, tolerance=1e-5).image
    miss = (got - image)[~hole]
    assert np.ptp(miss) < 5e-3
    assert (got[hole] == 0).all()


def test_islands_are_solved_each_up_to_a_constant() -> None:
    along_y, along_x, links = noisy_grid((40, 50))
    cut = links.along_x.copy()
    cut[:, 24] = 0
    got = integrate(along_y, along_x, Links(links.along_y, cut), tolerance=2e-5).image
    for columns in (slice(0, 25), slice(25, 50)):
        inner = slice(columns.start, columns.stop - 1)
        part = Links(links.along_y[:, columns].copy(), links.along_x[:, inner].copy())
        alone = integrate(along_y[:, columns], along_x[:, inner], part, tolerance=2e-5).image
        assert np.ptp(got[:, columns] - alone) < 1e-2


def test_threads_change_no_bit() -> None:
    along_y, along_x, links = noisy_grid((300, 130))
    one, four = (integrate(along_y, along_x, links, threads=n).image for n in (1, 4))
    np.testing.assert_array_equal(one, four)


def test_the_steps_hardly_grow_with_the_grid() -> None:
    steps = [integrate(*noisy_grid((n, n)), tolerance=1e-3).iterations for n in (32, 128, 512)]
    assert max(steps) <= 12


def test_a_tolerance_that_single_precision_cannot_reach_is_refused() -> None:
    with pytest.raises(lk.LabkitError, match="tolerance must be from 1e-5"):
        integrate(*noisy_grid((10, 10)), tolerance=1e-9)
