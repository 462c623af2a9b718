"""Chips with their images → tasks of Label Studio: the data of a task, the served images, the boxes shown on it."""

from __future__ import annotations

import hashlib
import html
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from shapely.geometry import Polygon

from labkit.errors import FileError, LabkitError
from labkit.label.config import PANELS, PICTURES
from labkit.label.convert import Box, clip_box, to_region

#: A box belongs to a chip when at least this share of its area lies in it; it is shown clipped to the chip.
MIN_SHARE = 0.5

#: A chip may lie this share of its edge away from where it was pushed: rounding of its corners, no other grid.
GRID_TOLERANCE = 0.01

#: The version under which predictions of detections without a model's name are kept.
UNNAMED_MODEL = "unnamed"


def image_paths(chips: gpd.GeoDataFrame, images: pd.DataFrame, *, pictures: bool = False) -> dict[str, dict[str, Path]]:
    """Find the images of each chip.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips (:mod:`labkit.schema`).
    images : pandas.DataFrame
        ``chip_id``, ``direction``, ``path`` of the rendered images; rows of other chips are ignored.
    pictures : bool
        Whether pictures without boxes (:data:`labkit.label.config.PICTURES`) are given too, after the others.

    Returns
    -------
    dict
        chip_id → direction → path, in the order of the directions.

    Raises
    ------
    LabkitError
        A chip has no images, or not the same directions as the others, or a column is missing.
    FileError
        An image is not on the disk.
    """
    missing = [column for column in ("chip_id", "direction", "path") if column not in images.columns]
    if missing:
        raise LabkitError(f"images must have the columns chip_id, direction and path, instead {missing} are missing")
    found: dict[str, dict[str, Path]] = {str(chip_id): {} for chip_id in chips["chip_id"]}
    if len(found) < len(chips):
        twice = chips["chip_id"][chips["chip_id"].duplicated()].iloc[0]
        raise LabkitError(f"chip_id must name one chip each, instead chip_id={twice!r} comes twice")
    for chip_id, direction, path in images[["chip_id", "direction", "path"]].itertuples(index=False):
        if str(chip_id) in found:
            found[str(chip_id)][str(direction)] = Path(path)
    first = set(next(iter(found.values())))
    panel = next((p for p in PANELS if set(p) <= first and first - set(p) <= set(PICTURES)), None)
    for chip_id, paths in found.items():
        if panel is None or set(paths) != first:
            wanted = " or ".join(map(str, PANELS)) if panel is None else str(tuple(sorted(first)))
            raise LabkitError(
                f"images must hold {wanted} for each chip, instead chip {chip_id!r} has {sorted(paths)}. "
                "Render them with labkit.chip.write_images(chips, data, folder)"
            )
        for path in paths.values():
            if not path.is_file():
                raise FileError(f"{path} must be the image of chip {chip_id!r}, instead there is no such file")
    assert panel is not None
    beside = tuple(name for name in PICTURES if name in first and name not in panel)
    wanted_names = (*panel, *beside) if pictures else panel
    return {chip_id: {name: paths[name] for name in wanted_names} for chip_id, paths in found.items()}


def serve_image(source: Path, folder: Path, chip_id: str, direction: str) -> Path:
    """Copy an image into the served folder, whole or not at all; an equal one that is there already stays.

    Returns
    -------
    pathlib.Path
        The served file. Its name holds a hash of what it shows: another picture has another address, so that no browser
        shows an old one that it kept.

    Raises
    ------
    FileError
        The disk is full, or the folder cannot be written.
    """
    content = source.read_bytes()
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', chip_id)}_{direction}-{hashlib.sha256(content).hexdigest()[:12]}.png"
    target = folder / name
    if not target.exists():
        # a push copies thousands: not a folder for each, as labkit.files.whole makes
        partial = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            partial.write_bytes(content)
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error
    return target


def task_data(chip: Mapping[str, Any] | pd.Series, urls: dict[str, str]) -> dict[str, Any]:
    """Write what a task holds: the chip's place in its scene and on the Earth, and the address of each image.

    ``corners`` are lon/lat of the chip's upper left, upper right, lower right and lower left corner, so that labels can
    be placed without the scene; they are left out, as are ``lon`` and ``lat`` of the centre and ``map``, the address of
    that place on a public map, where they are unknown. ``place`` is the link to it that the labelling page shows.
    """
    size = int(chip["size"])
    data: dict[str, Any] = {
        "chip_id": str(chip["chip_id"]),
        "scene": str(chip["scene"]),
        "row": int(chip["row"]),
        "col": int(chip["col"]),
        "size": size,
        **urls,
    }
    place = "Its place on the map is unknown"
    title = f"{data['scene']}: row {data['row']}, column {data['col']}, {size} px"
    corners = _corners(chip.get("geometry"))
    if corners is not None:
        lon, lat = (float(v) for v in place_in_chip(corners, size, size / 2, size / 2))
        link = map_link(lon, lat)
        data |= {"corners": corners, "lon": lon, "lat": lat, "map": link}
        place = f'<a href="{html.escape(link)}" target="_blank" rel="noopener noreferrer">Show this place on a map</a>'
        title += f" ({abs(lat):.3f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.3f}° {'E' if lon >= 0 else 'W'})"
    return data | {"title": title, "place": place}


def map_link(lon: float, lat: float, zoom: int = 14) -> str:
    """Give the address of a place on OpenStreetMap, with a mark on it.

    Examples
    --------
    >>> map_link(101.5, 30.9)
    'https://www.openstreetmap.org/?mlat=30.90000&mlon=101.50000#map=14/30.90000/101.50000'
    """
    return f"https://www.openstreetmap.org/?mlat={lat:.5f}&mlon={lon:.5f}#map={zoom}/{lat:.5f}/{lon:.5f}"


