"""A first look chooses pairs, looks and the part of a scene that a person would, and says so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit.errors import FileError, LabkitError


@pytest.fixture(scope="module")
def tiny_track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of one track of the tiny scene."""
    folder = tmp_path_factory.mktemp("first_look") / "tiny"
    return lk.simulate.demo(folder, name="tiny", progress=False) / "ascending"


def test_the_first_look_is_the_stack_of_its_short_pairs(tiny_track: Path) -> None:
    found = lk.survey(tiny_track)
    look = lk.quicklook(found, progress=False)
    short = int((found.interferograms["temporal_baseline"].values <= 36).sum())
    assert short >= 20
    by_hand = lk.stack_gradients(lk.multilook(lk.select_pairs(found.interferograms, max_days=36), 40), progress=False)
    xr.testing.assert_identical(look.drop_attrs(deep=False), by_hand.drop_attrs(deep=False))
    assert look.attrs["first_look"].startswith(
        f"{short} of {found.interferograms.sizes['pair']} pairs, at most 36 days"
    )


def test_a_large_scene_is_cut_to_the_most_coherent_part(tiny_track: Path) -> None:
    found = lk.survey(tiny_track)
    ifgs = found.interferograms
    rows, cols = ifgs.sizes["y"], ifgs.sizes["x"]
    # Only the lower right quarter of the scene is coherent.
    good = (np.arange(rows)[:, None] >= rows // 2) & (np.arange(cols) >= cols // 2)
    quarter = ifgs.assign(coherence=ifgs["coherence"].copy(data=ifgs["coherence"].data * 0 + np.where(good, 0.9, 0.1)))
    pairs = int((ifgs["temporal_baseline"].values <= 36).sum())
    look = lk.quicklook(replace(found, _data=quarter), max_pixel_pairs=rows * cols * pairs // 4, progress=False)
    first, end, left, right = map(
        int, re.findall(r"rows (\d+) to (\d+), columns (\d+) to (\d+)", look.attrs["first_look"])[0]
    )
    assert (end - first) * (right - left) * pairs <= rows * cols * pairs // 4
    # steps of a quarter of the part
    assert abs(first - rows // 2) <= rows // 8 and abs(left - cols // 2) <= cols // 8
    by_hand = lk.multilook(ifgs.isel(y=slice(first, end), x=slice(left, right)), 40)
    xr.testing.assert_equal(look["lon"], by_hand["lon"])


def test_where_short_pairs_are_few_the_twenty_shortest_are_taken(real_data: Path) -> None:
    found = lk.survey(real_data / "mexico_city_geotiff")
    look = lk.quicklook(found, progress=False)
    days = np.sort(found.interferograms["temporal_baseline"].values)
    assert look.attrs["n_pairs"] == int((days <= days[19]).sum()) == 23
    assert "at most 72 days apart" in look.attrs["first_look"]


def test_rates_are_given_as_they_are_with_a_standard_error(real_data: Path) -> None:
    found = lk.survey(real_data / "kirishima_mintpy")
    look = lk.quicklook(found)
    xr.testing.assert_identical(look["rate"].compute(), lk.open_rates(real_data / "kirishima_mintpy")["rate"].compute())
    assert "as they are" in look.attrs["first_look"]


def test_danba_is_found_by_the_detector_that_ships(real_data: Path) -> None:
    look = lk.quicklook(lk.survey(real_data / "danba_gamma"), progress=False)
    assert look.attrs["first_look"].endswith("3 × 3 looks, 44 m on the ground")
    found = lk.detect_landslides(look, lk.load_detector("gradients-small"), progress=False)
    (landslide,) = lk.merge_detections([lk.filter_detections(found, look)]).itertuples()
    # the box that was drawn by eye in azimuth, at a third of the resolution
    drawn = np.array([62, 16, 161, 72]) / 3
    low = np.maximum(drawn[:2], [landslide.xmin, landslide.ymin])
    high = np.minimum(drawn[2:], [landslide.xmax, landslide.ymax])
    shared = np.prod(np.clip(high - low, 0, None))
    union = (
        np.prod(drawn[2:] - drawn[:2]) + (landslide.xmax - landslide.xmin) * (landslide.ymax - landslide.ymin) - shared
    )
    assert shared / union > 0.4


def test_what_cannot_be_opened_or_is_out_of_range_is_refused(tiny_track: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"must hold interferograms or rates, instead .* the folder is empty"):
        lk.quicklook(lk.survey(tmp_path))
    with pytest.raises(LabkitError, match="max_pixel_pairs must be at least 1, instead got max_pixel_pairs=0"):
        lk.quicklook(lk.survey(tiny_track), max_pixel_pairs=0)
