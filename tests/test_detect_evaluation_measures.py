import couplets
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit as lk
from labkit import LabkitError, evaluate, schema
from labkit.detect.measures import CONFIDENCES, CURVE_RATES, FALSE_RATES
from labkit.simulate import Effects

#: 40 m of latitude, degrees.
STEP = 40 / 111_000


def boxes(rows, scene="a", direction="range", **columns):
    """Rows of xmin, ymin, xmax, ymax and, for detections, a score."""
    rows = np.asarray(rows, float).reshape(len(rows), -1)
    corners = dict(zip(("xmin", "ymin", "xmax", "ymax", "score"), rows.T, strict=False))
    return schema.boxes_table(corners | {"scene": scene, "direction": direction} | columns)


def row_of(count, start=0):
    """Boxes of 10 px in a row, 20 px apart."""
    return [[20 * i, 0, 20 * i + 10, 10] for i in range(start, start + count)]


def scene(name="a", shape=(200, 300), spacing=40.0, lon=101.0):
    """A rate map of zeros, of pixels of 40 m, with its first 50 columns without data."""
    rate = np.zeros(shape, np.float32)
    rate[:, :50] = np.nan
    y, x = 31.0 - STEP * np.arange(shape[0]), lon + STEP / np.cos(np.radians(31)) * np.arange(shape[1])
    return xr.Dataset(
        {"rate": (("y", "x"), rate)}, {"y": y, "x": x}, {"scene": name, "ground_spacing": spacing, "crs": "EPSG:4326"}
    )


def test_labels_too_faint_are_neither_missed_nor_is_who_finds_them_wrong():
    labels = boxes(row_of(4), visible=[True, True, False, False])
    found = boxes([[*box, 0.9] for box in row_of(4)[1:3]])
    result = evaluate(found, labels)
    assert (result.true_positives, result.false_positives, result.false_negatives, result.labels) == (1, 0, 1, 2)
    assert (result.ignored, result.ignored_found) == (2, 1)
    assert "; 1 found of 2 that need not be" in str(result)
    # below the score nothing is found
    assert evaluate(found.assign(score=0.3), labels).ignored_found == 0
    # the same rows in a table of their own
    assert evaluate(found, labels.iloc[:2], ignore=labels.iloc[2:].drop(columns="visible")) == result
    assert evaluate(found, labels.iloc[:2]).false_positives == 1


def test_a_label_to_be_found_comes_before_a_faint_one_that_fits_better():
    labels = boxes([[0, 0, 10, 8], [0, 0, 10, 10]], visible=[True, False])
    assert evaluate(boxes([[0, 0, 10, 10, 0.9]]), labels).true_positives == 1


def test_a_crowd_holds_any_number_of_detections_and_a_faint_label_one():
    found = boxes([[0, 0, 10, 10, 0.9], [0, 0, 10, 10, 0.8], [40, 40, 60, 60, 0.7]])
    region = boxes([[0, 0, 50, 50]], crowd=[True])
    # the third lies in the region by a quarter of itself
    assert (evaluate(found, region).false_positives, evaluate(found, region).ignored) == (1, 1)
    assert evaluate(found.iloc[:2], boxes([[0, 0, 10, 10]], visible=[False])).false_positives == 1


def test_the_truth_of_a_simulated_scene_says_what_is_too_faint():
    made = lk.simulate.scene("tiny", seed=1, effects=Effects(), calendar="two-years")
    assert made.unseen is not None and len(made.unseen)
    every = pd.concat([made.truth, made.unseen], ignore_index=True)
    result = evaluate(every, every)
    # found where it is, be it right or neither right nor wrong
    assert (result.labels, result.ignored, result.ignored_found) == (
        len(made.truth),
        len(made.unseen),
        len(made.unseen),
    )
    assert (result.precision, result.recall) == (1, 1)
    strong = (every["ratio"] >= 5) & (every["pixels"] >= 12)
    assert strong.sum() == result.labels


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=30))
@settings(max_examples=40, deadline=None)
def test_the_mean_over_confidences_is_its_formula(rows):
    labels = boxes(row_of(30))
    places = [place if right else 100 + place for place, (right, _) in enumerate(rows)]
    found = [[*row_of(1, place)[0], score / 20] for place, (_, score) in zip(places, rows, strict=True)]
    result = evaluate(boxes(found) if found else schema.boxes_table(), labels)
    top = bottom = 0.0
    for confidence in CONFIDENCES:
        of_it = [right for right, score in rows if score / 20 >= confidence]
        if of_it:
            top, bottom = top + len(of_it) * np.mean(of_it), bottom + len(of_it)
    assert result.map_confidences == pytest.approx(top / bottom if bottom else np.nan, nan_ok=True)


