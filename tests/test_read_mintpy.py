"""MintPy's HDF5 files: a real velocity, stacks written as MintPy documents them, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labkit as lk
from labkit.read import mintpy

SHAPE = (6, 8)
DATES = [(b"20150209", b"20150223"), (b"20150223", b"20150309"), (b"20150209", b"20150309")]
HEADER = {
    "FILE_TYPE": "ifgramStack",
    "LENGTH": "6",
    "WIDTH": "8",
    "WAVELENGTH": "0.2384035",
    "HEADING": "-169.61518096923828",
    "ORBIT_DIRECTION": "DESCENDING",
    "PROCESSOR": "isce",
    "trackNumber": "23",
    "RANGE_PIXEL_SIZE": "11.44337791431797",
    "AZIMUTH_PIXEL_SIZE": "23.454210031441733",
    "STARTING_RANGE": "750738",
    "EARTH_RADIUS": "6354132.1398986075",
    "HEIGHT": "634112.677533019",
}
ON_MAP = {
    "X_FIRST": "130.8",
    "Y_FIRST": "31.98",
    "X_STEP": "0.0002",
    "Y_STEP": "-0.0002",
    "X_UNIT": "degrees",
    "Y_UNIT": "degrees",
}


def write_stack(
    path: Path,
    header: dict[str, str] = HEADER,
    *,
    dates: list[tuple[bytes, bytes]] = DATES,
    keep: list[bool] | None = None,
    coherence: float | None = 0.7,
) -> np.ndarray:
    """Unwrapped phase with one pixel of no data; returned as stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    phase = np.random.default_rng(5).uniform(-30, 30, (len(dates), *SHAPE)).astype(np.float32)
    phase[:, 2, 3] = 0
    with h5py.File(path, "w") as file:
        file["date"] = np.array(dates, "S8")
        file["bperp"] = np.arange(len(dates), dtype=np.float32) * 10 - 3
        file["dropIfgram"] = np.array(keep or [True] * len(dates))
        file.create_dataset("unwrapPhase", data=phase, chunks=(1, *SHAPE), compression="lzf")
        if coherence is not None:
            file["coherence"] = np.full(phase.shape, coherence, np.float32)
        file.attrs.update(header)
    return phase


def write_geometry(path: Path) -> tuple[np.ndarray, np.ndarray]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lat, lon = np.meshgrid(np.linspace(31.9, 31.8, SHAPE[0]), np.linspace(130.8, 130.9, SHAPE[1]), indexing="ij")
    water = np.ones(SHAPE, bool)
    water[5, :] = False
    lon_stored = lon.astype(np.float32)
    lon_stored[0, 0] = 0
    with h5py.File(path, "w") as file:
        file["latitude"], file["longitude"] = lat.astype(np.float32), lon_stored
        file["incidenceAngle"] = np.full(SHAPE, 38.5, np.float32)
        file["waterMask"] = water
    return lon_stored, lat


@pytest.mark.real
def test_a_real_velocity_opens_as_rates_in_mm_per_year(real_data: Path) -> None:
    folder = real_data / "kirishima_mintpy"
    rates = lk.open_rates(folder)
    with h5py.File(folder / "velocity.h5") as file:
        velocity, error = file["velocity"][()], file["velocityStd"][()]
        row, col = int(file.attrs["REF_Y"]), int(file.attrs["REF_X"])
    values = rates["rate"].values
    known = np.isfinite(values)
    empty = ~np.isfinite(velocity) | (velocity == 0)
    empty[row, col] = False
    np.testing.assert_array_equal(~known, empty)
    np.testing.assert_allclose(values[known], velocity[known] * 1000, rtol=1e-6)
    np.testing.assert_allclose(rates["standard_error"].values[known], error[known] * 1000, rtol=1e-6)
    assert values[row, col] == 0
    # Yunjun et al. (2019) report up to about 16 cm/yr at these volcanoes: rates are mm, not m.
    assert 10 < np.nanmax(np.abs(values)) < 500


