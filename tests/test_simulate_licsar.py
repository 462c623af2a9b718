"""Frames written as LiCSAR's are opened by the reader of LiCSAR's, and hold what the scene holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labkit as lk
from labkit.errors import FileError
from labkit.simulate import Calendar, Effects, Scene, scene, write_licsar

TRACKS = ("ascending", "descending")


@pytest.fixture(scope="module")
def small() -> Scene:
    dates = np.datetime64("2019-06-05") + 12 * np.arange(4)
    return scene("tiny", effects=Effects(), calendar=Calendar("own", dict.fromkeys(TRACKS, dates)))


@pytest.fixture(scope="module")
def frames(small: Scene, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = write_licsar(small, tmp_path_factory.mktemp("licsar") / "frames")
    return dict(zip(TRACKS, folders, strict=True))


@pytest.mark.parametrize("track", TRACKS)
def test_the_frame_is_opened_with_its_geometry_and_baselines(small: Scene, frames: dict, track: str) -> None:
    read, made = lk.open_interferograms(frames[track]), small.interferograms[track]
    assert read.attrs["processor"] == "LiCSAR" and read.attrs["orbit_direction"] == track
    assert read.attrs["track"] == {"ascending": "026", "descending": "135"}[track]
    assert read.attrs["scene"] == frames[track].name
    assert read.attrs["phase_sign"] == made.attrs["phase_sign"]
    for name in ("heading", "incidence_angle"):
        assert read.attrs[name] == pytest.approx(made.attrs[name], abs=1e-4)
    assert read["pair"].values.tolist() == made["pair"].values.tolist()
    np.testing.assert_allclose(read["perpendicular_baseline"], made["perpendicular_baseline"], atol=2e-3)


@pytest.mark.parametrize("track", TRACKS)
def test_each_map_pixel_holds_the_radar_pixel_on_the_same_ground(small: Scene, frames: dict, track: str) -> None:
    read, made = lk.open_interferograms(frames[track]), small.interferograms[track]
    phase, coherence = read["phase"][1].values, read["coherence"][1].values
    original, quality = made["phase"][1].values, made["coherence"][1].values
    known = np.argwhere(np.isfinite(phase))
    assert len(known) > 0.9 * np.isfinite(original).sum() * (40.0 / 111.3) * (40.0 / 95.6)
    for row, col in known[:: len(known) // 200]:
        lon, lat = float(read["x"][col]), float(read["y"][row])
        away = (made["lon"].values - lon) ** 2 * np.cos(np.radians(lat)) ** 2 + (made["lat"].values - lat) ** 2
        y, x = np.unravel_index(np.argmin(away), away.shape)
        assert phase[row, col] == pytest.approx(original[y, x], abs=2e-6)
        assert coherence[row, col] == pytest.approx(quality[y, x], abs=0.5 / 255 + 1e-6)


def test_a_phase_of_zero_is_no_missing_phase(tmp_path: Path) -> None:
    dates = np.datetime64("2019-06-05") + 12 * np.arange(2)
    still = scene("tiny", effects=Effects.none(), calendar=Calendar("own", dict.fromkeys(TRACKS, dates)))
    read = lk.open_interferograms(write_licsar(still, tmp_path / "frames")[0])
    # a track that is not north up fills a part of its rectangle, all of which is known
    assert np.isfinite(read["phase"]).mean() > 0.6


def test_a_folder_that_holds_something_is_left_alone(small: Scene, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    with pytest.raises(FileError, match="folder must be new or empty"):
        write_licsar(small, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
