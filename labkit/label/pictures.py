"""Pictures with boxes on them: what Pascal VOC, COCO and YOLO files hold, and how that becomes labels and back.

Boxes are in pixels of their picture, by edges, as everywhere in labkit; each format's own way of counting is turned
into that by its module (:mod:`labkit.label.voc`, :mod:`labkit.label.coco`, :mod:`labkit.label.yolo`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label.tasks import boxes_on, image_paths, place_box, task_data
from labkit.wording import counted

#: What is known of a picture.
PICTURE_COLUMNS = ("file", "width", "height")

#: What is known of a box on one.
BOX_COLUMNS = ("file", "xmin", "ymin", "xmax", "ymax", "label")

#: No picture of a chip is larger, px.
MAX_EDGE = 100_000


@dataclass(frozen=True)
class Pictures:
    """A set of pictures and the boxes on them.

    ``pictures``: ``file`` (its name), ``width``, ``height`` (px); also pictures without a box. ``boxes``: ``file``,
    ``xmin ymin xmax ymax`` (px of the picture, edges), ``label``.

    Examples
    --------
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> lk.label.Pictures(shown, drawn)
    Pictures(2 pictures, 2 boxes)
    """

    pictures: pd.DataFrame
    boxes: pd.DataFrame

    def __repr__(self) -> str:
        return f"Pictures({counted(len(self.pictures), 'picture')}, {counted(len(self.boxes), 'box')})"


def make_pictures(pictures: Iterable[dict[str, Any]], boxes: Iterable[dict[str, Any]], source: Path) -> Pictures:
    """Make a checked set of what a file said; ``source`` is for the error.

    Raises
    ------
    FileError
        A picture has no size or comes twice, or a box has no area, no finite corner, or no picture.
    """
    try:
        shown = pd.DataFrame(list(pictures), columns=list(PICTURE_COLUMNS))
        drawn = pd.DataFrame(list(boxes), columns=list(BOX_COLUMNS))
    except ValueError as error:  # half a character, which JSON allows
        raise FileError(f"{source} must hold words that are text, instead got: {error}") from error
    corners = drawn[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)
    sizes = shown[["width", "height"]].to_numpy(float)
    if not ((sizes >= 1) & (sizes <= MAX_EDGE)).all():
        raise FileError(
            f"{source} must give each picture a width and height in [1, {MAX_EDGE}] px, instead it does not"
        )
    if shown["file"].duplicated().any():
        twice = shown["file"][shown["file"].duplicated()].iloc[0]
        raise FileError(f"{source} must name each picture once, instead {twice!r} comes twice")
    bad = ~np.isfinite(corners).all(axis=1) | (corners[:, 2] <= corners[:, 0]) | (corners[:, 3] <= corners[:, 1])
    if bad.any():
        row = int(np.argmax(bad))
        raise FileError(
            f"{source} must hold boxes with xmin < xmax and ymin < ymax, instead {drawn['file'][row]!r} has one of "
            f"{corners[row].tolist()}"
        )
    astray = set(drawn["file"]) - set(shown["file"])
    if astray:
        raise FileError(
            f"{source} must name the picture of each box, instead these are not there: {sorted(astray)[:3]}"
        )
    types = {"file": str, "label": str} | dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), float)
    return Pictures(
        shown.astype({"file": object, "width": int, "height": int}),
        drawn.astype({name: object if kind is str else kind for name, kind in types.items()}),
    )


def pictures_of(labels: gpd.GeoDataFrame, chips: gpd.GeoDataFrame, images: pd.DataFrame) -> Pictures:
    """Draw labels onto the rendered images of chips, for export.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels (:mod:`labkit.schema`).
    chips : geopandas.GeoDataFrame
        Chips; one without a label becomes a picture without a box.
    images : DataFrame
        ``chip_id``, ``direction``, ``path`` (``labkit.chip.write_images``), at any scale.

    Returns
    -------
    Pictures
        A label is on every chip that holds at least half of it, clipped to the chip.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, scale=2, progress=False)
    ...     pictures = lk.label.pictures_of(scene.rate_truth, chips, images)
    >>> pictures
    Pictures(9 pictures, 5 boxes)
    >>> pictures.boxes[["xmin", "ymin", "xmax", "ymax"]].head(2)
        xmin  ymin   xmax  ymax
    0   62.0  44.0  104.0  88.0
    1  110.0  70.0  128.0  92.0
    """
    schema.check_boxes(labels, "labels")
    shown, drawn = [], []
    paths = image_paths(chips, images)
    for chip in chips.to_dict("records"):
        size = int(chip["size"])
        for direction, path in paths[str(chip["chip_id"])].items():
            width, height = _size_of(path)
            shown.append({"file": path.name, "width": width, "height": height})
            for row, box in boxes_on(chip, labels, [direction]):
                across, down = width / size, height / size
                corners = {
                    "xmin": box[0] * across,
                    "ymin": box[1] * down,
                    "xmax": box[2] * across,
                    "ymax": box[3] * down,
                }
                drawn.append({"file": path.name, "label": str(row["label"]), **corners})
    return make_pictures(shown, drawn, Path("images"))


def labels_of(pictures: Pictures, chips: gpd.GeoDataFrame, images: pd.DataFrame) -> gpd.GeoDataFrame:
    """Bring boxes on rendered chips back to their scenes: a colleague's LabelImg files, say.

    Parameters
    ----------
    pictures : Pictures
        Of the files that were rendered, known by their names without the folder.
    chips, images
        As they were rendered (:func:`pictures_of`).

    Returns
    -------
    geopandas.GeoDataFrame
        Labels (:mod:`labkit.schema`) with ``chip_id``; lon/lat by the chip's corners where they are known.

    Raises
    ------
    LabkitError
        A picture is none of the chips'.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     pictures = lk.label.pictures_of(scene.rate_truth, chips, images)
    ...     labels = lk.label.labels_of(pictures, chips, images)
    >>> labels[["chip_id", "xmin", "ymin", "xmax", "ymax"]].head(2)
                         chip_id  xmin  ymin   xmax   ymax
    0  tiny-ascending-r0-c64-s64  95.0  22.0  116.0   44.0
    1  tiny-ascending-r64-c0-s64  55.0  99.0   64.0  110.0
    >>> scene.rate_truth[["xmin", "ymin", "xmax", "ymax"]].head(2)
        xmin  ymin   xmax   ymax
    0   55.0  99.0   66.0  110.0
    1  100.0  96.0  113.0  105.0
    """
    by_file = (
        {
            path.name: (chip, direction)
            for chip in chips.to_dict("records")
            for direction, path in image_paths(chips, images)[str(chip["chip_id"])].items()
        }
        if len(chips)
        else {}
    )
    size_of = {row["file"]: (row["width"], row["height"]) for row in pictures.pictures.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for box in pictures.boxes.to_dict("records"):
        name = PurePosixPath(str(box["file"]).replace("\\", "/")).name
        if name not in by_file:
            raise LabkitError(
                f"images must hold the file of each picture, instead {name!r} is not among them. Give the chips and "
                "images that were labelled"
            )
        chip, direction = by_file[name]
        across, down = (int(chip["size"]) / edge for edge in size_of[box["file"]])
        inside = (box["xmin"] * across, box["ymin"] * down, box["xmax"] * across, box["ymax"] * down)
        rows.append(
            {
                "scene": str(chip["scene"]),
                "direction": direction,
                "xmin": inside[0] + chip["col"],
                "ymin": inside[1] + chip["row"],
                "xmax": inside[2] + chip["col"],
                "ymax": inside[3] + chip["row"],
                "label": box["label"],
                "chip_id": str(chip["chip_id"]),
                "geometry": place_box(task_data(pd.Series(chip), {}).get("corners"), int(chip["size"]), inside),
            }
        )
    names = ("scene", "direction", "xmin", "ymin", "xmax", "ymax", "label", "chip_id", "geometry")
    return schema.boxes_table({name: [row[name] for row in rows] for name in names})


def picture_of(file: str, folder: Path) -> dict[str, Any]:
    """Give the row of a picture on the disk."""
    width, height = _size_of(folder / file)
    return {"file": file, "width": width, "height": height}


def _size_of(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(f"{path} must be a picture, instead it cannot be read: {error}") from error
