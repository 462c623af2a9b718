"""A small detector trained for real on the demo scene's known landslides; ``conftest.py`` hands it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labkit.train import Detector


@pytest.fixture(scope="session")
def small_detector(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Twenty epochs, by number and not by time, so that every machine trains the same detector."""
    import geopandas as gpd
    import pandas as pd

    import labkit as lk

    scenes = [
        lk.stack_gradients(lk.select_pairs(lk.open_interferograms(demo_folder / track)), progress=False).compute()
        for track in ("ascending", "descending")
    ]
    chips = lk.split_chips(
        pd.concat([lk.make_chips(g, size=128) for g in scenes], ignore_index=True), (8, 1, 1), seed=0
    )
    labels = gpd.read_file(demo_folder / "truth.gpkg")
    out = tmp_path_factory.mktemp("detector")
    return lk.train.fit(
        lk.split_chips(chips, (8, 1, 1), seed=0), scenes, labels, out=out, max_epochs=20, max_minutes=20
    )
