"""What the benchmark of the couplet filter says of boxes whose cause is known."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import labkit as lk
from labkit import geo, schema
from labkit.simulate import Effects, Scene

TRACK = "ascending"


@pytest.fixture(scope="module")
def benchmark_of_couplets() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "couplets.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_couplets", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scene() -> Scene:
    return lk.simulate.scene("tiny", seed=1, effects=Effects(), calendar="two-years")


@pytest.fixture(scope="module")
def mine(scene: Scene) -> np.ndarray:
    still = lk.simulate.scene("tiny", seed=1, effects=replace(Effects(), subsidence_mm=0.0), calendar="two-years")
    return scene.true_rates[TRACK].values - still.true_rates[TRACK].values


def test_each_box_is_told_by_what_it_lies_on(benchmark_of_couplets: ModuleType, scene: Scene, mine: np.ndarray) -> None:
    ifgs = scene.interferograms[TRACK]
    truth = scene.truth[scene.truth["track"] == TRACK].iloc[:1]
    corners = ["xmin", "ymin", "xmax", "ymax"]
    label = truth[corners].to_numpy(float)[0]
    wide = label + np.array([-1, -1, 1, 1]) * (label[2:] - label[:2]).max()
    y, x = np.unravel_index(np.abs(mine).argmax(), mine.shape)
    bowl = np.array([x - 15, y - 15, x + 15, y + 15])
    # nothing moves in a box of one pixel in a corner
    boxes = np.stack([label, wide, bowl, [2, 2, 3, 3]])
    columns: dict[str, object] = {name: boxes[:, i].tolist() for i, name in enumerate(corners)}
    columns |= {"scene": truth["scene"].iloc[0], "direction": truth["direction"].iloc[0], "score": [0.9, 0.8, 0.7, 0.6]}
    found = geo.with_geometry(schema.boxes_table(columns), ifgs)
    causes = benchmark_of_couplets.causes_of(found, truth, scene, TRACK, {"mine": mine}).tolist()
    assert causes[:3] == ["right at IoU 0.5", "landslide, another box", "mine"]
    assert causes[3].startswith(("still ground", "burst seam"))


def test_right_boxes_are_those_that_evaluation_counts(benchmark_of_couplets: ModuleType, scene: Scene) -> None:
    truth = scene.truth[scene.truth["track"] == TRACK]
    random = np.random.default_rng(0)
    found = truth.sample(60, replace=True, random_state=1).reset_index(drop=True)
    for name, side in (("xmin", -1), ("ymin", -1), ("xmax", 1), ("ymax", 1)):
        found[name] += side * random.exponential(1.5, len(found))
    found = found.assign(score=random.uniform(0.5, 1, len(found)))
    right = benchmark_of_couplets.right_boxes(found, truth)
    assert 0 < right.sum() < len(found)
    assert right.sum() == lk.evaluate(found, truth).true_positives
