"""Pascal VOC, COCO and YOLO: there and back unchanged, as independent readers understand them, and damage is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_studio_fixture import chips_of, images_of
from PIL import Image
from torchvision.datasets import CocoDetection, VOCDetection

from labkit import geo, schema
from labkit.errors import FileError, LabkitError
from labkit.label import (
    Pictures,
    labels_of,
    pictures_of,
    read_coco,
    read_voc,
    read_yolo,
    write_coco,
    write_voc,
    write_yolo,
)
from labkit.label.pictures import make_pictures

CORNERS = ["xmin", "ymin", "xmax", "ymax"]
FORMATS = ["voc", "voc-inclusive", "coco", "yolo"]


def write(form: str, pictures: Pictures, folder: Path) -> None:
    """Write the boxes, and for YOLO the pictures, whose sizes are nowhere else."""
    if form == "coco":
        write_coco(pictures, folder / "set.json")
    elif form == "yolo":
        write_yolo(pictures, folder)
        (folder / "images").mkdir(exist_ok=True)
        for row in pictures.pictures.itertuples():
            Image.new("L", (row.width, row.height)).save(folder / "images" / row.file)
    else:
        write_voc(pictures, folder, counting="inclusive" if "inclusive" in form else "edges")


def read(form: str, folder: Path) -> Pictures:
    if form == "coco":
        return read_coco(folder / "set.json")
    return read_yolo(folder) if form == "yolo" else read_voc(folder, counting=form[4:] or "edges")


def same(one: Pictures, other: Pictures) -> None:
    for name in ("pictures", "boxes"):
        a, b = (getattr(p, name).sort_values(list(getattr(p, name).columns), ignore_index=True) for p in (one, other))
        pd.testing.assert_frame_equal(a, b, rtol=0, atol=1e-9)


def a_set() -> Pictures:
    shown = [{"file": f"{name}.png", "width": 40 + 8 * n, "height": 30} for n, name in enumerate("abc")]
    drawn = [
        {"file": "a.png", "xmin": 1, "ymin": 2, "xmax": 20, "ymax": 30, "label": "landslide"},
        {"file": "a.png", "xmin": 0.25, "ymin": 2.5, "xmax": 8.125, "ymax": 9.0, "label": "not a landslide"},
        {"file": "c.png", "xmin": 10, "ymin": 10, "xmax": 11, "ymax": 12, "label": "landslide"},
    ]
    return make_pictures(shown, drawn, Path("made"))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@st.composite
def sets(draw: st.DrawFn) -> Pictures:
    shown, drawn = [], []
    for number in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(2, 60)), draw(st.integers(2, 60))
        shown.append({"file": f"{number}.png", "width": width, "height": height})
        for _ in range(draw(st.integers(0, 3))):
            x, y = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
            far = draw(st.floats(x + 0.01, width)), draw(st.floats(y + 0.01, height))
            drawn.append(
                {"file": f"{number}.png", "xmin": x, "ymin": y, "xmax": far[0], "ymax": far[1], "label": draw(WORDS)}
            )
    return make_pictures(shown, drawn, Path("drawn"))


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=8)
@given(pictures=sets())
def test_what_is_written_is_what_is_read(tmp_path_factory, form, pictures):
    folder = tmp_path_factory.mktemp("set")
    write(form, pictures, folder)
    same(read(form, folder), pictures)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_read_or_refused_by_labkits_own_error_and_nothing_else(tmp_path, form, data):
    write(form, a_set(), tmp_path)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(paths))
    content = path.read_bytes()
    at, length = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 12))
    path.write_bytes(content[:at] + data.draw(st.binary(max_size=8)) + content[at + length :])
    try:
        read(form, tmp_path)
    except FileError as error:
        assert str(tmp_path) in str(error)
    finally:
        path.write_bytes(content)


def test_torchvision_reads_the_same_boxes_from_pascal_voc(tmp_path):
    pictures = a_set()
    base = tmp_path / "VOCdevkit" / "VOC2012"
    write_voc(pictures, base / "Annotations", counting="inclusive")
    (base / "JPEGImages").mkdir()
    (base / "ImageSets" / "Main").mkdir(parents=True)
    (base / "ImageSets" / "Main" / "train.txt").write_text("a\nb\nc\n")
    for row in pictures.pictures.itertuples():
        Image.new("RGB", (row.width, row.height)).save(base / "JPEGImages" / f"{Path(row.file).stem}.jpg")
    found = []
    for image, target in VOCDetection(tmp_path, image_set="train"):
        about = target["annotation"]
        assert image.size == (int(about["size"]["width"]), int(about["size"]["height"]))
        for item in about.get("object", []):
            corners = [float(item["bndbox"][name]) for name in CORNERS]
            found.append([corners[0] - 1, corners[1] - 1, *corners[2:]])
    np.testing.assert_allclose(found, pictures.boxes[CORNERS])


def test_labelimgs_own_file_is_read_with_its_folders_and_whole_numbers(tmp_path):
    (tmp_path / "x.xml").write_text(
        "<annotation verified='yes'>\n\t<folder>rates</folder>\n\t<filename>D:\\rates\\x.jpg</filename>\n"
        "\t<path>D:\\rates\\x.jpg</path>\n\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"
        "\t<size><width>512</width><height>512</height><depth>3</depth></size>\n\t<segmented>0</segmented>\n"
        "\t<object>\n\t\t<name>landslide</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        "\t\t<difficult>0</difficult>\n\t\t<bndbox><xmin>124</xmin><ymin>37</ymin><xmax>219</xmax><ymax>101</ymax>"
        "</bndbox>\n\t</object>\n</annotation>\n"
    )
    found = read_voc(tmp_path)
    assert found.pictures.to_numpy().tolist() == [["x.jpg", 512, 512]]
    assert found.boxes.to_numpy().tolist() == [["x.jpg", 124.0, 37.0, 219.0, 101.0, "landslide"]]


def test_an_independent_reader_finds_the_coco_boxes_and_areas(tmp_path):
    pictures = a_set()
    content = json.loads(write_coco(pictures, tmp_path / "set.json").read_text())
    of_image = {row["id"]: row["file_name"] for row in content["images"]}
    words = {row["id"]: row["name"] for row in content["categories"]}
    assert len(of_image) == 3
    for row, box in zip(content["annotations"], pictures.boxes.itertuples(), strict=True):
        x, y, w, h = row["bbox"]
        assert (of_image[row["image_id"]], words[row["category_id"]]) == (box.file, box.label)
        assert (x, y, x + w, y + h) == (box.xmin, box.ymin, box.xmax, box.ymax)
        assert row["area"] == w * h


def test_pycocotools_loads_the_coco_file(tmp_path):
    pictures = a_set()
    write("yolo", pictures, tmp_path)
    found = CocoDetection(tmp_path / "images", write_coco(pictures, tmp_path / "set.json"))
    assert [len(target) for _, target in found] == [2, 0, 1]


def test_a_yolo_line_is_the_class_and_the_centre_and_size_as_shares(tmp_path):
    write("yolo", a_set(), tmp_path)
    lines = (tmp_path / "labels" / "a.txt").read_text().splitlines()
    assert list(map(float, lines[0].split())) == [0, 10.5 / 40, 16 / 30, 19 / 40, 28 / 30]
    assert (tmp_path / "labels" / "b.txt").read_text() == ""
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == {0: "landslide", 1: "not a landslide"}
    (tmp_path / "data.yaml").unlink()
    same(read_yolo(tmp_path), a_set())


@pytest.fixture
def walk(couplet_scene, tmp_path) -> tuple[gpd.GeoDataFrame, pd.DataFrame, gpd.GeoDataFrame]:
    chips = chips_of(couplet_scene, 200).iloc[:6].reset_index(drop=True)
    boxes = {"xmin": [20.5, 210.0, 630.25], "ymin": [10.25, 30.0, 20.5], "xmax": [90.0, 380.5, 700.0]}
    columns = {"scene": "couplet", "direction": ["azimuth", "range", "range"], **boxes, "ymax": [99.0, 180.0, 170.75]}
    labels = geo.with_geometry(schema.boxes_table(columns), couplet_scene)
    return chips, images_of(chips, couplet_scene, tmp_path / "images"), labels


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("scale", [1, 3])
def test_labels_go_out_on_their_pictures_and_come_back_to_their_scene(walk, tmp_path, form, scale):
    chips, images, labels = walk
    for path in images["path"]:
        with Image.open(path) as image:
            image.resize((200 * scale, 200 * scale)).save(path)
    pictures = pictures_of(labels, chips, images)
    assert (len(pictures.pictures), len(pictures.boxes)) == (12, 3)
    assert pictures.boxes["xmax"].max() <= 200 * scale
    write(form, pictures, tmp_path / "out")
    back = labels_of(read(form, tmp_path / "out"), chips, images)
    back = back.sort_values("xmin", ignore_index=True)
    np.testing.assert_allclose(back[CORNERS], labels[CORNERS], atol=1e-9)
    assert list(back["direction"]) == list(labels["direction"])
    for one, other in zip(back.geometry, labels.geometry, strict=True):
        assert one.equals_exact(other, 1e-9)


def test_a_picture_that_nobody_rendered_is_named(walk):
    chips, images, _ = walk
    with pytest.raises(LabkitError, match="images must hold the file of each picture, instead 'a.png'"):
        labels_of(a_set(), chips, images)


def test_two_pictures_that_would_share_a_file_are_refused(tmp_path):
    shown = [{"file": name, "width": 4, "height": 4} for name in ("a.png", "a.jpg")]
    twins = make_pictures(shown, [], Path("made"))
    for job in (write_voc, write_yolo):
        with pytest.raises(LabkitError, match="names that differ without their ending"):
            job(twins, tmp_path)


def test_entities_in_pascal_voc_are_refused(tmp_path):
    (tmp_path / "x.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'
    )
    with pytest.raises(FileError, match=r"x\.xml must be whole, plain XML"):
        read_voc(tmp_path)


@pytest.mark.parametrize("job", [read_voc, read_yolo])
def test_an_empty_folder_is_named(tmp_path, job):
    with pytest.raises(FileError, match=re.escape(str(tmp_path))):
        job(tmp_path)
