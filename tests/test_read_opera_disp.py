"""OPERA DISP-S1 products written with the names and units of the product's own description, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS

import labkit as lk
from labkit.read import opera_disp

SHAPE = (6, 8)
FIRST = "OPERA_L3_DISP-S1_IW_F11116_VV_20160705T140755Z_20160729T140756Z_v1.0_20250408T163512Z.nc"
SECOND = "OPERA_L3_DISP-S1_IW_F11116_VV_20160705T140755Z_20160810T140757Z_v1.0_20250408T163512Z.nc"


def write_product(path: Path, *, coherence: float = 0.8) -> np.ndarray:
    """Displacement with a hole; water over the last row."""
    displacement = np.random.default_rng(7).uniform(-0.05, 0.05, SHAPE).astype(np.float32)
    displacement[1, 1] = np.nan
    water = np.ones(SHAPE, np.uint8)
    water[-1] = 0
    with h5py.File(path, "w") as file:
        file["y"] = 3_780_000.0 - 30.0 * (np.arange(SHAPE[0]) + 0.5)
        file["x"] = 400_000.0 + 30.0 * (np.arange(SHAPE[1]) + 0.5)
        file["spatial_ref"] = 0
        file["spatial_ref"].attrs["crs_wkt"] = CRS.from_epsg(32611).to_wkt()
        file.create_dataset("displacement", data=displacement, chunks=SHAPE, compression="gzip")
        file["displacement"].attrs["_FillValue"] = np.float32(np.nan)
        file["temporal_coherence"] = np.full(SHAPE, coherence, np.float32)
        file["water_mask"] = water
        file["corrections/perpendicular_baseline"] = np.full((3, 3), -21.5, np.float32)
    return displacement


def test_displacement_becomes_the_phase_that_gives_it_back(tmp_path: Path) -> None:
    displacement = write_product(tmp_path / FIRST)
    ifgs = lk.open_interferograms(tmp_path)
    phase = ifgs["phase"].values[0].astype(float)
    known = np.isfinite(phase)
    expected = np.isfinite(displacement)
    expected[-1] = False
    np.testing.assert_array_equal(known, expected)
    # The schema: displacement toward the satellite = phase_sign · λ / 4π · phase, known but for whole cycles.
    cycle = ifgs.attrs["wavelength"] / 2
    back = ifgs.attrs["phase_sign"] * ifgs.attrs["wavelength"] / (4 * np.pi) * phase[known]
    cycles = (displacement[known] - back) / cycle
    np.testing.assert_allclose(cycles, np.round(cycles), atol=1e-5)
    np.testing.assert_array_equal(ifgs["coherence"].values[0][known], np.float32(0.8))


def test_the_schema_is_filled_from_the_name_and_the_file(tmp_path: Path) -> None:
    write_product(tmp_path / FIRST)
    write_product(tmp_path / SECOND)
    ifgs = lk.open_interferograms(tmp_path)
    assert list(ifgs["pair"].values) == ["20160705_20160729", "20160705_20160810"]
    np.testing.assert_array_equal(ifgs["perpendicular_baseline"], [-21.5, -21.5])
    expected = {
        "scene": "F11116",
        "geometry": "map",
        "crs": "EPSG:32611",
        "ground_spacing": 30.0,
        "phase_sign": -1,
        "coherence_source": "files (temporal_coherence)",
    }
    assert {name: ifgs.attrs[name] for name in expected} == expected
    assert float(ifgs["x"][0]) == 400_015.0


def test_broken_products_are_named(tmp_path: Path) -> None:
    write_product(tmp_path / FIRST, coherence=1.5)
    with pytest.raises(lk.FileError, match="OPERA.* must hold coherence between 0 and 1, instead got 1.5"):
        lk.open_interferograms(tmp_path)["phase"].compute(scheduler="synchronous")
    for name, words in (("displacement", "must hold the dataset"), ("temporal_coherence", "must hold one of")):
        write_product(tmp_path / FIRST)
        with h5py.File(tmp_path / FIRST, "a") as file:
            del file[name]
        with pytest.raises(lk.FileError, match=words):
            lk.open_interferograms(tmp_path)
    write_product(tmp_path / FIRST)
    with h5py.File(tmp_path / FIRST, "a") as file:
        file["spatial_ref"].attrs["crs_wkt"] = "somewhere"
    with pytest.raises(lk.FileError, match="must say its CRS"):
        lk.open_interferograms(tmp_path)
    write_product(tmp_path / FIRST)
    write_product(tmp_path / SECOND.replace("F11116", "F11117"))
    with pytest.raises(lk.FileError, match=r"must hold pairs of one frame, instead got \['F11116', 'F11117'\]"):
        lk.open_interferograms(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(lk.FileError, match="must hold OPERA displacements"):
        lk.open_interferograms(empty, product="opera_disp")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / FIRST
    write_product(path)
    return path.read_bytes()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_product_opens_or_is_refused_in_words(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / FIRST).write_bytes(bytes(damaged[: data.draw(st.sampled_from([len(whole), len(whole) // 2, 100]))]))
    try:
        opera_disp.open_pairs(tmp_path).compute(scheduler="synchronous")
    except lk.FileError as error:
        assert FIRST in str(error)
