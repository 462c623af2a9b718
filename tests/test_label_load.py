"""Many people label at once while chips are pushed and labels pulled: what the server acknowledged is there, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import xarray as xr
from crowd import Annotator, crowd_of, label_while_others_push_and_pull
from label_studio_fixture import chips_of, free_port, images_of

from labkit.label import LabelStore, connect, open_store, start_server

pytestmark = pytest.mark.server

PROJECT = "workshop"


def many_chips(scene: xr.Dataset, count: int, folder: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """As many small chips as asked for; a few are rendered and stand for all."""
    few = chips_of(scene, 64)
    drawn = images_of(few, scene, folder)
    times = range(-(-count // len(few)))
    chips = pd.concat([few.assign(chip_id=few["chip_id"] + f"-{n}") for n in times], ignore_index=True)
    images = pd.concat([drawn.assign(chip_id=drawn["chip_id"] + f"-{n}") for n in times], ignore_index=True)
    return chips.iloc[:count], images[images["chip_id"].isin(chips["chip_id"][:count])]


def assert_all_is_there_once(store: LabelStore, crowd: list[Annotator], each: int) -> None:
    assert [word for annotator in crowd for word in annotator.refused] == []
    acknowledged = [box for annotator in crowd for box in annotator.acknowledged]
    assert len(acknowledged) == each * len(crowd)
    labels = store.labels(PROJECT)
    columns = ["task_id", "annotation_id", "region_id", "annotator"]
    kept = sorted(labels[columns].itertuples(index=False, name=None))
    assert kept == sorted((b.task_id, b.annotation_id, b.region_id, b.annotator) for b in acknowledged)
    assert labels.attrs["set_aside"] == []
    assert set(store.history()["change"]) == {"added"}


def label_together(scene: xr.Dataset, database: str, people: int, each: int, tmp_path: Path) -> None:
    """Let a room of people label in a database, and hold what was acknowledged against the store."""
    chips, images = many_chips(scene, people * each, tmp_path / "images")
    store = open_store(tmp_path / "labels")
    with start_server(port=free_port(), database=database) as server:
        crowd = crowd_of(server, people)
        pulled = label_while_others_push_and_pull(crowd, each, chips, images, PROJECT, store)
        assert connect().push(chips, images, PROJECT).new == 0
    assert pulled == sorted(pulled)
    assert_all_is_there_once(store, crowd, each)


@pytest.fixture
def team_home(migrated_postgresql, label_studio_environment, tmp_path, monkeypatch) -> str:
    """A bench of this test's own whose Label Studio keeps its data in PostgreSQL; gives the database's address."""
    cluster, ready_home = migrated_postgresql
    shutil.copytree(ready_home, tmp_path / "home")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    return cluster.make(tmp_path.name, "ready")


def test_a_small_room_labels_at_once_in_postgresql(team_home, couplet_scene, tmp_path):
    label_together(couplet_scene, team_home, 6, 5, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_people_label_at_once_in_postgresql(team_home, couplet_scene, tmp_path):
    label_together(couplet_scene, team_home, 30, 40, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_people_label_at_once_in_sqlite(fresh_home, couplet_scene, tmp_path):
    label_together(couplet_scene, "sqlite", 30, 10, tmp_path)
