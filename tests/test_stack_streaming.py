"""What a pass over the pairs holds in memory, how it reads, and that its sums do not depend on how it goes about it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from stack_scenes import interferograms, ramp, wrapped

import labkit as lk
from labkit.stack.kernels import CIRCULAR, LSQ, SUM, Filter, Sums
from labkit.stack.streaming import accumulate

SHAPE = (300, 500)
MEGABYTE = 1_000_000

#: Stacks pairs that are made when they are read. Prints what the process holds once all libraries are loaded, and its
#: peak, in kB. (The peak that getrusage gives is no good here: a process inherits it from the one that started it.)
MEASURE = """
import itertools, re, sys
from pathlib import Path
import numpy as np
import pandas as pd
import labkit as lk
from labkit.read.pairs import PairFiles, assemble

def load(pair, shape):
    rng = np.random.default_rng(int(pair.name[:8]))
    return rng.random(shape, dtype=np.float32), rng.random(shape, dtype=np.float32)

def stack(pairs, shape):
    dates = pd.date_range("2016-01-01", periods=pairs + 1, freq="6D").strftime("%Y%m%d")
    files = [PairFiles(f"{a}_{b}", Path(a)) for a, b in itertools.pairwise(dates)]
    attrs = {"geometry": "radar", "phase_sign": -1, "ground_spacing": 40.0}
    lk.stack_gradients(assemble(files, shape, load, {}, attrs), progress=False, threads=2)

def status(word):
    return re.search(word + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)

