"""The Label Studio in which people label: the one that colleagues share, else one of this bench's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from labkit.label.connection import ADDRESS_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE, asking, open_client
from labkit.label.server import LabelServer, find_server, start_server


@dataclass(frozen=True)
class SharedServer:
    """A Label Studio that somebody else runs: a workshop's, a team's.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.label.SharedServer("http://192.168.1.5:8080", "ann.lee@workshop.local").started
    False
    """

    #: As browsers reach it.
    url: str
    #: Of the account to which the token belongs.
    user: str
    started: ClassVar[bool] = False
    shared: ClassVar[bool] = True

    @property
    def password_hint(self) -> str:
        """Where the password is."""
        return "the one you were given for this account; in a workshop it is on your slip"

    def stop(self) -> None:
        """Do nothing: it is not this bench's to stop."""


def join_server() -> LabelServer | SharedServer:
    """Join the Label Studio that colleagues share, else start (or find) one of this bench's own.

    A server is shared where the environment names its address and a token, ``LABKIT_LABEL_STUDIO_URL`` and
    ``LABKIT_LABEL_STUDIO_TOKEN``, as the hub of a workshop does for each person. :func:`labkit.label.connect` then goes
    to the same one.

    Returns
    -------
    LabelServer or SharedServer
        Both have ``url``, ``user``, ``password_hint``, ``shared`` and ``started``.

    Raises
    ------
    ServerError
        The named server cannot be reached or refuses the token, or one of this bench's own does not start.
    LabkitError
        As :func:`labkit.label.start_server`.

    Examples
    --------
    >>> import labkit as lk
    >>> server = lk.label.join_server()
    >>> server.user, server.shared
    ('labkit@localhost.local', False)
    """
    url, token = os.environ.get(URL_VARIABLE, "").rstrip("/"), os.environ.get(TOKEN_VARIABLE)
    own = find_server()
    if not url or not token or (own is not None and own.url == url):
        return own or start_server()
    client = open_client(url, token)
    with asking(url):
        user = str(client.users.whoami().email)
    return SharedServer(os.environ.get(ADDRESS_VARIABLE, "").rstrip("/") or url, user)
