"""The swipe of the explorer: what was kept stands left of it, what is chosen now right of it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit import LabkitError
from labkit.view.explore import explore


@pytest.fixture(scope="module")
def tracks() -> dict[str, xr.Dataset]:
    return {name: track.compute() for name, track in lk.simulate.scene("tiny", seed=0).interferograms.items()}


def test_two_settings_stand_side_by_side_and_the_swipe_moves_between_them(tracks):
    ifgs = tracks["ascending"]
    explorer = explore(ifgs)
    explorer.panels.pane(explorer.settings)
    (copy,) = explorer.panels.copies
    assert explorer.swipe.share.disabled
    first = explorer.stack["gradient"].sel(direction="range").values
    explorer.swipe.keep.param.trigger("clicks")
    explorer.change(window=11)
    now = explorer.stack["gradient"].sel(direction="range").values
    for share in (50, 25, 0):
        explorer.swipe.share.value = share
        cut = round(192 * share / 100)
        shown = copy.images["range"].data["image"][0]
        np.testing.assert_array_equal(shown[:, :cut], first[:, :cut])
        np.testing.assert_array_equal(shown[:, cut:], now[:, cut:])
        assert copy.figures["range"].title.text == ("Along range: kept | now" if share else "Along range")
    explorer.swipe.share.value = 100
    error = explorer.swipe._picture[1].stack["standard_error"].sel(direction="range").values
    np.testing.assert_array_equal(copy.images["range"].data["other"][0], error)
    xr.testing.assert_identical(explorer.stack, lk.stack_gradients(ifgs, window=11, progress=False))


def test_the_other_track_lies_where_its_ground_is(tracks):
    ifgs, other = tracks["ascending"], lk.stack_gradients(tracks["descending"], progress=False)
    # its gradients say where they are: the longitude of each pixel
    placed = np.broadcast_to(other["lon"].values.astype(np.float32), other["gradient"].shape)
    explorer = explore(ifgs, other=other.assign(gradient=(other["gradient"].dims, placed.copy())))
    explorer.panels.pane(explorer.settings)
    (copy,) = explorer.panels.copies
    explorer.swipe.share.value = 100
    shown = copy.images["azimuth"].data["image"][0]
    both = np.isfinite(shown)
    assert both.mean() > 0.5 and "tiny-descending | now" in copy.figures["azimuth"].title.text
    step = np.abs(np.diff(other["lon"].values, axis=1)).max()
    away = np.abs(shown - ifgs["lon"].values)[both]
    # a pixel seen by the nearest one of the other track; layover folds a few
    assert np.median(away) < step and (away < 2 * step).mean() > 0.9


def test_another_track_without_a_place_is_refused(tracks):
    other = lk.stack_gradients(tracks["descending"], progress=False)
    with pytest.raises(LabkitError, match="other must have lon/lat"):
        explore(tracks["ascending"], other=other.drop_vars(["lon", "lat"]))
