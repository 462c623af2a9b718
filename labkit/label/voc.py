"""Pascal VOC: one XML file for each picture, as LabelImg writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.label.pictures import Pictures, make_pictures
from labkit.label.vectors import parse_xml
from labkit.schema import CORNERS

#: How a file counts pixels. "edges": xmin is the left edge, xmax the right one, from 0 (LabelImg, and most tools of
#: today). "inclusive": the numbers of the first and the last pixel, from 1, as the VOC challenge itself counted.
Counting = Literal["edges", "inclusive"]


def write_voc(pictures: Pictures, folder: str | Path, *, counting: Counting = "edges") -> Path:
    """Write one XML file for each picture, named after it; also for pictures without a box.

    Parameters
    ----------
    pictures : Pictures
        What to write (:func:`labkit.label.pictures_of`).
    folder : path
        Made when it is not there; files of the same names are replaced, each whole or not at all.
    counting : str
        "edges" or "inclusive". Whole numbers are written as such, others with all their digits.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    LabkitError
        Two pictures would share a file.
    FileError
        The disk is full or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = lk.label.write_voc(lk.label.Pictures(shown, drawn), folder)
    ...     sorted(path.name for path in written.iterdir())
    ...     lk.label.read_voc(folder)
    ['a.xml', 'b.xml']
    Pictures(2 pictures, 2 boxes)
    """
    home = Path(folder)
    names = [Path(name).with_suffix(".xml").name for name in pictures.pictures["file"]]
    if len(set(names)) < len(names):
        raise LabkitError("pictures must have names that differ without their ending, instead two would share a file")
    of_file = dict(list(pictures.boxes.groupby("file")))
    for name, row in zip(names, pictures.pictures.to_dict("records"), strict=True):
        root = ElementTree.Element("annotation")
        for tag, text in (("folder", home.name), ("filename", row["file"])):
            ElementTree.SubElement(root, tag).text = text
        ElementTree.SubElement(ElementTree.SubElement(root, "source"), "database").text = "labkit"
        size = ElementTree.SubElement(root, "size")
        for tag, number in (("width", row["width"]), ("height", row["height"]), ("depth", 3)):
            ElementTree.SubElement(size, tag).text = str(number)
        ElementTree.SubElement(root, "segmented").text = "0"
        for box in of_file[row["file"]].to_dict("records") if row["file"] in of_file else []:
            _object(root, box, row, counting)
        ElementTree.indent(root)
        with whole(home / name) as partial:
            partial.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
    return home


def read_voc(folder: str | Path, *, counting: Counting = "edges") -> Pictures:
    """Read the XML files of a folder.

    Parameters
    ----------
    folder : path
        With ``.xml`` files; other files are not looked at.
    counting : str
        "edges" or "inclusive": which of the two a file uses is not written in it.

    Returns
    -------
    Pictures
        ``file`` as the XML names it, without its folders.

    Raises
    ------
    FileError
        There is no XML file, or one is damaged, declares entities, or has a box without an area.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = lk.label.write_voc(lk.label.Pictures(shown, drawn), folder, counting="inclusive")
    ...     lk.label.read_voc(folder, counting="inclusive").boxes
        file  xmin  ymin  xmax  ymax      label
    0  a.png  10.0  20.0  60.0  90.0  landslide
    1  b.png  10.0  20.0  60.0  90.0  landslide
    """
    home = Path(folder)
    paths = sorted(home.glob("*.xml"))
    if not paths:
        raise FileError(f"{home} must be a folder with Pascal VOC files (.xml), instead it holds none")
    shown, drawn = [], []
    for path in paths:
        picture, boxes = _read(path, counting)
        shown.append(picture)
        drawn += boxes
    return make_pictures(shown, drawn, home)


def _object(root: ElementTree.Element, box: dict[str, Any], picture: dict[str, Any], counting: Counting) -> None:
    item = ElementTree.SubElement(root, "object")
    cut = min(box["xmin"], box["ymin"]) <= 0 or box["xmax"] >= picture["width"] or box["ymax"] >= picture["height"]
    for tag, text in (
        ("name", box["label"]),
        ("pose", "Unspecified"),
        ("truncated", str(int(cut))),
        ("difficult", "0"),
    ):
        ElementTree.SubElement(item, tag).text = text
    corners = ElementTree.SubElement(item, "bndbox")
    shift = _shift(counting)
    for tag in CORNERS:
        number = float(box[tag]) + (shift if tag in ("xmin", "ymin") else 0)
        ElementTree.SubElement(corners, tag).text = str(int(number)) if number.is_integer() else repr(number)


def _read(path: Path, counting: Counting) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        root = parse_xml(path.read_bytes(), path)
    except OSError as error:
        raise FileError(f"{path} must be a file that can be read, instead got: {error}") from error
    if root.tag != "annotation":
        raise FileError(f"{path} must be a Pascal VOC file (<annotation>), instead it is <{root.tag}>")
    # LabelImg on Windows writes whole paths
    name = (root.findtext("filename") or "").replace("\\", "/").rpartition("/")[2]
    if not name:
        raise FileError(f"{path} must name its picture in <filename>, instead it names none")
    picture = {"file": name} | {tag: int(_number(root, f"size/{tag}", path)) for tag in ("width", "height")}
    boxes, shift = [], _shift(counting)
    for item in root.iter("object"):
        corners = {tag: _number(item, f"bndbox/{tag}", path) for tag in CORNERS}
        corners |= {"xmin": corners["xmin"] - shift, "ymin": corners["ymin"] - shift}
        boxes.append({"file": name, "label": item.findtext("name") or "", **corners})
    return picture, boxes


def _number(element: ElementTree.Element, tag: str, path: Path) -> float:
    text = element.findtext(tag)
    try:
        number = float(text or "")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise FileError(f"{path} must have a number in <{tag}>, instead got {text!r}")
    return number


def _shift(counting: Counting) -> int:
    if counting not in ("edges", "inclusive"):
        raise LabkitError(f"counting must be 'edges' or 'inclusive', instead got counting={counting!r}")
    return int(counting == "inclusive")
