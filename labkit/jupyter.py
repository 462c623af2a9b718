"""The JupyterLab server of one bench: its settings, its start, its orderly end.

The server runs as a process of its own, in a session of its own, so that a Ctrl-C in the terminal reaches labkit alone,
which then ends the server in order. Its token travels in a file of mode 0600 that is named to the server: it stands in
no command line, in no environment that a notebook could print, and in no log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from labkit import home
from labkit.errors import ServerError

#: Process and address of the running server, in labkit's home.
STATE_FILE = "jupyterlab.json"
LOG_FILE = "jupyterlab.log"

#: Defaults of JupyterLab that the bench sets; what a person chooses in JupyterLab's own settings goes before them.
_DEFAULTS = {
    # no pop-up that asks for news from the network on the first start
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # whoever stops the bench in the middle of a thought keeps it
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 20},
}

#: A proxy of the shell cannot reach this machine's loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class JupyterServer:
    """A JupyterLab that was started here and has answered."""

    url: str
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self, *, timeout_s: float = 20.0) -> None:
        """End the server and its kernels: ask it to, and after ``timeout_s`` seconds end its whole process group."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                if os.name == "posix":
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
                self.process.wait()
        (home.folder() / STATE_FILE).unlink(missing_ok=True)


def start(project: Path, *, host: str, port: int, environment: dict[str, str], timeout_s: float = 90) -> JupyterServer:
    """Start JupyterLab on a folder and wait until it answers.

    Parameters
    ----------
    project : Path
        The folder that the file browser shows.
    host : str
        The address to listen on, "127.0.0.1" for this machine alone.
    port : int
        A free port (:func:`labkit.home.free_port`).
    environment : dict
        Variables that every notebook finds in its environment.
    timeout_s : float
        Seconds until it has to answer.

    Raises
    ------
    ServerError
        JupyterLab ended or did not answer in time; the message holds the last lines of its log.
    """
    token = home.load_secrets().jupyter_token
    log = home.folder() / LOG_FILE
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    with log.open("wb") as words:
        process = subprocess.Popen(
            _command(project, host, port),
            cwd=project,
            env=_environment(token) | environment,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = JupyterServer(f"http://{home.reachable(host)}:{port}", log, process)
    try:
        _wait_until_up(server, token, timeout_s)
    except BaseException:  # an interrupted wait leaves no server behind either
        server.stop()
        raise
    home.write_private(home.folder() / STATE_FILE, json.dumps({"pid": process.pid, "url": server.url}) + "\n")
    return server


def find() -> tuple[str, int] | None:
    """Give address and process id of this bench's JupyterLab where one runs: it answers, and to this bench's token."""
    try:
        content = json.loads((home.folder() / STATE_FILE).read_text())
        url, pid = str(content["url"]), int(content["pid"])
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None  # a state file is only a hint: without it, none is known
    return (url, pid) if _answers(url, home.load_secrets().jupyter_token) else None


def write_defaults(folder: Path) -> None:
    """Write the bench's defaults of JupyterLab into a folder for ``JUPYTER_CONFIG_PATH``."""
    defaults = folder / "labconfig" / "default_setting_overrides.json"
    defaults.parent.mkdir(parents=True, exist_ok=True)
    defaults.write_text(json.dumps(_DEFAULTS, indent=2) + "\n")


def _command(project: Path, host: str, port: int) -> list[str]:
    words = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.ip={host}", f"--ServerApp.port={port}"]
    # The port was free a moment ago; were it taken since, another one would differ from the address that is printed.
    words += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={project}"]
    words += ["--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"]
    if os.name == "posix" and os.geteuid() == 0:
        words += ["--ServerApp.allow_root=True"]  # containers, where root is the only user
    return words


def _environment(token: str) -> dict[str, str]:
    """What the server sees: the shell's variables, and where its token, settings and run-time files are."""
    folder = home.folder() / "jupyter"
    folder.mkdir(mode=0o700, exist_ok=True)  # Jupyter leaves a page with the token in it, open to all who reach it
    write_defaults(folder / "config")
    home.write_private(folder / "token", token)
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    inherited = {name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"}
    return inherited | {
        "JUPYTER_TOKEN_FILE": str(folder / "token"),
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(folder / "config"), *([others] if others else [])]),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        # The kernel of this environment goes before one of the same name in the person's own folder.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def _wait_until_up(server: JupyterServer, token: str, timeout_s: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if server.process.poll() is not None:
            raise ServerError(
                f"JupyterLab at {server.url} must keep running, instead it ended with {server.process.returncode}. "
                f"The last lines of {server.log}:\n{_tail(server.log)}"
            )
        if _answers(server.url, token):
            return
        time.sleep(0.2)
    raise ServerError(
        f"JupyterLab at {server.url} must answer within {timeout_s:g} s, instead it is silent. "
        f"The last lines of {server.log}:\n{_tail(server.log)}"
    )


def _answers(url: str, token: str) -> bool:
    request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"token {token}"})
    try:
        with _DIRECT.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
