"""The packages of this environment as wheels in a folder, so that it can be made again where there is no network.

The versions are those that run here: nothing is solved anew, so what was tried is what the room gets.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.files import whole

#: Lists every wheel with its size and SHA-256, and for which Python and platform they are.
MANIFEST = "manifest.json"

# One call of pip for so many packages: an interruption costs at most these.
_AT_ONCE = 8


def needed(requirement: str) -> dict[str, str]:
    """Give the versions that run here of a package and of all that it needs.

    Parameters
    ----------
    requirement : str
        As in pyproject.toml, with its extras: "labkit[workshop]".

    Returns
    -------
    dict
        Name → version, names as PyPI spells them in addresses.

    Raises
    ------
    LabkitError
        Something that it needs is not installed, or in a version that it does not take.

    Examples
    --------
    >>> "numpy" in needed("xarray")
    True
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(requirement), requirement)]
    while waiting:
        wanted, asker = waiting.pop()
        name = canonicalize_name(wanted.name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise LabkitError(
                f"{name} must be installed, which {asker} needs, instead it is missing. Run: "
                f'{sys.executable} -m pip install "{requirement}", in a checkout of labkit pip install -e ".[workshop]"'
            ) from None
        if not wanted.specifier.contains(package.version, prereleases=True):
            raise LabkitError(
                f"{name} must be {wanted.specifier}, which {asker} needs, instead {package.version} is installed: from "
                f'these wheels nothing would install. Run: {sys.executable} -m pip install "{name}{wanted.specifier}"'
            )
        found[name] = package.version
        for extra in wanted.extras or {""}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(item, name) for item in _requires(package, {"", extra})]
    return dict(sorted(found.items()))


def installed(environment: Path) -> dict[str, str]:
    """Give the versions of all that is installed in an environment, but for what makes environments."""
    folders = [str(path) for path in environment.glob("lib/python*/site-packages")]
    folders += [str(path) for path in environment.glob("Lib/site-packages")]
    found = {canonicalize_name(item.name): item.version for item in distributions(path=folders)}
    return {name: found[name] for name in sorted(found) if name != "pip"}


def collect(versions: dict[str, str], folder: Path, *, progress: bool = True) -> list[Path]:
    """Fetch, or build, a wheel of each package into a folder; what is there already stays.

    Parameters
    ----------
    versions : dict
        Of :func:`needed` or :func:`installed`.
    folder : Path
        For the wheels. An interrupted call goes on with those that are missing.
    progress : bool
        Show a bar.

    Returns
    -------
    list of Path
        The wheels, in the order of the names.

    Raises
    ------
    LabkitError
        pip cannot get one; the message ends with its last words.

    Notes
    -----
    Packages are taken from where pip is set to take them, ``PIP_EXTRA_INDEX_URL`` and the like included: a PyTorch of
    another source than PyPI (its version ends in "+cpu") needs that source named again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = _by_version(folder)
    # what was installed from a folder may have changed since under the same version
    missing = [pair for pair in versions.items() if pair not in there or "==" not in _source(*pair)]
    with tqdm(total=len(versions), initial=len(versions) - len(missing), unit="wheel", disable=not progress) as bar:
        for first in range(0, len(missing), _AT_ONCE):
            batch = missing[first : first + _AT_ONCE]
            bar.set_postfix_str(batch[0][0])
            _build([_source(name, version) for name, version in batch], folder)
            bar.update(len(batch))
    there = _by_version(folder)
    for pair, path in there.items():
        if pair not in versions.items():
            path.unlink()  # of an earlier call with other versions
    absent = [f"{name} {version}" for name, version in versions.items() if (name, version) not in there]
    if absent:
        raise LabkitError(f"{folder} must hold a wheel of each package, instead {', '.join(absent)} are missing")
    return [there[pair] for pair in versions.items()]


def check_installable(requirement: str, folder: Path) -> None:
    """Have pip plan an install from the wheels of a folder alone.

    Raises
    ------
    LabkitError
        It would not succeed; the message has pip's last words.
    """
    plan = ["install", "--dry-run", "--ignore-installed", "--no-index", "--find-links", str(folder), requirement]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet", *plan],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise LabkitError(f"{requirement} must install from {folder} alone, instead pip says:\n{words}")


def write_manifest(target: Path, wheels: Iterable[Path], **said: str) -> Path:
    """Write which wheels there are, with sizes and SHA-256, for which Python and platform, and what is ``said``."""
    root = target.parent
    listed = {
        path.relative_to(root).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)} for path in wheels
    }
    content = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": sysconfig.get_platform(),
        **said,
        "wheels": dict(sorted(listed.items())),
    }
    with whole(target) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n")
    return target


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _requires(package: Distribution, extras: set[str]) -> list[Requirement]:
    wanted = [Requirement(text) for text in package.requires or []]
    return [item for item in wanted if not item.marker or any(item.marker.evaluate({"extra": e}) for e in extras)]


def _by_version(folder: Path) -> dict[tuple[str, str], Path]:
    found = {}
    for path in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(path.name)
        found[str(name), str(version)] = path
    return found


def _source(name: str, version: str) -> str:
    """What pip is asked for: a name and a version, or the folder or file that the package was installed from."""
    told = distribution(name).read_text("direct_url.json") if _is_here(name, version) else None
    address = urlsplit(json.loads(told)["url"]) if told else None
    return unquote(address.path) if address and address.scheme == "file" else f"{name}=={version}"


def _is_here(name: str, version: str) -> bool:
    try:
        return distribution(name).version == version
    except PackageNotFoundError:
        return False


def _build(sources: list[str], folder: Path) -> None:
    # Beside the folder, and then moved: a wheel that is there is whole.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part.") as partial:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-input", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--wheel-dir", partial, *sources], capture_output=True, text=True, check=False, errors="replace"
        )
        if done.returncode:
            words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise LabkitError(
                f"pip must get a wheel of each of {', '.join(sources)}, instead it ended with {done.returncode}:\n"
                f"{words}\nMend what it says and call this again: what was fetched stays. A PyTorch that is not of "
                "PyPI needs the variable PIP_EXTRA_INDEX_URL with the address that it came from"
            )
        for path in Path(partial).glob("*.whl"):
            path.replace(folder / path.name)
