"""Label Studio's own Python environment: found, or made with pip.

The server lives apart from the notebooks' packages, because beside them it would force old versions on them. A finished
environment carries a marker file; one without it was interrupted or made for another version, and is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from tqdm.auto import tqdm

from labkit import home
from labkit.errors import LabkitError

#: What is installed: the minor version that labkit's tests talk to.
REQUIREMENT = "label-studio>=1.23,<1.24"

#: Names an existing environment to use instead of making one; it is used as it is and never changed.
ENVIRONMENT_VARIABLE = "LABKIT_LABEL_STUDIO_ENV"

FOLDER = "label-studio-env"
MARKER = "labkit-environment.json"

_SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def label_studio_command(environment: Path) -> Path:
    """Give the path of the ``label-studio`` command of an environment, whether or not it is there.

    Examples
    --------
    >>> label_studio_command(Path("env")).stem
    'label-studio'
    """
    return environment / _SCRIPTS / ("label-studio.exe" if os.name == "nt" else "label-studio")


def ensure_environment() -> Path:
    """Find Label Studio's environment, or make it (about 1 GB, one to three minutes, needs a package index).

    The environment is ``label-studio-env`` in labkit's home, or the one that ``LABKIT_LABEL_STUDIO_ENV`` names.
    Progress is shown while it is made; an interrupted or outdated one is removed and made anew.

    Returns
    -------
    pathlib.Path
        The ``label-studio`` command.

    Raises
    ------
    LabkitError
        The named environment holds no Label Studio, or the installation fails; the message ends with pip's last words.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.label.ensure_environment().stem
    'label-studio'
    """
    named = check_named()
    if named is not None:
        return named
    environment = home.folder() / FOLDER
    if not is_whole(environment):
        _make(environment)
    return label_studio_command(environment)


def check_named() -> Path | None:
    """Give the command of the environment that ``LABKIT_LABEL_STUDIO_ENV`` names; None where it names none.

    Raises
    ------
    LabkitError
        The named environment holds no Label Studio.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        return None
    command = label_studio_command(Path(named).absolute())
    if not command.is_file():
        raise LabkitError(
            f"{ENVIRONMENT_VARIABLE} must name an environment with Label Studio, instead got "
            f"{ENVIRONMENT_VARIABLE}={named} without {command}. Unset it, and labkit makes one"
        )
    return command


def is_whole(environment: Path) -> bool:
    """Whether an environment was made to its end, for this version of Label Studio, and its Python is still there."""
    python = environment / _SCRIPTS / Path(sys.executable).name
    if not (label_studio_command(environment).is_file() and python.exists()):
        return False
    try:
        marker = json.loads((environment / MARKER).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(marker.get("requirement") == REQUIREMENT)


def installed_version(environment: Path) -> str:
    """Give the version of Label Studio in an environment, "" where it cannot be told."""
    found = [*environment.glob("lib/python*/site-packages/label_studio-*.dist-info")]
    found += environment.glob("Lib/site-packages/label_studio-*.dist-info")
    return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else ""


def environment_python(environment: Path) -> Path:
    """Give the path of an environment's Python."""
    return environment / _SCRIPTS / ("python.exe" if os.name == "nt" else "python")


def _make(environment: Path) -> None:
    # A virtual environment cannot be renamed once made, so it is made in place and the marker says that it is whole.
    if environment.exists():
        shutil.rmtree(environment)
    python = environment / _SCRIPTS / Path(sys.executable).name
    with tqdm(desc="Label Studio's environment (once, about 1 GB)", unit=" steps") as bar:
        _run([sys.executable, "-m", "venv", str(environment)], bar)
        _run([str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", REQUIREMENT], bar)
        bar.set_postfix_str("ready")
    partial = environment / f".{MARKER}.part"
    partial.write_text(json.dumps({"requirement": REQUIREMENT}) + "\n")
    partial.replace(environment / MARKER)


def _run(command: list[str], bar: tqdm) -> None:
    """Run one step, its words on the bar; raise with the last of them when it fails."""
    quiet = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    last: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=quiet, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            bar.update()
            bar.set_postfix_str(line.strip()[:60])
    if process.returncode:
        words = "\n".join(last)
        raise LabkitError(
            f"Label Studio's environment must install, instead `{' '.join(command)}` ended with "
            f"{process.returncode}:\n{words}\nMend what it says (network, disk, python3-venv), then try again; or set "
            f"{ENVIRONMENT_VARIABLE} to an environment that has Label Studio"
        )
