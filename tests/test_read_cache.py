"""The compact cache against the pairs that went in, whole, interrupted and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from stack_scenes import interferograms, ramp, wrapped
from typer.testing import CliRunner

import labkit as lk
from labkit.cli import app
from labkit.stack.by_rows import row_readers


def scene(pairs: int = 4, shape: tuple[int, int] = (70, 90), seed: int = 0) -> xr.Dataset:
    """A moving slope with noise, a hole, the ends of the circle and of the coherence, and lon/lat."""
    rng = np.random.default_rng(seed)
    phase = ramp(pairs, shape, 0.2, -0.1) + rng.normal(0, 0.3, (pairs, *shape))
    coherence = rng.uniform(0.2, 0.95, (pairs, *shape))
    coherence[0, 0, :3] = 0, 1, 0.5
    phase[1, 20:25, 30:40] = np.nan
    ifgs = interferograms(phase, coherence, track="12")
    ifgs["phase"].values[0, 0, :2] = -np.float32(np.pi), np.nextafter(np.float32(np.pi), np.float32(0))
    lat, lon = np.meshgrid(np.linspace(30, 31, shape[0]), np.linspace(101, 102, shape[1]), indexing="ij")
    return ifgs.assign_coords(lon=(("y", "x"), lon), lat=(("y", "x"), lat)).chunk(pair=1)


@pytest.mark.parametrize(("bits", "steps"), [(8, 254), (16, 65534)])
def test_every_pair_comes_back_within_half_a_step(tmp_path: Path, bits: int, steps: int) -> None:
    ifgs = scene()
    path = lk.read.write_cache(ifgs, tmp_path / "made" / "pairs.zarr", coherence_bits=bits, progress=False)
    back = lk.open_interferograms(path)
    assert back["phase"].chunks is not None
    assert np.isnan(back["phase"].values[1, 20:25, 30:40]).all()
    missing = np.isnan(ifgs["phase"].values)
    np.testing.assert_array_equal(np.isnan(back["phase"].values), missing)
    np.testing.assert_array_equal(np.isnan(back["coherence"].values), missing)
    turn = np.abs(wrapped(back["phase"].values - ifgs["phase"].values)[~missing])
    assert turn.max() <= np.pi / 65536 + 1e-6
    assert np.nanmin(back["phase"]) >= -np.float32(np.pi)
    assert np.nanmax(back["phase"]) < np.pi
    assert np.abs(back["coherence"].values - ifgs["coherence"].values)[~missing].max() <= 0.5 / steps + 1e-7
    np.testing.assert_allclose(back["coherence"].values[0, 0, :3], [0, 1, 0.5], rtol=2e-7)


def test_coordinates_and_attributes_come_back_as_they_were(tmp_path: Path) -> None:
    ifgs = scene()
    ifgs.attrs["heading"] = float("nan")
    ifgs["perpendicular_baseline"][2] = np.nan
    back = lk.open_interferograms(lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False), "labkit-cache")
    assert set(back.coords) == set(ifgs.coords)
    for name in ifgs.coords:
        np.testing.assert_array_equal(back[name].values, ifgs[name].values)
    assert np.isnan(back.attrs.pop("heading"))
    assert np.isnan(ifgs.attrs.pop("heading"))
    assert back.attrs == ifgs.attrs


def differences(ifgs: xr.Dataset, cached: xr.Dataset, estimator: str) -> np.ndarray:
    """Of the stacks, per pair, where no pair's filtered difference is within 1e-3 rad of ±π."""
    stacks = [lk.stack_gradients(data, estimator, progress=False)["gradient"].values for data in (ifgs, cached)]
    # Such a difference falls to either side: a whole turn that no precision avoids.
    alone = [ifgs.isel(pair=[k]) for k in range(ifgs.sizes["pair"])]
    close = [np.abs(lk.stack_gradients(p, "sum", progress=False)["gradient"].values) > np.pi - 1e-3 for p in alone]
    return np.abs(stacks[0] - stacks[1])[~np.any(close, axis=0)] / ifgs.sizes["pair"]


@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
def test_stacks_of_the_cache_differ_by_less_than_a_thousandth_of_a_radian_per_pair(
    tmp_path: Path, estimator: str
) -> None:
    # The scene with more cancelling neighbours of the first seeds.
    ifgs = lk.select_pairs(lk.simulate.scene("tiny", seed=1).interferograms["ascending"]).load()
    cached = lk.open_interferograms(lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False))
    assert np.nanmax(differences(ifgs, cached, estimator)) < 1e-3
    small = lk.read.write_cache(ifgs, tmp_path / "small.zarr", coherence_bits=8, progress=False)
    miss = differences(ifgs, lk.open_interferograms(small), estimator)
    assert np.nanpercentile(miss, 99.0 if estimator == "sum" else 99.9) < 1e-3


