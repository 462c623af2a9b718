"""GMTSAR stacks: grids against GDAL's and h5py's own reading, a real GMT grid, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from gmtsar_files import BASELINES, PRM, write_classic_grid, write_grid, write_pair
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.read.gmt_grid import read_header, read_values
from labkit.read.gmtsar_parameters import folder_pair, read_prm

SHAPE = (12, 20)
NAMES = ("2015016_2015040", "2015040_2015064")

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Two pairs in radar geometry with their parameters and baselines."""
    rng = np.random.default_rng(1)
    for name in NAMES:
        folder = write_pair(tmp_path / "intf", name, rng.uniform(-3, 3, SHAPE), rng.uniform(0.1, 0.9, SHAPE))
        (folder / "S1_20150117_ALL_F1.PRM").write_text(PRM)
    (tmp_path / "baseline_table.dat").write_text(BASELINES)
    return tmp_path


@pytest.mark.real
def test_a_real_gmt_grid_is_the_one_that_gdal_and_h5py_read(real_data: Path) -> None:
    path = real_data / "gmt/example_grd.grd"
    grid = read_header(path)
    assert grid.shape == (561, 774)
    values = read_values(grid)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(values, file["z"][:])
        assert (grid.first_x, grid.first_y) == pytest.approx((file["lon"][0], file["lat"][0]))
    with rasterio.open(path, driver="netCDF") as source:
        # GDAL turns the rows so that the north is above.
        np.testing.assert_array_equal(values[::-1], source.read(1))
        assert (source.transform.a, -source.transform.e) == pytest.approx((grid.x_step, grid.y_step))


@pytest.mark.real
def test_a_real_gmt_grid_in_a_pair_folder_opens_as_a_geocoded_pair(real_data: Path, tmp_path: Path) -> None:
    pair = tmp_path / NAMES[0]
    pair.mkdir()
    (pair / "unwrap_ll.grd").symlink_to(real_data / "gmt/example_grd.grd")
    ifgs = lk.open_interferograms(tmp_path)
    assert (ifgs.attrs["geometry"], ifgs.attrs["crs"], ifgs.attrs["processor"]) == ("map", "EPSG:4326", "GMTSAR")
    assert ifgs["y"].values[0] > ifgs["y"].values[-1]
    lon, lat = lk.geo.pixel_to_lonlat(ifgs, 0.5, 0.5)
    with h5py.File(real_data / "gmt/example_grd.grd") as file:
        raw = file["z"][:][::-1]
        assert (float(lon), float(lat)) == pytest.approx((file["lon"][0], file["lat"][-1]))
    phase, known = ifgs["phase"][0].values, np.isfinite(raw)
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * raw[known].astype(float)), atol=1e-6)
    assert np.isnan(phase[~known]).all()


def test_days_of_the_year_are_counted_from_zero() -> None:
    assert folder_pair(Path("2015016_2015040")) == "20150117_20150210"
    assert folder_pair(Path("2016365_2017000")) == "20161231_20170101"
    assert folder_pair(Path("20150117_20150210")) == "20150117_20150210"
    assert folder_pair(Path("topo_ra")) is None


@pytest.mark.parametrize("below", ["", "intf"])
def test_a_stack_opens_with_dates_baselines_geometry_and_sign(stack: Path, below: str) -> None:
    ifgs = lk.open_interferograms(stack / below)
    assert ifgs["pair"].values.tolist() == ["20150117_20150210", "20150210_20150306"]
    assert ifgs["perpendicular_baseline"].values.tolist() == [60.0, -186.5]
    assert (ifgs.attrs["geometry"], ifgs.attrs["phase_sign"]) == ("radar", -1)
    assert (ifgs.attrs["wavelength"], ifgs.attrs["orbit_direction"]) == (0.0554658, "descending")
    assert ifgs.attrs["x_spacing"] == pytest.approx(8 * 299792458 / (2 * 64345238.125714))
    assert ifgs.attrs["y_spacing"] == pytest.approx(4 * 7588 / 486.4863103 * 6371 / 7068)
    # The incidence angle closes the triangle of the Earth's centre, the satellite and the middle sample.
    angle = np.radians(ifgs.attrs["incidence_angle"])
    slant = 800000 + (4 + 8 * 9.5) * 299792458 / (2 * 64345238.125714)
    assert np.hypot(6371000 + slant * np.cos(angle), slant * np.sin(angle)) == pytest.approx(7068000)
    assert ifgs.attrs["coherence_source"] == "files"


