"""The page ``/services/progress/`` of the hub: who is how far, for the teacher alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from labkit.label.people import Person
from labkit.workshop.accounts import everybody
from labkit.workshop.layout import TEACHER, Workshop, account_of
from labkit.workshop.memory import memory_by_person
from labkit.workshop.progress import code_cells, page, read_progress


class ProgressPage(HubOAuthenticated, RequestHandler):
    """Shows the table to who is an administrator of the hub."""

    def initialize(self, room: Workshop) -> None:
        """Take the workshop."""
        self.room = room

    @authenticated
    def get(self) -> None:
        """Read everybody's progress anew and write the page."""
        who = self.get_current_user()
        if not who.get("admin"):
            raise HTTPError(403, "this page is the teacher's")
        people: list[Person] = everybody(self.room)
        names = {account_of(person.email): person.name for person in people}
        cells = code_cells(self.room)
        progress = {name: read_progress(self.room, name, cells) for name in names if name != TEACHER}
        self.set_header("Cache-Control", "no-store")
        memory = {name: held for name, held in memory_by_person().items() if name in names}
        self.write(page(progress, cells, memory, names))


def main() -> None:
    """Serve the page where the hub says, until it ends this process."""
    prefix, url = os.environ["JUPYTERHUB_SERVICE_PREFIX"], urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    room = Workshop(Path(sys.argv[1]))
    routes: list[Any] = [
        (rf"{prefix}oauth_callback", HubOAuthCallbackHandler),
        (rf"{prefix}?", ProgressPage, {"room": room}),
    ]
    application = Application(routes, cookie_secret=os.urandom(32))
    HTTPServer(application).listen(url.port or 80, url.hostname or "127.0.0.1")
    IOLoop.current().start()


if __name__ == "__main__":
    main()
