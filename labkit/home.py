"""The folder where labkit keeps what is not a result: servers' data, secrets, ports, logs.

It is ``.labkit`` in the working folder, or the folder that the environment variable ``LABKIT_HOME`` names. It carries
its own ``.gitignore``, so that nothing in it is ever committed. Secrets are made once, with the operating system's
random source, and kept in one file that only its owner can read.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labkit.errors import LabkitError

SECRETS_FILE = "secrets.json"


@dataclass(frozen=True)
class Secrets:
    """What opens the servers of one bench. The words themselves never show in a representation or a log."""

    user: str
    password: str = field(repr=False)
    label_studio_token: str = field(repr=False)
    jupyter_token: str = field(repr=False)


def folder() -> Path:
    """Give the folder of labkit's state, made on the first call with mode 0700 and a ``.gitignore`` of its own."""
    home = Path(os.environ.get("LABKIT_HOME") or ".labkit").absolute()
    if not home.exists():
        home.mkdir(parents=True, mode=0o700)
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return home


def load_secrets() -> Secrets:
    """Read the secrets of this bench; the first call makes them, in a file of mode 0600.

    Raises
    ------
    LabkitError
        The file exists and cannot be understood, or others can read it.
    """
    path = folder() / SECRETS_FILE
    if not path.exists():
        made = Secrets(
            user="labkit@localhost.local",
            password=secrets.token_urlsafe(15),
            label_studio_token=secrets.token_hex(20),
            jupyter_token=secrets.token_urlsafe(24),
        )
        write_private(path, json.dumps(asdict(made), indent=2) + "\n")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise LabkitError(f"{path} must be readable by its owner alone. Run: chmod 600 {path}")
    try:
        return Secrets(**json.loads(path.read_text()))
    except (json.JSONDecodeError, TypeError) as error:
        raise LabkitError(
            f"{path} must hold the secrets of this bench as JSON, instead got {type(error).__name__}. "
            "Restore it; or remove it together with the Label Studio data beside it, and new ones are made"
        ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read (mode 0600 from its first byte), whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port of this host now.

    Raises
    ------
    LabkitError
        ``port`` is no port number, or ``host`` is no address of this machine.
    """
    if not 1 <= port <= 65535:
        raise LabkitError(f"port must be between 1 and 65535, instead got port={port}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise LabkitError(
                f"host must be an address of this machine, instead got host={host!r} ({error.strerror}). "
                "Use 127.0.0.1 for this machine alone, 0.0.0.0 for all who reach it"
            ) from error
    return True


def reachable(host: str) -> str:
    """Give the address under which a server that listens on ``host`` is reached from this machine.

    Examples
    --------
    >>> reachable("0.0.0.0"), reachable("127.0.0.1")
    ('127.0.0.1', '127.0.0.1')
    """
    return "127.0.0.1" if host == "0.0.0.0" else host


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """Give ``preferred`` or, when it is taken, the next free port within a hundred.

    Raises
    ------
    LabkitError
        None of them is free, ``preferred`` is no port number, or ``host`` is no address of this machine.
    """
    last = min(preferred + 99, 65535)
    for port in range(preferred, max(last, preferred) + 1):
        if is_free(port, host):
            return port
    raise LabkitError(f"port must be free, instead {preferred} to {last} are all taken. Name another port")
