"""A room of people who label at once, each asking a Label Studio what their browser would ask it.

They log in by the form, and then for each chip ask for the next task, fetch its images and submit boxes, with the
session's cookie. What the server acknowledged is kept, to be held against what is in a label store afterwards.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import pandas as pd
import requests

from labkit.label import LabelServer, LabelStore, add_people, connect
from labkit.label.convert import to_region
from labkit.label.people import Person

#: Seconds that an answer may take.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Acknowledged:
    """A box that the server said it has."""

    task_id: int
    annotation_id: int
    region_id: str
    annotator: str


@dataclass
class Annotator:
    """One person with a browser.

    Attributes
    ----------
    acknowledged
        Boxes that the server said it has.
    refused
        What went wrong, in words: answers other than 2xx and lost connections.
    seconds
        How long the server took for each chip, from the question for the next task to the acknowledged submission.
    """

    url: str
    person: Person
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy of the shell cannot reach the loopback

    def log_in(self) -> None:
        """Fill in the form of the log-in page."""
        page = f"{self.url}/user/login/"
        self.session.get(page, timeout=PATIENCE_S).raise_for_status()
        form = {"email": self.person.email, "password": self.person.password}
        form |= {"csrfmiddlewaretoken": self.session.cookies["csrftoken"], "persist_session": "on"}
        answer = self.session.post(page, data=form, headers={"Referer": page}, timeout=PATIENCE_S)
        answer.raise_for_status()
        self._ask("GET", "/api/current-user/whoami")

    def label(self, project: int, count: int) -> None:
        """Work on up to ``count`` chips of a project's queue; what the server refuses is noted, and the next tried."""
        for number in range(count):
            began = time.perf_counter()
            try:
                if not self._label_next(project, number):
                    return
                self.seconds.append(time.perf_counter() - began)
            except requests.RequestException as error:
                answer = error.response
                words = type(error).__name__ if answer is None else f"{answer.status_code} {answer.text[:200]}"
                self.refused.append(words)

    def _label_next(self, project: int, number: int) -> bool:
        """Submit a box on the next task; False where the queue is empty."""
        task = self._next(project)
        if task is None:
            return False
        self._ask("GET", f"/api/label_links?project={project}&expand=label")
        for direction in ("azimuth", "range"):
            self._ask("GET", task["data"][direction])
        size = int(task["data"]["size"])
        region = f"{self.person.name}-{number}"
        box = (1.0 + number % (size // 4), 2.0, size / 2, size - 1.0)
        body = {"lead_time": 1.5, "result": [to_region(region, "azimuth", box, size) | {"origin": "manual"}]}
        answer = self._ask("POST", f"/api/tasks/{task['id']}/annotations?project={project}", json=body).json()
        self.acknowledged.append(Acknowledged(int(task["id"]), int(answer["id"]), region, self.person.email))
        return True

    def _next(self, project: int) -> dict | None:
        path = f"/api/dm/actions?id=next_task&project={project}"
        answer = self.session.post(self.url + path, json={"project": str(project)}, timeout=PATIENCE_S)
        if answer.status_code == 404 and "no tasks" in answer.text:
            return None
        answer.raise_for_status()
        return answer.json()

    def _ask(self, method: str, path: str, **more: object) -> requests.Response:
        answer = self.session.request(method, self.url + path, timeout=PATIENCE_S, **more)
        answer.raise_for_status()
        return answer


def crowd_of(server: LabelServer, count: int) -> list[Annotator]:
    """Make accounts for people, and log them all in at once."""
    names = [f"{secrets.token_hex(3)}-{number}" for number in range(count)]
    people = add_people(Person(name, f"{name}@workshop.local") for name in names)
    crowd = [Annotator(server.url, person) for person in people]
    work_at_once(crowd, Annotator.log_in)
    return crowd


def work_at_once(crowd: Sequence[Annotator], job: Callable[[Annotator], None]) -> None:
    """Let all do something at the same time."""
    with ThreadPoolExecutor(len(crowd)) as room:
        for _ in room.map(job, crowd):
            pass


def label_while_others_push_and_pull(
    crowd: Sequence[Annotator],
    each: int,
    chips: gpd.GeoDataFrame,
    images: pd.DataFrame,
    project: str,
    store: LabelStore,
) -> list[int]:
    """Let everybody label ``each`` chips of one project, while it is pushed to in parts and pulled again and again.

    Returns
    -------
    list of int
        How many labels each pull gave; the last one came after all were done.
    """
    studio, half, done = connect(), len(chips) // 2, threading.Event()
    number = int(studio.push(chips[:half], images, project).url.split("/")[-2])
    pulled: list[int] = []

    def push() -> None:
        for start in range(half, len(chips), 40):
            studio.push(chips[start : start + 40], images, project)

    def pull() -> None:
        mine = connect()
        while not done.is_set():
            pulled.append(len(mine.pull(project, store=store)))
            done.wait(1.0)

    with ThreadPoolExecutor(2) as beside:
        jobs: list[Future[None]] = [beside.submit(push), beside.submit(pull)]
        try:
            work_at_once(crowd, lambda annotator: annotator.label(number, each))
        finally:
            done.set()
        for job in jobs:
            job.result()
    # those for whom the queue was empty before the last chips had come
    work_at_once(crowd, lambda annotator: annotator.label(number, each - len(annotator.seconds)))
    pulled.append(len(studio.pull(project, store=store)))
    return pulled


def memory_mib(server: LabelServer) -> float:
    """Give the most memory that the server's process has held, MiB (Linux)."""
    words = Path(f"/proc/{server.pid}/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) / 1024
