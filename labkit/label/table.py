"""Tasks of Label Studio with their annotations → the labels table in scene pixels and lon/lat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import geopandas as gpd
import pandas as pd
import xarray as xr
from shapely.geometry import Polygon

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.label.convert import UnusableRegionError, from_region
from labkit.label.tasks import place_in_chip

#: What a label has beyond :data:`labkit.schema.BOX_COLUMNS`: the chip it was drawn on, who (e-mail) and when (UTC),
#: whether it was drawn by hand or accepted from a prediction, and Label Studio's numbers of it.
LABEL_COLUMNS = ("chip_id", "annotator", "created", "updated", "origin", "annotation_id", "region_id")

#: The numbers of a task's data, and the words.
_NUMBERS, _WORDS = ("row", "col", "size"), ("chip_id", "scene")


def empty_labels() -> gpd.GeoDataFrame:
    """Make a labels table without rows, with every column and its dtype."""
    return _table([])


def to_labels(
    tasks: Iterable[Mapping[str, Any]], classes: Mapping[str, set[str]], annotators: Mapping[int, str]
) -> gpd.GeoDataFrame:
    """Collect the boxes of finished annotations.

    Parameters
    ----------
    tasks : iterable of mapping
        Tasks as Label Studio lists them, with ``data`` and ``annotations``. Skipped (cancelled) annotations and
        drafts do not count.
    classes : mapping
        Direction → labels on offer (:func:`labkit.label.config.classes_of`).
    annotators : mapping
        Label Studio's number of a person → e-mail.

    Returns
    -------
    geopandas.GeoDataFrame
        Columns :data:`labkit.schema.BOX_COLUMNS` and :data:`LABEL_COLUMNS`; ``geometry`` placed by the chip's corners,
        None where they are unknown. ``attrs["set_aside"]``: the regions that could not be used, each with its reason;
        ``attrs["annotated_chips"]``: every chip that somebody finished, also those without a box.
    """
    rows: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    finished: dict[str, None] = {}
    for task in tasks:
        data = _task_data(task)
        for annotation in task.get("annotations") or []:
            if annotation.get("was_cancelled"):
                continue
            finished[data["chip_id"]] = None
            for item in annotation.get("result") or []:
                try:
                    region = from_region(item, data["size"], classes)
                except UnusableRegionError as error:
                    aside.append(
                        {
                            "chip_id": data["chip_id"],
                            "task_id": int(task["id"]),
                            "annotation_id": int(annotation["id"]),
                            "region_id": str(item.get("id", "")),
                            "reason": str(error),
                        }
                    )
                    continue
                rows.append(
                    {
                        "scene": data["scene"],
                        "direction": region.direction,
                        "xmin": region.box[0] + data["col"],
                        "ymin": region.box[1] + data["row"],
                        "xmax": region.box[2] + data["col"],
                        "ymax": region.box[3] + data["row"],
                        "label": region.label,
                        "geometry": _place(data, region.box),
                        "chip_id": data["chip_id"],
                        "annotator": _annotator(annotation.get("completed_by"), annotators),
                        "created": annotation.get("created_at"),
                        "updated": annotation.get("updated_at"),
                        "origin": region.origin,
                        "annotation_id": int(annotation["id"]),
                        "region_id": region.region_id,
                    }
                )
    labels = _table(rows)
    labels.attrs["set_aside"] = aside
    labels.attrs["annotated_chips"] = list(finished)
    return labels


def place_on(
    labels: gpd.GeoDataFrame, data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset]
) -> gpd.GeoDataFrame:
    """Give the labels with their geometry from the scenes' own coordinates.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels in pixels of their scenes.
    data : Dataset, sequence of Dataset, or dict of scene to Dataset
        The scenes (gradients, rates or interferograms). Each scene that has labels must be there.

    Raises
    ------
    LabkitError
        A label's scene is not among them.
    """
    scenes: dict[str, xr.Dataset]
    if isinstance(data, xr.Dataset):
        scenes = {str(data.attrs.get("scene", "")): data}
    elif isinstance(data, Sequence):
        scenes = {str(one.attrs.get("scene", "")): one for one in data}
    else:
        scenes = {str(scene): one for scene, one in data.items()}
    placed = labels.copy()
    for scene, of_scene in labels.groupby("scene"):
        if scene not in scenes:
            raise LabkitError(
                f"data must hold the scene {scene!r} of the labels, instead got {sorted(scenes)}. Give all scenes as a "
                "list, or leave data out: then the corners of the chips place the labels"
            )
        with_place = geo.with_geometry(gpd.GeoDataFrame(of_scene), scenes[str(scene)])
        placed.loc[of_scene.index, "geometry"] = with_place.geometry
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


def _place(data: Mapping[str, Any], box: tuple[float, float, float, float]) -> Polygon | None:
    corners = data.get("corners")
    if not corners:
        return None
    xmin, ymin, xmax, ymax = box
    lon, lat = place_in_chip(corners, data["size"], [ymin, ymin, ymax, ymax], [xmin, xmax, xmax, xmin])
    return Polygon(list(zip(lon.tolist(), lat.tolist(), strict=True)))


def _annotator(completed_by: object, annotators: Mapping[int, str]) -> str:
    if isinstance(completed_by, Mapping):
        return str(completed_by.get("email") or completed_by.get("id") or "")
    return annotators.get(int(str(completed_by)), str(completed_by)) if completed_by is not None else ""


def _table(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    columns = [name for name in (*schema.BOX_COLUMNS, *LABEL_COLUMNS) if name not in ("score", "model")]
    labels = schema.boxes_table({name: [row[name] for row in rows] for name in columns})
    for name in ("created", "updated"):
        labels[name] = pd.to_datetime(labels[name], utc=True, format="ISO8601").dt.as_unit("us")
    labels["annotation_id"] = labels["annotation_id"].astype("int64")
    for name in ("chip_id", "annotator", "origin", "region_id"):
        labels[name] = labels[name].astype(object)
    return gpd.GeoDataFrame(labels[[*schema.BOX_COLUMNS, *LABEL_COLUMNS]])
