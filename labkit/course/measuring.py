"""Lesson 7: measuring honestly, why chips that overlap leak, and how little a few landslides can tell."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt

from labkit.chip import make_chips, split_chips
from labkit.course.answers import Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.intervals import share_interval

#: Edge of the chips, px, the share that neighbours have in common, and that of the test chips.
SIZE, OVERLAP, TEST_SHARE = 96, 0.25, 0.2

#: So many of so many landslides were found.
FOUND, OF = 9, 10

Mask = npt.NDArray[np.bool_]


def chips_of(material: Material) -> gpd.GeoDataFrame:
    """Give the chips of the ascending stack: 96 px, neighbours have a quarter of it in common."""
    return make_chips(material.gradients("ascending"), SIZE, OVERLAP)


def split_at_random(chips: gpd.GeoDataFrame, seed: int = 0) -> gpd.GeoDataFrame:
    """Split chips by lot, one in five for the test: what one should not do with chips that overlap."""
    test = np.random.default_rng(seed).permutation(len(chips)) < round(TEST_SHARE * len(chips))
    return chips.assign(split=np.where(test, "test", "train"))


def split_by_blocks(chips: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Split chips by blocks of ground, about one in five for the test (:func:`labkit.split_chips`)."""
    return split_chips(chips, (1 - TEST_SHARE, 0, TEST_SHARE), seed=0)


def remember(boxes: gpd.GeoDataFrame, chips: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Be a detector that has learnt its training chips by heart and nothing else.

    Parameters
    ----------
    boxes : geopandas.GeoDataFrame
        The labels.
    chips : geopandas.GeoDataFrame
        With ``split``.

    Returns
    -------
    geopandas.GeoDataFrame
        The labels whose centre lies on a training chip: what it has seen it finds again, and nothing else.
    """
    return boxes[_on(boxes, chips[chips["split"] == "train"])].reset_index(drop=True)


def _on(boxes: gpd.GeoDataFrame, chips: gpd.GeoDataFrame) -> Mask:
    """Which boxes have their centre on one of the chips."""
    y, x = (boxes[[f"{axis}min", f"{axis}max"]].to_numpy(float).mean(axis=1)[:, None] for axis in "yx")
    row, col, size = (chips[name].to_numpy(float)[None] for name in ("row", "col", "size"))
    return np.asarray(((y >= row) & (y < row + size) & (x >= col) & (x < col + size)).any(axis=1))


def _ascending(material: Material) -> gpd.GeoDataFrame:
    truth = material.table("truth")
    return truth[truth["track"] == "ascending"].reset_index(drop=True)


def _leaking(material: Material) -> float:
    chips = split_at_random(chips_of(material))
    train, test = (chips[chips["split"] == name] for name in ("train", "test"))
    near = [np.abs(test[k].to_numpy()[:, None] - train[k].to_numpy()[None]) < SIZE for k in ("row", "col")]
    return float((near[0] & near[1]).any(axis=1).mean())


def _remembered(material: Material, *, blocks: bool) -> float:
    """Share of the labels on test chips whose centre lies on a training chip too."""
    chips = chips_of(material)
    chips = split_by_blocks(chips) if blocks else split_at_random(chips)
    labels = _ascending(material)
    asked = _on(labels, chips[chips["split"] == "test"])
    return float(_on(labels, chips[chips["split"] == "train"])[asked].mean())


def _lower(material: Material) -> float:
    return float(share_interval(FOUND, OF)[0])


PLAN = Plan(
    "c7_measuring",
    "7 · Measuring honestly",
    {
        "leak": Exercise(
            Number("share", relative=0.0, absolute=0.005),
            _leaking,
            "Two chips of 96 px share ground where both their rows and their columns are less than 96 px apart.",
            'train, test = (by_lot[by_lot["split"] == name] for name in ("train", "test"))\n'
            "shares = [((train['row'] - chip.row).abs() < 96) & ((train['col'] - chip.col).abs() < 96)\n"
            "          for chip in test.itertuples()]\n"
            "leak = np.mean([s.any() for s in shares])",
            "leak",
        ),
        "by_heart": Exercise(
            Number("share", relative=0.0, absolute=0.005),
            lambda material: _remembered(material, blocks=False),
            "lk.evaluate(memory, labels, chips=…) with the test chips; recall is the share of labels that were found.",
            "memory = remember(labels, by_lot)\n"
            'by_heart = lk.evaluate(memory, labels, chips=by_lot[by_lot["split"] == "test"]).recall',
            "by_heart",
        ),
        "by_blocks": Exercise(
            Number("share", relative=0.0, absolute=0.005),
            lambda material: _remembered(material, blocks=True),
            "The same two lines with `blocks` in the place of `by_lot`.",
            "memory = remember(labels, blocks)\n"
            'by_blocks = lk.evaluate(memory, labels, chips=blocks[blocks["split"] == "test"]).recall',
            "by_blocks",
        ),
        "lower": Exercise(
            Number("share", relative=0.0, absolute=0.005),
            _lower,
            "Put p = 0.9, n = 10 and z = 1.96 into Wilson's formula, with the minus sign.",
            "p, n, z = 0.9, 10, 1.96\n"
            "middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))\n"
            "lower = (middle - half) / (1 + z**2 / n)",
            "lower",
            {
                "that is p − 1.96 √(p (1 − p) / n), which is too narrow for so few cases.": (
                    lambda material: 0.9 - 1.96 * float(np.sqrt(0.9 * 0.1 / OF))
                ),
                "that is the upper end.": lambda material: float(share_interval(FOUND, OF)[1]),
            },
        ),
    },
)
