"""Subsets of pairs: of the size asked for, nested or without a gap, and the pairs themselves unchanged in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.errors import LabkitError
from labkit.simulate import Effects
from labkit.studies.subsets import ORDERS, choose, load_pairs


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(ORDERS), st.integers(0, 1000))
def test_a_subset_holds_so_many_different_pairs_in_order(total: int, count: int, order: str, seed: int) -> None:
    count = min(count, total)
    chosen = choose(total, count, order, np.random.default_rng(seed))
    assert len(chosen) == count
    assert (np.diff(chosen) > 0).all()
    assert set(chosen) <= set(range(total))
    if order == "consecutive":
        assert chosen[-1] - chosen[0] == count - 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_random_subsets_of_one_draw_are_nested(few: int, more: int, seed: int) -> None:
    small, large = (set(choose(80, n, "random", np.random.default_rng(seed))) for n in (few, few + more))
    assert small < large


def test_consecutive_subsets_begin_anywhere() -> None:
    starts = {int(choose(12, 10, "consecutive", np.random.default_rng(seed))[0]) for seed in range(60)}
    assert starts == {0, 1, 2}


def test_more_pairs_than_there_are_cannot_be_chosen() -> None:
    with pytest.raises(LabkitError, match="count must be between 1 and the 5 pairs"):
        choose(5, 6, "random", np.random.default_rng(0))
    with pytest.raises(LabkitError, match="order must be one of"):
        choose(5, 2, "sorted", np.random.default_rng(0))


def test_loaded_pairs_are_those_that_the_scene_makes() -> None:
    lazy = lk.simulate.scene("tiny", seed=3, effects=Effects()).interferograms["descending"].isel(pair=slice(0, 11))
    loaded = load_pairs(lazy, progress=False)
    for name in ("phase", "coherence"):
        np.testing.assert_array_equal(loaded[name].values, lazy[name].values)
    few = loaded.isel(pair=[2, 7])
    np.testing.assert_array_equal(few["phase"].values, lazy["phase"].values[[2, 7]])
    assert few["reference"].equals(lazy["reference"].isel(pair=[2, 7]))
