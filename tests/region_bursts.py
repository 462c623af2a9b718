"""A small region on disk: four bursts of two tracks of the tiny scene, each a GAMMA folder, and its configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tqdm.auto import tqdm

from labkit.simulate import Scene
from labkit.simulate.write import Piece, write_piece

#: First line and number of lines of each burst; they overlap by 40 lines.
LINES = {"iw1": (0, 100), "iw2": (60, 100)}

CONFIG = """
out = "results"
detector = "couplets"
counties = "counties.gpkg"

[tracks]
ascending = "bursts/ascending-*"
descending = "bursts/descending-*"

[stack]
window = 5

[detect]
false_per_1000_km2 = 20.0

[density]
cell_m = 500.0
bandwidth_m = 1000.0
"""


def write_region(scene: Scene, folder: Path) -> Path:
    """Write bursts, counties and ``region.toml``; give the configuration."""
    for track, ifgs in scene.interferograms.items():
        frame = scene.frames[track]
        for name, (first, lines) in LINES.items():
            burst = ifgs.isel(y=slice(first, first + lines))
            origin = (frame.middle[0] - first, frame.middle[1])
            cut = dataclasses.replace(frame, shape=(lines, frame.shape[1]), origin=origin, burst=name)
            home = f"{track}-{name}"
            write_piece(Piece(home, burst, cut), scene, folder / "bursts" / home, tqdm(disable=True))
    scene.counties.to_file(folder / "counties.gpkg", driver="GPKG")
    config = folder / "region.toml"
    config.write_text(CONFIG)
    return config
