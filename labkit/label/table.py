"""Tasks of Label Studio with their annotations → tables: labels in scene pixels and lon/lat, looks, and set-aside."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import pandas as pd
import xarray as xr
from shapely.geometry import Polygon

from labkit import geo
from labkit.errors import LabkitError
from labkit.label.columns import (
    ASIDE_COLUMNS,
    LOOK_COLUMNS,
    content_hash,
    digest,
    empty_table,
    labels_table,
    typed,
)
from labkit.label.regions import UnusableRegionError, from_region
from labkit.label.tasks import GRID_TOLERANCE, place_box

#: The numbers of a task's data, and the words.
_NUMBERS, _WORDS = ("row", "col", "size"), ("chip_id", "scene")


@dataclass(frozen=True)
class Source:
    """Where tasks come from: the project, its people, the labels on offer, and the guidance that it shows."""

    #: Direction → labels on offer (:func:`labkit.label.config.classes_of`).
    classes: Mapping[str, set[str]]
    #: Label Studio's number of a person → e-mail.
    annotators: Mapping[int, str] = field(default_factory=dict)
    project: str = ""
    guidance: str = ""
    server_version: str = ""


@dataclass(frozen=True)
class Tables:
    """What people made: ``labels``, ``looks`` and ``set_aside`` (:mod:`labkit.label.columns`)."""

    labels: gpd.GeoDataFrame
    looks: pd.DataFrame
    set_aside: pd.DataFrame

    def as_labels(self) -> gpd.GeoDataFrame:
        """Give the labels, with what was set aside and the chips that somebody finished in ``attrs``."""
        labels = self.labels.copy()
        columns = ["chip_id", "task_id", "annotation_id", "region_id", "annotator", "reason"]
        labels.attrs["set_aside"] = self.set_aside[columns].to_dict("records")
        labels.attrs["annotated_chips"] = list(dict.fromkeys(self.looks["chip_id"]))
        return labels


def empty_labels() -> gpd.GeoDataFrame:
    """Make a labels table without rows, with every column and its dtype."""
    return labels_table([])


def to_tables(tasks: Iterable[Mapping[str, Any]], source: Source) -> Tables:
    """Collect the boxes of finished annotations.

    Parameters
    ----------
    tasks : iterable of mapping
        Tasks as Label Studio lists them, with ``data``, ``annotations`` and ``predictions``. Skipped (cancelled)
        annotations and drafts do not count.
    source : Source
        Where they come from.

    Returns
    -------
    Tables
        ``labels``: one row for each usable box, ``geometry`` placed by the chip's corners, None where they are unknown.
        ``looks``: every finished annotation, also without a box. ``set_aside``: the regions that could not be used,
        each with its reason and whole.

    Raises
    ------
    LabkitError
        A task was not made by labkit.
    """
    labels: list[dict[str, Any]] = []
    looks: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    for task in tasks:
        data = _task_data(task)
        for annotation in task.get("annotations") or []:
            if annotation.get("was_cancelled"):
                continue
            about = _about(task, data, annotation, source)
            found, unusable = _regions(task, data, annotation, about, source.classes)
            labels += found
            aside += unusable
            looks.append(_look(about, len(found)))
    return Tables(
        labels_table(labels),
        typed(pd.DataFrame(looks)[list(LOOK_COLUMNS)]) if looks else empty_table(LOOK_COLUMNS),
        typed(pd.DataFrame(aside)[list(ASIDE_COLUMNS)]) if aside else empty_table(ASIDE_COLUMNS),
    )


def to_labels(
    tasks: Iterable[Mapping[str, Any]], classes: Mapping[str, set[str]], annotators: Mapping[int, str]
) -> gpd.GeoDataFrame:
    """Collect the boxes of finished annotations as one table (:func:`to_tables`, :meth:`Tables.as_labels`)."""
    return to_tables(tasks, Source(classes, annotators)).as_labels()


def _about(
    task: Mapping[str, Any], data: Mapping[str, Any], annotation: Mapping[str, Any], source: Source
) -> dict[str, Any]:
    """What every label of an annotation shares."""
    lead_time = annotation.get("lead_time")
    return {
        "chip_id": data["chip_id"],
        "scene": data["scene"],
        "annotator": _annotator(annotation.get("completed_by"), source.annotators),
        "created": annotation.get("created_at"),
        "updated": annotation.get("updated_at"),
        "lead_time": float("nan") if lead_time is None else float(lead_time),
        "guidance": str(data.get("guidance") or source.guidance),
        "project": source.project,
        "server_version": source.server_version,
        "task_id": int(task["id"]),
        "annotation_id": int(annotation["id"]),
    }


def _look(about: dict[str, Any], labels: int) -> dict[str, Any]:
    # a server begun anew counts from 1 again: the moment tells its annotations from the old ones
    row = about | {"look_id": digest([about["annotation_id"], str(about["created"])])[:32], "labels": labels}
    return row | {"hash": content_hash(row)}


def _regions(
    task: Mapping[str, Any],
    data: Mapping[str, Any],
    annotation: Mapping[str, Any],
    about: dict[str, Any],
    classes: Mapping[str, set[str]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The usable regions of an annotation as rows of labels, and the others as rows of what is set aside."""
    models = {p.get("id"): str(p.get("model_version") or "") for p in task.get("predictions") or []}
    proposed_by = models.get(annotation.get("parent_prediction"), "")
    labels, aside, seen = [], [], dict[str, int]()
    for item in annotation.get("result") or []:
        region_id = str(item.get("id", "")) if isinstance(item, Mapping) else ""
        # several items may carry one id: they stay apart by their number
        seen[region_id] = seen.get(region_id, -1) + 1
        key = [about["annotation_id"], str(about["created"]), region_id, seen[region_id]]
        try:
            region = from_region(item, data["size"], classes)
        except UnusableRegionError as error:
            text = json.dumps(item, sort_keys=True, ensure_ascii=False)
            row = {"region_id": region_id, "reason": str(error), "item": text}
            aside.append(about | row | {"aside_id": digest([*key, text])[:32]})
            continue
        place = place_box(data.get("corners"), data["size"], region.box)
        labels.append(
            about
            | {
                "label_id": digest(key)[:32],
                "direction": region.direction,
                "xmin": region.box[0] + data["col"],
                "ymin": region.box[1] + data["row"],
                "xmax": region.box[2] + data["col"],
                "ymax": region.box[3] + data["row"],
                "label": region.label,
                "geometry": place,
                "placed": "" if place is None else "corners",
                "origin": region.origin,
                "proposed_by": "" if region.origin == "manual" else proposed_by,
                "repaired": ", ".join(region.repairs),
                "region_id": region_id,
            }
        )
    return labels, aside