@pytest.mark.real
def test_a_real_velocity_lies_where_the_height_map_beside_it_lies(real_data: Path) -> None:
    folder = real_data / "kirishima_mintpy"
    rates = lk.open_rates(folder)
    with rasterio.open(folder / "height.tif") as source:
        assert (source.height, source.width) == rates["rate"].shape
        corners = [source.transform * (0.5, 0.5), source.transform * (source.width - 0.5, source.height - 0.5)]
    got = [(float(rates.x[i]), float(rates.y[i])) for i in (0, -1)]
    np.testing.assert_allclose(got, corners, atol=1e-9)
    expected = {
        "geometry": "map",
        "crs": "EPSG:4326",
        "track": "023",
        "orbit_direction": "descending",
        "heading": pytest.approx(360 - 169.61518096923828),
        "wavelength": 0.2384035,
        "processor": "MintPy",
    }
    assert {name: rates.attrs[name] for name in expected} == expected
    # 0.000185185° on the ellipsoid at 31.93° north.
    assert rates.attrs["y_spacing"] == pytest.approx(20.53, abs=0.02)


def test_a_stack_in_radar_geometry_fills_the_schema(tmp_path: Path) -> None:
    stored = write_stack(tmp_path / "volcano" / "mintpy" / "inputs" / "ifgramStack.h5")
    lon, lat = write_geometry(tmp_path / "volcano" / "mintpy" / "inputs" / "geometryRadar.h5")
    ifgs = lk.open_interferograms(tmp_path / "volcano" / "mintpy")
    assert list(ifgs["pair"].values) == ["20150209_20150223", "20150209_20150309", "20150223_20150309"]
    np.testing.assert_array_equal(ifgs["perpendicular_baseline"], [-3, 17, 7])
    assert (ifgs.attrs["scene"], ifgs.attrs["geometry"], ifgs.attrs["incidence_angle"]) == ("volcano", "radar", 38.5)
    # At the satellite 23.454 m apart, on the ground R / (R + H) of it.
    assert ifgs.attrs["y_spacing"] == pytest.approx(23.454210 * 6354132.14 / (6354132.14 + 634112.68), abs=1e-4)
    assert ifgs.attrs["x_spacing"] == 11.44337791431797
    np.testing.assert_allclose(ifgs["lat"], lat, atol=1e-5)
    assert np.isnan(ifgs["lon"].values[0, 0])
    np.testing.assert_array_equal(ifgs["lon"].values[1:], lon[1:])
    phase = ifgs["phase"].sel(pair="20150209_20150309").values
    known = np.isfinite(phase)
    expected = np.ones(SHAPE, bool)
    expected[2, 3], expected[5] = False, False
    np.testing.assert_array_equal(known, expected)
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * stored[2][known].astype(float)), atol=1e-5)
    np.testing.assert_array_equal(ifgs["coherence"].values[0][known], np.float32(0.7))


def test_without_a_geometry_file_the_incidence_angle_follows_from_the_orbit(tmp_path: Path) -> None:
    write_stack(tmp_path / "ifgramStack.h5")
    ifgs = lk.open_interferograms(tmp_path / "ifgramStack.h5")
    near, radius, height = 750738 + 11.44337791431797 * 4, 6354132.1398986075, 634112.677533019
    # Heron's area of the triangle centre–ground–satellite gives the sine of the angle at the ground, 180° − θ.
    sides = (near, radius, radius + height)
    s = sum(sides) / 2
    area = np.sqrt(s * (s - sides[0]) * (s - sides[1]) * (s - sides[2]))
    assert np.sin(np.radians(ifgs.attrs["incidence_angle"])) == pytest.approx(2 * area / (near * radius), rel=1e-9)
    assert "lon" not in ifgs.coords


def test_pairs_that_mintpy_drops_are_left_out_and_counted(tmp_path: Path) -> None:
    stored = write_stack(tmp_path / "ifgramStack.h5", keep=[False, True, True])
    ifgs = lk.open_interferograms(tmp_path)
    assert list(ifgs["pair"].values) == ["20150209_20150309", "20150223_20150309"]
    assert ifgs.attrs["pairs_left_out"] == 1
    phase = ifgs["phase"].sel(pair="20150223_20150309").values
    np.testing.assert_allclose(np.exp(1j * phase[0]), np.exp(1j * stored[1][0].astype(float)), atol=1e-5)
    write_stack(tmp_path / "ifgramStack.h5", keep=[False, False, False])
    with pytest.raises(lk.FileError, match="must keep at least one pair"):
        lk.open_interferograms(tmp_path)


