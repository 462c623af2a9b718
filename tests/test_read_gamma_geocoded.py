"""Geocoded GAMMA folders: the real Sydney pairs, UTM grids, and damaged headers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from gamma_files import DEM_PAR
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.read.gamma_map import read_map_grid

SHAPE = (12, 20)
NAME = "20190109_20190121"
UTM_PAR = """Gamma DIFF&GEO DEM/MAP parameter file
DEM_projection:     UTM
width:                 20
nlines:                12
corner_north:  3430000.000   m
corner_east:    490000.000   m
post_north:   -40.0000000   m
post_east:     40.0000000   m
datum_name: WGS 1984
projection_zone:                     47
false_northing:                 {false}   m
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two unwrapped pairs without coherence on a geographic grid."""
    rng = np.random.default_rng(1)
    (tmp_path / "EQA.dem_par").write_text(
        DEM_PAR.format(width=SHAPE[1], lines=SHAPE[0], lat=31.0, lon=101.0, post_lat=-1e-3, post_lon=1e-3)
    )
    for name in (NAME, "20190121_20190202"):
        rng.uniform(1, 20, SHAPE).astype(">f4").tofile(tmp_path / f"{name}.geo.unw")
    return tmp_path


@pytest.mark.real
def test_the_sydney_folder_opens_with_its_grid_dates_baselines_and_sign(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "sydney_gamma")
    assert dict(ifgs.sizes) == {"pair": 17, "y": 72, "x": 47}
    assert str(ifgs["pair"].values[0]) == "20060619_20061002"
    assert ifgs["temporal_baseline"].values[0] == 105
    assert (ifgs.attrs["geometry"], ifgs.attrs["crs"], ifgs.attrs["phase_sign"]) == ("map", "EPSG:4326", -1)
    assert ifgs["y"].values[[0, -1]] == pytest.approx([-34.17, -34.17 - 71 * 8.33333e-4])
    assert ifgs.attrs["wavelength"] == pytest.approx(299792458 / 5.334694994e9)
    assert ifgs.attrs["orbit_direction"] == "descending"
    # 8.33333e-4 degrees are 92.4 m along the meridian at 34° S, and cos(latitude) of 92.77 m across.
    assert ifgs.attrs["y_spacing"] == pytest.approx(92.43, abs=0.1)
    assert ifgs.attrs["x_spacing"] == pytest.approx(92.86 * np.cos(np.radians(34.2)), abs=0.1)
    look = np.arcsin(np.sin(np.radians(22.9671)) * 6371577.2590 / 7080600.3965)
    expected = 15.3525463 * np.cos(look) - 9.7718029 * np.sin(look)
    assert ifgs["perpendicular_baseline"].values[0] == pytest.approx(expected)


@pytest.mark.real
def test_sydney_pixels_are_those_that_numpy_reads_wrapped(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "sydney_gamma")
    for i in (0, 7, 16):
        name = str(ifgs["pair"].values[i]).replace("_", "-")
        raw = np.fromfile(real_data / f"sydney_gamma/{name}_utm.unw", ">f4").reshape(72, 47)
        stated = np.fromfile(real_data / f"sydney_gamma/coherence/{name}_utm.unw.cc", ">f4").reshape(72, 47)
        phase, coherence, known = ifgs["phase"][i].values, ifgs["coherence"][i].values, raw != 0
        np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * raw[known].astype(float)), atol=1e-6)
        np.testing.assert_array_equal(coherence[known], stated[known])
        assert np.isnan(phase[~known]).all()
        assert phase[known].min() >= -np.pi
        assert phase[known].max() < np.pi


def test_missing_coherence_is_estimated_and_said_so(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder)
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    coherence = ifgs["coherence"].values
    assert ((coherence >= 0) & (coherence <= 1)).all()
    np.full(SHAPE, 0.5, ">f4").tofile(folder / f"{NAME}.geo.cc")
    mixed = lk.open_interferograms(folder)
    assert mixed.attrs["coherence_source"] == "files; estimated from phase for 1 of 2 pairs"
    np.testing.assert_array_equal(mixed["coherence"].sel(pair=NAME).values, 0.5)


@pytest.mark.parametrize(("false_northing", "crs"), [("0.000", "EPSG:32647"), ("10000000.000", "EPSG:32747")])
def test_utm_grids_keep_their_zone_and_hemisphere(folder: Path, false_northing: str, crs: str) -> None:
    (folder / "EQA.dem_par").write_text(UTM_PAR.format(false=false_northing))
    ifgs = lk.open_interferograms(folder)
    assert ifgs.attrs["crs"] == crs
    assert (ifgs.attrs["y_spacing"], ifgs.attrs["x_spacing"], ifgs.attrs["ground_spacing"]) == (40, 40, 40)
    assert ifgs["x"].values[-1] == 490000 + 19 * 40


def test_complex_geocoded_pairs_are_read_and_zero_is_no_data(folder: Path) -> None:
    values = 3 * np.exp(1j * np.random.default_rng(5).uniform(-3, 3, SHAPE))
    values[4, 5] = 0
    for name in (NAME, "20190121_20190202"):
        (folder / f"{name}.geo.unw").unlink()
        values.astype(">c8").tofile(folder / f"{name}.geo.diff")
    phase = lk.open_interferograms(folder)["phase"][0].values
    assert np.isnan(phase[4, 5])
    np.testing.assert_allclose(phase[values != 0], np.angle(values[values != 0]), atol=1e-6)


def test_a_pair_that_stands_twice_is_named(folder: Path) -> None:
    (folder / "again").mkdir()
    shutil.copy(folder / f"{NAME}.geo.unw", folder / "again")
    with pytest.raises(lk.FileError, match=rf"each pair must stand once, instead {NAME} is in"):
        lk.open_interferograms(folder)


def test_the_stack_of_a_geocoded_folder_runs(folder: Path) -> None:
    shutil.copy(folder / f"{NAME}.geo.unw", folder / "20190109_20190202.geo.unw")
    stack = lk.stack_gradients(lk.open_interferograms(folder, heading=190.0), window=3, progress=False)
    assert np.isfinite(stack["gradient"].values).any()


def test_a_cut_pair_is_named_at_opening(folder: Path) -> None:
    path = folder / f"{NAME}.geo.unw"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(lk.FileError, match=rf"{NAME}.geo.unw must hold 12 lines × 20 samples.*It was cut"):
        lk.open_interferograms(folder)


def test_coherence_beyond_one_is_named(folder: Path) -> None:
    np.full(SHAPE, 55.0, ">f4").tofile(folder / f"{NAME}.geo.cc")
    with pytest.raises(lk.FileError, match=rf"{NAME}.geo.cc must hold coherence between 0 and 1, instead got 55"):
        lk.open_interferograms(folder)["coherence"].compute()


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("post_lat", "post_lat: 0 degrees", "steps other than 0"),
        ("corner_lat", "", "'corner_lat:', instead it is missing"),
        ("corner_lat", "corner_lat: 200 degrees", "a grid on the Earth"),
        ("width", "width: nan", "a finite number at 'width:'"),
        ("width", "width: 20.5", "a whole number"),
        ("nlines", "nlines: 1e12", "between 1 and"),
        ("DEM_projection", "DEM_projection: OMCH", "projection EQA or UTM"),
    ],
)
def test_a_senseless_map_header_is_named(folder: Path, line: str, instead: str, message: str) -> None:
    path = folder / "EQA.dem_par"
    path.write_text("\n".join(instead if words.startswith(line) else words for words in path.read_text().splitlines()))
    with pytest.raises(lk.FileError, match=rf"EQA.dem_par must .*{message}"):
        lk.open_interferograms(folder, product="gamma_geocoded")


_NAMES = st.sampled_from(
    ["DEM_projection", "width", "nlines", "corner_lat", "corner_lon", "post_lat", "post_lon", "datum_name"]
)
_VALUES = st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str), st.sampled_from(["EQA", "UTM"]))


@given(st.dictionaries(_NAMES, _VALUES))
def test_any_map_header_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, header: dict[str, str]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.dem_par"
    path.write_text("\n".join(f"{name}: {value}" for name, value in header.items()), "utf-8")
    try:
        grid = read_map_grid(path)
    except lk.FileError as error:
        assert "fuzz.dem_par" in str(error)
    else:
        assert len(grid.spacing_m) == 2
