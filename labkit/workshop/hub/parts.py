"""How JupyterHub lets people of a workshop in, and how it starts their servers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Dict, Unicode

from labkit.label.connection import ADDRESS_VARIABLE, TOKEN_VARIABLE
from labkit.label.variables import FILES_FOLDER, FILES_VARIABLE
from labkit.workshop.accounts import is_right
from labkit.workshop.layout import COMPILED, PROGRESS, TEACHER, Workshop, account_of, isolates
from labkit.workshop.resetting import WORKSHOP_VARIABLE
from labkit.workshop.watching import PROGRESS_VARIABLE


class PasswordFile(Authenticator):
    """Compares passwords with their hashes in the workshop's private folder; nobody can sign up."""

    passwords = Unicode(config=True, help="The file of hashes.")

    def normalize_username(self, username: str) -> str:
        """Take the user name of Label Studio, an e-mail address, as well."""
        return str(super().normalize_username(account_of(username.strip())))

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Give the account where the password is right, else None."""
        account = self.normalize_username(data["username"])
        return account if is_right(Path(self.passwords), account, data["password"].strip()) else None


class HomeSpawner(LocalProcessSpawner):
    """Starts each person's server in the person's own home; where root runs the hub, as a system user of his own."""

    workshop = Unicode(config=True, help="The folder of the workshop.")
    label_studio = Dict(
        config=True, help="Where Label Studio is: variables of everybody's server; empty: there is none."
    )
    numbers = Dict(config=True, help="Account → system user's number; empty: everybody runs as who runs the hub.")

    @property
    def home(self) -> Path:
        """The person's home folder."""
        return Workshop(Path(self.workshop)).home(self.user.name)

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Become the person, and go home."""
        number, home = self.numbers.get(name), self.home

        def become() -> None:
            if number is not None:
                os.setgroups([])
                os.setgid(number)
                os.setuid(number)
                os.umask(0o077)
            os.chdir(home)

        return become

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what a server in this home has to know."""
        home, room = self.home, Workshop(Path(self.workshop))
        env |= {
            "USER": self.user.name,
            "LOGNAME": self.user.name,
            "HOME": str(home),
            "SHELL": "/bin/bash",
            "LABKIT_HOME": str(home / ".labkit"),
            WORKSHOP_VARIABLE: str(room.folder),
            PROGRESS_VARIABLE: str(home / PROGRESS),
            "JUPYTER_CONFIG_PATH": str(room.hub_settings.parent / "jupyter"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "NUMBA_CACHE_DIR": str(home / COMPILED),
            "MPLCONFIGDIR": str(home / ".cache" / "matplotlib"),
        }
        if self.user.name == TEACHER:
            env["LABKIT_HOME"] = str(room.bench)  # pushes to and pulls from the one Label Studio
            env |= {name: value for name, value in self.label_studio.items() if name == ADDRESS_VARIABLE}
        elif self.label_studio and (room.bench / FILES_FOLDER).is_symlink():
            token = json.loads(room.tokens.read_text())[self.user.name]
            env |= self.label_studio | {TOKEN_VARIABLE: token, FILES_VARIABLE: str(room.pictures)}
        if room.label_studio.is_dir():
            env["LABKIT_LABEL_STUDIO_ENV"] = str(room.label_studio)
        elif "LABKIT_LABEL_STUDIO_ENV" in os.environ:
            env["LABKIT_LABEL_STUDIO_ENV"] = os.environ["LABKIT_LABEL_STUDIO_ENV"]
        return env

    def get_args(self) -> list[str]:
        """Let root's own server start, too: the teacher's, where root runs the hub."""
        words = list(super().get_args())
        return [*words, "--ServerApp.allow_root=True"] if isolates() and self.user.name not in self.numbers else words
