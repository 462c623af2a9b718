"""ISCE2 stacks: rasters against GDAL's own driver, real geometry files, and headers that lie or escape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from isce_files import write_baseline, write_pair, write_raster, write_reference, write_xml

import labkit as lk
from labkit.read.isce_header import read_bands

SHAPE = (12, 20)
NAMES = ("20190109_20190121", "20190121_20190202")

RAW_VRT = """<VRTDataset rasterXSize="20" rasterYSize="12">
    <VRTRasterBand band="1" dataType="Float32" subClass="VRTRawRasterBand">
        <SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>
        <ByteOrder>LSB</ByteOrder>
        <ImageOffset>0</ImageOffset><PixelOffset>4</PixelOffset><LineOffset>{line}</LineOffset>
    </VRTRasterBand>
    <VRTRasterBand band="2" dataType="Float32" subClass="VRTRawRasterBand">
        <SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>
        <ByteOrder>LSB</ByteOrder>
        <ImageOffset>80</ImageOffset><PixelOffset>4</PixelOffset><LineOffset>{line}</LineOffset>
    </VRTRasterBand>
</VRTDataset>
"""

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Two pairs of a topsStack project with its reference and baselines."""
    rng = np.random.default_rng(1)
    for name in NAMES:
        write_pair(tmp_path, name, rng.uniform(-3, 3, SHAPE), rng.uniform(0.1, 0.9, SHAPE))
    write_reference(tmp_path)
    write_baseline(tmp_path, "20190109_20190121", 60.0, 64.0)
    write_baseline(tmp_path, "20190109_20190202", -20.0)
    return tmp_path


def write_geometry(stack: Path, heading: float, spacing: tuple[float, float], incidence: float) -> None:
    """A flat ``geom_reference`` at 30° N: lines along the heading, samples to its right."""
    rows, columns = np.indices(SHAPE, dtype=float)
    h = np.radians(heading)
    north = rows * spacing[0] * np.cos(h) - columns * spacing[1] * np.sin(h)
    east = rows * spacing[0] * np.sin(h) + columns * spacing[1] * np.cos(h)
    # One degree of latitude and of longitude at 30° on WGS 84, m.
    write_raster(stack / "merged/geom_reference/lat.rdr", [30 + north / 110852.4], "f8", "BIP")
    write_raster(stack / "merged/geom_reference/lon.rdr", [101 + east / 96486.3], "f8", "BIP")
    look = [np.full(SHAPE, incidence), np.full(SHAPE, -100.0)]
    write_raster(stack / "merged/geom_reference/los.rdr", look, "f4", "BIL")


@pytest.mark.parametrize("below", ["", "merged", "merged/interferograms"])
def test_a_stack_opens_from_any_of_its_folders(stack: Path, below: str) -> None:
    ifgs = lk.open_interferograms(stack / below)
    assert ifgs["pair"].values.tolist() == list(NAMES)
    assert ifgs.attrs["scene"] == stack.name
    assert (ifgs.attrs["processor"], ifgs.attrs["phase_sign"], ifgs.attrs["geometry"]) == ("ISCE2", -1, "radar")
    assert (ifgs.attrs["wavelength"], ifgs.attrs["track"]) == (0.05546576, "62")
    assert ifgs.attrs["orbit_direction"] == "descending"
    assert ifgs.attrs["coherence_source"] == "files"
    # Both swaths, and both dates against the reference date of the stack.
    assert ifgs["perpendicular_baseline"].values.tolist() == [62.0, -82.0]


def test_one_pair_opens_from_its_own_folder(stack: Path) -> None:
    ifgs = lk.open_interferograms(stack / "merged/interferograms" / NAMES[1])
    assert ifgs["pair"].values.tolist() == [NAMES[1]]
    assert ifgs.attrs["wavelength"] == 0.05546576


def test_pixels_are_those_that_gdal_reads(stack: Path) -> None:
    ifgs = lk.open_interferograms(stack)
    for i, name in enumerate(NAMES):
        folder = stack / "merged/interferograms" / name
        with rasterio.open(folder / "filt_fine.int", driver="ISCE") as source:
            raw = source.read(1)
        with rasterio.open(folder / "filt_fine.cor", driver="ISCE") as source:
            coherence = source.read(1)
        np.testing.assert_allclose(ifgs["phase"][i].values, np.angle(raw), atol=1e-6)
        np.testing.assert_array_equal(ifgs["coherence"][i].values, coherence)


