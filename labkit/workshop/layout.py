"""Where things lie in the folder of a workshop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import FileError

#: Of an account: the first part of its e-mail address, and the name of the person's folder.
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")

#: The teacher's account; it is in no list of people.
TEACHER = "teacher"

#: The folder of notebooks in a workshop and in each home.
NOTEBOOKS = "notebooks"

#: The folder of lessons among the notebooks, and that of their material among the data.
COURSE = "course"

#: Where a home keeps what was there before a reset.
KEPT = "kept"

#: Where a home keeps compiled functions.
COMPILED = Path(".cache/numba")

#: In a home: what its owner ran and which exercises are right.
PROGRESS = ".progress"


@dataclass(frozen=True)
class Workshop:
    """The folder of a workshop.

    Parameters
    ----------
    folder : Path
        Made by :func:`labkit.workshop.make_workshop`.
    """

    folder: Path

    @classmethod
    def open(cls, folder: str | Path) -> Workshop:
        """Give the workshop in a folder.

        Raises
        ------
        FileError
            The folder holds none.
        """
        room = cls(Path(folder).absolute())
        for path in (room.people, room.notebooks, room.hub_settings):
            if not path.exists():
                raise FileError(
                    f"folder must be that of a workshop, instead {room.folder} has no {path.relative_to(room.folder)}. "
                    f"Make it with: labkit workshop {folder}"
                )
        return room

    @property
    def people(self) -> Path:
        """The list of names, a line each."""
        return self.folder / "people.txt"

    @property
    def notebooks(self) -> Path:
        """The notebooks as everybody begins with them."""
        return self.folder / NOTEBOOKS

    @property
    def data(self) -> Path:
        """The scenes, shared by all and changed by nobody."""
        return self.folder / "data"

    @property
    def hub_settings(self) -> Path:
        """The configuration of JupyterHub."""
        return self.folder / "hub" / "jupyterhub_config.py"

    @property
    def private(self) -> Path:
        """Passwords, secrets, logs and Label Studio's data: for the eyes of who runs the workshop."""
        return self.folder / "private"

    @property
    def bench(self) -> Path:
        """labkit's home of the one Label Studio: its data and its secrets."""
        return self.private / "labkit"

    @property
    def passwords(self) -> Path:
        """What passwords are compared with."""
        return self.private / "passwords.json"

    @property
    def tokens(self) -> Path:
        """What people's notebooks show to Label Studio: account → token."""
        return self.private / "label-studio-tokens.json"

    @property
    def pictures(self) -> Path:
        """What Label Studio shows: a folder in which everybody's notebooks put the pictures of their chips."""
        return self.folder / "pictures"

    @property
    def compiled(self) -> Path:
        """What numba compiled once for all: every home begins with a copy."""
        return self.folder / "compiled"

    @property
    def label_studio(self) -> Path:
        """Label Studio's environment, where install.py has made it."""
        return self.folder / "label-studio-env"

    @contextmanager
    def as_bench(self) -> Iterator[None]:
        """Work with the workshop's Label Studio: its home, and the environment of its install.py where there is one."""
        wanted = {"LABKIT_HOME": str(self.bench)}
        if self.label_studio.is_dir():
            wanted["LABKIT_LABEL_STUDIO_ENV"] = str(self.label_studio)
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def home(self, account: str) -> Path:
        """Give the home folder of an account.

        Raises
        ------
        FileError
            It is no name of an account.
        """
        if not _ACCOUNT.fullmatch(account):
            raise FileError(f"account must be letters, digits, dots and dashes, instead got account={account!r}")
        return self.folder / "homes" / account


def account_of(email: str) -> str:
    """Give the account's name of an e-mail address.

    Examples
    --------
    >>> account_of("Person.01@workshop.local")
    'person.01'
    """
    return email.partition("@")[0].lower()


def isolates() -> bool:
    """Whether each person can be given a system user's number of his own: only root can."""
    return os.name == "posix" and os.geteuid() == 0
