"""Backups and snapshots of a real Label Studio: whole, verified, and back in their place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from label_studio_fixture import chips_of, free_port, images_of

from labkit import home
from labkit.errors import FileError, LabkitError
from labkit.label import back_up, connect, restore, start_server
from labkit.label.snapshots import list_snapshots, snapshots_to_keep, take_snapshot
from labkit.schema import boxes_table

pytestmark = pytest.mark.server

BOX = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, migrated_home, label_studio_environment, couplet_scene):
    """A home with a label, its backup (written while the server ran), and the label as it was pulled."""
    folder = tmp_path_factory.mktemp("labelled")
    shutil.copytree(migrated_home, folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(folder / "home"))
        patch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
        chips = chips_of(couplet_scene, 416).iloc[:1]
        with start_server(port=free_port()):
            studio = connect()
            studio.push(chips, images_of(chips, couplet_scene, folder / "images"))
            studio.annotate("labkit", boxes_table(BOX))
            labels = studio.pull()
            back_up(folder / "labels.tar", progress=False)
    return folder, labels


@pytest.fixture
def at_home(labelled, tmp_path, monkeypatch, label_studio_environment):
    """A copy of the labelled home."""
    shutil.copytree(labelled[0] / "home", tmp_path / "home")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    return tmp_path / "home"


def test_a_backup_brings_labels_and_images_to_another_place(labelled, tmp_path, monkeypatch, label_studio_environment):
    folder, labels = labelled
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    assert restore(folder / "labels.tar") is None
    with start_server(port=free_port()) as server:
        pulled = connect().pull()
        assert pulled.equals(labels)
        token = {"Authorization": f"Token {server.token}"}
        asked = f"{server.url}/api/tasks?project=1&fields=all"
        (task,) = requests.get(asked, headers=token, timeout=30).json()["tasks"]
        image = requests.get(server.url + task["data"]["azimuth"], headers=token, timeout=30)
        assert image.content.startswith(b"\x89PNG")


def test_a_backup_is_for_its_owner_and_states_what_it_holds(labelled):
    path = labelled[0] / "labels.tar"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest.json"))
    assert names[:2] == ["database", "secrets.json"]
    assert sorted(manifest["sums"]) == sorted(set(names) - {"manifest.json"})
    assert manifest["label_studio"].startswith("1.23")
    assert sum("_azimuth" in name and name.endswith(".png") for name in names) == 1


def test_the_lock_of_a_push_is_no_part_of_a_backup(labelled):
    folder, _ = labelled
    (lock,) = (folder / "home" / "label-studio-files" / "chips").rglob(".*.lock")
    with tarfile.open(folder / "labels.tar") as archive:
        assert [name for name in archive.getnames() if name.endswith(".lock")] == [], f"{lock} is in it"


def test_data_are_replaced_only_when_asked_for_and_then_kept(labelled, at_home):
    before = (at_home / "label-studio" / "label_studio.sqlite3").read_bytes()
    with pytest.raises(LabkitError, match="replace must be True"):
        restore(labelled[0] / "labels.tar")
    assert (at_home / "label-studio" / "label_studio.sqlite3").read_bytes() == before
    kept = restore(labelled[0] / "labels.tar", replace=True)
    assert kept is not None
    assert kept.parent == at_home
    assert {path.name for path in kept.iterdir()} == {"database", "secrets.json", "chips"}
    assert stat.S_IMODE((kept / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["cut", "changed", "no archive", "a link"])
def test_a_damaged_backup_changes_nothing(labelled, at_home, tmp_path, damage):
    path = tmp_path / "damaged.tar"
    content = bytearray((labelled[0] / "labels.tar").read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "changed":
        content[4096] ^= 1  # in the database
    elif damage == "no archive":
        content = bytearray(b"labels\n" * 100)
    path.write_bytes(content)
    if damage == "a link":
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo("database")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    before = {name: name.read_bytes() for name in at_home.rglob("*") if name.is_file()}
    with pytest.raises(FileError, match=r"damaged\.tar must"):
        restore(path, replace=True)
    assert {name: name.read_bytes() for name in at_home.rglob("*") if name.is_file()} == before


def test_a_running_server_is_not_restored_under(labelled, at_home):
    with start_server(port=free_port()), pytest.raises(LabkitError, match="must be stopped first"):
        restore(labelled[0] / "labels.tar", replace=True)


def test_a_bench_without_labels_has_nothing_to_back_up(tmp_path, monkeypatch, label_studio_environment):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    with pytest.raises(LabkitError, match="never started here"):
        back_up(tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
    with pytest.raises(LabkitError, match="backup must be a file"):
        restore(tmp_path / "x.tar")


def test_a_snapshot_brings_the_database_back_and_leaves_the_images(at_home):
    images = sorted((at_home / "label-studio-files").rglob("*.png"))
    snapshot = take_snapshot()
    assert list_snapshots() == [snapshot]
    restore(snapshot, replace=True)
    assert sorted((at_home / "label-studio-files").rglob("*.png")) == images
    assert len(images) == 2


def test_snapshots_thin_out_with_age_and_are_bounded():
    now = datetime(2024, 5, 31, 12, tzinfo=UTC)
    kept: set[datetime] = set()
    for minutes in range(0, 60 * 24 * 40, 10):
        moment = now - timedelta(days=40) + timedelta(minutes=minutes)
        kept = snapshots_to_keep({*kept, moment}, moment)
    ages = sorted((now - moment).total_seconds() / 3600 for moment in kept)
    assert sum(age <= 1 for age in ages) == 6
    assert 22 <= sum(1 < age <= 24 for age in ages) <= 25
    assert 28 <= sum(age > 24 for age in ages) <= 31


def test_snapshots_are_taken_when_something_changed_and_end_with_the_server(at_home):
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    watcher = subprocess.Popen([sys.executable, "-m", "labkit.label.snapshots", str(server.pid), "1"])
    try:
        _until(lambda: len(list_snapshots()) == 1)
        time.sleep(2.5)
        assert len(list_snapshots()) == 1  # nothing has changed since
        os.utime(at_home / "label-studio" / "label_studio.sqlite3")
        _until(lambda: len(list_snapshots()) == 2)
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in list_snapshots())
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    assert watcher.wait(timeout=30) == 0


def test_the_snapshots_of_a_server_end_when_it_is_stopped(at_home):
    with start_server(port=free_port()) as server:
        _until(lambda: len(_watchers(server.pid)) == 1)
    assert _watchers(server.pid) == []
    assert home.load_secrets().password not in (at_home / "snapshots.log").read_text()


def _watchers(pid: int) -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"labkit.label.snapshots" in words and str(pid).encode() in words:
            found.append(folder)
    return found


def _until(holds, seconds: float = 60.0) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.2)
