"""Plain GeoTIFFs of rates: which file is taken, what is no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from map_files import write_map

import labkit as lk

SHAPE = (5, 6)


def test_zero_minus_9999_and_the_stated_value_are_no_data(tmp_path: Path) -> None:
    values = np.full(SHAPE, 12.5, np.float32)
    values[0, :4] = 0, -9999, np.nan, -32768
    rates = lk.open_rates(write_map(tmp_path / "rate.tif", values, nodata=-32768))
    assert np.isnan(rates["rate"].values[0, :4]).all()
    assert (rates["rate"].values[1:] == 12.5).all()
    assert (rates.attrs["ground_spacing"], rates.attrs["crs"]) == (80.0, "EPSG:32602")


def test_the_standard_error_beside_the_rate_comes_with_it(tmp_path: Path) -> None:
    write_map(tmp_path / "a_velocity.tif", np.full(SHAPE, 3, np.float32))
    write_map(tmp_path / "a_vstd.tif", np.full(SHAPE, 0.5, np.float32))
    rates = lk.open_rates(tmp_path)
    assert float(rates["standard_error"][0, 0]) == 0.5
    assert "standard_error" not in lk.open_rates(tmp_path / "a_velocity.tif")


def test_rates_of_several_scenes_are_not_picked_from(tmp_path: Path) -> None:
    for name in ("east", "west"):
        write_map(tmp_path / name / "vel.tif", np.ones(SHAPE, np.float32))
    with pytest.raises(lk.FileError, match=r"must hold the rates of one scene, .* \['east', 'west'\]. Point to one"):
        lk.open_rates(tmp_path)
    assert lk.open_rates(tmp_path / "east").attrs["scene"] == "east"


@pytest.mark.real
def test_each_real_folder_is_recognised_as_what_it_is(real_data: Path) -> None:
    frames = real_data / "anatolia_licsbas"
    assert lk.open_rates(real_data / "kirishima_mintpy").attrs["processor"] == "MintPy"
    assert lk.open_rates(frames / "094D_04913_101213").attrs["processor"] == "LiCSBAS"
    with pytest.raises(lk.FileError, match="must hold the rates of one scene"):
        lk.open_rates(frames)
    assert lk.open_interferograms(real_data / "danba_gamma").attrs["geometry"] == "radar"
    assert lk.open_interferograms(real_data / "mexico_city_geotiff").attrs["geometry"] == "map"
