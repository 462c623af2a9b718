"""One project of Label Studio: found or made, its images served, its tasks listed whole, its predictions renewed.

The client is the SDK's; its errors go through to the caller (:func:`labkit.label.connection.asking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
from filelock import FileLock, Timeout

from labkit.errors import LabkitError, ServerError
from labkit.label import config, tasks
from labkit.label.guidance import guidance_text
from labkit.label.variables import CHIPS_FOLDER, FILES_VARIABLE

#: Tasks that go over in one request.
PAGE = 200


class Project:
    """A project and the client to work on it; made by :func:`open_project` and :func:`find_or_make_project`."""

    def __init__(self, url: str, client: Any, number: int) -> None:
        self.server_url = url
        self.number = number
        self.client = client
        project = client.projects.get(id=number)
        self.interface = str(project.label_config)
        self.instruction = str(project.expert_instruction or "")

    def serve_folder(self, root: Path) -> Path:
        """Make the folder of the project's images below the server's document root, and let the server serve it.

        Label Studio serves files of a folder only to those who may see a project with a storage there. The storage is
        never synced: a sync would make a second task of every image.
        """
        from label_studio_sdk.core.api_error import ApiError

        folder = root / CHIPS_FOLDER / str(self.number)
        folder.mkdir(parents=True, exist_ok=True)
        storages = self.client.import_storage.local
        if any(Path(str(storage.path)) == folder for storage in storages.list(project=self.number)):
            return folder
        try:
            storages.create(project=self.number, path=str(folder), title="chips of labkit, not to be synced")
        except ApiError as error:
            if error.status_code != 400:
                raise
            raise ServerError(
                f"Label Studio at {self.server_url} must serve images from {folder}, instead it refuses: "
                f"{str(error.body)[:300]}. Give connect(files=...) the folder that it serves (its "
                f"LOCAL_FILES_DOCUMENT_ROOT), or set {FILES_VARIABLE}"
            ) from None
        return folder

    def tasks(self, *, full: bool = True) -> Iterator[dict[str, Any]]:
        """Walk over all tasks, page by page; raise when the listing ends before the count that the server stated.

        Parameters
        ----------
        full : bool
            With annotations and predictions, or only ``id`` and ``data``.
        """
        only = {} if full else {"include": "id,data"}
        pages = self.client.tasks.list(project=self.number, page_size=PAGE, **only)
        total = int(getattr(pages.response, "total", 0) or 0)
        seen: set[int] = set()
        for item in pages:
            if item.id not in seen:
                seen.add(item.id)
                yield item.model_dump()
        if len(seen) < total:
            raise ServerError(
                f"Label Studio at {self.server_url} must list all {total} tasks of project {self.number}, instead it "
                f"listed {len(seen)}. Try again when nobody deletes tasks"
            )

    def add_tasks(self, fresh: list[dict[str, Any]]) -> None:
        """Import tasks (``data`` and ``predictions`` each)."""
        for start in range(0, len(fresh), PAGE):
            batch = fresh[start : start + PAGE]
            answer = self.client.projects.import_tasks(self.number, request=batch)
            if answer.task_count != len(batch):
                raise ServerError(
                    f"Label Studio at {self.server_url} must take {len(batch)} tasks, instead it took "
                    f"{answer.task_count}. Push again: chips that arrived are not doubled"
                )

    def remove_doubled(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give one task for each chip, and remove the others on which nobody has drawn.

        A push that died while the server was still taking its tasks, and was begun again at once, doubles them. Of two
        tasks with work on both, the first is given and both stay.
        """
        by_chip: dict[str, list[dict[str, Any]]] = {}
        for task in sorted(found, key=lambda task: int(task["id"])):
            # tasks of somebody else's making are left alone
            if "chip_id" in task["data"]:
                by_chip.setdefault(str(task["data"]["chip_id"]), []).append(task)
        kept = []
        for same in by_chip.values():
            worked = [task for task in same if len(same) > 1 and self._has_work(int(task["id"]))]
            first = (worked or same)[0]
            for task in same:
                if task is not first and task not in worked:
                    self.client.tasks.delete(id=str(task["id"]))
            kept.append(first)
        return kept

    def _has_work(self, number: int) -> bool:
        task = self.client.tasks.get(id=str(number)).model_dump()
        return any(task.get(name) for name in ("annotations", "drafts"))

    @contextmanager
    def pushed_into(self, folder: Path) -> Iterator[None]:
        """Hold the project for the length of the body against other pushes from this machine.

        Raises
        ------
        ServerError
            Another push into it is going on.
        """
        lock = FileLock(folder.parent / f".{folder.name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ServerError(
                f"project {self.number} at {self.server_url} must be pushed into by one process, instead another push "
                "is going on. Push again when that one is done: what arrived is not sent twice"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def renew_task(self, number: int, data: dict[str, Any]) -> None:
        """Give a task other data; its annotations and predictions stay."""
        self.client.tasks.update(id=str(number), data=data)

    def renew_predictions(
        self, known: list[dict[str, Any]], detections: gpd.GeoDataFrame, directions: Sequence[str]
    ) -> int:
        """Replace the predictions of the detections' models on tasks where they differ; return how many were added.

        A prediction that somebody's annotation began with stays, to tell later what became of its boxes.
        """
        models = {str(model) or tasks.UNNAMED_MODEL for model in detections["model"]}
        added: list[dict[str, Any]] = []
        for task in known:
            wanted = {str(p["model_version"]): p for p in tasks.predictions_on(task["data"], detections, directions)}
            begun_with = {annotation.get("parent_prediction") for annotation in task.get("annotations") or []}
            for old in task.get("predictions") or []:
                model = str(old.get("model_version"))
                if model in wanted and tasks.same_boxes(old.get("result") or [], wanted[model]["result"]):
                    del wanted[model]
                elif model in models and old["id"] not in begun_with:
                    self.client.predictions.delete(id=int(old["id"]))
            added += [{"task": int(task["id"]), **prediction} for prediction in wanted.values()]
        for start in range(0, len(added), PAGE):
            self.client.projects.import_predictions(self.number, request=added[start : start + PAGE])
        return len(added)


def open_project(url: str, client: Any, title: str) -> Project:
    """Open the project of this title.

    Raises
    ------
    LabkitError
        There is none, or more than one.
    """
    number = _number_of(url, client, title)
    if number is None:
        raise LabkitError(
            f"project must be one of Label Studio's at {url}, instead got project={title!r}. "
            "Push chips first: studio.push(chips, images, project)"
        )
    return Project(url, client, number)


def find_or_make_project(
    url: str,
    client: Any,
    title: str,
    images: tuple[str, ...],
    classes: Sequence[str],
    guidance: str | None = None,
) -> Project:
    """Open the project of this title, or make it for these images and labels; give it the guidance, if there is one.

    Raises
    ------
    LabkitError
        It exists for other images, or the title is not unique.
    """
    number = _number_of(url, client, title)
    directions = next(panel for panel in config.PANELS if set(panel) <= set(images))
    beside = tuple(name for name in images if name not in directions)
    if number is None:
        interface = config.labelling_interface(directions, classes, beside)
        text = guidance_text(classes, directions) if guidance is None else guidance
        made = client.projects.create(title=title, label_config=interface, expert_instruction=text)
        return Project(url, client, int(made.id))
    project = Project(url, client, number)
    has = (*config.directions_of(project.interface), *config.pictures_of(project.interface))
    if has != images:
        raise LabkitError(
            f"project must be made for the images {images}, instead project={title!r} at {url} shows "
            f"{has or 'others'}. Name another project"
        )
    if guidance is not None and guidance.strip() != project.instruction.strip():
        client.projects.update(id=number, expert_instruction=guidance)
        project.instruction = guidance
    return project


def _number_of(url: str, client: Any, title: str) -> int | None:
    same = [int(project.id) for project in client.projects.list(title=title) if project.title == title]
    if len(same) > 1:
        raise LabkitError(
            f"project must name one project of {url}, instead {len(same)} are called {title!r}. Rename the others"
        )
    return same[0] if same else None
