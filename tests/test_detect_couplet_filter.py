"""The matched filter's answer: its size by plain sums and formulas, the shapes that it seeks, pixels without data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from couplet_plants import block, bump, phase_noise, scene, seen_through, white, with_error
from scipy.special import gammaincc

import labkit as lk
from labkit import schema
from labkit.detect.couplet_field import make_field
from labkit.detect.couplet_filter import FLAT_ORDERS, Shape, find_candidates, rim, shapes_between
from labkit.detect.couplet_fit import Bump


def test_on_independent_noise_the_ratio_is_the_amplitude_over_its_error() -> None:
    shape = (400, 400)
    phase = 4.0 * bump(shape, 200.0, 200.0, 6.0, 6.0)
    data = with_error(scene(phase, white(shape, 0)), 1.0)
    ratio = lk.couplets(data, progress=False)["snr"].max()
    energy = sum(np.sum(np.diff(phase, axis=axis) ** 2) for axis in (0, 1))
    # the amplitude's own error is one part in √energy; the sizes sought are √2 apart
    assert ratio == pytest.approx(np.sqrt(energy), abs=2.0)


def test_pixels_without_data_do_not_count_as_no_gradient() -> None:
    """With a share of 0.8 of the pixels the ratio falls to √0.8; zeros in their place would leave 0.8 of it."""
    shape = (400, 400)
    phase = 12.0 * bump(shape, 200.0, 200.0, 9.0, 9.0)
    data = with_error(scene(phase, white(shape, 3)), 1.0)
    holes = np.random.default_rng(6).random(shape) < 0.2
    whole = lk.couplets(data, progress=False)["snr"].max()
    with_holes = lk.couplets(data.where(~holes), progress=False)["snr"].max()
    assert with_holes / whole == pytest.approx(np.sqrt(0.8), abs=0.03)


def test_both_directions_together_find_more_faint_slides_than_either_alone() -> None:
    shape = (620, 620)
    centres = [(y, x) for y in range(60, 600, 100) for x in range(60, 600, 100)]
    random = np.random.default_rng(7)
    phase = phase_noise("speckle", shape, 5)
    for y, x in centres:
        sigma = random.uniform(2.5, 7.0)
        phase = phase + 2.5 * np.sqrt(sigma) * random.uniform(0.5, 1.5) * bump(shape, y, x, sigma * 1.2, sigma / 1.2)
    data = with_error(scene(phase), 1.0)

    def found(directions: list[str]) -> int:
        boxes = lk.couplets(data.sel(direction=directions), progress=False)
        y, x = (boxes["ymin"] + boxes["ymax"]) / 2, (boxes["xmin"] + boxes["xmax"]) / 2
        return sum((np.hypot(y - centre[0], x - centre[1]) < 8).any() for centre in centres)

    both, azimuth, across = found(["azimuth", "range"]), found(["azimuth"]), found(["range"])
    assert both >= 1.2 * max(azimuth, across) > 5


def test_sizes_are_root_two_apart_from_the_least_that_a_window_leaves() -> None:
    shapes = shapes_between(3.0, 50.0)
    sizes = sorted({round(shape.sigma, 6) for shape in shapes})
    np.testing.assert_allclose(sizes, 1.5 * 2 ** (np.arange(7) / 2), rtol=1e-5)
    assert sum(shape.long == shape.short and shape.order == 0 for shape in shapes) == 7
    # the rim of a flat one lies within the greatest length
    assert max(shape.radius for shape in shapes if shape.order) <= 25.0 < np.sqrt(2) * 25.0
    covariance = Shape(4.0, 2.0, np.pi / 6).covariance()
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [4.0, 16.0])
    np.testing.assert_allclose(covariance @ [0.5, np.sqrt(0.75)], 16 * np.array([0.5, np.sqrt(0.75)]))


@pytest.mark.parametrize("order", [0, *FLAT_ORDERS])
def test_a_flat_bump_is_level_inside_its_rim_and_its_couplet_is_its_derivative(order: int) -> None:
    shape, centre = (81, 91), (40.0, 44.0)
    spread = Shape(7.0 / rim(order) * 1.5, 7.0 / rim(order), 0.4, order)
    inverse = np.linalg.inv(spread.covariance())

    def plateau(moved: np.ndarray) -> np.ndarray:
        """e^−s (1 + s + … + sⁿ/n!), an incomplete gamma function, of the scene moved by (y, x)."""
        away = np.indices(shape) + 0.5 + moved[:, None, None] - np.array(centre)[:, None, None]
        return gammaincc(order + 1, 0.5 * np.einsum("iyx,ij,jyx->yx", away, inverse, away))

    fitted = Bump(*centre, spread.covariance(), 1.0, order)
    everywhere = slice(0, shape[0]), slice(0, shape[1])
    for vector in np.eye(2):
        couplet = fitted.couplet(everywhere, vector, lag=0)
        derivative = (plateau(0.001 * vector) - plateau(-0.001 * vector)) / 0.002
        np.testing.assert_allclose(couplet, derivative, atol=1e-5)
        assert np.abs(couplet).max() == pytest.approx(fitted.peak(vector), rel=0.02)


@pytest.mark.parametrize("sought", [Shape(2.8, 2.8, 0.0, 3), Shape(3.5, 2.5, 0.8, 3), Shape(2.0, 2.0, 0.0, 10)])
def test_the_filter_answers_to_flat_bumps_as_the_plain_sums_do(sought: Shape) -> None:
    shape = (120, 120)
    centre = Bump(60.5, 60.5, sought.covariance(), 1.0, sought.order)
    window = centre.window(shape, 4.0)
    images = np.zeros((2, *shape))
    for image, vector in zip(images, np.eye(2), strict=True):
        image[window] = 20 * centre.couplet(window, vector, lag=1)
    data = with_error(scene(np.zeros(shape), images + white(shape, 4)), 1.0)
    (best, *_) = find_candidates(make_field(data), [sought], 5.0, False)
    place = replace(centre, y=best.y, x=best.x)
    window = place.window(shape, 4.0)
    answer = energy = 0.0
    for direction, vector in zip(schema.DIRECTIONS, np.eye(2), strict=True):
        couplet = place.couplet(window, vector, lag=1)
        values = np.nan_to_num(data["gradient"].sel(direction=direction).values)[window]
        answer, energy = answer + (values * couplet).sum(), energy + (couplet**2).sum()
    assert best.snr * best.gain == pytest.approx(answer / np.sqrt(energy), rel=0.01)


def test_a_large_block_with_a_sharp_rim_answers_more_to_flat_bumps(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (640, 640)
    data = seen_through(8 * block(shape, 320.0, 320.0, 18.0, 16.0, 0.15), 5, 3)
    with_flat = lk.couplets(data, progress=False)["snr"].max()
    monkeypatch.setattr("labkit.detect.couplet_filter.FLAT_ORDERS", ())
    assert with_flat > 1.05 * lk.couplets(data, progress=False)["snr"].max() > 5


def test_the_filter_answers_as_the_plain_sums_do() -> None:
    """N / √D of a round bump at one place, added up pixel by pixel, against the filter's answer there."""
    shape = (90, 90)
    phase = 30 * bump(shape, 45.0, 47.0, 2.5, 2.5)
    data = with_error(scene(phase, white(shape, 2)), 1.0)
    (best, *_) = find_candidates(make_field(data), [Shape(2.5, 2.5, 0.0)], 5.0, False)
    rows, cols = np.indices(shape) + 0.5
    answer = energy = 0.0
    for axis, direction in enumerate(schema.DIRECTIONS):
        y, x = rows + 0.5 * (axis == 0) - best.y, cols + 0.5 * (axis == 1) - best.x
        template = -(y, x)[axis] * np.exp(-(y**2 + x**2) / 12.5) / 6.25
        values = np.nan_to_num(data["gradient"].sel(direction=direction).values)
        answer, energy = answer + (values * template).sum(), energy + (template**2).sum()
    assert best.snr * best.gain == pytest.approx(answer / np.sqrt(energy), rel=0.01)