def test_where_nothing_reaches_a_confidence_of_1_nine_count():
    labels = boxes(row_of(2))
    found = boxes([[*row_of(1)[0], 0.95], [*row_of(1, 5)[0], 0.25]])
    # two detections with precision ½ at 0.1 and 0.2, one with 1 at 0.3 … 0.9, none at 1.0
    assert evaluate(found, labels).map_confidences == pytest.approx((2 * 2 * 0.5 + 7 * 1) / (2 * 2 + 7))
    assert np.isnan(evaluate(found.assign(score=0.05), labels).map_confidences)


def test_the_mean_iou_is_that_of_the_right_detections_of_the_score():
    found = boxes([[0, 0, 10, 10, 0.9], [20, 0, 30, 8, 0.8], [40, 0, 50, 6, 0.3], [200, 0, 210, 10, 0.9]])
    assert evaluate(found, boxes(row_of(4))).mean_iou == pytest.approx((1 + 0.8) / 2)
    assert evaluate(found, boxes(row_of(4)), score=0.1).mean_iou == pytest.approx((1 + 0.8 + 0.6) / 3)


def test_by_score_holds_what_each_score_gives():
    found = boxes([[*box, score] for box, score in zip(row_of(6), (0.9, 0.7, 0.5, 0.4, 0.2, 0.1), strict=True)])
    labels = boxes(row_of(4))
    table = evaluate(found, labels, bootstrap=20, block_px=20).by_score
    for row in table.itertuples():
        there = evaluate(found, labels, score=row.score, bootstrap=20, block_px=20)
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            (there.precision, there.recall, there.f1), nan_ok=True
        )
        assert (row.f1_low, row.f1_high) == pytest.approx(there.intervals["f1"], nan_ok=True)
    assert {0.5, 0.8, 1.0} <= set(table["score"])


def test_the_area_observed_is_valid_pixels_times_ground_spacing_squared():
    data = scene()
    found = boxes([[*box, 0.9] for box in row_of(6)[3:]])
    result = evaluate(found, boxes(row_of(5)), observed=data)
    km2 = 200 * 250 * 0.04**2
    assert result.area_km2 == pytest.approx(km2)
    assert result.false_per_1000_km2 == pytest.approx(1 / km2 * 1000)
    assert f"false per 1000 km² on {km2:.0f} km²" in str(result)
    # chips restrict it, those that overlap count once
    chips = lk.make_chips(data, size=100, overlap=0.5)
    left = chips[(chips["col"] == 50) & (chips["row"] < 100)]
    assert evaluate(found, boxes(row_of(5)), observed=data, chips=left).area_km2 == pytest.approx(150 * 100 * 0.04**2)
    unknown = evaluate(found, boxes(row_of(5)))
    assert np.isnan([unknown.area_km2, unknown.false_per_1000_km2]).all() and unknown.froc["recall"].isna().all()


def test_chips_that_know_their_ground_give_the_area_too():
    metre = 1 / 111_000
    data = scene().assign_coords(
        y=31 - 40 * metre * np.arange(200), x=101 + 40 * metre / np.cos(0.541) * np.arange(300)
    )
    chips = lk.make_chips(data, size=100, overlap=0)
    labels, nothing = boxes(row_of(5)), schema.boxes_table()
    by_scene = evaluate(nothing, labels, chips=chips, observed=data)
    by_chips = evaluate(nothing, labels, chips=chips)
    assert by_chips.area_km2 == pytest.approx(by_scene.area_km2, rel=0.01)
    assert (by_chips.false_per_1000_km2, by_chips.blocks) == (0, by_scene.blocks)
    nowhere = chips.set_geometry([None] * len(chips), crs=chips.crs)
    assert np.isnan(evaluate(nothing, labels, chips=nowhere).area_km2)


def test_ground_that_two_scenes_see_counts_once_on_the_ground():
    # the second begins 150 columns further east: 400 of 550 columns, all but the first 50 and those without data
    first, second = scene("a"), scene("b", lon=101.0 + 150 * STEP / np.cos(np.radians(31)))
    alone = evaluate(schema.boxes_table(), schema.boxes_table(), ground=True, observed=first).area_km2
    assert alone == pytest.approx(200 * 250 * 0.04**2, rel=0.01)
    both = evaluate(schema.boxes_table(), schema.boxes_table(), ground=True, observed=[first, second])
    assert both.area_km2 == pytest.approx(alone * 400 / 250, rel=0.03)
    assert evaluate(schema.boxes_table(), schema.boxes_table(), observed=[first, second]).area_km2 == pytest.approx(160)