def test_pixels_are_those_that_gdal_reads(stack: Path) -> None:
    ifgs = lk.open_interferograms(stack)
    for i, name in enumerate(NAMES):
        for variable, file in (("phase", "phasefilt"), ("coherence", "corr")):
            with rasterio.open(stack / "intf" / name / f"{file}.grd", driver="netCDF") as source:
                # Lines of a radar image run with time, as the rows of the file do; GDAL turns them.
                np.testing.assert_allclose(ifgs[variable][i].values, source.read(1)[::-1], atol=1e-6)


def test_a_classic_grid_is_read_as_gdal_does_and_only_its_axes_at_opening(tmp_path: Path) -> None:
    values = np.random.default_rng(3).uniform(-3, 3, SHAPE).astype("f4")
    values[2, 3] = np.nan
    path = tmp_path / "phasefilt.grd"
    write_classic_grid(path, values, np.arange(12.0), np.arange(20.0))
    with rasterio.open(path, driver="netCDF") as source:
        np.testing.assert_array_equal(read_values(read_header(path)), source.read(1)[::-1])


def test_nan_and_zero_are_no_data_and_missing_coherence_is_estimated(tmp_path: Path) -> None:
    phase = np.full(SHAPE, 1.0)
    phase[0, :2] = [np.nan, 0]
    write_pair(tmp_path, NAMES[0], phase, None)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    assert np.isnan(ifgs["phase"][0].values[0, :2]).all()
    assert np.isfinite(ifgs["phase"][0].values).sum() == SHAPE[0] * SHAPE[1] - 2


def test_opening_reads_no_pixels(stack: Path) -> None:
    ifgs = lk.open_interferograms(stack)
    (stack / "intf" / NAMES[0] / "phasefilt.grd").unlink()
    with pytest.raises(lk.FileError, match=rf"{NAMES[0]}/phasefilt.grd must be a file"):
        ifgs["phase"][0].compute()


def test_a_grid_of_another_region_is_named(stack: Path) -> None:
    write_grid(stack / "intf" / NAMES[1] / "corr.grd", np.ones(SHAPE), 50 + 4.0 * np.arange(12), 8.0 * np.arange(20))
    with pytest.raises(lk.FileError, match=rf"{NAMES[1]}/corr.grd must lie on the grid of"):
        lk.open_interferograms(stack)


@pytest.mark.parametrize("keep", [0, 3, 8, 200, 2000])
def test_a_cut_grid_is_named_with_a_remedy(stack: Path, keep: int) -> None:
    path = stack / "intf" / NAMES[1] / "phasefilt.grd"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(lk.FileError, match=rf"{NAMES[1]}/phasefilt.grd must be a.*gmt grdconvert"):
        lk.open_interferograms(stack)


def test_an_unevenly_spaced_grid_is_refused(tmp_path: Path) -> None:
    write_grid(tmp_path / "a.grd", np.ones(SHAPE), np.arange(12.0) ** 2, np.arange(20.0))
    with pytest.raises(lk.FileError, match=r"a.grd must have an evenly spaced axis 'y'"):
        read_header(tmp_path / "a.grd")


def test_a_grid_that_leads_to_another_file_is_refused(tmp_path: Path) -> None:
    write_grid(tmp_path / "secret.grd", np.ones(SHAPE), np.arange(12.0), np.arange(20.0))
    with h5py.File(tmp_path / "a.grd", "w") as file:
        for name in ("x", "y", "z"):
            file[name] = h5py.ExternalLink("secret.grd", f"/{name}")
    with pytest.raises(lk.FileError, match=r"a.grd must hold a 2-D grid"):
        read_header(tmp_path / "a.grd")


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("radar_wavelength", "", "the line 'radar_wavelength'"),
        ("radar_wavelength", "radar_wavelength = C", "a positive number at 'radar_wavelength'"),
        ("PRF", "PRF = -1", "a positive number at 'PRF'"),
        ("near_range", "near_range = 100.0", "form a triangle"),
    ],
)
def test_a_damaged_parameter_file_is_named(stack: Path, line: str, instead: str, message: str) -> None:
    path = stack / "intf" / NAMES[0] / "S1_20150117_ALL_F1.PRM"
    path.write_text(PRM.replace(next(words for words in PRM.splitlines() if words.startswith(line)), instead))
    with pytest.raises(lk.FileError, match=rf"S1_20150117_ALL_F1.PRM must hold .*{message}"):
        lk.open_interferograms(stack)


