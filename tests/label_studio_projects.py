"""Two chips, and a project of the test's own for them on the shared Label Studio; ``conftest.py`` hands them on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from label_studio_fixture import chips_of, images_of

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    from labkit.label import LabelServer, Studio


@pytest.fixture
def two_chips(couplet_scene: xr.Dataset, tmp_path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    chips = chips_of(couplet_scene, 416, 0.25).iloc[[0, 3]].reset_index(drop=True)
    return chips, images_of(chips, couplet_scene, tmp_path / "images")


@pytest.fixture
def studio(label_studio: LabelServer) -> Studio:
    from labkit.label import connect

    return connect()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project of the test's own on the shared server (titles hold 50 characters)."""
    return request.node.name[-50:]


def api(server: LabelServer, method: str, path: str, **more: object) -> requests.Response:
    """Ask the server as a browser's page does, not through labkit."""
    answer = requests.request(
        method, server.url + path, headers={"Authorization": f"Token {server.token}"}, timeout=30, **more
    )
    answer.raise_for_status()
    return answer


def tasks_of(server: LabelServer, studio: Studio, project: str) -> list[dict]:
    number = studio.link(project).split("/")[-2]
    return api(server, "GET", f"/api/tasks?project={number}&page_size=1000&fields=all").json()["tasks"]
