import couplets
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import LabkitError, evaluate, schema


def boxes(rows, scene="a", direction="range"):
    """Rows of xmin, ymin, xmax, ymax and, for detections, a score."""
    rows = np.asarray(rows, float)
    if not rows.size:
        return schema.boxes_table()
    columns = dict(zip(("xmin", "ymin", "xmax", "ymax", "score"), rows.T, strict=False))
    return schema.boxes_table(columns | {"scene": scene, "direction": direction})


LABELS = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]]


def test_a_case_worked_by_hand():
    # right, right (IoU 0.6), false, right but weak; one label is never found
    found = [[0, 0, 10, 10, 0.9], [20, 0, 30, 6, 0.8], [80, 0, 90, 10, 0.7], [40, 0, 50, 10, 0.4]]
    result = evaluate(boxes(found), boxes(LABELS))
    assert (result.true_positives, result.false_positives, result.false_negatives) == (2, 1, 2)
    assert (result.precision, result.recall, result.f1) == (pytest.approx(2 / 3), 0.5, pytest.approx(4 / 7))
    # precision 1 up to recall ½ (51 of 101 recalls), 3/4 up to recall ¾ (25 more), then 0
    assert result.ap50 == pytest.approx((51 + 25 * 0.75) / 101)
    # without the second (IoU above 0.6) precision is 1, ½, ½, 2/4 …: ¼ → 26 recalls at 1, 25 more at 2/4
    high = (26 + 25 * 0.5) / 101
    assert result.ap == pytest.approx((3 * result.ap50 + 7 * high) / 10)
    assert (result.detections, result.labels) == (4, 4)


@pytest.mark.parametrize("found", range(0, 101, 7))
def test_each_hundredth_of_recall_counts_one_of_the_101_steps(found):
    labels = [[20 * i, 0, 20 * i + 10, 10] for i in range(100)]
    result = evaluate(boxes([[*label, 0.9] for label in labels[:found]]), boxes(labels))
    assert result.ap50 == pytest.approx((found + 1) / 101 if found else 0.0)


def test_a_label_is_found_only_once():
    result = evaluate(boxes([[0, 0, 10, 10, 0.9], [0, 0, 10, 9, 0.8]]), boxes(LABELS[:1]))
    assert (result.true_positives, result.false_positives) == (1, 1)


def test_the_best_detection_chooses_first_and_takes_the_best_label():
    labels = [[0, 0, 10, 10], [2, 0, 12, 10]]
    found = [[1.5, 0, 11.5, 10, 0.9], [2, 0, 12, 10, 0.8]]
    # the first takes the second label (IoU 0.905 over 0.739); the second is left with the first (0.667)
    result = evaluate(boxes(found), boxes(labels), iou=0.7)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (1, 1, 1)


def test_of_labels_that_overlap_alike_the_first_by_its_corners_is_taken():
    labels = boxes([[10, 0, 20, 10], [0, 0, 10, 10]])
    found = boxes([[5, 0, 15, 10, 0.9], [0, 0, 10, 10, 0.8]])
    # both labels have an IoU of 1/3 with the first detection; it takes the left one, whatever the order of rows
    for table in (labels, labels[::-1]):
        result = evaluate(found, table, iou=0.3)
        assert (result.true_positives, result.false_positives) == (1, 1)


def test_boxes_match_only_within_scene_and_direction():
    found = pd.concat([boxes([[0, 0, 10, 10, 0.9]], direction="azimuth"), boxes([[0, 0, 10, 10, 0.9]], scene="b")])
    result = evaluate(found, boxes(LABELS[:1]))
    assert (result.true_positives, result.false_positives, result.ap50) == (0, 2, 0.0)