def test_scenes_without_any_landslide_give_false_boxes_with_an_interval():
    data = [scene(str(i), (416, 416)) for i in range(20)]
    found = pd.concat([boxes([[100, 100, 120, 120, 0.9]], scene=str(i)) for i in range(10)])
    result = evaluate(found, schema.boxes_table(), observed=data, bootstrap=500)
    km2 = 20 * 416 * 366 * 0.04**2
    assert (result.blocks, result.area_km2, np.isnan(result.recall)) == (20, pytest.approx(km2), True)
    low, high = result.intervals["false_per_1000_km2"]
    spread = 2 * 1.96 * np.sqrt(20 * 0.25) / km2 * 1000  # of a binomial count, ½ in each of 20 blocks
    assert low < result.false_per_1000_km2 < high and high - low == pytest.approx(spread, rel=0.25)


def test_the_froc_is_the_recall_at_the_lowest_threshold_with_so_many_false_boxes():
    rng = np.random.default_rng(1)
    labels = boxes(row_of(40))
    places = rng.permutation(70)[:60]
    scores = rng.integers(1, 12, 60) / 12  # ties
    found = boxes([[*row_of(1, place)[0], score] for place, score in zip(places, scores, strict=True)])
    result = evaluate(found, labels, observed=scene(shape=(300, 1450)))
    per_1000 = result.area_km2 / 1000
    assert result.froc["false_per_1000_km2"].tolist() == CURVE_RATES.tolist()
    for rate, recall in result.froc[["false_per_1000_km2", "recall"]].itertuples(index=False):
        thresholds = [s for s in np.unique(scores) if ((places >= 40) & (scores >= s)).sum() <= rate * per_1000]
        best = max((((places < 40) & (scores >= s)).sum() / 40 for s in thresholds), default=0.0)
        assert recall == pytest.approx(best)
    assert result.froc["recall"].nunique() > 3
    table = result.table().set_index("measure")["value"]
    assert table["recall at 10 false per 1000 km²"] == result.froc.set_index("false_per_1000_km2").loc[10, "recall"]


def test_what_was_not_observed_cannot_be_measured():
    with pytest.raises(LabkitError, match="observed must hold every scene .* instead .'b'. are missing"):
        evaluate(boxes(row_of(2), scene="b"), boxes(row_of(2)), observed=scene("a"))
    with pytest.raises(LabkitError, match="observed must hold each scene once"):
        evaluate(boxes(row_of(2)), boxes(row_of(2)), observed=[scene("a"), scene("a")])
    with pytest.raises(LabkitError, match="ground_spacing in metres, instead scene='a' has ground_spacing=nan"):
        evaluate(boxes(row_of(2)), boxes(row_of(2)), observed=scene(spacing=np.nan))


def test_an_image_is_a_chip_where_chips_are_given():
    data = couplets.gradients((64, 192), np.zeros((0, 5)), scene="a")
    chips = couplets.chips(data, 64)
    labels = [[64 * i + 16 * j, 8, 64 * i + 16 * j + 10, 18] for i in range(3) for j in range(4)]
    found = boxes([[*box, 0.9 - i / 100] for i, box in enumerate(labels)])
    assert evaluate(found, boxes(labels)).ar1 == pytest.approx(1 / 12)
    assert evaluate(found, boxes(labels), chips=chips).ar1 == pytest.approx(3 / 12)


def test_all_measures_lie_in_their_intervals_and_in_the_table():
    rng = np.random.default_rng(0)
    labels = [[200 * i, 0, 200 * i + s, s] for i, s in enumerate(rng.choice([20, 60, 120], 60))]
    moved = [[*(np.array(box) + rng.normal(0, 3, 4)), rng.uniform(0.3, 1)] for box in labels if rng.uniform() < 0.7]
    wrong = [[200 * i, 300, 200 * i + 30, 330, rng.uniform(0.1, 0.8)] for i in range(0, 60, 3)]
    data = scene(shape=(400, 12000))
    result = evaluate(boxes(moved + wrong), boxes(labels), observed=data, bootstrap=200, block_px=200)
    table = result.table()
    assert len(table) == 18 + len(FALSE_RATES) and np.isfinite(table[["value", "low", "high"]].to_numpy()).all()
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    assert set(result.intervals) == {name for name, kind in type(result).__annotations__.items() if kind == "float"} - {
        "score", "iou", "area_km2"
    }  # fmt: skip
    page = result._repr_html_()
    assert "AP50:95" in page and f"{result.ap:.3f}" in page and f"{result.true_positives} right" in page
    assert "<td>–</td>" in evaluate(boxes(moved), boxes(labels))._repr_html_()
    for curve, name in ((result.precision_recall, "precision"), (result.froc, "recall")):
        assert (curve["low"] <= curve[name] + 0.02).all() and (curve[name] <= curve["high"] + 0.02).all()
