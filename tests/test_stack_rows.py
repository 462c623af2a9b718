"""Rows shared among threads: each once, none left out, and errors come out."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.stack.rows import RowThreads


def count(first: int, last: int, seen: np.ndarray) -> None:
    seen[first:last] += 1


@pytest.mark.parametrize("rows", [1, 63, 64, 200, 1001])
@pytest.mark.parametrize("threads", [1, 3, None])
def test_every_row_is_treated_once(rows: int, threads: int | None) -> None:
    seen = np.zeros(rows, int)
    with RowThreads(threads) as shared:
        shared.over_rows(rows, count, seen)
    np.testing.assert_array_equal(seen, 1)


def test_an_error_in_a_thread_is_raised() -> None:
    def fail(first: int, last: int) -> None:
        raise ValueError(f"rows {first} to {last}")

    with RowThreads(2) as shared, pytest.raises(ValueError, match="rows 0 to 100"):
        shared.over_rows(200, fail)
