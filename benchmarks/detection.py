"""How much of a search over a scene is the network itself: ``python benchmarks/detection.py``.

A scene of 1500 × 5000 px, the stack of a simulated one laid side by side, is searched by the detector that ships. What
the network takes, from channels to boxes, is counted in the same runs; the rest is reading, cutting tiles, scaling,
joining at the seams and placing on the Earth. Process time of one thread, in each of several runs. Needs 2 GB of
memory and a minute.
"""

from __future__ import annotations

import argparse
import os
import time
from statistics import median
from typing import Any

import numpy as np
import torch
import xarray as xr

import labkit as lk

SHAPE = (1500, 5000)


def large_scene() -> xr.Dataset:
    """Stacked gradients of a simulated scene, again and again over the whole shape, on a plane of lon and lat."""
    simulated = lk.simulate.scene("demo").interferograms["ascending"]
    small = lk.stack_gradients(lk.select_pairs(simulated), threads=1, progress=False)
    times = [-(-edge // small.sizes[axis]) for edge, axis in zip(SHAPE, ("y", "x"), strict=True)]
    images = {
        str(name): (image.dims, np.tile(image.to_numpy(), times)[..., : SHAPE[0], : SHAPE[1]])
        for name, image in small.data_vars.items()
        if image.dims[-2:] == ("y", "x")
    }
    row, col = np.indices(SHAPE)
    place = {"lon": (("y", "x"), 101 + 4e-4 * col), "lat": (("y", "x"), 32 - 3.6e-4 * row)}
    return xr.Dataset(images, {"direction": small["direction"], **place}, small.attrs)


class Watched:
    """Stands before a network's ``boxes`` and adds up the process time that it takes."""

    def __init__(self, network: Any) -> None:
        self.seconds, self._boxes = 0.0, network.boxes
        network.boxes = self

    def __call__(self, *given: Any) -> Any:
        begun = time.process_time()
        answer = self._boxes(*given)
        self.seconds += time.process_time() - begun
        return answer


def main() -> None:
    """Print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="gradients-small", help="that ships, or a file")
    parser.add_argument("--repeats", type=int, default=5)
    said = parser.parse_args()
    torch.set_num_threads(1)
    scene, detector = large_scene(), lk.load_detector(said.detector)
    lk.detect_landslides(scene.isel(y=slice(500), x=slice(500)), detector, progress=False)
    watched = Watched(detector._in_use())
    whole, inside = [], []
    for _ in range(said.repeats):
        watched.seconds, begun = 0.0, time.process_time()
        found = lk.detect_landslides(scene, detector, progress=False)
        whole.append(time.process_time() - begun)
        inside.append(watched.seconds)
    shares = np.divide(inside, whole)
    print(f"{os.cpu_count()} cores, one thread, PyTorch {torch.__version__}, NumPy {np.__version__}")
    print(f"{SHAPE[0]} × {SHAPE[1]} px, both directions, {detector!r}: {len(found)} detections")
    print(f"{median(whole):.2f} s, of which the network {median(inside):.2f} s, of process time")
    print(f"share of the network {median(shares):.3f}, between {shares.min():.3f} and {shares.max():.3f}")


if __name__ == "__main__":
    main()
