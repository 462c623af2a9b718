"""Run a notebook in a real JupyterLab and a real Chromium, as a person would, and say what was seen.

``run_notebook_in_browser`` starts a server on loopback, opens the notebook, runs all cells, waits until they have ended
and the figures stand still, and takes a picture of every output. A blank plot gives no error anywhere but here.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

#: Chromium as root in a container, without its own calls to the network.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Console errors that are no fault of a notebook, each with its reason.
KNOWN_CONSOLE_ERRORS = (
    # requests that this harness refused; they are listed as outside requests instead
    "net::ERR_FAILED",
    "net::ERR_BLOCKED_BY_CLIENT",
)

#: Where the frame of each figure lies on the page, and which pixels of the scene it shows.
FRAMES = """() => {
  const found = [], seen = new Set()
  const walk = view => {
    if (view == null || seen.has(view)) { return }
    seen.add(view)
    if (view.model?.type === 'Figure') {
      const box = view.canvas_view.el.getBoundingClientRect(), frame = view.frame.bbox, m = view.model
      found.push({title: m.title.text, left: box.x + frame.left, top: box.y + frame.top, width: frame.width,
                  height: frame.height, x: [m.x_range.start, m.x_range.end], y: [m.y_range.end, m.y_range.start]})
    }
    for (const child of view.children()) { walk(child) }
  }
  for (const view of Object.values(Bokeh.index.roots)) { walk(view) }
  return found
}"""

_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # all cells stay in the page, also those outside the window, so that all figures can be counted
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class BrowserResult:
    """What a person would have seen.

    Attributes
    ----------
    errors : list of str
        Cells that raised, errors in the browser's console, pages that failed.
    outside_requests : list of str
        Addresses beyond loopback that the page asked for; all were refused.
    figures, maps : int
        Bokeh figures and Leaflet maps in the page.
    screenshots : list of Path
        One for each cell with an output, then one for each figure and map (``…-figure-01.png``, ``…-map-01.png``).
    executed : int
        Code cells that ran.
    seconds : float
        From "run all" to the last cell's end.
    """

    errors: list[str] = field(default_factory=list)
    outside_requests: list[str] = field(default_factory=list)
    figures: int = 0
    maps: int = 0
    screenshots: list[Path] = field(default_factory=list)
    executed: int = 0
    seconds: float = 0.0

    def pictures(self, kind: str) -> list[Path]:
        """The screenshots of one kind: "cell", "figure" or "map"."""
        return [p for p in self.screenshots if f"-{kind}-" in p.name]


def chromium() -> str:
    """Give the system's Chromium, or skip the test with the reason."""
    for name in (os.environ.get("LABKIT_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.skip("no Chromium found: install it (Debian: apt-get install chromium) or set LABKIT_CHROMIUM to its path")


def shares_of_red_and_blue(picture: Path) -> tuple[float, float]:
    """Give the shares of a picture's pixels that are clearly red and clearly blue."""
    rgb = np.asarray(Image.open(picture).convert("RGB"), int)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return float(((red - blue > 60) & (red - green > 40)).mean()), float(((blue - red > 60) & (blue > 110)).mean())


def colours_in(picture: Path) -> int:
    """Count the different colours of a picture; a blank one has only a few."""
    return len(np.unique(np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3), axis=0))


@contextlib.contextmanager
def jupyter_server(folder: Path, environment: dict[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Run a JupyterLab server on loopback for a folder; gives its address and its token."""
    token = secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="labkit-browser-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        overrides = home / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps(_SETTINGS))
        log = home / "server.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"]
        if os.name == "posix" and os.geteuid() == 0:
            command.append("--ServerApp.allow_root=True")
        variables = os.environ | {
            "JUPYTER_TOKEN": token,
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "IPYTHONDIR": str(home / "ipython"),
        }
        with log.open("wb") as words:
            server = subprocess.Popen(
                command,
                cwd=folder,
                env=variables | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_up(server, f"http://127.0.0.1:{port}", token, log)
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def run_notebook_in_browser(
    path: Path,
    screenshots_folder: Path,
    timeout_s: float = 300.0,
    *,
    environment: dict[str, str] | None = None,
    then: Callable[[Any], None] | None = None,
) -> BrowserResult:
    """Open a notebook in JupyterLab in Chromium, run all its cells and look at it.

    Parameters
    ----------
    path : Path
        The notebook. A copy beside it is run, so that its relative paths hold and no output is ever saved into it.
    screenshots_folder : Path
        Where the pictures go; those of an earlier run of this notebook are removed.
    timeout_s : float
        Until the last cell has to end. Then what was seen so far is returned, with an error that says so.
    environment : dict, optional
        Variables that the notebook's kernel finds beside this process's own.
    then : callable, optional
        Called with playwright's page when all has been looked at, while the kernel still lives: to point and zoom.
    """
    from playwright.sync_api import sync_playwright

    browser_path = chromium()
    screenshots_folder.mkdir(parents=True, exist_ok=True)
    for old in screenshots_folder.glob(f"{path.stem}-*.png"):
        old.unlink()
    result = BrowserResult()
    copy = path.with_name(f"{path.stem}.browser-{os.getpid()}.ipynb")
    shutil.copyfile(path, copy)
    try:
        with jupyter_server(path.parent, environment) as (url, token), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(CHROMIUM_FLAGS))
            try:
                page = browser.new_page(viewport={"width": 1400, "height": 1500})
                _listen(page, result)
                page.goto(f"{url}/doc/tree/{quote(copy.name)}?token={token}", timeout=60_000)
                _run_all(page, result, timeout_s)
                _look(page, result, screenshots_folder, path.stem)
                if then is not None:
                    then(page)
            finally:
                browser.close()
    finally:
        copy.unlink(missing_ok=True)
    return result


def _wait_until_up(server: subprocess.Popen[bytes], url: str, token: str, log: Path, timeout_s: float = 90.0) -> None:
    request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"token {token}"})
    began = time.monotonic()
    while time.monotonic() - began < timeout_s and server.poll() is None:
        try:
            with _DIRECT.open(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(
        f"JupyterLab did not come up at {url}. Its last words:\n{log.read_text(errors='replace')[-3000:]}"
    )


def _is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost")


def _listen(page: Any, result: BrowserResult) -> None:
    def console(message: Any) -> None:
        if message.type == "error" and not any(known in message.text for known in KNOWN_CONSOLE_ERRORS):
            result.errors.append(f"console: {message.text[:500]}")

    def request(sent: Any) -> None:
        if _is_outside(sent.url):
            result.outside_requests.append(sent.url)

    page.on("console", console)
    page.on("pageerror", lambda error: result.errors.append(f"page: {str(error)[:500]}"))
    page.on("request", request)
    page.on("websocket", request)
    # Refused also where there is a network, so that a notebook looks the same everywhere.
    page.context.route(_is_outside, lambda route: route.abort())


_NOTEBOOK = "window.jupyterapp.shell.currentWidget"


def _run_all(page: Any, result: BrowserResult, timeout_s: float) -> None:
    page.wait_for_function(f"window.jupyterapp && {_NOTEBOOK} && {_NOTEBOOK}.sessionContext", timeout=60_000)
    page.evaluate(f"async () => {{ await {_NOTEBOOK}.context.ready; await {_NOTEBOOK}.sessionContext.ready; }}")
    page.wait_for_function(f"{_NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'", timeout=60_000)
    began = time.monotonic()
    page.evaluate(
        "() => { window.labkitDone = false; const end = () => { window.labkitDone = true; };"
        " window.jupyterapp.commands.execute('notebook:run-all-cells').then(end, end); }"
    )
    from playwright.sync_api import TimeoutError as TooLong

    try:
        page.wait_for_function("window.labkitDone", timeout=timeout_s * 1000)
    except TooLong:
        result.errors.append(f"the notebook must end within {timeout_s:g} s, instead it still runs")
    result.seconds = time.monotonic() - began
    cells = page.evaluate(
        f"""() => {_NOTEBOOK}.content.widgets.filter(c => c.model.type === 'code').map(c => ({{
            count: c.model.executionCount,
            errors: c.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)
        }}))"""
    )
    result.executed = sum(cell["count"] is not None for cell in cells)
    for number, cell in enumerate(cells):
        result.errors += [f"code cell {number + 1}: {words[:500]}" for words in cell["errors"]]


def _look(page: Any, result: BrowserResult, folder: Path, stem: str) -> None:
    _stand_still(page)
    result.figures, result.maps = page.locator(".bk-Figure").count(), page.locator(".leaflet-container").count()
    kinds = {"cell": ".jp-CodeCell .jp-Cell-outputArea", "figure": ".bk-Figure", "map": ".leaflet-container"}
    for kind, selector in kinds.items():
        found = page.locator(selector)
        for number in range(found.count()):
            one = found.nth(number)
            size = one.bounding_box()
            if size is None or size["height"] < 8 or size["width"] < 8:
                continue
            one.scroll_into_view_if_needed()
            page.wait_for_timeout(250)
            picture = folder / f"{stem}-{kind}-{number + 1:02d}.png"
            one.screenshot(path=picture)
            result.screenshots.append(picture)


def _stand_still(page: Any, quiet_s: float = 1.5, timeout_s: float = 30.0) -> None:
    """Wait until the number of figures, maps and pictures in the page has not changed for a while."""
    began = changed = time.monotonic()
    before: tuple[int, ...] = ()
    while time.monotonic() - changed < quiet_s and time.monotonic() - began < timeout_s:
        now = tuple(
            page.locator(s).count() for s in (".bk-Figure", ".leaflet-container", "canvas", "img", ".lm-Widget")
        )
        if now != before:
            before, changed = now, time.monotonic()
        page.wait_for_timeout(200)
