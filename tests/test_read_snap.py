"""SNAP products: rasters and their place against GDAL's ENVI driver, tie points, and damaged headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS
from snap_files import write_product

import labkit as lk
from labkit.read.envi_header import read_envi_band

SHAPE = (12, 20)
DATES = ("17Mar2017", "10Apr2017")

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """One wrapped pair with coherence and tie points, in radar geometry."""
    rng = np.random.default_rng(1)
    rows, columns = np.indices((4, 5)) * 5.0
    ties = {"latitude": 30 + 1e-3 * rows - 1e-4 * columns, "longitude": 101 + 2e-3 * columns}
    phase, coherence = rng.uniform(-3, 3, SHAPE), rng.uniform(0.1, 0.9, SHAPE)
    folder = tmp_path / "scene"
    folder.mkdir()
    return write_product(folder / "S1_ifg.dim", DATES, phase, coherence=coherence, ties=ties)


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_product_opens_with_what_its_header_tells(product: Path, whole_folder: bool) -> None:
    ifgs = lk.open_interferograms(product.parent if whole_folder else product)
    assert ifgs["pair"].values.tolist() == ["20170317_20170410"]
    assert ifgs["perpendicular_baseline"].values.tolist() == [75.5]
    assert (ifgs.attrs["geometry"], ifgs.attrs["processor"], ifgs.attrs["phase_sign"]) == ("radar", "SNAP", -1)
    assert ifgs.attrs["wavelength"] == pytest.approx(299792458 / 5.405000454334349e9)
    assert (ifgs.attrs["heading"], ifgs.attrs["orbit_direction"], ifgs.attrs["track"]) == (348.1, "ascending", "128")
    assert ifgs.attrs["incidence_angle"] == 37.0
    assert ifgs.attrs["ground_spacing"] == pytest.approx(np.sqrt(13.9 * 9.32 / np.sin(np.radians(37))))
    assert ifgs.attrs["coherence_source"] == "files"


def test_pixels_are_those_that_gdal_reads(product: Path) -> None:
    ifgs = lk.open_interferograms(product)
    bands = []
    for name in ("i_ifg_IW1_VV", "q_ifg_IW1_VV", "coh_IW1_VV"):
        with rasterio.open(product.with_suffix(".data") / f"{name}_17Mar2017_10Apr2017.img", driver="ENVI") as source:
            bands.append(source.read(1))
    np.testing.assert_allclose(ifgs["phase"][0].values, np.arctan2(bands[1], bands[0]), atol=1e-6)
    np.testing.assert_array_equal(ifgs["coherence"][0].values, bands[2])


def test_tie_points_place_every_pixel(product: Path) -> None:
    ifgs = lk.open_interferograms(product)
    rows, columns = np.indices(SHAPE) + 0.5
    np.testing.assert_allclose(ifgs["lat"].values, 30 + 1e-3 * rows - 1e-4 * columns, atol=2e-6)
    np.testing.assert_allclose(ifgs["lon"].values, 101 + 2e-3 * columns, atol=1e-5)


def test_a_pair_named_later_date_first_is_turned(tmp_path: Path) -> None:
    phase = np.random.default_rng(2).uniform(-3, 3, SHAPE)
    write_product(tmp_path / "a.dim", DATES[::-1], phase)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs["pair"].values.tolist() == ["20170317_20170410"]
    assert ifgs["perpendicular_baseline"].values.tolist() == [-75.5]
    np.testing.assert_allclose(ifgs["phase"][0].values, -phase, atol=1e-6)


def test_unwrapped_phase_is_wrapped_again_zero_is_no_data_and_coherence_is_estimated(tmp_path: Path) -> None:
    phase = np.full(SHAPE, 40.0)
    phase[3, 4] = np.nan
    write_product(tmp_path / "a.dim", DATES, phase, unwrapped=True)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    assert np.isnan(ifgs["phase"][0].values[3, 4])
    assert ifgs["phase"][0].values[0, 0] == pytest.approx(40 - 12 * np.pi, abs=1e-5)


GEOGRAPHIC = 'GEOGCS["WGS84(DD)", DATUM["WGS84", SPHEROID["WGS84", 6378137.0, 298.257223563]], \
PRIMEM["Greenwich", 0.0], UNIT["degree", 0.017453292519943295], AXIS["Geodetic longitude", EAST], \
AXIS["Geodetic latitude", NORTH]]'


@pytest.mark.parametrize("geographic", [True, False])
def test_a_geocoded_product_lies_where_gdal_puts_its_rasters(tmp_path: Path, geographic: bool) -> None:
    if geographic:
        wkt, step, corner = GEOGRAPHIC, 1e-3, (101.0, 31.0)
        info = f"map info = {{Geographic Lat/Lon, 1.0, 1.0, {corner[0]}, {corner[1]}, {step}, {step}, WGS-84}}\n"
    else:
        wkt, step, corner = CRS.from_epsg(32647).to_wkt("WKT1_GDAL"), 40.0, (490000.0, 3430000.0)
        info = f"map info = {{UTM, 1.0, 1.0, {corner[0]}, {corner[1]}, {step}, {step}, 47, North, WGS-84}}\n"
    position = (
        f"<Coordinate_Reference_System><WKT>{wkt}</WKT></Coordinate_Reference_System><Geoposition>"
        f"<IMAGE_TO_MODEL_TRANSFORM>{step},0.0,0.0,{-step},{corner[0]},{corner[1]}</IMAGE_TO_MODEL_TRANSFORM></Geoposition>"
    )
    write_product(tmp_path / "a.dim", DATES, np.ones(SHAPE), position=position, map_info=info)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["geometry"] == "map"
    with rasterio.open(tmp_path / "a.data" / "i_ifg_IW1_VV_17Mar2017_10Apr2017.img", driver="ENVI") as source:
        x, y = source.transform @ (0.5, 0.5)
        assert ifgs.attrs["crs"] == f"EPSG:{source.crs.to_epsg()}"
    assert (ifgs["x"].values[0], ifgs["y"].values[0]) == pytest.approx((x, y))
    if not geographic:
        assert ifgs.attrs["ground_spacing"] == 40.0


def test_metadata_that_snap_does_not_know_is_unknown(tmp_path: Path) -> None:
    write_product(tmp_path / "a.dim", DATES, np.ones(SHAPE), words=("99999.0", "99999.0"))
    ifgs = lk.open_interferograms(tmp_path)
    assert np.isnan(ifgs.attrs["wavelength"])
    assert np.isnan(ifgs.attrs["heading"])


def test_a_pair_in_two_products_is_named(product: Path) -> None:
    write_product(product.with_name("S1_ifg_flt.dim"), DATES, np.ones(SHAPE))
    with pytest.raises(lk.FileError, match=r"each pair must stand once.*20170317_20170410.*last product of the chain"):
        lk.open_interferograms(product.parent)


def test_a_cut_raster_is_named_at_opening(product: Path) -> None:
    path = product.with_suffix(".data") / "q_ifg_IW1_VV_17Mar2017_10Apr2017.img"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(lk.FileError, match=r"q_ifg_IW1_VV.*img must hold 12 lines.*It was cut"):
        lk.open_interferograms(product)


def test_missing_rasters_and_headers_are_named(product: Path) -> None:
    (product.with_suffix(".data") / "q_ifg_IW1_VV_17Mar2017_10Apr2017.hdr").unlink()
    with pytest.raises(lk.FileError, match=r"q_ifg_IW1_VV.*img must have its header beside it"):
        lk.open_interferograms(product)
    product.with_suffix(".data").rename(product.with_name("elsewhere"))
    with pytest.raises(lk.FileError, match=r"S1_ifg.dim must have its rasters beside it in S1_ifg.data/"):
        lk.open_interferograms(product)


@pytest.mark.parametrize("name", ["../i_ifg_17Mar2017_10Apr2017", "/etc/i_ifg_17Mar2017_10Apr2017", "..\\a", ""])
def test_a_band_that_leaves_its_product_is_refused(product: Path, name: str) -> None:
    product.write_text(product.read_text("latin-1").replace("i_ifg_IW1_VV_17Mar2017_10Apr2017", name), "latin-1")
    with pytest.raises(lk.FileError, match=r"S1_ifg.dim must name its bands by plain words"):
        lk.open_interferograms(product)


def test_an_entity_in_the_header_is_refused(product: Path) -> None:
    text = product.read_text("latin-1")
    product.write_text(text.replace("<Dimap_Document", '<!DOCTYPE a [<!ENTITY b "c">]><Dimap_Document', 1), "latin-1")
    with pytest.raises(lk.FileError, match=r"S1_ifg.dim must be plain XML"):
        lk.open_interferograms(product)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("1.0,0.0,0.0,-1.0,101.0", "six numbers"),
        ("0.001,0.1,0.1,-0.001,101.0,31.0", "its grid is rotated"),
        ("0.001,0.0,0.0,-0.001,101.0,331.0", "a grid on the Earth"),
        ("nan,0.0,0.0,-0.001,101.0,31.0", "six numbers"),
    ],
)
def test_a_senseless_map_grid_is_named(tmp_path: Path, transform: str, message: str) -> None:
    position = (
        f"<Coordinate_Reference_System><WKT>{GEOGRAPHIC}</WKT></Coordinate_Reference_System>"
        f"<Geoposition><IMAGE_TO_MODEL_TRANSFORM>{transform}</IMAGE_TO_MODEL_TRANSFORM></Geoposition>"
    )
    write_product(tmp_path / "a.dim", DATES, np.ones(SHAPE), position=position)
    with pytest.raises(lk.FileError, match=rf"a.dim must .*{message}"):
        lk.open_interferograms(tmp_path)


_NAMES = st.sampled_from(["samples", "lines", "bands", "header offset", "data type", "interleave", "byte order"])
_VALUES = st.one_of(
    st.text(max_size=8), st.floats().map(str), st.integers().map(str), st.sampled_from(["{1, 2}", "bil"])
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_any_envi_header_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: dict[str, str]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.img"
    path.write_bytes(b"\0" * 4 * 12 * 20)
    header = {"samples": "20", "lines": "12", "bands": "1", "data type": "4", "interleave": "bsq", "byte order": "1"}
    text = "ENVI\n" + "\n".join(f"{name} = {value}" for name, value in (header | words).items())
    path.with_suffix(".hdr").write_text(text, "utf-8")
    try:
        read_envi_band(path)
    except lk.FileError as error:
        assert "fuzz." in str(error)


@given(st.sampled_from(["PASS", "radar_frequency", "range_spacing", "incidence_near"]), st.text(max_size=8))
def test_any_word_in_the_metadata_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz_snap"
    folder.mkdir(exist_ok=True)
    path = write_product(folder / "fuzz.dim", DATES, np.ones(SHAPE))
    text = path.read_text("latin-1")
    start = text.index(">", text.index(f'name="{name}"')) + 1
    path.write_text(text[:start] + value + text[text.index("<", start) :], "utf-8")
    try:
        lk.open_interferograms(path)
    except lk.FileError as error:
        assert "fuzz.dim" in str(error)
