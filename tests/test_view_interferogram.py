"""One pair as it is drawn: its own numbers, at their own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from stack_scenes import interferograms

import labkit as lk


def test_phase_and_coherence_of_the_named_pair_are_drawn() -> None:
    rng = np.random.default_rng(0)
    phase, coherence = rng.uniform(-3, 3, (3, 20, 30)), rng.uniform(0, 1, (3, 20, 30))
    ifgs = interferograms(phase, coherence)
    name = str(ifgs["pair"].values[1])
    left, right = lk.view.pair(ifgs, name)
    for image, values, limits in ((left, phase[1], (-np.pi, np.pi)), (right, coherence[1], (0.0, 1.0))):
        np.testing.assert_allclose(image.dimension_values(2, flat=False), values, atol=1e-6)
        assert image.dimension_values("y", expanded=False)[0] == 0.5
        assert image.opts.get("plot").kwargs.get("clim", image.opts.get("style").kwargs.get("clim")) == limits


def test_a_large_scene_is_thinned_and_never_averaged() -> None:
    phase = np.random.default_rng(1).uniform(-3, 3, (1, 60, 90))
    ifgs = interferograms(phase, np.ones((60, 90)))
    left, _ = lk.view.pair(ifgs, str(ifgs["pair"].values[0]), max_pixels=600)
    ys, xs = (left.dimension_values(axis, expanded=False) for axis in ("y", "x"))
    assert len(ys) * len(xs) <= 600
    rows, cols = np.floor(np.sort(ys)).astype(int), np.floor(xs).astype(int)
    np.testing.assert_allclose(left.dimension_values(2, flat=False), phase[0][np.ix_(rows, cols)], atol=1e-6)


def test_an_unknown_pair_is_named_with_those_there_are() -> None:
    ifgs = interferograms(np.zeros((2, 8, 8)), np.ones((8, 8)))
    with pytest.raises(lk.LabkitError, match=r"one of the 2 pairs .* instead got name='20010101_20010113'"):
        lk.view.pair(ifgs, "20010101_20010113")


def test_the_same_pair_of_several_scenes_is_drawn_side_by_side() -> None:
    rng = np.random.default_rng(3)
    scenes = {name: interferograms(rng.uniform(-3, 3, (2, 20, 30)), np.ones((20, 30))) for name in ("a", "b", "c")}
    pair = str(scenes["a"]["pair"].values[1])
    drawn = list(lk.view.phases(scenes, pair, columns=3))
    assert len(drawn) == 3
    for image, ifgs in zip(drawn, scenes.values(), strict=True):
        np.testing.assert_allclose(image.dimension_values(2, flat=False), ifgs["phase"].values[1], atol=1e-6)
    with pytest.raises(lk.LabkitError, match="scenes must name at least one scene"):
        lk.view.phases({}, pair)
    with pytest.raises(lk.LabkitError, match="columns must be at least 1, instead got columns=0"):
        lk.view.phases(scenes, pair, columns=0)
    with pytest.raises(lk.LabkitError, match="one of the 2 pairs"):
        lk.view.phases(scenes, "20010101_20010113")
