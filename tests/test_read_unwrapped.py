"""Unwrapped phase beside the wrapped one: of every processor, closed in triplets, on real pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from product_files import PAIRS, WRITERS, phases

import labkit as lk


@pytest.mark.parametrize("product", WRITERS)
def test_every_processor_hands_its_unwrapped_phase_on(product: str, tmp_path: Path) -> None:
    stored = phases()
    WRITERS[product](tmp_path, stored)
    ifgs = lk.open_interferograms(tmp_path)
    assert ifgs["unwrapped"].dims == ("pair", "y", "x")
    assert ifgs["unwrapped"].dtype == np.float32
    assert ifgs["unwrapped"].chunks is not None
    for name in PAIRS:
        unwrapped, phase = (ifgs[v].sel(pair=name).values for v in ("unwrapped", "phase"))
        np.testing.assert_allclose(unwrapped, stored[name][0], atol=1e-4)
        # one sign for both
        known = np.isfinite(phase)
        np.testing.assert_array_equal(known, np.isfinite(stored[name][0]))
        np.testing.assert_allclose(np.exp(1j * phase[known]), np.exp(1j * unwrapped[known].astype(float)), atol=1e-4)


@pytest.mark.parametrize("product", WRITERS)
def test_an_unwrapping_error_of_any_processor_shows_in_the_triplets(product: str, tmp_path: Path) -> None:
    stored = phases()
    stored[PAIRS[2]][0][4:6, 3:6] += 2 * np.pi
    WRITERS[product](tmp_path, stored)
    closure = lk.stack.triplet_closure(lk.open_interferograms(tmp_path), progress=False)
    assert closure.attrs["closure_of"] == "unwrapped phase"
    expected = np.zeros(closure["masked"].shape, bool)
    expected[4:6, 3:6] = True
    np.testing.assert_array_equal(closure["masked"].values, expected)
    assert float(closure["closure_rms"].where(~expected).max()) < 1e-3


@pytest.mark.parametrize("product", ["isce2", "licsar", "hyp3", "gmtsar"])
def test_where_one_pair_is_not_unwrapped_none_is_handed_on(product: str, tmp_path: Path) -> None:
    written = WRITERS[product](tmp_path, phases())
    place = written[PAIRS[0]].parent
    for path in [*place.glob("*.unw*"), *place.glob("*unw_phase.tif"), *place.glob("unwrap.grd")]:
        path.unlink()
    ifgs = lk.open_interferograms(tmp_path)
    assert "unwrapped" not in ifgs
    assert ifgs.sizes["pair"] == 3


def test_selecting_pairs_and_windows_keeps_it(tmp_path: Path) -> None:
    WRITERS["licsar"](tmp_path, phases())
    ifgs = lk.open_interferograms(tmp_path)
    chosen = lk.select_pairs(ifgs, max_days=12).isel(y=slice(2, 7))
    assert dict(chosen["unwrapped"].sizes) == {"pair": 2, "y": 5, "x": 13}
    np.testing.assert_allclose(chosen["unwrapped"][1], phases()[PAIRS[1]][0][2:7], atol=1e-5)


def test_the_compact_cache_leaves_it_out_and_a_stack_does_not_need_it(tmp_path: Path) -> None:
    WRITERS["licsar"](tmp_path / "frame", phases())
    ifgs = lk.open_interferograms(tmp_path / "frame", heading=190.0)
    cached = lk.open_interferograms(lk.read.write_cache(ifgs, tmp_path / "a.zarr", progress=False))
    assert set(cached.data_vars) == {"phase", "coherence"}
    stacked = lk.stack_gradients(ifgs, window=3, progress=False)
    assert "unwrapped" not in stacked
    lk.read.save_scene(stacked, tmp_path / "stack.nc")


def test_a_damaged_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    written = WRITERS["licsar"](tmp_path, phases())
    path = written[PAIRS[0]].with_name(f"{PAIRS[0]}.geo.unw.tif")
    path.write_bytes(path.read_bytes()[:300])
    ifgs = lk.open_interferograms(tmp_path)
    ifgs["phase"].compute()
    with pytest.raises(lk.FileError, match=f"{PAIRS[0]}.geo.unw.tif must be a whole GeoTIFF"):
        ifgs["unwrapped"].compute()


def test_unwrapped_phase_of_another_size_is_named(tmp_path: Path) -> None:
    written = WRITERS["isce2"](tmp_path, phases())
    header = written[PAIRS[1]].with_name("filt_fine.unw.xml")
    header.write_text(header.read_text().replace('"length"><value>9<', '"length"><value>18<').replace(
        '"number_bands"><value>2<', '"number_bands"><value>1<'))  # fmt: skip
    with pytest.raises(lk.FileError, match=f"the unwrapped phase of pair {PAIRS[1]} must have the shape"):
        lk.open_interferograms(tmp_path)["unwrapped"].compute()


@pytest.mark.real
@pytest.mark.parametrize("processor", ["gamma", "roipac"])
def test_real_sydney_pairs_carry_what_gdal_reads(real_data: Path, processor: str) -> None:
    ifgs = lk.open_interferograms(real_data / f"sydney_{processor}")
    with rasterio.open(real_data / "sydney_roipac/geo_061002-070219.unw", driver="ROI_PAC") as source:
        raw = source.read(2)
    unwrapped = ifgs["unwrapped"].sel(pair="20061002_20070219").values
    np.testing.assert_array_equal(unwrapped, np.where(raw == 0, np.nan, raw))


@pytest.mark.real
def test_a_real_hyp3_product_carries_its_unwrapped_phase(real_data: Path, tmp_path: Path) -> None:
    name = "S1AA_20161223T070700_20170116T070658_VVP024_INT80_G_ueF_74C2"
    for kind in ("unw_phase", "water_mask"):
        (tmp_path / f"{name}_{kind}.tif").symlink_to(real_data / "hyp3" / f"test_{kind}.tif")
    ifgs = lk.open_interferograms(tmp_path)
    with rasterio.open(real_data / "hyp3/test_unw_phase.tif") as source:
        raw = source.read(1)
    unwrapped = ifgs["unwrapped"][0].values
    known = np.isfinite(unwrapped)
    np.testing.assert_array_equal(known, np.isfinite(ifgs["phase"][0].values))
    np.testing.assert_array_equal(unwrapped[known], raw[known])
    assert float(np.abs(unwrapped[known]).max()) > np.pi


@pytest.mark.real
def test_real_mexico_city_triplets_are_those_of_its_unwrapped_files(real_data: Path) -> None:
    ifgs = lk.open_interferograms(real_data / "mexico_city_geotiff")
    closure = lk.stack.triplet_closure(ifgs, progress=False)
    assert closure.attrs["closure_of"] == "unwrapped phase"
    assert closure.attrs["triplets"] > 5
