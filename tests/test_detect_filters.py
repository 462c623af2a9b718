import couplets
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.geometry import Polygon

from labkit import LabkitError, filter_detections, geo, schema
from labkit.detect import quiet_share


def stack(values, scene="a", **attrs):
    values = np.asarray(values, np.float32)
    data = couplets.gradients(values.shape, np.zeros((0, 5)), scene=scene)
    data = data.assign(gradient=(("direction", "y", "x"), np.stack([values, np.zeros_like(values)])))
    data.attrs |= attrs
    return data


def boxes(*corners, scene="a", direction="azimuth"):
    xmin, ymin, xmax, ymax = np.array(corners, float).T
    return schema.boxes_table(
        {"scene": scene, "direction": direction, "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    )


def test_the_share_of_strong_pixels_is_counted_exactly():
    values = np.zeros((20, 20))
    values[5, 5:8] = [1.3, -2.5, 1.1]  # two of 25 pixels are above 1.2 rad
    kept = filter_detections(boxes([5, 5, 10, 10]), stack(values), min_fraction=0.08)
    assert kept[["max_gradient", "fraction"]].values.tolist() == [[2.5, pytest.approx(2 / 25)]]
    assert len(filter_detections(boxes([5, 5, 10, 10]), stack(values), min_fraction=0.081)) == 0


def test_only_pixels_whose_centres_lie_in_the_box_count():
    values = np.arange(36, dtype=float).reshape(6, 6) + 2
    kept = filter_detections(boxes([1.6, 1.4, 3.4, 2.6]), stack(values))
    # x: centre 2.5 only; y: centres 1.5 and 2.5
    assert kept.max_gradient.item() == values[2, 2]


def test_pixels_without_data_do_not_count():
    values = np.full((10, 10), np.nan)
    values[2, 2], values[2, 3] = 3.0, 0.1
    assert filter_detections(boxes([0, 0, 10, 10]), stack(values)).fraction.item() == 0.5


def test_the_threshold_is_meant_at_the_reference():
    values = np.full((10, 10), 1.0)
    weak = filter_detections(boxes([0, 0, 10, 10]), stack(values))
    strong = filter_detections(boxes([0, 0, 10, 10]), stack(values, sum_temporal_baseline=10.0))
    assert len(weak) == 0 and strong.max_gradient.item() == 2.0


def test_each_box_is_judged_on_its_own_scene_and_direction():
    strong, quiet = np.full((10, 10), 3.0), np.zeros((10, 10))
    stacks = {"one": stack(strong, "a"), "two": stack(quiet, "b")}
    table = pd.concat(
        [
            boxes([0, 0, 5, 5], scene="a"),
            boxes([0, 0, 5, 5], scene="b"),
            boxes([0, 0, 5, 5], scene="a", direction="range"),
        ],
        ignore_index=True,
    )
    kept = filter_detections(table, stacks)
    assert kept.index.tolist() == [0]
    assert [(d["index"], d["scene"], d["direction"]) for d in kept.attrs["dropped"]] == [
        (1, "b", "azimuth"),
        (2, "a", "range"),
    ]


def test_what_was_dropped_says_why():
    values = np.zeros((10, 10))
    values[:, 6:] = np.nan
    kept = filter_detections(boxes([0, 0, 5, 5], [7, 0, 9, 5], [30, 30, 40, 40]), stack(values))
    reasons = [d["reason"] for d in kept.attrs["dropped"]]
    assert reasons == [
        "its gradient stays below 1.2 rad, at most 0.00 rad",
        "no valid pixel in the box",
        "no valid pixel in the box",
    ]


def test_tables_that_were_filtered_can_be_put_together():
    kept = [filter_detections(boxes([0, 0, 5, 5]), stack(np.full((9, 9), v))) for v in (3.0, 0.0)]
    assert len(pd.concat(kept)) == 1


def test_nothing_in_nothing_out():
    kept = filter_detections(schema.boxes_table(), stack(np.zeros((9, 9))))
    assert len(kept) == 0 and kept.attrs["dropped"] == [] and {"max_gradient", "fraction"} <= set(kept.columns)


def test_the_table_given_is_left_as_it_was():
    table = boxes([0, 0, 5, 5])
    columns = list(table.columns)
    filter_detections(table, stack(np.zeros((9, 9))))
    assert list(table.columns) == columns and table.attrs == {}


def test_a_scene_or_direction_that_is_not_there_is_named():
    with pytest.raises(LabkitError, match=r"gradients must hold the scene of each detection.*\['a'\] without 'b'"):
        filter_detections(boxes([0, 0, 5, 5], scene="b"), stack(np.zeros((9, 9))))
    with pytest.raises(LabkitError, match="detections must have a direction of the gradients.*'rate'"):
        filter_detections(boxes([0, 0, 5, 5], direction="rate"), stack(np.zeros((9, 9))))


@pytest.mark.parametrize("option", [{"min_gradient": -1.0}, {"min_fraction": 1.1}, {"min_gradient": float("nan")}])
def test_a_threshold_out_of_its_bounds_is_refused_by_name(option):
    [name] = option
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        filter_detections(boxes([0, 0, 5, 5]), stack(np.zeros((9, 9))), **option)


def test_one_strong_pixel_is_not_enough_and_none_is_too_few_whatever_the_share():
    values = np.zeros((10, 10))
    values[2, 2] = 2.0
    one = filter_detections(boxes([0, 0, 5, 5]), stack(values))
    assert one.attrs["dropped"][0]["reason"] == "4.0 % of its pixels above 1.2 rad, fewer than the required 10.0 %"
    assert len(filter_detections(boxes([0, 0, 5, 5]), stack(values), min_fraction=0)) == 1
    assert len(filter_detections(boxes([5, 5, 9, 9]), stack(values), min_fraction=0)) == 0


def test_what_lies_under_a_mask_goes_and_says_under_which():
    data = stack(np.full((10, 20), 3.0))
    snow, layover = np.zeros((2, 10, 20), bool)
    snow[:, :6], layover[:5, :3] = True, True
    masks = {"snow": xr.DataArray(snow, dims=("y", "x")), "layover": {"a": xr.DataArray(layover, dims=("y", "x"))}}
    kept = filter_detections(boxes([0, 0, 10, 10], [10, 0, 20, 10], [4, 0, 14, 10]), data, masks=masks)
    assert kept.masked.tolist() == [0.0, 0.2]
    [gone] = kept.attrs["dropped"]
    assert gone["reason"] == "snow 60 %, layover 15 % of its pixels masked, more than 50 %"
    assert len(filter_detections(boxes([0, 0, 10, 10]), data, masks=masks, max_masked=0.6)) == 1


def test_masked_pixels_count_neither_as_strong_nor_as_valid():
    values = np.zeros((10, 10))
    values[:, :4] = 3.0
    mask = xr.DataArray(np.arange(100).reshape(10, 10) % 10 < 4, dims=("y", "x"))
    assert filter_detections(boxes([0, 0, 10, 10]), stack(values)).fraction.item() == pytest.approx(0.4)
    kept = filter_detections(boxes([0, 0, 10, 10]), stack(values), masks={"snow": mask})
    assert len(kept) == 0 and kept.attrs["dropped"][0]["fraction"] == 0.0


def test_polygons_mask_the_pixels_whose_centres_they_hold():
    data = stack(np.full((40, 40), 3.0))
    lon, lat = geo.pixel_to_lonlat(data, [0.0, 0.0, 40.0, 40.0], [0.0, 10.0, 10.0, 0.0])
    left = gpd.GeoDataFrame(geometry=[Polygon(np.column_stack([lon, lat]))], crs="EPSG:4326")
    kept = filter_detections(
        boxes([0, 5, 12, 15], [8, 5, 28, 15]), data, masks={"drawn": left.to_crs("EPSG:32647")}, max_masked=0.6
    )
    assert kept.masked.tolist() == [pytest.approx(0.1)]
    assert kept.attrs["dropped"][0]["reason"] == "drawn 83 % of its pixels masked, more than 60 %"


def test_the_share_of_quiet_ground_that_would_pass_is_the_share_that_is_strong():
    values = np.zeros((300, 300))
    values[:, 150:] = 3.0  # half of the ground passes any box that lies there
    found = boxes([20, 20, 24, 24], [100, 100, 103, 105])
    share, count = quiet_share(stack(values), found, count=4000)
    # azimuth is half strong, range is quiet everywhere
    assert count == 4000 and share == pytest.approx(0.25, abs=0.03)
    assert quiet_share(stack(values), found, count=4000) == (share, count)
    kept = filter_detections(found, stack(values), min_gradient=0.0, min_fraction=0.0)
    assert (kept.attrs["quiet_share"], kept.attrs["quiet_boxes"]) == (1.0, 500), "a threshold that filters nothing"


def test_quiet_ground_is_away_from_detections_and_has_data():
    values = np.zeros((60, 60))
    values[:30], values[30:, :30] = 5.0, np.nan
    share, count = quiet_share(stack(values), boxes([0, 0, 60, 28], [40, 40, 46, 46]), min_fraction=0.5, count=200)
    assert count > 20 and share < 0.2
    everywhere = quiet_share(stack(values), boxes([0, 0, 60, 60]), count=50)
    assert np.isnan(everywhere[0]) and everywhere[1] == 0


def test_a_mask_that_does_not_fit_is_named():
    data = stack(np.zeros((9, 9)))
    for mask, words in (
        (xr.DataArray(np.zeros((4, 9), bool), dims=("y", "x")), r"masks\['snow'\] must be bool .y, x. of shape .9, 9."),
        (xr.DataArray(np.zeros((9, 9)), dims=("y", "x")), "dtype=float64"),
        (3, "instead got int"),
        (gpd.GeoDataFrame(geometry=[Polygon([(0, 0), (1, 0), (1, 1)])]), "crs=None"),
    ):
        with pytest.raises(LabkitError, match=words):
            filter_detections(boxes([0, 0, 5, 5]), data, masks={"snow": mask})
