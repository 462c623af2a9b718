"""The byte order, told from the values."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.read.byte_order import is_swapped


@pytest.mark.parametrize("dtype", [">c8", "<c8", ">f4", "<f4"])
@pytest.mark.parametrize("shape", [(3, 5), (400, 700)])
def test_the_wrong_order_is_told_from_the_right_one(dtype: str, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).uniform(-3, 3, shape)
    stored = (values * np.exp(1j * values) if "c" in dtype else values).astype(dtype)
    assert not is_swapped(stored)
    assert is_swapped(stored.byteswap())


def test_an_image_framed_by_zeros_is_judged_by_what_is_in_it() -> None:
    stored = np.zeros((500, 600), ">f4")
    stored[200:300, 250:350] = np.random.default_rng(1).uniform(0.1, 0.9, (100, 100))
    assert is_swapped(stored.byteswap())
    assert not is_swapped(np.zeros((500, 600), ">f4"))


def test_whole_numbers_are_never_swapped() -> None:
    assert not is_swapped(np.arange(12, dtype=">i2").reshape(3, 4).byteswap())
