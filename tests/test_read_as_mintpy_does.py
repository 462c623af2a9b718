"""What MintPy's own reader gives of the same files: its HDF5, ISCE2, ROI_PAC, GAMMA, and real ones of them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
from product_files import PAIRS, WRITERS, phases

import labkit as lk


def known(values: np.ndarray) -> np.ndarray:
    """MintPy keeps what its files hold; labkit turns 0 into no data."""
    return np.where(values == 0, np.nan, values)


def test_a_stack_of_mintpy(mintpy_reader: ModuleType, tmp_path: Path) -> None:
    path = WRITERS["mintpy"](tmp_path, phases())[PAIRS[0]]
    with h5py.File(path, "r+") as file:
        file.attrs["FILE_TYPE"] = "ifgramStack"
    ifgs = lk.open_interferograms(tmp_path)
    for name in PAIRS:
        pair = ifgs.sel(pair=name)
        for variable, dataset in (("unwrapped", "unwrapPhase"), ("phase", "wrapPhase"), ("coherence", "coherence")):
            expected, _ = mintpy_reader.read(str(path), datasetName=f"{dataset}-{name}")
            got = pair[variable].values
            expected = np.where(np.isfinite(got), expected, np.nan) if variable == "coherence" else known(expected)
            np.testing.assert_allclose(got, expected, atol=1e-6)
    header = mintpy_reader.read_attribute(str(path))
    assert ifgs.attrs["wavelength"] == float(header["WAVELENGTH"])


@pytest.mark.real
def test_a_real_velocity_of_mintpy(mintpy_reader: ModuleType, real_data: Path) -> None:
    path = real_data / "kirishima_mintpy" / "velocity.h5"
    rates = lk.open_rates(path, product="mintpy")
    expected, header = mintpy_reader.read(str(path), datasetName="velocity")
    got = rates["rate"].values
    seen = np.isfinite(got)
    assert seen.mean() > 0.5
    np.testing.assert_allclose(got[seen], expected[seen] * 1000, rtol=1e-6)
    assert header["UNIT"] == "m/year"
    assert rates.attrs["wavelength"] == float(header["WAVELENGTH"])


def test_isce2_rasters(mintpy_reader: ModuleType, tmp_path: Path) -> None:
    written = WRITERS["isce2"](tmp_path, phases())
    ifgs = lk.open_interferograms(tmp_path)
    for name, path in written.items():
        unwrapped, _ = mintpy_reader.read(str(path.with_suffix(".unw")), datasetName="phase")
        np.testing.assert_array_equal(ifgs["unwrapped"].sel(pair=name).values, known(unwrapped))
        wrapped, _ = mintpy_reader.read(str(path), datasetName="phase")
        np.testing.assert_allclose(ifgs["phase"].sel(pair=name).values, known(wrapped), atol=1e-6)


def test_roipac_rasters(mintpy_reader: ModuleType, tmp_path: Path) -> None:
    written = WRITERS["roipac"](tmp_path, phases())
    ifgs = lk.open_interferograms(tmp_path)
    for name, path in written.items():
        coherence, _ = mintpy_reader.read(str(path.with_suffix(".cor")), datasetName="coherence")
        got = ifgs["coherence"].sel(pair=name).values
        np.testing.assert_allclose(got, np.where(np.isfinite(got), coherence, np.nan), atol=1e-6)
        wrapped, _ = mintpy_reader.read(str(path), datasetName="phase")
        np.testing.assert_allclose(ifgs["phase"].sel(pair=name).values, known(wrapped), atol=1e-6)


@pytest.mark.real
def test_real_roipac_pairs_of_sydney(mintpy_reader: ModuleType, real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "sydney_roipac")
    for path in sorted((real_data / "sydney_roipac").glob("geo_*.unw"))[:4]:
        first, second = path.stem.removeprefix("geo_").split("-")
        expected, _ = mintpy_reader.read(str(path), datasetName="phase")
        np.testing.assert_array_equal(ifgs["unwrapped"].sel(pair=f"20{first}_20{second}").values, known(expected))
