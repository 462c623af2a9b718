"""Stacks of files, read band by band, are to the bit those of the same pairs in memory, and never partial."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from gamma_files import write_pair, write_parameters
from rasterio.transform import from_origin

import labkit as lk
from labkit.stack.by_rows import row_readers

#: More than two bands, and no multiple of their rows.
SHAPE = (150, 90)
DATES = ("20190109", "20190121", "20190202", "20190214", "20190226", "20190310")
NAMES = [f"{a}_{b}" for i, a in enumerate(DATES) for b in DATES[i + 1 : i + 3]]


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    phase = 0.1 * np.arange(SHAPE[1]) + rng.normal(0, 0.7, SHAPE)
    phase[60:70, 20:50] = np.nan
    return (phase + np.pi) % (2 * np.pi) - np.pi, rng.uniform(0.1, 0.95, SHAPE)


@pytest.fixture
def gamma(tmp_path: Path) -> Path:
    """Pairs in radar geometry."""
    folder = tmp_path / "gamma"
    write_parameters(folder, SHAPE)
    for seed, name in enumerate(NAMES):
        write_pair(folder, name, *pair(seed))
    return folder


@pytest.fixture
def geotiff(tmp_path: Path) -> Path:
    """Pairs on a map grid, some compressed."""
    folder = tmp_path / "geotiff"
    folder.mkdir()
    place = {"crs": "EPSG:32648", "transform": from_origin(3e5, 3.4e6, 40, 40)}
    profile = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "count": 1, "dtype": "float32"}
    for seed, name in enumerate(NAMES):
        extra = {"compress": "deflate"} if seed % 3 == 0 else {"tiled": True, "blockxsize": 32, "blockysize": 32}
        for word, image in zip(("phase", "cc"), pair(seed), strict=True):
            with rasterio.open(folder / f"{name}_{word}.tif", "w", **profile, **place, **extra) as target:
                target.write(np.nan_to_num(image).astype(np.float32), 1)
    return folder


def opened(folder: Path) -> xr.Dataset:
    return lk.open_interferograms(folder, heading=192.0)


@pytest.mark.parametrize("product", ["gamma", "geotiff"])
@pytest.mark.parametrize("options", [{}, {"window": 7, "lag": 3}, {"estimator": "sum", "window": 1}])
def test_a_stack_of_files_is_that_of_memory_to_the_bit(
    product: str, options: dict, request: pytest.FixtureRequest
) -> None:
    ifgs = opened(request.getfixturevalue(product))
    assert row_readers(ifgs) is not None
    expected = lk.stack_gradients(ifgs.load().copy(), **options, progress=False)
    for threads in (1, 2, 5):
        files = opened(request.getfixturevalue(product))
        stacked = lk.stack_gradients(files, **options, threads=threads, progress=False)
        xr.testing.assert_identical(stacked, expected)


def test_pairs_selected_in_any_order_are_read_by_their_own_readers(gamma: Path) -> None:
    chosen = [7, 2, 4]
    for ifgs in (opened(gamma).isel(pair=chosen), opened(gamma).isel(pair=slice(2, 8)).isel(pair=[5, 0, 2])):
        readers = row_readers(ifgs)
        assert readers is not None
        for k, reader in enumerate(readers):
            phase, coherence = np.empty((2, 9, SHAPE[1]), np.float32)
            reader.read_into(55, phase, coherence)
            np.testing.assert_array_equal(phase, ifgs["phase"].values[k, 55:64])
            np.testing.assert_array_equal(coherence, ifgs["coherence"].values[k, 55:64])


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.isel(y=slice(None, None, -1)),
        lambda i: i.isel(x=slice(None, None, -1)),
        lambda i: i.isel(y=slice(10, 100)),
        lambda i: i.isel(x=np.roll(np.arange(SHAPE[1]), 1)),
        lambda i: i.assign(phase=-i["phase"]),
        lambda i: i.assign(phase=i["coherence"], coherence=i["phase"]),
        lambda i: i.assign(coherence=i["coherence"].isel(pair=slice(None, None, -1)).assign_coords(pair=i["pair"])),
        lambda i: i.transpose("pair", "x", "y"),
        lambda i: i.chunk(pair=2),
        lambda i: i.copy(deep=True).load(),
    ],
    ids=["up", "mirrored", "cut", "rolled", "computed", "exchanged", "mixed", "turned", "joined", "in memory"],
)
def test_images_that_are_not_as_in_the_files_are_read_as_they_are(gamma: Path, change) -> None:
    assert row_readers(change(opened(gamma))) is None


def test_pairs_without_coherence_are_read_whole(gamma: Path) -> None:
    values = np.full(SHAPE, 300.0)
    for seed, name in enumerate(NAMES):
        write_pair(gamma, name, pair(seed)[0], values)
    assert row_readers(opened(gamma)) is None


def test_a_pair_that_is_cut_or_empty_stops_the_stack_and_its_threads(gamma: Path) -> None:
    ifgs = opened(gamma)
    expected = lk.stack_gradients(ifgs, progress=False)
    before = threading.active_count()
    path = gamma / "diff" / f"{NAMES[3]}.diff.ml.sm"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    with pytest.raises(lk.FileError, match=f"{NAMES[3]}.*It was cut"):
        lk.stack_gradients(ifgs, progress=False)
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(lk.FileError, match=f"must hold data of the pair {NAMES[3]}"):
        lk.stack_gradients(ifgs, progress=False)
    assert threading.active_count() == before
    path.write_bytes(whole)
    xr.testing.assert_identical(lk.stack_gradients(ifgs, progress=False), expected)
