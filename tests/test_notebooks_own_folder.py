"""Notebooks 60, 61 and 62 on somebody's own folder: the real interferograms of Danba, which nobody has labelled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import geopandas as gpd
import nbformat
import pytest
from nbclient import NotebookClient

import labkit as lk

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.notebooks, pytest.mark.real]


def run(folder: Path, name: str, **settings: str) -> str:
    """Run a notebook with lines of its settings cell replaced, and give what its cells said."""
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    cell = next(cell for cell in book.cells if cell.cell_type == "code" and "RESULTS = " in cell.source)
    for word, value in settings.items():
        lines = cell.source.splitlines()
        assert sum(line.startswith(f"{word} = ") for line in lines) == 1, f"{word} must be a setting of {name}"
        cell.source = "\n".join(f"{word} = {value}" if line.startswith(f"{word} = ") else line for line in lines)
    client = NotebookClient(book, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"})
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_detection_baselines_and_review_run_on_stacks_that_nobody_has_labelled(
    real_data: Path, demo_folder: Path, tmp_path: Path
) -> None:
    """Slow: three notebooks. Weights that never saw the slide find it; nothing is taken from the demo scene."""
    folder, results = tmp_path / "notebooks", tmp_path / "notebooks" / "results"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns("results", ".*"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(demo_folder)
    ifgs = lk.multilook(lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")))
    lk.read.save_scene(lk.stack_gradients(ifgs, progress=False), results / "gradients_descending.nc")
    rates = lk.integrate_rate(lk.stack_gradients(ifgs, window=3, progress=False))
    lk.read.save_scene(rates, results / "rates_descending.nc")
    # drawn by eye over the landslide on the full array (the data's own README)
    full = lk.open_interferograms(real_data / "danba_gamma")
    known = gpd.GeoSeries(lk.geo.box_polygons(full, [[62, 16, 161, 72]]), crs=4326)
    known.to_file(folder / "by_eye.gpkg")

    said = run(folder, "60_detect")
    assert "0 known boxes on 1 scenes" in said and "Nothing is known here to measure against" in said
    found = gpd.read_file(results / "detections.gpkg")
    assert len(found) == 1 and found["model"].tolist() == ["gradients-small"]
    assert found.geometry.iloc[0].intersection(known.iloc[0]).area > 0.8 * known.iloc[0].area
    assert "1 detections: of notebook 60" in run(folder, "62_review")
    assert len(lk.detect.open_review(results / "review_simulated.gpkg", None).answers()) == 2
    said = run(
        folder, "61_baselines", RATES='[lk.read.load_scene("results/rates_descending.nc")]', INVENTORY='"by_eye.gpkg"'
    )
    assert "1 of 1 known landslides detected" in said
