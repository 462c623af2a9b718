"""Damaged pairs, both ways: an error that names file and remedy, or a pair left out and named in the stack."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import gamma_files
import h5py
import numpy as np
import pytest
import rasterio
from map_files import write_map
from product_files import PAIRS, SHAPE, WRITERS, Written, phases, set_phase
from rasterio.transform import from_origin
from typer.testing import CliRunner

import labkit as lk
from labkit.cli import app

#: The pair that is damaged: neither the first nor the last.
BAD = PAIRS[1]

FLAT = ("gamma", "gamma_geocoded", "isce2", "roipac", "snap")
TIFF = ("hyp3", "licsar", "geotiff")
HDF5 = ("s1_gunw", "opera_disp")
FILE_FOR_EACH = (*FLAT, *TIFF, *HDF5, "gmtsar")

Damage = Callable[[Path, Written], None]


def cut(folder: Path, written: Written) -> None:
    path = written[BAD]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lengthened(folder: Path, written: Written) -> None:
    with written[BAD].open("ab") as file:
        file.write(b"\0" * 64)


def swapped(folder: Path, written: Written) -> None:
    values = np.fromfile(written[BAD], "f4")
    values.byteswap().tofile(written[BAD])


def not_what_its_name_says(folder: Path, written: Written) -> None:
    written[BAD].write_bytes(b"<html>404 Not Found</html>" * 50)


def another_crs(folder: Path, written: Written) -> None:
    with rasterio.open(written[BAD]) as source:
        values = source.read(1)
    write_map(written[BAD], values, crs="EPSG:32647", nodata=0)


def another_spacing(folder: Path, written: Written) -> None:
    with rasterio.open(written[BAD]) as source:
        values, crs, place = source.read(1), source.crs, source.transform
    write_map(written[BAD], values, crs=str(crs), corner=(place.c, place.f), step=place.a / 2, nodata=0)


def a_million_by_a_million(folder: Path, written: Written) -> None:
    with rasterio.open(
        written[BAD],
        "w",
        driver="GTiff",
        height=10**6,
        width=10**6,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=from_origin(101, 31, 1e-7, 1e-7),
        tiled=True,
        blockxsize=16384,
        blockysize=16384,
        SPARSE_OK=True,
        BIGTIFF="YES",
    ):
        pass


def a_vrt_that_leads_out(folder: Path, written: Written) -> None:
    secret = folder.parent / "secret.bin"
    secret.write_bytes(b"\1" * (SHAPE[0] * SHAPE[1] * 8))
    header = written[BAD].with_name(written[BAD].name + ".vrt")
    written[BAD].with_name(written[BAD].name + ".xml").unlink()
    header.write_text(
        f'<VRTDataset rasterXSize="{SHAPE[1]}" rasterYSize="{SHAPE[0]}">'
        '<VRTRasterBand dataType="CFloat32" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="1">../../../../{secret.name}</SourceFilename>'
        f"<ImageOffset>0</ImageOffset><PixelOffset>8</PixelOffset><LineOffset>{SHAPE[1] * 8}</LineOffset>"
        "</VRTRasterBand></VRTDataset>"
    )


def a_date_that_is_none(folder: Path, written: Written) -> None:
    _renamed(written[BAD], BAD, "20200113_20200132")


def a_date_missing(folder: Path, written: Written) -> None:
    place = written[BAD] if BAD in written[BAD].name else written[BAD].parent
    place.rename(place.with_name(place.name.replace(BAD, "20200113_")))


def dates_reversed(folder: Path, written: Written) -> None:
    _renamed(written[BAD], BAD, "20200125_20200113")


def _renamed(path: Path, old: str, new: str) -> None:
    """Give the file, or the folder that carries its dates, other dates."""
    dates = dict(zip(old.split("_"), new.split("_"), strict=True))
    place = path if old.split("_")[0] in path.name else path.parent
    place.rename(place.with_name(re.sub("|".join(dates), lambda found: dates[found[0]], place.name)))


def all_zero(folder: Path, written: Written) -> None:
    set_phase(written[BAD], 0.0)


def all_nan(folder: Path, written: Written) -> None:
    set_phase(written[BAD], np.nan)


DAMAGES: list[tuple[Damage, str]] = [
    *((cut, product) for product in FILE_FOR_EACH),
    *((lengthened, product) for product in FLAT),
    *((swapped, product) for product in ("gamma", "gamma_geocoded", "isce2", "roipac", "snap")),
    *((not_what_its_name_says, product) for product in FILE_FOR_EACH),
    *((another_crs, product) for product in TIFF),
    *((another_spacing, product) for product in TIFF),
    *((a_million_by_a_million, product) for product in ("licsar", "geotiff")),
    (a_vrt_that_leads_out, "isce2"),
    *((a_date_that_is_none, product) for product in ("gamma", "isce2", "geotiff")),
    *((a_date_missing, product) for product in ("gamma", "isce2", "geotiff")),
    *((dates_reversed, product) for product in ("gamma", "isce2", "geotiff", "opera_disp")),
    *((all_zero, product) for product in WRITERS),
    *((all_nan, product) for product in WRITERS),
]


def check_both_ways(folder: Path, *named: str) -> None:
    """Opening and reading names the file; skipping leaves one pair out of three, and the stack says so."""
    with pytest.raises(lk.FileError) as raised:
        lk.open_interferograms(folder)[["phase", "coherence"]].compute(scheduler="synchronous")
    message = str(raised.value)
    assert any(name in message for name in named), message
    # what is wrong, then what to do
    assert "instead" in message, message
    assert len(message.split(". ")) > 1, message
    ifgs = lk.open_interferograms(folder, on_error="skip", heading=190.0, progress=False)
    assert [str(name) for name in ifgs["pair"].values] == [name for name in sorted(PAIRS) if name != BAD]
    lines = ifgs.attrs["skipped_pairs"].splitlines()
    assert len(lines) == 1
    assert any(name in lines[0] for name in named), lines
    stacked = lk.stack_gradients(ifgs, window=3, progress=False)
    assert stacked.attrs["skipped_pairs"] == ifgs.attrs["skipped_pairs"]
    assert stacked.attrs["n_pairs"] == 2


@pytest.mark.parametrize(("damage", "product"), DAMAGES, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_a_damaged_file_is_named_or_its_pair_skipped(damage: Damage, product: str, tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    written = WRITERS[product](folder, phases())
    damage(folder, written)
    check_both_ways(folder, written[BAD].name, "20200125_20200113", "20200113_20200132", "20200113_")


@pytest.mark.parametrize("product", [name for name in WRITERS if name != "licsar"])
def test_coherence_above_one_is_named_or_its_pair_skipped(product: str, tmp_path: Path) -> None:
    stored = phases()
    stored[BAD][1][5, 5] = 7.5
    WRITERS[product](tmp_path, stored)
    check_both_ways(tmp_path, BAD, "ifgramStack.h5", *(p.name for p in tmp_path.rglob(f"*{BAD}*")),
                    *(p.name for p in tmp_path.rglob("*20200113*20200125*")), "20200125_20200113", "200113-200125.cor",
                    "17Mar2017", "coh_IW1_VV_13Jan2020_25Jan2020.img", "2020012_2020024")  # fmt: skip


@pytest.mark.parametrize("product", ["gamma", "roipac", "geotiff", "licsar", "hyp3", "snap", "s1_gunw", "opera_disp"])
def test_a_pair_that_stands_twice_is_named_or_taken_once(product: str, tmp_path: Path) -> None:
    written = WRITERS[product](tmp_path, phases())
    again = tmp_path / "again"
    again.mkdir()
    place = written[BAD].parent
    beside = [p for p in place.iterdir() if p.is_file()] if place != tmp_path else [written[BAD]]
    if product == "roipac":
        beside += [written[BAD].with_name(written[BAD].name + ".rsc")]
    if product == "snap":
        shutil.copytree(place, again / place.name)
        beside = [place.with_suffix(".dim")]
    if product == "gamma":
        beside = [written[BAD]]
    for path in beside:
        shutil.copy(path, again / path.name)
    with pytest.raises(lk.FileError, match="each pair must .*, instead 20200113_20200125"):
        lk.open_interferograms(tmp_path)
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert [str(name) for name in ifgs["pair"].values] == sorted(PAIRS)
    assert "20200113_20200125" in ifgs.attrs["skipped_pairs"]
    assert "again" in ifgs.attrs["skipped_pairs"]


def test_pairs_inside_one_hdf5_file_are_skipped_one_by_one(tmp_path: Path) -> None:
    path = WRITERS["mintpy"](tmp_path, phases())[BAD]
    with h5py.File(path, "r+") as file:
        file["coherence"][1] = 7.5
        file["date"][2] = [b"20200125", b"20200101"]
    with pytest.raises(lk.FileError, match="ifgramStack.h5 must state the earlier date first"):
        lk.open_interferograms(tmp_path)
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert [str(name) for name in ifgs["pair"].values] == [PAIRS[0]]
    assert [line.split(":")[0] for line in ifgs.attrs["skipped_pairs"].splitlines()] == [BAD, "20200125_20200101"]


def test_a_damaged_chunk_of_hdf5_costs_its_pair_alone(tmp_path: Path) -> None:
    path = WRITERS["mintpy"](tmp_path, phases())[BAD]
    with h5py.File(path, "r+") as file:
        values = file["wrapPhase"][()]
        del file["wrapPhase"]
        data = file.create_dataset("wrapPhase", data=values, chunks=(1, *SHAPE), compression="gzip")
        place = data.id.get_chunk_info(1).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 40)
    with pytest.raises(
        lk.FileError, match=f"{path.name} must be a whole HDF5 file, instead got.*Fetch or make it again"
    ):
        lk.open_interferograms(tmp_path)["phase"].compute()
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert [str(name) for name in ifgs["pair"].values] == [name for name in sorted(PAIRS) if name != BAD]
    assert ifgs.attrs["skipped_pairs"].startswith(f"{BAD}: {path} must be a whole HDF5 file")


def test_where_the_first_pair_is_the_odd_one_the_others_are_kept(tmp_path: Path) -> None:
    written = WRITERS["licsar"](tmp_path, phases())
    path = written[sorted(PAIRS)[0]]
    for name in (
        path,
        path.with_name(path.name.replace("diff_pha", "unw")),
        path.with_name(f"{path.name[:17]}.geo.cc.tif"),
    ):
        write_map(name, np.ones((20, 30), np.float32), crs="EPSG:4326", corner=(140.0, -20.0), step=0.001)
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert [str(name) for name in ifgs["pair"].values] == sorted(PAIRS)[1:]


@pytest.mark.real
def test_a_cut_pair_of_danba_is_left_out_of_the_real_stack(real_data: Path, tmp_path: Path) -> None:
    for path in (real_data / "danba_gamma").rglob("*"):
        if path.is_file():
            link = tmp_path / path.relative_to(real_data / "danba_gamma")
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path)
    pairs = sorted((tmp_path / "diff").iterdir())
    whole = pairs[40].read_bytes()
    pairs[40].unlink()
    pairs[40].write_bytes(whole[: len(whole) // 3])
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert ifgs.sizes["pair"] == 185
    stacked = lk.stack_gradients(lk.select_pairs(ifgs), window=7, progress=False)
    assert stacked.attrs["skipped_pairs"].startswith(f"{pairs[40].name[:17]}: {pairs[40]} must hold 101 lines")


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    for path in WRITERS["gamma"](tmp_path, phases()).values():
        path.write_bytes(b"short")
    with pytest.raises(lk.FileError, match="must hold at least one whole pair, instead all 3 are damaged.*must hold 9"):
        lk.open_interferograms(tmp_path, on_error="skip", progress=False)


def test_where_nothing_is_damaged_the_attribute_says_so_and_the_numbers_are_the_same(tmp_path: Path) -> None:
    WRITERS["hyp3"](tmp_path, phases())
    plain = lk.open_interferograms(tmp_path)
    assert "skipped_pairs" not in plain.attrs
    ifgs = lk.open_interferograms(tmp_path, on_error="skip", progress=False)
    assert ifgs.attrs["skipped_pairs"] == ""
    assert ifgs.identical(plain.assign_attrs(skipped_pairs=""))


def test_what_was_left_out_is_said_and_goes_into_saved_stacks_and_caches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = WRITERS["gamma"](tmp_path / "scene", phases())
    written[BAD].write_bytes(b"short")
    ifgs = lk.open_interferograms(tmp_path / "scene", on_error="skip")
    assert f"left out, as attrs['skipped_pairs'] says: {BAD}" in capsys.readouterr().out
    stacked = lk.stack_gradients(ifgs, window=3, progress=False)
    kept = lk.read.load_scene(lk.read.save_scene(stacked, tmp_path / "stack.nc"))
    assert kept.attrs["skipped_pairs"] == ifgs.attrs["skipped_pairs"]
    cached = lk.open_interferograms(lk.read.write_cache(ifgs, tmp_path / "a.zarr", progress=False))
    assert cached.attrs["skipped_pairs"] == ifgs.attrs["skipped_pairs"]


def test_the_cache_command_skips_where_it_is_told_to(tmp_path: Path) -> None:
    written = WRITERS["gamma"](tmp_path / "scene", phases())
    written[BAD].write_bytes(b"short")
    words = ["cache", str(tmp_path / "scene"), str(tmp_path / "a.zarr")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1
    assert "must hold 9 lines" in refused.output
    done = CliRunner().invoke(app, [*words, "--skip"])
    assert done.exit_code == 0, done.output
    assert f"Left out:\n{BAD}: {written[BAD]} must hold 9 lines" in done.output
    assert lk.open_interferograms(tmp_path / "a.zarr").sizes["pair"] == 2


def test_what_concerns_all_pairs_is_an_error_either_way(tmp_path: Path) -> None:
    WRITERS["gamma"](tmp_path, phases())
    par = next(tmp_path.glob("*.par"))
    text = par.read_text()
    for damaged in (text.replace("13.983590", "nan"), text.replace("9.318248", "-inf")):
        par.write_text(damaged)
        for on_error in ("raise", "skip"):
            with pytest.raises(lk.FileError, match=f"{par.name} must hold a finite number at .*_pixel_spacing"):
                lk.open_interferograms(tmp_path, on_error=on_error, progress=False)


def test_a_missing_lookup_table_is_named_where_a_place_is_asked_for(tmp_path: Path) -> None:
    WRITERS["gamma"](tmp_path, phases())
    ifgs = lk.open_interferograms(tmp_path)
    with pytest.raises(lk.LabkitError, match="put the lookup table beside the interferograms"):
        lk.geo.pixel_to_lonlat(ifgs, 1.0, 1.0)
    y, x = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
    gamma_files.write_lookup_table(tmp_path, y, x, 31.0, 101.0, 1e-3)
    (tmp_path / "EQA.dem_par").unlink()
    with pytest.raises(lk.FileError, match="Put the dem_par of the lookup table beside it"):
        lk.open_interferograms(tmp_path)


def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lk.LabkitError, match="on_error must be 'raise' or 'skip', instead got on_error='ignore'"):
        lk.open_interferograms(tmp_path, on_error="ignore")
