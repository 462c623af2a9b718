"""Each augmentation is compared with what a stack of the changed ground holds: mirrored, turned, quickened."""

from dataclasses import replace

import couplets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import schema
from labkit.train.augment import (
    Change,
    Patch,
    add_noise,
    change,
    flip_x,
    flip_y,
    quicken,
    random_augmentation,
    reverse,
    rotate,
    transpose,
)

DIRECTIONS = ["azimuth", "range", "rate"]
AXIS = {"azimuth": 0, "range": 1}

#: What is done to the ground, and what to its image.
TURNS = {
    "flip_y": (lambda ground: ground[:, ::-1], flip_y),
    "flip_x": (lambda ground: ground[:, :, ::-1], flip_x),
    "transpose": (lambda ground: ground.swapaxes(1, 2), transpose),
    "reverse": (lambda ground: -ground, reverse),
    "rotate": (lambda ground: np.rot90(ground, -1, (1, 2)), lambda patch: rotate(patch, 1)),
    "rotate by a half": (lambda ground: np.rot90(ground, -2, (1, 2)), lambda patch: rotate(patch, 2)),
    "rotate back": (lambda ground: np.rot90(ground, 1, (1, 2)), lambda patch: rotate(patch, 3)),
}
chains = st.lists(st.sampled_from(sorted(TURNS)), max_size=6)


def stack(pairs, directions, lag):
    """The sum over pairs (pair, y, x) of forward differences over lag px; no data beyond the edge. Rates: the sum."""
    layers = []
    for direction in directions:
        summed = np.zeros(pairs.shape[1:], np.float32)
        for phase in pairs:
            if direction == "rate":
                summed += phase
                continue
            along = phase if AXIS[direction] == 0 else phase.T
            difference = np.full_like(along, np.nan)
            held = max(len(along) - lag, 0)
            difference[:held] = along[lag:] - along[:held]
            summed += difference if AXIS[direction] == 0 else difference.T
        layers.append(summed)
    return np.stack(layers)


