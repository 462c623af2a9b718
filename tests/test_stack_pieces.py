"""Pieces of ground against SciPy's labels, and their zeros against medians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from labkit.stack.pieces import find_pieces, level
from labkit.stack.poisson import Links


def some_links(shape: tuple[int, int], share: float, seed: int = 0) -> Links:
    random = np.random.default_rng(seed)
    rows, cols = shape
    along_y, along_x = random.random((rows - 1, cols)) < share, random.random((rows, cols - 1)) < share
    return Links(along_y.astype(np.float32), along_x.astype(np.float32))


def by_scipy(links: Links) -> np.ndarray:
    """The same on a grid twice as fine, on which links are pixels too."""
    rows, cols = links.along_x.shape[0], links.along_y.shape[1]
    fine = np.zeros((2 * rows - 1, 2 * cols - 1), bool)
    fine[1::2, ::2], fine[::2, 1::2] = links.along_y > 0, links.along_x > 0
    touched = np.zeros_like(fine)
    for shift in (1, -1):
        for axis in (0, 1):
            moved = np.roll(fine, shift, axis)
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, 1) if shift > 0 else slice(-1, None)
            moved[tuple(edge)] = False
            touched |= moved
    fine[::2, ::2] = touched[::2, ::2]
    return label(fine)[0][::2, ::2]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45, 0.55, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(60, 70), (2, 50), (50, 2)])
def test_pieces_are_those_that_links_join(shape: tuple[int, int], share: float) -> None:
    links = some_links(shape, share)
    got, count = find_pieces(links)
    expected = by_scipy(links)
    np.testing.assert_array_equal(got == 0, expected == 0)
    # the same pieces whatever their numbers
    pairs = np.unique(np.stack([got.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(got)) == len(np.unique(expected))
    assert count == expected.max()


def test_each_piece_loses_its_median_and_small_ones_their_values() -> None:
    image = np.random.default_rng(1).normal(5, 1, (90, 80)).astype(np.float32)
    image[:, 50:] += 100
    links = some_links(image.shape, 1.0)
    links.along_x[:, 49] = 0
    links.along_y[[9, 14], 10:15] = 0
    links.along_x[10:15, [9, 14]] = 0
    levelled = level(image, links, least=26)
    np.testing.assert_array_equal(np.isnan(levelled), np.pad(np.full((5, 5), True), ((10, 75), (10, 65))))
    for half in (np.s_[:, :50], np.s_[:, 50:]):
        known = np.isfinite(levelled[half])
        np.testing.assert_allclose(levelled[half][known], image[half][known] - np.median(image[half][known]), atol=1e-5)
    assert np.isfinite(level(image, links, least=25)).all()


def test_without_links_there_is_nothing_and_threads_change_no_bit() -> None:
    image = np.ones((70, 60), np.float32)
    assert np.isnan(level(image, some_links(image.shape, 0.0), least=1)).all()
    image = np.random.default_rng(2).normal(size=(300, 60)).astype(np.float32)
    one, three = (level(image, some_links(image.shape, 0.5), least=5, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)