def test_a_geocoded_stack_lies_on_its_grid(tmp_path: Path) -> None:
    write_stack(tmp_path / "geo_ifgramStack.h5", HEADER | ON_MAP)
    ifgs = lk.open_interferograms(tmp_path)
    assert (ifgs.attrs["geometry"], ifgs.attrs["crs"]) == ("map", "EPSG:4326")
    np.testing.assert_allclose(ifgs["x"], 130.8 + 0.0002 * (np.arange(8) + 0.5))
    np.testing.assert_allclose(ifgs["y"], 31.98 - 0.0002 * (np.arange(6) + 0.5))
    metres = {"X_FIRST": "660960", "Y_FIRST": "3540000", "X_STEP": "80", "Y_STEP": "-80", "X_UNIT": "meters"}
    for code in ({"UTM_ZONE": "52N"}, {"EPSG": "32652"}):
        write_stack(tmp_path / "geo_ifgramStack.h5", HEADER | metres | code)
        ifgs = lk.open_interferograms(tmp_path)
        assert (ifgs.attrs["crs"], ifgs.attrs["ground_spacing"]) == ("EPSG:32652", 80.0)
    write_stack(tmp_path / "geo_ifgramStack.h5", HEADER | metres)
    with pytest.raises(lk.FileError, match="must say its CRS by EPSG or UTM_ZONE"):
        lk.open_interferograms(tmp_path)


def test_missing_coherence_is_estimated_and_marked(tmp_path: Path) -> None:
    write_stack(tmp_path / "ifgramStack.h5", coherence=None)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    assert float(ifgs["coherence"].max()) <= 1


def test_a_velocity_is_masked_by_the_mask_beside_it(tmp_path: Path) -> None:
    velocity = np.full(SHAPE, 0.025, np.float32)
    velocity[1, 1], velocity[4, 4], velocity[0, 0] = 0, 0, np.nan
    mask = np.ones(SHAPE, bool)
    mask[3] = False
    with h5py.File(tmp_path / "velocity.h5", "w") as file:
        file["velocity"] = velocity
        file.attrs.update(HEADER | ON_MAP | {"UNIT": "m/year", "REF_Y": "4", "REF_X": "4"})
    with h5py.File(tmp_path / "maskTempCoh.h5", "w") as file:
        file["mask"] = mask
    rates = lk.open_rates(tmp_path)
    expected = np.full(SHAPE, 25, np.float32)
    expected[1, 1], expected[0, 0], expected[3], expected[4, 4] = np.nan, np.nan, np.nan, 0
    np.testing.assert_allclose(rates["rate"].values, expected, rtol=1e-6)
    assert "standard_error" not in rates
    with h5py.File(tmp_path / "velocity.h5", "a") as file:
        file.attrs["UNIT"] = "rad"
    with pytest.raises(lk.FileError, match="must be in m/year"):
        lk.open_rates(tmp_path)


def test_broken_stacks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ifgramStack.h5"
    write_stack(path, dates=[DATES[0], DATES[0]])
    with pytest.raises(lk.FileError, match="each pair must stand once"):
        lk.open_interferograms(tmp_path)
    write_stack(path, dates=[(b"20150223", b"20150209")])
    with pytest.raises(lk.FileError, match="must state the earlier date first"):
        lk.open_interferograms(tmp_path)
    for name, value in (("WAVELENGTH", "-0.2"), ("HEADING", "nan"), ("RANGE_PIXEL_SIZE", "ten")):
        write_stack(path, HEADER | {name: value})
        with pytest.raises(lk.FileError, match=f"ifgramStack.h5 must hold a .*number at '{name}'"):
            lk.open_interferograms(tmp_path)
    write_stack(path)
    with h5py.File(path, "a") as file:
        del file["unwrapPhase"]
    with pytest.raises(lk.FileError, match="must hold 'unwrapPhase' or 'wrapPhase'"):
        lk.open_interferograms(tmp_path)


def test_stacks_of_several_projects_are_not_picked_from(tmp_path: Path) -> None:
    for name in ("east", "west"):
        write_stack(tmp_path / name / "ifgramStack.h5")
    with pytest.raises(lk.FileError, match="must hold one project of MintPy, .*east/ifgramStack.h5.* Point to one"):
        lk.open_interferograms(tmp_path)
    assert lk.open_interferograms(tmp_path / "east").attrs["scene"] == "east"


