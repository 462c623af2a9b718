"""The boxes of the truth stand where the true rate changes."""

from __future__ import annotations

import numpy as np
import pytest

import labkit as lk
from labkit import geo, schema
from labkit.simulate import Scene
from labkit.simulate.landslides import reference_gradient

THRESHOLD = 1.2


def truth_gradients(scene: Scene, track: str) -> dict[str, np.ndarray]:
    ifgs = scene.interferograms[track]
    rate = scene.true_rates[track].values
    return reference_gradient(rate, ifgs.attrs["ground_spacing"], ifgs.attrs["phase_sign"])


def test_the_truth_is_a_table_of_labels_with_the_scene_of_its_track(tiny_scene: Scene) -> None:
    truth = schema.check_boxes(tiny_scene.truth, "truth")
    for row in truth.itertuples():
        assert row.scene == tiny_scene.interferograms[row.track].attrs["scene"]
    assert set(truth["direction"]) == {"azimuth", "range"}
    assert not truth.duplicated(["landslide_id", "track", "direction"]).any()
    assert truth.geometry.is_valid.all()


def test_each_box_holds_its_landslide_tightly(tiny_scene: Scene) -> None:
    """Every edge of a box touches a pixel above 1.2 rad, and just outside of it there is none."""
    for row in tiny_scene.truth.itertuples():
        above = np.abs(truth_gradients(tiny_scene, row.track)[row.direction]) > THRESHOLD
        x0, y0, x1, y1 = (int(v) for v in (row.xmin, row.ymin, row.xmax, row.ymax))
        inside = above[y0:y1, x0:x1]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        around = above[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1]
        assert around.sum() == inside.sum()


def test_a_gradient_has_both_signs_in_a_box(tiny_scene: Scene) -> None:
    for row in tiny_scene.truth.itertuples():
        image = truth_gradients(tiny_scene, row.track)[row.direction]
        inside = image[int(row.ymin) : int(row.ymax), int(row.xmin) : int(row.xmax)]
        assert inside.min() < -THRESHOLD and inside.max() > THRESHOLD
        assert row.peak == pytest.approx(np.abs(inside).max(), rel=1e-4)


def test_the_box_in_lonlat_is_the_box_in_pixels(tiny_scene: Scene) -> None:
    row = tiny_scene.truth.iloc[0]
    ifgs = tiny_scene.interferograms[row["track"]]
    middle = row.geometry.centroid
    y, x = geo.lonlat_to_pixel(ifgs, middle.x, middle.y)
    assert float(y) == pytest.approx((row["ymin"] + row["ymax"]) / 2, abs=0.1)
    assert float(x) == pytest.approx((row["xmin"] + row["xmax"]) / 2, abs=0.1)
    outline = tiny_scene.landslides.set_index("landslide_id").geometry[row["landslide_id"]]
    assert outline.intersection(row.geometry).area > 0.6 * outline.area


def test_rate_boxes_stand_where_the_rate_exceeds_ten_millimetres_a_year(tiny_scene: Scene) -> None:
    assert set(tiny_scene.rate_truth["direction"]) == {"rate"}
    for row in tiny_scene.rate_truth.itertuples():
        above = np.abs(tiny_scene.true_rates[row.track].values) > 10.0
        inside = above[int(row.ymin) : int(row.ymax), int(row.xmin) : int(row.xmax)]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


@pytest.mark.parametrize("track", ["ascending", "descending"])
def test_what_the_radar_measured_shows_the_truth_in_its_boxes(tiny_scene: Scene, track: str) -> None:
    """The stack of the noisy pairs follows the noise-free gradient, with its sign, in every box."""
    gradients = lk.stack_gradients(tiny_scene.interferograms[track], estimator="lsq", window=5)
    measured = schema.at_reference(gradients)
    expected = truth_gradients(tiny_scene, track)
    for row in tiny_scene.truth[tiny_scene.truth["track"] == track].itertuples():
        window = np.s_[int(row.ymin) : int(row.ymax), int(row.xmin) : int(row.xmax)]
        got = measured.sel(direction=row.direction).values[window]
        known = np.isfinite(got)
        assert np.corrcoef(got[known], expected[row.direction][window][known])[0, 1] > 0.75
