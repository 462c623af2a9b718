"""A scene on disk is whole or absent, and the demo is made once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit.errors import FileError
from labkit.simulate import Scene, demo, write_scene


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tiny_scene, tmp_path_factory.mktemp("written") / "scene")


@pytest.mark.parametrize("track", ["ascending", "descending"])
def test_open_interferograms_reads_the_scene_back(tiny_scene: Scene, folder: Path, track: str) -> None:
    read, made = lk.open_interferograms(folder / track), tiny_scene.interferograms[track]
    assert read["pair"].values.tolist() == made["pair"].values.tolist()
    for name, exact in (("phase", 1e-5), ("coherence", 1e-6)):
        np.testing.assert_allclose(read[name].values, made[name].values, atol=exact)
    for name in ("lon", "lat"):
        np.testing.assert_allclose(read[name].values, made[name].values, atol=1e-6)
    for name in ("temporal_baseline", "perpendicular_baseline"):
        np.testing.assert_allclose(read[name].values, made[name].values, atol=1e-3)
    for name in ("heading", "incidence_angle", "y_spacing", "x_spacing", "ground_spacing", "wavelength", "phase_sign"):
        assert read.attrs[name] == pytest.approx(made.attrs[name], rel=1e-6)
    assert read.attrs["orbit_direction"] == track


def test_the_written_truth_names_the_scene_that_is_read(tiny_scene: Scene, folder: Path) -> None:
    for name, made in (("truth", tiny_scene.truth), ("rate_truth", tiny_scene.rate_truth)):
        written = gpd.read_file(folder / f"{name}.gpkg")
        for track, rows in written.groupby("track"):
            assert set(rows["scene"]) == {lk.open_interferograms(folder / str(track)).attrs["scene"]}
        corners = ["xmin", "ymin", "xmax", "ymax"]
        assert written[corners].to_numpy().tolist() == made[corners].to_numpy().tolist()
        assert written.geometry.geom_equals_exact(made.geometry, 1e-9).all()


def test_rates_and_tables_stand_beside(tiny_scene: Scene, folder: Path) -> None:
    with xr.open_dataset(folder / "descending" / "rates.nc", engine="h5netcdf") as rates:
        np.testing.assert_array_equal(rates["rate"].values, tiny_scene.rates["descending"]["rate"].values)
        assert rates.attrs["scene"] == "descending"
    for name in ("counties", "rivers", "landslides"):
        assert len(gpd.read_file(folder / f"{name}.gpkg")) == len(getattr(tiny_scene, name))


def test_the_manifest_lists_every_file_with_its_size(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    del found["manifest.json"]
    assert manifest["files"] == found


def test_nothing_half_written_stays_behind(folder: Path) -> None:
    assert names(folder.parent) == {"scene"}


def test_a_folder_of_something_else_is_left_alone(tiny_scene: Scene, tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("two years of work")
    with pytest.raises(FileError, match="holds other files"):
        write_scene(tiny_scene, tmp_path)
    with pytest.raises(FileError, match=r"thesis\.txt"):
        write_scene(tiny_scene, precious)
    assert names(tmp_path) == {"thesis.txt"} and precious.read_text() == "two years of work"


def test_a_scene_that_cannot_be_written_leaves_the_older_one_as_it_was(tiny_scene: Scene, tmp_path: Path) -> None:
    home = write_scene(tiny_scene, tmp_path / "scene")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    with pytest.raises(TypeError):
        write_scene(replace(tiny_scene, rivers=None), home)  # type: ignore[arg-type]
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    assert names(tmp_path) == {"scene"}


def test_the_demo_is_made_once_and_made_again_when_it_is_not_whole(tmp_path: Path) -> None:
    home = demo(tmp_path / "demo", name="tiny", progress=False)
    pair = next((home / "ascending" / "diff").iterdir())
    written = pair.stat().st_mtime_ns
    assert demo(tmp_path / "demo", name="tiny", progress=False) == home
    assert pair.stat().st_mtime_ns == written

    whole = pair.read_bytes()
    pair.write_bytes(whole[:1000])
    demo(home, name="tiny", progress=False)
    assert pair.read_bytes() == whole

    (home / "manifest.json").write_text('{"name": "ti')
    demo(home, name="tiny", progress=False)
    assert json.loads((home / "manifest.json").read_text())["name"] == "tiny"
    assert names(tmp_path) == {"demo"}


def test_another_seed_replaces_the_demo(tmp_path: Path) -> None:
    home = demo(tmp_path / "demo", name="tiny", progress=False)
    before = next((home / "ascending" / "diff").iterdir()).read_bytes()
    demo(home, name="tiny", seed=1, progress=False)
    assert json.loads((home / "manifest.json").read_text())["seed"] == 1
    assert next((home / "ascending" / "diff").iterdir()).read_bytes() != before
