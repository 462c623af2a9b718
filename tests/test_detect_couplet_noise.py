"""How strongly noise answers: the spread of normal numbers, over a scene and around places, whatever else is there."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.detect.couplet_noise import spread, spread_around


def normal(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_the_spread_of_normal_numbers_is_theirs_though_slides_stand_out_and_data_are_missing() -> None:
    answer = 3 * normal((400, 500), 0)
    answer[50:90, 60:120] += 40
    answer[200:, :100] = 0
    assert spread(answer) == pytest.approx(3, rel=0.03)


def test_an_image_of_nothing_has_the_least_spread_there_is() -> None:
    assert spread(np.zeros((20, 30), np.float32)) == spread(np.full((20, 30), 1e-3, np.float32)) == 0.1


@pytest.mark.parametrize(("shape", "step"), [((300, 411), 64), ((310, 420), 100), ((129, 128), 64)])
def test_around_each_place_it_is_the_quartile_of_what_has_data_there(shape: tuple[int, int], step: int) -> None:
    answer = normal(shape, 1) * np.linspace(0.5, 3, shape[1], dtype=np.float32)
    answer[:100, :90] = 0
    answer[np.random.default_rng(2).random(shape) < 0.1] = 0
    least, thin = 0.8, step // 24
    around = spread_around(answer, step, least)
    assert around.shape == tuple(-(-n // step) + 1 for n in shape)
    for i, j in np.ndindex(around.shape):
        rows, cols = (slice(max(k - 1, 0) * step, (k + 1) * step, thin) for k in (i, j))
        sample = np.abs(answer[rows, cols])
        known = sample[sample > 0]
        expected = np.quantile(known, 0.25) / 0.31864 if len(known) > 0.5 * sample.size else 0
        assert around[i, j] == pytest.approx(max(expected, least), rel=1e-5), (i, j)
    assert (around > least).any() and (around == np.float32(least)).any()
