"""GeoTIFF pairs and rate maps: real ones, exact ones, damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from map_files import write_map

import labkit as lk
from labkit.read.coherence_estimate import estimate_coherence

SHAPE = (9, 13)


def write_tiff(path: Path, values: np.ndarray, *, west: float = 101.0, nodata: float | None = None) -> Path:
    return write_map(path, values, crs="EPSG:4326", corner=(west, 31.0), step=0.001, nodata=nodata)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    for name in ("20200101-20200113", "20200113-20200125"):
        write_tiff(tmp_path / f"{name}_unw.tif", rng.uniform(-20, 20, SHAPE).astype(np.float32))
        write_tiff(tmp_path / f"{name}_cc.tif", rng.uniform(0.2, 0.9, SHAPE).astype(np.float32))
    return tmp_path


@pytest.mark.real
def test_mexico_city_opens_with_its_grid_orbit_and_baselines(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "mexico_city_geotiff")
    assert dict(ifgs.sizes) == {"pair": 30, "y": 60, "x": 100}
    assert (ifgs.attrs["geometry"], ifgs.attrs["crs"]) == ("map", "EPSG:4326")
    assert ifgs.attrs["heading"] == pytest.approx(-12.2742586 % 360)
    # The mean of GAMMA's own printed table for this pair lies between its smallest and largest entries, 27.8–34.1 m.
    assert 27.8 < ifgs["perpendicular_baseline"].sel(pair="20180106_20180130") < 34.1


@pytest.mark.real
def test_mexico_city_phase_is_the_unwrapped_phase_wrapped_again(real_data: Path) -> None:
    folder = real_data / "mexico_city_geotiff"
    ifgs = lk.open_interferograms(folder)
    with rasterio.open(folder / "cropA_20180106-20180130_VV_8rlks_eqa_unw.tif") as source:
        unwrapped = source.read(1).astype(float)
    with rasterio.open(folder / "cropA_20180106-20180130_VV_8rlks_flat_eqa_cc.tif") as source:
        coherence = source.read(1, masked=True).filled(np.nan)
    phase = ifgs["phase"].sel(pair="20180106_20180130").values
    known = np.isfinite(phase)
    assert known.mean() > 0.9
    np.testing.assert_array_equal(known, (unwrapped != 0) & np.isfinite(coherence))
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * unwrapped[known]), atol=1e-5)
    assert phase[known].min() >= -np.pi
    assert phase[known].max() < np.pi


@pytest.mark.real
def test_licsbas_velocity_opens_as_rates(real_data: Path) -> None:
    rates = lk.open_rates(real_data / "anatolia_licsbas" / "087A_04904_121313")
    with rasterio.open(real_data / "anatolia_licsbas/087A_04904_121313/vel.geo.tif") as source:
        expected = source.read(1)
    known = np.isfinite(rates["rate"].values)
    np.testing.assert_array_equal(rates["rate"].values[known], expected[known])
    assert "standard_error" in rates


def test_zero_and_the_stated_no_data_value_are_no_data(folder: Path) -> None:
    values = np.full(SHAPE, 1.0, np.float32)
    values[0, 0], values[0, 1], values[0, 2] = 0, -9999, np.nan
    write_tiff(folder / "20200101-20200113_unw.tif", values, nodata=-9999)
    phase = lk.open_interferograms(folder)["phase"][0].values
    assert np.isnan(phase[0, :3]).all()
    assert np.isfinite(phase).sum() == values.size - 3


def test_a_pixel_lies_where_the_geotransform_says(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder)
    lon, lat = lk.geo.pixel_to_lonlat(ifgs, [0.0, 9.0], [0.0, 13.0])
    np.testing.assert_allclose(lon, [101.0, 101.013], atol=1e-9)
    np.testing.assert_allclose(lat, [31.0, 30.991], atol=1e-9)


def test_missing_coherence_is_estimated_and_marked(folder: Path) -> None:
    assert lk.open_interferograms(folder).attrs["coherence_source"] == "files"
    (folder / "20200113-20200125_cc.tif").unlink()
    ifgs = lk.open_interferograms(folder)
    assert ifgs.attrs["coherence_source"] == "files; estimated from phase for 1 of 2 pairs"
    phase = ifgs["phase"][1].values
    np.testing.assert_array_equal(ifgs["coherence"][1].values, estimate_coherence(phase))


def test_the_wrapped_phase_is_read_and_the_unwrapped_one_handed_on(folder: Path) -> None:
    for name in ("20200101-20200113", "20200113-20200125"):
        write_tiff(folder / f"{name}_diff.tif", np.full(SHAPE, 1.25, np.float32))
    ifgs = lk.open_interferograms(folder)
    assert (ifgs["phase"].values == 1.25).all()
    with rasterio.open(folder / "20200101-20200113_unw.tif") as source:
        np.testing.assert_array_equal(ifgs["unwrapped"][0].values, source.read(1))


def test_a_pair_of_another_size_or_place_is_named(folder: Path) -> None:
    path = folder / "20200113-20200125_unw.tif"
    write_tiff(path, np.ones((9, 14), np.float32))
    with pytest.raises(lk.FileError, match=r"20200113-20200125_unw.tif must have the size .* instead got 9 × 14"):
        lk.open_interferograms(folder)
    write_tiff(path, np.ones(SHAPE, np.float32), west=101.01)
    with pytest.raises(lk.FileError, match="shifted by 10.0 px"):
        lk.open_interferograms(folder)


def test_a_cut_tiff_and_a_renamed_file_are_named(folder: Path) -> None:
    path = folder / "20200113-20200125_unw.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(lk.FileError, match="20200113-20200125_unw.tif must be a whole GeoTIFF"):
        lk.open_interferograms(folder)["phase"].compute()
    path.write_bytes(b"<VRTDataset/>")
    with pytest.raises(lk.FileError, match="20200113-20200125_unw.tif must be a GeoTIFF, instead it begins with"):
        lk.open_interferograms(folder)


def test_coherence_beyond_one_is_named(folder: Path) -> None:
    write_tiff(folder / "20200101-20200113_cc.tif", np.full(SHAPE, 200, np.float32))
    with pytest.raises(
        lk.FileError, match="20200101-20200113_cc.tif must hold coherence between 0 and 1, instead got 200"
    ):
        lk.open_interferograms(folder)["coherence"].compute()


def test_a_rate_map_keeps_its_numbers_and_no_data(tmp_path: Path) -> None:
    values = np.arange(1, 1 + SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    values[2, 2] = np.nan
    rates = lk.open_rates(write_tiff(tmp_path / "velocity.tif", values))
    np.testing.assert_array_equal(rates["rate"].values, values)
    assert rates.attrs["scene"] == "velocity"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(lk.FileError, match="must hold rates"):
        lk.open_rates(empty)
