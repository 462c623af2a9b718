"""A backup of Label Studio back in its place; what was there is kept beside."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

from labkit import home
from labkit.errors import LabkitError
from labkit.label import dumps
from labkit.label.backup import DATABASE, check_not_running, unpack
from labkit.label.database import Database, remembered_database
from labkit.label.variables import CHIPS_FOLDER, files_folder


def restore(backup: str | Path, *, replace: bool = False) -> Path | None:
    """Put a backup or a snapshot in the place of what this bench's Label Studio holds.

    Parameters
    ----------
    backup : str or Path
        Of :func:`labkit.label.back_up`, or one of the snapshots in labkit's home.
    replace : bool
        Must be True where there are data already. They are kept.

    Returns
    -------
    Path or None
        The folder in which what was there is kept (``before-restore-…`` in labkit's home); None where there was
        nothing. A backup without images leaves the images as they are.

    Raises
    ------
    FileError
        The backup is damaged; nothing was changed.
    LabkitError
        The server runs, there are data and ``replace`` is False, or the backup is of another kind of database.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     backup = lk.label.back_up(f"{folder}/labels.tar", progress=False)
    ...     before = lk.label.restore(backup, replace=True)
    >>> before.name, sorted(path.name for path in before.iterdir())
    ('before-restore-...', ['database', 'secrets.json'])
    """
    path = Path(backup).absolute()
    if not path.is_file():
        raise LabkitError(f"backup must be a file, instead there is none: {path}")
    check_not_running()
    database = remembered_database()
    with tempfile.TemporaryDirectory(dir=home.folder(), prefix=".restore.") as folder:
        content = Path(folder)
        manifest = unpack(path, content)
        kind = "sqlite" if database.embedded else "postgresql"
        if manifest["database"] != kind:
            raise LabkitError(
                f"{path} must hold a {kind} database as this bench uses, instead it holds {manifest['database']}. "
                "Start the server once with --database for the one it needs"
            )
        dumps.check_dump(database, content / DATABASE)
        occupied = not dumps.is_empty(database)
        if occupied and not replace:
            raise LabkitError(
                f"replace must be True to put {path.name} in the place of {database}, instead got replace=False. What "
                "is there now would be kept in a folder of labkit's home"
            )
        kept = _keep(database, occupied, bool(manifest["images"]))
        dumps.load_dump(database, content / DATABASE)
        if manifest["images"]:
            (content / CHIPS_FOLDER).mkdir(exist_ok=True)
            _put(content / CHIPS_FOLDER, files_folder() / CHIPS_FOLDER)
        home.write_private(home.folder() / home.SECRETS_FILE, (content / home.SECRETS_FILE).read_text())
        dumps.move_storages(database, str(manifest["files_folder"]), str(files_folder()))
    return kept


def _keep(database: Database, occupied: bool, images: bool) -> Path | None:
    """Set aside what a restore replaces: the database, the secrets, and the images where it brings its own."""
    secrets, served = home.folder() / home.SECRETS_FILE, files_folder() / CHIPS_FOLDER
    if not (occupied or secrets.exists()):
        return None
    folder = home.folder() / f"before-restore-{datetime.now():%Y%m%dT%H%M%S%f}"
    folder.mkdir(mode=0o700)
    if occupied:
        dumps.dump(database, folder / DATABASE)
    if secrets.exists():
        home.write_private(folder / home.SECRETS_FILE, secrets.read_text())
    if images and any(served.iterdir()):
        served.rename(folder / CHIPS_FOLDER)
    return folder


def _put(source: Path, target: Path) -> None:
    if target.exists():
        target.rmdir()  # empty: what it held was set aside
    source.rename(target)
