"""COCO: one JSON file for a whole set of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit.errors import FileError
from labkit.files import whole
from labkit.label.pictures import Pictures, make_pictures


def write_coco(pictures: Pictures, path: str | Path) -> Path:
    """Write a set as COCO JSON (images, annotations, categories), whole or not at all.

    Parameters
    ----------
    pictures : Pictures
        What to write (:func:`labkit.label.pictures_of`); pictures without a box are kept.
    path : path
        The JSON file.

    Returns
    -------
    pathlib.Path
        The file. A box is [xmin, ymin, width, height] in px from the upper left edge; categories count from 1.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lk.label.write_coco(lk.label.Pictures(shown, drawn), f"{folder}/labels.json")
    ...     json.loads(path.read_text())["annotations"][0]["bbox"]
    [10, 20, 50, 70]
    """
    target = Path(path)
    words = sorted(set(pictures.boxes["label"]))
    number = {name: place + 1 for place, name in enumerate(pictures.pictures["file"])}
    annotations = []
    for place, box in enumerate(pictures.boxes.to_dict("records")):
        width, height = box["xmax"] - box["xmin"], box["ymax"] - box["ymin"]
        annotations.append(
            {
                "id": place + 1,
                "image_id": number[box["file"]],
                "category_id": words.index(box["label"]) + 1,
                "bbox": [box["xmin"], box["ymin"], width, height],
                "area": width * height,
                "iscrowd": 0,
            }
        )
    images = [
        {"id": number[row["file"]], "file_name": row["file"], "width": row["width"], "height": row["height"]}
        for row in pictures.pictures.to_dict("records")
    ]
    categories = [{"id": place + 1, "name": word, "supercategory": ""} for place, word in enumerate(words)]
    content = {
        "info": {"description": "labkit"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    with whole(target) as partial:
        partial.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return target


def read_coco(path: str | Path) -> Pictures:
    """Read COCO JSON; outlines are not looked at, only boxes.

    Raises
    ------
    FileError
        It is damaged, or a box names a picture or category that is not there, or has no area.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lk.label.write_coco(lk.label.Pictures(shown, drawn), f"{folder}/labels.json")
    ...     lk.label.read_coco(path).boxes
        file  xmin  ymin  xmax  ymax      label
    0  a.png  10.0  20.0  60.0  90.0  landslide
    1  b.png  10.0  20.0  60.0  90.0  landslide
    """
    source = Path(path)
    try:
        content: Any = json.loads(source.read_bytes())
        images = {row["id"]: row for row in content["images"]}
        words = {row["id"]: str(row["name"]) for row in content["categories"]}
        shown = [
            {"file": str(row["file_name"]), "width": int(row["width"]), "height": int(row["height"])}
            for row in images.values()
        ]
        drawn = []
        for row in content["annotations"]:
            x, y, width, height = map(float, row["bbox"])
            corners = {"xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height}
            drawn.append(
                {"file": str(images[row["image_id"]]["file_name"]), "label": words[row["category_id"]], **corners}
            )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        raise FileError(f"{source} must be a COCO file of boxes, instead got: {error!r}") from error
    return make_pictures(shown, drawn, source)
