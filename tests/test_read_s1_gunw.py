"""S1-GUNW products written with the groups and names of ARIA's NetCDF files, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labkit as lk
from labkit.read import s1_gunw

SHAPE = (7, 9)
STEP = 1 / 1200
FIRST = "S1-GUNW-D-R-042-tops-20210917_20210905-015813-00121W_00033N-PP-6267-v2_0_4.nc"
SECOND = "S1-GUNW-D-R-042-tops-20211011_20210917-015813-00121W_00033N-PP-1a2b-v2_0_4.nc"
HEADING = 192.0


def write_product(path: Path, *, row: int = 0, col: int = 0, coherence: float = 0.8) -> np.ndarray:
    """Phase with the fill value at one pixel; ``row``, ``col`` move the footprint on its lattice."""
    phase = np.random.default_rng(row + col).uniform(-20, 20, SHAPE).astype(np.float32)
    phase[1, 1] = 0
    # From the ground to the satellite: left of the flight direction, counter-clockwise from east.
    azimuth = (90 - (HEADING - 90)) % 360 - 360
    with h5py.File(path, "w") as file:
        data = file.create_group("science/grids/data")
        data["latitude"] = 34.0 - STEP * (np.arange(SHAPE[0]) + row)
        data["longitude"] = -120.0 + STEP * (np.arange(SHAPE[1]) + col)
        data.create_dataset("unwrappedPhase", data=phase, chunks=SHAPE, compression="gzip")
        data["coherence"] = np.full(SHAPE, coherence, np.float32)
        for name in ("unwrappedPhase", "coherence"):
            data[name].attrs["_FillValue"] = np.float32(0)
        geometry = file.create_group("science/grids/imagingGeometry")
        geometry["perpendicularBaseline"] = np.full((4, 5, 5), 37.5, np.float32)
        geometry["incidenceAngle"] = np.full((4, 5, 5), 39.5, np.float32)
        geometry["azimuthAngle"] = np.full((4, 5, 5), azimuth, np.float32)
        file["science/radarMetaData/wavelength"] = 0.05546576
    return phase


def test_a_pair_runs_from_the_earlier_to_the_later_date(tmp_path: Path) -> None:
    stored = write_product(tmp_path / FIRST)
    ifgs = lk.open_interferograms(tmp_path)
    assert list(ifgs["pair"].values) == ["20210905_20210917"]
    # The product is later minus earlier: phase and baseline change their sign.
    assert float(ifgs["perpendicular_baseline"][0]) == -37.5
    phase = ifgs["phase"].values[0]
    known = np.isfinite(phase)
    np.testing.assert_array_equal(known, stored != 0)
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(-1j * stored[known].astype(float)), atol=1e-5)
    np.testing.assert_array_equal(ifgs["coherence"].values[0][known], np.float32(0.8))


def test_the_schema_is_filled_from_the_name_and_the_groups(tmp_path: Path) -> None:
    write_product(tmp_path / FIRST)
    ifgs = lk.open_interferograms(tmp_path)
    expected = {
        "track": "042",
        "orbit_direction": "descending",
        "heading": pytest.approx(HEADING, abs=1e-3),
        "incidence_angle": 39.5,
        "wavelength": 0.05546576,
        "phase_sign": -1,
        "geometry": "map",
        "crs": "EPSG:4326",
        "processor": "ARIA S1-GUNW",
    }
    assert {name: ifgs.attrs[name] for name in expected} == expected
    with xr.open_dataset(tmp_path / FIRST, engine="h5netcdf", group="science/grids/data", phony_dims="sort") as other:
        np.testing.assert_allclose(ifgs["y"], other["latitude"])
        np.testing.assert_allclose(ifgs["x"], other["longitude"])


def test_footprints_that_differ_are_opened_on_the_ground_they_share(tmp_path: Path) -> None:
    first, second = write_product(tmp_path / FIRST), write_product(tmp_path / SECOND, row=2, col=-1)
    ifgs = lk.open_interferograms(tmp_path)
    assert dict(ifgs.sizes) == {"pair": 2, "y": 5, "x": 8}
    assert float(ifgs["y"][0]) == pytest.approx(34.0 - 2 * STEP)
    for phase, stored in zip(ifgs["phase"].values, (first[2:, :8], second[:5, 1:]), strict=True):
        known = np.isfinite(phase)
        np.testing.assert_array_equal(known, stored != 0)
        np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(-1j * stored[known].astype(float)), atol=1e-5)


def test_tracks_and_pairs_are_not_mixed(tmp_path: Path) -> None:
    write_product(tmp_path / FIRST)
    write_product(tmp_path / FIRST.replace("00033N", "00034N"))
    with pytest.raises(lk.FileError, match="each pair must stand once"):
        lk.open_interferograms(tmp_path)
    write_product(tmp_path / SECOND.replace("042", "144"))
    with pytest.raises(lk.FileError, match=r"must hold pairs of one track, instead got \['042', '144'\]"):
        lk.open_interferograms(tmp_path)


def test_broken_products_are_named(tmp_path: Path) -> None:
    write_product(tmp_path / FIRST, coherence=1.5)
    with pytest.raises(lk.FileError, match="S1-GUNW.* must hold coherence between 0 and 1, instead got 1.5"):
        lk.open_interferograms(tmp_path)["phase"].compute()
    for name in ("science/grids/data/coherence", "science/grids/data/latitude"):
        write_product(tmp_path / FIRST)
        with h5py.File(tmp_path / FIRST, "a") as file:
            del file[name]
        with pytest.raises(lk.FileError, match=f"must hold the dataset '{name}'"):
            lk.open_interferograms(tmp_path)
    write_product(tmp_path / FIRST)
    with h5py.File(tmp_path / FIRST, "a") as file:
        file["science/grids/data/latitude"][3] = 12.0
    with pytest.raises(lk.FileError, match="must hold even steps at '/science/grids/data/latitude'"):
        lk.open_interferograms(tmp_path)
    (tmp_path / FIRST).write_bytes(b"<html>Please log in</html>")
    with pytest.raises(lk.FileError, match="must be a whole HDF5 file.*Fetch"):
        lk.open_interferograms(tmp_path)
    (tmp_path / FIRST).unlink()
    with pytest.raises(lk.FileError, match="must hold S1-GUNW products"):
        lk.open_interferograms(tmp_path, product="s1_gunw")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / FIRST
    write_product(path)
    return path.read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_product_opens_or_is_refused_in_words(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / FIRST).write_bytes(bytes(damaged[: data.draw(st.sampled_from([len(whole), len(whole) // 2, 100]))]))
    try:
        s1_gunw.open_pairs(tmp_path).compute(scheduler="synchronous")
    except lk.FileError as error:
        assert FIRST in str(error)
