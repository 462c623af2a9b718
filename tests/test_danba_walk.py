"""The whole walk on real interferograms: from the Danba files to a density map, with a real Label Studio between."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import requests
import shapely
import xarray as xr

import labkit as lk
from labkit.label import LabelServer
from labkit.label.config import control_name
from labkit.train import Detector

pytestmark = pytest.mark.real

#: Drawn by eye over the landslide, xmin, ymin, xmax, ymax (the data's own README).
AZIMUTH_BOX = (62.0, 16.0, 161.0, 72.0)
RANGE_BOX = (60.0, 25.0, 158.0, 68.0)


@pytest.fixture(scope="module")
def gradients(real_data: Path) -> xr.Dataset:
    ifgs = lk.open_interferograms(real_data / "danba_gamma")
    pairs = lk.select_pairs(ifgs)
    assert (ifgs.sizes["pair"], pairs.sizes["pair"]) == (186, 79)
    return lk.stack_gradients(pairs, window=7, progress=False).compute()


@pytest.fixture(scope="module")
def drawn_by_eye(gradients: xr.Dataset) -> gpd.GeoDataFrame:
    corners = np.array([AZIMUTH_BOX, RANGE_BOX])
    columns = {c: corners[:, i] for i, c in enumerate(("xmin", "ymin", "xmax", "ymax"))}
    boxes = lk.schema.boxes_table({"scene": ["danba_gamma"] * 2, "direction": ["azimuth", "range"], **columns})
    return lk.geo.with_geometry(boxes, gradients)


def test_the_box_lies_where_the_landslide_is(drawn_by_eye: gpd.GeoDataFrame) -> None:
    west, south, east, north = drawn_by_eye.geometry.iloc[0].bounds
    np.testing.assert_allclose([west, east], [101.934, 101.946], atol=0.001)
    np.testing.assert_allclose([south, north], [30.836, 30.844], atol=0.001)


def test_the_couplet_is_red_above_and_blue_below(gradients: xr.Dataset, test_output: Path, drawn_by_eye) -> None:
    azimuth = gradients["gradient"].sel(direction="azimuth").values
    assert np.nanmean(azimuth[28:44, 80:130]) > 1.0
    assert np.nanmean(azimuth[56:66, 70:120]) < -1.0
    picture = lk.view.save_gradients_png(gradients, test_output / "danba_gradients.png", labels=drawn_by_eye)
    assert Path(picture).stat().st_size > 20_000


@pytest.mark.server
def test_a_box_drawn_by_an_annotator_comes_back_to_its_pixels(
    gradients: xr.Dataset, drawn_by_eye: gpd.GeoDataFrame, label_studio: LabelServer, tmp_path: Path
) -> None:
    chips = lk.make_chips(gradients)
    assert len(chips) == 1
    studio = lk.label.connect()
    images = lk.chip.write_images(chips, gradients, tmp_path / "images", progress=False)
    assert studio.push(chips, images, project="danba").new == 1
    assert studio.push(chips, images, project="danba").new == 0

    # The annotator's browser: the task's regions in percent of the padded 416 px image, one on each picture.
    session = requests.Session()
    session.headers["Authorization"] = f"Token {label_studio.token}"
    projects = session.get(f"{label_studio.url}/api/projects", timeout=30).json()["results"]
    number = next(p["id"] for p in projects if p["title"] == "danba")
    task = session.get(f"{label_studio.url}/api/tasks", params={"project": number}, timeout=30).json()["tasks"][0]
    regions = [
        {
            "id": direction,
            "type": "rectanglelabels",
            "from_name": control_name(direction),
            "to_name": direction,
            "original_width": 416,
            "original_height": 416,
            "value": {
                "x": xmin / 4.16,
                "y": ymin / 4.16,
                "width": (xmax - xmin) / 4.16,
                "height": (ymax - ymin) / 4.16,
                "rotation": 0,
                "rectanglelabels": ["landslide"],
            },
        }
        for direction, (xmin, ymin, xmax, ymax) in (("azimuth", AZIMUTH_BOX), ("range", RANGE_BOX))
    ]
    answer = session.post(
        f"{label_studio.url}/api/tasks/{task['id']}/annotations", json={"result": regions, "lead_time": 9.5}, timeout=30
    )
    assert answer.status_code == 201

    labels = studio.pull("danba", gradients).sort_values("direction")
    assert labels["direction"].tolist() == ["azimuth", "range"]
    corners = ["xmin", "ymin", "xmax", "ymax"]
    np.testing.assert_allclose(labels[corners].to_numpy(float), [AZIMUTH_BOX, RANGE_BOX], atol=0.5)
    for got, expected in zip(labels.geometry, drawn_by_eye.geometry, strict=True):
        np.testing.assert_allclose(got.bounds, expected.bounds, atol=1e-5)
    assert set(labels["annotator"]) == {label_studio.user}


@pytest.fixture(scope="module")
def at_40_m(real_data: Path) -> xr.Dataset:
    pairs = lk.multilook(lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")), 40)
    return lk.stack_gradients(pairs, progress=False).compute()


@pytest.fixture(params=["shipped", pytest.param("trained here", marks=pytest.mark.slow)])
def detector(request: pytest.FixtureRequest) -> Detector:
    """The detector that ships, and one that learns from the demo scene, which takes most of a minute."""
    if request.param == "shipped":
        return lk.load_detector("gradients-small")
    return request.getfixturevalue("small_detector")


def test_from_the_stack_to_files_that_others_open(
    at_40_m: xr.Dataset, detector: Detector, tmp_path: Path, test_output: Path
) -> None:
    detections = lk.detect_landslides(at_40_m, detector, score=0.5)
    kept = lk.filter_detections(detections, at_40_m)
    assert len(kept) + len(kept.attrs["dropped"]) == len(detections)
    # A detector that saw nothing but simulated slopes puts its surest box on the real landslide. The box drawn by eye
    # is in pixels of the full image, three of which are one here.
    best = kept[kept["direction"] == "azimuth"].sort_values("score").iloc[-1]
    assert iou(best[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float), np.array(AZIMUTH_BOX) / 3) > 0.3
    lk.view.save_gradients_png(at_40_m, test_output / "danba_detections.png", detections=kept)

    landslides = lk.merge_detections([kept])
    assert bool(landslides.iloc[0]["azimuth"])
    assert bool(landslides.iloc[0]["range"])
    package = lk.write_detections(landslides, tmp_path / "danba.gpkg")
    again = gpd.read_file(package)
    assert len(again) == len(landslides)
    np.testing.assert_allclose(again.total_bounds, landslides.total_bounds, atol=1e-9)
    kml = gpd.read_file(lk.write_detections(landslides, tmp_path / "danba.kml"))
    np.testing.assert_allclose(kml.total_bounds, landslides.total_bounds, atol=1e-6)

    density = lk.density(landslides, cell_m=200, bandwidth_m=500)
    area_km2 = (density.attrs["cell_m"] / 1000) ** 2
    assert float(density.sum()) * area_km2 == pytest.approx(len(landslides), rel=0.01)
    lk.view.save_map_png(landslides, density, test_output / "danba_map.png")
    assert (test_output / "danba_map.png").stat().st_size > 10_000


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes xmin, ymin, xmax, ymax."""
    shared = shapely.box(*a).intersection(shapely.box(*b)).area
    return shared / (shapely.box(*a).area + shapely.box(*b).area - shared)
