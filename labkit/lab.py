"""Starting and stopping the bench: JupyterLab and Label Studio side by side, until Ctrl-C.

:func:`run_lab` is what ``make lab`` and ``labkit lab`` call. Everything that it starts it also ends, in the opposite
order, on Ctrl-C, on SIGTERM, when the terminal closes, and on every error. JupyterLab comes first: Label Studio takes
from half a minute to some minutes the first time, in which the tour can begin.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import quote

from labkit import home, jupyter
from labkit.errors import LabkitError, ServerError

if TYPE_CHECKING:
    from labkit.label import LabelServer

LOOPBACK = "127.0.0.1"
JUPYTER_PORT = 8888
LABEL_PORT = 8080

#: What notebooks find in their environment: by it they find Label Studio, too, and the secrets' file.
HOME_VARIABLE = "LABKIT_HOME"

#: The page that leads a browser in, in labkit's home.
PAGE = "open-lab.html"

_ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """Where one bench works: the project folder and, in it, the first notebook and the demo scene."""

    project: Path
    first_notebook: Path | None
    demo: Path


def find_bench(notebooks: Path | None = None) -> Bench:
    """Find the project folder from the folder of notebooks.

    Parameters
    ----------
    notebooks : Path, optional
        Folder that holds notebooks; its parent is the project. Default: ``notebooks`` in the working folder; where
        there is none, JupyterLab opens on the working folder without a notebook.

    Raises
    ------
    LabkitError
        ``notebooks`` was named and holds no notebook.
    """
    folder = Path("notebooks" if notebooks is None else notebooks).resolve()
    found = sorted(folder.glob("*.ipynb"))
    if notebooks is not None and not found:
        raise LabkitError(
            f"notebooks must be a folder that holds .ipynb files, instead got notebooks={notebooks}. "
            "Go to the project's folder, or name another one with --notebooks"
        )
    project = folder.parent
    return Bench(project, found[0] if found else None, project / "data" / "demo")


def run_lab(
    *,
    host: str = LOOPBACK,
    port: int = JUPYTER_PORT,
    label_port: int = LABEL_PORT,
    database: str | None = None,
    notebooks: Path | None = None,
    browser: bool = True,
    say: Say = print,
) -> None:
    """Open the bench and keep it open until Ctrl-C (or SIGTERM, or the end of the terminal).

    The first call makes the demo scene and Label Studio's environment, once. JupyterLab opens before Label Studio is
    up, and goes on without it where it does not start. Where the bench of this folder is open already, it is only
    shown.

    Parameters
    ----------
    host : str
        The address to listen on: this machine alone by default; "0.0.0.0" for all who reach it, with a warning.
    port, label_port : int
        Ports of JupyterLab and of Label Studio; where one is taken, the next free one is used and named.
    database : str, optional
        Of Label Studio (:func:`labkit.label.start_server`).
    notebooks : Path, optional
        The folder of notebooks (:func:`find_bench`).
    browser : bool
        Whether to open the first notebook on the screen.
    say : callable
        Where the words for the person go.

    Raises
    ------
    LabkitError
        JupyterLab did not start, no port is free, or a folder, the database or ``LABKIT_LABEL_STUDIO_ENV`` is wrong.
        What had been started is stopped.
    """
    from labkit.label import start_server
    from labkit.label.database import parse_database
    from labkit.label.environment import check_named

    bench = find_bench(notebooks)
    running = jupyter.find()
    if running is not None:
        url, pid = running
        say(f"The bench of this folder is open already: {url}/lab (process {pid}; `kill {pid}` stops it).")
        if browser:
            _open_browser(_way_in(bench, url), say)
        return
    # what is wrong in the words given is named before anything long begins
    home.is_free(port, host)
    if host != LOOPBACK:
        say(warning(host))
    check_named()
    if database is not None:
        parse_database(database)
    with until_stopped(say) as things:
        start = partial(start_server, port=label_port, host=host, database=database)
        _open(bench, things, start, host=host, port=port, browser=browser, say=say)


def run_label_server(
    *, host: str = LOOPBACK, port: int = LABEL_PORT, database: str | None = None, say: Say = print
) -> None:
    """Run Label Studio alone, for a team that works in notebooks of its own, until Ctrl-C.

    Raises
    ------
    LabkitError
        It is running already, or does not start.
    """
    from labkit.label import find_server, is_healthy, start_server

    running = find_server()
    if running is not None:
        raise ServerError(f"Label Studio must not run yet, instead it answers at {running.url}. Open that address")
    if host != LOOPBACK:
        say(warning(host))
    with until_stopped(say) as things:
        studio = start_server(port=port, host=host, database=database)
        things.callback(studio.stop)
        say(_addresses(host, {"Label Studio": studio.url}, studio.user))
        while is_healthy(studio.url, timeout_s=30.0):
            time.sleep(2.0)
        raise ServerError(f"Label Studio at {studio.url} must run until it is stopped, instead it is silent")


def _open(
    bench: Bench,
    things: ExitStack,
    start: Callable[[], LabelServer],
    *,
    host: str,
    port: int,
    browser: bool,
    say: Say,
) -> None:
    from labkit import simulate

    if not bench.demo.exists():
        say(f"Making the simulated demo scene in {bench.demo}, once:")
    simulate.demo(bench.demo)
    wanted, port = port, home.free_port(port, host)
    if port != wanted:
        say(f"Port {wanted} is taken: JupyterLab listens on {port}")
    say("JupyterLab starts ...")
    server = jupyter.start(bench.project, host=host, port=port, environment={HOME_VARIABLE: str(home.folder())})
    things.callback(server.stop)
    page = _way_in(bench, server.url)
    things.callback(page.unlink, missing_ok=True)
    say(f"\n  JupyterLab is open: {page.as_uri()}\n")
    if browser:
        _open_browser(page, say)
    urls = {"JupyterLab": f"{server.url}/lab"}
    studio = _start_beside(start, things, say)
    if studio is not None:
        urls["Label Studio"] = studio.url
    say(_addresses(host, urls, studio.user if studio is not None else None, page))
    code = _watch(server)
    if code:
        raise ServerError(f"JupyterLab must run until it is stopped, instead it ended with {code}. Read {server.log}")
    say("JupyterLab was shut down from within.")


def _start_beside(start: Callable[[], LabelServer], things: ExitStack, say: Say) -> LabelServer | None:
    """Start Label Studio while somebody works in JupyterLab already; None, and why, where it does not start."""
    say("Label Studio starts beside it; the first time that takes some minutes, and the tour does not need it.")
    try:
        studio = start()
    except LabkitError as error:
        say(f"{error}\nJupyterLab goes on without Label Studio; `labkit label-server` in another terminal tries again.")
        return None
    if studio.started:
        things.callback(studio.stop)
    else:
        say(f"Label Studio was running already at {studio.url}; it will go on when JupyterLab is stopped.")
    return studio


def _watch(server: jupyter.JupyterServer) -> int:
    while (code := server.process.poll()) is None:
        time.sleep(0.5)
    return code


def _way_in(bench: Bench, url: str) -> Path:
    """Write the private page that leads a browser to the first notebook with the token, and give its path.

    A browser is started with the path of this page: the token stands in no command line.
    """
    first = bench.first_notebook
    tree = "" if first is None else f"/tree/{quote(first.relative_to(bench.project).as_posix())}"
    target = escape(f"{url}/lab{tree}?token={quote(home.load_secrets().jupyter_token)}", quote=True)
    page = home.folder() / PAGE
    home.write_private(
        page,
        "<!doctype html>\n<meta charset='utf-8'>\n<meta name='referrer' content='no-referrer'>\n<title>labkit</title>\n"
        f'<meta http-equiv="refresh" content="0; url={target}">\n<p><a href="{target}">Open JupyterLab</a></p>\n',
    )
    return page


def _open_browser(page: Path, say: Say) -> None:
    # On a Linux machine without a screen a text browser would take the terminal over.
    screen = not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (screen and webbrowser.open(page.as_uri())):
        say("No browser was found on this machine: open the address in yours.")


def _addresses(host: str, urls: dict[str, str], user: str | None, page: Path | None = None) -> str:
    lines = ["", "  The bench is open.", ""]
    lines += [f"    {name:<14} {url}" for name, url in urls.items()]
    if host == "0.0.0.0":
        name = socket.gethostname()
        lines += [f"    {'for others':<14} {url.replace(LOOPBACK, name)}" for url in urls.values()]
    lines += [] if user is None else [f"    {'user name':<14} {user}"]
    names = ([] if user is None else ["password: Label Studio"]) + (["jupyter_token: JupyterLab"] if page else [])
    lines += [f"    {'passwords':<14} {home.folder() / home.SECRETS_FILE}", f"    {'':<14} ({'; '.join(names)})"]
    if page is not None:
        lines += [f"    {'straight in':<14} {page.as_uri()}"]
    return "\n".join([*lines, "", "  Ctrl-C stops it; nothing is lost.", ""])


def warning(host: str) -> str:
    """Say what it means to listen on another address than loopback."""
    return (
        f"Warning: with HOST={host} everyone who reaches this machine over the network reaches the sign-in pages.\n"
        "Whoever has the token of JupyterLab can run any program here under your name, and what goes over the wire is\n"
        "not encrypted. Use it in a network that you trust, and stop it afterwards."
    )


@contextmanager
def until_stopped(say: Say) -> Iterator[ExitStack]:
    """Hold open things, and end them in order on Ctrl-C, SIGTERM, the end of the terminal, or an error."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in _ENDS}
    things = ExitStack()
    try:
        yield things
    except KeyboardInterrupt:
        say("\nStopping ...")
    finally:
        # A second Ctrl-C must not cut the orderly end short; each step of it has a time limit of its own.
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)
        things.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    say("Stopped. Notebooks, labels and results are where they were.")
