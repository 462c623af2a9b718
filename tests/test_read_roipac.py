"""ROI_PAC folders: the real Sydney pairs against GDAL's own driver, radar geometry, and damaged headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk

SHAPE = (12, 20)
RADAR_RSC = """WIDTH                 20
FILE_LENGTH           12
WAVELENGTH            0.0562356
DATE12                {dates}
HEADING_DEG           -167.5
RANGE_PIXEL_SIZE      31.2
AZIMUTH_PIXEL_SIZE    20.0
EARTH_RADIUS          6371000.0
HEIGHT                790000.0
STARTING_RANGE        830000.0
P_BASELINE_TOP_HDR    100.0
P_BASELINE_BOTTOM_HDR 120.0
"""


def write_pair(folder: Path, dates: str, phase: np.ndarray) -> None:
    """``.int`` and ``.cor`` with their headers, little-endian; the coherence is 0.6."""
    for suffix in ("int", "cor"):
        (folder / f"{dates}.{suffix}.rsc").write_text(RADAR_RSC.format(dates=dates))
    (500 * np.exp(1j * phase)).astype("<c8").tofile(folder / f"{dates}.int")
    np.stack([np.full(SHAPE, 500.0), np.full(SHAPE, 0.6)], axis=1).astype("<f4").tofile(folder / f"{dates}.cor")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two wrapped pairs in radar geometry."""
    phase = np.random.default_rng(1).uniform(-3, 3, SHAPE)
    write_pair(tmp_path, "061002-070219", phase)
    write_pair(tmp_path, "070219-070326", phase)
    return tmp_path


@pytest.mark.real
def test_sydney_is_placed_and_read_as_gdal_does(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "sydney_roipac")
    assert dict(ifgs.sizes) == {"pair": 17, "y": 72, "x": 47}
    assert (ifgs.attrs["processor"], ifgs.attrs["phase_sign"]) == ("ROI_PAC", -1)
    assert ifgs.attrs["wavelength"] == 0.0562356424
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    assert str(ifgs["pair"].values[2]) == "20061002_20070219"
    with rasterio.open(real_data / "sydney_roipac/geo_061002-070219.unw", driver="ROI_PAC") as source:
        raw, transform = source.read(2), source.transform
    x, y = transform @ (0.5, 0.5)
    assert (ifgs["x"].values[0], ifgs["y"].values[0]) == pytest.approx((x, y), abs=1e-9)
    phase, known = ifgs["phase"][2].values, raw != 0
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * raw[known].astype(float)), atol=1e-6)
    assert np.isnan(phase[~known]).all()
    assert np.isnan(ifgs["coherence"][2].values[~known]).all()


@pytest.mark.real
def test_both_processors_of_sydney_give_the_same_phase(real_data: Path) -> None:
    gamma, roipac = (lk.open_interferograms(real_data / f"sydney_{name}") for name in ("gamma", "roipac"))
    assert gamma["pair"].values.tolist() == roipac["pair"].values.tolist()
    np.testing.assert_array_equal(gamma["phase"].values, roipac["phase"].values)


def test_radar_geometry_comes_from_the_header(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder)
    assert ifgs["pair"].values.tolist() == ["20061002_20070219", "20070219_20070326"]
    assert (ifgs.attrs["geometry"], ifgs.attrs["heading"]) == ("radar", 192.5)
    assert ifgs.attrs["orbit_direction"] == "descending"
    assert ifgs["perpendicular_baseline"].values.tolist() == [110.0, 110.0]
    assert ifgs.attrs["y_spacing"] == pytest.approx(20 * 6371 / 7161)
    # The incidence angle closes the triangle: its slant range and the heights give back the orbit.
    angle, slant = np.radians(ifgs.attrs["incidence_angle"]), 830000 + 10 * 31.2
    assert np.hypot(6371000 + slant * np.cos(angle), slant * np.sin(angle)) == pytest.approx(7161000)
    np.testing.assert_allclose(ifgs["coherence"].values, 0.6, rtol=1e-6)


def test_a_reversed_pair_is_turned(folder: Path) -> None:
    phase = np.random.default_rng(2).uniform(-3, 3, SHAPE)
    write_pair(folder, "070430-070326", phase)
    ifgs = lk.open_interferograms(folder).sel(pair="20070326_20070430")
    np.testing.assert_allclose(ifgs["phase"].values, -phase, atol=1e-6)
    assert ifgs["perpendicular_baseline"] == -110.0


def test_zero_and_minus_9999_are_no_data(folder: Path) -> None:
    unwrapped = np.full(SHAPE, 40.0)
    unwrapped[0, :3] = [0, -9999, np.nan]
    np.stack([np.zeros(SHAPE), unwrapped], axis=1).astype("<f4").tofile(folder / "070326-070430.unw")
    (folder / "070326-070430.unw.rsc").write_text(RADAR_RSC.format(dates="070326-070430"))
    phase = lk.open_interferograms(folder)["phase"].sel(pair="20070326_20070430").values
    assert np.isnan(phase[0, :3]).all()
    assert np.isfinite(phase).sum() == SHAPE[0] * SHAPE[1] - 3
    assert phase[5, 5] == pytest.approx(40 - 12 * np.pi, abs=1e-5)


def test_a_cut_pair_is_named_at_opening(folder: Path) -> None:
    path = folder / "061002-070219.int"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(lk.FileError, match=r"061002-070219.int must hold 12 lines × 20 samples.*It was cut"):
        lk.open_interferograms(folder)


def test_a_pair_that_stands_twice_is_named(folder: Path) -> None:
    other = folder / "again"
    other.mkdir()
    write_pair(other, "061002-070219", np.ones(SHAPE))
    with pytest.raises(lk.FileError, match=r"each pair must stand once.*061002-070219"):
        lk.open_interferograms(folder)


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("WIDTH", "", "the line 'WIDTH', instead it is missing"),
        ("WIDTH", "WIDTH twenty", "a finite number at WIDTH"),
        ("FILE_LENGTH", "FILE_LENGTH -3", "a whole number ≥ 1"),
        ("WAVELENGTH", "", "the line 'WAVELENGTH'"),
        ("DATE12", "DATE12 061302-070219", "two calendar dates"),
        ("RANGE_PIXEL_SIZE", "RANGE_PIXEL_SIZE inf", "a finite number at RANGE_PIXEL_SIZE"),
    ],
)
def test_a_damaged_header_is_named(folder: Path, line: str, instead: str, message: str) -> None:
    path = folder / "061002-070219.int.rsc"
    path.write_text("\n".join(instead if words.startswith(line) else words for words in path.read_text().splitlines()))
    with pytest.raises(lk.FileError, match=message):
        lk.open_interferograms(folder)


_NAMES = st.sampled_from(
    [line.split()[0] for line in RADAR_RSC.splitlines()] + ["X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"]
)
_VALUES = st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str))


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_any_header_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, header: dict[str, str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz_roipac"
    folder.mkdir(exist_ok=True)
    np.ones(SHAPE, "<c8").tofile(folder / "061002-070219.int")
    words = dict(line.split(None, 1) for line in RADAR_RSC.format(dates="061002-070219").splitlines()) | header
    (folder / "061002-070219.int.rsc").write_text("\n".join(f"{n} {v}" for n, v in words.items()), "utf-8")
    try:
        lk.open_interferograms(folder, product="roipac")
    except lk.FileError as error:
        assert "fuzz_roipac" in str(error)