def test_unwrapped_pairs_of_two_bands_are_wrapped_again(stack: Path) -> None:
    unwrapped = np.random.default_rng(3).uniform(5, 40, SHAPE)
    unwrapped[2, 3] = 0
    for name in NAMES:
        folder = stack / "merged/interferograms" / name
        for path in folder.glob("filt_fine.int*"):
            path.unlink()
        write_raster(folder / "filt_fine.unw", [np.full(SHAPE, 7.0), unwrapped], "f4", "BIL")
    ifgs = lk.open_interferograms(stack)
    with rasterio.open(folder / "filt_fine.unw", driver="ISCE") as source:
        raw = source.read(2)
    phase = ifgs["phase"][1].values
    known = raw != 0
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * raw[known].astype(float)), atol=1e-6)
    assert np.isnan(phase[2, 3])
    assert np.isnan(ifgs["coherence"][1].values[2, 3])


def test_missing_coherence_is_estimated_and_said_so(stack: Path) -> None:
    for path in stack.glob("merged/interferograms/*/filt_fine.cor*"):
        path.unlink()
    assert lk.open_interferograms(stack).attrs["coherence_source"] == "estimated from phase"


def test_geometry_gives_place_spacing_heading_and_incidence(stack: Path) -> None:
    write_geometry(stack, 192.0, (14.0, 16.0), 38.0)
    ifgs = lk.open_interferograms(stack)
    assert ifgs.attrs["heading"] == pytest.approx(192.0, abs=0.1)
    assert ifgs.attrs["incidence_angle"] == 38.0
    assert ifgs.attrs["y_spacing"] == pytest.approx(14.0, rel=1e-3)
    assert ifgs.attrs["x_spacing"] == pytest.approx(16.0 * np.sin(np.radians(38)), rel=1e-3)
    assert ifgs.attrs["ground_spacing"] == pytest.approx(np.sqrt(14 * 16), rel=1e-3)
    with rasterio.open(stack / "merged/geom_reference/lat.rdr", driver="ISCE") as source:
        np.testing.assert_array_equal(ifgs["lat"].values, source.read(1))


@pytest.mark.real
def test_the_real_look_angles_are_those_that_gdal_reads(real_data: Path) -> None:
    path = real_data / "isce_geometry/los.rdr"
    with rasterio.open(real_data / "isce_geometry/los.rdr.vrt", driver="VRT") as source:
        expected = source.read()
    bands = read_bands(path)
    assert len(bands) == 2
    for band, values in zip(bands, expected, strict=True):
        np.testing.assert_array_equal(band.read(), values)


@pytest.mark.real
@pytest.mark.parametrize("name", ["lat.rdr", "lon.rdr"])
def test_the_real_faulty_vrt_is_named_with_a_remedy(real_data: Path, name: str) -> None:
    with pytest.raises(lk.FileError, match=rf"{name}.vrt must describe raw bands.*Make the header again"):
        read_bands(real_data / "isce_geometry" / name)


@pytest.mark.real
def test_real_geometry_places_a_stack_once_its_headers_are_made_again(real_data: Path, tmp_path: Path) -> None:
    shape = (45, 226)
    write_pair(tmp_path, NAMES[0], np.ones(shape), np.full(shape, 0.5))
    geometry = tmp_path / "merged/geom_reference"
    geometry.mkdir()
    for name, kind, bands in (("lat.rdr", "f8", 1), ("lon.rdr", "f8", 1), ("los.rdr", "f4", 2)):
        (geometry / name).symlink_to(real_data / "isce_geometry" / name)
        write_xml(geometry / name, shape, kind, bands, "BSQ")
    ifgs = lk.open_interferograms(tmp_path)
    raw = np.fromfile(real_data / "isce_geometry/lat.rdr", "<f8").reshape(shape)
    known = raw != 0
    np.testing.assert_array_equal(ifgs["lat"].values[known], raw[known])
    assert np.isnan(ifgs["lat"].values[~known]).all()
    assert np.isnan(ifgs["lon"].values[~known]).all()
    los = np.fromfile(real_data / "isce_geometry/los.rdr", "<f4").reshape(2, 45, 226)
    assert ifgs.attrs["incidence_angle"] == pytest.approx(los[0, 22, 113])
    assert 25 < ifgs.attrs["incidence_angle"] < 50
    # The header that came with the file claims BIP: its first band is then no incidence angle.
    write_xml(geometry / "los.rdr", shape, "f4", 2, "BIP")
    with pytest.raises(lk.FileError, match=r"los.rdr must hold the incidence angle.*instead got -25"):
        lk.open_interferograms(tmp_path)


