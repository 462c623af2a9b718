"""How fast pairs are stacked, as ratios against what a reader knows, measured in one run.

    python benchmarks/stacking.py

Input is simulated in a temporary folder and removed. Each figure is the median of several runs taken in turns with
what it is compared to, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import rasterio
import xarray as xr
from scipy.ndimage import uniform_filter
from stacking_input import simulated, write_gamma, write_geotiff, write_isce2, write_licsar

import labkit as lk
from labkit.stack.estimators import estimate
from labkit.stack.gradients import finish_stack
from labkit.stack.kernels import LSQ, SUM, Filter, Sums
from labkit.stack.response import choose_patches
from labkit.stack.streaming import accumulate

RUNS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table: the speed of labkit over the speed of the comparison, and what was to be reached."""

    what: str
    against: str
    seconds: float
    ratio: float
    reach: float

    def __str__(self) -> str:
        """As a line of a Markdown table."""
        verdict = "reached" if self.ratio >= self.reach else "not reached"
        return (
            f"| {self.what} | {self.against} | {self.seconds:.3g} s | {self.ratio:.3g} | {self.reach:g} | {verdict} |"
        )


def compare(
    what: str,
    fast: Callable[[], object],
    slow: Callable[[], object],
    against: str,
    reach: float,
    before: Callable[[], object] | None = None,
) -> Row:
    """Time both in turns; what is to be done before each is not timed."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for function, taken in zip((fast, slow), times, strict=True):
            if before is not None:
                before()
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    ours, theirs = (statistics.median(taken) for taken in times)
    row = Row(what, against, ours, theirs / ours, reach)
    print(row, flush=True)
    return row


def looped_sum(phase: np.ndarray) -> np.ndarray:
    """Sum the wrapped differences as everyone writes it first."""
    total = np.zeros((2, *phase.shape[1:]))
    for image in phase:
        total[0, :-1] += np.angle(np.exp(1j * np.diff(image, axis=0)))
        total[1, :, :-1] += np.angle(np.exp(1j * np.diff(image, axis=1)))
    return total


def numpy_lsq(ifgs: xr.Dataset, window: int = 5) -> np.ndarray:
    """The default estimator with NumPy and scipy.ndimage."""
    years = (ifgs["temporal_baseline"].values / 365.25).astype(np.float32)
    above, below = (np.zeros((2, *ifgs["phase"].shape[1:]), np.float32) for _ in range(2))
    for phase, coherence, t in zip(ifgs["phase"].values, ifgs["coherence"].values, years, strict=True):
        z = coherence * np.exp(1j * phase)
        z = uniform_filter(z.real, window) + 1j * uniform_filter(z.imag, window)
        for i, product in enumerate((z[1:] * np.conj(z[:-1]), z[:, 1:] * np.conj(z[:, :-1]))):
            size = np.abs(product)
            weight = size / (np.float32(1.02) - size)
            inside = (slice(None, product.shape[0]), slice(None, product.shape[1]))
            above[i][inside] += weight * t * np.angle(product)
            below[i][inside] += weight * t * t
    with np.errstate(invalid="ignore"):
        return np.float32(years.sum()) * above / below


def kernel(ifgs: xr.Dataset, kind: int, window: int) -> Sums:
    """One pass of the compiled kernel, both directions."""
    return accumulate(ifgs, Filter(kind, window, 1), progress=False)


def in_memory(pairs: int, shape: tuple[int, int]) -> None:
    """Measure the kernels on arrays in memory."""
    ifgs = simulated(pairs, shape)
    phase = ifgs["phase"].values
    few = ifgs.isel(pair=slice(0, 3))
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert (
        np.abs(np.stack([s[0] for s in kernel(few, SUM, 1).sums]) - looped_sum(few["phase"].values))[inner].max() < 1e-4
    )
    slow, fast = numpy_lsq(few), estimate(kernel(few, LSQ, 5), "lsq").gradient
    assert np.nanpercentile(np.abs(slow - fast)[inner], 99.9) < 1e-3
    what = f"`sum` kernel, window 1, both directions, {pairs} pairs of {shape[0]} × {shape[1]}"
    compare(what, lambda: kernel(ifgs, SUM, 1), lambda: np.sum(phase), "`numpy.sum` of the phase", 0.4)
    compare(what, lambda: kernel(ifgs, SUM, 1), lambda: looped_sum(phase), "`np.angle(np.exp(1j*np.diff))`", 100)
    what = f"`lsq` kernel, window 5, both directions, {pairs} pairs of {shape[0]} × {shape[1]}"
    compare(what, lambda: kernel(ifgs, LSQ, 5), lambda: numpy_lsq(ifgs), "NumPy and scipy.ndimage", 20)


def chip() -> None:
    """Measure what the explorer does when a person drags a slider."""
    ifgs = simulated(200, (416, 416))

    def fast() -> xr.Dataset:
        return lk.stack_gradients(ifgs, progress=False)

    fast()
    compare("chip of 416², 200 pairs in memory, whole `stack_gradients`", fast, lambda: numpy_lsq(ifgs), "NumPy", 20)


@numba.njit(nogil=True)
def arithmetic(values: np.ndarray, times: int) -> None:
    """Vector arithmetic that waits for no memory."""
    for _ in range(times):
        for i in range(values.size):
            values[i] = values[i] * np.float32(0.999) + np.float32(0.1) / (np.float32(1.1) + values[i])


def threads() -> None:
    """Say how much more two threads compute than one: on a machine whose cores are halves of one, far from twice."""
    several = [np.ones(2048, np.float32) for _ in range(2)]
    arithmetic(several[0], 1)
    with ThreadPoolExecutor(2) as pool:
        gains = []
        for _ in range(2 * RUNS + 1):
            start = time.perf_counter()
            arithmetic(several[0], 50_000)
            middle = time.perf_counter()
            list(pool.map(arithmetic, several, [50_000] * 2))
            gains.append(2 * (middle - start) / (time.perf_counter() - middle))
    print(f"Two threads do {statistics.median(gains):.2f} times the arithmetic of one, which NumPy uses.\n")


def numpy_estimate(sums: Sums) -> list[tuple[np.ndarray, np.ndarray]]:
    """The gradient and its plain standard error of each direction from the sums, with NumPy."""
    years, results = np.float32(sums.years.sum()), []
    with np.errstate(invalid="ignore", divide="ignore"):
        for score, information, squares, mixed, information_squares in sums.sums:
            rate = score / information
            residual = np.maximum(squares - 2 * rate * mixed + rate * rate * information_squares, 0)
            results.append((years * rate, years * np.sqrt(residual) / information))
    return results


def after_the_pass(shape: tuple[int, int]) -> None:
    """Measure what comes once in a stack, however many its pairs: estimate, standard error, response."""
    ifgs = simulated(16, shape)
    how = Filter(LSQ, 5, 1)
    years = (ifgs["temporal_baseline"].values / 365.25).astype(np.float32)
    patches = choose_patches(years, ifgs["reference"].values, shape, how.window)
    sums = accumulate(ifgs, how, patches=patches, progress=False)

    def finish() -> xr.Dataset:
        return finish_stack(sums, patches, ifgs, "lsq", how)

    fast, slow = finish()["gradient"].values, np.stack([rate for rate, _ in numpy_estimate(sums)])
    assert np.nanmax(np.abs(fast - slow)) < 1e-4
    what = f"all that comes after the pairs, {shape[0]} × {shape[1]}"
    compare(what, finish, lambda: numpy_estimate(sums), "the estimate and its plain error alone, with NumPy", 1)


def read_tiffs(paths: list[Path]) -> None:
    """Just read."""
    for path in paths:
        with rasterio.open(path) as source:
            source.read(1)


def drop(paths: list[Path]) -> None:
    """Make the system forget what it holds of files."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def from_files(pairs: int, shape: tuple[int, int], folder: Path) -> None:
    """Measure stacking from files that the system holds in its cache, and from the disk."""
    gamma, tiffs = [], []
    for begin in range(0, pairs, 10):
        some = simulated(min(10, pairs - begin), shape, begin)
        gamma += write_gamma(folder / "gamma", some)
        tiffs += write_geotiff(folder / "geotiff", some)
    cache = lk.read.write_cache(lk.open_interferograms(folder / "gamma"), folder / "pairs.zarr", progress=False)
    stored = [path for path in cache.rglob("c/*/0/0") if path.is_file()]
    os.sync()
    words = f"{pairs} pairs of {shape[0]} × {shape[1]}"

    def stack(place: Path) -> xr.Dataset:
        return lk.stack_gradients(lk.open_interferograms(place, heading=192.0), progress=False)

    def read_gamma() -> None:
        for path in gamma:
            np.fromfile(path, ">c8")

    def read_cache() -> None:
        for path in stored:
            path.read_bytes()

    stack(folder / "gamma"), read_gamma()
    compare(f"GAMMA, {words}", lambda: stack(folder / "gamma"), read_gamma, "`numpy.fromfile`", 0.5)
    read_tiffs(tiffs)
    compare(f"GeoTIFF, {words}", lambda: stack(folder / "geotiff"), lambda: read_tiffs(tiffs), "rasterio", 0.5)
    read_cache()
    compare(f"compact cache, {words}", lambda: stack(cache), read_cache, "reading its bytes", 0.5)
    if hasattr(os, "posix_fadvise"):
        words += ", from the disk"
        turns = (lambda: stack(folder / "gamma"), read_gamma, "`numpy.fromfile`", 0.8, lambda: drop(gamma))
        compare(f"GAMMA, {words}", *turns)
        turns = (lambda: stack(folder / "geotiff"), lambda: read_tiffs(tiffs), "rasterio", 0.8, lambda: drop(tiffs))
        compare(f"GeoTIFF, {words}", *turns)


