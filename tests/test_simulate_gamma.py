"""The files of one track, read back by plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labkit.simulate import Scene, write_scene


@pytest.fixture(scope="module")
def folder(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tiny_scene, tmp_path_factory.mktemp("gamma") / "scene")


def parameters(path: Path) -> dict[str, list[str]]:
    lines = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {key.strip(): value.split() for key, value in lines}


def read(path: Path, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    return np.fromfile(path, dtype).reshape(shape)


def test_each_pair_is_big_endian_complex_with_the_coherence_as_magnitude(tiny_scene: Scene, folder: Path) -> None:
    for track, ifgs in tiny_scene.interferograms.items():
        files = sorted((folder / track / "diff").iterdir())
        assert [f.name for f in files] == [f"{p}.diff.ml.sm" for p in ifgs["pair"].values]
        for k in (0, len(files) - 1):
            values = read(files[k], ">c8", (160, 192))
            phase, coherence = ifgs["phase"].values[k], ifgs["coherence"].values[k]
            water = np.isnan(phase)
            assert (values[water] == 0).all() and (values[~water] != 0).all()
            assert np.abs(values[~water]) == pytest.approx(coherence[~water], abs=1e-6)
            turned = values[~water] * np.exp(-1j * phase[~water])
            assert np.angle(turned) == pytest.approx(np.zeros(turned.shape), abs=1e-5)


def test_the_image_parameters_are_those_of_the_scene(tiny_scene: Scene, folder: Path) -> None:
    for track, ifgs in tiny_scene.interferograms.items():
        (path,) = (folder / track).glob("*.rmli.par")
        found = parameters(path)
        assert (found["azimuth_lines"], found["range_samples"]) == (["160"], ["192"])
        assert float(found["heading"][0]) == ifgs.attrs["heading"]
        assert float(found["incidence_angle"][0]) == ifgs.attrs["incidence_angle"]
        assert float(found["azimuth_pixel_spacing"][0]) == pytest.approx(ifgs.attrs["y_spacing"])
        assert float(found["range_pixel_spacing"][0]) == pytest.approx(ifgs.attrs["x_spacing"], abs=1e-6)
        assert 299_792_458 / float(found["radar_frequency"][0]) == pytest.approx(ifgs.attrs["wavelength"], rel=1e-6)
        assert "".join(found["date"]) == path.name.split(".")[0]


def test_the_lookup_table_leads_from_the_map_to_the_pixel_there(tiny_scene: Scene, folder: Path) -> None:
    for track, ifgs in tiny_scene.interferograms.items():
        grid = parameters(folder / track / "EQA.dem_par")
        shape = int(grid["nlines"][0]), int(grid["width"][0])
        (path,) = (folder / track).glob("*.lt_fine")
        table = read(path, ">c8", shape)
        lat = float(grid["corner_lat"][0]) + float(grid["post_lat"][0]) * np.arange(shape[0])
        lon = float(grid["corner_lon"][0]) + float(grid["post_lon"][0]) * np.arange(shape[1])
        rows, cols = np.nonzero((table.real > 1) & (table.real < 190) & (table.imag > 1) & (table.imag < 158))
        for i in range(0, len(rows), 997):
            sample, line = table[rows[i], cols[i]].real, table[rows[i], cols[i]].imag
            y, x = round(float(line)), round(float(sample))
            # half a pixel of 40 m is about 0.0002°
            assert float(ifgs["lon"][y, x]) == pytest.approx(lon[cols[i]], abs=0.0004)
            assert float(ifgs["lat"][y, x]) == pytest.approx(lat[rows[i]], abs=0.0004)
        assert table[0, 0] == 0


def test_the_dem_is_the_scenes_own(tiny_scene: Scene, folder: Path) -> None:
    heights = read(folder / "ascending" / "EQA.dem", ">f4", tiny_scene.dem.shape)
    assert (heights == tiny_scene.dem.values).all()


def test_the_perpendicular_baseline_stands_in_the_eighth_column(tiny_scene: Scene, folder: Path) -> None:
    ifgs = tiny_scene.interferograms["ascending"]
    for name, baseline in zip(ifgs["pair"].values, ifgs["perpendicular_baseline"].values, strict=True):
        text = (folder / "ascending" / "geometry" / f"{name}_bperp.par").read_text()
        rows = [line.split() for line in text[text.index("***\n", 100) :].splitlines()[1:]]
        table = [row for row in rows if len(row) == 9 and row[0].isdigit()]
        assert len(table) == 9
        assert [float(row[7]) for row in table] == pytest.approx([baseline] * 9, abs=1e-4)
