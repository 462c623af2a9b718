"""Pulls from a real Label Studio into a label store: whole or not at all, and the same again changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import requests
import xarray as xr
from geopandas.testing import assert_geodataframe_equal
from label_studio_fixture import chips_of, free_port, images_of

from labkit import geo, schema
from labkit.errors import LabkitError, ServerError
from labkit.label import LabelServer, Studio, connect, open_store, start_server
from labkit.label.config import CLASSES
from labkit.label.convert import to_region
from labkit.label.guidance import guidance_text, guidance_version
from labkit.label.project import Project

pytestmark = pytest.mark.server

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def ask(server: LabelServer, method: str, path: str, **more: object) -> requests.Response:
    """Ask the server as a browser's page does, not through labkit."""
    answer = requests.request(
        method, server.url + path, headers={"Authorization": f"Token {server.token}"}, timeout=30, **more
    )
    answer.raise_for_status()
    return answer


def submit(server: LabelServer, task: int, regions: list[dict], **more: object) -> int:
    return ask(server, "POST", f"/api/tasks/{task}/annotations/", json={"result": regions, **more}).json()["id"]


def tasks_of(server: LabelServer, studio: Studio, project: str) -> list[dict]:
    number = studio.link(project).split("/")[-2]
    return ask(server, "GET", f"/api/tasks?project={number}&page_size=1000&fields=all").json()["tasks"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return request.node.name[-50:]


@pytest.fixture
def pushed(label_studio: LabelServer, couplet_scene: xr.Dataset, tmp_path: Path, project: str) -> Studio:
    chips = chips_of(couplet_scene, 416, 0.25).iloc[[0, 3]].reset_index(drop=True)
    studio = connect()
    studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"), project)
    return studio


def test_labels_are_kept_changed_and_become_tombstones_as_people_work(
    pushed, label_studio, couplet_scene, tmp_path, project
):
    store = open_store(tmp_path / "labels")
    first, second = tasks_of(label_studio, pushed, project)
    boxes = {"a": (30.25, 12.5, 133.125, 97.75), "b": (200.0, 210.1, 301.7, 333.3)}
    regions = [to_region(name, "azimuth", box, 416) for name, box in boxes.items()]
    number = submit(label_studio, first["id"], regions, lead_time=42.5)
    submit(label_studio, second["id"], [])
    labels = pushed.pull(project, couplet_scene, store=store)
    np.testing.assert_allclose(
        labels[CORNERS].to_numpy() - [[first["data"][e] for e in ("col", "row", "col", "row")]],
        list(boxes.values()),
        atol=1e-6,
    )
    assert list(labels["lead_time"]) == [42.5, 42.5]
    assert set(labels["guidance"]) == {guidance_version(guidance_text(CLASSES))}
    assert set(labels["server_version"]) == {ask(label_studio, "GET", "/api/version").json()["release"]}
    assert set(labels["annotator"]) == {label_studio.user}
    assert set(labels["placed"]) == {"scene"}
    assert list(store.looks()["labels"]) == [2, 0]
    assert labels.attrs["annotated_chips"] == [first["data"]["chip_id"], second["data"]["chip_id"]]
    assert_geodataframe_equal(gpd.read_parquet(store.folder / "labels.parquet"), labels, check_dtype=False)

    before = files(store.folder)
    pushed.pull(project, couplet_scene, store=store)
    # chip corners place less exactly than the scene: they change nothing either
    pushed.pull(project, store=store)
    assert files(store.folder) == before

    kept = to_region("a", "azimuth", (31.0, 12.5, 133.125, 97.75), 416)
    ask(label_studio, "PATCH", f"/api/annotations/{number}/", json={"result": [kept]})
    after = pushed.pull(project, couplet_scene, store=store)
    assert list(after["region_id"]) == ["a"]
    stones = store.labels(deleted=True)
    assert list(stones["region_id"][stones["deleted"].notna()]) == ["b"]
    history = store.history()
    assert list(history["change"]) == ["added", "added", "changed", "deleted"]
    assert set(history["by"]) == {label_studio.user}
    ask(label_studio, "DELETE", f"/api/annotations/{number}/")
    assert len(pushed.pull(project, store=store)) == 0
    assert_geodataframe_equal(store.labels(at=1), labels)


def test_what_is_set_aside_stays_on_the_disk(pushed, label_studio, tmp_path, project):
    task = tasks_of(label_studio, pushed, project)[0]
    askew = to_region("askew", "range", (10.0, 10.0, 20.0, 20.0), 416)
    askew["value"]["rotation"] = 30
    outside = to_region("outside", "range", (-20.0, 5.0, 30.0, 40.0), 416)
    submit(label_studio, task["id"], [askew, outside])
    labels = pushed.pull(project, store=tmp_path / "labels")
    assert list(labels["repaired"]) == ["clipped"]
    assert [aside["region_id"] for aside in labels.attrs["set_aside"]] == ["askew"]
    assert open_store(tmp_path / "labels").set_aside()["item"].str.contains('"rotation": 30').all()


def test_a_scene_that_was_stacked_on_another_grid_is_refused(pushed, couplet_scene, project):
    halved = couplet_scene.isel(y=slice(0, None, 2), x=slice(0, None, 2))
    with pytest.raises(LabkitError, match=r"data must be on the grid that the chips were cut from.*move_labels"):
        pushed.pull(project, halved)


def test_boxes_are_exact_from_pixels_through_the_server_to_the_ground_and_back(
    pushed, label_studio, couplet_scene, project
):
    rng = np.random.default_rng(0)
    task = tasks_of(label_studio, pushed, project)[1]
    corners = np.sort(rng.uniform(0, 416, (40, 2, 2)), axis=1).reshape(40, 4)
    submit(label_studio, task["id"], [to_region(f"r{n}", "range", tuple(c), 416) for n, c in enumerate(corners)])
    labels = pushed.pull(project, couplet_scene)
    row, col = task["data"]["row"], task["data"]["col"]
    np.testing.assert_allclose(labels[CORNERS], corners + np.array([col, row, col, row]), atol=1e-6)
    lonlat = np.array([shape.exterior.coords[:4] for shape in labels.geometry])
    y, x = geo.lonlat_to_pixel(couplet_scene, lonlat[..., 0], lonlat[..., 1])
    back = np.column_stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)])
    np.testing.assert_allclose(back, labels[CORNERS], atol=1e-6)


