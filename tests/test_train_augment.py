"""Each augmentation is compared with the gradients of a displacement field that was itself mirrored or exchanged."""

import couplets
import numpy as np
import pytest

from labkit.train.augment import flip_x, flip_y, quicken, random_augmentation, reverse, transpose

SHAPE = (60, 80)
BUMP = np.array([[22.0, 51.0, 5.0, 8.0, 30.0]])
AXIS = {"azimuth": 0, "range": 1}


def gradient(field, direction):
    return np.gradient(field, axis=AXIS[direction]).astype(np.float32) if direction in AXIS else field.astype("f4")


def box_of(bump):
    y, x, sy, sx = bump[0, :4]
    reach = couplets.REACH
    return np.array([[x - reach * sx, y - reach * sy, x + reach * sx, y + reach * sy]])


@pytest.mark.parametrize("direction", ["azimuth", "range", "rate"])
def test_flipping_the_image_along_azimuth_is_flipping_the_ground(direction):
    field = couplets.displacement(SHAPE, BUMP)
    image, boxes = flip_y(gradient(field, direction), box_of(BUMP), direction)
    mirrored = BUMP * [1, 1, 1, 1, 1]
    mirrored[0, 0] = SHAPE[0] - BUMP[0, 0]
    np.testing.assert_allclose(image, gradient(couplets.displacement(SHAPE, mirrored), direction), atol=1e-5)
    np.testing.assert_allclose(boxes, box_of(mirrored))


@pytest.mark.parametrize("direction", ["azimuth", "range", "rate"])
def test_flipping_the_image_along_range_is_flipping_the_ground(direction):
    field = couplets.displacement(SHAPE, BUMP)
    image, boxes = flip_x(gradient(field, direction), box_of(BUMP), direction)
    mirrored = BUMP.copy()
    mirrored[0, 1] = SHAPE[1] - BUMP[0, 1]
    np.testing.assert_allclose(image, gradient(couplets.displacement(SHAPE, mirrored), direction), atol=1e-5)
    np.testing.assert_allclose(boxes, box_of(mirrored))


def test_exchanging_the_axes_turns_an_azimuth_gradient_into_a_range_gradient():
    field = couplets.displacement(SHAPE, BUMP)
    image, boxes = transpose(gradient(field, "azimuth"), box_of(BUMP))
    exchanged = BUMP[:, [1, 0, 3, 2, 4]]
    ground = couplets.displacement(SHAPE[::-1], exchanged)
    np.testing.assert_allclose(image, gradient(ground, "range"), atol=1e-5)
    np.testing.assert_allclose(boxes, box_of(exchanged))


@pytest.mark.parametrize("direction", ["azimuth", "range", "rate"])
def test_reversing_and_quickening_are_the_gradients_of_another_amplitude(direction):
    field = couplets.displacement(SHAPE, BUMP)
    image, _ = quicken(*reverse(gradient(field, direction), box_of(BUMP)), 1.2)
    other = couplets.displacement(SHAPE, BUMP * [1, 1, 1, 1, -1.2])
    np.testing.assert_allclose(image, gradient(other, direction), atol=1e-5)


@pytest.mark.parametrize("flip", [flip_y, flip_x])
@pytest.mark.parametrize("direction", ["azimuth", "range"])
def test_forward_differences_lie_in_the_mirror_where_their_boxes_say(flip, direction):
    """The ground is mirrored, and differenced anew as a stack is: pixel i + 1 minus pixel i."""
    along = 0 if flip is flip_y else 1
    field = couplets.displacement(SHAPE, BUMP)
    image, boxes = flip(
        couplets.forward_difference(field, AXIS[direction]).astype("f4"), box_of(BUMP), direction, lag=1
    )
    mirrored = BUMP.copy()
    mirrored[0, along] = SHAPE[along] - BUMP[0, along]
    expected = couplets.forward_difference(couplets.displacement(SHAPE, mirrored), AXIS[direction])
    moved = 1 if AXIS[direction] == along else 0
    # where the box moved by a pixel, so did the image
    np.testing.assert_allclose(boxes - box_of(mirrored), [[moved * (k % 2 != along) for k in range(4)]], atol=1e-9)
    found = np.roll(image, -moved, axis=along)
    inside = (slice(1, -2), slice(1, -2))
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_no_data_moves_with_the_ground_and_stays_no_data():
    image = np.ones((4, 6), np.float32)
    image[0, 1] = np.nan
    flipped, _ = flip_y(image, np.zeros((0, 4)), "azimuth")
    assert np.argwhere(np.isnan(flipped)).tolist() == [[3, 1]]


@pytest.mark.parametrize("direction", ["azimuth", "range", "rate"])
def test_whatever_is_drawn_the_box_still_holds_the_landslide(direction):
    image = gradient(couplets.displacement((64, 64), np.array([[22.0, 41.0, 4.0, 6.0, 30.0]])), direction)
    boxes = box_of(np.array([[22.0, 41.0, 4.0, 6.0, 30.0]]))
    seen = set()
    for seed in range(64):
        changed, moved = random_augmentation(image, boxes, direction, np.random.default_rng(seed))
        xmin, ymin, xmax, ymax = moved[0]
        inside = np.zeros(changed.shape, bool)
        inside[int(ymin) : int(np.ceil(ymax)), int(xmin) : int(np.ceil(xmax))] = True
        assert np.abs(changed[~inside]).max() < 0.25 * np.abs(changed).max()
        assert 0.79 < np.abs(changed).max() / np.abs(image).max() < 1.26
        seen.add((moved.round(3).tobytes(), bool(changed[inside].flat[np.abs(changed[inside]).argmax()] > 0)))
    assert len({box for box, _ in seen}) == 8, "the eight orientations of a square"


def test_the_input_is_not_changed():
    image, boxes = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([[0.0, 0, 2, 1]])
    kept, kept_boxes = image.copy(), boxes.copy()
    for seed in range(8):
        random_augmentation(image, boxes, "azimuth", np.random.default_rng(seed))
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(boxes, kept_boxes)