@pytest.mark.real
@pytest.mark.parametrize("estimator", ["lsq", "circular", "sum"])
def test_stacks_of_real_pairs_from_the_cache_differ_by_no_more(real_data: Path, tmp_path: Path, estimator: str) -> None:
    ifgs = lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")).load()
    cached = lk.open_interferograms(lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False))
    assert np.nanmax(differences(ifgs, cached, estimator)) < 1e-3


@pytest.mark.parametrize(("bits", "levels"), [(8, [1, 255, 128]), (16, [1, 65535, 32768])])
def test_the_store_is_what_zarr_and_its_codes_say(tmp_path: Path, bits: int, levels: list[int]) -> None:
    path = lk.read.write_cache(scene(), tmp_path / "pairs.zarr", coherence_bits=bits, progress=False)
    group = zarr.open_group(path, mode="r")
    phase, coherence = np.asarray(group["phase"]), np.asarray(group["coherence"])
    assert (phase.dtype, coherence.dtype) == (np.int16, f"uint{bits}")
    assert group["phase"].chunks == (1, 512, 512)
    assert phase[0, 0, 0] == -32768
    assert phase[0, 0, 1] == -32768  # just below +π is nearest to the same step
    assert list(coherence[0, 0, :3]) == levels
    assert (coherence[1, 20:25, 30:40] == 0).all()


class Stop(Exception):
    pass


def test_an_interrupted_cache_goes_on_where_it_was_and_is_never_half_there(tmp_path: Path) -> None:
    ifgs = scene()
    read: list[int] = []
    broken = True

    def load(block: np.ndarray, block_info: dict) -> np.ndarray:
        pair = block_info[0]["array-location"][0][0]
        if broken and pair == 2:
            raise Stop
        read.append(pair)
        return block

    watched = ifgs.assign(phase=ifgs["phase"].copy(data=ifgs["phase"].data.map_blocks(load, dtype=np.float32)))
    read.clear()
    with pytest.raises(Stop):
        lk.read.write_cache(watched, tmp_path / "pairs.zarr", progress=False)
    assert not (tmp_path / "pairs.zarr").exists()
    assert read == [0, 1]
    with (tmp_path / ".pairs.zarr.part" / "written.jsonl").open("a") as journal:
        journal.write('["2020')  # as a crash leaves it
    broken = False
    read.clear()
    path = lk.read.write_cache(watched, tmp_path / "pairs.zarr", progress=False)
    assert read == [2, 3]
    whole = lk.read.write_cache(ifgs, tmp_path / "whole.zarr", progress=False)
    xr.testing.assert_identical(lk.open_interferograms(path).compute(), lk.open_interferograms(whole).compute())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs.zarr", "whole.zarr"]


def test_what_the_disk_changed_is_found_before_the_cache_appears(tmp_path: Path) -> None:
    ifgs = scene(pairs=2)

    def fail(block: np.ndarray, block_info: dict) -> np.ndarray:
        if block_info[0]["array-location"][0][0] == 1:
            raise Stop
        return block

    failing = ifgs.assign(phase=ifgs["phase"].copy(data=ifgs["phase"].data.map_blocks(fail, dtype=np.float32)))
    with pytest.raises(Stop):
        lk.read.write_cache(failing, tmp_path / "pairs.zarr", progress=False)
    file = tmp_path / ".pairs.zarr.part" / "phase" / "c" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(lk.FileError, match="must give back what was written, instead 20200101_20200113 differs"):
        lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False)
    assert not (tmp_path / "pairs.zarr").exists()
    lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False)


def test_a_cache_that_is_there_is_kept_and_nothing_else_is_overwritten(tmp_path: Path) -> None:
    ifgs = scene()
    path = lk.read.write_cache(ifgs, tmp_path / "pairs.zarr", progress=False)
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    assert lk.read.write_cache(ifgs, path, progress=False) == path
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    with pytest.raises(lk.FileError, match="must be free or the cache of these pairs"):
        lk.read.write_cache(ifgs.isel(pair=slice(2)), path, progress=False)
    with pytest.raises(lk.LabkitError, match=r"path must end in \.zarr"):
        lk.read.write_cache(ifgs, tmp_path / "pairs", progress=False)
    with pytest.raises(lk.LabkitError, match="coherence_bits must be 8 or 16, instead got coherence_bits=12"):
        lk.read.write_cache(ifgs, tmp_path / "other.zarr", coherence_bits=12, progress=False)


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    path = lk.read.write_cache(scene(), tmp_path / "pairs.zarr", progress=False)
    file = path / "phase" / "c" / "2" / "0" / "0"
    data = file.read_bytes()
    file.write_bytes(data[:-9])
    with pytest.raises(lk.FileError, match=f"c/2/0/0 must hold {len(data)} bytes, instead it holds {len(data) - 9}"):
        lk.open_interferograms(path)
    file.unlink()
    with pytest.raises(lk.FileError, match="instead it holds 0"):
        lk.open_interferograms(path)
    file.write_bytes(data)
    header = path / "zarr.json"
    text = header.read_text()
    header.write_text(text[:50])
    with pytest.raises(lk.FileError, match="zarr.json must be whole JSON"):
        lk.open_interferograms(path)
    meta = json.loads(text)
    meta["attributes"]["labkit_cache"]["version"] = 99
    header.write_text(json.dumps(meta))
    with pytest.raises(lk.FileError, match="must be of version 1 or 2, instead got 99"):
        lk.open_interferograms(path)


