"""What counts as detected: boxes on labels by their centres, false boxes, areas, and counts that add up."""

from __future__ import annotations

import couplets as formula
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

import labkit as lk
from labkit import schema
from labkit.errors import LabkitError
from labkit.studies import detected_labels, false_boxes, measure_detection, pool

SHAPE = (240, 260)


def boxes(*corners: tuple[float, float, float, float], direction: str = "range", scene: str = "a") -> gpd.GeoDataFrame:
    edges = zip(("xmin", "ymin", "xmax", "ymax"), np.array(corners, float).reshape(-1, 4).T, strict=True)
    return schema.boxes_table({"scene": scene, "direction": [direction] * len(corners), **dict(edges)})


def test_a_box_detects_a_label_when_the_centre_of_either_lies_in_the_other() -> None:
    label = boxes((10, 10, 30, 30))
    small_inside, wide_around = boxes((12, 12, 16, 16)), boxes((0, 0, 100, 26))
    beside, touching = boxes((31, 10, 51, 30)), boxes((29, 29, 45, 45))
    assert [bool(detected_labels(found, label)[0]) for found in (small_inside, wide_around, beside, touching)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_box_of_another_direction_or_scene_detects_nothing() -> None:
    label = boxes((10, 10, 30, 30))
    for found in (boxes((10, 10, 30, 30), direction="azimuth"), boxes((10, 10, 30, 30), scene="b")):
        assert not detected_labels(found, label).any()


def test_a_box_is_false_only_where_no_landslide_is_in_any_direction() -> None:
    found = boxes((10, 10, 30, 30), (60, 60, 80, 80))
    assert false_boxes(found, boxes((10, 10, 30, 30), direction="azimuth")).tolist() == [False, True]


def planted(scene: str = "formula", seed: int = 0, count: int = 6) -> tuple:
    bumps = formula.random_bumps(SHAPE, count, seed)
    stack = formula.gradients(SHAPE, bumps, scene=scene, seed=seed)
    truth = formula.truth(stack, bumps)
    return stack, truth.assign(landslide_id=np.tile([f"{seed}-{i}" for i in range(count)], 2))


def test_planted_couplets_are_counted_as_they_were_planted() -> None:
    stack, truth = planted()
    table = measure_detection(stack, truth).set_index("direction")
    assert table["labels"].to_dict() == {"azimuth": 6, "range": 6, "either": 6}
    assert table.loc["either", "detected"] == 6
    assert table["false"].sum() == 0
    # three columns have no data; the last row and the last column have it in one of the directions
    valid = np.isfinite(stack["gradient"].values).any(axis=0).sum()
    assert table["area_km2"].to_numpy() == pytest.approx(valid * 0.0016)
    assert table["false_high"].to_numpy() == pytest.approx(1000 / (valid * 0.0016) * -np.log(0.025))


def test_who_finds_a_landslide_that_need_not_be_found_is_not_wrong() -> None:
    stack, truth = planted()
    half = truth["landslide_id"].isin(["0-0", "0-1", "0-2"])
    strict = measure_detection(stack, truth[half]).set_index("direction")
    told = measure_detection(stack, truth[half], unseen=truth[~half]).set_index("direction")
    assert strict.loc["either", "labels"] == told.loc["either", "labels"] == 3
    assert strict.loc["either", "false"] == 3
    assert told["false"].sum() == 0


def test_truth_of_another_scene_is_left_aside() -> None:
    stack, truth = planted()
    other = truth.assign(scene="elsewhere")
    both = measure_detection(stack, gpd.GeoDataFrame(pd.concat([truth, other], ignore_index=True)))
    pd.testing.assert_frame_equal(both, measure_detection(stack, truth))


def test_pooled_scenes_add_their_counts_and_narrow_the_interval() -> None:
    tables = [measure_detection(*planted(scene=f"s{seed}", seed=seed)) for seed in (0, 1)]
    pooled = pool(tables, ["direction"]).set_index("direction")
    for direction in ("azimuth", "range", "either"):
        parts = pd.concat(tables).query("direction == @direction")
        assert pooled.loc[direction, "labels"] == parts["labels"].sum() == 12
        assert pooled.loc[direction, "area_km2"] == pytest.approx(parts["area_km2"].sum())
    width = pooled["recall_high"] - pooled["recall_low"]
    assert width["either"] < (tables[0]["recall_high"] - tables[0]["recall_low"]).iloc[2]


def test_a_stack_with_nothing_in_it_has_recall_of_nothing() -> None:
    stack, truth = planted()
    quiet = stack.copy()
    quiet["gradient"] = stack["gradient"] * 0 + np.random.default_rng(3).normal(0, 0.2, stack["gradient"].shape)
    table = measure_detection(quiet.astype(np.float32), truth.iloc[:0]).set_index("direction")
    assert table["recall"].isna().all()
    assert table["labels"].sum() == 0


def test_truth_without_names_is_refused() -> None:
    stack, truth = planted()
    with pytest.raises(LabkitError, match="truth must have the column 'landslide_id'"):
        measure_detection(stack, truth.drop(columns="landslide_id"))


def test_columns_that_are_not_there_cannot_be_pooled_by() -> None:
    with pytest.raises(LabkitError, match="missing: \\['season'\\]"):
        pool(measure_detection(*planted()), ["season"])


def test_studies_are_there_under_the_short_name() -> None:
    assert lk.studies.measure_detection is measure_detection
