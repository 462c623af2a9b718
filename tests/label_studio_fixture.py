"""Fixtures that start a real Label Studio, in a home of its own, once for the whole run.

``running_label_studio`` (whole run) is the server; ``label_studio`` (one test) lets labkit see it as this bench's own.
``migrated_home`` is a stopped home with a ready database; a copy of it starts in seconds, so that a test may start and
stop a server of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from side_by_side import made_once

from labkit import home

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    from labkit.label import LabelServer

#: As labkit.label.environment has it, which is not imported with every run of a test.
ENVIRONMENT_VARIABLE = "LABKIT_LABEL_STUDIO_ENV"

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunningLabelStudio:
    """A server and the folder that holds all it keeps."""

    home: Path
    server: LabelServer


@pytest.fixture(scope="session")
def label_studio_environment() -> Path:
    """Label Studio's own environment: the one named by LABKIT_LABEL_STUDIO_ENV, else the checkout's, made if absent."""
    from labkit.label import ensure_environment, environment

    assert environment.ENVIRONMENT_VARIABLE == ENVIRONMENT_VARIABLE
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named).absolute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(ROOT / ".labkit"))
        return ensure_environment().parents[1]


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory, label_studio_environment: Path) -> Path:
    """A home whose Label Studio was started once and stopped: its database is ready, and empty."""
    from labkit.label import start_server

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            _point_to(patch, folder, label_studio_environment)
            with start_server(port=free_port()):
                pass

    return made_once(tmp_path_factory, "migrated-home", make)


@pytest.fixture(scope="session")
def running_label_studio(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: Path, label_studio_environment: Path
) -> Iterator[RunningLabelStudio]:
    """A Label Studio that runs until the last test is done."""
    from labkit.label import start_server

    folder = tmp_path_factory.mktemp("running") / "home"
    shutil.copytree(migrated_home, folder)
    with pytest.MonkeyPatch.context() as patch:
        _point_to(patch, folder, label_studio_environment)
        server = start_server(port=free_port())
    yield RunningLabelStudio(folder, server)
    server.stop()


@pytest.fixture
def label_studio(
    running_label_studio: RunningLabelStudio, label_studio_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> LabelServer:
    """The running Label Studio, as this bench's own for the length of a test."""
    _point_to(monkeypatch, running_label_studio.home, label_studio_environment)
    return running_label_studio.server


@pytest.fixture
def fresh_home(
    tmp_path: Path, migrated_home: Path, label_studio_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A home of this test's own with a ready, empty database, and no server running."""
    folder = tmp_path / "home"
    shutil.copytree(migrated_home, folder)
    _point_to(monkeypatch, folder, label_studio_environment)
    return folder


@pytest.fixture(scope="session")
def couplet_scene() -> xr.Dataset:
    """Gradients of one Gaussian bump, 700 × 900 px, on a skewed lookup table: both directions show a couplet."""
    import numpy as np
    import xarray as xr

    y, x = np.mgrid[0.5:700, 0.5:900]
    bump = np.exp(-((y - 300) ** 2 / 40**2 + (x - 350) ** 2 / 60**2) / 2)
    gradient = np.stack([-(y - 300) / 40 * bump, -(x - 350) / 60 * bump]).astype(np.float32) * 6
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), gradient)},
        coords={
            "direction": ["azimuth", "range"],
            "lon": (("y", "x"), 101.5 + 4e-4 * x - 1e-4 * y),
            "lat": (("y", "x"), 30.9 - 3e-4 * y - 5e-5 * x),
        },
        attrs={"scene": "couplet", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.0555},
    )


def free_port() -> int:
    """A port for a server of a test's own, away from those of other runs on this machine."""
    return home.free_port(20000 + 10 * (os.getpid() % 1000))


def chips_of(scene: xr.Dataset, size: int, overlap: float = 0.0, name: str = "chip") -> gpd.GeoDataFrame:
    """Cut a scene into chips, as the chip stage does; their footprints are exact on a plane lookup table."""
    import geopandas as gpd

    from labkit import geo, schema

    layer = next(iter(schema.layers(scene).values()))
    corners = list(geo.windows(layer.shape, size, overlap))
    boxes = [(col, row, col + size, row + size) for row, col in corners]
    return gpd.GeoDataFrame(
        {
            "chip_id": [f"{name}_{row}_{col}" for row, col in corners],
            "scene": scene.attrs["scene"],
            "row": [row for row, _ in corners],
            "col": [col for _, col in corners],
            "size": size,
            "valid_fraction": 1.0,
            "split": "",
        },
        geometry=geo.box_polygons(scene, boxes),
        crs="EPSG:4326",
    )


def images_of(chips: gpd.GeoDataFrame, scene: xr.Dataset, folder: Path) -> pd.DataFrame:
    """Render chips as PNG files: red for positive, blue for negative, white at zero, grey where there are no data."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    from labkit import geo, schema

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for chip in chips.itertuples():
        for direction, layer in schema.layers(scene).items():
            values = geo.read_window(layer, chip.row, chip.col, chip.size) / schema.DISPLAY_LIMIT_RAD
            part = np.nan_to_num(np.clip(values, -1, 1))
            rgb = np.stack([1 + np.minimum(part, 0), 1 - np.abs(part), 1 - np.maximum(part, 0)], axis=-1)
            rgb[np.isnan(values)] = 0.6
            path = folder / f"{chip.chip_id}_{direction}.png"
            Image.fromarray((255 * rgb).round().astype(np.uint8)).save(path)
            rows.append({"chip_id": chip.chip_id, "direction": direction, "path": path})
    return pd.DataFrame(rows)


def _point_to(patch: pytest.MonkeyPatch, folder: Path, environment: Path) -> None:
    patch.setenv("LABKIT_HOME", str(folder))
    patch.setenv(ENVIRONMENT_VARIABLE, str(environment))
    for name in ("LABKIT_LABEL_STUDIO_URL", "LABKIT_LABEL_STUDIO_TOKEN", "LABKIT_LABEL_STUDIO_FILES"):
        patch.delenv(name, raising=False)
