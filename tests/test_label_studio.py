"""Chips to a real Label Studio and labels back, as an annotator's browser would submit them."""

from __future__ import annotations

import os
import time
import urllib.request
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import requests
import xarray as xr
from label_studio_fixture import chips_of, images_of
from PIL import Image

import labkit as lk
from labkit import geo, schema
from labkit.errors import FileError, LabkitError, ServerError
from labkit.label import LABEL_COLUMNS, LabelServer, Studio, connect, sending
from labkit.label.convert import to_region
from labkit.label.guidance import guidance_version
from labkit.label.project import Project

pytestmark = pytest.mark.server


@pytest.fixture
def two_chips(couplet_scene: xr.Dataset, tmp_path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    chips = chips_of(couplet_scene, 416, 0.25).iloc[[0, 3]].reset_index(drop=True)
    return chips, images_of(chips, couplet_scene, tmp_path / "images")


@pytest.fixture
def studio(label_studio: LabelServer) -> Studio:
    return connect()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project of the test's own on the shared server (titles hold 50 characters)."""
    return request.node.name[-50:]


def api(server: LabelServer, method: str, path: str, **more: object) -> requests.Response:
    """Ask the server as a browser's page does, not through labkit."""
    answer = requests.request(
        method, server.url + path, headers={"Authorization": f"Token {server.token}"}, timeout=30, **more
    )
    answer.raise_for_status()
    return answer


def tasks_of(server: LabelServer, studio: Studio, project: str) -> list[dict]:
    number = studio.link(project).split("/")[-2]
    return api(server, "GET", f"/api/tasks?project={number}&page_size=1000&fields=all").json()["tasks"]


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


def test_images_are_served_to_those_who_are_logged_in_and_to_nobody_else(studio, label_studio, two_chips, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    address = label_studio.url + tasks_of(label_studio, studio, project)[0]["data"]["azimuth"]
    served = requests.get(address, headers={"Authorization": f"Token {label_studio.token}"}, timeout=30)
    assert served.status_code == 200
    assert served.headers["Content-Type"] == "image/png"
    assert served.content in {Path(path).read_bytes() for path in images["path"]}
    assert requests.get(address, timeout=30, allow_redirects=False).status_code in (401, 403)
    for escape in ("chips/../../secrets.json", "../secrets.json", "%2e%2e/secrets.json", "/etc/passwd"):
        outside = requests.get(
            f"{label_studio.url}/data/local-files/?d={escape}",
            headers={"Authorization": f"Token {label_studio.token}"},
            timeout=30,
        )
        assert outside.status_code >= 400, escape
        assert label_studio.token not in outside.text


def test_rendering_a_chip_anew_gives_its_image_another_address_and_keeps_what_was_drawn(
    studio, label_studio, two_chips, project
):
    chips, images = two_chips
    studio.push(chips, images, project)
    before = {task["data"]["chip_id"]: task for task in tasks_of(label_studio, studio, project)}
    chip_id, direction = images["chip_id"][0], images["direction"][0]
    region = to_region("kept", "range", (10.0, 20.0, 60.0, 90.0), 416)
    api(label_studio, "POST", f"/api/tasks/{before[chip_id]['id']}/annotations/", json={"result": [region]})
    drawn = studio.pull(project)
    Image.new("RGB", (416, 416), (1, 2, 3)).save(images["path"][0])
    report = studio.push(chips, images, project)
    assert (report.new, report.known, report.updated) == (0, 1, 1)
    after = {task["data"]["chip_id"]: task for task in tasks_of(label_studio, studio, project)}
    assert {name: task["id"] for name, task in after.items()} == {name: task["id"] for name, task in before.items()}
    old, new = before[chip_id]["data"], after[chip_id]["data"]
    assert {name for name in new if new[name] != old[name]} == {direction}
    assert api(label_studio, "GET", new[direction]).content == Path(images["path"][0]).read_bytes()
    gone = requests.get(
        label_studio.url + old[direction], headers={"Authorization": f"Token {label_studio.token}"}, timeout=30
    )
    assert gone.status_code == 404
    pd.testing.assert_frame_equal(pd.DataFrame(studio.pull(project)), pd.DataFrame(drawn))
    assert len(drawn) == 1
    assert studio.push(chips, images, project).updated == 0


def test_a_push_that_was_cut_goes_on_where_it_stopped(
    studio, label_studio, couplet_scene, tmp_path, project, monkeypatch
):
    chips = chips_of(couplet_scene, 100).iloc[:9].reset_index(drop=True)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    monkeypatch.setattr(sending, "PAGE", 4)

    def cut_at(name: str, call: int) -> pytest.MonkeyPatch:
        """Let a person interrupt the push at a call of the project's method."""
        calls, going_on = iter(range(call)), getattr(Project, name)

        def interrupted(*given: object) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            going_on(*given)

        patch = pytest.MonkeyPatch()
        patch.setattr(Project, name, interrupted)
        return patch

    patch = cut_at("add_tasks", 1)
    with pytest.raises(KeyboardInterrupt):
        studio.push(chips, images, project)
    patch.undo()
    assert len(tasks_of(label_studio, studio, project)) == 4
    report = studio.push(chips, images, project)
    assert (report.new, report.known) == (5, 4)

    for path in images["path"]:
        Image.new("RGB", (100, 100), (1, 2, 3)).save(path)
    patch = cut_at("renew_task", 6)
    with pytest.raises(KeyboardInterrupt):
        studio.push(chips, images, project)
    patch.undo()
    report = studio.push(chips, images, project)
    assert (report.new, report.known, report.updated) == (0, 6, 3)
    listed = tasks_of(label_studio, studio, project)
    assert sorted(task["data"]["chip_id"] for task in listed) == sorted(chips["chip_id"])
    for task in listed:
        assert api(label_studio, "GET", task["data"]["range"]).content == Path(images["path"][0]).read_bytes()


def test_a_listing_over_several_pages_is_whole(studio, label_studio, couplet_scene, tmp_path, project):
    chips = chips_of(couplet_scene, 40).iloc[:230].reset_index(drop=True)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    assert studio.push(chips, images, project).new == 230
    assert studio.push(chips, images, project).new == 0
    last = max(tasks_of(label_studio, studio, project), key=lambda task: task["id"])
    region = to_region("r", "azimuth", (1.0, 2.0, 30.0, 20.0), 40)
    api(label_studio, "POST", f"/api/tasks/{last['id']}/annotations/", json={"result": [region]})
    assert list(studio.pull(project)["chip_id"]) == [last["data"]["chip_id"]]


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


def test_rate_chips_get_one_image_and_a_project_of_their_own(studio, two_chips, couplet_scene, tmp_path, project):
    rates = couplet_scene["gradient"].isel(direction=0, drop=True).to_dataset(name="rate").assign_attrs(scene="rates")
    chips = chips_of(rates, 512).iloc[:1]
    studio.push(chips, images_of(chips, rates, tmp_path / "rates"), project)
    report = studio.annotate(
        project,
        schema.boxes_table(
            {"scene": ["rates"], "direction": ["rate"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
        ),
    )
    assert report.boxes == 1
    assert list(studio.pull(project, {"rates": rates})["xmin"]) == pytest.approx([9.5])
    with pytest.raises(LabkitError, match=r"must be made for the images \('azimuth', 'range'\)"):
        studio.push(*two_chips, project)


def test_pictures_beside_and_guidance_of_ones_own_reach_the_project(studio, label_studio, two_chips, tmp_path, project):
    chips, images = two_chips
    beside = images[images["direction"] == "range"].assign(direction="coherence")
    together = pd.concat([images, beside], ignore_index=True)
    report = studio.push(chips, together, project, guidance="<p>First words.</p>")
    shown = api(label_studio, "GET", tasks_of(label_studio, studio, project)[0]["data"]["coherence"]).content
    assert shown in {Path(path).read_bytes() for path in beside["path"]}
    boxes = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
    studio.annotate(project, schema.boxes_table(boxes))
    assert list(studio.pull(project, store=tmp_path / "store")["guidance"]) == [guidance_version("<p>First words.</p>")]
    again = studio.push(chips, together, project, guidance="<p>Other words.</p>")
    assert (again.known, again.updated) == (2, 0)
    number = report.url.split("/")[-2]
    assert api(label_studio, "GET", f"/api/projects/{number}").json()["expert_instruction"] == "<p>Other words.</p>"
    # a label that was drawn under the first words keeps their version
    assert list(studio.pull(project, store=tmp_path / "store")["guidance"]) == [guidance_version("<p>First words.</p>")]
    with pytest.raises(LabkitError, match=r"must be made for the images \('azimuth', 'range'\), instead"):
        studio.push(*two_chips, project)


def test_a_chip_without_its_images_is_named(studio, two_chips, project):
    chips, images = two_chips
    with pytest.raises(LabkitError, match=f"chip '{chips['chip_id'][1]}' has \\['azimuth'\\]"):
        studio.push(chips, images.iloc[:3], project)
    Path(images["path"][0]).unlink()
    with pytest.raises(FileError, match=Path(images["path"][0]).name):
        studio.push(chips, images, project)
    with pytest.raises(LabkitError, match="project must be one of"):
        studio.pull(project)


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


def test_a_folder_that_the_server_does_not_serve_is_named(label_studio, two_chips, tmp_path, project):
    elsewhere = connect(files=tmp_path / "elsewhere")
    with pytest.raises(ServerError, match=r"must serve images from .*elsewhere"):
        elsewhere.push(*two_chips, project)


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
    began = time.monotonic()
    assert connect().url == label_studio.url
    assert time.monotonic() - began < 30
