"""What the first paper's region takes, worked out from rates measured in this run: ``python benchmarks/region.py``.

Fu et al. (2022) stack 130,977 interferograms of bursts, about 2 million pixels each, over 180,000 km². One core is
measured by process time on a simulated scene: stacking pairs in memory, and searching stacked gradients with the
network that ships. Reading is taken as bytes over a rate that is given, because it depends on the disks.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("TQDM_DISABLE", "1")

import torch

import labkit as lk

PAIRS, PIXELS, KM2 = 130_977, 2_000_000, 180_000
#: Of complex float32 pairs as processors write them, and of labkit's compact cache, bytes for each pixel.
BYTES = {"complex pairs": 8, "compact cache": 4}
#: Edge of the cells that a detector sees, km, and directions that it searches.
CELL_KM, DIRECTIONS = 0.04, 2


def measured() -> tuple[float, float]:
    """Pixel-pairs stacked, and pixels of both directions searched, in a second of one core."""
    torch.set_num_threads(1)
    scene = lk.simulate.scene("demo")
    ifgs = lk.select_pairs(scene.interferograms["ascending"]).compute()
    gradients = lk.stack_gradients(ifgs, threads=1, progress=False)
    detector = lk.load_detector("gradients-small")
    lk.detect_landslides(gradients, detector, progress=False)
    repeats = 3
    begun = time.process_time()
    for _ in range(repeats):
        lk.stack_gradients(ifgs, threads=1, progress=False)
    stacking = repeats * ifgs["phase"].size / (time.process_time() - begun)
    begun = time.process_time()
    lk.detect_landslides(gradients, detector, progress=False)
    searching = DIRECTIONS * gradients["coherence"].size / (time.process_time() - begun)
    return stacking, searching


def main() -> None:
    """Print the hours and gigabytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--read-mb-s", type=float, nargs="+", default=[500.0, 4000.0], help="for each number of cores")
    said = parser.parse_args()
    stacking, searching = measured()
    pixel_pairs, cells = PAIRS * PIXELS, 2 * DIRECTIONS * KM2 / CELL_KM**2
    print(
        f"measured on one core: {stacking / 1e6:.1f} million pixel-pairs/s, {searching / 1e6:.3f} million px/s searched"
    )
    print(
        f"{PAIRS:,} pairs of {PIXELS:,} px are {pixel_pairs:.3g} pixel-pairs; both tracks have {cells:.3g} px to search"
    )
    for name, size in BYTES.items():
        print(f"{name}: {pixel_pairs * size / 1e9:,.0f} GB")
    for cores, rate in zip(said.cores, said.read_mb_s, strict=True):
        stack, search = (work / speed / cores / 60 for work, speed in ((pixel_pairs, stacking), (cells, searching)))
        reading = {name: pixel_pairs * size / rate / 1e6 / 3600 for name, size in BYTES.items()}
        told = ", ".join(f"{name} {hours:.1f} h" for name, hours in reading.items())
        print(
            f"{cores} cores: stacking {stack:.1f} min, searching {search:.1f} min; reading at {rate:,.0f} MB/s: {told}"
        )


if __name__ == "__main__":
    main()