def test_a_damaged_baseline_table_is_named(stack: Path) -> None:
    (stack / "baseline_table.dat").write_text("S1_20150117_ALL_F1 2015016.58 381\n")
    with pytest.raises(lk.FileError, match=r"baseline_table.dat must hold lines of five columns"):
        lk.open_interferograms(stack)


def nodes(keep: np.ndarray | None = None) -> np.ndarray:
    """DEM nodes as ``SAT_llt2rat -bod`` lists them: range and azimuth are planted planes of lon and lat."""
    lat, lon = np.meshgrid(31.0 - 0.001 * np.arange(40), 101.0 + 0.001 * np.arange(50), indexing="ij")
    x, y = (lon - 101.0) * 4000 + (31.0 - lat) * 500 - 20, (31.0 - lat) * 2000 + (lon - 101.0) * 100 - 10
    records = np.stack([x, y, np.full(x.shape, 800.0), lon, lat], axis=-1).reshape(-1, 5)
    return records if keep is None else records[keep]


def test_lon_and_lat_of_radar_grids_come_from_trans_dat(stack: Path) -> None:
    (stack / "topo").mkdir()
    keep = np.random.default_rng(0).random(2000) > 0.05
    nodes(keep).astype("<f8").tofile(stack / "topo" / "trans.dat")
    ifgs = lk.open_interferograms(stack)
    lon, lat = ifgs["lon"].values, ifgs["lat"].values
    y, x = np.meshgrid(2 + 4.0 * np.arange(lat.shape[0]), 4 + 8.0 * np.arange(lat.shape[1]), indexing="ij")
    # the planes, inverted
    matrix = np.array([[4000.0, -500.0], [100.0, -2000.0]])
    for row, column in ((1, 1), (4, 7), (6, 3)):
        offset = np.array([x[row, column] + 20, y[row, column] + 10])
        east, north = np.linalg.solve(matrix, offset)
        if np.isfinite(lon[row, column]):
            assert lon[row, column] == pytest.approx(101.0 + east, abs=1e-9)
            assert lat[row, column] == pytest.approx(31.0 + north, abs=1e-9)
    assert np.isfinite(lon).mean() > 0.5
    back = lk.geo.lonlat_to_pixel(ifgs, *lk.geo.pixel_to_lonlat(ifgs, 4.5, 7.5))
    assert (float(back[0]), float(back[1])) == pytest.approx((4.5, 7.5), abs=1e-6)


def test_a_damaged_trans_dat_is_named(stack: Path) -> None:
    table = stack / "trans.dat"
    nodes().astype("<f8").tofile(table)
    table.write_bytes(table.read_bytes()[:-3])
    with pytest.raises(lk.FileError, match="trans.dat must hold records of 5 doubles .* Make it again with dem2topo"):
        lk.open_interferograms(stack)
    nodes().astype(">f8").tofile(table)
    with pytest.raises(lk.FileError, match="trans.dat must hold longitude and latitude in its last two columns"):
        lk.open_interferograms(stack)["lon"].compute()
    np.random.default_rng(0).uniform(0, 80, (300, 5)).astype("<f8").tofile(table)
    with pytest.raises(lk.FileError, match="trans.dat must list the nodes of a grid"):
        lk.open_interferograms(stack)["lat"].compute()


@given(st.data())
def test_any_damage_to_a_grid_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz_gmtsar" / "fuzz.grd"
    path.parent.mkdir(exist_ok=True)
    classic = data.draw(st.booleans())
    if classic:
        write_classic_grid(path, np.ones((4, 5)), np.arange(4.0), np.arange(5.0))
    else:
        write_grid(path, np.ones((4, 5)), np.arange(4.0), np.arange(5.0))
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        read_values(read_header(path))
    except lk.FileError as error:
        assert "fuzz.grd" in str(error)


@given(st.dictionaries(st.sampled_from([w.split()[0] for w in PRM.splitlines()]), st.text(max_size=12), max_size=4))
def test_any_parameter_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: dict[str, str]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz_gmtsar" / "fuzz.PRM"
    path.parent.mkdir(exist_ok=True)
    lines = dict(line.split(" = ") for line in PRM.replace("  ", "").replace("= ", " = ").splitlines() if " = " in line)
    path.write_text("\n".join(f"{n} = {v}" for n, v in (lines | words).items()), "utf-8")
    try:
        read_prm(path).incidence_at(10)
    except lk.FileError as error:
        assert "fuzz.PRM" in str(error)
