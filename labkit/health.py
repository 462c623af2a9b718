"""What is installed, what answers, and what to do about each thing that is wrong: ``labkit doctor``, ``lk.doctor()``.

Nothing is started or downloaded. Versions come from the packages' metadata; torch alone is imported, because
only it knows whether it sees a GPU.
"""

from __future__ import annotations

import html
import json
import os
import platform
import shutil
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from labkit import home, jupyter
from labkit.errors import LabkitError
from labkit.lab import JUPYTER_PORT, LABEL_PORT

#: Packages whose versions are shown; of the others only what is wrong.
SHOWN = ("numpy", "xarray", "rasterio", "geopandas", "jupyterlab", "hvplot", "torch", "label-studio-sdk")

#: Names under which Chromium or a relative of it is installed.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

#: Disk that Label Studio's environment and a scene of ordinary size take, bytes.
ROOM = 5 * 1000**3

#: A proxy of the shell cannot reach this machine's loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    ``state``: "good"; "note" = labkit works, this part of it does not or is not made yet; "wrong" = mend it first.
    """

    name: str
    state: Literal["good", "note", "wrong"]
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class CheckUp:
    """What :func:`doctor` found; in a notebook a table, elsewhere the lines of ``labkit doctor``."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing has to be mended first."""
        return not any(finding.state == "wrong" for finding in self.findings)

    def __repr__(self) -> str:
        return report(self.findings)

    def _repr_html_(self) -> str:
        colours = {"good": "#2e8b57", "note": "#c77700", "wrong": "#d4001a"}
        cell = "text-align:left;vertical-align:top;padding:2px 14px 2px 0"
        rows = "".join(
            f'<tr><td style="{cell};color:{colours[finding.state]};font-weight:600">{finding.state}</td>'
            f'<td style="{cell};white-space:nowrap">{html.escape(finding.name)}</td>'
            f'<td style="{cell};overflow-wrap:anywhere">{html.escape(finding.words)}'
            + (f"<br>→ {html.escape(finding.remedy)}" if finding.remedy else "")
            + "</td></tr>"
            for finding in self.findings
        )
        last = html.escape(report(self.findings).splitlines()[-1])
        return f'<table style="border-collapse:collapse">{rows}</table><div style="font-weight:600">{last}</div>'


def doctor() -> CheckUp:
    """Say what is installed, what answers, and what to do about the rest: ``labkit doctor`` for a notebook.

    Returns
    -------
    CheckUp
        Shows itself; ``findings`` holds one line for each thing, ``healthy`` whether nothing stands in the way.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.doctor().findings[0].name
    'Python'
    """
    return CheckUp(tuple(examine()))


def examine() -> list[Finding]:
    """Look at everything once, in a few seconds.

    Returns
    -------
    list of Finding
        In the order of the report. The bench works when none is "wrong".
    """
    looks: tuple[Callable[[], Iterable[Finding]], ...] = (
        _python,
        _packages,
        _torch,
        _label_studio_environment,
        _secrets,
        _jupyter,
        _label_studio,
        _browser,
        _demo,
        _disk,
    )
    return [finding for look in looks for finding in look()]


def report(findings: Iterable[Finding]) -> str:
    """Write the findings as lines for a person, remedies below what is not good."""
    findings = list(findings)
    signs = {"good": "ok", "note": "--", "wrong": "!!"}
    lines = []
    for finding in findings:
        lines.append(f"{signs[finding.state]}  {finding.name:<15} {finding.words}")
        if finding.remedy:
            lines.append(f"{'':<19} → {finding.remedy}")
    wrong = sum(finding.state == "wrong" for finding in findings)
    lines.append("")
    lines.append(f"{wrong} to mend first." if wrong else "Nothing stands in the way.")
    return "\n".join(lines)


def check_requirements(requirements: Iterable[str]) -> list[Finding]:
    """Compare requirements with what is installed; one "wrong" finding for each that is missing or of another version.

    Parameters
    ----------
    requirements : iterable of str
        As in pyproject.toml; those of an extra, or for another system, are left out.

    Examples
    --------
    >>> check_requirements(["numpy>=1"])
    []
    >>> check_requirements(["numpy<1"])[0].words.split()[-3:]
    ['needs', 'numpy', '<1']
    """
    findings = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"needs {requirement.name} {requirement.specifier}".strip()
        remedy = f"{sys.executable} -m pip install '{requirement}'"
        try:
            found = installed_version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(requirement.name, "wrong", f"is not installed; labkit {wanted}", remedy))
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            findings.append(Finding(requirement.name, "wrong", f"is {found}; labkit {wanted}", remedy))
    return findings


def _python() -> Iterable[Finding]:
    yield Finding("Python", "good", f"{platform.python_version()} in {sys.prefix}, {platform.platform()}")


def _packages() -> Iterable[Finding]:
    try:
        needed = requires("labkit") or []
    except PackageNotFoundError:
        yield Finding(
            "labkit", "wrong", "is not installed in this Python", f"{sys.executable} -m pip install -e . in its folder"
        )
        return
    wrong = check_requirements(needed)
    missing = {finding.name for finding in wrong}
    shown = ", ".join(f"{name} {installed_version(name)}" for name in SHOWN if name not in missing)
    yield Finding("packages", "wrong" if wrong else "good", shown)
    yield from wrong


