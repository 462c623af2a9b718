"""Where no slide is: noise, seams and what is no gradient give no more boxes than stated."""

from __future__ import annotations

import noise_scenes
import numpy as np
import pytest
import xarray as xr
from couplet_plants import phase_noise, scene, white, with_error

import labkit as lk
from labkit import geo, schema


@pytest.mark.parametrize("kind", ["speckle", "air"])
def test_noise_alone_gives_no_more_false_boxes_than_stated(kind: str) -> None:
    data = with_error(scene(phase_noise(kind, (800, 800), 5)), 1.0)
    expected = 100 * 800 * 800 * 0.0016 / 1000
    false = len(lk.couplets(data, 100.0, progress=False))
    assert 0 < false <= expected + 3 * np.sqrt(expected)
    # one per 1000 km² on 1024 km²: three or fewer with a probability of 98 %
    assert len(lk.couplets(data, 1.0, progress=False)) <= 3


@pytest.mark.parametrize("kind", ["speckle", "air"])
def test_rough_ground_beside_smooth_ground_gives_no_more_false_boxes_than_stated(kind: str) -> None:
    loud = np.where(np.arange(800) < 200, 2.5, 1.0)  # a quarter of the scene, unknown to its standard errors
    data = with_error(scene(phase_noise(kind, (800, 800), 7) * loud), 1.0)
    assert len(lk.couplets(data, 100.0, progress=False)) <= 100 * 800 * 800 * 0.0016 / 1000


def test_stacks_of_simulated_pairs_without_slides_give_no_more_false_boxes_than_stated() -> None:
    still = np.zeros((160, 240))
    kinds = {"both": (0.3, 1.0), "air": (None, 1.5), "speckle": (0.3, 0.0)}
    false = 0
    for coherence, air in kinds.values():
        pairs = noise_scenes.stack(still, dates=12, coherence_12=coherence, air_mm=air, seed=3)
        false += len(lk.couplets(lk.stack_gradients(pairs, progress=False), 30.0, progress=False))
    expected = 30 * len(kinds) * still.size * 0.0016 / 1000
    assert false <= expected + 3 * np.sqrt(expected)


def test_what_is_no_gradient_of_anything_hardly_answers(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    """Turning the gradient by 90° makes its curl out of its divergence: the same lobes and noise, and no slide."""
    data, _ = planted_slides
    along, across = np.nan_to_num(data["gradient"].values)
    turned = data.copy(deep=True)
    # the means of four put each difference where the other one was
    turned["gradient"][0, :-1, 1:] = -(across[:-1, 1:] + across[1:, 1:] + across[:-1, :-1] + across[1:, :-1]) / 4
    turned["gradient"][1, 1:, :-1] = (along[1:, :-1] + along[1:, 1:] + along[:-1, :-1] + along[:-1, 1:]) / 4
    straight, crossed = lk.couplets(data, progress=False), lk.couplets(turned, progress=False)
    assert crossed["snr"].max() < 0.1 * straight.groupby("direction")["snr"].max().min()


def test_a_seam_has_one_lobe_and_is_no_couplet() -> None:
    shape = (200, 200)
    step = np.where(np.indices(shape)[0] >= 100, 6.0, 0.0)
    data = with_error(scene(step, 0.5 * white(shape, 7)), 0.5)
    assert len(lk.couplets(data, progress=False)) == 0


def test_a_scene_in_which_nothing_moves_gives_an_empty_table() -> None:
    found = lk.couplets(with_error(scene(np.zeros((60, 80))), 1.0), progress=False)
    assert len(found) == 0
    schema.check_boxes(found)
    assert {"snr", "orbit_direction", "track"} <= set(found.columns) and found.crs == geo.WGS84
