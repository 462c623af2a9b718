"""The blind picture shows as many pairs of each, in an order that only the key tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labkit.errors import LabkitError
from labkit.simulate import Scene, pairs_like
from labkit.view import save_side_by_side_png
from labkit.view.blind import _cuts


def test_half_of_the_panels_are_real_and_the_key_says_which(tiny_scene: Scene, tmp_path: Path) -> None:
    real = tiny_scene.interferograms["descending"].isel(pair=slice(0, 10)).compute()
    # what is called simulated here has no coherence at all: its panels are black below
    simulated = real.assign(coherence=real["coherence"] * 0)
    path = tmp_path / "pictures" / "blind.png"
    key = save_side_by_side_png(real, simulated, path, count=4, size=(80, 96), seed=1, dpi=60)
    assert Counter(key) == {"real": 4, "simulated": 4}
    picture = np.asarray(Image.open(path).convert("L"), float)
    # the panels fill a grid of 2 × 4, coherence in the lower part of each
    rows, cols = picture.shape[0] / 2, picture.shape[1] / 4
    dark = []
    for number in range(8):
        row, column = divmod(number, 4)
        down, across = (slice(int((n + low) * size), int((n + high) * size)) for n, size, low, high in (
            (row, rows, 0.75, 0.9), (column, cols, 0.3, 0.7)
        ))  # fmt: skip
        part = picture[down, across]
        dark.append(part.mean() < 20)
    assert dark == [name == "simulated" for name in key]


def test_another_seed_another_order_the_same_seed_the_same(tiny_scene: Scene, tmp_path: Path) -> None:
    real = tiny_scene.interferograms["descending"].isel(pair=slice(0, 12)).compute()
    simulated = pairs_like(real).compute()
    keys = [
        save_side_by_side_png(real, simulated, tmp_path / "x.png", count=6, seed=s, size=(40, 50), dpi=40)
        for s in (0, 0, 1)
    ]
    assert keys[0] == keys[1] != keys[2]


def test_every_ground_is_shown_once_and_simulated_ones_come_from_all_stacks(tiny_scene: Scene, tmp_path: Path) -> None:
    """Each pixel of a stack carries its place; the cuts that are taken have no place in common."""
    real = tiny_scene.interferograms["descending"].isel(pair=slice(0, 8), y=slice(0, 90), x=slice(0, 90)).compute()
    place = np.arange(90 * 90, dtype=np.float32).reshape(90, 90)
    grounds = [real.assign(phase=real["phase"] * 0 + place * 1e-4 + k) for k in range(3)]
    cuts = _cuts(grounds, (40, 44), 6, [1, 2])
    seen = [cut["phase"].values[0].ravel() for cut in cuts]
    assert [int(values[0]) for values in seen[:3]] == [0, 1, 2] and {int(v[0]) for v in seen[3:]} == {0, 1, 2}
    assert len(np.unique(np.concatenate(seen))) == 6 * 40 * 44
    lines = {bool(cut["phase"].values[0, 1, 0] > cut["phase"].values[0, 0, 0]) for cut in cuts}
    assert lines == {True, False}, "some are mirrored, some are not"
    with pytest.raises(LabkitError, match=r"count must be at most the 12 places of size=\(40, 44\)"):
        _cuts(grounds, (40, 44), 13, [1, 2])
    with pytest.raises(LabkitError, match="simulated must be at least one stack"):
        save_side_by_side_png(real, [], tmp_path / "x.png", count=2)


def test_stacks_that_differ_and_too_many_pairs_are_refused(tiny_scene: Scene, tmp_path: Path) -> None:
    real = tiny_scene.interferograms["descending"].isel(pair=slice(0, 6))
    with pytest.raises(LabkitError, match="simulated must have the pairs and the shape of real"):
        save_side_by_side_png(real, real.isel(pair=slice(0, 5)), tmp_path / "x.png", count=2)
    with pytest.raises(LabkitError, match="count must be from 1 to half"):
        save_side_by_side_png(real, real, tmp_path / "x.png", count=4)
    with pytest.raises(LabkitError, match="size must be at least"):
        save_side_by_side_png(real, real, tmp_path / "x.png", count=2, size=(4, 100_000))
    with pytest.raises(LabkitError, match=r"path must end in \.png"):
        save_side_by_side_png(real, real, tmp_path / "x.jpg", count=2)
    assert not list(tmp_path.iterdir())
