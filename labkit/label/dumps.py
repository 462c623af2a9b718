"""Label Studio's database into one file and back: as a whole, and while the server runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from labkit.errors import FileError, LabkitError
from labkit.label.database import Database

_STORAGE_TABLE = "io_storages_localfilesmixin"


def dump(database: Database, target: Path) -> None:
    """Write a database to a file: a copy of SQLite's, or what ``pg_dump`` makes of PostgreSQL's (custom format).

    Both see one moment of the database; people go on working meanwhile.

    Raises
    ------
    LabkitError
        There is nothing to write yet, it is damaged, or PostgreSQL's programs are missing or refuse.
    """
    if not database.embedded:
        _run_client(database, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
        return
    if not database.file.is_file():
        raise LabkitError(f"{database.file} must be there to be backed up, instead Label Studio was never started here")
    try:
        with closing(_open(database.file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.DatabaseError as error:
        raise FileError(f"{database.file} must be a whole SQLite database, instead: {error}") from error


def check_dump(database: Database, dumped: Path) -> None:
    """Look through a dump as a whole.

    Raises
    ------
    FileError
        It is damaged, or of another kind of database.
    """
    if not database.embedded:
        _run_client(database, "pg_restore", "--list", str(dumped))
        return
    try:
        with closing(_open(dumped)) as copy:
            verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        raise FileError(f"{dumped.name} must be a whole SQLite database, instead: {verdict}")


def load_dump(database: Database, dumped: Path) -> None:
    """Put a dump in the place of what a database holds; PostgreSQL takes all of it or nothing.

    Raises
    ------
    LabkitError
        PostgreSQL's programs are missing or refuse.
    """
    if database.embedded:
        database.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        dumped.replace(database.file)
        return
    words = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    _run_client(database, "pg_restore", *words, f"--dbname={database.name}", str(dumped))


def is_empty(database: Database) -> bool:
    """Whether no Label Studio has used a database yet."""
    if database.embedded:
        return not database.file.exists()
    query = "select count(*) from information_schema.tables where table_schema = 'public'"
    return _query(database, query).strip() == "0"


def move_storages(database: Database, before: str, now: str) -> None:
    """Tell the database that the folder of served images, and all below it, is elsewhere."""
    if before == now:
        return
    statement = f"update {_STORAGE_TABLE} set path = {{now}} || substr(path, {len(before) + 1}) where {{below}}"
    if database.embedded:
        with closing(sqlite3.connect(database.file)) as connection, connection:
            below = "substr(path, 1, ?) = ?"
            connection.execute(statement.format(now="?", below=below), (now, len(before) + 1, before + os.sep))
        return
    quoted_now, quoted_before = ("'" + text.replace("'", "''") + "'" for text in (now, before + os.sep))
    _query(database, statement.format(now=quoted_now, below=f"substr(path, 1, {len(before) + 1}) = {quoted_before}"))


def last_change(database: Database) -> str:
    """Give words that change when the database does."""
    if database.embedded:
        files = sorted(database.file.parent.glob(f"{database.file.name}*"))
        return " ".join(f"{file.name}:{file.stat().st_mtime_ns}:{file.stat().st_size}" for file in files)
    counted = "select xact_commit, tup_inserted, tup_updated, tup_deleted from pg_stat_database where datname = "
    return _query(database, counted + "current_database()").split(maxsplit=1)[-1]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _query(database: Database, query: str) -> str:
    return _run_client(
        database, "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--field-separator= ", "-c", query
    )


def _run_client(database: Database, program: str, *words: str) -> str:
    """Run one of PostgreSQL's programs; the password goes by the environment, and into no error."""
    path = shutil.which(program)
    if path is None:
        raise LabkitError(
            f"{program} must be on this machine for a Label Studio in PostgreSQL, instead it is not found. Install "
            "PostgreSQL's client programs of the server's version (Debian: postgresql-client)"
        )
    variables = os.environ | {name: value for name, value in database.client_variables().items() if value}
    done = subprocess.run(
        [path, *words], env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabkitError(f"{program} must succeed on {database}, instead it says: {done.stderr.strip()[-500:]}")
    return done.stdout
