"""Where Label Studio keeps what it knows: in a file of its own for one person, in PostgreSQL for a team.

The choice is made once for a bench and remembered in ``label-studio-database.json`` of labkit's home, which only its
owner can read: a server that came up with another database would seem to have lost all labels.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from labkit import home
from labkit.errors import LabkitError

#: Names the database without showing its password in a list of processes.
DATABASE_VARIABLE = "LABKIT_LABEL_STUDIO_DATABASE"

DATABASE_FILE = "label-studio-database.json"

#: The folder of the embedded database, and the file in it.
DATA_FOLDER = "label-studio"
SQLITE_FILE = "label_studio.sqlite3"

EMBEDDED = "sqlite"

_SCHEMES = ("postgresql", "postgres")
_FORM = "postgresql://USER:PASSWORD@HOST:PORT/NAME"


@dataclass(frozen=True)
class Database:
    """A database of Label Studio; ``name`` is empty for the embedded one.

    Attributes
    ----------
    name, user, password, host, port
        Of PostgreSQL. A ``host`` that begins with "/" is the folder of a Unix socket. The password never shows in a
        representation.
    """

    name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 5432

    @property
    def embedded(self) -> bool:
        """Whether it is the file in labkit's home."""
        return not self.name

    @property
    def file(self) -> Path:
        """The file of the embedded database, whether or not it is there."""
        return home.folder() / DATA_FOLDER / SQLITE_FILE

    def __str__(self) -> str:
        """Name it without its password."""
        if self.embedded:
            return f"the file {self.file}"
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.name}"

    def variables(self) -> dict[str, str]:
        """Give what tells Label Studio of it, as environment variables."""
        if self.embedded:
            return {"DJANGO_DB": "sqlite"}
        return {
            "DJANGO_DB": "default",
            "POSTGRE_NAME": self.name,
            "POSTGRE_USER": self.user,
            "POSTGRE_PASSWORD": self.password,
            "POSTGRE_HOST": self.host,
            "POSTGRE_PORT": str(self.port),
        }

    def client_variables(self) -> dict[str, str]:
        """Give what PostgreSQL's own programs read, as environment variables: no password in a command line."""
        return {
            "PGDATABASE": self.name,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
        }


def parse_database(words: str) -> Database:
    """Read the name of a database.

    Parameters
    ----------
    words : str
        "sqlite", or ``postgresql://USER:PASSWORD@HOST:PORT/NAME``; parts with special letters in per cent code. Without
        a host, or with ``?host=/folder``, by the Unix socket.

    Raises
    ------
    LabkitError
        It is neither; the message does not repeat it, because a password may stand in it.

    Examples
    --------
    >>> print(parse_database("postgresql://team:secret@db.example.org/labels"))
    postgresql://team@db.example.org:5432/labels
    """
    if words == EMBEDDED:
        return Database()
    try:
        parts = urlsplit(words)
        port = parts.port or 5432
    except ValueError:
        raise LabkitError(f"database must be {EMBEDDED} or {_FORM}, instead its address cannot be read") from None
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in _SCHEMES or not name or not parts.username:
        raise LabkitError(
            f"database must be {EMBEDDED} or {_FORM} with a user and a name, instead it begins with "
            f"{(parts.scheme or words.split(':')[0])[:20]!r}, has user={parts.username or ''!r} and name={name!r}"
        )
    query = dict(word.split("=", 1) for word in parts.query.split("&") if "=" in word)
    unknown = set(query) - {"host"}
    if unknown:
        raise LabkitError(f"database must have no option but host, instead got {sorted(unknown)}")
    host = unquote(query.get("host", "")) or parts.hostname or "/var/run/postgresql"
    return Database(name, unquote(parts.username), unquote(parts.password or ""), host, port)


def remember_database(database: Database) -> None:
    """Make a database the one of this bench, in a file of mode 0600."""
    path = home.folder() / DATABASE_FILE
    if database.embedded:
        path.unlink(missing_ok=True)
    else:
        home.write_private(path, json.dumps(asdict(database), indent=2) + "\n")


def remembered_database() -> Database:
    """Give the database that this bench used last; the embedded one where none was named."""
    path = home.folder() / DATABASE_FILE
    if not path.exists():
        return Database()
    try:
        return Database(**json.loads(path.read_text()))
    except (json.JSONDecodeError, TypeError) as error:
        raise LabkitError(
            f"{path} must hold the address of Label Studio's database as JSON, instead got {type(error).__name__}. "
            "Name the database again with --database"
        ) from error
