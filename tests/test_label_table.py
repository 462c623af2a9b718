"""Tasks as Label Studio lists them → labels; who drew, and tasks that labkit did not make."""

from __future__ import annotations

import pandas as pd
import pytest

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import LABEL_COLUMNS
from labkit.label.convert import to_region
from labkit.label.table import empty_labels, to_labels

CLASSES = {"azimuth": {"landslide"}, "range": {"landslide"}}
DATA = {"chip_id": "c", "scene": "s", "row": 100, "col": 200, "size": 50}


def annotation(number: int, completed_by: object = 3, **more: object) -> dict[str, object]:
    region = to_region(f"r{number}", "range", (10, 20, 30, 40), 50)
    times = {"created_at": "2024-05-06T07:08:09.5Z", "updated_at": "2024-05-06T09:08:09+02:00"}
    return {"id": number, "completed_by": completed_by, "result": [region], **times, **more}


def test_two_people_on_one_task_give_a_row_each():
    task = {"id": 1, "data": DATA, "annotations": [annotation(1), annotation(2, {"id": 4, "email": "b@x"})]}
    labels = to_labels([task], CLASSES, {3: "a@x"})
    assert list(labels["annotator"]) == ["a@x", "b@x"]
    assert list(labels["annotation_id"]) == [1, 2]
    assert labels.attrs["annotated_chips"] == ["c"]
    assert labels[["xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist() == [[210, 120, 230, 140]] * 2


def test_times_are_utc():
    labels = to_labels([{"id": 1, "data": DATA, "annotations": [annotation(1)]}], CLASSES, {})
    assert labels["created"][0] == pd.Timestamp("2024-05-06 07:08:09.5", tz="UTC")
    assert labels["updated"][0] == pd.Timestamp("2024-05-06 07:08:09", tz="UTC")


def test_somebody_unknown_keeps_the_number():
    labels = to_labels([{"id": 1, "data": DATA, "annotations": [annotation(1, 99)]}], CLASSES, {3: "a@x"})
    assert labels["annotator"][0] == "99"


def test_without_corners_a_label_has_no_place():
    labels = to_labels([{"id": 1, "data": DATA, "annotations": [annotation(1)]}], CLASSES, {})
    assert labels.geometry.isna().all()
    assert labels.crs == "EPSG:4326"


def test_an_empty_table_has_the_columns_and_types_of_a_full_one():
    full = to_labels([{"id": 1, "data": DATA, "annotations": [annotation(1)]}], CLASSES, {})
    empty = empty_labels()
    assert list(empty.columns) == [*schema.BOX_COLUMNS, *LABEL_COLUMNS]
    assert dict(empty.dtypes) == dict(full.dtypes)


def test_a_task_of_somebody_elses_making_is_named():
    with pytest.raises(LabkitError, match="task 5 must have chip_id, scene, row, col and size"):
        to_labels([{"id": 5, "data": {"image": "x.png"}, "annotations": []}], CLASSES, {})
