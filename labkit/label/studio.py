"""A client of Label Studio that knows chips and labels: push chips, pull labels."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import config, table, tasks, variables
from labkit.label.connection import ADDRESS_VARIABLE, address_and_token, asking, open_client
from labkit.label.convert import to_region
from labkit.label.correcting import corrected
from labkit.label.guidance import guidance_version
from labkit.label.project import Project, find_or_make_project, open_project
from labkit.label.proposals import fates_of
from labkit.label.sending import Sending
from labkit.label.store import LabelStore


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> studio = lk.label.connect()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     studio.push(chips.iloc[:6], images, "pushed twice")
    ...     studio.push(chips, images, "pushed twice")
    PushReport(project='pushed twice', url='http://127.0.0.1:.../data', new=6, known=0, predictions=0, updated=0)
    PushReport(project='pushed twice', url='http://127.0.0.1:.../data', new=3, known=6, predictions=0, updated=0)
    """

    project: str
    #: The address to open in the browser.
    url: str
    #: Chips that became tasks.
    new: int
    #: Chips that were there already and stayed as they were.
    known: int
    #: Predictions that were added or renewed, counted once for each chip and model.
    predictions: int = 0
    #: Chips that were there already and got new images; what people drew on them stays.
    updated: int = 0


@dataclass(frozen=True)
class AnnotateReport:
    """What :meth:`Studio.annotate` did.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> studio = lk.label.connect()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     report = studio.push(chips, images, "known landslides")
    >>> studio.annotate("known landslides", scene.rate_truth)
    AnnotateReport(annotated=5, known=0, boxes=5)
    >>> studio.annotate("known landslides", scene.rate_truth, include_empty=True)
    AnnotateReport(annotated=4, known=5, boxes=0)
    """

    #: Tasks that got an annotation.
    annotated: int
    #: Tasks that had one already and were left alone.
    known: int
    #: Boxes submitted, counted once on each chip that shows them.
    boxes: int


def connect(url: str | None = None, token: str | None = None, *, files: str | Path | None = None) -> Studio:
    """Connect to Label Studio.

    Parameters
    ----------
    url : str, optional
        Address of the server; default the environment variable ``LABKIT_LABEL_STUDIO_URL``, else the running server of
        this bench.
    token : str, optional
        Access token (personal or legacy); default ``LABKIT_LABEL_STUDIO_TOKEN``, else this bench's own secret, which is
        sent to this bench's server alone.
    files : path, optional
        Folder from which that server serves images (its LOCAL_FILES_DOCUMENT_ROOT), reachable from here; default
        ``LABKIT_LABEL_STUDIO_FILES``, else this bench's own.

    Without ``url``, the addresses of projects begin as ``LABKIT_LABEL_STUDIO_ADDRESS`` says, where browsers reach the
    server by another address than programs on this machine.

    Returns
    -------
    Studio

    Raises
    ------
    ServerError
        No server runs, it cannot be reached, refuses the token, or is something else. The message names the address and
        the remedy, never the token.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.label.connect()
    Studio('http://127.0.0.1:...')
    >>> lk.label.connect("http://127.0.0.1:9", "a token of that server")
    Traceback (most recent call last):
    ...
    labkit.errors.ServerError: Label Studio must answer at http://127.0.0.1:9, instead it cannot be reached ...
    """
    asked = url
    url, token = address_and_token(url, token)
    root = Path(files or os.environ.get(variables.FILES_VARIABLE) or variables.files_folder()).absolute()
    pages = os.environ.get(ADDRESS_VARIABLE) if asked is None else None
    return Studio(url, open_client(url, token), root, pages=pages)