PULL = """
import sys
from labkit.label import connect
connect().pull(sys.argv[1], store=sys.argv[2])
"""


def test_two_pulls_at_once_write_every_label_once(pushed, label_studio, tmp_path, project):
    for number, task in enumerate(tasks_of(label_studio, pushed, project)):
        submit(label_studio, task["id"], [to_region(f"r{number}", "range", (9.0, 9.0, 99.0, 99.0), 416)])
    words = [sys.executable, "-c", PULL, project, str(tmp_path / "labels")]
    pair = [subprocess.Popen(words, stderr=subprocess.PIPE, env=dict(os.environ)) for _ in range(2)]
    assert [process.communicate(timeout=120)[1] and process.returncode for process in pair] == [0, 0]
    store = open_store(tmp_path / "labels")
    assert store.revision == 1
    assert list(store.history()["change"]) == ["added", "added"]


def test_a_server_that_dies_during_a_pull_leaves_the_store_as_it_was(fresh_home, couplet_scene, tmp_path, monkeypatch):
    store = open_store(tmp_path / "labels")
    chips = chips_of(couplet_scene, 40).iloc[:230].reset_index(drop=True)
    with start_server(port=free_port()) as server:
        studio = connect()
        studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"), "dying")
        last = max(tasks_of(server, studio, "dying"), key=lambda task: task["id"])
        submit(server, last["id"], [to_region("r", "range", (9.0, 9.0, 19.0, 19.0), 40)])
        studio.pull("dying", store=store)
        before = files(store.folder)
        submit(server, last["id"] - 1, [to_region("s", "range", (9.0, 9.0, 19.0, 19.0), 40)])

        listing = Project.tasks

        def dying(self: Project, *, full: bool = True):
            for number, task in enumerate(listing(self, full=full)):
                if number == 100:  # the first page is here, the second is not asked for yet
                    os.killpg(server.pid, signal.SIGKILL)
                yield task

        with monkeypatch.context() as patch:
            patch.setattr(Project, "tasks", dying)
            with pytest.raises(ServerError, match="cannot be reached"):
                studio.pull("dying", store=store)
        assert files(store.folder) == before
    with start_server(port=free_port()):
        assert len(connect().pull("dying", store=store)) == 2


def test_two_people_and_an_accepted_prediction_are_told_apart(label_studio, couplet_scene, tmp_path, project):
    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    found = {"scene": ["couplet"], "direction": ["azimuth"], "xmin": [250.0], "ymin": [210.0], "xmax": [400.0]}
    proposed = schema.boxes_table({**found, "ymax": [390.0], "score": [0.9], "model": "first"})
    studio = connect()
    studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"), project, predictions=proposed)
    task = tasks_of(label_studio, studio, project)[0]
    (prediction,) = task["predictions"]
    region = prediction["result"][0]
    moved = {**region, "id": "m", "origin": "prediction-changed", "value": {**region["value"], "x": 10.0}}
    regions = [region | {"origin": "prediction"}, moved, to_region("h", "range", (1.0, 1.0, 50.0, 50.0), 416)]
    submit(label_studio, task["id"], regions, parent_prediction=prediction["id"])
    labels = studio.pull(project)
    assert list(labels["origin"]) == ["accepted", "moved", "manual"]
    assert list(labels["proposed_by"]) == ["first", "first", ""]
    assert labels["created"].max() > pd.Timestamp.now("UTC") - pd.Timedelta(minutes=5)
