import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.train.augment import Patch
from labkit.train.mosaic import corners, put_together, zoom

NONE = np.zeros((0, 4))


@pytest.mark.parametrize("factor", [0.5, 0.6, 0.75, 1.25, 2.0])
def test_scaling_agrees_with_torch(factor):
    image = np.random.default_rng(0).standard_normal((1, 40, 60)).astype(np.float32)
    scaled = zoom(Patch(image, NONE, ("rate",)), factor)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None], size=scaled.image.shape[1:], mode="bilinear", antialias=True
    )[0]
    assert scaled.image.shape == (1, round(40 * factor), round(60 * factor))
    inside = (slice(None), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(scaled.image[inside], expected.numpy()[inside], atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.6])
def test_a_scaled_gradient_is_that_of_a_landslide_scaled_in_size_and_motion(axis, lag, factor):
    """Of d = (y − 17)², whose differences lie on a line, which linear interpolation keeps.

    A triangle of 1.25 px, as for 0.8, does so to a fifteenth of a pixel; without regard to the lag it would be a tenth.
    """

    def difference(scale, size):
        at = np.arange(size) + 0.5
        ground = scale * ((at + lag) / scale - 17) ** 2 - scale * (at / scale - 17) ** 2
        image = np.broadcast_to(ground[:, None], (size, size)).astype(np.float32)
        return image if axis == 0 else image.T

    direction = ("azimuth", "range")[axis]
    scaled = zoom(Patch(difference(1.0, 50)[None], NONE, (direction,), lag), factor)
    size = scaled.image.shape[1]
    # beyond the edge there is nothing to interpolate with
    inside = slice(4, int(size - 4 * factor - 4))
    expected = difference(factor, size)
    slope = np.abs(np.diff(expected, axis=axis)).max()
    error = (scaled.image[0] - expected)[inside, inside] / slope
    assert np.abs(error).max() < (0.07 if factor == 0.8 else 1e-4)


def test_boxes_scale_with_their_pixels():
    image = np.zeros((1, 20, 30), np.float32)
    image[:, 4:8, 10:20] = 1
    scaled = zoom(Patch(image, np.array([[10.0, 4, 20, 8]]), ("rate",)), 2.0)
    np.testing.assert_array_equal(scaled.boxes, [[20, 8, 40, 16]])
    assert (scaled.image[0, 9:15, 21:39] == 1).all() and scaled.image[0, 8:16, 20:40].min() > 0.5
    assert scaled.image[0, :7].max() == 0 and scaled.image[0, 17:].max() == 0


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.4])
def test_no_data_is_neither_zero_nor_spread(factor):
    image = np.full((1, 40, 40), 3.0, np.float32)
    image[:, 10:20, :20] = np.nan
    scaled = zoom(Patch(image, NONE, ("rate",)), factor).image[0]
    known = np.isfinite(scaled)
    np.testing.assert_allclose(scaled[known], 3.0, rtol=1e-6)
    assert (~known).sum() == pytest.approx(200 * factor**2, rel=0.2)


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.0, 1.4, 3.0])
@pytest.mark.parametrize(("direction", "lag"), [("rate", 0), ("azimuth", 1), ("range", 2)])
def test_each_new_pixel_is_the_mean_that_the_notes_say(factor, direction, lag):
    """By dense matrices of the formula, with a hole, and with images smaller than the triangle."""
    for shape in ((23, 17), (2, 30)):
        image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        image[:2, 5:11] = np.nan
        matrices = []
        for axis, before in enumerate(shape):
            shift = lag / 2 if direction == ("azimuth", "range")[axis] else 0.0
            at = (np.arange(max(1, round(before * factor))) + 0.5 + shift) / factor - 0.5 - shift
            distance = np.abs(at.clip(0, before - 1)[:, None] - np.arange(before)) / max(1, 1 / factor)
            matrices.append((1 - distance).clip(0) / (1 - distance).clip(0).sum(axis=1, keepdims=True))
        rows, cols = matrices
        share = rows @ np.isfinite(image) @ cols.T
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = rows @ np.nan_to_num(image) @ cols.T / share
        scaled = zoom(Patch(image[None], NONE, (direction,), lag), factor).image[0]
        clear = np.abs(share - 0.5) > 1e-5
        np.testing.assert_allclose(scaled[clear], np.where(share >= 0.5, expected, np.nan)[clear], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 40), st.data())
def test_four_parts_fill_the_square_and_nothing_twice(edge, data):
    centre = data.draw(st.integers(1, edge - 1)), data.draw(st.integers(1, edge - 1))
    parts = [np.full((2, h, w), i, np.float32) for i, (_, _, h, w) in enumerate(corners(centre, edge))]
    whole = put_together(parts, centre, edge)
    row, col = centre
    expected = np.empty((edge, edge))
    expected[:row, :col], expected[:row, col:], expected[row:, :col], expected[row:, col:] = 0, 1, 2, 3
    np.testing.assert_array_equal(whole, np.stack([expected, expected]))
