"""Stacks of files, read band by band, are to the bit those of the same pairs in memory, and never partial."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from gamma_files import write_pair, write_parameters
from rasterio.transform import from_origin

import labkit as lk
from labkit.stack.by_rows import PhasorReader, row_readers

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
    # Of complex files that are filtered the phase is never computed: the next test has them.
    complex_and_filtered = product == "gamma" and options.get("window") != 1
    ifgs = opened(request.getfixturevalue(product))
    assert row_readers(ifgs) is not None
    expected = lk.stack_gradients(ifgs if complex_and_filtered else ifgs.load().copy(), **options, progress=False)
    for threads in (1, 2, 5):
        files = opened(request.getfixturevalue(product))
        stacked = lk.stack_gradients(files, **options, threads=threads, progress=False)
        xr.testing.assert_identical(stacked, expected)


@pytest.mark.parametrize("of_files", [True, False], ids=["magnitude is coherence", "coherence in a file"])
@pytest.mark.parametrize("options", [{}, {"window": 3, "lag": 2}, {"estimator": "circular", "window": 7}])
def test_complex_values_taken_as_they_are_stack_as_their_phase_does(gamma: Path, options: dict, of_files: bool) -> None:
    if not of_files:
        for seed, name in enumerate(NAMES):
            phase, coherence = pair(seed)
            stored = np.where(np.isfinite(phase), coherence, -9999).astype(">f4")
            stored.tofile(gamma / "diff" / f"{name}.cc")
            write_pair(gamma, name, phase, 40 * (1 + seed) * coherence)
    files = opened(gamma)
    readers = row_readers(files)
    assert readers is not None
    assert all(isinstance(reader, PhasorReader) for reader in readers)
    direct = lk.stack_gradients(files, **options, progress=False)
    polar = lk.stack_gradients(files.load().copy(), **options, progress=False)
    np.testing.assert_array_equal(direct["n_pairs"], polar["n_pairs"])
    # The rounding of a phase in float32 is 2e-7 rad; a sum of phasors that nearly cancel magnifies it.
    for name, atol in (("coherence", 1e-6), ("standard_error", 1e-3), ("gradient", 1e-3)):
        np.testing.assert_allclose(direct[name], polar[name], atol=atol, rtol=1e-4)
        difference = np.abs(direct[name] - polar[name])
        assert float(difference.quantile(0.99)) < 2e-5, name


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


#: Stacks over and over until it is interrupted, then once more; says what was left and what came out.
INTERRUPTED = """
import hashlib, signal, sys, threading, time
import labkit as lk

# A process in the background of a shell begins with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
ifgs = lk.open_interferograms(sys.argv[1])

def stack():
    return lk.stack_gradients(ifgs, progress=False, threads=2)

def digest(stacked):
    return hashlib.sha256(b"".join(v.values.tobytes() for v in stacked.variables.values() if v.ndim > 1)).hexdigest()

first, threads = digest(stack()), threading.active_count()
try:
    print("begun", flush=True)
    while True:
        stack()
except KeyboardInterrupt:
    # What runs when the interrupt comes ends with its next pairs.
    for _ in range(100):
        if threading.active_count() > threads:
            time.sleep(0.1)
    print(threading.active_count() - threads, digest(stack()) == first)
"""


def test_an_interrupted_stack_gives_nothing_leaves_nothing_and_begins_clean(gamma: Path) -> None:
    before = sorted(gamma.rglob("*"))
    for wait_s in (0.02, 0.11, 0.23):
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(gamma)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        threads, same = said.split()
        assert (threads, same) == ("0", "True")
        assert errors == ""
    assert sorted(gamma.rglob("*")) == before


#: Stacks files of which all are one file under many names. Prints what the process holds once all libraries are loaded,
#: and its peak, in kB.
MEASURE = """
import re, sys
from pathlib import Path
import labkit as lk

def status(word):
    return re.search(word + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)

lk.stack_gradients(lk.open_interferograms(sys.argv[2]), progress=False, threads=2)
held = status("VmRSS")
lk.stack_gradients(lk.open_interferograms(sys.argv[1]), progress=False, threads=2)
print(held, status("VmHWM"))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
def test_stacking_files_takes_no_more_memory_however_many_there_are(gamma: Path, tmp_path: Path) -> None:
    shape = (600, 1000)
    pixels, peaks = shape[0] * shape[1], {}
    rng = np.random.default_rng(1)
    image = rng.uniform(0.1, 0.9, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))
    for count in (50, 500):
        folder = tmp_path / str(count)
        write_parameters(folder, shape)
        dates = pd.date_range("2016-01-01", periods=count + 1, freq="6D").strftime("%Y%m%d")
        names = ["_".join(p) for p in itertools.pairwise(dates)]
        first = folder / f"{names[0]}.diff"
        image.astype(">c8").tofile(first)
        for name in names[1:]:
            (folder / f"{name}.diff").hardlink_to(first)
        words = [sys.executable, "-c", MEASURE, str(folder), str(gamma)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
        held, peak = map(int, done.stdout.split())
        peaks[count] = 1024 * (peak - held)
    # Five sums and a count for both directions, the coherence and its count; phase and coherence of four pairs.
    sums, pairs = pixels * 4 * (2 * 6 + 2), 4 * pixels * 4 * 2
    assert max(peaks.values()) < sums + pairs + 300_000_000
    # 450 pairs more would be 2.2 GB.
    assert abs(peaks[500] - peaks[50]) < 40_000_000, peaks
