"""The labelling interface: each image has boxes of its own, and each label a key of its own."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import pytest
from label_studio_sdk.label_interface import LabelInterface

from labkit.errors import LabkitError
from labkit.label.config import CLASSES, classes_of, directions_of, labelling_interface, pictures_of
from labkit.label.guidance import MEANINGS, guidance_text
from labkit.schema import LANDSLIDE


@pytest.mark.parametrize("directions", [("azimuth", "range"), ("rate",)])
def test_label_studios_own_reader_finds_one_control_for_each_image(directions):
    interface = LabelInterface(labelling_interface(directions))
    assert {control.to_name[0] for control in interface.controls} == set(directions)
    assert {tag.name for tag in interface.objects} == {*directions, "place"}
    for control in interface.controls:
        assert control.name == f"{control.to_name[0]}_boxes"
        assert list(control.labels) == list(CLASSES)


def test_landslide_is_the_first_label_and_every_label_has_a_key_of_its_own():
    labels = list(ElementTree.fromstring(labelling_interface()).iter("Label"))  # noqa: S314
    assert labels[0].get("value") == LANDSLIDE
    keys = [label.get("hotkey") for label in labels]
    assert keys == list("12345678")


def test_images_open_pixel_for_pixel_and_boxes_cannot_be_rotated():
    root = ElementTree.fromstring(labelling_interface())  # noqa: S314
    assert {image.get("defaultZoom") for image in root.iter("Image")} == {"original"}
    assert {control.get("canRotate") for control in root.iter("RectangleLabels")} == {"false"}


def test_directions_and_labels_are_read_back_even_when_the_owner_changed_colours_and_words():
    changed = labelling_interface().replace('value="unsure"', 'value="ask Li"').replace("#00a03c", "#123456")
    assert directions_of(changed) == ("azimuth", "range")
    assert classes_of(changed)["range"] == {"landslide", "deformation, not a landslide", "snow or ice", "ask Li"}


def test_a_project_of_another_kind_shows_no_direction():
    other = '<View><Image name="image" value="$image"/><RectangleLabels name="l" toName="image"/></View>'
    assert directions_of(other) == ()


@pytest.mark.parametrize("directions", [("range",), ("range", "azimuth"), ()])
def test_an_unknown_set_of_images_is_refused(directions):
    with pytest.raises(LabkitError, match="directions must be one of"):
        labelling_interface(directions)


@pytest.mark.parametrize("classes", [("glacier",), ("landslide", "landslide"), ("landslide", "b", "c", "d", "e")])
def test_labels_without_a_landslide_or_beyond_the_keys_are_refused(classes):
    with pytest.raises(LabkitError, match="classes must be at most 4"):
        labelling_interface(classes=classes)


@pytest.mark.parametrize(
    ("directions", "pictures"), [(("azimuth", "range"), ("hillshade", "rate")), (("rate",), ("optical",))]
)
def test_pictures_stand_beside_without_boxes(directions, pictures):
    made = labelling_interface(directions, pictures=pictures)
    interface = LabelInterface(made)
    assert {tag.name for tag in interface.objects} == {*directions, *pictures, "place"}
    assert {control.to_name[0] for control in interface.controls} == set(directions)
    assert (directions_of(made), set(pictures_of(made))) == (directions, set(pictures))


@pytest.mark.parametrize("pictures", [("glacier",), ("coherence", "hillshade", "optical"), ("coherence", "coherence")])
def test_unknown_pictures_and_more_than_two_are_refused(pictures):
    with pytest.raises(LabkitError, match="pictures must be at most two of"):
        labelling_interface(pictures=pictures)
    with pytest.raises(LabkitError, match="pictures must be at most two of"):
        labelling_interface(("rate",), pictures=("rate",))


def test_the_guidance_explains_every_class_and_names_the_keys_that_the_interface_has():
    for directions in (("azimuth", "range"), ("rate",)):
        labels = list(ElementTree.fromstring(labelling_interface(directions)).iter("Label"))  # noqa: S314
        text = guidance_text(CLASSES, directions)
        for word in CLASSES:
            keys = [label.get("hotkey") for label in labels if label.get("value") == word]
            assert re.search(f"<b>{word}</b> \\(keys? {' and '.join(keys)}\\)", text)
            assert MEANINGS[word] in html.unescape(text)


def test_an_interface_that_is_no_xml_is_refused():
    with pytest.raises(LabkitError, match="must be XML"):
        directions_of("<View>")


def test_an_interface_whose_entities_would_expand_is_refused():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>'
    with pytest.raises(LabkitError, match="must be XML"):
        directions_of(bomb)
