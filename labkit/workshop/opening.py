"""Opening a workshop: Label Studio and the hub side by side, until Ctrl-C."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from labkit import home, jupyter
from labkit.errors import LabkitError, ServerError
from labkit.lab import LABEL_PORT, LOOPBACK, until_stopped, warning
from labkit.label.connection import ADDRESS_VARIABLE, URL_VARIABLE
from labkit.label.people import Person, write_sheet
from labkit.wording import counted
from labkit.workshop.accounts import everybody, let_in
from labkit.workshop.homes import check_reach, compile_once, make_home, numbers_of, share_pictures
from labkit.workshop.layout import COURSE, TEACHER, Workshop, account_of

PORT = 8000

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def open_workshop(
    folder: str | Path,
    *,
    host: str = LOOPBACK,
    port: int = PORT,
    label_port: int = LABEL_PORT,
    label_studio: bool = True,
    one_user: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Let the people of a workshop in, until Ctrl-C (or SIGTERM).

    The first call makes everybody's account and home, and the sheet with the passwords, ``private/people-….html``;
    those who are added to ``people.txt`` later get theirs at the next call.

    Parameters
    ----------
    folder : path
        Of :func:`labkit.workshop.make_workshop`.
    host : str
        The address to listen on: this machine alone by default; "0.0.0.0" for all who reach it, with a warning.
    port, label_port : int
        Of the hub and of Label Studio; where one is taken, the next free one is used and named.
    label_studio : bool
        Run Label Studio, too.
    one_user : bool
        Run all servers as who opens the workshop, also where that is root and each could be a system user of his own.
    say : callable
        Where the words for the person go.

    Raises
    ------
    LabkitError
        JupyterHub is not installed, the folder holds no workshop, or a server did not start. What had been started is
        stopped.
    """
    room = Workshop.open(folder)
    _check_hub()
    people = everybody(room)
    accounts = [account_of(person.email) for person in people]
    numbers = {} if one_user else numbers_of(room, accounts)
    if numbers:
        check_reach(room)
    if host != LOOPBACK:
        say(warning(host))
    if (room.notebooks / COURSE).is_dir() and not (room.data / COURSE).is_dir():
        say(f"The lessons miss what they work on. Make it: labkit workshop {room.folder} --scene {COURSE} --no-wheels")
    room.private.mkdir(mode=0o700, exist_ok=True)
    room.private.chmod(0o700)
    with until_stopped(say) as things, room.as_bench():
        port = home.free_port(port, host)
        addresses = {"notebooks": f"http://{_named(host)}:{port}"}
        variables: dict[str, str] = {}
        if label_studio:
            from labkit.label import start_server

            share_pictures(room)
            studio = start_server(port=label_port, host=host)
            if studio.started:
                things.callback(studio.stop)
            addresses["Label Studio"] = studio.url.replace(home.reachable(host), _named(host))
            variables = {URL_VARIABLE: studio.url, ADDRESS_VARIABLE: addresses["Label Studio"]}
        new = let_in(room, people, label_studio=label_studio)
        if not all(room.home(account).exists() for account in accounts):
            compile_once(room)
        for account in tqdm(accounts, desc="Homes", unit="home", disable=all(room.home(a).exists() for a in accounts)):
            make_home(room, account, numbers.get(account))
        log = room.private / "hub.log"
        hub = _start_hub(room, _given(host, port, accounts, numbers) | {"label_studio": variables}, log)
        things.callback(_stop, hub)
        _wait_until_up(hub, f"http://{home.reachable(host)}:{port}", log)
        say(_words(room, addresses, len(people) - 1, _sheet(room, new, addresses), bool(numbers)))
        if hub.wait():
            raise ServerError(f"JupyterHub must run until it is stopped, instead it ended. Read {log}")


def _check_hub() -> None:
    if os.name != "posix":
        raise LabkitError("the hub must run on Linux or macOS, instead this is Windows. Use WSL, or a Linux server")
    for package in ("jupyterhub", "configurable_http_proxy"):
        if importlib.util.find_spec(package) is None:
            raise LabkitError(
                f"{package} must be installed to open a workshop, instead it is missing. Run the labkit that "
                f'install.py has made in the folder, or: {sys.executable} -m pip install "labkit[workshop]"'
            )


def _given(host: str, port: int, accounts: list[str], numbers: dict[str, int]) -> dict[str, object]:
    inner = [home.free_port(first) for first in (port + 1000, port + 1100, port + 1200)]
    return {
        "host": host,
        "port": port,
        "hub_port": inner[0],
        "proxy_port": inner[1],
        "progress_port": inner[2],
        "accounts": accounts,
        "teacher": TEACHER,
        "numbers": numbers,
    }


def _start_hub(room: Workshop, given: dict[str, object], log: Path) -> subprocess.Popen[bytes]:
    jupyter.write_defaults(room.hub_settings.parent / "jupyter")
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with log.open("wb") as words:
        return subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(room.hub_settings)],
            cwd=room.private,
            env=os.environ | {"LABKIT_WORKSHOP_HUB": json.dumps(given), "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(hub: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Ask the hub to end, which ends everybody's server in order; after ``timeout_s`` seconds end its process group."""
    if hub.poll() is None:
        hub.terminate()
        try:
            hub.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(hub.pid, signal.SIGKILL)
            hub.wait()


def _wait_until_up(hub: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float = 120) -> None:
    began = time.monotonic()
    while time.monotonic() - began < timeout_s and hub.poll() is None:
        try:
            with _DIRECT.open(f"{url}/hub/api/", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    ending = f"it ended with {hub.returncode}" if hub.poll() is not None else "it is silent"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise ServerError(f"JupyterHub must answer at {url} within {timeout_s:g} s, instead {ending}. Of {log}:\n{tail}")


def _sheet(room: Workshop, new: list[Person], addresses: dict[str, str]) -> Path | None:
    if not new:
        return None
    words = " · ".join(f"{name}: {url}" for name, url in addresses.items())
    return write_sheet(new, room.private / f"people-{time.strftime('%Y-%m-%d_%H-%M-%S')}.html", words)


def _named(host: str) -> str:
    return socket.gethostname() if host == "0.0.0.0" else host


def _words(room: Workshop, addresses: dict[str, str], people: int, sheet: Path | None, apart: bool) -> str:
    lines = ["", f"  The workshop is open for {counted(people, 'person', 'people')}.", ""]
    lines += [f"    {name:<14} {url}" for name, url in addresses.items()]
    lines += [f"    {'who is how far':<14} {addresses['notebooks']}/services/progress/ (as {TEACHER})"]
    lines += [f"    {'passwords':<14} {sheet}: print, cut, keep"] if sheet else []
    if not apart:
        lines += [
            "",
            "  All servers run as the one user who opened the workshop: folders and pages are apart, but somebody who",
            "  knows how can read the others' files. Opened as root, each person is a system user of his own.",
        ]
    return "\n".join([*lines, "", "  Ctrl-C stops it; nothing is lost.", ""])