def _torch() -> Iterable[Finding]:
    """The pair torch and torchvision, and the GPU."""
    try:
        builds = {name: installed_version(name) for name in ("torch", "torchvision")}
    except PackageNotFoundError:
        return  # the requirements say so already
    together = f"{sys.executable} -m pip install --force-reinstall torch torchvision"
    sources = {name: build.partition("+")[2] for name, build in builds.items()}
    torch_of_vision = [text for text in requires("torchvision") or [] if Requirement(text).name == "torch"]
    if len(set(sources.values())) > 1 or check_requirements(torch_of_vision):
        words = " and ".join(f"{name} {build}" for name, build in builds.items())
        yield Finding("torch", "wrong", f"{words} do not belong together", f"from one source: {together}")
        return
    yield _gpu()


def _gpu() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of the build is missing or broken
        return Finding("torch", "wrong", f"cannot be imported: {error}", "install torch and torchvision anew, together")
    build = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding("GPU", "good", f"{names} ({build})")
    if torch.backends.mps.is_available():
        return Finding("GPU", "good", f"Apple's, through Metal ({build})")
    if shutil.which("nvidia-smi"):
        remedy = (
            "compare the CUDA version of the driver (nvidia-smi) with the build's; install torch and torchvision anew"
        )
        return Finding("GPU", "note", f"an NVIDIA driver is here, but {build} sees no GPU", remedy)
    return Finding("GPU", "good", f"none seen; {build} uses {torch.get_num_threads()} CPU threads")


def _label_studio_environment() -> Iterable[Finding]:
    from labkit.label.environment import ENVIRONMENT_VARIABLE, FOLDER, is_whole, label_studio_command

    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if label_studio_command(Path(named)).is_file():
            yield Finding("Label Studio", "good", f"installed in {named} ({ENVIRONMENT_VARIABLE})")
        else:
            remedy = f"unset {ENVIRONMENT_VARIABLE}, and labkit makes an environment of its own"
            yield Finding("Label Studio", "wrong", f"{ENVIRONMENT_VARIABLE}={named} holds none", remedy)
        return
    environment = home.folder() / FOLDER
    if is_whole(environment):
        yield Finding("Label Studio", "good", f"installed in {environment}")
    else:
        yield Finding(
            "Label Studio", "note", "is not installed yet", "labkit label-server --prepare-only (or just labkit lab)"
        )


def _secrets() -> Iterable[Finding]:
    path = home.folder() / home.SECRETS_FILE
    if not path.exists():
        yield Finding("secrets", "good", "none yet; the first start makes them")
        return
    try:
        home.load_secrets()
    except LabkitError as error:
        yield Finding("secrets", "wrong", str(error))
        return
    yield Finding("secrets", "good", f"{path} (mode {stat.S_IMODE(path.stat().st_mode):04o})")


def _jupyter() -> Iterable[Finding]:
    running = jupyter.find() if (home.folder() / jupyter.STATE_FILE).exists() else None
    if running is not None:
        yield Finding("JupyterLab", "good", f"answers at {running[0]}/lab (process {running[1]})")
    else:
        yield _port("JupyterLab", JUPYTER_PORT)


def _label_studio() -> Iterable[Finding]:
    from labkit.label.server import STATE_FILE, find_server

    running = find_server() if (home.folder() / STATE_FILE).exists() else None
    if running is not None:
        yield Finding("Label Studio", "good", f"answers at {running.url} (process {running.pid})")
    else:
        yield _port("Label Studio", LABEL_PORT)


def _port(name: str, port: int) -> Finding:
    """What stands on the port that a server of this bench would take; the bench's own server is not running."""
    if home.is_free(port):
        return Finding(name, "good", f"is not running; port {port} is free")
    who = _who_answers(port)
    remedy = f"labkit lab will take the next free port and name it; or end the program that holds {port}"
    return Finding(name, "note", f"is not running; port {port} is taken by {who}", remedy)


def _who_answers(port: int) -> str:
    for path, key, name in (("/api", "version", "another JupyterLab"), ("/health", "status", "another Label Studio")):
        try:
            with _DIRECT.open(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                content = json.loads(answer.read(4096))
        except (urllib.error.URLError, OSError, ValueError):
            continue
        if isinstance(content, dict) and key in content:
            return name
    return "another program"


def _browser() -> Iterable[Finding]:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found:
        yield Finding("Chromium", "good", found)
    else:
        remedy = "on Debian: apt-get install chromium. Only the tests need it; any browser shows the bench"
        yield Finding("Chromium", "note", "was not found", remedy)


def _demo() -> Iterable[Finding]:
    # notebooks run in a folder beside data/
    beside = [Path("data", "demo"), Path("..", "data", "demo")]
    folder = Path(os.path.normpath(next((place for place in beside if place.exists()), beside[0]).absolute()))
    if (folder / "truth.gpkg").is_file():
        yield Finding("demo scene", "good", str(folder))
    elif folder.exists():
        yield Finding("demo scene", "wrong", f"{folder} is not whole", f"remove {folder}, then: labkit demo")
    else:
        yield Finding("demo scene", "note", f"is not in {folder}", "labkit demo (or just labkit lab)")


def _disk() -> Iterable[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    words = f"{free / 1000**3:.0f} GB free in {Path.cwd()}"
    if free < ROOM:
        yield Finding("disk", "note", words, f"Label Studio and a scene need about {ROOM / 1000**3:.0f} GB: make room")
    else:
        yield Finding("disk", "good", words)