def by_scene(data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Give scenes by their id, whichever way they came."""
    if isinstance(data, xr.Dataset):
        return {str(data.attrs.get("scene", "")): data}
    if isinstance(data, Sequence):
        return {str(one.attrs.get("scene", "")): one for one in data}
    return {str(scene): one for scene, one in data.items()}


def check_grid(tasks: Iterable[Mapping[str, Any]], scenes: Mapping[str, xr.Dataset]) -> None:
    """Raise when a scene puts a chip elsewhere on the Earth than it lay when it was pushed: its grid is another one.

    Raises
    ------
    LabkitError
        Naming the first such chip.
    """
    for task in tasks:
        data = _task_data(task)
        scene = scenes.get(data["scene"])
        if scene is None or not data.get("corners") or not geo.has_lonlat(scene):
            continue
        row, col, size = data["row"], data["col"], data["size"]
        (now,) = geo.box_polygons(scene, [(col, row, col + size, row + size)])
        assert now is not None
        then = Polygon(data["corners"])
        if now.hausdorff_distance(then) > GRID_TOLERANCE * math.sqrt(then.area):
            raise LabkitError(
                f"data must be on the grid that the chips were cut from, instead scene {data['scene']!r} has another "
                f"now: chip {data['chip_id']!r} lies elsewhere. Pull without data, and take the labels to the new grid "
                "with label.move_labels(labels, data)"
            )


def place_on(
    labels: gpd.GeoDataFrame, data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset]
) -> gpd.GeoDataFrame:
    """Give the labels with their geometry from the scenes' own coordinates.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels in pixels of their scenes.
    data : Dataset, sequence of Dataset, or dict of scene to Dataset
        The scenes (gradients, rates or interferograms), on the grid that the labels' pixels count on. Each scene that
        has labels must be there.

    Raises
    ------
    LabkitError
        A label's scene is not among them.
    """
    scenes = by_scene(data)
    placed = labels.copy()
    for scene, of_scene in labels.groupby("scene"):
        if scene not in scenes:
            raise LabkitError(
                f"data must hold the scene {scene!r} of the labels, instead got {sorted(scenes)}. Give all scenes as a "
                "list, or leave data out: then the corners of the chips place the labels"
            )
        with_place = geo.with_geometry(gpd.GeoDataFrame(of_scene), scenes[str(scene)])
        placed.loc[of_scene.index, "geometry"] = with_place.geometry
        if geo.has_lonlat(scenes[str(scene)]) and "placed" in placed:
            placed.loc[of_scene.index, "placed"] = "scene"
    placed.attrs = dict(labels.attrs)
    return placed


def _task_data(task: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(task.get("data") or {})
    try:
        return data | {name: int(data[name]) for name in _NUMBERS} | {name: str(data[name]) for name in _WORDS}
    except (KeyError, TypeError, ValueError) as error:
        raise LabkitError(
            f"task {task.get('id')} must have chip_id, scene, row, col and size in its data, instead got "
            f"{sorted(data)}. Keep tasks that labkit did not push in a project of their own"
        ) from error


def _annotator(completed_by: object, annotators: Mapping[int, str]) -> str:
    if isinstance(completed_by, Mapping):
        return str(completed_by.get("email") or completed_by.get("id") or "")
    return annotators.get(int(str(completed_by)), str(completed_by)) if completed_by is not None else ""
