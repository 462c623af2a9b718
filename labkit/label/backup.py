"""All that a Label Studio of labkit knows, in one file: its database, the images it serves, and what opens it.

The file is a tar archive: ``database``, ``secrets.json``, ``chips/…`` and, last, ``manifest.json`` with the SHA-256 of
every other member. Because of the secrets only its owner can read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from labkit import __version__, home
from labkit.errors import FileError, LabkitError
from labkit.label import dumps
from labkit.label.database import remembered_database
from labkit.label.environment import ensure_environment, installed_version
from labkit.label.variables import CHIPS_FOLDER, files_folder

MANIFEST = "manifest.json"
DATABASE = "database"

_FORMAT = 1


def back_up(target: str | Path, *, images: bool = True, progress: bool = True) -> Path:
    """Write a backup of this bench's Label Studio; it may run and be used meanwhile.

    Parameters
    ----------
    target : str or Path
        The file to be, e.g. "labels-2026-11.tar". An older one stays until the new one is whole.
    images : bool
        With the images that it serves; without them a backup is small, and they are made again by a push.
    progress : bool
        Show a bar over the images.

    Returns
    -------
    Path
        The file, of mode 0600: it holds the secrets of the bench.

    Raises
    ------
    FileError
        The file cannot be written, or the database is damaged.
    LabkitError
        Label Studio was never started here, or PostgreSQL's programs refuse.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lk.label.back_up(f"{folder}/labels.tar", images=False, progress=False)
    ...     with tarfile.open(path) as archive:
    ...         path.name, archive.getnames()
    ('labels.tar', ['database', 'secrets.json', 'manifest.json'])
    """
    path = Path(target).absolute()
    database = remembered_database()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            dumped, partial = Path(folder) / DATABASE, Path(folder) / path.name
            dumps.dump(database, dumped)
            manifest = {
                "format": _FORMAT,
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "labkit": __version__,
                "label_studio": installed_version(ensure_environment().parents[1]),
                "database": "sqlite" if database.embedded else "postgresql",
                "files_folder": str(files_folder()),
                "images": images,
            }
            _write(partial, manifest, dumped, images, progress)
            partial.replace(path)
    except OSError as error:
        raise FileError(f"{path} must be writable with enough room on its disk, instead got: {error}") from error
    return path


def unpack(backup: Path, folder: Path) -> dict[str, Any]:
    """Unpack a backup into a folder, whole and verified, and give its manifest.

    Raises
    ------
    FileError
        It is no backup, was cut, or a checksum does not hold.
    """
    sums: dict[str, str] = {}
    try:
        with tarfile.open(backup) as archive:
            for member in archive:
                if not member.isfile():
                    raise FileError(f"{backup} must hold files alone, instead it holds {member.name!r}")
                archive.extract(member, folder, filter="data")
                sums[member.name] = _sum(folder / member.name)
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        stated = dict(manifest["sums"])
    except (tarfile.TarError, EOFError, json.JSONDecodeError, KeyError, FileNotFoundError, UnicodeDecodeError) as error:
        raise FileError(
            f"{backup} must be a whole backup of Label Studio, instead got {type(error).__name__}: {error}. Take "
            "another one; labkit keeps snapshots in its home"
        ) from error
    del sums[MANIFEST]
    wrong = sorted(name for name in {*stated, *sums} if stated.get(name) != sums.get(name))
    if wrong:
        raise FileError(f"{backup} must hold what its manifest states, instead these differ: {', '.join(wrong[:5])}")
    if manifest["format"] != _FORMAT:
        raise FileError(f"{backup} must be of format {_FORMAT}, instead got {manifest['format']}. Use a newer labkit")
    return manifest


def _write(partial: Path, manifest: dict[str, Any], dumped: Path, images: bool, progress: bool) -> None:
    sums: dict[str, str] = {}
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name, source in _members(dumped, images, progress):
            archive.add(source, name, recursive=False, filter=_nameless)
            sums[name] = _sum(source)
        listing = partial.with_name(MANIFEST)
        listing.write_text(json.dumps(manifest | {"sums": sums}, indent=1) + "\n")
        archive.add(listing, MANIFEST, filter=_nameless)
        archive.close()
        file.flush()
        os.fsync(file.fileno())


def _members(dumped: Path, images: bool, progress: bool) -> Iterator[tuple[str, Path]]:
    """Every file of a backup with its name in it. Served images are replaced whole, so a copy of one cannot be torn."""
    yield DATABASE, dumped
    copied = dumped.with_name(home.SECRETS_FILE)
    home.load_secrets()
    shutil.copyfile(home.folder() / home.SECRETS_FILE, copied)
    copied.chmod(0o600)
    yield home.SECRETS_FILE, copied
    if images:
        root = files_folder()
        served = sorted(path for path in (root / CHIPS_FOLDER).rglob("*") if _is_served(path))
        for path in tqdm(served, desc="images", unit="image", disable=not progress or not served):
            kept = dumped.with_name("image")
            try:
                shutil.copyfile(path, kept)
            except FileNotFoundError:
                continue  # replaced or removed by a push meanwhile; the next push brings it back
            yield path.relative_to(root).as_posix(), kept


def _is_served(path: Path) -> bool:
    """Whether a file is one that pages show: the locks of pushes lie beside them, hidden and empty."""
    return path.is_file() and not path.is_symlink() and not (path.name.startswith(".") and path.suffix == ".lock")


def _nameless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_not_running() -> None:
    """Raise when the Label Studio of this bench runs."""
    from labkit.label.server import find_server

    running = find_server()
    if running is not None:
        raise LabkitError(
            f"Label Studio must be stopped first, instead it runs at {running.url} (process {running.pid})"
        )
