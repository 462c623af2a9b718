"""YOLO: a text file of numbers for each picture, and the list of words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.label.pictures import Pictures, make_pictures, picture_of

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def write_yolo(pictures: Pictures, folder: str | Path) -> Path:
    """Write ``labels/NAME.txt`` for each picture, ``classes.txt`` and ``data.yaml``.

    Parameters
    ----------
    pictures : Pictures
        What to write (:func:`labkit.label.pictures_of`). The pictures themselves are to lie in ``images/``.
    folder : path
        Made when it is not there; files of the same names are replaced, each whole or not at all.

    Returns
    -------
    pathlib.Path
        The folder. A line is the number of the word, the centre's x and y, width and height, as shares of the picture
        with all their digits. A picture without a box has an empty file, which says that there is nothing.

    Raises
    ------
    LabkitError
        Two pictures would share a file, or a label is empty or holds a line break.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = lk.label.write_yolo(lk.label.Pictures(shown, drawn), folder)
    ...     print((written / "labels" / "a.txt").read_text())
    0 0.08413461538461539 0.13221153846153846 0.1201923076923077 0.16826923076923078
    """
    home = Path(folder)
    names = [Path(name).with_suffix(".txt").name for name in pictures.pictures["file"]]
    words = sorted(set(pictures.boxes["label"]))
    if len(set(names)) < len(names):
        raise LabkitError("pictures must have names that differ without their ending, instead two would share a file")
    if any(not word or word != word.strip() or len(word.splitlines()) > 1 for word in words):
        raise LabkitError(f"label must be words on one line for YOLO, instead got label={words}")
    of_file = dict(list(pictures.boxes.groupby("file")))
    for name, row in zip(names, pictures.pictures.to_dict("records"), strict=True):
        lines = []
        for box in of_file[row["file"]].to_dict("records") if row["file"] in of_file else []:
            across = ((box["xmin"] + box["xmax"]) / 2 / row["width"], (box["xmax"] - box["xmin"]) / row["width"])
            down = ((box["ymin"] + box["ymax"]) / 2 / row["height"], (box["ymax"] - box["ymin"]) / row["height"])
            lines.append(f"{words.index(box['label'])} {across[0]!r} {down[0]!r} {across[1]!r} {down[1]!r}\n")
        with whole(home / "labels" / name) as partial:
            partial.write_text("".join(lines))
    with whole(home / "classes.txt") as partial:
        partial.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    described = {"path": ".", "train": "images", "val": "images", "nc": len(words), "names": dict(enumerate(words))}
    with whole(home / "data.yaml") as partial:
        partial.write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    return home


def read_yolo(folder: str | Path) -> Pictures:
    """Read the boxes of a YOLO data set.

    Parameters
    ----------
    folder : path
        With ``images/`` and ``labels/`` (or both kinds of files in the folder itself), and the words in ``data.yaml``
        or ``classes.txt`` (in the folder or beside the labels). The sizes come from the pictures, which have to be
        there.

    Returns
    -------
    Pictures
        Every picture; one without a text file, or with an empty one, has no boxes.

    Raises
    ------
    FileError
        There are no pictures or words, or a line is no box.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from PIL import Image
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = lk.label.write_yolo(lk.label.Pictures(shown, drawn), folder)
    ...     for name in shown["file"]:
    ...         Image.new("RGB", (416, 416)).save(written / name)
    ...     lk.label.read_yolo(folder)
    Pictures(2 pictures, 2 boxes)
    """
    home = Path(folder)
    pictures = home / "images" if (home / "images").is_dir() else home
    texts = home / "labels" if (home / "labels").is_dir() else home
    files = (
        sorted(path.name for path in pictures.iterdir() if path.suffix.lower() in _PICTURES) if home.is_dir() else []
    )
    if not files:
        raise FileError(f"{home} must hold pictures, in a folder 'images' or by themselves, instead it holds none")
    words = _words(home, texts)
    shown = [picture_of(name, pictures) for name in files]
    drawn: list[dict[str, Any]] = []
    for row in shown:
        path = texts / Path(row["file"]).with_suffix(".txt").name
        if path.is_file():
            drawn += _read(path, row, words)
    return make_pictures(shown, drawn, home)


def _read(path: Path, picture: dict[str, Any], words: dict[int, str]) -> list[dict[str, Any]]:
    boxes = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in filter(str.strip, lines):
            number, *shares = line.split()
            x, y, width, height = map(float, shares)
            if not np.isfinite([x, y, width, height]).all():
                raise ValueError(f"a share that is no number in {line!r}")
            corners = {
                "xmin": (x - width / 2) * picture["width"],
                "ymin": (y - height / 2) * picture["height"],
                "xmax": (x + width / 2) * picture["width"],
                "ymax": (y + height / 2) * picture["height"],
            }
            boxes.append({"file": picture["file"], "label": words[int(number)], **corners})
    except (OSError, ValueError, KeyError) as error:
        raise FileError(f"{path} must hold a class and four shares on each line, instead got: {error!r}") from error
    return boxes


def _words(home: Path, texts: Path) -> dict[int, str]:
    described, listed = home / "data.yaml", next((p for p in (home, texts) if (p / "classes.txt").is_file()), None)
    try:
        if described.is_file():
            names = yaml.safe_load(described.read_text(encoding="utf-8"))["names"]
            pairs = names.items() if isinstance(names, dict) else enumerate(names)
            return {int(number): str(word) for number, word in pairs}
        if listed is not None:
            lines = (listed / "classes.txt").read_text(encoding="utf-8").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise FileError(f"{described} must list the words under 'names', instead got: {error!r}") from error
    raise FileError(f"{home} must say its words in data.yaml or classes.txt, instead there is neither")
