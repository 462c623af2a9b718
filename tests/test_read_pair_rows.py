"""A pair read by rows is the pair that NumPy reads as a whole, however many rows there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labkit as lk
from labkit.read.flat_binary import FlatBand
from labkit.read.pair_rows import read_pair
from labkit.read.rows import FlatRows


def written(folder: Path, shape: tuple[int, int]) -> np.ndarray:
    """A complex pair with a gap, and a coherence with another."""
    rng = np.random.default_rng(5)
    values = (rng.uniform(0.1, 0.9, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))).astype(">c8")
    values[1, 2:4] = 0
    values.tofile(folder / "a.diff")
    coherence = rng.uniform(0, 1, shape).astype(">f4")
    coherence[2, 1] = np.nan
    coherence.tofile(folder / "a.cc")
    return values


@pytest.mark.parametrize("shape", [(5, 7), (700, 401)])
def test_phase_and_coherence_are_those_of_numpy(tmp_path: Path, shape: tuple[int, int]) -> None:
    values = written(tmp_path, shape)
    stated = np.fromfile(tmp_path / "a.cc", ">f4").reshape(shape)
    with (
        FlatRows(FlatBand(tmp_path / "a.diff", shape, ">c8")) as pair,
        FlatRows(FlatBand(tmp_path / "a.cc", shape, ">f4")) as cc,
    ):
        phase, coherence = read_pair(shape, pair, cc)
        alone, size = read_pair(shape, pair, None, magnitude=True)
        turned, _ = read_pair(shape, pair, cc, reverse=True)
    known = values != 0
    both = known & np.isfinite(stated)
    np.testing.assert_array_equal(np.isfinite(phase), both)
    np.testing.assert_array_equal(np.isfinite(alone), known)
    np.testing.assert_allclose(alone[known], np.angle(values[known]), atol=1e-6)
    np.testing.assert_allclose(phase[both], np.angle(values[both]), atol=1e-6)
    np.testing.assert_allclose(turned[both], -np.angle(values[both]), atol=1e-6)
    np.testing.assert_allclose(size[known], np.abs(values[known]), rtol=1e-6)
    np.testing.assert_array_equal(coherence[both], stated[both])


def test_a_wrong_byte_order_is_said_before_what_follows_from_it(tmp_path: Path) -> None:
    written(tmp_path, (50, 40))
    with (
        FlatRows(FlatBand(tmp_path / "a.diff", (50, 40), "<c8")) as rows,
        pytest.raises(lk.FileError, match="must be little-endian complex64"),
    ):
        read_pair((50, 40), rows, None, magnitude=True)


def test_without_coherence_it_is_estimated_from_the_phase(tmp_path: Path) -> None:
    np.full((9, 8), 2.0, "<f4").tofile(tmp_path / "a.unw")
    with FlatRows(FlatBand(tmp_path / "a.unw", (9, 8), "<f4")) as rows:
        phase, coherence = read_pair((9, 8), rows, None)
    np.testing.assert_allclose(phase, 2.0)
    np.testing.assert_allclose(coherence, 1.0)
