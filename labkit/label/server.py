"""The Label Studio server of one bench: started, found again, stopped.

Everything it keeps is in labkit's home: ``label-studio/`` (its database), ``label-studio-files/chips/`` (the images it
may serve), ``label-studio.log``, and ``label-studio.json`` (process and address of the running server).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import requests
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from labkit import home
from labkit.errors import LabkitError, ServerError
from labkit.label.database import (
    DATABASE_VARIABLE,
    Database,
    parse_database,
    remember_database,
    remembered_database,
)
from labkit.label.environment import ensure_environment
from labkit.label.snapshots import end_snapshots, keep_snapshots
from labkit.label.variables import files_folder, server_variables

STATE_FILE = "label-studio.json"
LOG_FILE = "label-studio.log"
LOCK_FILE = ".label-studio.lock"

_LISTENING = re.compile(r"^Starting development server at http://[^/]*:(\d+)/", re.MULTILINE)

#: How far a start is, by the last of these lines in its log.
_STEPS = {
    "Initializing database..": "its database is made or brought up to date",
    "Starting development server": "it answers in a moment",
}

#: A start that takes longer than this tells how long it is waited for, s.
_LONG_S = 45.0

# The servers that this process started: it has to take their exit status, or they would seem to live on.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass
class LabelServer:
    """A running Label Studio server.

    Leaving it as a context manager stops it only if this very call started it, so that a notebook cannot take the
    server away from colleagues; :meth:`stop` always stops it.

    Examples
    --------
    >>> import labkit as lk
    >>> server = lk.label.start_server()
    >>> server.url, server.secrets_file.name
    ('http://127.0.0.1:...', 'secrets.json')
    >>> server
    LabelServer(url='http://127.0.0.1:...', user='...', pid=..., started=False)
    """

    url: str
    user: str
    pid: int
    #: Whether this call started it; False for one that was running already.
    started: bool
    token: str = field(repr=False)
    password: str = field(repr=False)
    _state: Path = field(repr=False)
    #: Whether somebody else runs it (:func:`labkit.label.join_server`).
    shared: ClassVar[bool] = False

    @property
    def secrets_file(self) -> Path:
        """The file that holds the password, for its owner's eyes alone."""
        return self._state.with_name(home.SECRETS_FILE)

    @property
    def password_hint(self) -> str:
        """Where the password is."""
        return f'"password" in {self.secrets_file}, which only you can read'

    def stop(self, *, timeout_s: float = 15.0) -> None:
        """Stop the server: ask it to end, and after ``timeout_s`` seconds end its whole process group. Data stay."""
        end_snapshots(self.pid)
        if _is_alive(self.pid):
            _signal_group(self.pid, signal.SIGTERM)
            if not _gone_within(self.pid, timeout_s):
                _signal_group(self.pid, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
                _gone_within(self.pid, timeout_s)
        if _read_state(self._state).get("pid") == self.pid:
            self._state.unlink(missing_ok=True)

    def __enter__(self) -> LabelServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.started:
            self.stop()


def start_server(
    *, port: int = 8080, host: str = "127.0.0.1", database: str | None = None, timeout_s: float = 600.0
) -> LabelServer:
    """Start the Label Studio of this bench, or find it running; one that another program is starting is waited for.

    Parameters
    ----------
    port : int
        Where to listen; when it is taken, the next free one is used and named.
    host : str
        "127.0.0.1": only this machine. "0.0.0.0": everyone who reaches this machine can see the log-in page.
    database : str, optional
        "sqlite": a file in labkit's home, for one person; ``postgresql://USER:PASSWORD@HOST:PORT/NAME``: for a team. It
        is remembered for the next start. Default: the environment variable ``LABKIT_LABEL_STUDIO_DATABASE``, else the
        one that was used last, else "sqlite". What is in the one database is not in the other.
    timeout_s : float
        Seconds until it has to answer. The very first start takes half a minute, later ones a few seconds; on a machine
        that is busy with other work, minutes. Meanwhile a line says how far it is; one that ends is noticed at once.

    Returns
    -------
    LabelServer
        With ``url`` and ``user``; the password is in the secrets file of labkit's home (:func:`labkit.home.folder`).

    Raises
    ------
    ServerError
        It ended or did not answer in time; the message holds the last lines of its log.
    LabkitError
        Its environment could not be made, no port is free, or it runs with another database.

    Examples
    --------
    >>> import labkit as lk
    >>> with lk.label.start_server() as server:  # stopped in the end if it was not there before
    ...     lk.label.is_healthy(server.url)
    True
    """
    named = database or os.environ.get(DATABASE_VARIABLE)
    kept_in = parse_database(named) if named else remembered_database()
    with _one_at_a_time(timeout_s):
        running = find_server()
        if running is None:
            return _start(port, host, kept_in, timeout_s)
    if kept_in != remembered_database():
        raise LabkitError(
            f"database must be that of the running server, {remembered_database()}, instead got {kept_in}. Stop "
            f"the server at {running.url} first"
        )
    return running


@contextmanager
def _one_at_a_time(timeout_s: float) -> Iterator[None]:
    """Let one program of this bench start its server; others wait until it runs, and find it."""
    lock = FileLock(home.folder() / LOCK_FILE)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tqdm.write("Label Studio is being started by another program of this bench: waiting for it")
            lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise ServerError(
            f"Label Studio must be up within {timeout_s:g} s, instead another program is still starting it. Wait for "
            f"it, or end it; it writes {home.folder() / LOG_FILE}"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _start(port: int, host: str, kept_in: Database, timeout_s: float) -> LabelServer:
    known = home.load_secrets()
    state = home.folder() / STATE_FILE
    command = ensure_environment()
    chosen = home.free_port(port, host)
    log = home.folder() / LOG_FILE
    process = _launch(command, host, chosen, log, kept_in)
    _CHILDREN[process.pid] = process
    server = LabelServer(
        url=f"http://{_reachable(host)}:{chosen}",
        user=known.user,
        pid=process.pid,
        started=True,
        token=known.label_studio_token,
        password=known.password,
        _state=state,
    )
    try:
        _wait_until_up(server, process, log, timeout_s)
        _check_token(server, kept_in)
        if not server.url.endswith(f":{port}"):
            tqdm.write(f"Port {port} is taken: Label Studio listens on {server.url.rpartition(':')[2]}")
    except BaseException:
        server.stop()
        raise
    home.write_private(state, json.dumps({"pid": server.pid, "url": server.url}) + "\n")
    remember_database(kept_in)
    keep_snapshots(server.pid)
    return server


def find_server() -> LabelServer | None:
    """Find the running Label Studio of this bench; None when there is none.

    It counts as running when the process named in the state file lives, its address is healthy and it accepts this
    bench's token.

    Examples
    --------
    >>> import labkit as lk
    >>> server = lk.label.find_server()
    >>> "none runs" if server is None else server.url
    'http://127.0.0.1:...'
    """
    state = home.folder() / STATE_FILE
    content = _read_state(state)
    if not content or not _is_alive(int(content["pid"])):
        return None
    known = home.load_secrets()
    server = LabelServer(
        url=str(content["url"]),
        user=known.user,
        pid=int(content["pid"]),
        started=False,
        token=known.label_studio_token,
        password=known.password,
        _state=state,
    )
    try:
        return server if is_healthy(server.url) and _accepts(server) else None
    except requests.RequestException:
        return None


def is_healthy(url: str, *, timeout_s: float = 5.0) -> bool:
    """Whether a Label Studio answers "UP" at this address.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.label.is_healthy(lk.label.find_server().url), lk.label.is_healthy("http://127.0.0.1:9")
    (True, False)
    """
    try:
        answer = _get(f"{url}/health", timeout_s)
        return answer.status_code == 200 and answer.json().get("status") == "UP"
    except requests.RequestException:
        return False


def _get(url: str, timeout_s: float, token: str = "") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the shell cannot reach this machine's loopback
        headers = {"Authorization": f"Token {token}"} if token else {}
        return session.get(url, timeout=timeout_s, headers=headers, allow_redirects=False)


def _accepts(server: LabelServer) -> bool:
    return _get(f"{server.url}/api/current-user/whoami", 60.0, server.token).status_code == 200


def _check_token(server: LabelServer, database: Database) -> None:
    try:
        accepted = _accepts(server)
    except requests.RequestException as error:
        raise ServerError(
            f"Label Studio at {server.url} must answer after its start, instead {type(error).__name__}. Try again"
        ) from error
    if not accepted:
        raise ServerError(
            f"the Label Studio data in {database} must belong to the secrets beside it, instead the "
            f"server at {server.url} refuses this bench's token. Restore {home.folder() / home.SECRETS_FILE} from "
            "where the data come from, or move the data away to begin anew"
        )


def _launch(command: Path, host: str, port: int, log: Path, database: Database) -> subprocess.Popen[bytes]:
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    with log.open("wb") as words:
        return subprocess.Popen(
            [str(command), "start", "--no-browser", "--internal-host", host, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=server_variables(database),
            cwd=files_folder(),
            start_new_session=True,
        )


def _wait_until_up(server: LabelServer, process: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    began = time.monotonic()
    with tqdm(
        desc=f"Label Studio starts at {server.url}", mininterval=1, bar_format="{desc} ({elapsed}){postfix}"
    ) as bar:
        while (waited := time.monotonic() - began) < timeout_s:
            if process.poll() is not None:
                raise ServerError(
                    f"Label Studio at {server.url} must keep running, instead it ended with {process.returncode}. "
                    f"The last lines of {log}:\n{_tail(log)}"
                )
            # On its way up it moves on by itself when another server has taken the port meanwhile: its word counts.
            words = log.read_text(errors="replace")
            bar.set_postfix_str(_how_far(words, waited, timeout_s), refresh=False)
            listening = _LISTENING.search(words)
            if listening:
                server.url = f"{server.url.rpartition(':')[0]}:{listening[1]}"
                if is_healthy(server.url):
                    bar.set_postfix_str("ready")
                    return
            bar.update()
            time.sleep(0.3)
    raise ServerError(
        f"Label Studio at {server.url} must answer within {timeout_s:g} s, instead it is silent. Give it longer "
        f"(timeout_s). The last lines of {log}:\n{_tail(log)}"
    )


def _how_far(words: str, waited: float, timeout_s: float) -> str:
    """Say in words how far a start is, and for how long it is waited for once it takes long."""
    step = next((said for line, said in reversed(_STEPS.items()) if line in words), "its programs are loaded")
    return step if waited < _LONG_S else f"{step}; a busy machine takes minutes, waited for until {timeout_s:g} s"


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _reachable(host: str) -> str:
    """The address under which a server that listens on ``host`` is reached from this machine."""
    return "127.0.0.1" if host == "0.0.0.0" else host


def _read_state(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise LabkitError(f"{path} must hold JSON, instead it cannot be read. Remove it") from error
    return dict(content)


def _is_alive(pid: int) -> bool:
    child = _CHILDREN.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _gone_within(pid: int, timeout_s: float) -> bool:
    began = time.monotonic()
    while _is_alive(pid):
        if time.monotonic() - began > timeout_s:
            return False
        time.sleep(0.05)
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        if os.name == "posix":
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return
