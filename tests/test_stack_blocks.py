"""Sums over blocks against NumPy, and planes through the way back."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.stack.blocks import Blocks
from labkit.stack.rows import RowThreads

SIZE = [5, 7]


def test_sums_are_those_of_the_known_pixels() -> None:
    random = np.random.default_rng(0)
    values = random.normal(2, 1, (43, 60)).astype(np.float32)
    error = random.uniform(0.5, 2, values.shape).astype(np.float32)
    values[10:17, 20:40] = np.nan
    background = np.full_like(values, 0.5)
    with RowThreads(2) as shared:
        blocks = Blocks(values.shape, SIZE, shared)
        mass, total, number = blocks.sums(values, error)
        squares = blocks.squares(values, error, background)
    assert mass.shape == (9, 9)
    for row, col in ((0, 0), (2, 3), (8, 8)):
        v, e = (a[row * 5 : row * 5 + 5, col * 7 : col * 7 + 7].astype(float) for a in (values, error))
        known = np.isfinite(v)
        assert number[row, col] == known.sum()
        assert mass[row, col] == pytest.approx((1 / e[known] ** 2).sum(), rel=1e-5)
        assert total[row, col] == pytest.approx((v[known] / e[known] ** 2).sum(), rel=1e-5, abs=1e-6)
        assert squares[row, col] == pytest.approx((((v[known] - 0.5) / e[known]) ** 2).sum(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("shape", [(43, 60), (4, 60), (43, 6), (3, 3)])
def test_a_plane_of_block_means_is_a_plane_of_pixels(shape: tuple[int, int]) -> None:
    y, x = np.indices(shape)
    plane = (0.5 * y - 0.25 * x + 3).astype(np.float32)
    with RowThreads(2) as shared:
        blocks = Blocks(shape, SIZE, shared)
        mass, total, number = blocks.sums(plane, np.ones_like(plane))
        back = blocks.enlarged(total / mass)
    assert number.sum() == plane.size
    # an axis of one block has no slope to go by
    expected = plane.astype(float)
    for axis, size in enumerate(SIZE):
        expected = expected.mean(axis, keepdims=True) if shape[axis] <= size else expected
    np.testing.assert_allclose(back, np.broadcast_to(expected, shape), atol=1e-4)
