"""Couplets in whole scenes whose landslides are known: the demo scene, and Danba."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from couplet_plants import overlap

import labkit as lk
from labkit import schema

#: The boxes that were drawn by eye on Danba, at its native spacing.
DANBA = {"azimuth": (62.0, 16.0, 161.0, 72.0), "range": (60.0, 25.0, 158.0, 68.0)}


@pytest.fixture(scope="module")
def danba(real_data: Path) -> xr.Dataset:
    return lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma"))


def test_the_demo_scene_is_found_nearly_whole_and_with_few_false_boxes(demo_folder: Path) -> None:
    stacks = [
        lk.stack_gradients(lk.select_pairs(lk.open_interferograms(demo_folder / track)), progress=False).compute()
        for track in ("ascending", "descending")
    ]
    found = gpd.GeoDataFrame(pd.concat([lk.couplets(stack, progress=False) for stack in stacks], ignore_index=True))
    truth = gpd.read_file(demo_folder / "truth.gpkg")
    measured = lk.evaluate(found, truth, bootstrap=200)
    assert measured.intervals["recall"][0] > 0.85, str(measured)
    assert measured.intervals["precision"][0] > 0.6, str(measured)


@pytest.mark.real
def test_the_landslide_of_danba_is_found_at_its_native_spacing(danba: xr.Dataset) -> None:
    found = lk.couplets(lk.stack_gradients(danba, window=7, progress=False), progress=False)
    for direction, box in DANBA.items():
        assert overlap(found, direction, box)[0] > 0.5


@pytest.mark.real
def test_the_landslide_of_danba_is_found_at_40_m(danba: xr.Dataset) -> None:
    found = lk.couplets(lk.stack_gradients(lk.multilook(danba, 40), progress=False), progress=False)
    for direction, box in DANBA.items():
        assert overlap(found, direction, tuple(np.array(box) / 3))[0] > 0.5


@pytest.mark.real
def test_what_the_two_halves_of_danba_do_not_share_is_no_landslide(danba: xr.Dataset) -> None:
    """Half the difference of two halves in time has the noise of their mean, and no steady motion."""
    pairs = lk.multilook(danba, 40)
    middle = np.sort(pairs["reference"].values)[pairs.sizes["pair"] // 2]
    parts = [pairs["secondary"].values <= middle, pairs["reference"].values >= middle]
    halves = [lk.stack_gradients(pairs.isel(pair=part), progress=False).compute() for part in parts]
    first, second = (schema.at_reference(half) for half in halves)
    error = np.hypot(*(half["standard_error"] * schema.reference_factor(half) for half in halves)) / 2
    attrs = halves[0].attrs | {"sum_temporal_baseline": schema.REFERENCE_YEARS, "ground_spacing": 40.0}
    found = {
        name: lk.couplets(halves[0].assign(gradient=gradient, standard_error=error).assign_attrs(attrs), progress=False)
        for name, gradient in (("mean", (first + second) / 2), ("difference", (first - second) / 2))
    }
    assert found["mean"]["direction"].tolist() == ["azimuth", "range"]
    assert len(found["difference"]) == 0
