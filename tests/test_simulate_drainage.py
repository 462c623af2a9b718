"""Water runs downhill: depressions filled to their rims, areas that add up, streams of the right order."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.simulate.drainage import carve, drain, steady_relief, stream_order
from labkit.simulate.fields import power_law_field


def rough_ground(shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    random = np.random.default_rng(4)
    return power_law_field(shape, 100.0, random, exponent=3.0, lag_m=1000.0, rms_difference=80.0)


def edges(shape: tuple[int, int]) -> np.ndarray:
    inside = np.ones(shape, bool)
    inside[1:-1, 1:-1] = False
    return inside


def filled_by_hand(height: np.ndarray, outlets: np.ndarray) -> np.ndarray:
    """Lower a full basin until no cell stands above both its ground and its lowest neighbour."""
    level = np.where(outlets, height, np.inf)
    while True:
        around = np.pad(level, 1, constant_values=np.inf)
        rows, cols = height.shape
        lowest = np.min(
            [around[y : y + rows, x : x + cols] for y in range(3) for x in range(3) if (y, x) != (1, 1)], axis=0
        )
        lower = np.where(outlets, height, np.minimum(level, np.maximum(height, lowest)))
        if np.array_equal(lower, level):
            return level
        level = lower


def test_depressions_are_filled_to_their_rims() -> None:
    height = rough_ground()
    drainage = drain(height, edges(height.shape), np.ones(height.shape))
    assert (height < filled_by_hand(height, edges(height.shape)) - 1.0).any()
    # the least fall of 0.1 mm per cell adds up along the way
    np.testing.assert_allclose(drainage.filled, filled_by_hand(height, edges(height.shape)), atol=0.02)


def test_what_falls_on_the_ground_leaves_through_the_outlets() -> None:
    height = rough_ground()
    supply = np.random.default_rng(0).random(height.shape)
    outlets = edges(height.shape)
    drainage = drain(height, outlets, supply)
    assert drainage.area[outlets].sum() == pytest.approx(supply.sum())
    assert (drainage.area >= supply).all()


def test_every_cell_comes_after_the_one_it_drains_into_and_lies_above_it() -> None:
    height = rough_ground()
    drainage = drain(height, edges(height.shape), np.ones(height.shape))
    place = np.empty(height.size, int)
    place[drainage.order] = np.arange(height.size)
    inner = drainage.receiver != np.arange(height.size)
    assert np.array_equal(~inner, edges(height.shape).ravel())
    assert (place[drainage.receiver[inner]] < place[np.flatnonzero(inner)]).all()
    assert (drainage.filled.ravel()[drainage.receiver[inner]] < drainage.filled.ravel()[inner]).all()


def test_two_streams_of_one_order_make_the_next_and_a_smaller_one_does_not() -> None:
    """Four heads meet two by two; their streams meet; a fifth head joins below: 1, 1, 2, 2, 3, and 3 to the end."""
    height = np.full((6, 9), 100.0)
    for row, col, level in (
        (0, 1, 9.0), (0, 3, 9.0), (0, 5, 9.0), (0, 7, 9.0), (1, 2, 8.0), (1, 6, 8.0), (2, 3, 7.0), (2, 5, 7.0),
        (3, 4, 6.0), (4, 5, 5.5), (4, 4, 5.0), (5, 4, 4.0),
    ):  # fmt: skip
        height[row, col] = level
    height[4, 5] = 5.5
    outlets = np.zeros(height.shape, bool)
    outlets[5, 4] = True
    channel = height < 50
    order = stream_order(drain(height, outlets, np.ones(height.shape)), channel)
    assert [order[0, c] for c in (1, 3, 5, 7)] == [1, 1, 1, 1]
    assert order[1, 2] == order[1, 6] == order[2, 3] == order[2, 5] == 2
    assert order[4, 5] == 1
    assert order[3, 4] == order[4, 4] == order[5, 4] == 3
    assert not order[~channel].any()


def test_a_relief_of_one_slope_is_as_high_as_the_way_to_the_outlet_is_long() -> None:
    plane = np.tile(np.arange(6.0)[:, None], (1, 4))
    outlets = np.zeros(plane.shape, bool)
    outlets[0] = True
    drainage = drain(plane, outlets, np.ones(plane.shape))
    relief = steady_relief(drainage, np.full(plane.shape, 50.0), np.full(plane.shape, 0.1), 30.0)
    np.testing.assert_allclose(relief, 50.0 + 0.1 * 30.0 * plane)


def test_carved_channels_never_rise_downstream_and_nothing_else_is_touched() -> None:
    height = rough_ground()
    drainage = drain(height, edges(height.shape), np.ones(height.shape))
    channel = drainage.area >= 10
    cut = carve(drainage, height, channel)
    cells = np.flatnonzero(channel.ravel())
    assert (cut.ravel()[drainage.receiver[cells]] <= cut.ravel()[cells]).all()
    assert (cut <= height).all() and (cut < height).any()
    changed = np.unravel_index(np.flatnonzero((cut < height).ravel()), height.shape)
    assert channel[changed].all()