def interferograms(seed, shape, count=3):
    """Unwrapped phases that add without rounding, with a place without data."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(-2000, 2000, (count, *shape)).astype(np.float32) / 64
    pairs[0, 2, 3] = np.nan
    return pairs


@settings(max_examples=80, deadline=None)
@given(
    chains,
    st.sampled_from([("azimuth",), ("range",), ("azimuth", "range"), ("range", "azimuth"), ("rate",)]),
    st.integers(1, 2),
    st.integers(0, 1000),
)
def test_augmenting_the_stack_is_stacking_the_augmented_interferograms(chain, directions, lag, seed):
    ground = interferograms(seed, (7, 9))
    patch = Patch(stack(ground, directions, lag), np.zeros((0, 4)), directions, lag)
    for name in chain:
        to_ground, to_image = TURNS[name]
        ground, patch = to_ground(ground), to_image(patch)
    np.testing.assert_array_equal(patch.image, stack(ground, patch.directions, lag))


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from([1.0, -1.0, 0.5, -2.0])),
    st.sampled_from([("azimuth",), ("range",), ("azimuth", "range"), ("range", "azimuth"), ("rate",)]),
    st.integers(0, 10),
    st.integers(0, 1000),
)
def test_all_at_once_is_the_stack_of_the_ground_changed_step_by_step(what, directions, lag, seed):
    """With a lag as long as the ground, too, where nothing is left to difference. The factors round nothing."""
    ground = interferograms(seed, (7, 9))
    if lag == 0:
        directions = ("rate",)
    patch = Patch(stack(ground, directions, lag), np.array([[1.0, 2, 5, 4]]), directions, lag)
    changed = change(patch, Change(*what))
    down, right, exchange, factor = what
    ground = ground[:, :: -1 if down else 1, :: -1 if right else 1] * np.float32(factor)
    ground = ground.swapaxes(1, 2) if exchange else ground
    np.testing.assert_array_equal(changed.image, stack(ground, changed.directions, lag))
    ymin, xmin = 3 if down else 2, 4 if right else 1
    box = [xmin, ymin, xmin + 4, ymin + 2]
    np.testing.assert_array_equal(changed.boxes[0], np.array(box)[[1, 0, 3, 2]] if exchange else box)


@settings(max_examples=60, deadline=None)
@given(chains, st.integers(0, 1000))
def test_boxes_follow_their_pixels_through_any_chain(chain, seed):
    rng = np.random.default_rng(seed)
    height, width = 24, 31
    xmin, ymin = rng.integers(0, width - 6), rng.integers(0, height - 6)
    xmax, ymax = rng.integers(xmin + 1, width + 1), rng.integers(ymin + 1, height + 1)
    image = np.zeros((1, height, width), np.float32)
    image[:, ymin:ymax, xmin:xmax] = 1
    patch = Patch(image, np.array([[xmin, ymin, xmax, ymax]], float), ("rate",))
    for name in chain:
        patch = TURNS[name][1](patch)
    left, top, right, bottom = patch.boxes[0].astype(int)
    planted = np.zeros_like(patch.image[0], bool)
    planted[top:bottom, left:right] = True
    np.testing.assert_array_equal(patch.image[0] != 0, planted)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([("azimuth",), ("range",), ("range", "azimuth"), ("rate",)]), st.integers(0, 1000))
def test_each_of_them_is_undone_by_its_inverse(directions, seed):
    boxes = np.array([[1.0, 2.0, 5.0, 6.5]])
    before = Patch(stack(interferograms(seed, (8, 6)), directions, 1), boxes, directions, 1)
    inverses = [
        (flip_y, flip_y), (flip_x, flip_x), (transpose, transpose), (reverse, reverse),
        *((lambda p, k=k: rotate(p, k), lambda p, k=k: rotate(p, 4 - k)) for k in (1, 2, 3)),
    ]  # fmt: skip
    for there, back in inverses:
        after = back(there(before))
        np.testing.assert_array_equal(after.image, before.image)
        np.testing.assert_array_equal(after.boxes, before.boxes)
        assert after.directions == before.directions


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_quickening_is_the_stack_of_a_faster_ground(direction):
    ground = interferograms(1, (7, 9))
    patch = Patch(stack(ground, (direction,), 1), np.zeros((0, 4)), (direction,), 1)
    np.testing.assert_allclose(quicken(patch, 1.25).image, stack(ground * 1.25, (direction,), 1), atol=1e-4)


def test_a_quarter_turn_exchanges_the_directions_and_one_sign():
    """d = y, falling nowhere: turned clockwise, what grew downwards grows to the left."""
    ground = Patch(np.stack([np.ones((4, 6)), np.zeros((4, 6))]).astype("f4"), np.zeros((0, 4)), schema.DIRECTIONS)
    turned = rotate(ground, 1)
    assert turned.directions == ("range", "azimuth") and turned.image.shape == (2, 6, 4)
    assert (turned.image[0] == -1).all() and (turned.image[1] == 0).all()


@pytest.mark.parametrize("direction", ["azimuth", "range"])
def test_an_exact_derivative_flips_without_being_moved(direction):
    bump = np.array([[22.0, 51.0, 5.0, 8.0, 30.0]])
    field = couplets.displacement((60, 80), bump)
    image = np.gradient(field, axis=AXIS[direction])[None].astype("f4")
    mirrored = np.gradient(field[::-1], axis=AXIS[direction])
    np.testing.assert_allclose(flip_y(Patch(image, np.zeros((0, 4)), (direction,))).image[0], mirrored, atol=1e-5)


def test_noise_is_added_as_its_interferograms_would_add():
    ground, air = interferograms(1, (7, 9)), interferograms(2, (7, 9))
    ground[0, 2, 3] = 0
    patch = Patch(stack(ground, schema.DIRECTIONS, 1), np.ones((1, 4)), schema.DIRECTIONS, 1)
    noise = replace(patch, image=stack(air, schema.DIRECTIONS, 1), boxes=np.zeros((0, 4)))
    both = add_noise(patch, noise, 0.5)
    expected = stack(np.concatenate([ground, 0.5 * air]), schema.DIRECTIONS, 1)
    hole = np.isnan(noise.image) & ~np.isnan(patch.image)
    assert hole.any()
    np.testing.assert_array_equal(both.image[~hole], expected[~hole])
    np.testing.assert_array_equal(both.image[hole], patch.image[hole])
    np.testing.assert_array_equal(both.boxes, patch.boxes)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_whatever_is_drawn_the_box_still_holds_the_landslide(direction):
    bump = np.array([[22.0, 41.0, 4.0, 6.0, 30.0]])
    field = couplets.displacement((64, 64), bump)[None].astype("f4")
    image = field if direction == "rate" else np.gradient(field, axis=1 + AXIS[direction]).astype("f4")
    y, x, sy, sx = bump[0, :4]
    reach = couplets.REACH
    box = np.array([[x - reach * sx, y - reach * sy, x + reach * sx, y + reach * sy]])
    seen = set()
    for seed in range(64):
        changed = random_augmentation(Patch(image, box, (direction,)), np.random.default_rng(seed))
        xmin, ymin, xmax, ymax = changed.boxes[0]
        inside = np.zeros(changed.image.shape, bool)
        inside[:, int(ymin) : int(np.ceil(ymax)), int(xmin) : int(np.ceil(xmax))] = True
        strength = np.abs(changed.image)
        assert strength[~inside].max() < 0.25 * strength.max()
        assert 0.79 < strength.max() / np.abs(image).max() < 1.26
        seen.add((changed.boxes.round(3).tobytes(), bool(changed.image[inside].flat[strength[inside].argmax()] > 0)))
    assert len({box for box, _ in seen}) == 8, "the eight orientations of a square"


def test_the_input_is_not_changed():
    patch = Patch(np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.array([[0.0, 0, 2, 1]]), schema.DIRECTIONS, 1)
    kept, kept_boxes = patch.image.copy(), patch.boxes.copy()
    for seed in range(16):
        random_augmentation(patch, np.random.default_rng(seed))
        add_noise(patch, patch, 1.0)
        rotate(patch, 1)
    np.testing.assert_array_equal(patch.image, kept)
    np.testing.assert_array_equal(patch.boxes, kept_boxes)
