import numpy as np
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou, generalized_box_iou

from labkit.detect.overlaps import area, giou, intersection, iou, touching_pairs

boxes = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 40), st.integers(1, 40)).map(
        lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
    ),
    min_size=1,
    max_size=8,
).map(lambda rows: np.array(rows, float))


@given(boxes, boxes)
def test_iou_and_giou_are_those_of_torchvision(a, b):
    pair = torch.tensor(a), torch.tensor(b)
    np.testing.assert_allclose(iou(a[:, None], b[None]), box_iou(*pair), atol=1e-12)
    np.testing.assert_allclose(giou(a[:, None], b[None]), generalized_box_iou(*pair), atol=1e-12)


@given(boxes, boxes)
def test_areas_are_those_of_shapely(a, b):
    np.testing.assert_allclose(area(a), [shapely.box(*row).area for row in a])
    expected = [[shapely.box(*p).intersection(shapely.box(*q)).area for q in b] for p in a]
    np.testing.assert_allclose(intersection(a[:, None], b[None]), expected)


@given(boxes)
def test_touching_pairs_are_all_pairs_that_share_a_point(a):
    shapes = [shapely.box(*row) for row in a]
    expected = {(i, j) for i in range(len(a)) for j in range(i + 1, len(a)) if shapes[i].intersects(shapes[j])}
    assert set(zip(*(side.tolist() for side in touching_pairs(a)), strict=True)) == expected
