"""How fast pairs of a burst are simulated, and in how much memory, against NumPy's normal numbers in the same run.

    python benchmarks/simulating.py [--pairs 12] [--lines 1500] [--samples 5000]

A scene of the given size with every effect and 300 pairs is set up; so many of its pairs are made, on all cores, in
turns with ``numpy.random.normal`` of the same number of pixels. The best of the turns is reported for both, by the
clock and by the processor's time, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from labkit.simulate.calendars import Calendar
from labkit.simulate.composed import compose
from labkit.simulate.effects import Effects
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.presets import Preset

#: 102 dates without a gap: 300 pairs of at most 36 days.
DATES = np.datetime64("2017-03-05") + 12 * np.arange(102)


def peak_gb() -> float:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Set up, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--lines", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=5000)
    chosen = parser.parse_args()
    workers = os.cpu_count() or 1
    frame = Frame("ascending", 348.0, 38.6, (chosen.lines, chosen.samples), 40.0)
    preset = Preset(frame.shape, {}, 40, 8, 6, (20.0, 150.0))
    start, worked = time.perf_counter(), time.process_time()
    scene = compose(
        "burst", preset, [frame], Place(101.95, 30.85), Calendar("300 pairs", {"ascending": DATES}), Effects(), 0
    )
    ifgs = scene.interferograms["ascending"]
    size = chosen.lines * chosen.samples
    print(f"{platform.machine()}, {workers} cores; {ifgs.sizes['pair']} pairs of {chosen.lines} × {chosen.samples}")
    taken, work = time.perf_counter() - start, time.process_time() - worked
    print(f"set up with its rate map in {taken:.1f} s, {work:.1f} s of work, at most {peak_gb():.2f} GB held")

    def make(index: int) -> None:
        ifgs[["phase", "coherence"]].isel(pair=index).compute(scheduler="synchronous")

    make(0)
    best = {"pairs": np.inf, "work": np.inf, "normal": np.inf}
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, chosen.pairs, 2 * workers):
            some = range(first, first + 2 * workers)
            start, worked = time.perf_counter(), time.process_time()
            list(pool.map(make, some))
            middle, worked_until = time.perf_counter(), time.process_time()
            np.random.normal(size=size)  # noqa: NPY002  the comparison is with what everyone calls
            normal = time.process_time() - worked_until
            best["pairs"] = min(best["pairs"], (middle - start) / len(some))
            best["work"] = min(best["work"], (worked_until - worked) / len(some))
            best["normal"] = min(best["normal"], normal)
    print(f"{size / best['pairs'] / 1e6:.1f} million pixel-pairs/s by the clock (20 to be reached on two free cores)")
    print(f"{size / best['work'] / 1e6:.1f} million pixel-pairs per second of one core's work")
    print(f"one pair takes {best['work'] / best['normal']:.2f} of the work of numpy.random.normal of its size")
    print(f"at most {peak_gb():.2f} GB held")


if __name__ == "__main__":
    main()
