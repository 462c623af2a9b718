"""Pairs come in order and complete, whether they lie in memory or are read ahead in threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from stack_scenes import interferograms, ramp

from labkit.errors import FileError
from labkit.stack.ahead import read_ahead


@pytest.mark.parametrize("lazy", [False, True])
def test_every_pair_is_handed_on_once_and_in_order(lazy: bool) -> None:
    ifgs = interferograms(ramp(70, (9, 11), 0.1, 0.2), np.full((9, 11), 0.5))
    starts, phases, coherences = zip(*read_ahead(ifgs.chunk(pair=1) if lazy else ifgs), strict=True)
    assert list(starts) == list(np.cumsum([0, *map(len, phases)])[:-1])
    np.testing.assert_array_equal(np.concatenate(phases), ifgs["phase"].values)
    np.testing.assert_array_equal(np.concatenate(coherences), ifgs["coherence"].values)


def test_arrays_of_another_layout_are_handed_on_as_the_kernel_wants_them() -> None:
    ifgs = interferograms(ramp(3, (9, 11), 0.1, 0.2), np.full((9, 11), 0.5)).transpose("pair", "x", "y")
    for _, phase, coherence in read_ahead(ifgs.astype(np.float64)):
        assert phase.dtype == coherence.dtype == np.float32
        assert phase.flags.c_contiguous and coherence.flags.c_contiguous


def test_no_thread_is_left_when_the_caller_stops_early() -> None:
    ifgs = interferograms(ramp(9, (1000, 1000), 0.1, 0.2), np.full((1000, 1000), 0.5)).chunk(pair=1)
    before = threading.active_count()
    batches = read_ahead(ifgs)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_a_damaged_pair_is_an_error_of_the_caller() -> None:
    ifgs = interferograms(ramp(5, (9, 11), 0.1, 0.2), np.full((9, 11), 0.5)).chunk(pair=1)

    def fail(block: np.ndarray) -> np.ndarray:
        raise FileError("the pair must be whole, instead it is cut")

    damaged = ifgs["phase"].data.map_blocks(fail, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    with pytest.raises(FileError, match="must be whole"):
        list(read_ahead(ifgs.assign(phase=(ifgs["phase"].dims, damaged))))
