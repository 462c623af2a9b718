"""LiCSBAS velocities: real GeoTIFFs of four frames, and the binary results folder as LiCSBAS writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from gamma_files import DEM_PAR
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from map_files import write_map

import labkit as lk
from labkit.read import licsbas

SHAPE = (7, 9)
FRAMES = ["014A_04939_131313", "087A_04904_121313", "094D_04913_101213", "167D_04884_131212"]


@pytest.mark.real
@pytest.mark.parametrize("name", FRAMES)
def test_a_real_frame_opens_masked_and_with_its_geometry(real_data: Path, name: str) -> None:
    folder = real_data / "anatolia_licsbas" / name
    rates = lk.open_rates(folder)
    layers = {}
    for layer in ("vel", "vstd", "mask"):
        with rasterio.open(folder / f"{layer}.geo.tif") as source:
            layers[layer], transform = source.read(1), source.transform
    kept = (layers["mask"] == 1) & np.isfinite(layers["vel"])
    assert 0.05 < kept.mean() < 0.95
    np.testing.assert_array_equal(rates["rate"].values, np.where(kept, layers["vel"], np.nan))
    error = np.where(layers["mask"] == 1, layers["vstd"], np.nan)
    np.testing.assert_array_equal(rates["standard_error"].values, error)
    assert (float(rates.x[0]), float(rates.y[0])) == pytest.approx(transform * (0.5, 0.5))
    assert (rates.attrs["scene"], rates.attrs["track"], rates.attrs["processor"]) == (name, name[:3], "LiCSBAS")
    assert rates.attrs["orbit_direction"] == ("ascending" if name[3] == "A" else "descending")
    assert 30 < rates.attrs["incidence_angle"] < 46


def write_results(series: Path, header: Path | None = None) -> np.ndarray:
    """``results/vel``, ``vstd`` and ``mask`` as flat little-endian float32, the grid in ``EQA.dem_par``."""
    results = series / "results"
    results.mkdir(parents=True)
    velocity = np.random.default_rng(6).normal(0, 20, SHAPE).astype("<f4")
    velocity[0, 0] = np.nan
    velocity.tofile(results / "vel")
    np.full(SHAPE, 1.5, "<f4").tofile(results / "vstd")
    mask = np.ones(SHAPE, "<f4")
    mask[3], mask[0, 1] = 0, np.nan
    mask.tofile(results / "mask")
    place = header or series / "info" / "EQA.dem_par"
    place.parent.mkdir(exist_ok=True)
    place.write_text(DEM_PAR.format(width=9, lines=7, lat=41.5, lon=33.5, post_lat=-0.01, post_lon=0.01))
    return np.where(mask == 1, velocity, np.nan)


@pytest.mark.parametrize("where", ["TS_GEOCml1/info", "TS_GEOCml1", "TS_GEOCml1/results", "GEOCml1"])
def test_binary_results_find_their_grid_where_licsbas_keeps_it(tmp_path: Path, where: str) -> None:
    frame = tmp_path / FRAMES[0]
    expected = write_results(frame / "TS_GEOCml1", frame / where / "EQA.dem_par")
    for path in (frame / "TS_GEOCml1", frame / "TS_GEOCml1" / "results"):
        rates = lk.open_rates(path)
        np.testing.assert_array_equal(rates["rate"].values, expected)
        assert float(rates["standard_error"].values[1, 1]) == 1.5
        assert np.isnan(rates["standard_error"].values[3]).all()
        # GAMMA's corner is the centre of the first pixel.
        np.testing.assert_allclose(rates["y"], 41.5 - 0.01 * np.arange(7))
        np.testing.assert_allclose(rates["x"], 33.5 + 0.01 * np.arange(9))
        assert (rates.attrs["scene"], rates.attrs["track"], rates.attrs["crs"]) == (FRAMES[0], "014", "EPSG:4326")


def test_the_wavelength_is_that_of_the_radar_frequency(tmp_path: Path) -> None:
    write_results(tmp_path / "TS_GEOC")
    assert lk.open_rates(tmp_path / "TS_GEOC").attrs["wavelength"] == pytest.approx(0.0554658, abs=1e-6)
    (tmp_path / "TS_GEOC/info/slc.mli.par").write_text(
        "range_samples: 9\nazimuth_lines: 7\nradar_frequency: 1257500000.0 Hz\nheading: -10.2 degrees\n"
    )
    attrs = lk.open_rates(tmp_path / "TS_GEOC").attrs
    assert attrs["wavelength"] == pytest.approx(0.2384035, abs=1e-6)
    assert (attrs["heading"], attrs["orbit_direction"]) == (pytest.approx(349.8), "ascending")


def test_a_velocity_cut_or_of_another_size_is_named(tmp_path: Path) -> None:
    write_results(tmp_path / "TS_GEOC")
    path = tmp_path / "TS_GEOC/results/vel"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(lk.FileError, match="vel must hold 7 lines × 9 samples.*cut"):
        lk.open_rates(tmp_path / "TS_GEOC")
    write_map(tmp_path / "tif/vel.geo.tif", np.ones(SHAPE, np.float32), crs="EPSG:4326", corner=(33, 41), step=0.01)
    write_map(tmp_path / "tif/mask.geo.tif", np.ones((3, 3), np.float32), crs="EPSG:4326", corner=(33, 41), step=0.01)
    with pytest.raises(lk.FileError, match="mask.geo.tif must have the shape"):
        lk.open_rates(tmp_path / "tif")["rate"].compute()
    with pytest.raises(lk.FileError, match="must hold vel.geo.tif, or results/vel"):
        lk.open_rates(tmp_path, product="licsbas")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["EQA.dem_par", "slc.mli.par"]),
    line=st.sampled_from(["width", "nlines", "corner_lat", "post_lon", "DEM_projection", "radar_frequency", "heading"]),
    word=st.one_of(st.text(max_size=10), st.floats().map(str), st.integers().map(str)),
)
def test_whatever_the_headers_hold_it_opens_or_is_refused_in_words(
    tmp_path: Path, name: str, line: str, word: str
) -> None:
    series = tmp_path / "TS_GEOC"
    if not series.exists():
        write_results(series)
        (series / "info/whole").write_bytes((series / "info/EQA.dem_par").read_bytes())
    for header in ("EQA.dem_par", "slc.mli.par"):
        (series / "info" / header).write_bytes((series / "info/whole").read_bytes())
    with (series / "info" / name).open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{line}: {word}\n")
    try:
        rates = licsbas.open_velocity(series)
    except lk.FileError as error:
        assert name in str(error) or "vel must hold" in str(error)
    else:
        assert rates["rate"].shape == SHAPE
