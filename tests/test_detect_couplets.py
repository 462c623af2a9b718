"""The public door of the couplet filter: its table, its options, and what takes its boxes on."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from couplet_plants import scene

import labkit as lk
from labkit import LabkitError, schema
from labkit.detect.couplets import snr_for
from labkit.label import tasks


def test_the_table_obeys_the_schema_and_lies_on_the_ground(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted_slides
    found = lk.couplets(data, progress=False)
    schema.check_boxes(found)
    assert set(found["model"]) == {"couplets"} and set(found["scene"]) == {"formula"}
    assert set(found["orbit_direction"]) == {"ascending"} and set(found["track"]) == {"26"}
    first = found.iloc[0]
    west, south, east, north = found.geometry.to_crs("EPSG:32648").iloc[0].bounds
    np.testing.assert_allclose([west, east], 400_000 + 40 * first[["xmin", "xmax"]].to_numpy(float), atol=0.01)
    np.testing.assert_allclose([south, north], 3_400_000 - 40 * first[["ymax", "ymin"]].to_numpy(float), atol=0.01)


def test_filter_merge_evaluate_and_density_take_the_boxes_as_they_are(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted_slides
    found = lk.couplets(data, progress=False)
    kept = lk.filter_detections(found, data)
    assert len(kept) == 10
    landslides = lk.merge_detections([kept])
    assert len(landslides) == 5 and landslides[["azimuth", "range"]].all(axis=None)
    assert lk.evaluate(found, kept).f1 == 1.0
    density = lk.density(landslides, cell_m=200, bandwidth_m=1000)
    assert float(density.sum()) * 0.04 == pytest.approx(5, rel=0.01)


def test_the_score_grows_with_the_ratio_and_is_a_half_at_one_false_box_per_1000_km2(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted_slides
    found = lk.couplets(data, 50.0, progress=False)
    usual = snr_for(1.0, 40.0)
    np.testing.assert_allclose(found["score"], 1 - 0.5 ** (found["snr"] / usual))
    for _, group in found.groupby("direction"):
        assert (group["snr"].diff().dropna() <= 0).all()
    fewer = lk.couplets(data, 1.0, progress=False)
    assert set(fewer["score"]) <= set(found["score"]) and fewer["score"].min() >= 0.5


def test_label_studio_shows_them_as_predictions_of_the_model_couplets(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted_slides
    found = lk.couplets(data, progress=False)
    chips = lk.make_chips(data, size=220, overlap=0.25)
    sent = [
        prediction
        for _, chip in chips.iterrows()
        for prediction in tasks.predictions_on(tasks.task_data(chip, {}), found, schema.DIRECTIONS)
    ]
    assert {prediction["model_version"] for prediction in sent} == {"couplets"}
    assert sum(len(prediction["result"]) for prediction in sent) >= len(found)


def test_one_direction_alone_is_searched_as_well(planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted_slides
    found = lk.couplets(data.sel(direction=["range"]), progress=False)
    assert found["direction"].tolist() == ["range"] * 5


def test_without_a_standard_error_the_spread_of_the_gradients_stands_in(
    planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]],
) -> None:
    data, _ = planted_slides
    found = lk.couplets(data.drop_vars("standard_error"), progress=False)
    known = lk.couplets(data, progress=False)
    assert lk.evaluate(found, known, iou=0.8).f1 == 1.0


def test_the_input_is_not_changed(planted_slides: tuple[xr.Dataset, dict[str, np.ndarray]]) -> None:
    data, _ = planted_slides
    before = data.copy(deep=True)
    lk.couplets(data, progress=False)
    xr.testing.assert_identical(data, before)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"false_per_1000_km2": 0.0}, "false_per_1000_km2"),
        ({"false_per_1000_km2": 101.0}, "false_per_1000_km2"),
        ({"false_per_1000_km2": float("nan")}, "false_per_1000_km2"),
        ({"lengths_m": (0.0, 100.0)}, "lengths_m"),
        ({"lengths_m": (200.0, 100.0)}, "lengths_m"),
    ],
)
def test_an_option_out_of_its_bounds_is_refused_by_name(options: dict, name: str) -> None:
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        lk.couplets(scene(np.zeros((40, 40))), progress=False, **options)


def test_a_stack_without_data_is_refused() -> None:
    data = scene(np.zeros((40, 40))).where(False)
    with pytest.raises(LabkitError, match="gradients must have data somewhere"):
        lk.couplets(data, progress=False)
