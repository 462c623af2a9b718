import numpy as np
import pytest
import torch

from labkit import LabkitError
from labkit.train.building import build
from labkit.train.detector import Detector
from labkit.train.settings import DetectorSettings

ANCHORS = (((12.0, 16.0), (20.0, 20.0), (24.0, 18.0)), ((40.0, 30.0), (50.0, 60.0), (90.0, 80.0)))


@pytest.fixture(scope="module")
def detector():
    """An untrained network whose scores were lifted, so that it answers everywhere."""
    settings = DetectorSettings("lifted", "gradients", 96, ANCHORS, width=8)
    torch.manual_seed(0)
    network = build(settings)
    with torch.no_grad():
        for head in network.heads:
            head.bias.view(-1, 5)[:, 4] = 0.0
            head.weight.mul_(30)
    return Detector(network, settings)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_it_says_what_it_is(detector):
    assert (detector.name, detector.kind, detector.size) == ("lifted", "gradients", 96)
    assert "'lifted': gradients, 96 px" in repr(detector)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (50, 131), (16, 16), (1, 7)])
def test_images_of_any_size_give_boxes_inside_them(detector, height, width):
    found = detector.predict(noise(3, height, width), 0.1)
    assert len(found) == 3
    for boxes in found:
        assert boxes.dtype == np.float64 and boxes.shape[1] == 5
        assert (boxes[:, :4] >= 0).all() and (boxes[:, [0, 2]] <= width).all() and (boxes[:, [1, 3]] <= height).all()
        assert (boxes[:, 2:4] - boxes[:, :2] >= 2).all()


def test_scores_fall_and_none_is_below_the_threshold(detector):
    image = noise(1, 96, 96)
    for score in (0.1, 0.5, 0.9):
        [boxes] = detector.predict(image, score)
        assert (boxes[:, 4] >= score).all() and (np.diff(boxes[:, 4]) <= 0).all()
    [all_boxes], [strong] = detector.predict(image, 0.5), detector.predict(image, 0.9)
    np.testing.assert_array_equal(strong, all_boxes[: len(strong)])


def test_no_two_boxes_of_an_image_overlap_more_than_the_settings_allow(detector):
    from torchvision.ops import box_iou

    [boxes] = detector.predict(noise(1, 96, 96), 0.1)
    assert len(boxes) > 5
    overlap = box_iou(*[torch.from_numpy(boxes[:, :4])] * 2).fill_diagonal_(0)
    assert overlap.max() <= detector.settings.nms_iou + 1e-6


def test_an_image_is_seen_alike_alone_and_in_a_batch(detector):
    images = noise(5, 64, 80)
    together = detector.predict(images, 0.2)
    for i, boxes in enumerate(together):
        np.testing.assert_allclose(detector.predict(images[i : i + 1], 0.2)[0], boxes, atol=1e-3)


def test_no_data_is_seen_as_zero_gradient(detector):
    image = noise(1, 64, 64)
    image[:, 20:40] = np.nan
    [holes], [zeros] = detector.predict(image, 0.2), detector.predict(np.nan_to_num(image), 0.2)
    np.testing.assert_array_equal(holes, zeros)


def test_nothing_given_nothing_found(detector):
    assert detector.predict(np.zeros((0, 96, 96), np.float32)) == []


@pytest.mark.parametrize("shape", [(96, 96), (1, 2, 96, 96)])
def test_anything_but_a_stack_of_images_is_refused(detector, shape):
    with pytest.raises(LabkitError, match=r"images must have the shape \(n, height, width\)"):
        detector.predict(np.zeros(shape, np.float32))


def test_a_score_outside_zero_to_one_is_refused(detector):
    with pytest.raises(LabkitError, match=r"score must be in \[0, 1\], instead got score=50"):
        detector.predict(noise(1, 32, 32), 50)


def test_the_images_are_left_as_they_were(detector):
    images = noise(2, 48, 48) * 9
    kept = images.copy()
    detector.predict(images)
    np.testing.assert_array_equal(images, kept)


def test_two_directions_and_validity_are_channels_of_one_image():
    from labkit.train import build_detector

    torch.manual_seed(0)
    detector = build_detector("tiny", width="nano", directions=2, validity=True)
    seen = []
    detector.network.stem.register_forward_hook(lambda module, given, result: seen.append(given[0]))
    images = noise(2, 2, 32, 48)
    images[0, 1, :5] = np.nan
    assert len(detector.predict(images)) == 2
    assert seen[0].shape == (2, 3, 32, 48)
    np.testing.assert_array_equal(seen[0][0, 1, :5], 0)
    np.testing.assert_array_equal(seen[0][0, 2] == 0, np.isnan(images[0]).any(axis=0))
    np.testing.assert_allclose(seen[0][1, 0], (images[1, 0] / 4).clip(-1, 1))
    with pytest.raises(LabkitError, match=r"images must have the shape \(n, 2, height, width\)"):
        detector.predict(noise(1, 32, 32))


def test_what_lies_under_its_standard_error_is_divided_by_it_before_it_is_calmed():
    from labkit.train import build_detector

    torch.manual_seed(0)
    detector = build_detector("tiny", kind="rates", width="nano", standard_error=True, spread=0.5, validity=True)
    seen = []
    detector.network.stem.register_forward_hook(lambda module, given, result: seen.append(given[0].numpy()))
    rate, error = noise(1, 32, 48) * 30, np.abs(noise(1, 32, 48, seed=1)) * 5 + 1
    error[0, :4], error[0, 4:8] = np.nan, 0.0
    rate[0, 8:12] = np.nan
    detector.predict(np.stack([rate, error], axis=1))
    known = np.zeros((32, 48), bool)
    known[12:] = True
    by_error = np.where(known, rate[0] / np.where(error[0] > 0, error[0], 1.0), 0.0)
    np.testing.assert_allclose(seen[0][0, 1], (by_error / 10).clip(-1, 1), rtol=1e-5)
    sigma = 1.4826 * np.nanmedian(np.abs(rate[0]))
    np.testing.assert_allclose(seen[0][0, 0], np.nan_to_num(rate[0] * 0.5 / sigma / 50), rtol=1e-5)
    np.testing.assert_array_equal(seen[0][0, 2] == 1, known)
    with pytest.raises(LabkitError, match=r"images must have the shape \(n, 2, height, width\)"):
        detector.predict(rate)