class Studio:
    """A connection to Label Studio; made by :func:`connect`.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> studio = lk.label.connect()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     report = studio.push(chips, images, "valley")
    >>> done = studio.annotate("valley", scene.rate_truth)  # a person does this in the browser
    >>> studio.pull("valley", rates)[["scene", "xmin", "xmax", "annotator", "origin"]].head(2)
                scene  xmin   xmax               annotator  origin
    0  tiny-ascending  95.0  116.0  labkit@localhost.local  manual
    1  tiny-ascending  55.0   64.0  labkit@localhost.local  manual
    """

    def __init__(self, url: str, client: Any, files: Path, *, pages: str | None = None) -> None:
        self.url = url
        self._pages = (pages or url).rstrip("/")
        self._client = client
        self._files = files

    def __repr__(self) -> str:
        return f"Studio({self.url!r})"

    def push(
        self,
        chips: gpd.GeoDataFrame,
        images: pd.DataFrame,
        project: str = "labkit",
        predictions: gpd.GeoDataFrame | None = None,
        *,
        classes: Sequence[str] = config.CLASSES,
        guidance: str | None = None,
    ) -> PushReport:
        """Put chips into a project to be labelled; those that are there already stay, with all work done on them.

        A chip that is there and was rendered anew gets its new images; nothing else of its task changes. A push that
        was cut short is taken up by pushing again: what arrived is not sent twice.

        Parameters
        ----------
        chips : geopandas.GeoDataFrame
            Chips (:mod:`labkit.schema`). ``geometry`` with four corners, clockwise in the image from the upper left,
            lets labels be placed without the scene.
        images : pandas.DataFrame
            ``chip_id``, ``direction``, ``path`` of the images to show (``labkit.chip.write_images``): azimuth and range
            for each chip, or rate for each. At most two named coherence, hillshade, optical or rate
            (``labkit.chip.write_pictures``) may stand beside them, to look at. All show the whole chip, at any scale:
            boxes are kept in per cent.
        project : str
            Title; made when there is none of that title.
        predictions : geopandas.GeoDataFrame, optional
            Detections (:mod:`labkit.schema`) to show on the chips for people to accept or mend: those with at least
            half of their area in the chip. A model's earlier predictions on these chips are replaced.
        classes : sequence of str
            Labels on offer in a new project.
        guidance : str, optional
            Text (HTML) that people read under "Instructions"; its version goes on every label drawn under it. Default:
            labkit's own (:func:`labkit.label.guidance_text`) for a new project, and what stands for one that is there.

        Returns
        -------
        PushReport

        Raises
        ------
        LabkitError
            Chips or images break a rule, or the project was made for other images, or a chip of it lies elsewhere now.
        ServerError
            The server fails, or does not serve the images' folder, or another push into the project is going on.
        """
        schema.check_chips(chips)
        if predictions is not None:
            schema.check_boxes(predictions, "predictions")
        paths = tasks.image_paths(chips, images, pictures=True)
        shown_images = tuple(next(iter(paths.values())))
        with asking(self.url):
            target = find_or_make_project(self.url, self._client, project, shown_images, classes, guidance)
            directions = config.directions_of(target.interface)
            folder = target.serve_folder(self._files)
            with target.pushed_into(folder):
                found = target.remove_doubled(list(target.tasks(full=predictions is not None)))
                here = {str(task["data"]["chip_id"]): task for task in found}
                sent = Sending(target, here, paths, directions, folder, self._address)
                sent.send(chips, predictions)
                renewed = sent.predictions
                if predictions is not None:
                    shown = [here[chip_id] for chip_id in paths if chip_id in here]
                    renewed += target.renew_predictions(shown, predictions, directions)
        return PushReport(project, self._page_of(target), sent.new, sent.known, renewed, sent.updated)

    def pull(
        self,
        project: str = "labkit",
        data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset] | None = None,
        *,
        store: LabelStore | str | Path | None = None,
    ) -> gpd.GeoDataFrame:
        """Fetch the boxes that people submitted, in pixels of their scenes and as lon/lat polygons.

        Parameters
        ----------
        project : str
            Title.
        data : Dataset, sequence of Dataset, or dict of scene to Dataset, optional
            The scenes, on the grid that the chips were cut from, whose own coordinates then place the boxes; without
            them the chips' corners do, which is less exact where the ground is steep.
        store : LabelStore or path, optional
            Where labels are kept with their history (:func:`labkit.label.open_store`). It is written once, after all
            has arrived: whatever goes wrong before leaves it as it was. Two pulls at once wait for each other. What was
            drawn on its hidden chips (:func:`labkit.label.hide_chips`) is kept apart and not given.

        Returns
        -------
        geopandas.GeoDataFrame
            Labels: :data:`labkit.schema.BOX_COLUMNS` with ``score`` 1 and ``model`` "", and
            :data:`labkit.label.LABEL_COLUMNS`. One row for each box of each annotation; empty when nobody has drawn
            yet. What is certain is mended and named in ``repaired`` (:func:`labkit.label.regions.from_region`).
            ``attrs["set_aside"]`` lists what could not be used and why (boxes at an angle, unknown labels, boxes of
            another image's control); ``attrs["annotated_chips"]`` the chips that somebody finished, with or without
            boxes.

        Raises
        ------
        LabkitError
            There is no such project, or a scene is missing in ``data`` or has another grid.
        ServerError
            The server fails, or its listing is cut.
        FileError
            The store cannot be written, or another pull holds it for too long.
        """
        if store is None:
            return self._fetch(project, data).as_labels()
        kept = store if isinstance(store, LabelStore) else LabelStore(store)
        # locked before anything is asked: of two pulls the one that asks later also writes later
        with kept.locked():
            tables = self._fetch(project, data, set(kept.calibration().chips["chip_id"]))
            with asking(self.url):
                by = str(self._client.users.whoami().email)
            kept.replace(tables, project, by=by, source=f"pull of project {project!r}")
            return kept.labels(project)

    def _fetch(
        self,
        project: str,
        data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset] | None,
        hidden: Collection[str] = (),
    ) -> table.Tables:
        with asking(self.url):
            origin = open_project(self.url, self._client, project)
            source = table.Source(
                config.classes_of(origin.interface),
                {int(user.id): str(user.email) for user in self._client.users.list()},
                project,
                guidance_version(origin.instruction),
                str(self._client.versions.get().release or ""),
            )
            tasks_now = list(tqdm(origin.tasks(), desc="tasks", unit="task", leave=False))
        tables = table.to_tables(tasks_now, source)
        if data is None:
            return tables
        scenes = table.by_scene(data)
        # hidden chips lie on no scene: what is drawn there keeps the place that their corners give
        table.check_grid((task for task in tasks_now if task["data"].get("chip_id") not in hidden), scenes)
        real = ~tables.labels["chip_id"].isin(list(hidden))
        placed = table.place_on(gpd.GeoDataFrame(tables.labels[real]), scenes)
        labels = pd.concat([placed, tables.labels[~real]]).sort_index() if not real.all() else placed
        return replace(tables, labels=gpd.GeoDataFrame(labels))

    def proposals(self, project: str = "labkit") -> pd.DataFrame:
        """Tell what people made of the boxes that models proposed: accepted, moved, relabelled, deleted, added.

        Parameters
        ----------
        project : str
            Title.

        Returns
        -------
        DataFrame
            As :func:`labkit.label.proposals.fates_of`; :func:`labkit.label.count_proposals` counts it.

        Raises
        ------
        LabkitError
            There is no such project.
        """
        with asking(self.url):
            origin = open_project(self.url, self._client, project)
            people = {int(user.id): str(user.email) for user in self._client.users.list()}
            return fates_of(origin.tasks(), config.classes_of(origin.interface), people)

    def annotate(
        self, project: str, labels: gpd.GeoDataFrame, *, include_empty: bool = False, from_proposals: bool = False
    ) -> AnnotateReport:
        """Submit boxes as finished annotations on the tasks that have none yet, in the name of this token's owner.

        For labels that exist already (an inventory, another project), and for demonstrations.

        Parameters
        ----------
        project : str
            Title.
        labels : geopandas.GeoDataFrame
            Boxes (:mod:`labkit.schema`); each goes to every chip that holds at least half of it, clipped to the chip.
        include_empty : bool
            Whether chips of the labels' scenes without any box are finished too, which says that somebody looked and
            saw nothing. Default: they stay open.
        from_proposals : bool
            Whether each annotation begins with the proposals that its task shows, as a person's does, and corrects them
            until they say what the labels say (:func:`labkit.label.correcting.corrected`), so that
            :meth:`proposals` counts them. Default: it begins with nothing.

        Returns
        -------
        AnnotateReport

        Raises
        ------
        LabkitError
            There is no such project, or a label is not on offer in it.
        """
        schema.check_boxes(labels, "labels")
        scenes = set(labels["scene"])
        annotated = boxes = already = 0
        with asking(self.url):
            target = open_project(self.url, self._client, project)
            classes = config.classes_of(target.interface)
            unknown = set(labels["label"]) - set().union(*classes.values())
            if unknown:
                raise LabkitError(f"label must be on offer in project {project!r}, instead got label={sorted(unknown)}")
            for task in tqdm(list(target.tasks()), desc="annotations", unit="task", leave=False):
                data = task["data"]
                if data.get("scene") not in scenes:
                    continue
                if task.get("annotations"):
                    already += 1
                    continue
                size = int(data["size"])
                here = [(str(r["direction"]), box, str(r["label"])) for r, box in tasks.boxes_on(data, labels, classes)]
                shown = (task.get("predictions") or [None])[0] if from_proposals else None
                if shown is None:
                    result, begun = [to_region(f"b{n}", *one[:2], size, one[2]) for n, one in enumerate(here)], {}
                else:
                    result = corrected(shown["result"], here, size, classes)
                    begun = {"parent_prediction": int(shown["id"])}
                if result or include_empty:
                    self._client.annotations.create(id=int(task["id"]), result=result, **begun)
                    annotated, boxes = annotated + 1, boxes + len(result)
        return AnnotateReport(annotated, already, boxes)

    def link(self, project: str = "labkit") -> str:
        """Give the address of a project's page, to be opened in a browser."""
        with asking(self.url):
            return self._page_of(open_project(self.url, self._client, project))

    def _page_of(self, project: Project) -> str:
        return f"{self._pages}/projects/{project.number}/data"

    def _address(self, path: Path) -> str:
        return f"/data/local-files/?d={path.relative_to(self._files).as_posix()}"
