"""Chips to a real Label Studio and labels back, as an annotator's browser would submit them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import urllib.request

import numpy as np
import pandas as pd
import pytest
from label_studio_fixture import chips_of, images_of
from label_studio_projects import api, tasks_of

from labkit import schema
from labkit.errors import LabkitError, ServerError
from labkit.label import LABEL_COLUMNS, connect
from labkit.label.convert import to_region

pytestmark = pytest.mark.server


def test_pushing_two_chips_makes_two_tasks_and_pushing_again_makes_none(studio, label_studio, two_chips, project):
    chips, images = two_chips
    first = studio.push(chips, images, project)
    assert (first.new, first.known) == (2, 0)
    second = studio.push(chips, images, project)
    assert (second.new, second.known, second.url) == (0, 2, first.url)
    listed = tasks_of(label_studio, studio, project)
    assert sorted(task["data"]["chip_id"] for task in listed) == sorted(chips["chip_id"])
    number = first.url.split("/")[-2]
    assert len(api(label_studio, "GET", f"/api/storages/localfiles?project={number}").json()) == 1


def test_tasks_that_a_dead_push_doubled_are_removed_but_for_those_with_work(studio, label_studio, two_chips, project):
    chips, images = two_chips
    number = studio.push(chips, images, project).url.split("/")[-2]
    first, second = sorted(tasks_of(label_studio, studio, project), key=lambda task: task["id"])
    # what the server was still taking when the pushing process died comes once more
    doubled = [{"data": task["data"]} for task in (first, second, second)]
    # and somebody else keeps tasks of another kind there, twice
    doubled += 2 * [{"data": {name: value for name, value in first["data"].items() if name != "chip_id"}}]
    api(label_studio, "POST", f"/api/projects/{number}/import", json=doubled)
    later = [t["id"] for t in tasks_of(label_studio, studio, project) if t["data"] == second["data"]][1:]
    box = to_region("b", "azimuth", (10, 10, 50, 50), 416)
    for task in later[:1]:
        api(label_studio, "POST", f"/api/tasks/{task}/annotations/", json={"result": [box]})
    report = studio.push(chips, images, project)
    assert (report.new, report.known) == (0, 2)
    left = tasks_of(label_studio, studio, project)
    assert {t["id"] for t in left if "chip_id" in t["data"]} == {first["id"], later[0]}
    assert len(left) == 4 and [len(t["annotations"]) for t in left if t["id"] == later[0]] == [1]


def test_a_second_push_into_a_project_at_the_same_time_is_refused(studio, two_chips, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    pushing = "from labkit.label import connect\nstudio = connect()\n" + textwrap.dedent(f"""
        from pathlib import Path
        from labkit.label.project import open_project
        target = open_project(studio.url, studio._client, {project!r})
        with target.pushed_into(target.serve_folder(studio._files)):
            print("held", flush=True)
            input()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", pushing], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ServerError, match="another push is going on"):
            studio.push(chips, images, project)
        other.communicate("\n", timeout=60)
    assert studio.push(chips, images, project).known == 2


def test_boxes_submitted_on_both_images_come_back_to_the_same_pixels_and_places(
    studio, label_studio, two_chips, couplet_scene, project
):
    chips, images = two_chips
    studio.push(chips, images, project)
    task = next(t for t in tasks_of(label_studio, studio, project) if t["data"]["chip_id"] == chips["chip_id"][1])
    row, col = chips["row"][1], chips["col"][1]
    assert (row, col) != (0, 0)
    drawn = {"azimuth": (30.25, 12.5, 133.125, 97.75), "range": (200.0, 210.1, 301.7, 333.3)}
    result = [to_region(f"r-{direction}", direction, box, 416) for direction, box in drawn.items()]
    api(label_studio, "POST", f"/api/tasks/{task['id']}/annotations/", json={"result": result})

    by_corners = studio.pull(project)
    by_scene = studio.pull(project, couplet_scene)
    for labels in (by_corners, by_scene):
        schema.check_boxes(labels, "labels")
        assert list(labels["direction"]) == ["azimuth", "range"]
        for (_, label), (xmin, ymin, xmax, ymax) in zip(labels.iterrows(), drawn.values(), strict=True):
            expected = np.array([xmin + col, ymin + row, xmax + col, ymax + row])
            np.testing.assert_allclose(label[["xmin", "ymin", "xmax", "ymax"]].astype(float), expected, atol=1e-6)
            lon, lat = 101.5 + 4e-4 * expected[[0, 2]], 30.9 - 3e-4 * expected[[1, 3]]
            corner = label.geometry.exterior.coords[0]
            # the scene's formula at the upper left corner
            assert corner[0] == pytest.approx(lon[0] - 1e-4 * expected[1], abs=1e-9)
            assert corner[1] == pytest.approx(lat[0] - 5e-5 * expected[0], abs=1e-9)
    label = by_scene.iloc[0]
    assert (label["label"], label["score"], label["model"], label["origin"]) == ("landslide", 1.0, "", "manual")
    assert label["annotator"] == label_studio.user
    assert abs((pd.Timestamp.now("UTC") - label["created"]).total_seconds()) < 120
    assert list(by_scene.columns) == [*schema.BOX_COLUMNS, *LABEL_COLUMNS]
    assert by_scene.attrs["annotated_chips"] == [chips["chip_id"][1]]
    assert by_scene.attrs["set_aside"] == []


