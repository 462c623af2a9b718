"""Whether batches keep a network busy: training on fresh batches against training on one that lies in memory.

    python benchmarks/loading.py [--network tiny] [--turns 7] [--steps 6]

Turns of a few steps on one batch take turns with as many steps on batches cut from a scene in memory, on the same with
every augmentation (mosaics, noise, both directions, validity), on a compressed netCDF without room in memory, so that
its chips lie in the temporary file, and on one without room there, so that each window is read anew: other work on the
machine slows all alike. Printed is the median over the turns of the time on one batch over the time on fresh ones, by
the clock and by the processor: 1 is as fast; and what the first, cold pass over the chips takes beyond a later one,
in steps. Takes a few minutes, 1 GB of memory and 20 MB in a temporary folder.

The step works in as many threads as ``--threads`` says, 1 when left out, and one more makes the batches.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import torch
import xarray as xr

import labkit as lk
from labkit.train import ChipData, FitSettings, build_detector, network_class
from labkit.train.batches import Batch
from labkit.train.keeping import DISK_BYTES, MEMORY_BYTES

SIZE, CHIP, SLIDES = 832, 416, 40

PLAIN = FitSettings(width="nano")
ALL = FitSettings(width="nano", directions=2, validity=True, mosaic=0.5, noise=0.5)

#: What is shown, whether it comes from a file, and the room for what was read, in memory and in the temporary file.
KINDS = {
    "in memory": (PLAIN, False, MEMORY_BYTES, DISK_BYTES),
    "in memory, all augmentation": (ALL, False, MEMORY_BYTES, DISK_BYTES),
    "from a file, kept in a file": (PLAIN, True, 0, DISK_BYTES),
    "the same, all augmentation": (ALL, True, 0, DISK_BYTES),
    "from a file, read anew": (PLAIN, True, 0, 0),
}


def scene(seed: int, slides: int) -> tuple[xr.Dataset, gpd.GeoDataFrame]:
    """A stack at the reference with noise of 0.5 rad, of bumps at random places, and their boxes."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIZE, SIZE)) + 0.5
    field, corners = np.zeros((SIZE, SIZE)), np.empty((slides, 4))
    for box in corners:
        row, col, reach = *rng.uniform(40, SIZE - 40, 2), rng.uniform(5, 12)
        field += 8 * reach * np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * reach**2)) / 2
        box[:] = col - 2 * reach, row - 2 * reach, col + 2 * reach, row + 2 * reach
    values = np.stack([np.diff(field, axis=axis, append=np.nan) for axis in (0, 1)])
    values += 0.5 * rng.standard_normal(values.shape)
    attrs = {"scene": f"scene-{seed}", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.0555}
    data = xr.Dataset(
        {"gradient": (("direction", "y", "x"), values.astype(np.float32))},
        {"direction": list(lk.schema.DIRECTIONS)},
        attrs | {"lag": 1},
    )
    columns: dict[str, object] = {"scene": attrs["scene"], "direction": np.repeat(lk.schema.DIRECTIONS, slides)}
    columns |= dict(zip(("xmin", "ymin", "xmax", "ymax"), np.concatenate([corners, corners]).T, strict=True))
    return data, lk.schema.boxes_table(columns)


class Trainee:
    """A network that takes steps."""

    def __init__(self, network: str, settings: FitSettings) -> None:
        torch.manual_seed(0)
        fields: dict[str, Any] = {"directions": settings.directions, "validity": settings.validity}
        detector = build_detector(network, width="nano", **fields)
        self._network = detector.network.train()
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=1e-4)

    def time(self, batches: Iterator[Batch], steps: int) -> tuple[float, float]:
        """Seconds by the clock and by the processor for so many steps."""
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            batch = next(batches)
            self._optimizer.zero_grad()
            self._network.losses(batch.images, batch.targets, batch.ignored)["total"].backward()
            self._optimizer.step()
        return time.perf_counter() - clock, time.process_time() - processor


def endless(data: ChipData) -> Iterator[Batch]:
    """Batches, epoch after epoch."""
    loader = data.train_dataloader()
    return chain.from_iterable(loader for _ in repeat(None))


def cold(data: ChipData) -> float:
    """Seconds of the processor that the first pass over the chips takes beyond the second one."""
    spent = []
    for _ in range(2):
        begun = time.process_time()
        for sample in data.training:
            data.reader.read(sample)
        spent.append(time.process_time() - begun)
    return spent[0] - spent[1]


def measure(network: str, turns: int, steps: int, folder: Path) -> None:
    """Print a row for each kind of data."""
    data, labels = scene(0, SLIDES)
    quiet, _ = scene(1, 0)
    chips = lk.make_chips(data, CHIP, 0).assign(split="train")
    multiple = network_class(network).multiple
    data.to_netcdf(folder / "scene.nc", encoding={"gradient": {"zlib": True, "chunksizes": (1, 256, 256)}})
    for name, (settings, stored, memory, disk) in KINDS.items():
        with xr.open_dataset(folder / "scene.nc") as lazy:
            noise = quiet if settings.noise else None
            room: dict[str, Any] = {"noise": noise, "memory_bytes": memory, "disk_bytes": disk}
            batches = ChipData(chips, lazy if stored else data, labels, settings, multiple, **room)
            first = cold(batches)
            fresh = endless(batches)
            one = repeat(next(fresh))
            trainee = Trainee(network, settings)
            trainee.time(one, 2)
            trainee.time(fresh, 2)
            pairs = [(trainee.time(one, steps), trainee.time(fresh, steps)) for _ in range(turns)]
        clock, processor = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        step = statistics.median(a[1] for a, _ in pairs) / steps
        print(
            f"{name:30s} {clock:5.2f} by the clock, {processor:5.2f} by the processor; first pass over "
            f"{len(batches.training)} chips: {first / step:.2f} steps of {1000 * step:.0f} ms",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--network", default="tiny")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(
        f"{given.network} at nano width, {platform.machine()}, {os.cpu_count()} cores, {given.threads} threads for a "
        f"step, torch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABKIT_HOME"] = folder
        measure(given.network, given.turns, given.steps, Path(folder))


if __name__ == "__main__":
    main()
