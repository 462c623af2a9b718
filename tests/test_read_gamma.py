"""GAMMA folders: real ones, exact ones, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import dask
import numpy as np
import pytest
from gamma_files import BASE_PAR, write_lookup_table, write_pair, write_parameters
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.read.gamma_parameters import perpendicular_baseline

SHAPE = (12, 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pairs of noise in an exact GAMMA folder."""
    rng = np.random.default_rng(1)
    write_parameters(tmp_path, SHAPE)
    for name in ("20190109_20190121", "20190121_20190202", "20190109_20190202"):
        write_pair(tmp_path, name, rng.uniform(-3, 3, SHAPE), rng.uniform(0.1, 0.9, SHAPE))
    return tmp_path


@pytest.mark.real
def test_the_danba_folder_opens_with_its_dates_geometry_and_sign(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    assert dict(ifgs.sizes) == {"pair": 186, "y": 101, "x": 175}
    assert str(ifgs["pair"].values[0]) == "20180327_20180408"
    assert ifgs["temporal_baseline"].values[:3].tolist() == [12, 24, 36]
    assert ifgs.attrs["orbit_direction"] == "descending"
    assert ifgs.attrs["phase_sign"] == -1
    assert ifgs.attrs["wavelength"] == pytest.approx(299792458 / 5.4050005e9)
    assert ifgs.attrs["ground_spacing"] == pytest.approx(np.sqrt(13.98359 * 9.318248 / np.sin(np.radians(37.292))))


@pytest.mark.real
def test_danba_pixels_are_those_that_numpy_reads(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    raw = np.fromfile(real_data / "danba_gamma/diff/20180327_20180408.diff.ml.sm", ">c8").reshape(101, 175)
    phase, coherence = dask.compute(ifgs["phase"][0].data, ifgs["coherence"][0].data)
    known = raw != 0
    np.testing.assert_allclose(phase[known], np.angle(raw[known].astype(complex)), atol=1e-6)
    np.testing.assert_allclose(coherence[known], np.abs(raw[known]), atol=1e-6)
    assert np.isnan(phase[~known]).all()
    assert np.isnan(coherence[~known]).all()


@pytest.mark.real
def test_the_danba_lookup_table_is_inverted_to_half_a_pixel(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    folder = real_data / "danba_gamma"
    table = np.fromfile(folder / "20190109.lt_fine", ">c8").reshape(184, 495)
    rows, cols = np.nonzero((table.real > 20) & (table.real < 150) & (table.imag > 20) & (table.imag < 80))
    lat, lon = 30.8537498 - 1.4245014e-4 * rows, 101.8995837 + 1.2980270e-4 * cols
    y, x = lk.geo.lonlat_to_pixel(ifgs, lon[::37], lat[::37])
    # The table counts from the centre of the first pixel, labkit from its edge.
    miss = np.hypot(y - 0.5 - table.imag[rows, cols][::37], x - 0.5 - table.real[rows, cols][::37])
    assert np.median(miss) < 0.1
    assert np.quantile(miss, 0.9) < 0.5


def test_opening_reads_no_pixels(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder)
    for path in (folder / "diff").iterdir():
        path.unlink()
    assert ifgs.sizes["pair"] == 3
    with pytest.raises(lk.FileError, match="20190109_20190121.*no such file"):
        ifgs["phase"][0].compute()


def test_a_lookup_table_gives_each_pixel_its_place(folder: Path) -> None:
    post = 1e-4
    rows, cols = np.indices((40, 50), dtype=float)
    # The radar grid is turned and sheared against the map.
    y, x = 0.45 * rows + 0.05 * cols - 3, 0.5 * cols - 0.1 * rows - 2
    inside = (y > -1) & (y < SHAPE[0]) & (x > -1) & (x < SHAPE[1])
    write_lookup_table(folder, np.where(inside, y, np.nan), np.where(inside, x, np.nan), 31.0, 101.0, post)
    ifgs = lk.open_interferograms(folder)
    determinant = 0.45 * 0.5 + 0.05 * 0.1
    y_at, x_at = np.indices(SHAPE, dtype=float)
    row = (0.5 * (y_at + 3) - 0.05 * (x_at + 2)) / determinant
    col = (0.45 * (x_at + 2) + 0.1 * (y_at + 3)) / determinant
    known = np.isfinite(ifgs["lon"].values)
    assert known.mean() > 0.9
    np.testing.assert_allclose(ifgs["lat"].values[known], (31.0 - post * row)[known], atol=1e-4 * post)
    np.testing.assert_allclose(ifgs["lon"].values[known], (101.0 + post * col)[known], atol=1e-4 * post)


def test_perpendicular_baselines_come_from_the_baseline_vector(folder: Path) -> None:
    (folder / "20190109-20190121_base.par").write_text(BASE_PAR.format(c=100.0, n=20.0))
    ifgs = lk.open_interferograms(folder)
    look = np.arcsin(np.sin(np.radians(37.292)) * 6372653.4681 / 7071912.0992)
    assert ifgs["perpendicular_baseline"].values[0] == pytest.approx(100 * np.cos(look) - 20 * np.sin(look))
    assert np.isnan(ifgs["perpendicular_baseline"].values[1:]).all()


def test_a_coherence_file_beside_the_pair_wins_over_the_magnitude(folder: Path) -> None:
    stated = np.linspace(0, 1, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    stated.astype(">f4").tofile(folder / "diff" / "20190109_20190121.cc")
    ifgs = lk.open_interferograms(folder)
    np.testing.assert_array_equal(ifgs["coherence"].sel(pair="20190109_20190121").values, stated)


def test_zero_is_no_data_and_never_phase_zero(folder: Path) -> None:
    phase = np.ones(SHAPE)
    phase[3, 4] = np.nan
    write_pair(folder, "20190109_20190121", phase, np.full(SHAPE, 0.5))
    ifgs = lk.open_interferograms(folder)
    assert np.isnan(ifgs["phase"][0].values[3, 4])
    assert np.isnan(ifgs["coherence"][0].values[3, 4])
    assert np.isfinite(ifgs["phase"][0].values).sum() == SHAPE[0] * SHAPE[1] - 1


def test_an_empty_folder_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(lk.FileError, match=r"interferograms of a known product .* instead it holds \['notes.txt'\]"):
        lk.open_interferograms(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(lk.FileError, match="nothing at .*absent"):
        lk.open_interferograms(tmp_path / "absent")


def test_a_cut_pair_is_named_at_opening(folder: Path) -> None:
    path = folder / "diff" / "20190121_20190202.diff.ml.sm"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(lk.FileError, match=r"20190121_20190202.*instead it holds 1820 bytes.*cut"):
        lk.open_interferograms(folder)


def test_a_pair_of_another_size_is_named_at_opening(folder: Path) -> None:
    write_pair(folder, "20190121_20190202", np.zeros((24, 20)) + 1, np.full((24, 20), 0.5))
    with pytest.raises(lk.FileError, match=r"20190121_20190202.*24.00 lines.*another extent"):
        lk.open_interferograms(folder)


def test_a_pair_cut_after_opening_stops_the_stack(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder)
    path = folder / "diff" / "20190121_20190202.diff.ml.sm"
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(lk.FileError, match="20190121_20190202.*cut"):
        lk.stack_gradients(ifgs, window=3, progress=False)


def test_a_wrong_byte_order_is_told_from_the_values(folder: Path) -> None:
    path = folder / "diff" / "20190121_20190202.diff.ml.sm"
    np.fromfile(path, ">c8").astype("<c8").tofile(path)
    ifgs = lk.open_interferograms(folder)
    with pytest.raises(lk.FileError, match=r"20190121_20190202.*big-endian complex64.*Swap its bytes"):
        lk.stack_gradients(ifgs, window=3, progress=False)


def test_a_magnitude_that_is_no_coherence_asks_for_the_coherence_file(folder: Path) -> None:
    write_pair(folder, "20190121_20190202", np.ones(SHAPE), np.full(SHAPE, 400.0))
    with pytest.raises(lk.FileError, match=r"reaches 400.*Put the coherence of the pair beside it"):
        lk.open_interferograms(folder)["phase"].compute()


def test_a_missing_parameter_file_is_asked_for(folder: Path) -> None:
    (folder / "20190109.rmli.par").unlink()
    with pytest.raises(lk.FileError, match=r"image parameter file .* found none"):
        lk.open_interferograms(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("heading:                 192.7697418   degrees", "'heading:', instead it is missing"),
        ("radar_frequency:        5.4050005e+09  Hz", "'radar_frequency:', instead it is missing"),
    ],
)
def test_a_cut_parameter_file_names_the_missing_line(folder: Path, line: str, message: str) -> None:
    path = folder / "20190109.rmli.par"
    path.write_text(path.read_text().replace(line, ""))
    with pytest.raises(lk.FileError, match=message):
        lk.open_interferograms(folder)


def test_a_reversed_pair_is_refused(folder: Path) -> None:
    write_pair(folder, "20190202_20190109", np.ones(SHAPE), np.full(SHAPE, 0.5))
    with pytest.raises(lk.FileError, match="earlier date first"):
        lk.open_interferograms(folder)


def test_a_lookup_table_without_its_grid_is_asked_for(folder: Path) -> None:
    (folder / "20190109.lt_fine").write_bytes(b"\0" * 80)
    with pytest.raises(lk.FileError, match="Put the dem_par of the lookup table beside it"):
        lk.open_interferograms(folder)


def test_what_a_person_states_wins(folder: Path) -> None:
    ifgs = lk.open_interferograms(folder, scene="my slope", heading=348.0)
    assert (ifgs.attrs["scene"], ifgs.attrs["heading"]) == ("my slope", 348.0)
    with pytest.raises(lk.LabkitError, match="colour"):
        lk.open_interferograms(folder, colour="red")
    with pytest.raises(lk.LabkitError, match="product must be 'auto' or one of"):
        lk.open_interferograms(folder, product="isce9")


def test_complex_pairs_whose_magnitude_is_an_amplitude_get_an_estimate(folder: Path) -> None:
    phase = np.random.default_rng(8).uniform(-3, 3, SHAPE)
    for name in ("20190109_20190121", "20190121_20190202", "20190109_20190202"):
        write_pair(folder, name, phase, np.full(SHAPE, 400.0))
    ifgs = lk.open_interferograms(folder)
    assert ifgs.attrs["coherence_source"] == "estimated from phase"
    np.testing.assert_allclose(ifgs["phase"][1].values, phase, atol=1e-5)
    assert 0 <= ifgs["coherence"].values.min() < ifgs["coherence"].values.max() <= 1


def test_the_source_of_the_coherence_is_told(folder: Path) -> None:
    assert lk.open_interferograms(folder).attrs["coherence_source"] == "magnitude"
    np.full(SHAPE, 0.5, ">f4").tofile(folder / "diff" / "20190109_20190121.cc")
    assert lk.open_interferograms(folder).attrs["coherence_source"] == "files; magnitude for 2 of 3 pairs"


def test_unwrapped_pairs_in_radar_geometry_are_wrapped_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    write_parameters(tmp_path, SHAPE)
    unwrapped, stated = rng.uniform(5, 60, SHAPE), np.linspace(0.1, 0.9, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    unwrapped[2, 3], unwrapped[2, 4] = 0, np.nan
    for name in ("20190109_20190121", "20190121_20190202"):
        unwrapped.astype(">f4").tofile(tmp_path / f"{name}.unw")
    stated.astype(">f4").tofile(tmp_path / "20190109_20190121.cc")
    (tmp_path / "20190109-20190121_base.par").write_text(BASE_PAR.format(c=100.0, n=20.0))
    ifgs = lk.open_interferograms(tmp_path)
    assert (ifgs.attrs["geometry"], ifgs.attrs["processor"]) == ("radar", "GAMMA")
    assert ifgs.attrs["coherence_source"] == "files; estimated from phase for 1 of 2 pairs"
    assert np.isfinite(ifgs["perpendicular_baseline"].values).tolist() == [True, False]
    raw = np.fromfile(tmp_path / "20190109_20190121.unw", ">f4").reshape(SHAPE).astype(float)
    phase, known = ifgs["phase"][0].values, np.isfinite(raw) & (raw != 0)
    np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * raw[known]), atol=1e-6)
    assert np.isnan(phase[~known]).all()
    np.testing.assert_array_equal(ifgs["coherence"][0].values[known], stated.astype("f4")[known])


def test_a_cut_unwrapped_pair_is_named_at_opening(tmp_path: Path) -> None:
    write_parameters(tmp_path, SHAPE)
    for name, lines in (("20190109_20190121", 12), ("20190121_20190202", 11)):
        np.ones((lines, 20), ">f4").tofile(tmp_path / f"{name}.unw")
    with pytest.raises(lk.FileError, match=r"20190121_20190202.unw must hold 12 lines × 20 samples of float32.*cut"):
        lk.open_interferograms(tmp_path)


_PAR_NAMES = st.sampled_from(
    ["range_samples", "azimuth_lines", "heading", "incidence_angle", "radar_frequency", "sar_to_earth_center"]
)


def test_what_lies_beside_a_pair_is_not_taken_for_it(tmp_path: Path) -> None:
    write_parameters(tmp_path, (4, 5))
    path = write_pair(tmp_path, "20190109_20190121", np.ones((4, 5)), np.ones((4, 5)))
    for end in ("off", "ras", "png", "kml", "hdr", "txt", "diff_par", "cc.ras", "unw.ras"):
        path.with_name(f"20190109_20190121.diff.{end}").write_bytes(b"beside")
    assert lk.open_interferograms(tmp_path).sizes["pair"] == 1


def test_a_differential_interferogram_is_taken_before_a_plain_one(tmp_path: Path) -> None:
    write_parameters(tmp_path, (4, 5))
    path = write_pair(tmp_path, "20190109_20190121", np.full((4, 5), 1.0), np.ones((4, 5)))
    np.full((4, 5), 1j).astype(">c8").tofile(path.with_name("20190109_20190121.int"))
    np.testing.assert_allclose(lk.open_interferograms(tmp_path)["phase"].values, 1.0, atol=1e-6)
    np.full((4, 5), 1j).astype(">c8").tofile(path.with_name("20190109_20190121.diff"))
    with pytest.raises(lk.FileError, match=r"each pair must stand once, .*\.diff and .*\.diff\.ml\.sm. Keep one"):
        lk.open_interferograms(tmp_path)


@given(st.one_of(st.text(max_size=20), st.lists(st.floats()).map(lambda v: " ".join(map(str, v)))), st.booleans())
def test_any_baseline_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: str, printed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz_base.par"
    table = "line  range  look angle  bpar  bperp\n1 2 3 4 "
    path.write_text(table + words if printed else f"initial_baseline(TCN): {words}", "utf-8")
    try:
        assert not np.isinf(perpendicular_baseline(path, 30.0))
    except lk.FileError as error:
        assert "fuzz_base.par" in str(error)


_PAR_VALUES = st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str))


@given(st.dictionaries(_PAR_NAMES, _PAR_VALUES, max_size=3))
def test_any_image_header_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, words: dict[str, str]) -> None:
    place = tmp_path_factory.getbasetemp() / "fuzz_gamma"
    write_pair(place, "20190109_20190121", np.ones(SHAPE), np.full(SHAPE, 0.5))
    path = write_parameters(place, SHAPE)
    lines = [line for line in path.read_text().splitlines() if line.split(":")[0] not in words]
    path.write_text("\n".join(lines + [f"{name}: {value}" for name, value in words.items()]), "utf-8")
    try:
        lk.open_interferograms(place)
    except lk.FileError as error:
        assert "fuzz_gamma" in str(error)