def opening(folder: Path) -> None:
    """Measure opening 500 pairs against opening each header once."""
    ifgs = simulated(500, (16, 16))

    def headers(paths: list[Path]) -> None:
        for path in paths:
            if path.suffix == ".xml":
                ElementTree.parse(path)  # noqa: S314 (written above)
            else:
                rasterio.open(path).close()

    for name, write in (("GeoTIFF", write_geotiff), ("ISCE2", write_isce2), ("LiCSAR", write_licsar)):
        place = folder / name / "106D_05447_131313"
        place.parent.mkdir()
        paths = write(place, ifgs)
        lk.open_interferograms(place)
        compare(
            f"opening 500 {name} pairs",
            functools.partial(lk.open_interferograms, place),
            functools.partial(headers, paths),
            "each header once",
            0.5,
        )


MEMORY = """
import re, sys
import labkit as lk
from pathlib import Path
lk.stack_gradients(lk.open_interferograms(sys.argv[2]), progress=False)
def status(word): return int(re.search(word + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
libraries = status("VmRSS")
lk.stack_gradients(lk.open_interferograms(sys.argv[1]), progress=False)
print(libraries, status("VmHWM"))
"""


def memory(pairs: int, shape: tuple[int, int], folder: Path) -> None:
    """Say how much a process holds at most that stacks files, where the system tells."""
    if not Path("/proc/self/status").exists():
        return
    write_gamma(folder / "small", simulated(3, (40, 40)))
    words = [sys.executable, "-c", MEMORY, str(folder / "gamma"), str(folder / "small")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    libraries, peak = (int(word) * 1024 / 1e6 for word in done.stdout.split())
    sums, pair = (shape[0] * shape[1] * 4 * planes / 1e6 for planes in (14, 2))
    print(
        f"\nStacking {pairs} GAMMA pairs of {shape[0]} × {shape[1]}: at most {peak:.0f} MB, of them {libraries:.0f} MB "
        f"libraries. Sums {sums:.0f} MB + 4 pairs {4 * pair:.0f} MB + 300 MB = {sums + 4 * pair + 300:.0f} MB."
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100, help="pairs of the runs from files (150 MB of disk each)")
    parser.add_argument("--lines", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=5000)
    given = parser.parse_args()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}"
    print(f"{os.cpu_count()} cores, {versions}, labkit {lk.__version__}; median of {RUNS} runs\n")
    threads()
    print("| what | against | labkit takes | speed ratio | to reach | |\n|---|---|---|---|---|---|")
    in_memory(60, (320, given.samples))
    chip()
    after_the_pass((given.lines, given.samples))
    with tempfile.TemporaryDirectory() as name:
        opening(Path(name))
        from_files(given.pairs, (given.lines, given.samples), Path(name))
        memory(given.pairs, (given.lines, given.samples), Path(name))


if __name__ == "__main__":
    main()