@pytest.mark.parametrize(("bits", "shape"), [(16, (70, 2100)), (8, (530, 90))])
def test_rows_of_a_cache_are_read_and_stacked_as_its_tiles_are(
    tmp_path: Path, bits: int, shape: tuple[int, int]
) -> None:
    path = lk.read.write_cache(scene(shape=shape), tmp_path / "p.zarr", coherence_bits=bits, progress=False)
    cached = lk.open_interferograms(path)
    images = cached.load().copy()
    chosen = [3, 0, 2]
    readers = row_readers(lk.open_interferograms(path).isel(pair=chosen))
    assert readers is not None
    first = shape[0] - 27
    for reader, k in zip(readers, chosen, strict=True):
        phase, coherence = np.full((2, 27, shape[1]), 9, np.float32)
        reader.read_into(first, phase, coherence)
        np.testing.assert_array_equal(phase, images["phase"].values[k, first:])
        np.testing.assert_array_equal(coherence, images["coherence"].values[k, first:])
    by_rows = lk.stack_gradients(lk.open_interferograms(path), progress=False)
    xr.testing.assert_identical(by_rows, lk.stack_gradients(images, progress=False))


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.isel(x=slice(None, None, -1)),
        lambda i: i.isel(x=slice(0, 2050)),
        lambda i: i.isel(x=slice(2048, None)),
        lambda i: i.isel(x=np.roll(np.arange(i.sizes["x"]), 1)),
        lambda i: i.assign(phase=-i["phase"]),
        lambda i: i.assign(coherence=i["coherence"].isel(pair=slice(None, None, -1)).assign_coords(pair=i["pair"])),
    ],
    ids=["mirrored", "cut", "one block", "rolled", "computed", "mixed"],
)
def test_a_cache_of_which_more_was_made_is_not_read_by_rows(tmp_path: Path, change) -> None:
    path = lk.read.write_cache(scene(shape=(70, 2100)), tmp_path / "p.zarr", progress=False)
    assert row_readers(change(lk.open_interferograms(path))) is None


def test_a_shard_whose_index_is_damaged_is_named(tmp_path: Path) -> None:
    path = lk.read.write_cache(scene(), tmp_path / "pairs.zarr", progress=False)
    file = path / "phase" / "c" / "2" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    with pytest.raises(lk.FileError, match=r"phase/c/2/0/0 must hold whole tiles"):
        lk.stack_gradients(lk.open_interferograms(path), progress=False)


def test_pairs_that_are_no_wrapped_phase_are_refused(tmp_path: Path) -> None:
    ifgs = scene()
    with pytest.raises(lk.LabkitError, match="phase of pair 20200101_20200113 must be wrapped"):
        lk.read.write_cache(ifgs.assign(phase=ifgs["phase"] * 3), tmp_path / "a.zarr", progress=False)
    with pytest.raises(lk.LabkitError, match="coherence of pair 20200101_20200113 must be in 0..1"):
        lk.read.write_cache(ifgs.assign(coherence=ifgs["coherence"] * 2), tmp_path / "b.zarr", progress=False)


@pytest.mark.real
def test_the_command_caches_a_folder_of_real_pairs(real_data: Path, tmp_path: Path) -> None:
    pairs, target = real_data / "mexico_city_geotiff", tmp_path / "mexico.zarr"
    done = CliRunner().invoke(app, ["cache", str(pairs), str(target)])
    assert done.exit_code == 0, done.output
    assert "The cache is in" in done.output
    original, cached = lk.open_interferograms(pairs), lk.open_interferograms(target)
    miss = wrapped(cached["phase"].values - original["phase"].values)
    np.testing.assert_array_equal(np.isfinite(miss), np.isfinite(original["phase"].values))
    assert np.nanmax(np.abs(miss)) < 1e-3
