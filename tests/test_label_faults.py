"""What goes wrong in a room: killed servers and kernels, a full disk, people who ask for what is not theirs.

A killed server in the middle of a listing, a killed writer and a full disk under the store are in ``test_label_pull``
and ``test_label_store``.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, repeat
from pathlib import Path

import geopandas as gpd
import nbclient
import nbformat
import pandas as pd
import pytest
import requests
from crowd import Annotator, crowd_of, work_at_once
from label_studio_fixture import chips_of, free_port, images_of
from real_kernel import real_kernel, until

from labkit import home, schema
from labkit.errors import FileError, ServerError
from labkit.label import LabelServer, LabelStore, connect, open_store, start_server

pytestmark = pytest.mark.server

PROJECT = "faults"


def ask(server: LabelServer, path: str, **more: object) -> requests.Response:
    """Ask as the owner, and take any answer."""
    headers = {"Authorization": f"Token {server.token}"}
    return requests.get(server.url + path, headers=headers, timeout=60, allow_redirects=False, **more)


def number_of(server: LabelServer) -> int:
    (number,) = [p["id"] for p in ask(server, "/api/projects").json()["results"] if p["title"] == PROJECT]
    return int(number)


def assert_each_chip_is_there_once(server: LabelServer, chips: pd.DataFrame) -> None:
    """Check that each chip has one task, whose images are served."""
    number = number_of(server)
    tasks = ask(server, f"/api/tasks?project={number}&page_size=1000&fields=all").json()["tasks"]
    assert sorted(task["data"]["chip_id"] for task in tasks) == sorted(chips["chip_id"])
    for task in tasks[:: max(len(tasks) // 10, 1)]:
        assert all(ask(server, task["data"][way]).content.startswith(b"\x89PNG") for way in ("azimuth", "range"))


def assert_acknowledged_is_kept_once(store: LabelStore, crowd: list[Annotator]) -> None:
    acknowledged = {(box.task_id, box.region_id) for annotator in crowd for box in annotator.acknowledged}
    labels = store.labels(PROJECT)
    kept = Counter(zip(labels["task_id"], labels["region_id"], strict=True))
    assert acknowledged <= set(kept)
    assert set(kept.values()) == {1}
    assert labels.attrs["set_aside"] == []


def test_a_server_killed_under_pushes_pulls_and_submissions_loses_nothing_it_acknowledged(
    fresh_home, couplet_scene, tmp_path
):
    chips = chips_of(couplet_scene, 64)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    store = open_store(tmp_path / "labels")
    failed: list[str] = []

    def again_and_again(job) -> None:
        """Until the server is gone, and no other error."""
        try:
            while True:
                job()
        except ServerError as error:
            failed.append(str(error))

    port = free_port()
    killed = start_server(port=port)
    studio = connect()
    studio.push(chips[:40], images, PROJECT)
    crowd, number = crowd_of(killed, 3), number_of(killed)
    more = chain(range(60, len(chips), 20), repeat(len(chips)))
    jobs = [
        lambda: studio.push(chips[: next(more)], images, PROJECT),
        lambda: connect().pull(PROJECT, store=store),
    ]
    threads = [threading.Thread(target=again_and_again, args=(job,)) for job in jobs]
    threads += [threading.Thread(target=annotator.label, args=(number, 40)) for annotator in crowd]
    for thread in threads:
        thread.start()
    until(lambda: sum(len(annotator.acknowledged) for annotator in crowd) >= 8)
    os.killpg(killed.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert len(failed) == 2
    assert all(annotator.refused for annotator in crowd)
    before = store.labels(PROJECT)

    with start_server(port=port) as server:
        studio = connect()
        studio.push(chips, images, PROJECT)
        assert_each_chip_is_there_once(server, chips)
        after = studio.pull(PROJECT, store=store)
        assert set(before["label_id"]) <= set(after["label_id"])
        assert_acknowledged_is_kept_once(store, crowd)
        # and they go on where they were, in the windows that they had open
        work_at_once(crowd, lambda annotator: annotator.label(number, 2))
        studio.pull(PROJECT, store=store)
        assert_acknowledged_is_kept_once(store, crowd)
    killed.stop()


CONNECT = """
import geopandas, pandas
from labkit.label import connect, open_store
studio = connect()
"""

PUSH = f"studio.push(geopandas.read_parquet('chips.parquet'), pandas.read_parquet('images.parquet'), {PROJECT!r})"

PULL_ON_AND_ON = f"while True: studio.pull({PROJECT!r}, store='labels')"


@pytest.mark.slow
def test_a_kernel_killed_in_a_push_or_a_pull_leaves_nothing_half_done_and_nothing_twice(
    fresh_home, couplet_scene, tmp_path
):
    chips = chips_of(couplet_scene, 40)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    chips.to_parquet(tmp_path / "chips.parquet")
    images.assign(path=images["path"].astype(str)).to_parquet(tmp_path / "images.parquet")
    with start_server(port=free_port()) as server:
        served = Path(fresh_home) / "label-studio-files" / "chips"
        database = Path(fresh_home) / "label-studio" / "label_studio.sqlite3"

        def arrived() -> int:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
                return connection.execute("select count(*) from task").fetchone()[0]

        # while the first images are copied, and between the two pages of tasks
        for moment in (lambda: len(list(served.glob("*/*.png"))) > 100, lambda: arrived() >= 200):
            with real_kernel(tmp_path, CONNECT) as kernel:
                kernel.kill_in(PUSH, moment)
        # a new kernel goes on with the rest, and then finds everything there
        with real_kernel(tmp_path, CONNECT) as kernel:
            kernel.run(f"report = {PUSH}\nassert report.known > 0 and report.updated == 0, report")
            kernel.run(f"report = {PUSH}\nassert (report.new, report.known) == (0, {len(chips)}), report")
        assert_each_chip_is_there_once(server, chips)

        crowd, store = crowd_of(server, 1), open_store(tmp_path / "labels")
        crowd[0].label(number_of(server), 5)
        with real_kernel(tmp_path, CONNECT) as kernel:
            kernel.kill_in(PULL_ON_AND_ON, lambda: store.revision > 0)
        with real_kernel(tmp_path, CONNECT) as kernel:
            kernel.run(f"assert len(studio.pull({PROJECT!r}, store='labels')) == 5")
        assert_acknowledged_is_kept_once(store, crowd)
        assert store.revision == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a disk of its own needs the right to mount one (run as root): {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill a disk up to so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(b"x" * 1024):
            pass
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - leave)
    return ballast


def test_a_full_disk_under_the_served_chips_or_the_store_stops_a_push_or_a_pull_whole(
    label_studio, couplet_scene, tmp_path, small_disk
):
    chips = chips_of(couplet_scene, 128)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    project, studio = "a full disk under the client", connect()
    # the project's folder of served images lies on the small disk
    url = studio.push(chips[:1], images, project).url
    served = home.folder() / "label-studio-files" / "chips" / url.split("/")[-2]
    there = small_disk / "served"
    shutil.copytree(served, there)
    shutil.rmtree(served)
    served.symlink_to(there)
    try:
        ballast = fill(small_disk, leave=16384)
        with pytest.raises(FileError, match=f"{served}/.*enough room on its disk.*No space left"):
            studio.push(chips, images, project)
        assert [path for path in there.iterdir() if path.name.startswith(".")] == []
        ballast.unlink()
        report = studio.push(chips, images, project)
        assert report.new + report.known == len(chips)
        assert studio.push(chips, images, project).known == len(chips)
    finally:
        served.unlink()
        shutil.copytree(there, served)

    studio.annotate(project, couplet_labels())
    store = open_store(small_disk / "labels")
    ballast = fill(small_disk, leave=4096)
    with pytest.raises(FileError, match=f"{store.folder}.*enough room on its disk.*No space left"):
        studio.pull(project, store=store)
    assert store.revision == 0 and store.labels().empty
    assert [path for path in store.folder.rglob("*") if path.suffix == ".parquet"] == []
    ballast.unlink()
    assert len(studio.pull(project, store=store)) == len(store.labels()) > 0
    revision = store.revision
    studio.pull(project, store=store)
    assert store.revision == revision == 1


def couplet_labels() -> gpd.GeoDataFrame:
    """A box on each direction of the scene with one couplet."""
    corners = {"xmin": [270.0] * 2, "ymin": [270.0] * 2, "xmax": [370.0] * 2, "ymax": [370.0] * 2}
    return schema.boxes_table({"scene": ["couplet"] * 2, "direction": ["azimuth", "range"], **corners})


@pytest.mark.slow
def test_a_full_disk_under_the_server_and_under_a_push_loses_and_doubles_nothing(fresh_home, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 64)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    store = open_store(tmp_path / "labels")
    database = Path(fresh_home) / "label-studio" / "label_studio.sqlite3"
    with start_server(port=free_port()) as server:
        studio = connect()
        studio.push(chips[:20], images, PROJECT)
        crowd, number = crowd_of(server, 1), number_of(server)
        crowd[0].label(number, 3)
        # no file of the server may grow any more, as on a full disk
        most = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (database.stat().st_size, most[1]))
        with pytest.raises(ServerError):
            studio.push(chips, images, PROJECT)
        crowd[0].label(number, 12)
        assert any(words.startswith("500") for words in crowd[0].refused)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, most)

        assert studio.push(chips, images, PROJECT).new > 0
        assert_each_chip_is_there_once(server, chips)
        crowd[0].label(number, 3)
        studio.pull(PROJECT, store=store)
        assert_acknowledged_is_kept_once(store, crowd)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.fixture
def pushed(
    label_studio: LabelServer, couplet_scene, tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[str, dict]:
    """A project of the test's own on the shared server, and its first task."""
    chips = chips_of(couplet_scene, 416).iloc[:1]
    report = connect().push(chips, images_of(chips, couplet_scene, tmp_path / "images"), request.node.name[-50:])
    number = report.url.split("/")[-2]
    (task,) = ask(label_studio, f"/api/tasks?project={number}&fields=all").json()["tasks"]
    return number, task


