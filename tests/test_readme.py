"""What the README shows is there and runs."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import pytest

import labkit as lk
from labkit.label import LabelServer

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
WALK = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)  # type: ignore[union-attr]


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_walk_takes_eight_lines_and_uses_names_that_exist() -> None:
    lines = [line for line in WALK.splitlines() if line.strip() and not line.startswith("import")]
    assert len(lines) == 8
    for path in re.findall(r"\blk((?:\.\w+)+)\(", WALK):
        found: object = lk
        for name in path.strip(".").split("."):
            found = getattr(found, name)
        assert callable(found)


@pytest.mark.slow
@pytest.mark.server
def test_the_walk_runs_as_it_stands(
    label_studio: LabelServer, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(demo_folder)
    monkeypatch.chdir(tmp_path)
    # People have labelled: here the known landslides are handed in as finished annotations.
    ifgs = lk.open_interferograms(demo_folder / "descending")
    gradients = lk.stack_gradients(lk.multilook(lk.select_pairs(ifgs), 40), progress=False)
    chips = lk.make_chips(gradients, size=160)
    studio = lk.label.connect()
    studio.push(chips, lk.chip.write_images(chips, gradients, tmp_path / "images", progress=False), "landslides")
    truth = gpd.read_file(demo_folder / "truth.gpkg")
    studio.annotate("landslides", truth[truth["scene"] == "descending"])

    names: dict[str, object] = {}
    exec(WALK, names)
    assert len(names["landslides"]) >= 10  # type: ignore[arg-type]
    assert gpd.read_file("landslides.kml").crs.to_epsg() == 4326