stack(2, (20, 20))
held = status("VmRSS")
stack(int(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3])))
print(held, status("VmHWM"))
"""


def peak_above_libraries(pairs: int) -> int:
    """Bytes beyond what the loaded libraries take, at the highest moment of a stack."""
    words = [sys.executable, "-c", MEASURE, str(pairs), *map(str, SHAPE)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    held, peak = map(int, done.stdout.split())
    return 1024 * (peak - held)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
def test_memory_is_the_sums_and_four_pairs_however_many_there_are() -> None:
    pixels = SHAPE[0] * SHAPE[1]
    # Five sums and a count for both directions; the coherence and its count. A pair is phase and coherence.
    sums, pair = pixels * 4 * (2 * 6 + 2), pixels * 4 * 2
    few, many = peak_above_libraries(50), peak_above_libraries(500)
    assert few <= sums + 4 * pair + 300 * MEGABYTE
    assert many <= sums + 4 * pair + 300 * MEGABYTE
    # 450 pairs more would be 540 MB. What is sampled for the standard error hardly grows: fewer pixels the more pairs.
    assert many - few < 40 * MEGABYTE


def scene(pairs: int = 7, shape: tuple[int, int] = (45, 60)) -> xr.Dataset:
    rng = np.random.default_rng(4)
    phase = ramp(pairs, shape, 0.2, -0.1) + rng.normal(0, 0.8, (pairs, *shape))
    phase[1:3, 10:14, 5:30] = np.nan
    return interferograms(phase, rng.uniform(0.1, 0.95, (pairs, *shape)))


def assert_identical(one: Sums, other: Sums) -> None:
    for name in ("sums", "counts", "coherence_sum", "coherence_count", "samples"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=25, deadline=None)
@given(
    threads=st.integers(1, 4),
    chunk=st.integers(1, 8),
    kind=st.sampled_from([LSQ, CIRCULAR, SUM]),
    window=st.sampled_from([1, 3, 5]),
    lag=st.sampled_from([1, 2, 17]),
    lazy=st.booleans(),
)
def test_sums_are_the_same_to_the_bit_in_memory_and_lazily(
    threads: int, chunk: int, kind: int, window: int, lag: int, lazy: bool
) -> None:
    ifgs = scene()
    pairs = ifgs.chunk(pair=chunk) if lazy else ifgs.isel(y=slice(None))
    whole = accumulate(ifgs, Filter(kind, window, lag), threads=1, progress=False)
    assert_identical(whole, accumulate(pairs, Filter(kind, window, lag), threads=threads, progress=False))


@pytest.mark.parametrize("kind", [LSQ, CIRCULAR, SUM])
@pytest.mark.parametrize("window", [1, 5])
def test_tiles_leave_no_seam_in_scenes_wider_and_taller_than_they_are(kind: int, window: int) -> None:
    ifgs = scene(5, (40, 5400))
    whole = accumulate(ifgs, Filter(kind, window, 1), progress=False)
    # Tiles of the crop lie elsewhere on the same ground.
    crop = accumulate(ifgs.isel(y=slice(7, None), x=slice(301, None)), Filter(kind, window, 1), progress=False)
    inner = (..., slice(3, -4), slice(3, -4))
    for of_whole, of_crop in zip(whole.sums, crop.sums, strict=True):
        np.testing.assert_array_equal(of_whole[..., 7:, 301:][inner], of_crop[inner])
    np.testing.assert_array_equal(whole.counts[..., 7:, 301:][inner], crop.counts[inner])


def test_unfiltered_differences_are_wrapped_and_summed_where_both_pixels_have_data() -> None:
    ifgs = scene()
    ifgs["coherence"].values[4, 20, 20] = 0
    phase = ifgs["phase"].values.astype(float)
    phase[4, 20, 20] = np.nan
    sums = accumulate(ifgs, Filter(SUM, 1, 1), progress=False)
    for i, axis in enumerate((1, 2)):
        delta = wrapped(np.diff(phase, axis=axis))
        inside = (slice(None, delta.shape[1]), slice(None, delta.shape[2]))
        np.testing.assert_array_equal(sums.counts[i][inside], np.isfinite(delta).sum(0))
        np.testing.assert_allclose(sums.sums[i][0][inside], np.nansum(delta, 0), atol=1e-5)
        np.testing.assert_allclose(sums.sums[i][1][inside], np.nansum(delta**2, 0), atol=1e-4)


@pytest.mark.parametrize(("lag", "floor", "power"), [(1, 0.0, 1.0), (3, 0.4, 1.0), (2, 0.3, 0.0), (2, 0.0, 3.0)])
def test_samples_of_unfiltered_differences_are_those_of_whole_images(lag: int, floor: float, power: float) -> None:
    # Ten pairs are two whole groups and a part of one; both tiles and strips have borders within the scene.
    ifgs = scene(10, (70, 5400))
    ifgs["coherence"].values[7, 30:40, 5000:5200] = 0
    phase, coherence = ifgs["phase"].values.astype(float), ifgs["coherence"].values
    sums = accumulate(ifgs, Filter(SUM, 1, lag, floor, power), progress=False, threads=2)
    step = sums.sample_step
    assert step < 10
    weight = np.where((coherence >= floor) & (coherence > 0), coherence.astype(float) ** power, np.nan)
    for direction, axis in enumerate((1, 2)):
        delta, size = np.zeros(phase.shape), np.zeros(phase.shape)
        inside = tuple(slice(None, -lag if i == axis else None) for i in range(3))
        ahead = tuple(slice(lag if i == axis else None, None) for i in range(3))
        delta[inside] = wrapped(phase[ahead] - phase[inside])
        size[inside] = weight[ahead] * weight[inside]
        known = np.isfinite(delta) & np.isfinite(size)
        for of_kernel, expected in zip(sums.samples[direction], (delta, size), strict=True):
            there = np.where(known, expected, 0)[:, ::step, ::step]
            np.testing.assert_allclose(of_kernel, there, atol=2e-6)


@pytest.mark.parametrize("pair", [0, 3, 9])
@pytest.mark.parametrize("gap", [False, True])
def test_one_phase_that_is_not_wrapped_is_found_in_the_unfiltered_sum(pair: int, gap: bool) -> None:
    ifgs = scene(10)
    ifgs["phase"].values[pair, 44, 59] = -3.3
    if gap:
        # Not even where the pair has no coherence.
        ifgs["coherence"].values[pair, 44, 59] = np.nan
    with pytest.raises(lk.LabkitError, match="must be wrapped"):
        accumulate(ifgs, Filter(SUM, 1, 1), progress=False)


def test_a_long_lag_gives_the_sum_of_the_filtered_way() -> None:
    # Beyond 16 px the unfiltered sum takes the way of the filtered ones.
    ifgs = interferograms(ramp(3, (40, 50), 0.1, 0.05), np.full((40, 50), 0.8))
    for lag in (16, 17):
        sums = accumulate(ifgs, Filter(SUM, 1, lag), progress=False).sums
        np.testing.assert_allclose(sums[0][0, :-lag], 3 * wrapped(0.1 * lag), atol=1e-4)
        np.testing.assert_allclose(sums[1][0, :, :-lag], 3 * wrapped(0.05 * lag), atol=1e-4)


def test_a_pair_that_fails_while_it_is_read_stops_the_stack_and_its_threads() -> None:
    ifgs = scene().chunk(pair=1)

    def fail(block: np.ndarray, block_info: dict) -> np.ndarray:
        if block_info[0]["array-location"][0][0] == 4:
            raise lk.FileError("pair 4 must be whole, instead it is cut")
        return block

    damaged = ifgs["phase"].data.map_blocks(fail, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    # Threads that dask and tqdm begin once and keep are there before.
    lk.stack_gradients(ifgs, progress=False)
    before = threading.active_count()
    with pytest.raises(lk.FileError, match="pair 4 must be whole"):
        lk.stack_gradients(ifgs.assign(phase=(ifgs["phase"].dims, damaged)), progress=False)
    assert threading.active_count() == before