def test_nobody_reads_a_file_outside_the_chips_folder(label_studio, running_label_studio, pushed):
    number, task = pushed
    served = running_label_studio.home / "label-studio-files" / "chips" / number
    secret = home.load_secrets().password
    links = {"file.png": running_label_studio.home / home.SECRETS_FILE, "folder": running_label_studio.home}
    for name, target in links.items():
        (served / name).symlink_to(target)
    # hard to come by, yet the image itself may be reached by a link that stays inside
    (served / "inside.png").symlink_to(served / task["data"]["azimuth"].rpartition("/")[2])
    below = f"chips/{number}"
    asked = [
        f"{below}/file.png", f"{below}/folder/secrets.json", f"{below}/../../../secrets.json", "../secrets.json",
        f"{below}/%2e%2e/%2e%2e/%2e%2e/secrets.json", f"{below}/..%2f..%2f..%2fsecrets.json",
        f"{running_label_studio.home}/secrets.json", f"/{running_label_studio.home}/secrets.json", "/etc/passwd",
        f"{below}/....//....//secrets.json", f"{below}/..\\..\\..\\secrets.json", f"{below}/file.png%00.png", "", ".",
        f"{below}", "label-studio.log", "../label-studio/label_studio.sqlite3",
    ]  # fmt: skip
    for path in asked:
        answer = ask(label_studio, f"/data/local-files/?d={path}")
        assert answer.status_code >= 400, path
        assert secret not in answer.text
        assert "root:" not in answer.text
    assert ask(label_studio, f"/data/local-files/?d={below}/inside.png").content.startswith(b"\x89PNG")


