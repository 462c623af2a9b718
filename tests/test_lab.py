"""The bench opened for real by its command: both servers answer, keep their secrets, and end without a loss."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import requests
from bench_fixtures import labkit_command

from labkit import home
from labkit.health import BROWSERS

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(os.name != "posix", reason="signals and /proc are of POSIX systems"),
]

Answer = TypeVar("Answer")

NOTEBOOK = {
    "cells": [{"cell_type": "markdown", "id": "first", "metadata": {}, "source": "# The first page of the tour"}],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@dataclass
class OpenBench:
    """A bench that ``labkit lab`` holds open."""

    process: subprocess.Popen[bytes]
    home: Path
    project: Path
    screen: Path

    @property
    def words(self) -> str:
        return self.screen.read_text(errors="replace")

    def address(self, name: str) -> str:
        found = re.search(rf"{name} +(http://\S+)", self.words)
        assert found, self.words
        return found[1].removesuffix("/lab")

    def secret(self, name: str) -> str:
        return json.loads((self.home / "secrets.json").read_text())[name]

    def jupyter(self, method: str, path: str, **more: object) -> requests.Response:
        headers = {"Authorization": f"token {self.secret('jupyter_token')}"}
        return requests.request(method, self.address("JupyterLab") + path, headers=headers, timeout=30, **more)

    def label_studio(self, method: str, path: str, **more: object) -> requests.Response:
        headers = {"Authorization": f"Token {self.secret('label_studio_token')}"}
        return requests.request(method, self.address("Label Studio") + path, headers=headers, timeout=30, **more)

    def all_processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def of_all_processes(self, ask: Callable[[psutil.Process], Answer]) -> list[tuple[psutil.Process, Answer]]:
        """What every process answers; servers start short-lived ones, and one that has ended since answers no more."""
        answers = []
        for process in self.all_processes():
            with suppress(psutil.NoSuchProcess):
                answers.append((process, ask(process)))
        return answers


def make_project(folder: Path, demo: Path) -> Path:
    """A project folder with one notebook and the demo scene."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "00_tour.ipynb").write_text(json.dumps(NOTEBOOK))
    (folder / "data").mkdir()
    (folder / "data" / "demo").symlink_to(demo)
    return folder


@contextmanager
def opened(project: Path, state: Path, environment: Path, *words: str, **variables: str) -> Iterator[OpenBench]:
    """Open the bench and wait for its words; kill whatever is left of it in the end."""
    screen = project / "screen.txt"
    known = {"LABKIT_HOME": str(state), "LABKIT_LABEL_STUDIO_ENV": str(environment)}
    with screen.open("wb") as out:
        process = subprocess.Popen(
            [labkit_command(), "lab", *words], cwd=project, env=os.environ | known | variables, stdout=out, stderr=out
        )
    bench = OpenBench(process, state, project, screen)
    try:
        until = time.monotonic() + 180
        while "Ctrl-C stops it" not in bench.words:
            assert process.poll() is None, bench.words
            assert time.monotonic() < until, bench.words
            time.sleep(0.2)
        yield bench
    finally:
        left = [psutil.Process(process.pid), *bench.all_processes()] if process.poll() is None else []
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