def test_a_raw_vrt_beside_the_raster_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "filt_fine.unw"
    values = np.random.default_rng(4).normal(size=(12, 2, 20)).astype("<f4")
    values.tofile(path)
    (tmp_path / "filt_fine.unw.vrt").write_text(RAW_VRT.format(relative=1, source=path.name, line=160))
    with rasterio.open(tmp_path / "filt_fine.unw.vrt", driver="VRT") as source:
        expected = source.read(2)
    np.testing.assert_array_equal(read_bands(path)[1].read(), expected)


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        (1, "../secret.unw"),
        (1, "sub/../../secret.unw"),
        (0, "/etc/passwd"),
        (1, "/etc/passwd"),
        (1, "C:\\secret.unw"),
        (1, "..\\secret.unw"),
        (1, "/vsicurl/http://example.org/a"),
        (1, "http://example.org/a"),
        (0, "filt_fine.unw"),
        (1, ""),
    ],
)
def test_a_vrt_that_leaves_its_folder_is_refused(tmp_path: Path, relative: int, source: str) -> None:
    path = tmp_path / "filt_fine.unw"
    path.write_bytes(b"\0" * 1920)
    (tmp_path / "filt_fine.unw.vrt").write_text(RAW_VRT.format(relative=relative, source=source, line=160))
    with pytest.raises(lk.FileError, match=r"filt_fine.unw.vrt must name a raster in its own folder"):
        read_bands(path)


def test_a_vrt_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "filt_fine.unw"
    path.write_bytes(b"\0" * 1920)
    (tmp_path / "filt_fine.unw.vrt").write_text(RAW_VRT.format(relative=1, source=path.name, line=40))
    with pytest.raises(lk.FileError, match=r"filt_fine.unw.vrt must lay out its bands"):
        read_bands(path)


def test_a_cut_pair_is_named_at_opening(stack: Path) -> None:
    path = stack / "merged/interferograms" / NAMES[1] / "filt_fine.int"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(lk.FileError, match=rf"{NAMES[1]}/filt_fine.int must hold 12 lines.*It was cut"):
        lk.open_interferograms(stack)


def test_a_pair_of_another_size_is_named_at_opening(stack: Path) -> None:
    write_pair(stack, NAMES[1], np.ones((10, 20)), np.full((10, 20), 0.5))
    with pytest.raises(lk.FileError, match=rf"{NAMES[1]}/filt_fine.int must have the size of the other pairs"):
        lk.open_interferograms(stack)


def test_geometry_of_another_size_is_named(stack: Path) -> None:
    write_raster(stack / "merged/geom_reference/lat.rdr", [np.ones((9, 9))], "f8", "BIP")
    write_raster(stack / "merged/geom_reference/lon.rdr", [np.ones((9, 9))], "f8", "BIP")
    with pytest.raises(lk.FileError, match=r"lat.rdr must have the size of the pairs.*Multilook"):
        lk.open_interferograms(stack)


@pytest.mark.parametrize("wavelength", ["nan", "0", "C-band"])
def test_a_senseless_wavelength_is_named(stack: Path, wavelength: str) -> None:
    write_reference(stack, wavelength)
    with pytest.raises(lk.FileError, match=r"IW1.xml must hold a positive number at 'radarwavelength'"):
        lk.open_interferograms(stack)


def test_a_baseline_without_a_number_is_named(stack: Path) -> None:
    (stack / "baselines" / NAMES[0] / f"{NAMES[0]}.txt").write_text("swath: IW1\nBperp (average): none\n")
    with pytest.raises(lk.FileError, match=rf"{NAMES[0]}.txt must hold numbers at 'Bperp"):
        lk.open_interferograms(stack)