def test_nobody_gets_an_image_or_a_label_without_logging_in(label_studio, pushed):
    number, task = pushed
    names = [task["data"]["chip_id"], f"chips/{number}"]
    pages = [
        task["data"]["azimuth"], "/api/projects", f"/api/projects/{number}", f"/api/tasks?project={number}",
        f"/api/tasks/{task['id']}", f"/api/tasks/{task['id']}/annotations", f"/api/projects/{number}/export",
        f"/api/projects/{number}/next", f"/api/dm/views?project={number}", f"/api/storages/localfiles?project={number}",
        "/api/users", "/api/current-user/token", f"/projects/{number}/data",
    ]  # fmt: skip
    for page in pages:
        if not page.startswith("/projects"):  # a page, which takes no token
            assert ask(label_studio, page).status_code == 200, page
        stranger = requests.get(label_studio.url + page, timeout=60, allow_redirects=False)
        assert stranger.status_code in (302, 401, 403), page
        assert stranger.status_code != 302 or "login" in stranger.headers["Location"], page
        assert not any(name in stranger.text for name in names), page
    forged = requests.post(
        f"{label_studio.url}/api/tasks/{task['id']}/annotations", json={"result": []}, timeout=60, allow_redirects=False
    )
    assert forged.status_code in (401, 403)


def test_tokens_are_in_no_task_export_store_or_notebook(label_studio, running_label_studio, pushed, tmp_path):
    number, task = pushed
    project = ask(label_studio, f"/api/projects/{number}").json()["title"]
    crowd = crowd_of(label_studio, 1)
    crowd[0].label(int(number), 1)
    cells = [
        "from labkit.label import connect, find_server, open_store",
        "server, studio = find_server(), connect()\nprint(server, studio, vars(studio))\nserver, studio",
        f"studio.pull({project!r}, store='labels')",
        "try:\n    connect(server.url, 'f' * 40)\nexcept Exception as error:\n    print(error)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(words) for words in cells])
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert label_studio.url in nbformat.writes(book)
    kept = home.load_secrets()
    secrets = (kept.label_studio_token, kept.password, kept.jupyter_token, crowd[0].person.password)
    export = ask(label_studio, f"/api/projects/{number}/export?exportType=JSON&download_all_tasks=true").text
    assert task["data"]["chip_id"] in export
    written = {"notebook": nbformat.writes(book), "task": str(task), "export": export}
    files = [path for path in (tmp_path / "labels").rglob("*") if path.is_file()]
    files += [*running_label_studio.home.glob("*.log*")]
    assert len(files) > 3
    written |= {path.name: path.read_bytes().decode(errors="replace") for path in files}
    assert [(name, secret) for name, words in written.items() for secret in secrets if secret in words] == []