@pytest.fixture(scope="module")
def busy_ports() -> Iterator[tuple[int, int]]:
    """Two ports that other programs hold, wanted for JupyterLab and Label Studio; the next ones are free."""
    with socket.socket() as one, socket.socket() as two:
        ports = []
        for listener, preferred in ((one, 19000), (two, 19200)):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", home.free_port(preferred)))
            listener.listen()
            ports.append(listener.getsockname()[1])
        yield ports[0], ports[1]


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_home: Path,
    label_studio_environment: Path,
    demo_folder: Path,
    busy_ports: tuple[int, int],
) -> Iterator[OpenBench]:
    """A bench that wanted busy ports, on a screen whose browser writes down how it was called."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(migrated_home, folder / "home")
    browser = folder / "browser"
    called = folder / "called.txt"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{called}.part" && mv "{called}.part" "{called}"\n')
    browser.chmod(0o755)
    ports = ("--port", str(busy_ports[0]), "--label-port", str(busy_ports[1]))
    project = make_project(folder / "project", demo_folder)
    screen = {"BROWSER": str(browser), "DISPLAY": ":99"}
    with opened(project, folder / "home", label_studio_environment, *ports, **screen) as open_bench:
        yield open_bench


def test_both_servers_answer_where_the_screen_says(bench: OpenBench) -> None:
    assert bench.jupyter("GET", "/api/status").status_code == 200
    assert bench.label_studio("GET", "/health").json()["status"] == "UP"
    who = bench.label_studio("GET", "/api/current-user/whoami").json()
    assert who["email"] in bench.words


def test_jupyterlab_lets_nobody_in_without_its_token(bench: OpenBench) -> None:
    assert requests.get(bench.address("JupyterLab") + "/api/contents", timeout=30).status_code == 403


def test_a_busy_port_is_named_and_the_next_free_one_taken(bench: OpenBench, busy_ports: tuple[int, int]) -> None:
    for name, busy in zip(("JupyterLab", "Label Studio"), busy_ports, strict=True):
        taken = int(bench.address(name).rsplit(":", 1)[1])
        assert busy < taken < busy + 100
        assert f"Port {busy} is taken: {name} listens on {taken}" in bench.words


def test_the_servers_listen_on_loopback_alone(bench: OpenBench) -> None:
    listening = [
        connection.laddr
        for _, connections in bench.of_all_processes(psutil.Process.net_connections)
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]
    ports = {int(bench.address(name).rsplit(":", 1)[1]) for name in ("JupyterLab", "Label Studio")}
    assert ports <= {address.port for address in listening}
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_the_screen_names_the_file_of_the_passwords_and_only_its_owner_reads_it(bench: OpenBench) -> None:
    path = bench.home / "secrets.json"
    assert str(path) in bench.words
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_browser_is_called_with_a_private_page_that_leads_to_the_first_notebook(bench: OpenBench) -> None:
    written = bench.home.parent / "called.txt"
    until = time.monotonic() + 60
    # the screen says where the bench is before a browser is opened there
    while not written.exists():
        assert time.monotonic() < until, "no browser was called"
        time.sleep(0.1)
    called = written.read_text().split()
    page = bench.home / "open-lab.html"
    assert called == [page.as_uri()]
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    link = re.search(r'href="([^"]+)"', page.read_text())
    assert link is not None
    assert "/lab/tree/notebooks/00_tour.ipynb?token=" in link[1]
    answer = requests.get(link[1], timeout=30)
    assert answer.status_code == 200
    assert "jupyter-config-data" in answer.text


@pytest.mark.browser
@pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium was found; on Debian: apt-get install chromium"
)
def test_the_page_opens_the_first_notebook_in_a_real_browser(bench: OpenBench) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS))),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
            ],
        )
        page = chromium.new_page()
        page.goto((bench.home / "open-lab.html").as_uri())
        page.get_by_role("heading", name="The first page of the tour").wait_for(timeout=60_000)
        # no pop-up asks for news
        assert page.get_by_text("Would you like to get notified about official Jupyter news?").count() == 0
        chromium.close()


def test_jupyterlab_is_open_before_label_studio_is_up(bench: OpenBench) -> None:
    words = bench.words
    assert f"JupyterLab is open: {(bench.home / 'open-lab.html').as_uri()}" in words
    assert words.index("JupyterLab is open") < words.index("Label Studio starts") < words.index("The bench is open.")
    # the page that a browser is called with was there, too, before Label Studio answered
    assert (bench.home / "open-lab.html").stat().st_mtime < (bench.home / "label-studio.json").stat().st_mtime


def test_jupyterlab_goes_on_where_label_studio_does_not_start(tmp_path: Path, demo_folder: Path) -> None:
    broken = tmp_path / "broken" / "bin" / "label-studio"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho the database is locked\nexit 3\n")
    broken.chmod(0o755)
    project = make_project(tmp_path / "project", demo_folder)
    words = ("--no-browser", "--port", "19850", "--label-port", "19950")
    with opened(project, tmp_path / "home", tmp_path / "broken", *words) as bench:
        assert bench.jupyter("GET", "/api/status").status_code == 200
        assert "must keep running, instead it ended with 3" in bench.words
        assert "the database is locked" in bench.words
        assert "JupyterLab goes on without Label Studio" in bench.words
        assert "user name" not in bench.words
        bench.process.send_signal(signal.SIGINT)
        assert bench.process.wait(40) == 0


def test_no_news_are_asked_from_the_network(bench: OpenBench) -> None:
    answer = bench.jupyter("GET", "/lab/api/settings/@jupyterlab/apputils-extension:notification").json()
    assert answer["schema"]["properties"]["fetchNews"]["default"] == "false"
    assert answer["schema"]["properties"]["checkForUpdates"]["default"] is False


def test_a_notebook_finds_both_servers_and_no_secret_in_its_environment(bench: OpenBench) -> None:
    before = {process.pid for process in bench.all_processes()}
    kernel = bench.jupyter("POST", "/api/kernels", json={"name": "python3"}).json()
    (process,) = [
        one
        for one, words in bench.of_all_processes(psutil.Process.cmdline)
        if "ipykernel_launcher" in words and one.pid not in before
    ]
    variables = process.environ()
    bench.jupyter("DELETE", f"/api/kernels/{kernel['id']}")
    assert variables["LABKIT_HOME"] == str(bench.home)
    found = subprocess.run(
        [sys.executable, "-c", "import labkit as lk; print(lk.label.find_server().url)"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert found.stdout.strip() == bench.address("Label Studio")
    shown = "\n".join(variables.values())
    for name in ("password", "jupyter_token", "label_studio_token"):
        assert bench.secret(name) not in shown


def test_no_secret_stands_on_the_screen_in_a_log_or_in_a_process_list(bench: OpenBench) -> None:
    logs = [path for path in bench.home.glob("*.log*") if path.is_file()]
    assert {path.name for path in logs} >= {"jupyterlab.log", "label-studio.log"}
    shown = [bench.words, *(path.read_text(errors="replace") for path in logs)]
    shown += [" ".join(words) for _, words in bench.of_all_processes(psutil.Process.cmdline)]
    for name in ("password", "jupyter_token", "label_studio_token"):
        assert not [text for text in shown if bench.secret(name) in text], f"{name} is shown"


def test_a_secret_lies_only_where_nobody_else_can_read_it(bench: OpenBench) -> None:
    closed = [path for path in bench.home.iterdir() if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == 0o700]
    assert {path.name for path in closed} >= {"jupyter", "label-studio"}
    secrets = [bench.secret(name).encode() for name in ("password", "jupyter_token", "label_studio_token")]
    for path in filter(Path.is_file, bench.home.rglob("*")):
        if not any(path.is_relative_to(folder) for folder in closed) and any(s in path.read_bytes() for s in secrets):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_second_start_in_the_same_folder_shows_the_open_bench(
    bench: OpenBench, label_studio_environment: Path
) -> None:
    known = {"LABKIT_HOME": str(bench.home), "LABKIT_LABEL_STUDIO_ENV": str(label_studio_environment)}
    done = subprocess.run(
        [labkit_command(), "lab", "--no-browser"],
        cwd=bench.project,
        env=os.environ | known,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"is open already: {bench.address('JupyterLab')}/lab" in done.stdout
    assert bench.process.poll() is None


def test_the_doctor_sees_both_servers(bench: OpenBench) -> None:
    known = {"LABKIT_HOME": str(bench.home)}
    done = subprocess.run(
        [labkit_command(), "doctor"],
        cwd=bench.project,
        env=os.environ | known,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for name in ("JupyterLab", "Label Studio"):
        assert re.search(rf"ok  {name} +answers at {bench.address(name)}", done.stdout), done.stdout


def test_ctrl_c_stops_both_and_loses_nothing(
    tmp_path: Path, migrated_home: Path, label_studio_environment: Path, demo_folder: Path
) -> None:
    shutil.copytree(migrated_home, tmp_path / "home")
    project = make_project(tmp_path / "project", demo_folder)
    words = ("--no-browser", "--port", "19400", "--label-port", "19500")
    with opened(project, tmp_path / "home", label_studio_environment, *words) as bench:
        made = bench.label_studio("POST", "/api/projects", json={"title": "kept"}).json()
        bench.jupyter("POST", "/api/kernels", json={"name": "python3"})
        addresses = [bench.address(name) for name in ("JupyterLab", "Label Studio")]
        processes = bench.all_processes()
        assert len(processes) >= 3
        bench.process.send_signal(signal.SIGINT)
        assert bench.process.wait(40) == 0
        assert "Stopped. Notebooks, labels and results are where they were." in bench.words
        assert "Traceback" not in bench.words
        assert psutil.wait_procs(processes, timeout=5)[1] == []
        assert all(home.is_free(int(address.rsplit(":", 1)[1])) for address in addresses)
        left = {path.name for path in bench.home.iterdir()}
        assert left.isdisjoint({"open-lab.html", "jupyterlab.json", "label-studio.json"})
    with opened(project, tmp_path / "home", label_studio_environment, *words) as bench:
        assert bench.label_studio("GET", f"/api/projects/{made['id']}").json()["title"] == "kept"
        # the end of the terminal is as good an end as Ctrl-C
        processes = bench.all_processes()
        bench.process.send_signal(signal.SIGHUP)
        assert bench.process.wait(40) == 0
        assert psutil.wait_procs(processes, timeout=5)[1] == []


def test_shutting_jupyterlab_down_from_its_menu_ends_the_bench(
    tmp_path: Path, migrated_home: Path, label_studio_environment: Path, demo_folder: Path
) -> None:
    shutil.copytree(migrated_home, tmp_path / "home")
    project = make_project(tmp_path / "project", demo_folder)
    words = ("--no-browser", "--port", "19600", "--label-port", "19700")
    with opened(project, tmp_path / "home", label_studio_environment, *words) as bench:
        processes = bench.all_processes()
        bench.jupyter("POST", "/api/shutdown")
        assert bench.process.wait(40) == 0
        assert "JupyterLab was shut down from within." in bench.words
        assert psutil.wait_procs(processes, timeout=5)[1] == []


def refused(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call labkit where it has to refuse: one paragraph on stderr, exit code 1, no traceback."""
    known = {"LABKIT_HOME": str(project / "home")} | variables
    done = subprocess.run(
        [labkit_command(), *words],
        cwd=project,
        env=os.environ | known,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_folder_without_notebooks_is_named(tmp_path: Path) -> None:
    done = refused(tmp_path, "lab", "--no-browser", "--notebooks", "elsewhere")
    assert done.stderr.startswith(
        "notebooks must be a folder that holds .ipynb files, instead got notebooks=elsewhere."
    )


def test_a_host_that_is_not_this_machine_is_named_before_anything_is_started(tmp_path: Path) -> None:
    done = refused(tmp_path, "lab", "--no-browser", "--host", "192.0.2.1")
    assert "host must be an address of this machine, instead got host='192.0.2.1'" in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_open_host_warns_and_a_missing_label_studio_is_named(tmp_path: Path, demo_folder: Path) -> None:
    project = make_project(tmp_path / "project", demo_folder)
    missing = str(tmp_path / "nowhere")
    words = ("lab", "--no-browser", "--host", "0.0.0.0", "--port", "19800")
    done = refused(project, *words, LABKIT_LABEL_STUDIO_ENV=missing)
    assert "Warning: with HOST=0.0.0.0 everyone who reaches this machine" in done.stdout
    assert f"LABKIT_LABEL_STUDIO_ENV={missing}" in done.stderr
    assert home.is_free(19800)