def renewed_data(old: dict[str, Any], new: dict[str, Any], directions: Iterable[str]) -> dict[str, Any] | None:
    """Give what a task is to hold after its chip came again; None when that is what it holds.

    The images are the new ones, and what the task lacked is added; where the chip lies stays as it was.

    Raises
    ------
    LabkitError
        The chip lies elsewhere now, so that boxes drawn on it would move.
    """
    place = ("scene", "row", "col", "size")
    before, now = ([data.get(name) for name in place] for data in (old, new))
    if before != now or not _same_corners(old, new):
        raise LabkitError(
            f"chip {new['chip_id']!r} must lie where it lay when it was pushed, instead it has another place or grid: "
            f"{dict(zip(place, now, strict=True))}, before {dict(zip(place, before, strict=True))}. Push the new chips "
            "to a project of their own, and take the labels there with label.move_labels(labels, data)"
        )
    images = set(directions)
    renewed = old | {name: value for name, value in new.items() if name in images or name not in old}
    return None if renewed == old else renewed


def _same_corners(old: dict[str, Any], new: dict[str, Any]) -> bool:
    if not (old.get("corners") and new.get("corners")):
        return True
    then, now = np.asarray(old["corners"], float), np.asarray(new["corners"], float)
    edge = np.hypot(*(then[0] - then[2])) / np.sqrt(2)
    return bool(np.abs(then - now).max() <= GRID_TOLERANCE * edge)


def place_in_chip(
    corners: Sequence[Sequence[float]], size: int, y: npt.ArrayLike, x: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give lon and lat of pixel positions in a chip, bilinear between the chip's four corners.

    Parameters
    ----------
    corners : sequence of (lon, lat)
        Upper left, upper right, lower right, lower left, degrees.
    size : int
        Edge of the chip, px.
    y, x : array_like
        Pixel-edge positions in the chip.

    Examples
    --------
    >>> lon, lat = place_in_chip([(10, 50), (12, 50), (12, 49), (10, 49)], 100, 50, 25)
    >>> float(lon), float(lat)
    (10.5, 49.5)
    """
    v, u = np.asarray(y, float) / size, np.asarray(x, float) / size
    weights = ((1 - v) * (1 - u), (1 - v) * u, v * u, v * (1 - u))
    lon = sum(w * float(corner[0]) for w, corner in zip(weights, corners, strict=True))
    lat = sum(w * float(corner[1]) for w, corner in zip(weights, corners, strict=True))
    return np.asarray(lon), np.asarray(lat)


def place_box(corners: Sequence[Sequence[float]] | None, size: int, box: Box) -> Polygon | None:
    """Give the lon/lat outline of a box in pixels of a chip; None where the chip's corners are unknown."""
    if not corners:
        return None
    xmin, ymin, xmax, ymax = box
    lon, lat = place_in_chip(corners, size, [ymin, ymin, ymax, ymax], [xmin, xmax, xmax, xmin])
    return Polygon(np.column_stack([lon, lat]))


def boxes_on(data: dict[str, Any], boxes: pd.DataFrame, directions: Iterable[str]) -> list[tuple[pd.Series, Box]]:
    """Pick the boxes of a table that lie on a task's chip, in pixels of the chip.

    A box counts when at least half of its area lies in the chip; it is clipped to the chip. Overlapping chips each get
    it, as a person would draw it on each.
    """
    wanted = boxes[(boxes["scene"] == data["scene"]) & boxes["direction"].isin(list(directions))]
    picked = []
    for _, row in wanted.iterrows():
        left, top = row["xmin"] - data["col"], row["ymin"] - data["row"]
        box = (left, top, row["xmax"] - data["col"], row["ymax"] - data["row"])
        inside = clip_box(box, data["size"])
        if inside is not None and _area(inside) >= MIN_SHARE * _area(box):
            picked.append((row, inside))
    return picked


def predictions_on(data: dict[str, Any], detections: pd.DataFrame, directions: Iterable[str]) -> list[dict[str, Any]]:
    """Write the detections on a chip as predictions, one for each model, scored by its surest box."""
    by_model: dict[str, list[tuple[pd.Series, Box]]] = {}
    for row, box in boxes_on(data, detections, directions):
        by_model.setdefault(str(row["model"]) or UNNAMED_MODEL, []).append((row, box))
    predictions = []
    for model, found in sorted(by_model.items()):
        regions = []
        for number, (row, box) in enumerate(found):
            region = to_region(f"p{number}", str(row["direction"]), box, data["size"], str(row["label"]))
            regions.append(region | {"score": float(row["score"])})
        score = max(float(row["score"]) for row, _ in found)
        predictions.append({"model_version": model, "score": score, "result": regions})
    return predictions


def same_boxes(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether two results show the same boxes, labels and scores, to a millionth of a per cent."""
    return _essence(one) == _essence(other)


def _essence(result: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(
        (
            item["to_name"],
            *item["value"]["rectanglelabels"],
            *(round(float(item["value"][name]), 6) for name in ("x", "y", "width", "height")),
            round(float(item.get("score") or 0.0), 6),
        )
        for item in result
    )


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _corners(geometry: object) -> list[list[float]] | None:
    if not isinstance(geometry, Polygon) or geometry.is_empty or len(geometry.exterior.coords) != 5:
        return None
    return [[float(lon), float(lat)] for lon, lat, *_ in geometry.exterior.coords[:4]]
