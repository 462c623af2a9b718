"""Chips on their way into a project, page by page: what arrived stays there, whatever cuts the push short.

A page of chips has its images served first and its tasks made after that, so no task ever shows a missing image. The
next push lists what is there and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
from tqdm.auto import tqdm

from labkit.label import tasks
from labkit.label.project import PAGE, Project

# Copying waits for the disk, file by file; renewing waits for the server, task by task.
_COPIERS, _RENEWERS = 8, 4


class Sending:
    """One push into a project; counts what it did.

    Parameters
    ----------
    project : Project
        Where the chips go.
    here : mapping
        chip_id → task, as the project holds them now.
    paths : mapping
        chip_id → direction → image (:func:`labkit.label.tasks.image_paths`).
    directions : sequence of str
        The images with boxes, which detections are shown on; the others are pictures to look at.
    folder : Path
        The project's served folder.
    address : callable
        Served folder → its address, below which its files have theirs.
    """

    def __init__(
        self,
        project: Project,
        here: Mapping[str, dict[str, Any]],
        paths: Mapping[str, Mapping[str, Path]],
        directions: Sequence[str],
        folder: Path,
        address: Callable[[Path], str],
    ) -> None:
        self.project = project
        self.here = here
        self.paths = paths
        self.directions = directions
        self.folder = folder
        self._prefix = f"{address(folder)}/"
        self.new = self.known = self.updated = self.predictions = 0
        self._replaced: set[str] = set()

    def send(self, chips: gpd.GeoDataFrame, detections: gpd.GeoDataFrame | None) -> None:
        """Send all chips; new ones together with the detections on them."""
        rows = chips.to_dict("records")
        pages = [rows[start : start + PAGE] for start in range(0, len(rows), PAGE)]
        pool = ThreadPoolExecutor(_COPIERS)
        try:
            with tqdm(total=len(rows), desc="chips", unit="chip", leave=False) as bar:
                copies = self._serve_all(pool, pages[0])
                for page, following in zip(pages, [*pages[1:], []], strict=True):
                    served = [copy.result() for copy in copies]
                    # while the server takes this page, the images of the next are copied
                    copies = self._serve_all(pool, following)
                    self._page(page, served, detections)
                    bar.update(len(page))
        finally:
            pool.shutdown(cancel_futures=True)
        self._remove_replaced()

    def _serve_all(self, pool: ThreadPoolExecutor, chips: Sequence[dict[str, Any]]) -> list[Future[dict[str, Path]]]:
        return [pool.submit(self._serve, str(chip["chip_id"])) for chip in chips]

    def _page(
        self,
        chips: Sequence[dict[str, Any]],
        served_images: Sequence[dict[str, Path]],
        detections: gpd.GeoDataFrame | None,
    ) -> None:
        fresh, renewed = [], []
        for chip, served in zip(chips, served_images, strict=True):
            chip_id = str(chip["chip_id"])
            data = tasks.task_data(chip, {d: self._prefix + file.name for d, file in served.items()})
            if chip_id in self.here:
                task = self.here[chip_id]
                new_data = tasks.renewed_data(task["data"], data, tuple(self.paths[chip_id]))
                if new_data is None:
                    self.known += 1
                else:
                    renewed.append((task, new_data))
            else:
                wanted = [] if detections is None else tasks.predictions_on(data, detections, self.directions)
                fresh.append({"data": data, "predictions": wanted})
        # one request for each, since Label Studio has none for many
        with ThreadPoolExecutor(_RENEWERS) as pool:
            for _ in pool.map(self._renew, *zip(*renewed, strict=True)) if renewed else ():
                self.updated += 1
        if fresh:
            self.project.add_tasks(fresh)
        self.new += len(fresh)
        self.predictions += sum(len(task["predictions"]) for task in fresh)

    def _serve(self, chip_id: str) -> dict[str, Path]:
        return {d: tasks.serve_image(path, self.folder, chip_id, d) for d, path in self.paths[chip_id].items()}

    def _renew(self, task: dict[str, Any], data: dict[str, Any]) -> None:
        self.project.renew_task(int(task["id"]), data)
        old = task["data"]
        self._replaced |= {str(old.get(d, "")) for d in self.paths[str(data["chip_id"])] if old.get(d) != data[d]}
        task["data"] = data

    def _remove_replaced(self) -> None:
        """Remove the images that no task shows any more; those of a push that was cut short stay behind."""
        if not self._replaced:
            return
        shown = {str(value) for task in self.here.values() for value in task["data"].values()}
        for file in self.folder.glob("*.png"):
            address = self._prefix + file.name
            if address in self._replaced and address not in shown:
                file.unlink()