def average_precision(found, labels, threshold):
    """The definition, in loops: match greedily by score, then average over 101 recalls the best precision beyond."""
    free, hits = list(range(len(labels))), []
    for *box, _ in sorted(found, key=lambda f: -f[4]):
        overlaps = []
        for j in free:
            a, b = shapely.box(*box), shapely.box(*labels[j])
            overlaps.append((a.intersection(b).area / a.union(b).area, j))
        best = max(overlaps, default=(0.0, -1), key=lambda o: o[0])
        hits.append(best[0] >= threshold)
        if hits[-1]:
            free.remove(best[1])
    total = 0.0
    for step in range(101):
        best = 0.0
        for n in range(1, len(hits) + 1):
            right = sum(hits[:n])
            if 100 * right >= step * len(labels):
                best = max(best, right / n)
        total += best
    return total / 101


grid = st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(2, 6), st.integers(2, 6)).map(
    lambda b: [5 * b[0], 5 * b[1], 5 * b[0] + b[2], 5 * b[1] + b[3]]
)


@given(st.lists(grid, max_size=12), st.lists(grid, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_average_precision_is_the_definition_in_loops(found, labels, random):
    scores = random.sample(range(1, 100), len(found))
    rows = [[*box, score / 100] for box, score in zip(found, scores, strict=True)]
    result = evaluate(boxes(rows), boxes(labels))
    # where two labels overlap a detection alike, either may be taken: leave those ties to chance
    if len({tuple(label) for label in labels}) == len(labels):
        expected = [average_precision(rows, labels, t / 100) for t in range(50, 100, 5)]
        tie_free = all(
            len({round(v, 9) for v in values if v >= 0.5}) == sum(v >= 0.5 for v in values)
            for values in [
                [shapely.box(*f).intersection(s).area / shapely.box(*f).union(s).area for s in
                 [shapely.box(*label) for label in labels]] for f in found
            ]
        )  # fmt: skip
        if tie_free:
            assert result.ap50 == pytest.approx(expected[0])
            assert result.ap == pytest.approx(np.mean(expected))


@given(st.lists(grid, min_size=1, max_size=10), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_makes_no_difference(found, random):
    table = boxes([[*box, 0.5 + (i % 3) / 10] for i, box in enumerate(found)])
    shuffled = table.sample(frac=1, random_state=random.randrange(1000))
    assert evaluate(table, boxes(LABELS)) == evaluate(shuffled, boxes(LABELS))


def test_everything_found_is_one_and_nothing_found_is_zero():
    perfect = evaluate(boxes(LABELS), boxes(LABELS))
    assert (perfect.precision, perfect.recall, perfect.f1, perfect.ap50, perfect.ap) == (1, 1, 1, 1, 1)
    blind = evaluate(schema.boxes_table(), boxes(LABELS))
    assert (blind.recall, blind.f1, blind.ap50, blind.false_negatives) == (0, 0, 0, 4)
    assert np.isnan(blind.precision)


def test_without_labels_recall_is_unknown():
    result = evaluate(boxes(LABELS), schema.boxes_table())
    assert result.precision == 0 and np.isnan([result.recall, result.ap50, result.ap]).all()
    nothing = evaluate(schema.boxes_table(), schema.boxes_table())
    assert np.isnan([nothing.precision, nothing.recall, nothing.ap50]).all()


def test_only_the_ground_of_the_given_chips_counts():
    data = couplets.gradients((64, 128), np.zeros((0, 5)), scene="a")
    chips = couplets.chips(data, 64)
    labels = boxes([[10, 10, 30, 30], [90, 10, 110, 30], [50, 40, 70, 60]])  # left, right, and centred on 60: left
    found = boxes([[10, 10, 30, 30, 0.9], [95, 40, 110, 60, 0.8], [56, 40, 76, 60, 0.7], [5, 45, 20, 60, 0.6]])
    left = evaluate(found, labels, chips=chips[chips.col == 0])
    # the third is centred on the right, but what it found counts on the left
    assert (left.true_positives, left.false_positives, left.false_negatives) == (2, 1, 0)
    right = evaluate(found, labels, chips=chips[chips.col == 64])
    assert (right.true_positives, right.false_positives, right.false_negatives) == (0, 1, 1)
    assert left.labels + right.labels == 3


def test_intervals_hold_the_measure_and_are_wide_when_blocks_differ():
    rng = np.random.default_rng(0)
    labels, found = [], []
    for x in range(40):
        labels.append([400 * x, 0, 400 * x + 10, 10])
        if rng.random() < 0.6:
            found.append([*labels[-1], 0.9])
    result = evaluate(boxes(found), boxes(labels), bootstrap=400, block_px=200)
    low, high = result.intervals["recall"]
    assert low < result.recall < high
    # binomial: sd = √(p (1 − p) / n)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(result.recall * (1 - result.recall) / 40), rel=0.25)
    assert "recall 0." in str(result) and "–" in str(result)
    assert result.blocks == 40


def test_one_block_gives_no_interval():
    found = [[*label, 0.9] for label in LABELS[:3]]
    one = evaluate(boxes(found), boxes(LABELS), bootstrap=50, block_px=1e6)
    assert one.blocks == 1 and np.isnan(one.intervals["recall"]).all() and np.isnan(one.by_score["recall_low"]).all()
    assert str(one) == str(evaluate(boxes(found), boxes(LABELS)))
    nothing = evaluate(schema.boxes_table(), schema.boxes_table(), bootstrap=50)
    assert nothing.blocks == 0 and np.isnan(list(nothing.intervals.values())).all()


def test_azimuth_and_range_of_one_place_are_drawn_together():
    both = [boxes([[400 * i, 0, 400 * i + 10, 10, 0.9] for i in range(40)], direction=d) for d in ("azimuth", "range")]
    labels = pd.concat([table.assign(score=1.0) for table in both])
    half = pd.concat([table.iloc[::2] for table in both])
    alone = evaluate(both[0].iloc[::2], labels.iloc[:40], bootstrap=300, block_px=200)
    together = evaluate(half, labels, bootstrap=300, block_px=200)
    # the second direction says nothing new: the same interval, not one narrower by √2
    assert together.blocks == alone.blocks == 40
    assert together.intervals["recall"] == pytest.approx(alone.intervals["recall"])


def test_the_same_seed_gives_the_same_intervals():
    rows = [[*label, 0.9] for label in LABELS[:3]]
    first, second = (evaluate(boxes(rows), boxes(LABELS), bootstrap=50, block_px=15, seed=4) for _ in range(2))
    assert first.intervals == second.intervals


def test_on_the_ground_scenes_and_directions_do_not_matter():
    place = gpd.GeoSeries([shapely.box(4e5, 34e5, 401e3, 3401e3)], crs="EPSG:32648").to_crs("EPSG:4326")
    one = boxes([[0, 0, 25, 25, 0.9]], scene="a").set_geometry(place)
    other = boxes([[50, 50, 75, 75]], scene="b", direction="azimuth").set_geometry(place)
    assert evaluate(one, other).true_positives == 0
    assert evaluate(one, other, ground=True).true_positives == 1
    assert evaluate(one, other.iloc[:0], ground=True).false_positives == 1
    with pytest.raises(LabkitError, match="must have a geometry to be matched on the ground"):
        evaluate(boxes(LABELS), other, ground=True)


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_detection_without_a_score_is_refused(score):
    found = boxes([[*LABELS[0], 0.9], [*LABELS[1], score]])
    with pytest.raises(LabkitError, match="detections must have finite scores, instead got score=.* in row 1"):
        evaluate(found, boxes(LABELS))


@pytest.mark.parametrize("option", [{"iou": 0.0}, {"score": 2.0}, {"bootstrap": -1}, {"block_px": 0.0}])
def test_an_option_out_of_its_bounds_is_refused_by_name(option):
    [name] = option
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        evaluate(boxes(LABELS), boxes(LABELS), **option)
