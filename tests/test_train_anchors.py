import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from labkit import LabkitError
from labkit.train.anchors import anchors_by_stride, kmeans_anchors, pyramid_anchors, shape_iou

sizes = st.lists(st.tuples(st.floats(4, 120), st.floats(4, 120)), min_size=1, max_size=40)


def test_shape_iou_is_the_iou_of_boxes_on_one_centre():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(5, 60, (7, 2)), rng.uniform(5, 60, (9, 2))
    centred = [torch.tensor(np.column_stack([-s / 2, s / 2])) for s in (a, b)]
    np.testing.assert_allclose(shape_iou(a, b), box_iou(*centred).numpy())


def test_three_clear_shapes_become_three_anchors():
    rng = np.random.default_rng(1)
    shapes = np.array([[10.0, 20.0], [40.0, 15.0], [70.0, 80.0]])
    boxes = np.repeat(shapes, 50, axis=0) * rng.uniform(0.95, 1.05, (150, 2))
    np.testing.assert_allclose(kmeans_anchors(boxes, 3), shapes, rtol=0.03)


@given(sizes, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_any_labels_give_as_many_positive_anchors_as_asked_for_sorted_by_area(labels, count):
    anchors = kmeans_anchors(labels, count)
    assert anchors.shape == (count, 2)
    assert (anchors > 0).all() and (np.diff(anchors.prod(axis=1)) >= -1e-9).all()


def test_anchors_do_not_depend_on_the_order_of_labels():
    boxes = np.random.default_rng(2).uniform(5, 80, (60, 2))
    np.testing.assert_array_equal(kmeans_anchors(boxes, 6), kmeans_anchors(boxes[::-1], 6))


def test_more_anchors_fit_the_labels_better():
    boxes = np.random.default_rng(3).uniform(8, 60, (300, 2))
    fit = [shape_iou(boxes, kmeans_anchors(boxes, k)).max(axis=1).mean() for k in (1, 3, 9)]
    assert fit[0] < fit[1] < fit[2]


def test_the_smallest_anchors_go_to_the_finest_stride():
    fine, coarse = anchors_by_stride(np.random.default_rng(4).uniform(8, 60, (99, 2)), 2)
    assert len(fine) == len(coarse) == 3
    assert max(w * h for w, h in fine) <= min(w * h for w, h in coarse)


def test_no_label_is_refused():
    with pytest.raises(LabkitError, match="sizes must be the widths and heights of at least one label"):
        kmeans_anchors(np.zeros((0, 2)), 3)


@pytest.mark.parametrize("seed", range(4))
def test_few_labels_are_clustered_nearly_as_well_as_the_best_of_all_divisions(seed):
    rng = np.random.default_rng(seed)
    centres = np.array([[12.0, 20.0], [30.0, 18.0], [55.0, 60.0]])
    boxes = np.repeat(centres, (3, 2, 2), axis=0) * rng.uniform(0.85, 1.15, (7, 2))
    owners = [o for o in itertools.product(range(3), repeat=len(boxes)) if o[0] == 0 and len(set(o)) == 3]
    fits = []
    for owner in np.array(owners):
        medians = [np.median(boxes[owner == k], axis=0) for k in range(3)]
        fits.append(shape_iou(boxes, medians).max(axis=1).mean())
    found = shape_iou(boxes, kmeans_anchors(boxes, 3)).max(axis=1).mean()
    # k-means climbs to the nearest summit, and medians are not quite what the mean IoU would choose
    assert np.median(fits) < max(fits) - 0.1
    assert found > max(fits) - 0.02


def test_anchors_of_a_pyramid_double_from_level_to_level_and_fit_the_labels():
    rng = np.random.default_rng(6)
    edge = 12 * 2 ** rng.uniform(0, 3, 400)
    ratio = np.exp(rng.normal(0.2, 0.3, 400))
    boxes = np.column_stack([edge * ratio**-0.5, edge * ratio**0.5])
    levels = np.array(pyramid_anchors(boxes, 5))
    assert levels.shape == (5, 3, 2)
    np.testing.assert_allclose(levels[1:] / levels[:-1], 2.0)
    fit = shape_iou(boxes, levels.reshape(-1, 2)).max(axis=1).mean()
    tried = [shape_iou(boxes, levels.reshape(-1, 2) * f).max(axis=1).mean() for f in (0.8, 0.9, 1.1, 1.25)]
    assert fit > max(tried)
