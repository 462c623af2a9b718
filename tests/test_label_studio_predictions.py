"""A model's boxes on pushed chips: shown, replaced by its next ones, and answers taken from a table."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from label_studio_projects import tasks_of

import labkit as lk
from labkit import geo, schema
from labkit.errors import LabkitError

pytestmark = pytest.mark.server


def test_predictions_are_shown_with_model_and_score_and_replaced_by_the_models_next_ones(
    studio, label_studio, two_chips, project
):
    chips, images = two_chips
    row, col = chips["row"][1], chips["col"][1]

    def detections(xmin: float) -> gpd.GeoDataFrame:
        return schema.boxes_table(
            {
                "scene": ["couplet", "couplet", "elsewhere"],
                "direction": ["azimuth", "range", "azimuth"],
                "xmin": [col + xmin, col + 380.0, 0.0],
                "ymin": [row + 300.0, row + 300.0, 0.0],
                "xmax": [col + 200.0, col + 480.0, 50.0],
                "ymax": [row + 400.0, row + 400.0, 50.0],
                "score": [0.9, 0.8, 0.7],
                "model": "first",
            }
        )

    studio.push(chips, images, project)
    assert studio.push(chips, images, project, predictions=detections(100.0)).predictions == 1
    assert studio.push(chips, images, project, predictions=detections(100.0)).predictions == 0
    assert studio.push(chips, images, project, predictions=detections(120.0)).predictions == 1
    found = [p for task in tasks_of(label_studio, studio, project) for p in task["predictions"]]
    assert [(p["model_version"], p["score"]) for p in found] == [("first", 0.9)]
    assert [region["to_name"] for region in found[0]["result"]] == ["azimuth"]
    assert found[0]["result"][0]["value"]["x"] == pytest.approx(100 * 120 / 416)


def test_new_chips_arrive_together_with_their_predictions(studio, label_studio, two_chips, project):
    chips, images = two_chips
    found = schema.boxes_table(
        {
            "scene": ["couplet"],
            "direction": ["range"],
            "xmin": [float(chips["col"][0] + 10)],
            "ymin": [float(chips["row"][0] + 10)],
            "xmax": [float(chips["col"][0] + 60)],
            "ymax": [float(chips["row"][0] + 60)],
            "score": [0.75],
            "model": "second",
        }
    )
    assert studio.push(chips, images, project, predictions=found).predictions == 1
    predictions = {t["data"]["chip_id"]: t["predictions"] for t in tasks_of(label_studio, studio, project)}
    assert [p["score"] for p in predictions[chips["chip_id"][0]]] == [0.75]
    assert predictions[chips["chip_id"][1]] == []


def test_couplets_found_without_training_are_first_proposals(studio, label_studio, two_chips, couplet_scene, project):
    chips, images = two_chips
    found = lk.couplets(couplet_scene.isel(y=slice(0, 416), x=slice(0, 600)), progress=False)
    # the couplet lies on both chips, for more than half of it
    assert studio.push(chips, images, project, predictions=found).predictions == 2
    for task in tasks_of(label_studio, studio, project):
        (shown,) = task["predictions"]
        assert shown["model_version"] == "couplets"
        assert shown["score"] == pytest.approx(found["score"].max())
        middle = {"x": 100 * (350 - task["data"]["col"]) / 416, "y": 100 * (300 - task["data"]["row"]) / 416}
        assert sorted(region["to_name"] for region in shown["result"]) == ["azimuth", "range"]
        for box in (region["value"] for region in shown["result"]):
            assert all(box[e] < middle[e] < box[e] + box[side] for e, side in (("x", "width"), ("y", "height")))


def test_annotating_from_a_table_reaches_open_tasks_once(studio, couplet_scene, two_chips, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    truth = geo.with_geometry(
        schema.boxes_table(
            {
                "scene": ["couplet"] * 2,
                "direction": ["azimuth", "range"],
                "xmin": [290.0, 250.0],
                "ymin": [230.0, 260.0],
                "xmax": [410.0, 450.0],
                "ymax": [370.0, 340.0],
            }
        ),
        couplet_scene,
    )
    report = studio.annotate(project, truth, include_empty=True)
    assert (report.annotated, report.known) == (2, 0)
    again = studio.annotate(project, truth, include_empty=True)
    assert (again.annotated, again.known, again.boxes) == (0, 2, 0)
    labels = studio.pull(project, [couplet_scene])
    assert len(labels) == report.boxes
    azimuth = labels[(labels["direction"] == "azimuth") & (labels["chip_id"] == chips["chip_id"][0])].iloc[0]
    np.testing.assert_allclose(azimuth[["xmin", "ymin", "xmax", "ymax"]].astype(float), [290, 230, 410, 370], atol=1e-6)
    assert azimuth.geometry.equals_exact(truth.geometry[0], 1e-9)
    with pytest.raises(LabkitError, match="label must be on offer"):
        studio.annotate(project, truth.assign(label="glacier"))


def test_an_annotation_that_begins_with_proposals_is_counted_by_what_became_of_them(studio, two_chips, project):
    chips, images = two_chips
    row, col = chips["row"][0], chips["col"][0]

    def boxes(*lefts: float) -> gpd.GeoDataFrame:
        corners = {"xmin": [col + left for left in lefts], "ymin": [row + 100.0] * len(lefts)}
        corners |= {"xmax": [col + left + 40 for left in lefts], "ymax": [row + 140.0] * len(lefts)}
        return schema.boxes_table({"scene": "couplet", "direction": "azimuth", "model": "m", "score": 0.9} | corners)

    studio.push(chips[:1], images, project, predictions=boxes(20.0, 100.0, 180.0))
    # of 40 px width: 2 px aside is left, 20 px aside is moved, the third is nothing, and one is new
    studio.annotate(project, boxes(22.0, 120.0, 300.0), from_proposals=True)
    counts = lk.label.count_proposals(studio.proposals(project)).iloc[0]
    assert counts[["accepted", "moved", "relabelled", "deleted", "added"]].tolist() == [1, 1, 0, 1, 1]
    assert counts["precision"] == pytest.approx(2 / 3)
    labels = studio.pull(project).sort_values("xmin")
    assert labels["origin"].tolist() == ["accepted", "moved", "manual"]
    np.testing.assert_allclose(labels["xmin"] - col, [20, 120, 300], atol=1e-6)
