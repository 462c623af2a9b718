"""What each detector makes of the same chips: every box is what it should be, and the mistakes have numbers."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from couplet_scene import couplet_boxes, couplet_gradients
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from PIL import Image

import labkit as lk
from labkit import schema
from labkit.errors import LabkitError
from labkit.view import colours


def boxes(*corners, score=1.0, direction="azimuth", scene="formula") -> gpd.GeoDataFrame:
    xmin, ymin, xmax, ymax = np.array(corners, float).reshape(-1, 4).T
    return schema.boxes_table(
        {
            "scene": [scene] * len(xmin),
            "direction": [direction] * len(xmin),
            "xmin": xmin,
            "ymin": ymin,
            "xmax": xmax,
            "ymax": ymax,
            "score": np.broadcast_to(score, len(xmin)),
        }
    )


@pytest.fixture
def gradients():
    return couplet_gradients(240, 320)


@pytest.fixture
def chip(gradients):
    return lk.make_chips(gradients, 120, 0).iloc[0]


TRUTH = boxes((10, 10, 30, 30), (50, 50, 60, 60), (80, 80, 110, 110))
FAINT = boxes((10, 80, 30, 100))


def test_every_box_is_told_what_it_is_and_the_mistakes_are_counted(chip):
    found = boxes(
        (11, 10, 30, 31),  # right
        (12, 12, 33, 33),  # a second one on the same label
        (10, 80, 30, 98),  # on a faint one
        (60, 10, 70, 20),  # on nothing
        (200, 10, 220, 20),  # on another chip
        (81, 80, 110, 110),  # too unsure to be drawn
        score=[0.9, 0.6, 0.8, 0.7, 0.9, 0.4],
    )
    table = lk.view.mistakes(chip, "azimuth", TRUTH, found, ignore=FAINT)
    told = {tuple(row[:4]): (row.what, row.number) for row in table.itertuples(index=False)}
    assert told == {
        (11, 10, 30, 31): ("right", 0),
        (10, 80, 30, 98): ("ignored", 0),
        (60, 10, 70, 20): ("false", 1),
        (12, 12, 33, 33): ("false", 2),
        (80, 80, 110, 110): ("missed", 3),
        (50, 50, 60, 60): ("missed", 4),
        (10, 10, 30, 30): ("found", 0),
        (10, 80, 30, 100): ("ignored", 0),
    }
    assert table["score"].dropna().tolist() == [0.9, 0.8, 0.7, 0.6]


def test_the_counts_are_those_of_evaluate(gradients):
    chips = lk.make_chips(gradients, 120, 0)
    truth = couplet_boxes(gradients)
    random = np.random.default_rng(0)
    corners = truth[["xmin", "ymin", "xmax", "ymax"]].to_numpy() + random.normal(0, 4, (len(truth), 4))
    found = truth.assign(score=random.random(len(truth)))
    found[["xmin", "ymin", "xmax", "ymax"]] = corners
    for place, (_, chip) in enumerate(chips.iterrows()):
        tables = [lk.view.mistakes(chip, d, truth, found, score=0.3) for d in ("azimuth", "range")]
        told = [sum((t["what"] == word).sum() for t in tables) for word in ("right", "false")]
        measured = lk.evaluate(found, truth, score=0.3, chips=chips.iloc[[place]])
        assert told == [measured.true_positives, measured.false_positives]


def test_nothing_found_and_nothing_there_are_answers(chip):
    assert lk.view.mistakes(chip, "range", TRUTH, boxes()).empty
    assert lk.view.mistakes(chip, "azimuth", TRUTH, boxes())["what"].tolist() == ["missed"] * 3


def test_there_is_a_column_for_each_detector_and_a_row_for_each_chip(gradients, tmp_path):
    chips = lk.make_chips(gradients, 120, 0).iloc[:2]
    truth = couplet_boxes(gradients)
    first, nothing = truth[truth["direction"] == "azimuth"].assign(score=0.9), truth.iloc[:0]
    picture = tmp_path / "detectors.png"
    figure = lk.view.compare_detectors(
        {"formula": gradients}, chips, truth, {"first": first, "nothing": nothing}, path=picture
    )
    panels = figure.axes[:4]
    assert [axis.get_title() for axis in panels[:2]] == ["first", "nothing"]
    drawn = [[to_hex(p.get_edgecolor()) for p in axis.patches if isinstance(p, Rectangle)] for axis in panels]
    centres = (truth["xmin"] + truth["xmax"]) / 2, (truth["ymin"] + truth["ymax"]) / 2
    for row, (_, chip) in enumerate(chips.iterrows()):
        on = centres[0].between(chip.col, chip.col + 120) & centres[1].between(chip.row, chip.row + 120)
        count = int((on & (truth["direction"] == "azimuth")).sum())
        assert sorted(drawn[2 * row]) == sorted([colours.LABEL] * count + [colours.DETECTION] * count)
        assert drawn[2 * row + 1] == [colours.LABEL] * count
        assert [t.get_text() for t in panels[2 * row + 1].texts] == [str(n + 1) for n in range(count)]
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    red, blue = shown[..., 0] - shown[..., 2], shown[..., 2] - shown[..., 0]
    assert (red > 100).any() and (blue > 100).any()


def test_what_cannot_be_drawn_is_refused(gradients, chip):
    chips = lk.make_chips(gradients, 120, 0).iloc[:1]
    found = {"a": TRUTH}
    with pytest.raises(LabkitError, match=r"^scenes must hold the scene of each chip, instead 'formula'"):
        lk.view.compare_detectors({}, chips, TRUTH, found)
    with pytest.raises(LabkitError, match=r"^chips and detections must hold at least one each"):
        lk.view.compare_detectors({"formula": gradients}, chips, TRUTH, {})
    with pytest.raises(
        LabkitError, match=r"^direction must be among \('azimuth', 'range'\), instead got direction='up'"
    ):
        lk.view.compare_detectors({"formula": gradients}, chips, TRUTH, found, direction="up")
    with pytest.raises(LabkitError, match=r"^limit must be a number above 0, instead got limit=-1"):
        lk.view.compare_detectors({"formula": gradients}, chips, TRUTH, found, limit=-1)
    with pytest.raises(LabkitError, match=r"^iou must be in \(0, 1\], instead got iou=0"):
        lk.view.mistakes(chip, "azimuth", TRUTH, TRUTH, iou=0)
    with pytest.raises(LabkitError, match=r"^score must be in \[0, 1\], instead got score=2"):
        lk.view.mistakes(chip, "azimuth", TRUTH, TRUTH, score=2)
