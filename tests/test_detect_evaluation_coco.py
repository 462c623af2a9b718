"""Agreement with pycocotools, the evaluation that both the field and the second paper use."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labkit import evaluate, schema
from labkit.detect.measures import IOUS, RECALLS

#: An area beyond every range: pycocotools then takes a label that is no crowd as ignored.
BEYOND = 1e12

COCO_NAMES = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)


def table(rows):
    """Rows of scene, xmin, ymin, xmax, ymax and, for detections, a score, or for labels "", "faint" or "crowd"."""
    if not rows:
        return schema.boxes_table()
    scene, *corners, last = zip(*rows, strict=True)
    columns = dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)) | {"scene": scene, "direction": "rate"}
    if isinstance(last[0], str):
        columns |= {"visible": [word != "faint" for word in last], "crowd": [word == "crowd" for word in last]}
    else:
        columns["score"] = last
    return schema.boxes_table(columns)


def coco_measures(found, labels):
    """Give pycocotools' twelve measures, NaN where it says −1.

    It is given boxes in the order in which labkit takes those that tie, labels backwards, because of labels that a
    detection overlaps alike it takes the last; our thresholds, which differ from its own by rounding alone; and no
    limit of detections for the average precision.
    """
    scenes = sorted({row[0] for row in [*found, *labels]})
    number = {scene: place for place, scene in enumerate(scenes, 1)}

    def entry(place, row, **more):
        scene, x0, y0, x1, y1, _ = row
        return {"id": place, "image_id": number[scene], "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], **more}

    backwards = sorted(labels, key=lambda row: row[1:5], reverse=True)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": place} for place in number.values()],
        "categories": [{"id": 1}],
        "annotations": [
            entry(place, row, iscrowd=int(row[5] == "crowd"),
                  area=BEYOND if row[5] == "faint" else (row[3] - row[1]) * (row[4] - row[2]))
            for place, row in enumerate(backwards, 1)
        ],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        rows = sorted(found, key=lambda row: (row[0], row[1:5]))
        boxes = COCO()
        boxes.dataset = dict(truth.dataset)
        boxes.dataset["annotations"] = [
            entry(place, row, score=row[5], area=(row[3] - row[1]) * (row[4] - row[2]))
            for place, row in enumerate(rows, 1)
        ]
        boxes.createIndex()
        run = COCOeval(truth, boxes, "bbox")
        run.params.iouThrs, run.params.recThrs = np.array(IOUS), RECALLS
        run.params.maxDets = [1, 10, 100, 100_000]
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][:, :, 0], run.eval["recall"][:, 0]
    known = [precision[..., 0, 3], precision[0, ..., 0, 3], precision[5, ..., 0, 3]]
    known += [precision[..., area, 3] for area in (1, 2, 3)] + [recall[:, 0, most] for most in (0, 1, 2)]
    known += [recall[:, area, 2] for area in (1, 2, 3)]
    values = [float(part[part > -1].mean()) if (part > -1).any() else float("nan") for part in known]
    return dict(zip(COCO_NAMES, values, strict=True))


def agree(found, labels):
    result = evaluate(table(found), table(labels))
    ours = {name: getattr(result, name) for name in COCO_NAMES}
    assert ours == pytest.approx(coco_measures(found, labels), abs=1e-9, nan_ok=True)
    return ours


def box(place, unit):
    """A box whose edges lie on a coarse grid, so that boxes overlap often and tie often."""
    scene, x, y, width, height = place
    return [scene, float(x * unit), float(y * unit), float((x + width) * unit), float((y + height) * unit)]


places = st.tuples(st.sampled_from("ab"), *[st.integers(0, 6)] * 2, *[st.integers(1, 5)] * 2)
# 8, 16 and 32 px: labels of 32 × 32 and 96 × 96 px² lie on the edges between the sizes
unit = st.sampled_from([8, 16, 32])
kinds = st.sampled_from(["", "", "", "faint", "crowd"])


@given(
    st.lists(st.tuples(places, st.integers(0, 4)), max_size=25), st.lists(st.tuples(places, kinds), max_size=25), unit
)
@settings(max_examples=70, deadline=None)
@example([], [], 8)
@example([], [(("a", 0, 0, 4, 4), "")], 8)
@example([(("a", 0, 0, 4, 4), 1)], [], 8)
@example([(("a", 0, 0, 4, 4), 1)], [(("a", 0, 0, 4, 4), "faint")], 8)
@example([(("a", 0, 0, 4, 4), 1)] * 3, [(("a", 0, 0, 5, 5), "crowd"), (("b", 0, 0, 4, 4), "")], 8)
@example([(("a", i, 0, 1, 1), 1) for i in range(7)], [(("a", i, 0, 1, 1), "") for i in range(20)], 32)
def test_the_twelve_measures_are_those_of_pycocotools_with_ties_crowds_and_faint_ones(found, labels, unit):
    agree(
        [[*box(place, unit), score / 4] for place, score in found],
        [[*box(place, unit), kind] for place, kind in labels],
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_the_twelve_measures_are_those_of_pycocotools_on_boxes_anywhere(seed, right, wrong):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 600, (60, 2)), np.exp(rng.uniform(2, 5.5, (60, 2)))
    true = np.hstack([corner, corner + size])
    near = true[:right] + rng.normal(0, 0.08, (right, 4)) * np.tile(size[:right], 2)
    corner = rng.uniform(0, 600, (wrong, 2))
    boxes = np.concatenate([near, np.hstack([corner, corner + np.exp(rng.uniform(2, 5.5, (wrong, 2)))])])
    found = [[str(rng.choice(["a", "b"])), *map(float, b), float(rng.uniform())] for b in boxes]
    kinds = rng.choice(["", "faint", "crowd"], len(true), p=[0.8, 0.1, 0.1])
    agree(
        found, [[str(rng.choice(["a", "b"])), *map(float, b), str(kind)] for b, kind in zip(true, kinds, strict=True)]
    )


def test_average_recall_looks_at_the_best_of_each_image_and_average_precision_at_all():
    # 150 labels of one scene, all found: by 1, 10 and 100 of the detections, or all
    labels = [["a", 20.0 * i, 0.0, 20.0 * i + 10, 10.0, ""] for i in range(150)]
    ours = agree([[*row[:5], (i + 1) / 150] for i, row in enumerate(labels)], labels)
    assert [ours[name] for name in ("ar1", "ar10", "ar100", "ap")] == pytest.approx([1 / 150, 10 / 150, 100 / 150, 1])


def test_a_label_on_the_edge_between_sizes_is_of_both():
    ours = agree([["a", 0.0, 0.0, 32.0, 32.0, 0.9]], [["a", 0.0, 0.0, 32.0, 32.0, ""]])
    assert (ours["ap_small"], ours["ap_medium"], np.isnan(ours["ap_large"])) == (1, 1, True)