def test_regions_that_cannot_be_used_are_set_aside_with_their_reason(studio, label_studio, two_chips, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    task = tasks_of(label_studio, studio, project)[0]
    good = to_region("outside", "azimuth", (-20.0, 5.0, 30.0, 40.0), 416)
    backwards = to_region("backwards", "range", (300.0, 310.0, 200.0, 210.0), 416)
    unknown = to_region("unknown", "range", (10.0, 10.0, 20.0, 20.0), 416, "glacier")
    crossed = to_region("crossed", "range", (10.0, 10.0, 20.0, 20.0), 416) | {"from_name": "azimuth_boxes"}
    rotated = to_region("rotated", "range", (10.0, 10.0, 20.0, 20.0), 416)
    rotated["value"]["rotation"] = 30
    result = [good, backwards, unknown, crossed, rotated]
    api(label_studio, "POST", f"/api/tasks/{task['id']}/annotations/", json={"result": result})
    labels = studio.pull(project)
    boxes = labels[["xmin", "ymin", "xmax", "ymax"]].to_numpy() - task["data"]["col"] * np.array([1, 0, 1, 0])
    boxes -= task["data"]["row"] * np.array([0, 1, 0, 1])
    np.testing.assert_allclose(boxes, [[0, 5, 30, 40], [200, 210, 300, 310]], atol=1e-6)
    reasons = {aside["region_id"]: aside["reason"].split()[0] for aside in labels.attrs["set_aside"]}
    assert reasons == {"unknown": "label", "crossed": "from_name", "rotated": "rotation"}


def test_a_skipped_task_is_no_answer_and_an_empty_one_says_that_somebody_looked(
    studio, label_studio, two_chips, project
):
    chips, images = two_chips
    studio.push(chips, images, project)
    assert len(studio.pull(project)) == 0
    skipped, empty = tasks_of(label_studio, studio, project)
    region = to_region("r", "range", (10.0, 10.0, 20.0, 20.0), 416)
    api(
        label_studio,
        "POST",
        f"/api/tasks/{skipped['id']}/annotations/",
        json={"result": [region], "was_cancelled": True},
    )
    api(label_studio, "POST", f"/api/tasks/{empty['id']}/annotations/", json={"result": []})
    labels = studio.pull(project)
    assert len(labels) == 0
    assert list(labels.columns) == [*schema.BOX_COLUMNS, *LABEL_COLUMNS]
    assert labels.attrs["annotated_chips"] == [empty["data"]["chip_id"]]


def test_a_listing_over_several_pages_is_whole(studio, label_studio, couplet_scene, tmp_path, project):
    chips = chips_of(couplet_scene, 40).iloc[:230].reset_index(drop=True)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    assert studio.push(chips, images, project).new == 230
    assert studio.push(chips, images, project).new == 0
    last = max(tasks_of(label_studio, studio, project), key=lambda task: task["id"])
    region = to_region("r", "azimuth", (1.0, 2.0, 30.0, 20.0), 40)
    api(label_studio, "POST", f"/api/tasks/{last['id']}/annotations/", json={"result": [region]})
    assert list(studio.pull(project)["chip_id"]) == [last["data"]["chip_id"]]


def test_an_empty_chip_set_is_refused(studio, two_chips, project):
    chips, images = two_chips
    with pytest.raises(LabkitError, match="chips must hold at least one row"):
        studio.push(chips.iloc[:0], images, project)


def test_a_scene_that_is_not_given_is_named(studio, two_chips, couplet_scene, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    boxes = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
    studio.annotate(project, schema.boxes_table(boxes))
    with pytest.raises(LabkitError, match="data must hold the scene 'couplet'"):
        studio.pull(project, couplet_scene.assign_attrs(scene="another"))


def test_the_address_and_token_come_from_the_environment_when_named(label_studio, monkeypatch):
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_URL", label_studio.url + "/")
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_TOKEN", label_studio.token)
    monkeypatch.setenv("LABKIT_HOME", os.devnull)
    studio = connect(files="/nowhere")
    assert repr(studio) == f"Studio({label_studio.url!r})"


def test_pushing_works_although_the_shell_names_a_proxy(label_studio, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert urllib.request.getproxies()["http"] == "http://127.0.0.1:9"
    assert connect().url == label_studio.url
