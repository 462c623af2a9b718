"""What is kept of some pairs while all go by."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.stack.kept import Patches


@pytest.mark.parametrize("shape", [(700, 900), (120, 4000), (2500, 130)])
def test_patches_spread_over_the_scene_and_lie_within_it(shape: tuple[int, int]) -> None:
    patches = Patches.spread(np.arange(3), shape, window=5, pixels=60_000)
    mask = np.zeros(shape, int)
    for window in patches.windows():
        mask[window] += 1
    assert mask.max() == 1
    assert 0.5 * 60_000 < mask.sum() <= 60_000
    rows, cols = np.nonzero(mask)
    assert abs(rows.mean() / shape[0] - 0.5) < 0.05
    assert abs(cols.mean() / shape[1] - 0.5) < 0.05


def test_a_small_scene_is_one_patch() -> None:
    patches = Patches.spread(np.arange(2), (50, 60), window=5, pixels=60_000)
    assert patches.windows() == [(slice(0, 50), slice(0, 60))]


@pytest.mark.parametrize(("pairs", "rows"), [(1, 500), (3, 500), (2, 37)])
def test_every_batch_of_pairs_and_of_rows_leaves_what_belongs_to_it(pairs: int, rows: int) -> None:
    random = np.random.default_rng(0)
    phase, coherence = random.random((2, 8, 500, 400), np.float32)
    patches = Patches.spread(np.array([6, 1, 2]), (500, 400), window=3, pixels=40_000)
    for top in range(0, 500, rows):
        for start in range(0, 8, pairs):
            block = (slice(start, start + pairs), slice(top, top + rows))
            patches.take(start, phase[block], coherence[block], top=top)
    for j, window in enumerate(patches.windows()):
        for i, pair in enumerate((1, 2, 6)):
            np.testing.assert_array_equal(patches.phase[j, i], phase[pair][window])
            np.testing.assert_array_equal(patches.coherence[j, i], coherence[pair][window])