def test_coherence_beyond_one_is_named(tmp_path: Path) -> None:
    write_stack(tmp_path / "ifgramStack.h5", coherence=1.7)
    with pytest.raises(lk.FileError, match="ifgramStack.h5 must hold coherence between 0 and 1, instead got 1.7"):
        lk.open_interferograms(tmp_path)["phase"].compute()


def test_a_geometry_of_another_size_is_named(tmp_path: Path) -> None:
    write_stack(tmp_path / "ifgramStack.h5")
    with h5py.File(tmp_path / "geometryRadar.h5", "w") as file:
        file["incidenceAngle"] = np.ones((3, 3), np.float32)
    with pytest.raises(lk.FileError, match="geometryRadar.h5 must have the size of the stack"):
        lk.open_interferograms(tmp_path)


def test_a_file_may_not_choose_what_else_is_read(tmp_path: Path) -> None:
    write_stack(tmp_path / "elsewhere.h5")
    path = tmp_path / "ifgramStack.h5"
    write_stack(path)
    with h5py.File(path, "a") as file:
        del file["unwrapPhase"]
        file["unwrapPhase"] = h5py.ExternalLink("elsewhere.h5", "/unwrapPhase")
    with pytest.raises(lk.FileError, match="instead it links to another file"):
        lk.open_interferograms(tmp_path)
    with h5py.File(path, "a") as file:
        del file["unwrapPhase"]
        file.create_dataset("unwrapPhase", (3, *SHAPE), "f4", external=[("elsewhere.raw", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(lk.FileError, match="its samples are kept in other files"):
        lk.open_interferograms(tmp_path)


def test_objects_are_refused_rather_than_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "ifgramStack.h5"
    write_stack(path)
    with h5py.File(path, "a") as file:
        del file["date"]
        file.create_dataset("date", (3, 2), h5py.string_dtype())
    with pytest.raises(lk.FileError, match="must hold numbers or fixed text at 'date'"):
        lk.open_interferograms(tmp_path)


def test_a_file_that_is_no_hdf5_is_named(tmp_path: Path) -> None:
    (tmp_path / "velocity.h5").write_bytes(b"not found")
    with pytest.raises(lk.FileError, match="velocity.h5 must be a whole HDF5 file.*Fetch or make it again"):
        lk.open_rates(tmp_path)
    with pytest.raises(lk.FileError, match="must be or hold MintPy's ifgramStack.h5"):
        lk.open_interferograms(tmp_path, product="mintpy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "ifgramStack.h5"
    write_stack(path)
    return path.read_bytes()


def test_an_attribute_that_no_library_could_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "velocity.h5"
    with h5py.File(path, "w") as file:
        file["velocity"] = np.ones(SHAPE, np.float32)
        file.attrs["UNIT"] = "m/year"
    raw = bytearray(path.read_bytes())
    # The type of the text: of variable length (9), its kind 1 = string turned into one that there is none of.
    place = raw.index(b"UNIT\0\0\0\0\x19\x01") + 9
    raw[place] = 0x69
    path.write_bytes(raw)
    with pytest.raises(lk.FileError, match="velocity.h5 must be in m/year as MintPy writes it, instead got UNIT=''"):
        lk.open_rates(tmp_path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_opens_or_is_refused_in_words(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "ifgramStack.h5"
    path.write_bytes(bytes(damaged[: data.draw(st.sampled_from([len(whole), len(whole) // 2, 300, 7]))]))
    try:
        mintpy.open_pairs(tmp_path).compute(scheduler="synchronous")
    except lk.FileError as error:
        assert "ifgramStack.h5" in str(error)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.dictionaries(
        st.sampled_from([*HEADER, *ON_MAP, "EPSG", "UTM_ZONE"]),
        st.one_of(st.text(st.characters(exclude_characters="\0"), max_size=8), st.floats().map(str)),
    )
)
def test_whatever_the_attributes_hold_it_opens_or_is_refused_in_words(tmp_path: Path, words: dict[str, str]) -> None:
    words = {name: word.encode("utf-8", "replace").decode() for name, word in words.items()}
    write_stack(tmp_path / "ifgramStack.h5", HEADER | words)
    try:
        ifgs = mintpy.open_pairs(tmp_path)
    except lk.FileError as error:
        assert "ifgramStack.h5" in str(error)
    else:
        assert ifgs.sizes["pair"] == 3
