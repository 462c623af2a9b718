"""HyP3 products: a real raster under a real name, products written as the guide says, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from map_files import write_map

import labkit as lk
from labkit.read import hyp3
from labkit.read.looking import heading_of_look, relative_orbit

GAMMA = "S1AA_20161223T070700_20170116T070658_VVP024_INT80_G_ueF_74C2"
LATER = "S1AA_20170116T070658_20170209T070657_VVP024_INT80_G_ueF_0A1B"
BURST = "S1_136231_IW2_20200604_20200616_VV_INT80_663F"

# The names and order of the lines are those of the product guide.
HEADER = """Reference Granule: {platform}_IW_SLC__1SDV_20161223T070700_20161223T070727_014509_017946_2C4B
Secondary Granule: {platform}_IW_SLC__1SDV_20170116T070658_20170116T070725_014859_018311_6B2A
Reference Pass Direction: DESCENDING
Reference Orbit Number: 14509
Secondary Pass Direction: DESCENDING
Secondary Orbit Number: 14859
Baseline: {baseline}
UTC time: 25620.691361
Heading: {heading}
Spacecraft height: 700618.6318
Earth radius at nadir: 6371282.0
Slant range near: 799517.4338
Slant range center: 879794.1404
Slant range far: 960070.8470
Range looks: 20
Azimuth looks: 4
INSAR phase filter: yes
"""


def write_header(
    path: Path, *, baseline: str = "-58.3898", heading: str = "-166.7060683", platform: str = "S1A"
) -> None:
    path.write_text(HEADER.format(baseline=baseline, heading=heading, platform=platform))


def write_product(folder: Path, name: str, shape: tuple[int, int] = (9, 13), **place: object) -> np.ndarray:
    """Unwrapped phase with a hole, coherence, water over the last column, metadata."""
    place_of = folder / name
    phase = np.random.default_rng(4).uniform(-25, 25, shape).astype(np.float32)
    phase[0, 0] = 0
    water = np.ones(shape, np.uint8)
    water[:, -1] = 0
    write_map(place_of / f"{name}_unw_phase.tif", phase, nodata=0, **place)  # type: ignore[arg-type]
    write_map(place_of / f"{name}_corr.tif", np.full(shape, 0.6, np.float32), nodata=0, **place)  # type: ignore[arg-type]
    write_map(place_of / f"{name}_water_mask.tif", water, nodata=255, **place)  # type: ignore[arg-type]
    write_header(place_of / f"{name}.txt")
    return phase


@pytest.mark.real
def test_a_real_product_opens_with_its_water_and_no_data_left_out(real_data: Path, tmp_path: Path) -> None:
    for name in ("unw_phase", "water_mask"):
        (tmp_path / f"{GAMMA}_{name}.tif").symlink_to(real_data / "hyp3" / f"test_{name}.tif")
    ifgs = lk.open_interferograms(tmp_path)
    # the mask is one column wider than the phase: the ground of both is 718 × 2314
    assert dict(ifgs.sizes) == {"pair": 1, "y": 718, "x": 2314}
    assert ifgs.attrs["crs"] == "EPSG:32602"
    assert (ifgs.attrs["y_spacing"], ifgs.attrs["x_spacing"], ifgs.attrs["ground_spacing"]) == (80.0, 80.0, 80.0)
    assert str(ifgs["pair"].values[0]) == "20161223_20170116"
    with rasterio.open(real_data / "hyp3/test_unw_phase.tif") as source:
        unwrapped, corner = source.read(1), source.transform * (0.5, 0.5)
    with rasterio.open(real_data / "hyp3/test_water_mask.tif") as source:
        land = source.read(1)[:, :2314] == 1
    phase = ifgs["phase"][0].values
    known = np.isfinite(phase)
    np.testing.assert_array_equal(known, (unwrapped != 0) & land)
    assert known.sum() > 10_000
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * unwrapped[known].astype(float)), atol=1e-5)
    assert (float(ifgs.x[0]), float(ifgs.y[0])) == corner
    assert ifgs.attrs["coherence_source"] == "estimated from phase"


def test_a_product_fills_the_schema_from_its_name_and_its_metadata(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["processor"] == "HyP3"
    assert ifgs.attrs["heading"] == pytest.approx(360 - 166.7060683)
    assert ifgs.attrs["orbit_direction"] == "descending"
    assert ifgs.attrs["wavelength"] == pytest.approx(0.05546576, abs=1e-7)
    # cos θ = ((R + h)² − ρ² − R²) / (2 ρ R) with R = 6371.282 km, h = 700.619 km, ρ = 879.794 km.
    assert ifgs.attrs["incidence_angle"] == pytest.approx(39.5486, abs=1e-3)
    # (14509 − 73) mod 175 + 1
    assert ifgs.attrs["track"] == "087"
    assert ifgs.attrs["phase_sign"] == -1
    assert float(ifgs["perpendicular_baseline"][0]) == -58.3898
    assert float(ifgs["temporal_baseline"][0]) == 24
    assert ifgs.attrs["coherence_source"] == "files"


def test_phase_coherence_and_no_data_are_those_of_the_files(tmp_path: Path) -> None:
    phase = write_product(tmp_path, GAMMA)
    opened = lk.open_interferograms(tmp_path)[["phase", "coherence"]].isel(pair=0).compute()
    missing = np.zeros(phase.shape, bool)
    missing[0, 0], missing[:, -1] = True, True
    np.testing.assert_array_equal(np.isnan(opened["phase"].values), missing)
    np.testing.assert_array_equal(np.isnan(opened["coherence"].values), missing)
    np.testing.assert_allclose(
        np.exp(1j * opened["phase"].values[~missing]), np.exp(1j * phase[~missing].astype(float)), atol=1e-5
    )
    np.testing.assert_array_equal(opened["coherence"].values[~missing], np.float32(0.6))


def test_wrapped_phase_is_taken_where_it_was_ordered(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    wrapped = np.full((9, 13), 1.25, np.float32)
    write_map(tmp_path / GAMMA / f"{GAMMA}_wrapped_phase.tif", wrapped, nodata=0)
    phase = lk.open_interferograms(tmp_path)["phase"].values
    np.testing.assert_array_equal(phase[0, :, :-1], wrapped[:, :-1])


def test_products_of_different_extent_are_opened_on_the_ground_they_share(tmp_path: Path) -> None:
    first = write_product(tmp_path, GAMMA, (9, 13))
    # two pixels further east, one further north, larger
    second = write_product(tmp_path, LATER, (12, 15), corner=(660960.0 + 160, 5950880.0 + 80))
    ifgs = lk.open_interferograms(tmp_path)
    assert dict(ifgs.sizes) == {"pair": 2, "y": 9, "x": 11}
    with rasterio.open(tmp_path / GAMMA / f"{GAMMA}_unw_phase.tif") as source:
        assert (float(ifgs.x[0]), float(ifgs.y[0])) == source.transform * (2.5, 0.5)
    phases = ifgs["phase"].values
    known = np.isfinite(phases[0])
    np.testing.assert_allclose(np.exp(1j * phases[0][known]), np.exp(1j * first[:, 2:][known].astype(float)), atol=1e-5)
    known = np.isfinite(phases[1])
    np.testing.assert_allclose(
        np.exp(1j * phases[1][known]), np.exp(1j * second[1:10, :11][known].astype(float)), atol=1e-5
    )


def test_a_burst_product_names_its_burst_and_a_clipped_one_keeps_its_companions(tmp_path: Path) -> None:
    write_product(tmp_path, BURST)
    folder = tmp_path / BURST
    for path in folder.glob("*.tif"):
        path.rename(path.with_name(f"{path.stem}_clip.tif"))
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["burst"] == "136231_IW2"
    assert ifgs.attrs["coherence_source"] == "files"
    assert float(ifgs["perpendicular_baseline"][0]) == -58.3898
    assert np.isnan(ifgs["phase"].values[0, :, -1]).all()


def test_a_product_of_several_bursts_carries_its_track(tmp_path: Path) -> None:
    name = "S1_064_000000s1n00-136231s2n02-000000s3n00_IW_20200604_20200616_VV_INT80_77F1"
    write_product(tmp_path, name)
    assert lk.open_interferograms(tmp_path).attrs["track"] == "064"


def test_a_product_of_several_bursts_under_its_newer_name_carries_its_track(tmp_path: Path) -> None:
    write_product(tmp_path, "S1A_064_E053_1_N27_3_E054_1_N27_8_20200604_20200616_VV_INT80_7EB5")
    ifgs = lk.open_interferograms(tmp_path)
    assert (ifgs.attrs["track"], str(ifgs["pair"].values[0])) == ("064", "20200604_20200616")


def test_the_radar_coordinate_rasters_of_a_burst_product_are_left_aside(tmp_path: Path) -> None:
    write_product(tmp_path, BURST)
    wrapped = np.full((9, 13), 1.25, np.float32)
    write_map(tmp_path / BURST / f"{BURST}_wrapped_phase.tif", wrapped, nodata=0)
    for name in ("wrapped_phase", "lat", "lon", "los"):
        write_map(tmp_path / BURST / f"{BURST}_{name}_rdr.tif", np.ones((40, 50), np.float32))
    ifgs = lk.open_interferograms(tmp_path)
    assert dict(ifgs.sizes) == {"pair": 1, "y": 9, "x": 13}
    np.testing.assert_array_equal(ifgs["phase"][0].values[:, :-1], wrapped[:, :-1])


def test_without_metadata_the_geometry_is_unknown_and_can_be_stated(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    (tmp_path / GAMMA / f"{GAMMA}.txt").unlink()
    ifgs = lk.open_interferograms(tmp_path)
    assert np.isnan(ifgs.attrs["heading"])
    assert np.isnan(float(ifgs["perpendicular_baseline"][0]))
    assert lk.open_interferograms(tmp_path, heading=193.3).attrs["heading"] == 193.3


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    path = tmp_path / GAMMA / f"{GAMMA}_corr.tif"
    whole = path.read_bytes()
    ifgs = lk.open_interferograms(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(lk.FileError, match=f"{GAMMA}_corr.tif must be a whole GeoTIFF"):
        ifgs["phase"].compute()


def test_broken_products_are_named(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    folder = tmp_path / GAMMA
    write_map(folder / f"{GAMMA}_corr.tif", np.full((9, 13), 200, np.float32))
    with pytest.raises(lk.FileError, match=f"{GAMMA}_corr.tif must hold coherence between 0 and 1, instead got 200"):
        lk.open_interferograms(tmp_path)["phase"].compute()
    write_map(folder / f"{GAMMA}_corr.tif", np.ones((9, 13), np.float32), crs="EPSG:32603")
    with pytest.raises(lk.FileError, match=f"{GAMMA}_corr.tif must have the CRS"):
        lk.open_interferograms(tmp_path)
    write_map(folder / f"{GAMMA}_corr.tif", np.ones((9, 13), np.float32), step=40.0)
    with pytest.raises(lk.FileError, match=f"{GAMMA}_corr.tif must have the spacing"):
        lk.open_interferograms(tmp_path)
    write_map(folder / f"{GAMMA}_corr.tif", np.ones((9, 13), np.float32), corner=(661000.0, 5950880.0))
    with pytest.raises(lk.FileError, match="shifted by 0.50 px"):
        lk.open_interferograms(tmp_path)
    write_map(folder / f"{GAMMA}_corr.tif", np.ones((9, 13), np.float32), corner=(760960.0, 5950880.0))
    with pytest.raises(lk.FileError, match="shares none"):
        lk.open_interferograms(tmp_path)


def test_a_pair_that_stands_twice_or_backwards_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path, GAMMA)
    write_product(tmp_path, GAMMA.replace("74C2", "FFFF"))
    with pytest.raises(lk.FileError, match="each pair must stand once"):
        lk.open_interferograms(tmp_path)
    backwards = tmp_path / "other"
    write_product(backwards, "S1AA_20170116T070658_20161223T070700_VVP024_INT80_G_ueF_74C2")
    with pytest.raises(lk.FileError, match="must state the earlier date first"):
        lk.open_interferograms(backwards)


def test_the_reader_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(lk.FileError, match="must hold HyP3 products"):
        lk.open_interferograms(tmp_path, product="hyp3")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.tuples(
                st.sampled_from(["Heading", "Baseline", "Slant range center", "Spacecraft height", "Reference Granule",
                                 "Earth radius at nadir", "Reference Orbit Number", ""]),
                st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str)),
            )
        ).map(lambda lines: "\n".join(f"{a}: {b}" for a, b in lines).encode("utf-8", "surrogatepass")),
    )
)  # fmt: skip
def test_whatever_the_metadata_holds_it_opens_or_is_refused_in_words(tmp_path: Path, header: bytes) -> None:
    if not (tmp_path / GAMMA).exists():
        write_product(tmp_path, GAMMA)
    (tmp_path / GAMMA / f"{GAMMA}.txt").write_bytes(header)
    try:
        ifgs = hyp3.open_pairs(tmp_path)
    except lk.FileError as error:
        assert GAMMA in str(error)
    else:
        assert ifgs.sizes["pair"] == 1


def test_the_radar_geometry_follows_its_formulas() -> None:
    for heading in (12.0, 193.0, 349.0):
        h, sine = np.radians(heading), np.sin(np.radians(37))
        # The ground-range direction is 90° clockwise of the heading; the satellite lies on the other side.
        assert heading_of_look(-sine * np.sin(h + np.pi / 2), -sine * np.cos(h + np.pi / 2)) == pytest.approx(heading)
    assert relative_orbit("S1Z", 5) == ""
