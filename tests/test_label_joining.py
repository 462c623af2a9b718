"""Notebooks of several people join one Label Studio instead of starting one each."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import xarray as xr
from label_studio_fixture import RunningLabelStudio, chips_of, images_of

from labkit import label
from labkit.errors import ServerError
from labkit.label import LabelServer
from labkit.label.people import Person
from labkit.label.variables import FILES_FOLDER, files_folder

pytestmark = pytest.mark.server


def test_a_bench_without_colleagues_has_a_server_of_its_own(label_studio: LabelServer) -> None:
    server = label.join_server()
    assert (server.url, server.user, server.shared) == (label_studio.url, label_studio.user, False)
    assert str(label_studio.secrets_file) in server.password_hint
    assert label_studio.password not in server.password_hint


def test_a_person_joins_the_server_of_the_workshop_and_pushes_to_it(
    label_studio: LabelServer,
    running_label_studio: RunningLabelStudio,
    couplet_scene: xr.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (person,) = label.add_people([Person("Joining Jo", "jo@joining.local")])
    again = label.add_people([Person("Joining Jo", "jo@joining.local")])[0]
    assert (again.token, again.password) == (person.token, "")
    for name, value in {
        "LABKIT_HOME": str(tmp_path / "home-of-jo"),
        "LABKIT_LABEL_STUDIO_URL": label_studio.url,
        "LABKIT_LABEL_STUDIO_TOKEN": person.token,
        "LABKIT_LABEL_STUDIO_FILES": str(running_label_studio.home / FILES_FOLDER),
        "LABKIT_LABEL_STUDIO_ADDRESS": "http://room.example:8080/",
    }.items():
        monkeypatch.setenv(name, value)
    server = label.join_server()
    assert (server.url, server.user, server.shared, server.started) == (
        "http://room.example:8080",
        "jo@joining.local",
        True,
        False,
    )
    assert person.token not in repr(server)
    server.stop()
    assert label.is_healthy(label_studio.url)
    assert label.find_server() is None  # none of Jo's own was started

    chips = chips_of(couplet_scene, 416, 0.25).iloc[:1]
    images = images_of(chips, couplet_scene, tmp_path / "images")
    studio = label.connect()
    report = studio.push(chips, images, "of Jo")
    assert report.new == 1
    assert report.url.startswith("http://room.example:8080/projects/")
    assert studio.link("of Jo") == report.url
    number = report.url.split("/")[-2]
    with requests.Session() as web:
        web.trust_env = False
        web.headers["Authorization"] = f"Token {person.token}"
        (task,) = web.get(f"{label_studio.url}/api/tasks?project={number}", timeout=60).json()["tasks"]
        shown = web.get(f"{label_studio.url}{task['data']['azimuth']}", timeout=60)
    assert shown.content == Path(images["path"].iloc[0]).read_bytes()

    monkeypatch.setenv("LABKIT_LABEL_STUDIO_TOKEN", "0" * 40)
    with pytest.raises(ServerError, match="must accept the token"):
        label.join_server()


def test_pictures_that_all_share_are_served_from_where_the_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "bench"))
    (tmp_path / "bench").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "bench" / FILES_FOLDER).symlink_to(tmp_path / "pictures")
    assert files_folder() == (tmp_path / "pictures").resolve()
