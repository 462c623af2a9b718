"""Ground that is left out: what stands under a mask changes nothing, and no box lies there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from couplet_plants import box_of, bump, overlap, scene, white, with_error

import labkit as lk
from labkit import LabkitError, schema


def mask_of(data: xr.Dataset, rows: slice, cols: slice) -> xr.DataArray:
    mask = xr.zeros_like(data["gradient"].isel(direction=0), bool).drop_vars("direction")
    mask[rows, cols] = True
    return mask


def test_what_stands_under_a_mask_changes_nothing_and_no_box_has_its_centre_there(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    """The mask's edge runs through the slide of 2 km; rougher ground and steps stand under it, or nothing."""
    data, phases = planted_slides
    mask = mask_of(data, slice(None), slice(270, None))
    found = lk.couplets(data, mask=mask, progress=False)
    covered = mask.values
    rough = data["gradient"].values + np.where(
        covered, 5 * white(covered.shape, 7) + 9 * (np.indices(covered.shape)[0] > 80), 0
    )
    for values in (rough, np.where(covered, np.nan, data["gradient"].values)):
        again = lk.couplets(
            data.assign(gradient=(data["gradient"].dims, values.astype(np.float32))), mask=mask, progress=False
        )
        pd.testing.assert_frame_equal(again, found)
    y, x = ((found[low] + found[high]) / 2 for low, high in (("ymin", "ymax"), ("xmin", "xmax")))
    assert not covered[y.astype(int), x.astype(int)].any()
    for name in ("small and round", "round", "long across", "long and turned"):
        assert all(overlap(found, d, box_of(phases[name], i)).max() > 0.75 for i, d in enumerate(schema.DIRECTIONS)), (
            name
        )


def test_a_small_masked_place_hides_the_slide_on_it_and_no_other(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, phases = planted_slides
    whole = lk.couplets(data, progress=False)
    found = lk.couplets(data, mask=mask_of(data, slice(122, 158), slice(42, 78)), progress=False)
    assert len(whole) == 10 and len(found) == 8
    assert max(overlap(found, d, box_of(phases["round"], i)).max() for i, d in enumerate(schema.DIRECTIONS)) < 0.1


def test_rough_ground_under_a_mask_is_not_taken_for_noise() -> None:
    """Two thirds of the scene are three times as rough: they set the noise of all, unless they are masked."""
    shape = (200, 300)
    noise, slide = 0.3 * white(shape, 3), 3 * bump(shape, 100, 50, 4, 4)
    quiet = with_error(scene(slide, noise), 0.3)
    rough = with_error(scene(slide, noise * np.where(np.arange(300) < 100, 1, 3)), 0.3)
    mask = mask_of(quiet, slice(None), slice(100, None))

    def ratio(data: xr.Dataset, mask: xr.DataArray | None = None) -> float:
        found = lk.couplets(data, mask=mask, progress=False)
        return float(found["snr"][overlap(found, "azimuth", box_of(slide, 0)).argmax()])

    assert ratio(rough, mask) == pytest.approx(ratio(quiet), rel=0.05)
    assert ratio(rough) < 0.8 * ratio(quiet)


def test_a_mask_that_does_not_fit_is_refused(planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted_slides
    mask = mask_of(data, slice(0, 9), slice(0, 9))
    with pytest.raises(LabkitError, match="mask must be a boolean DataArray over y and x, instead got mask=int64"):
        lk.couplets(data, mask=mask.astype(int), progress=False)
    for wrong in (mask[:, 1:], mask.assign_coords(x=mask["x"] + 40)):
        with pytest.raises(LabkitError, match="mask must lie on the grid of gradients"):
            lk.couplets(data, mask=wrong, progress=False)
    with pytest.raises(LabkitError, match="gradients must have data somewhere outside mask"):
        lk.couplets(data, mask=xr.ones_like(mask), progress=False)
