"""LiCSAR frames as COMET lays them out, and damaged ones; look vectors of real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from map_files import write_map

import labkit as lk
from labkit.read import licsar
from labkit.read.licsar_frame import frame_attributes

FRAME = "106D_05447_131313"
SHAPE = (9, 13)
PLACE = {"crs": "EPSG:4326", "corner": (101.0, 31.0), "step": 0.001}
PAIRS = ("20200101_20200113", "20200113_20200206")
METADATA = """master=20161223
center_time=11:05:32.412
heading=-169.947037
avg_incidence_angle=39.1918
azimuth_resolution=14.055
range_resolution=2.329562
centre_range_m=880080.5691
"""


def write_frame(folder: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    stored = {}
    for name in PAIRS:
        pha = rng.uniform(-3, 3, SHAPE).astype(np.float32)
        pha[1, 1] = 0
        stored[name] = pha
        place = folder / "interferograms" / name / name
        write_map(place.with_name(f"{name}.geo.diff_pha.tif"), pha, nodata=0, **PLACE)
        write_map(place.with_name(f"{name}.geo.unw.tif"), pha + np.float32(2 * np.pi), nodata=0, **PLACE)
        write_map(place.with_name(f"{name}.geo.cc.tif"), np.full(SHAPE, 102, np.uint8), nodata=0, **PLACE)
    (folder / "metadata").mkdir()
    (folder / "metadata" / "metadata.txt").write_text(METADATA)
    (folder / "metadata" / "baselines").write_text(
        "20161223 20200101 12.5 1104\n20161223 20200113 -30.25 1116\n20161223 20200206 7.0 1140\n"
    )
    return stored


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    folder = tmp_path / FRAME
    write_frame(folder)
    return folder


def test_a_frame_fills_the_schema_from_its_name_metadata_and_baselines(frame: Path) -> None:
    ifgs = lk.open_interferograms(frame)
    assert list(ifgs["pair"].values) == list(PAIRS)
    expected = {
        "scene": FRAME,
        "track": "106",
        "orbit_direction": "descending",
        "heading": pytest.approx(190.052963),
        "incidence_angle": 39.1918,
        "processor": "LiCSAR",
        "phase_sign": -1,
        "geometry": "map",
        "crs": "EPSG:4326",
        "coherence_source": "files",
    }
    assert {name: ifgs.attrs[name] for name in expected} == expected
    np.testing.assert_allclose(ifgs["perpendicular_baseline"], [-30.25 - 12.5, 7.0 + 30.25])
    # A thousandth of a degree on the ellipsoid at 31° north.
    assert ifgs.attrs["y_spacing"] == pytest.approx(110.86, abs=0.05)
    assert ifgs.attrs["x_spacing"] == pytest.approx(95.50, abs=0.05)


@pytest.mark.parametrize("inside", ["", "interferograms"])
def test_phase_and_8_bit_coherence_are_those_of_the_files(tmp_path: Path, inside: str) -> None:
    stored = write_frame(tmp_path / FRAME)
    ifgs = lk.open_interferograms(tmp_path / FRAME / inside).compute()
    assert ifgs.attrs["track"] == "106"
    assert ifgs.attrs["heading"] == pytest.approx(190.052963)
    for name in PAIRS:
        known = np.isfinite(ifgs["phase"].sel(pair=name).values)
        np.testing.assert_array_equal(known, stored[name] != 0)
        np.testing.assert_allclose(ifgs["phase"].sel(pair=name).values[known], stored[name][known], atol=1e-6)
        np.testing.assert_array_equal(ifgs["coherence"].sel(pair=name).values[known], np.float32(102 / 255))


def test_unwrapped_phase_is_wrapped_where_it_is_all_there_is(frame: Path) -> None:
    wrapped = lk.open_interferograms(frame)["phase"].values
    for path in frame.rglob("*.diff_pha.tif"):
        path.unlink()
    again = lk.open_interferograms(frame)["phase"].values
    known = np.isfinite(wrapped)
    np.testing.assert_allclose(again[known], wrapped[known], atol=2e-6)


def test_a_pair_without_coherence_has_it_estimated_and_says_so(frame: Path) -> None:
    next(frame.rglob(f"{PAIRS[0]}.geo.cc.tif")).unlink()
    ifgs = lk.open_interferograms(frame)
    assert ifgs.attrs["coherence_source"] == "files; estimated from phase for 1 of 2 pairs"
    assert float(ifgs["coherence"][0].max()) <= 1


def test_coherence_of_real_numbers_beyond_one_is_named(frame: Path) -> None:
    path = next(frame.rglob(f"{PAIRS[0]}.geo.cc.tif"))
    write_map(path, np.full(SHAPE, 102, np.float32), **PLACE)
    with pytest.raises(lk.FileError, match=f"{PAIRS[0]}.geo.cc.tif must hold coherence between 0 and 1, .* got 102"):
        lk.open_interferograms(frame)["coherence"].compute()


def test_without_metadata_the_look_vectors_tell_heading_and_incidence(frame: Path) -> None:
    (frame / "metadata" / "metadata.txt").unlink()
    incidence, heading = np.radians(38.0), np.radians(192.0)
    vector = (-np.sin(incidence) * np.cos(heading), np.sin(incidence) * np.sin(heading), np.cos(incidence))
    for letter, value in zip("ENU", vector, strict=True):
        layer = np.full(SHAPE, value, np.float32)
        layer[0] = 0
        write_map(frame / "metadata" / f"{FRAME}.geo.{letter}.tif", layer, **PLACE)
    attrs = lk.open_interferograms(frame).attrs
    assert attrs["heading"] == pytest.approx(192.0, abs=1e-3)
    assert attrs["incidence_angle"] == pytest.approx(38.0, abs=1e-3)
    write_map(frame / "metadata" / f"{FRAME}.geo.U.tif", np.full(SHAPE, 3, np.float32), **PLACE)
    with pytest.raises(lk.FileError, match="must hold the east part of a unit vector"):
        lk.open_interferograms(frame)


@pytest.mark.real
@pytest.mark.parametrize("name", ["014A_04939_131313", "087A_04904_121313", "094D_04913_101213", "167D_04884_131212"])
def test_real_look_vectors_agree_with_the_direction_in_the_frame_s_name(real_data: Path, name: str) -> None:
    folder = real_data / "anatolia_licsbas" / name
    attrs = frame_attributes(folder)
    ascending = name[3] == "A"
    assert attrs["orbit_direction"] == ("ascending" if ascending else "descending")
    assert attrs["track"] == name[:3]
    # Sentinel-1 over Anatolia flies about 11° off the meridian.
    assert attrs["heading"] == pytest.approx(349 if ascending else 191, abs=3)
    with rasterio.open(folder / "U.geo.tif") as source:
        incidence = np.degrees(np.arccos(source.read(1).astype(float)))
    assert attrs["incidence_angle"] == pytest.approx(np.nanmean(incidence), abs=1)


def test_a_pair_that_stands_twice_or_backwards_is_refused(frame: Path) -> None:
    again = frame / "GEOC" / PAIRS[0]
    write_map(again / f"{PAIRS[0]}.geo.unw.tif", np.ones(SHAPE, np.float32), **PLACE)
    with pytest.raises(lk.FileError, match=f"each pair must stand once, instead {PAIRS[0]}"):
        lk.open_interferograms(frame)
    (again / f"{PAIRS[0]}.geo.unw.tif").rename(again / "20200113_20200101.geo.unw.tif")
    with pytest.raises(lk.FileError, match="must state the earlier date first"):
        lk.open_interferograms(frame)
    (again / "20200113_20200101.geo.unw.tif").rename(again / "20200113_20201301.geo.unw.tif")
    with pytest.raises(lk.FileError, match="must state calendar dates"):
        lk.open_interferograms(frame)
    (again / "20200113_20201301.geo.unw.tif").rename(again / "00010101_20200113.geo.unw.tif")
    with pytest.raises(lk.FileError, match="must state calendar dates .* instead got '00010101'"):
        lk.open_interferograms(frame)


def test_a_cut_raster_is_named_when_it_is_read(frame: Path) -> None:
    path = next(frame.rglob(f"{PAIRS[1]}.geo.diff_pha.tif"))
    ifgs = lk.open_interferograms(frame)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(lk.FileError, match=f"{PAIRS[1]}.geo.diff_pha.tif must be a whole GeoTIFF"):
        ifgs["phase"].compute()


def test_the_reader_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(lk.FileError, match="must hold LiCSAR pairs"):
        lk.open_interferograms(tmp_path, product="licsar")


def test_broken_metadata_is_named(frame: Path) -> None:
    (frame / "metadata" / "metadata.txt").write_text("heading=north\n")
    with pytest.raises(lk.FileError, match="metadata.txt must hold a finite number at 'heading', instead got 'north'"):
        lk.open_interferograms(frame)


LINES = st.lists(
    st.tuples(
        st.sampled_from(["heading=", "avg_incidence_angle=", "20161223 20200101 ", "20161223 ", ""]),
        st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str)),
    )
).map(lambda lines: "\n".join(a + b for a, b in lines).encode("utf-8", "surrogatepass"))


def test_8_bit_coherence_is_its_value_over_255_and_0_no_data(frame: Path) -> None:
    codes = np.full(SHAPE, 102, np.uint8)
    codes[3, :4] = 0, 1, 254, 255
    # as LiCSAR writes it, without a no-data value of the file
    write_map(frame / "interferograms" / PAIRS[0] / f"{PAIRS[0]}.geo.cc.tif", codes, **PLACE)
    ifgs = lk.open_interferograms(frame)
    coherence = ifgs["coherence"].sel(pair=PAIRS[0]).values
    assert np.isnan(coherence[3, 0])
    assert np.isnan(ifgs["phase"].sel(pair=PAIRS[0]).values[3, 0])
    np.testing.assert_allclose(coherence[3, 1:4], np.array([1, 254, 255]) / 255, rtol=1e-6)
    np.testing.assert_allclose(coherence[5], 102 / 255, rtol=1e-6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["metadata.txt", "baselines"]), content=st.one_of(st.binary(max_size=200), LINES))
def test_whatever_the_headers_hold_it_opens_or_is_refused_in_words(frame: Path, name: str, content: bytes) -> None:
    for header, whole in (("metadata.txt", METADATA), ("baselines", "")):
        (frame / "metadata" / header).write_text(whole)
    (frame / "metadata" / name).write_bytes(content)
    try:
        ifgs = licsar.open_pairs(frame)
    except lk.FileError as error:
        assert name in str(error)
    else:
        assert ifgs.sizes["pair"] == 2