def test_an_entity_in_a_header_is_refused(stack: Path) -> None:
    path = stack / "merged/interferograms" / NAMES[0] / "filt_fine.int.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]>' + path.read_text())
    with pytest.raises(lk.FileError, match=r"filt_fine.int.xml must be plain XML"):
        lk.open_interferograms(stack)


_WORDS = st.dictionaries(
    st.sampled_from(["width", "length", "number_bands", "data_type", "scheme", "byte_order"]),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
        st.floats().map(str),
        st.integers().map(str),
        st.sampled_from(["FLOAT", "CFLOAT", "BIL", "BSQ", "b"]),
    ),
    max_size=3,
)


def write_run(run: Path, phase: np.ndarray, coherence: np.ndarray, starts: tuple[str, str] | None = None) -> None:
    """A single pair of topsApp: all that matters in ``merged/``."""
    merged = run / "merged"
    write_raster(merged / "filt_topophase.flat", [300 * np.exp(1j * phase)], "c8", "BIP")
    write_raster(merged / "topophase.flat", [300 * np.exp(1j * (phase + 1))], "c8", "BIP")
    write_raster(merged / "filt_topophase.unw", [np.full(phase.shape, 300.0), phase], "f4", "BIL")
    write_raster(merged / "phsig.cor", [coherence], "f4", "BIP")
    lat, lon = np.meshgrid(31 - 1e-3 * np.arange(phase.shape[0]), 101 + 1e-3 * np.arange(phase.shape[1]), indexing="ij")
    for name, values in (("lat", lat), ("lon", lon)):
        write_raster(merged / f"{name}.rdr", [values], "f8", "BIP")
    for place, start in zip(("reference", "secondary"), starts or (), strict=False):
        (run / place).mkdir()
        words = f'<property name="sensingstart"><value>{start}</value></property>'
        (run / place / "IW2.xml").write_text(f'<product><component name="burst1">{words}</component></product>')


def test_single_pairs_of_topsapp_open_as_a_stack(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    phase, coherence = rng.uniform(-9, 9, (2, 6, 8)), rng.uniform(0.2, 0.9, (6, 8))
    write_run(tmp_path / "20200101-20200113", phase[0], coherence)
    write_run(tmp_path / "second", phase[1], coherence, ("2020-01-13 10:11:12.5", "2020-01-25 10:11:13.0"))
    ifgs = lk.open_interferograms(tmp_path)
    assert [str(name) for name in ifgs["pair"].values] == ["20200101_20200113", "20200113_20200125"]
    np.testing.assert_allclose(ifgs["unwrapped"].values, phase, atol=1e-5)
    np.testing.assert_allclose(np.exp(1j * ifgs["phase"].values), np.exp(1j * phase), atol=1e-5)
    np.testing.assert_allclose(ifgs["coherence"][0].values, coherence, atol=1e-6)
    assert float(ifgs["lat"][2, 3]) == pytest.approx(30.998)
    assert float(ifgs["lon"][2, 3]) == pytest.approx(101.003)
    alone = lk.open_interferograms(tmp_path / "second")
    assert [str(name) for name in alone["pair"].values] == ["20200113_20200125"]


def test_a_run_of_topsapp_without_dates_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "quake", np.ones((6, 8)), np.ones((6, 8)))
    with pytest.raises(lk.FileError, match="quake must say the dates of its pair by its name"):
        lk.open_interferograms(tmp_path)


@given(_WORDS)
def test_any_header_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: dict[str, str]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz_isce.int"
    path.write_bytes(b"\0" * 8 * 12 * 20)
    header = write_xml(path, SHAPE, "c8", 1, "BIP")
    text = header.read_text()
    for name, value in words.items():
        escaped = value.replace("&", "&amp;").replace("<", "&lt;")
        start = text.index(f'<property name="{name}"><value>') + len(f'<property name="{name}"><value>')
        text = text[:start] + escaped + text[text.index("</value>", start) :]
    header.write_text(text, "utf-8")
    try:
        read_bands(path)
    except lk.FileError as error:
        assert "fuzz_isce.int" in str(error)
